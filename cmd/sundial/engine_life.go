package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sundial/internal/auth"
	"sundial/internal/engine"
	"sundial/internal/ingest"
	"sundial/internal/lease"
	"sundial/internal/publish"
	"sundial/projections"
	"sundial/scheduler"
)

// leases is the bucket of the nodes' leases.
const leases = "SUNDIAL_LEASES"

// engineLife is one life of the engine: every part, opened from the log up, each with its goroutines.
type engineLife struct {
	*logLife
	store   *projections.Store
	handler http.Handler

	faults  chan error // why a part ended of itself
	readers int        // how many of the things to close are only needed for reading
}

// openEngine opens all parts; it returns when what is in the log can be read and commands are taken.
func openEngine(ctx context.Context, config *Config, dir *directory) (_ *engineLife, err error) {
	log, err := openLog(ctx, config, dir)
	if err != nil {
		return nil, err
	}
	l := &engineLife{logLife: log, faults: make(chan error, 16)}
	defer func() {
		if err != nil {
			l.close()
		}
	}()

	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	tokens, err := auth.Open(ctx, l.js, auth.Config{
		Replicas: config.Replicas, Now: time.Now, Log: config.Logger, Ended: l.disconnect,
	})
	if err != nil {
		return nil, err
	}
	l.onClose(tokens.Close)
	l.tokens.Store(tokens)
	close(l.known)
	wrote, err := auth.Bootstrap(ctx, tokens, dir.path)
	if err != nil {
		return nil, err
	}
	if wrote {
		config.Logger.Info("an operator's token was written", "file", dir.file(auth.TokenFile))
	}

	var clock scheduler.Clock = scheduler.System{}
	if config.Sandbox {
		if clock, err = scheduler.OpenSandbox(dir.file(sandboxFile), config.SandboxStart); err != nil {
			return nil, err
		}
	}

	rows := l.projections()
	rows.Registerer = metrics
	if l.store, err = projections.Open(ctx, rows); err != nil {
		return nil, err
	}
	l.onClose(func() {
		if err := l.store.Close(); err != nil {
			config.Logger.Error("closing the projections", "error", err)
		}
	})
	l.run("projections", l.store.Run)
	l.readers = len(l.ending)

	if err := l.publish(ctx, metrics); err != nil {
		return nil, err
	}

	e, err := engine.New(engine.Config{
		Log: l.log, Store: l.store, JetStream: l.js, Policy: config.Policy, Now: clock.Now,
		Node: l.node(), Replicas: config.Replicas, Alone: config.Outside == nil,
		Logger: config.Logger, Registerer: metrics,
	})
	if err != nil {
		return nil, err
	}
	intake, err := ingest.Open(ctx, ingest.Config{
		JetStream: l.js, Engine: e, Replicas: config.Replicas, Alone: config.Outside == nil,
		Logger: config.Logger, Registerer: metrics,
	})
	if err != nil {
		return nil, err
	}
	l.onClose(intake.Close)
	l.run("the intake of bills", intake.Run)

	lead, err := l.lead("scheduler")
	if err != nil {
		return nil, err
	}
	sched, err := scheduler.New(ctx, scheduler.Config{
		Engine: e, Store: l.store, Clock: clock, JetStream: l.js, Replicas: config.Replicas,
		Drain: intake.Drain, Lead: lead,
		Logger: config.Logger, Registerer: metrics,
	})
	if err != nil {
		return nil, err
	}
	l.run("the scheduler", sched.Run)
	if err := l.openEdges(edges{engine: e, intake: intake, scheduler: sched, tokens: tokens, metrics: metrics}); err != nil {
		return nil, err
	}
	l.run("the watch over the log", l.stuck)

	// What was in the log can be read from the first answer on.
	if err := e.Settle(ctx); err != nil {
		return nil, fmt.Errorf("waiting for the projections: %w", err)
	}
	return l, nil
}

// publish tells downstream what happens.
func (l *engineLife) publish(ctx context.Context, metrics *prometheus.Registry) error {
	publisher, err := publish.Open(ctx, publish.Config{
		Log: l.log, JetStream: l.js, Replicas: l.config.Replicas, Logger: l.config.Logger, Registerer: metrics,
	})
	if err != nil {
		return err
	}
	lead, err := l.lead("publish")
	if err != nil {
		return err
	}
	l.run("the publishing of what happens", func(ctx context.Context) error {
		if lead == nil {
			return publisher.Run(ctx)
		}
		return lead(ctx, publisher.Run)
	})
	return nil
}

// lead makes a function that works only while this node has a lease; nil where there is one node anyway.
func (l *engineLife) lead(work string) (func(context.Context, func(context.Context) error) error, error) {
	if l.config.Outside == nil {
		return nil, nil
	}
	held, err := lease.New(l.js, lease.Config{
		Bucket: leases, Key: work, Node: l.node(), Replicas: l.config.Replicas, Logger: l.config.Logger,
	})
	if err != nil {
		return nil, err
	}
	return held.Run, nil
}

// disconnect ends the NATS connections of a token that has stopped to work.
func (l *logLife) disconnect(tokenID string) {
	if l.server == nil {
		return
	}
	if _, err := l.server.Disconnect(tokenID); err != nil {
		l.config.Logger.Error("a token's connections could not be closed", "token", tokenID, "error", err)
	}
}

// run runs a part until the life ends. A part that ends before that ends the life.
func (l *engineLife) run(name string, part func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := part(ctx)
		if ctx.Err() == nil {
			l.faults <- fmt.Errorf("%s ended: %w", name, err)
		}
	}()
	l.onClose(func() {
		cancel()
		<-done
	})
}

// stopWriting ends the parts that give commands of their own; reads go on.
func (l *engineLife) stopWriting() { l.closeTo(l.readers) }

// stuckAfter is how long the log may refuse appends on a disk with room before the server is started anew. A write takes
// milliseconds; an outcome that stayed unknown heals with the next append.
const stuckAfter = 5 * time.Second

// stuck is told when the embedded server does not write though it could.
func (l *engineLife) stuck(ctx context.Context) error {
	since := time.Time{}
	for sleep(ctx, time.Second) {
		err := l.log.Failure()
		switch {
		case err == nil || l.server == nil || l.space() != nil:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > stuckAfter:
			return fmt.Errorf("the log has refused appends for %s: %w", stuckAfter, err)
		}
	}
	return nil
}

// watch waits for a reason to end this life: nil when the context ended, which is the program's.
func (l *engineLife) watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-l.faults:
		return err
	case <-l.failed():
		return l.failure()
	}
}

// rebuild builds the projections anew and puts them in the place of those that serve.
func (l *engineLife) rebuild(ctx context.Context, progress func(done, total uint64)) error {
	return l.store.Rebuild(ctx, progress)
}
