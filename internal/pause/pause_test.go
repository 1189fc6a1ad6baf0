package pause_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sundial/internal/pause"
)

func TestFor(t *testing.T) {
	for _, c := range []struct {
		name      string
		wait, end time.Duration // how long, and when the context ends; zero for never
		want      bool
		passes    time.Duration
	}{
		{"to its end", time.Second, 0, true, time.Second},
		{"until the context ends", time.Minute, time.Second, false, time.Second},
		{"to its end before the context's", time.Second, time.Minute, true, time.Second},
		{"not at all", 0, 0, true, 0},
		{"less than not at all", -time.Second, 0, true, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.end > 0 {
				ctx, cancel = context.WithTimeout(ctx, c.end)
				defer cancel()
			}
			began := time.Now()
			if got := pause.For(ctx, c.wait); got != c.want {
				t.Errorf("%s: %t, want %t", c.name, got, c.want)
			}
			if passed := time.Since(began); passed != c.passes {
				t.Errorf("%s: %s, want %s", c.name, passed, c.passes)
			}
		})
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, d := range []time.Duration{-time.Second, 0, time.Hour} {
		if pause.For(ended, d) {
			t.Errorf("%s: the context had ended", d)
		}
	}
}
