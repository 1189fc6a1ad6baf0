package main

import (
	"testing"
	"time"
)

func TestSpan(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"30d": 30 * day, "1d": day, "366d": 366 * day, "36h": 36 * time.Hour, "90m": 90 * time.Minute,
		"0d": 0, "367d": 0, "-1d": 0, "d": 0, "": 0, "1.5d": 0, "soon": 0, "65536d": 0, "9223372036854775807d": 0, "9000h": 0, "-1h": 0,
	} {
		got, err := span(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("span(%q) = %s, %v; want %s", text, got, err, want)
		}
	}
}

// FuzzSpan: whatever is given, it is a span that the engine takes, or a misuse.
func FuzzSpan(f *testing.F) {
	for _, seed := range []string{"30d", "36h", "106752d", "-5h", "1e9d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := span(text); err == nil && (got <= 0 || got > 366*24*time.Hour) {
			t.Errorf("span(%q) = %s", text, got)
		}
	})
}
