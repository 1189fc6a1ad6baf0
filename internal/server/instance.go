package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"sundial/internal/archive"
	"sundial/internal/auth"
	"sundial/internal/engine"
	"sundial/internal/ingest"
	"sundial/internal/lease"
	"sundial/internal/pause"
	"sundial/internal/publish"
	"sundial/internal/timetravel"
	"sundial/internal/vault"
	"sundial/projections"
	"sundial/scheduler"
)

// leases is the bucket of the nodes' leases.
const leases = "SUNDIAL_LEASES"

// instance is one run of the engine: every part, opened from the log up, each with its goroutines, and closed in
// reverse: commands over NATS, the scheduler, bills, publishing, projections, the log, the NATS server.
type instance struct {
	*storage
	metrics *prometheus.Registry
	access  *auth.Store
	clock   scheduler.Clock
	store   *projections.Store
	vault   *vault.Vault
	handler http.Handler

	engine    *engine.Engine
	intake    *ingest.Intake
	scheduler *scheduler.Scheduler
	archive   *archive.Archive
	past      *timetravel.Past

	faults  chan error // why a part ended of itself
	readers int        // how many of the things to close are only needed for reading
}

// openInstance opens all parts; it returns when what is in the log can be read and commands are taken.
func openInstance(ctx context.Context, config *Config, dir *directory) (_ *instance, err error) {
	log, err := openStorage(ctx, config, dir)
	if err != nil {
		return nil, err
	}
	ctx, wait := watchStart(ctx, config.Logger, startPatience)
	defer wait.end()
	l := &instance{storage: log, metrics: prometheus.NewRegistry(), clock: scheduler.System{}, faults: make(chan error, 16)}
	defer func() {
		if err == nil {
			return
		}
		if stuck := (*WaitError)(nil); errors.As(context.Cause(ctx), &stuck) && config.Outside == nil {
			err = stuck
			l.abandon()
			return
		}
		l.close()
	}()
	l.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if config.LogLost != nil {
		l.metrics.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sundial_log_lines_lost_total", Help: "Lines of the process's log that nobody got: standard error was closed, or not read.",
		}, func() float64 { return float64(config.LogLost()) }))
	}
	if config.Sandbox {
		if l.clock, err = scheduler.OpenSandbox(dir.file(SandboxFile), config.SandboxStart); err != nil {
			return nil, err
		}
	}
	await := func(what, stream string, progress func() uint64) {
		if config.Outside == nil { // a cluster is waited for by whoever opens an instance
			wait.await(what, cmp.Or(advice[stream], adviceRestore), progress)
		}
	}
	await("the tokens", "KV_SUNDIAL_TOKENS", nil)
	if err := l.openAccess(ctx); err != nil {
		return nil, err
	}
	await("the keys of the apps' secrets", "SUNDIAL_KEYS", nil)
	if err := l.openVault(ctx); err != nil {
		return nil, err
	}
	var built atomic.Uint64
	await("the projections to be opened", "SUNDIAL_EVENTS", built.Load)
	if err := l.openProjections(ctx, built.Store); err != nil {
		return nil, err
	}
	l.readers = len(l.ending)
	await("what is published", "LIFECYCLE", nil)
	if err := l.openPublisher(ctx); err != nil {
		return nil, err
	}
	await("what was parked", "PARKED", nil) // of the bills only the beginning is asked for
	if err := l.openWriters(ctx); err != nil {
		return nil, err
	}
	l.run("the watch over the log", l.stuck)
	l.run("the marks of the streams", l.keepMarks)

	// What was in the log can be read from the first answer on.
	await("the projections to have what is in the log", "SUNDIAL_EVENTS", l.store.Position)
	if err := l.engine.Settle(ctx); err != nil {
		return nil, fmt.Errorf("waiting for the projections: %w", err)
	}
	l.once(l.reportShared)
	if l.store.Built() {
		l.once(l.reportRejudgements)
	}
	return l, nil
}

// openAccess reads the tokens, and writes an operator's where there is none.
func (l *instance) openAccess(ctx context.Context) (err error) {
	l.access, err = auth.Open(ctx, l.js, auth.Config{
		Replicas: l.config.Replicas, Log: l.config.Logger, Ended: l.disconnect,
		Ledger: l.dir.file(auth.LedgerFile), Alone: l.config.Outside == nil,
		Now: time.Now, //nolint:forbidigo // tokens are made and used in real time, in a sandbox too
	})
	if err != nil {
		return err
	}
	l.onClose(l.access.Close)
	l.admit(l.access)
	wrote, err := auth.Bootstrap(ctx, l.access, l.dir.path)
	if wrote {
		l.config.Logger.Info("an operator's token was written", "file", l.dir.file(auth.TokenFile))
	}
	return err
}

func (l *instance) openProjections(ctx context.Context, built func(commits uint64)) (err error) {
	rows := l.projections()
	rows.Building = func(done, _ uint64) { built(done) }
	rows.Registerer = l.metrics
	if l.store, err = projections.Open(ctx, rows); err != nil {
		return err
	}
	l.onClose(func() {
		if err := l.store.Close(); err != nil {
			l.config.Logger.Error("closing the projections", "error", err)
		}
	})
	l.run("the projections", l.store.Run)
	return nil
}

// openWriters opens the engine and what gives it commands: bills, time, and the edges.
func (l *instance) openWriters(ctx context.Context) (err error) {
	config := l.config
	l.engine, err = engine.New(engine.Config{
		Log: l.log, Store: l.store, JetStream: l.js, Policy: config.Policy, Now: l.clock.Now,
		Node: l.node(), Replicas: config.Replicas, Alone: config.Outside == nil,
		Logger: config.Logger, Registerer: l.metrics,
	})
	if err != nil {
		return err
	}
	l.intake, err = ingest.Open(ctx, ingest.Config{
		JetStream: l.js, Engine: l.engine, Replicas: config.Replicas, Alone: config.Outside == nil,
		Reached: l.reached,
		Logger:  config.Logger, Registerer: l.metrics,
	})
	if err != nil {
		return err
	}
	l.onClose(l.intake.Close)
	if err := l.workLed("the intake of bills", "ingest", l.intake.Run); err != nil {
		return err
	}

	lead, err := l.lead("scheduler")
	if err != nil {
		return err
	}
	l.scheduler, err = scheduler.New(ctx, scheduler.Config{
		Engine: l.engine, Store: l.store, Clock: l.clock, JetStream: l.js, Replicas: config.Replicas,
		Drain: l.intake.Drain, Lead: lead,
		Logger: config.Logger, Registerer: l.metrics,
	})
	if err != nil {
		return err
	}
	l.work("the scheduler", l.scheduler.Run)
	return l.openEdges()
}

// openPublisher tells downstream what happens.
func (l *instance) openPublisher(ctx context.Context) error {
	publisher, err := publish.Open(ctx, publish.Config{
		Log: l.log, JetStream: l.js, Replicas: l.config.Replicas, Logger: l.config.Logger, Registerer: l.metrics,
	})
	if err != nil {
		return err
	}
	return l.workLed("the publishing of what happens", "publish", publisher.Run)
}

// abandon closes what can be closed in a while, where a part may not end at all: the process is about to.
func (l *instance) abandon() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		l.close()
	}()
	select {
	case <-closed:
	case <-time.After(shutdownGrace):
	}
}

// workLed runs a part that works by itself on one node at a time; two at once would do no harm, and all the work twice.
func (l *instance) workLed(name, work string, part func(context.Context) error) error {
	lead, err := l.lead(work)
	if err != nil {
		return err
	}
	l.work(name, func(ctx context.Context) error {
		if lead == nil {
			return part(ctx)
		}
		return lead(ctx, part)
	})
	return nil
}

// lead makes a function that works only while this node has a lease; nil where there is one node anyway.
func (l *instance) lead(work string) (func(context.Context, func(context.Context) error) error, error) {
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

// work runs a part that works by itself, unless that is left to whoever started the server.
func (l *instance) work(name string, part func(context.Context) error) {
	if !l.config.Manual {
		l.run(name, part)
	}
}

// run runs a part until the instance is closed. A part that ends before that ends the instance.
func (l *instance) run(name string, part func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := part(ctx)
		if ctx.Err() == nil {
			l.faults <- fmt.Errorf("%s ended: %w", name, cmp.Or(err, errors.New("for no reason given")))
		}
	}()
	l.onClose(func() {
		cancel()
		<-done
	})
}

// once runs what ends by itself, at the latest with the instance.
func (l *instance) once(part func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() { part(ctx) })
	l.onClose(func() {
		cancel()
		working.Wait()
	})
}

// stopWriting ends the parts that give commands of their own; reads go on.
func (l *instance) stopWriting() { l.closeTo(l.readers) }

// stuckAfter is how long the log may refuse appends on a disk with room before the server is started anew. A write takes
// milliseconds; an outcome that stayed unknown heals with the next append.
const stuckAfter = 5 * time.Second

// stuck is called when the embedded server does not write though it could.
func (l *instance) stuck(ctx context.Context) error {
	since := time.Time{}
	for pause.For(ctx, time.Second) {
		err := l.log.Failure()
		switch {
		case err == nil || l.server == nil || l.space() != nil:
			since = time.Time{}
		case since.IsZero():
			since = time.Now() //nolint:forbidigo // measures a duration
		case time.Since(since) > stuckAfter: //nolint:forbidigo // measures a duration
			return fmt.Errorf("the log has refused appends for %s: %w", stuckAfter, err)
		}
	}
	return nil
}

// watch waits for a reason to end this instance: nil when the context ended, which is the server's.
func (l *instance) watch(ctx context.Context) error {
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
func (l *instance) rebuild(ctx context.Context, progress func(done, total uint64)) error {
	return l.store.Rebuild(ctx, progress)
}
