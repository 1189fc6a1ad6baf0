package api

import (
	"testing"
	"time"
)

func TestDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0d": 0, "30d": 720 * time.Hour, "12h": 12 * time.Hour, "36500d": 876_000 * time.Hour, "876000h": 876_000 * time.Hour,
	} {
		if got, err := days(text); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "30", "-1d", "+1d", "1.5h", "90m", "10s", "1h30m", "30days", "x30d", "30d\n", "36501d", "876001h", "9999999d"} {
		if got, err := days(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
