// Package scheduler turns due times into events. Cron is only the heartbeat: the truth is in the events and in the
// projections' table of what is due, so that nothing is lost while no heartbeat runs, and two schedulers do no harm.
//
// A tick takes in what had arrived from upstream, then sends each transition that is due through the engine, in due
// order within an account and from batch to batch. The id of the command is derived from the episode that set the due
// time; the decision checks that it still applies.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/projections"
)

// Config is what a scheduler is made of. Engine, Store, Clock and JetStream are required.
type Config struct {
	Engine    *engine.Engine
	Store     *projections.Store
	Clock     Clock
	JetStream jetstream.JetStream // keeps a clock hold
	Replicas  int                 // of what is kept there; 0 means 1
	// Elapsed is a clock that nobody can set, to tell a wait from a jump; nil means the process's monotonic clock.
	Elapsed func() time.Duration
	// Drain takes in what has arrived from upstream. It names the accounts whose facts cannot be taken in: these are
	// held alone. An error holds everything.
	Drain func(ctx context.Context) (stuck map[string]error, err error)
	// Lead runs a function while this node is the one that sweeps; nil means always.
	Lead       func(ctx context.Context, lead func(ctx context.Context) error) error
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	heartbeat = time.Second

	// maxJump is how far the clock may run ahead between two ticks before it is thought wrong (docs/lifecycle.md, "Rules about the clock").
	maxJump = time.Hour

	// batch is how many transitions are read at once: one transaction of the projections.
	batch = 5000

	// workers is how many accounts are worked on at once: enough for the log's group commit to pay.
	workers = 256
)

// ErrNotSandbox is an attempt to move a clock that is real.
var ErrNotSandbox = errors.New("the clock can be moved only in a sandbox: start with serve --sandbox")

// Scheduler fires what is due. It is safe for concurrent use.
type Scheduler struct {
	config  Config
	metrics metrics
	sweeps  sync.Mutex // one sweep at a time
	watch   clockWatch
}

// New makes a scheduler; Run starts it.
func New(ctx context.Context, config Config) (*Scheduler, error) {
	if config.Elapsed == nil {
		started := time.Now()                                                //nolint:forbidigo // real time that passes, against which the clock is judged
		config.Elapsed = func() time.Duration { return time.Since(started) } //nolint:forbidigo // see above
	}
	if config.Drain == nil {
		config.Drain = func(context.Context) (map[string]error, error) { return nil, nil }
	}
	if config.Lead == nil {
		config.Lead = func(ctx context.Context, lead func(context.Context) error) error { return lead(ctx) }
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Scheduler{config: config, metrics: newMetrics(config.Registerer)}
	if config.Registerer != nil {
		config.Registerer.MustRegister(newAhead(config))
	}
	if !s.Sandboxed() {
		if err := s.watch.open(ctx, config); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Sandboxed says whether the clock moves only when told.
func (s *Scheduler) Sandboxed() bool {
	_, yes := s.config.Clock.(*Sandbox)
	return yes
}

// Now is the clock's time.
func (s *Scheduler) Now() domain.Instant { return domain.InstantOf(s.config.Clock.Now()) }

// Run ticks once a second until ctx ends, and waits for the tick under way. A sandbox has no heartbeat: there time, and
// so every tick, comes from Advance.
func (s *Scheduler) Run(ctx context.Context) error {
	if s.Sandboxed() {
		<-ctx.Done()
		return nil
	}
	return s.config.Lead(ctx, func(ctx context.Context) error {
		s.watch.restart()
		beat := cron.New(cron.WithChain(cron.SkipIfStillRunning(cron.DiscardLogger)))
		beat.Schedule(cron.Every(heartbeat), cron.FuncJob(func() {
			if err := s.Tick(ctx); err != nil && ctx.Err() == nil {
				s.metrics.failed.Inc()
				s.config.Logger.Error("a tick failed; what is due stays due and the next one tries again", "error", err)
			}
		}))
		beat.Start()
		<-ctx.Done()
		<-beat.Stop().Done()
		return nil
	})
}

// Tick is one heartbeat: it looks at the clock and, unless that has jumped, fires what is due.
func (s *Scheduler) Tick(ctx context.Context) error {
	held, err := s.watch.look(ctx, s.config)
	if err != nil {
		return err
	}
	s.metrics.held.Set(number(held))
	if held {
		return s.measure(ctx)
	}
	return s.Sweep(ctx)
}

// Sweep takes in what has arrived from upstream and fires everything due by now, until nothing is.
func (s *Scheduler) Sweep(ctx context.Context) error {
	s.sweeps.Lock()
	defer s.sweeps.Unlock()
	now := s.Now()
	stuck, err := s.config.Drain(ctx)
	if err != nil {
		return fmt.Errorf("nothing fires before what has arrived from upstream is taken in: %w", err)
	}
	if err := s.config.Engine.Settle(ctx); err != nil {
		return fmt.Errorf("waiting for the projections of what has arrived: %w", err)
	}
	s.metrics.stuck.Set(float64(len(stuck)))
	for account, reason := range stuck {
		s.config.Logger.Error("holding an account's transitions: its billing facts cannot be taken in", "account", account, "error", reason)
	}
	r := round{scheduler: s, now: now, stuck: stuck, tried: map[tried]bool{}}
	return errors.Join(r.run(ctx), s.measure(ctx))
}

// Advance moves a sandbox's clock and answers when everything then due has fired and can be read. A time before the
// clock's is ErrBackwards; its own time only sweeps.
func (s *Scheduler) Advance(ctx context.Context, to domain.Instant) error {
	clock, ok := s.config.Clock.(*Sandbox)
	if !ok {
		return ErrNotSandbox
	}
	if err := clock.set(to); err != nil {
		return err
	}
	return s.Sweep(ctx)
}

func (s *Scheduler) measure(ctx context.Context) error {
	count, _, err := s.config.Store.Backlog(ctx, s.Now())
	if err != nil {
		return fmt.Errorf("counting what is due: %w", err)
	}
	s.metrics.backlog.Set(float64(count))
	return nil
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
