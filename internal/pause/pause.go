// Package pause lets time pass between two tries of what goes on for as long as its context does.
package pause

import (
	"context"
	"time"
)

// For waits for d, and less if the context ends before. It tells whether the context goes on. It waits by the machine's
// clock, also under a sandbox.
func For(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
	return ctx.Err() == nil
}
