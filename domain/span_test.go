package domain

import (
	"testing"
	"time"
)

// TestSpan: hours, minutes and seconds without zeros at the end, and read again as the same.
func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Hour: "1h", 168 * time.Hour: "168h", 90 * time.Minute: "1h30m", 30 * time.Minute: "30m", 61 * time.Second: "1m1s",
		time.Hour + time.Second: "1h0m1s", 1500 * time.Millisecond: "1.5s", 100 * time.Minute: "1h40m", 8784 * time.Hour: "8784h",
	} {
		if got := Span(d).String(); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
		var back Span
		if err := back.UnmarshalText([]byte(want)); err != nil || back.Duration() != d {
			t.Errorf("%q is read as %v, want %v (%v)", want, back, d, err)
		}
	}
	for _, text := range []string{"", "168", "-1h", "1us", "7d", "forever", "9999999999h", "1h "} {
		if err := new(Span).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}

// FuzzSpan: what is read is written as what is read as the same.
func FuzzSpan(f *testing.F) {
	for _, text := range []string{"168h", "1h30m", "0s", "1.5s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s, back Span
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s {
			t.Errorf("%q is %s, which is read as %s (%v)", text, s, back, err)
		}
	})
}
