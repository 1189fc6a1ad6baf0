package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
)

// ClockHold says that the clock jumped and that nothing fires until an operator confirms it or it returns.
type ClockHold struct {
	Since domain.Instant `json:"since"` // what the clock said when the jump was found
	Was   domain.Instant `json:"was"`   // what it said at the tick before
}

const (
	stateBucket = "SUNDIAL_CLOCK"
	holdKey     = "hold"
)

// clockWatch compares the clock with one that nobody can set, from tick to tick. A hold is kept in JetStream, so that a
// restart does not lift it and every node can show and confirm it.
type clockWatch struct {
	bucket jetstream.KeyValue

	mu      sync.Mutex
	wall    time.Time     // at the last tick at which the clock was believed; zero before the first
	elapsed time.Duration // then
	hold    *ClockHold
}

func (w *clockWatch) open(ctx context.Context, config Config) error {
	bucket, err := config.JetStream.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: stateBucket, Replicas: max(config.Replicas, 1), Storage: jetstream.FileStorage,
	})
	if err != nil {
		return fmt.Errorf("opening what is known of the clock: %w", err)
	}
	w.bucket = bucket
	return w.read(ctx)
}

// read takes over a hold that a run before or another node found, or that another node lifted.
func (w *clockWatch) read(ctx context.Context) error {
	entry, err := w.bucket.Get(ctx, holdKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		w.hold = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the clock hold: %w", err)
	}
	var hold ClockHold
	if err := json.Unmarshal(entry.Value(), &hold); err != nil {
		return fmt.Errorf("the clock hold is unreadable: %w", err)
	}
	w.hold = &hold
	return nil
}

// restart forgets the last tick: what passed while nobody ticked was an outage, not a jump.
func (w *clockWatch) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wall = time.Time{}
}

// look judges the clock at a tick and says whether transitions are held.
func (w *clockWatch) look(ctx context.Context, config Config) (held bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wall, elapsed := config.Clock.Now(), config.Elapsed()
	if w.hold != nil {
		if err := w.read(ctx); err != nil {
			return true, err
		}
		if w.hold != nil && !w.returned(wall, elapsed) {
			return true, nil
		}
		if w.hold != nil {
			config.Logger.Warn("the clock has returned: transitions go on", "now", wall)
			if err := w.lift(ctx); err != nil {
				return true, err
			}
		}
	} else if w.jumped(wall, elapsed) {
		hold := ClockHold{Since: domain.InstantOf(wall), Was: domain.InstantOf(w.wall)}
		config.Logger.Error("the clock jumped ahead: holding all automatic transitions until an operator confirms it (sundial clock confirm) or it returns",
			"was", w.wall, "now", wall)
		w.hold = &hold
		return true, w.keep(ctx, hold)
	}
	w.wall, w.elapsed = wall, elapsed
	return false, nil
}

func (w *clockWatch) jumped(wall time.Time, elapsed time.Duration) bool {
	return !w.wall.IsZero() && wall.Round(0).Sub(w.wall.Round(0))-(elapsed-w.elapsed) > maxJump
}

// returned says whether the clock is near where it should be. After a restart nothing tells how long the engine was
// down; then only a clock clearly below the jump is believed.
func (w *clockWatch) returned(wall time.Time, elapsed time.Duration) bool {
	if w.wall.IsZero() {
		return wall.Before(w.hold.Since.Time().Add(-maxJump))
	}
	return !w.jumped(wall, elapsed)
}

func (w *clockWatch) keep(ctx context.Context, hold ClockHold) error {
	value, err := json.Marshal(hold, json.Deterministic(true))
	if err == nil {
		_, err = w.bucket.Put(ctx, holdKey, value)
	}
	if err != nil {
		return fmt.Errorf("keeping the clock hold: %w", err)
	}
	return nil
}

func (w *clockWatch) lift(ctx context.Context) error {
	if err := w.bucket.Delete(ctx, holdKey); err != nil {
		return fmt.Errorf("lifting the clock hold: %w", err)
	}
	w.hold = nil
	return nil
}

// Held gives the clock hold, if there is one.
func (s *Scheduler) Held(ctx context.Context) (ClockHold, bool, error) {
	if s.Sandboxed() {
		return ClockHold{}, false, nil
	}
	w := &s.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.read(ctx); err != nil || w.hold == nil {
		return ClockHold{}, false, err
	}
	return *w.hold, true, nil
}

// Confirm says that the clock is right: transitions go on from its present time. Without a hold it does nothing.
func (s *Scheduler) Confirm(ctx context.Context) error {
	if s.Sandboxed() {
		return nil
	}
	w := &s.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.read(ctx); err != nil || w.hold == nil {
		return err
	}
	s.config.Logger.Warn("an operator confirms the clock: transitions go on", "now", s.config.Clock.Now())
	w.wall = time.Time{}
	return w.lift(ctx)
}
