package ingest

import (
	"context"
	"errors"
	"sync"
	"time"

	"sundial/domain"
	"sundial/internal/pause"
)

const (
	// replayWorkers is how many apps' events are replayed at once: an import of many apps should find its facts
	// taken in soon, and share the log's group commits.
	replayWorkers = 32

	// replayPause is after how long a replay is tried again that met an engine which cannot write.
	replayPause = time.Second
)

// replays takes in by itself what waited for an app that has appeared.
type replays struct {
	intake *Intake
	wake   chan struct{}

	mu      sync.Mutex
	queue   []appKey
	pending map[appKey]*replayJob
	waiters []chan struct{}
}

type replayJob struct {
	again bool  // it was asked for once more while it ran
	err   error // why it has not been done, once it was tried
}

func newReplays(i *Intake) *replays {
	return &replays{intake: i, wake: make(chan struct{}, 1), pending: map[appKey]*replayJob{}}
}

// appeared is called by the engine for each new app; it must not block.
func (r *replays) appeared(account string, app domain.AppID) {
	key := appKey{account, app}
	// Another node may have parked something that this one has not read yet; whoever runs the replay reads it first.
	if !r.intake.config.Alone || r.intake.parking.index.awaits(key) {
		r.ask(key)
	}
}

func (r *replays) ask(key appKey) {
	r.mu.Lock()
	if job := r.pending[key]; job != nil {
		job.again = true
	} else {
		r.pending[key] = &replayJob{}
		r.queue = append(r.queue, key)
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *replays) run(ctx context.Context) {
	var workers sync.WaitGroup
	defer workers.Wait()
	slots := make(chan struct{}, replayWorkers)
	for {
		r.mu.Lock()
		batch := r.queue
		r.queue = nil
		r.mu.Unlock()
		for _, key := range batch {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			workers.Go(func() {
				defer func() { <-slots }()
				r.work(ctx, key)
			})
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return
		}
	}
}

// work replays what waits for an app until it is done or the app proves absent.
func (r *replays) work(ctx context.Context, key appKey) {
	for {
		err := r.once(ctx, key)
		r.mu.Lock()
		job := r.pending[key]
		job.err = err
		if err == nil && !job.again {
			delete(r.pending, key)
		}
		done := err == nil && !job.again
		job.again = false
		for _, w := range r.waiters {
			close(w)
		}
		r.waiters = nil
		r.mu.Unlock()
		if done || ctx.Err() != nil {
			return
		}
		if err != nil {
			r.intake.log.Warn("replaying what waited for an app failed, trying again", "account", key.account, "app", key.app, "error", err)
			pause.For(ctx, replayPause)
		}
	}
}

func (r *replays) once(ctx context.Context, key appKey) error {
	i := r.intake
	if !i.config.Alone {
		patience, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		if err := i.parking.catchUp(patience); err != nil {
			return err
		}
	}
	for _, id := range i.parking.index.waitingFor(key) {
		parked, err := i.parking.get(ctx, id)
		if errors.Is(err, ErrNotParked) || err == nil && !parked.waits() {
			continue
		}
		if err != nil {
			return err
		}
		_, err = i.replayParked(ctx, id, &parked, automatic)
		var still *StillParkedError
		switch {
		case errors.As(err, &still):
			if still.Code == parked.Code { // the app is not there, for the others neither
				return nil
			}
		case err != nil && !errors.Is(err, ErrNotParked):
			return err
		}
	}
	return nil
}

// all asks for everything that waits, after a time in which apps may have appeared unseen.
func (r *replays) all() {
	for _, key := range r.intake.parking.index.awaited() {
		r.ask(key)
	}
}

// drain waits until what was asked for so far is done, or has failed at least once; it gives the failed accounts.
func (r *replays) drain(ctx context.Context) (map[string]error, error) {
	r.mu.Lock()
	waitFor := make(map[appKey]*replayJob, len(r.pending))
	for key, job := range r.pending {
		waitFor[key] = job
	}
	r.mu.Unlock()
	for {
		r.mu.Lock()
		stuck, left := map[string]error{}, false
		for key, job := range waitFor {
			switch {
			case r.pending[key] != job:
			case job.err != nil:
				stuck[key.account] = job.err
			default:
				left = true
			}
		}
		var moved chan struct{}
		if left {
			moved = make(chan struct{})
			r.waiters = append(r.waiters, moved)
		}
		r.mu.Unlock()
		if !left {
			return stuck, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
