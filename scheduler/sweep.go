package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/projections"
)

// Actor is who the log names for what time did.
const Actor = "scheduler"

// round is one sweep: batches of what is due, until none is left that has not been tried.
type round struct {
	scheduler *Scheduler
	now       domain.Instant
	stuck     map[string]error
	tried     map[tried]bool

	mu       sync.Mutex
	position uint64 // the highest that an answer named
	failed   error
}

type tried struct {
	app     domain.AppID
	kind    domain.DueKind
	episode uint64
}

// maxLimit bounds how far a sweep looks past accounts that are held or have failed.
const maxLimit = 64 * batch

func (r *round) run(ctx context.Context) error {
	for limit := batch; ; {
		due, err := r.scheduler.config.Store.Due(ctx, r.now, limit)
		if err != nil {
			return fmt.Errorf("reading what is due: %w", err)
		}
		accounts := r.fresh(due)
		if len(accounts) == 0 {
			if len(due) < limit || limit >= maxLimit {
				return r.failed
			}
			limit *= 2
			continue
		}
		r.fire(ctx, accounts)
		if err := r.scheduler.config.Store.Wait(ctx, r.position); err != nil {
			return fmt.Errorf("waiting for the projections of what has fired: %w", err)
		}
	}
}

// fresh groups by account what has not been tried in this sweep, each account's in due order, accounts by their first.
func (r *round) fresh(due []projections.Transition) [][]projections.Transition {
	var accounts [][]projections.Transition
	at := map[string]int{}
	for _, d := range due {
		key := tried{d.App, d.Kind, d.Episode}
		if _, held := r.stuck[d.Account]; held || r.tried[key] {
			continue
		}
		r.tried[key] = true
		i, known := at[d.Account]
		if !known {
			i = len(accounts)
			at[d.Account] = i
			accounts = append(accounts, nil)
		}
		accounts[i] = append(accounts[i], d)
	}
	return accounts
}

// fire works on several accounts at once and on each in order, and waits for all.
func (r *round) fire(ctx context.Context, accounts [][]projections.Transition) {
	work := make(chan []projections.Transition)
	var done sync.WaitGroup
	for range min(workers, len(accounts)) {
		done.Go(func() {
			for transitions := range work {
				r.account(ctx, transitions)
			}
		})
	}
	for _, transitions := range accounts {
		work <- transitions
	}
	close(work)
	done.Wait()
}

// account fires one account's transitions in order. After a failure the rest of the account waits for the next tick.
func (r *round) account(ctx context.Context, transitions []projections.Transition) {
	s := r.scheduler
	for _, t := range transitions {
		command := domain.FireTransition{App: t.App, Kind: t.Kind, Episode: t.Episode}
		answer, err := s.config.Engine.Execute(ctx, engine.Request{
			Account: t.Account, ID: command.ID(), Command: command, Actor: Actor, Durable: true,
		})
		if err != nil {
			r.mu.Lock()
			r.failed = errors.Join(r.failed, fmt.Errorf("a transition of app %d: %w", t.App, err))
			if r.stuck == nil {
				r.stuck = map[string]error{}
			}
			r.stuck[t.Account] = err
			r.mu.Unlock()
			return
		}
		if answer.Outcome == engine.Appended {
			s.metrics.fired.Inc()
			s.metrics.lateness.Observe(float64(s.Now()-t.At) / 1000)
		}
		r.mu.Lock()
		r.position = max(r.position, answer.Position)
		r.mu.Unlock()
	}
}
