package ingest

import (
	"context"
	"errors"
	"sync"
)

// sweepWorkers is how many parked events are replayed or discarded at once by filter: so many share the server's syncs.
const sweepWorkers = 32

// Swept is what became of one of many parked events.
type Swept struct {
	ID       string
	Position uint64 // of the commit of one that was taken in
	Code     string // why it is still parked; "" if it is not
	Text     string
}

// ReplayAll judges afresh what a filter lets through, a page of it: at most limit events, oldest first, those of one account in
// their order. What is closed meanwhile is left away. An empty next cursor ends.
func (i *Intake) ReplayAll(ctx context.Context, filter ParkedFilter, cursor string, limit int, actor string) (swept []Swept, next string, err error) {
	return i.sweep(ctx, filter, cursor, limit, i.parking.index.accountOf, func(ctx context.Context, s *Swept) error {
		position, err := i.Replay(ctx, s.ID, actor)
		var still *StillParkedError
		if errors.As(err, &still) {
			s.Code, s.Text = still.Code, still.Text
			return nil
		}
		s.Position = position
		return err
	})
}

// DiscardAll gives up what a filter lets through, a page of it like ReplayAll.
func (i *Intake) DiscardAll(ctx context.Context, filter ParkedFilter, cursor string, limit int, actor string) (swept []Swept, next string, err error) {
	return i.sweep(ctx, filter, cursor, limit, parkedKey.String, func(ctx context.Context, s *Swept) error {
		return i.Discard(ctx, s.ID, actor)
	})
}

// sweep does the same to each event of a page, one after another within a lane; the first error ends it, and what was done
// stays done.
func (i *Intake) sweep(
	ctx context.Context, filter ParkedFilter, cursor string, limit int, laneOf func(parkedKey) string, do func(context.Context, *Swept) error,
) (swept []Swept, next string, err error) {
	places, next, err := i.places(filter, cursor, limit)
	if err != nil {
		return nil, "", err
	}
	lanes := map[string][]int{}
	for n, p := range places {
		lane := laneOf(p.key)
		lanes[lane] = append(lanes[lane], n)
	}
	all := make([]*Swept, len(places))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var working sync.WaitGroup
	workers := make(chan struct{}, sweepWorkers)
	for _, lane := range lanes {
		workers <- struct{}{}
		working.Go(func() {
			defer func() { <-workers }()
			for _, n := range lane {
				if ctx.Err() != nil {
					return
				}
				s := &Swept{ID: places[n].key.String()}
				var closed *ClosedError
				switch err := do(ctx, s); {
				case errors.As(err, &closed), errors.Is(err, ErrNotParked): // closed meanwhile
				case err != nil:
					cancel(err)
					return
				default:
					all[n] = s
				}
			}
		})
	}
	working.Wait()
	if ctx.Err() != nil {
		return nil, "", context.Cause(ctx)
	}
	for _, s := range all {
		if s != nil {
			swept = append(swept, *s)
		}
	}
	return swept, next, nil
}
