package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// watch starts a stopwatch.
func watch() (elapsed func() time.Duration) {
	started := time.Now()                                      //nolint:forbidigo // measures a duration
	return func() time.Duration { return time.Since(started) } //nolint:forbidigo // measures a duration
}

// load has writers do one thing after another until the slot is over, each waiting for the answer before the next. It
// gives how many were done a second. The first error ends it.
func load(ctx context.Context, writers int, slot time.Duration, do func(ctx context.Context, writer int) error) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var over atomic.Bool
	var done atomic.Int64
	var all sync.WaitGroup
	elapsed := watch()
	timer := time.AfterFunc(slot, func() { over.Store(true) })
	defer timer.Stop()
	for writer := range writers {
		all.Go(func() {
			mine := int64(0)
			for !over.Load() && ctx.Err() == nil {
				if err := do(ctx, writer); err != nil {
					cancel(err)
					break
				}
				mine++
			}
			done.Add(mine)
		})
	}
	all.Wait()
	took := elapsed()
	return float64(done.Load()) / took.Seconds(), context.Cause(ctx)
}
