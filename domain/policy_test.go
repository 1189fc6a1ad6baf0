package domain

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestDefaultPolicy: the numbers of the lifecycle and of the configuration.
func TestDefaultPolicy(t *testing.T) {
	want := Policy{
		Grace: 7 * 24 * time.Hour, Quota: 100, MaxAhead: 24 * time.Hour, NameRunes: 64, IntroRunes: 300,
		OrderAhead: 26280 * time.Hour, Notices: []Span{Span(168 * time.Hour), Span(72 * time.Hour), Span(24 * time.Hour), Span(time.Hour)},
		KeyOverlap: 24 * time.Hour, Reveals: 10, RevealWindow: time.Hour, Admins: 5, Certificates: 20,
		CertificateNotices: []time.Duration{30 * 24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour},
		Types:              []string{"social", "live streaming", "e-commerce", "education", "gaming", "customer service", "healthcare", "finance", "IoT", "other"},
	}
	if diff := gocmp.Diff(want, DefaultPolicy()); diff != "" {
		t.Error(diff)
	}
}

// TestEditions: the trials, then pro, then flagship.
func TestEditions(t *testing.T) {
	want := map[Edition]int{"": 0, "gold": 0, Trial: 1, TRTCTrial: 1, Pro: 2, Flagship: 3}
	for e, rank := range want {
		if e.Rank() != rank || e.Paid() != (rank > 1) {
			t.Errorf("%s has rank %d, paid %t", e, e.Rank(), e.Paid())
		}
	}
	for _, e := range Editions() {
		if e.Rank() == 0 {
			t.Errorf("%s has no rank", e)
		}
	}
}
