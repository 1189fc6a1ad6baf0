package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// MaxBatch is how many events HTTP may bring at once.
	MaxBatch = 1000

	// takeLanes is how many accounts of one batch are taken in at once; several batches share the log's group commits.
	takeLanes = 64

	// settlePatience is how long an answer waits for this node's projections, so that its sender reads what it wrote.
	settlePatience = 5 * time.Second
)

// ErrTooMany: a batch of more than MaxBatch events. Nothing of it was taken in.
var ErrTooMany = errors.New("a batch holds at most 1000 events: send several")

// LeftOutError says which events of a batch could not be parked for want of room: all others were taken in or parked. It is an
// ErrParkedFull, and a *ShareError where there is room for others.
type LeftOutError struct {
	Places []int // in the batch, from 0
	err    error
}

func (e *LeftOutError) Error() string {
	return fmt.Sprintf("%d events could not be parked: %v", len(e.Places), e.err)
}
func (e *LeftOutError) Unwrap() error { return e.err }

// Take takes in events that came over HTTP, in their order within an account, and parks and answers in the order sent. An error
// means that not all could be taken in now, for instance engine.ErrUnavailable or a *LeftOutError: the sender sends the
// batch again, and what was taken in is answered as a duplicate then.
func (i *Intake) Take(ctx context.Context, events []jsontext.Value, actor string) ([]Outcome, error) {
	if len(events) > MaxBatch {
		return nil, ErrTooMany
	}
	lanes := map[string][]taken{}
	slots := make([]parkedKey, len(events))
	for n, event := range events {
		fact, unread := Decode(event)
		slots[n] = slotOf(fact.Source, fact.ID)
		lanes[fact.Account] = append(lanes[fact.Account], taken{n, event, fact, unread})
	}
	outcomes := make([]Outcome, len(events))
	parked := make([]*unfit, len(events))
	from := origin{actor: actor}
	running := make(chan struct{}, takeLanes)
	var working sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for _, lane := range lanes {
		running <- struct{}{}
		working.Go(func() {
			defer func() { <-running }()
			if err := i.takeLane(ctx, lane, from, outcomes, parked); err != nil {
				mu.Lock()
				failed = err
				mu.Unlock()
			}
		})
	}
	working.Wait()
	if failed != nil {
		return nil, fmt.Errorf("taking in billing events: %w", failed)
	}
	// Lanes end in any order; what they leave over is listed oldest first, and that is the order sent.
	left := map[parkedKey][]parkedKey{} // by source and id
	var out *LeftOutError
	for n, u := range parked {
		if u == nil {
			if outcomes[n].Outcome == OutcomeAccepted {
				i.supersede(ctx, left[slots[n]], outcomes[n].Position)
			}
			continue
		}
		outcome, err := i.parkOne(ctx, u)
		if errors.Is(err, ErrParkedFull) { // of one account, perhaps: others have room
			if out == nil {
				out = &LeftOutError{err: err}
			}
			out.Places = append(out.Places, n)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("parking billing events: %w", err)
		}
		outcomes[n] = outcome
		if outcome.Outcome == OutcomeParked && slots[n] != (parkedKey{}) {
			left[slots[n]] = append(left[slots[n]], u.key)
		}
	}
	if out != nil {
		return nil, fmt.Errorf("parking billing events: %w", out)
	}
	for _, o := range outcomes {
		i.metrics.count("http", o.Outcome)
	}
	for _, o := range outcomes {
		if o.Outcome == OutcomeAccepted {
			patience, cancel := context.WithTimeout(ctx, settlePatience)
			defer cancel()
			if err := i.config.Engine.Settle(patience); err != nil {
				i.log.Warn("answering before the projections have the events", "error", err)
			}
			break
		}
	}
	return outcomes, nil
}

// taken is one event of a batch.
type taken struct {
	place  int
	event  []byte
	fact   Notification
	unread error
}

// takeLane takes in the events of one account, in order; what is to be parked it leaves to its caller.
func (i *Intake) takeLane(ctx context.Context, lane []taken, from origin, outcomes []Outcome, parked []*unfit) error {
	for _, one := range lane {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := i.takeOne(ctx, one, from, outcomes, parked); err != nil {
			return err
		}
	}
	return nil
}

func (i *Intake) takeOne(ctx context.Context, one taken, from origin, outcomes []Outcome, parked []*unfit) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), executeTimeout)
	defer cancel()
	outcomes[one.place], parked[one.place], err = i.consider(ctx, one.event, one.fact, one.unread, from)
	return err
}

func (i *Intake) parkOne(ctx context.Context, u *unfit) (Outcome, error) {
	if err := ctx.Err(); err != nil {
		return Outcome{}, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), executeTimeout)
	defer cancel()
	return i.park(ctx, u)
}
