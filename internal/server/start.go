package server

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// startPatience is how long a start may make no progress: what it waits for is in this process, or on its disk.
	startPatience = 30 * time.Second

	// tellEvery is how often a start that takes long says what it waits for.
	tellEvery = 5 * time.Second
)

// WaitError says what a start waited for in vain.
type WaitError struct {
	For  string
	Time time.Duration // without progress
	Fix  string
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("the start waited for %s, without progress for %s\n  fix: %s", e.For, e.Time, e.Fix)
}

// waiting watches over a start, which says what it waits for. Where it makes no progress its context ends.
type waiting struct {
	cancel   context.CancelCauseFunc
	log      *slog.Logger
	patience time.Duration
	watching sync.WaitGroup

	mu       sync.Mutex
	what     string
	fix      string
	moved    time.Time
	progress func() uint64 // grows as long as it goes on; nil: it takes a moment
	seen     uint64
}

// watchStart begins to watch; the context that it gives ends with end, or with the patience.
func watchStart(ctx context.Context, log *slog.Logger, patience time.Duration) (context.Context, *waiting) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &waiting{cancel: cancel, log: log, patience: patience, moved: time.Now()} //nolint:forbidigo // measures a duration
	w.watching.Go(func() { w.watch(ctx) })
	return ctx, w
}

// await says what is waited for from now on, and what to do where it does not come. The progress may be nil.
func (w *waiting) await(what, fix string, progress func() uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.what, w.fix, w.progress, w.seen, w.moved = what, fix, progress, 0, time.Now() //nolint:forbidigo // measures a duration
}

func (w *waiting) end() {
	w.cancel(nil)
	w.watching.Wait()
}

func (w *waiting) watch(ctx context.Context) {
	start := time.Now() //nolint:forbidigo // measures a duration
	told := start
	look := time.NewTicker(min(250*time.Millisecond, w.patience/4))
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		now := time.Now() //nolint:forbidigo // measures a duration
		w.mu.Lock()
		if w.progress != nil {
			if is := w.progress(); is != w.seen {
				w.seen, w.moved = is, now
			}
		}
		what, fix, seen, still := w.what, w.fix, w.seen, now.Sub(w.moved)
		w.mu.Unlock()
		if what == "" {
			continue
		}
		if still > w.patience {
			w.cancel(&WaitError{For: what, Time: w.patience, Fix: fix})
			return
		}
		if now.Sub(told) > tellEvery {
			told = now
			w.log.Info("starting", "waits_for", what, "progress", seen, "for", now.Sub(start).Round(time.Second))
		}
	}
}
