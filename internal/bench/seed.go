package bench

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/internal/engine"
)

// seeders is how many accounts are seeded at once: as many as one batch of the log takes.
const seeders = 1000

// seed gives accounts their history, as fast as the log takes it: what the commands lead to is decided as the engine
// does it, and appended directly. Script gives one account's commands; now is when all of them are recorded.
func (n *node) seed(ctx context.Context, accounts int, now domain.Instant, script func(account int) iter.Seq[engine.Request]) error {
	codec, err := codec.New()
	if err != nil {
		return err
	}
	group, all := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(seeders, accounts) {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < accounts; i = int(next.Add(1)) - 1 {
				a := seeding{log: n.Log, codec: codec, now: now}
				for request := range script(i) {
					if err := a.append(all, request); err != nil {
						return fmt.Errorf("seeding %s: %w", request.Account, err)
					}
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return n.settle(ctx)
}

// seeding is one account on its way.
type seeding struct {
	log   *eventstore.Log
	codec *eventstore.Codec[domain.Event]
	now   domain.Instant

	state    *domain.Account
	sequence uint64
	hash     eventstore.Hash
}

func (s *seeding) append(ctx context.Context, r engine.Request) error {
	if s.state == nil {
		s.state = domain.NewAccount(r.Account)
	}
	events, err := domain.Decide(s.state, r.Command, domain.Moment{Now: s.now, Policy: domain.DefaultPolicy(), Role: r.Role})
	if err != nil {
		return err
	}
	if len(events) == 0 {
		return fmt.Errorf("%s changes nothing", r.Command.Name())
	}
	content, err := engine.ContentHash(r.Account, r.Command)
	if err != nil {
		return err
	}
	err = s.commit(ctx, eventstore.Commit{
		Account: r.Account, ID: r.ID, Command: r.Command.Name(), Content: content, Actor: r.Actor, Correlation: r.Correlation,
	}, events)
	if err == nil {
		s.state.Apply(domain.Recorded{At: s.now, Position: s.sequence}, events...)
	}
	return err
}

// commit appends a commit with events.
func (s *seeding) commit(ctx context.Context, commit eventstore.Commit, events []domain.Event) error {
	commit.RecordedAt, commit.Previous, commit.Events = int64(s.now), s.hash, make([]eventstore.Event, len(events))
	var err error
	for i, e := range events {
		if commit.Events[i], err = s.codec.Encode(e); err != nil {
			return err
		}
	}
	payload, err := commit.Encode()
	if err != nil {
		return err
	}
	if s.sequence, err = s.log.Append(ctx, commit.Account, s.sequence, payload, nil); err != nil {
		return err
	}
	s.hash = eventstore.HashOf(payload)
	return nil
}
