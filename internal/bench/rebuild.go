package bench

import (
	"context"
	"fmt"
	"iter"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/timetravel"
	"sundial/projections"
)

const (
	// rebuiltCommits is how long the log is that projections are rebuilt from.
	rebuiltCommits = 200_000

	// commitsEach is how many commits a tenant of that log has: its apps moved in, and each of them through all steps of
	// a month.
	commitsEach = appsEach + 4*appsEach
)

// rebuild holds a rebuild of the projections against reading the same log with the ordered consumer of NATS.
func rebuild(ctx context.Context, r *run) (Result, error) {
	n, err := openLog(ctx, r.dir)
	if err != nil {
		return Result{}, err
	}
	result, err := func() (Result, error) {
		commits := r.many(rebuiltCommits)
		now := domain.InstantOf(wall())
		err := n.seed(ctx, max(commits/commitsEach, 1), now, func(i int) iter.Seq[engine.Request] { return history(i, now) })
		if err != nil {
			return Result{}, err
		}
		return r.compare(ctx, min(r.turns, wholePairs), n.rebuilding(r.path("projections")), n.reading())
	}()
	return result, closed(n, err)
}

// whatIf holds a replay under another policy against a check of the projections, of the same log.
func whatIf(ctx context.Context, r *run) (Result, error) {
	n, err := openLog(ctx, r.dir)
	if err != nil {
		return Result{}, err
	}
	result, err := func() (Result, error) {
		now := domain.InstantOf(wall())
		err := n.seed(ctx, max(r.many(rebuiltCommits)/commitsEach, 1), now, func(i int) iter.Seq[engine.Request] { return history(i, now) })
		if err != nil {
			return Result{}, err
		}
		if _, err := n.rebuilding(r.path("projections"))(ctx, 0); err != nil {
			return Result{}, err
		}
		return r.compare(ctx, min(r.turns, wholePairs), n.replaying(now), n.checking(r.path("projections")))
	}()
	return result, closed(n, err)
}

// replaying asks what another policy would have led to.
func (n *node) replaying(now domain.Instant) side {
	return func(ctx context.Context, _ time.Duration) (float64, error) {
		elapsed := watch()
		report, err := timetravel.WhatIf(ctx, timetravel.Question{
			Log: n.Log, Policy: domain.DefaultPolicy(), Grace: 240 * time.Hour, Until: now,
		}, nil)
		if err != nil {
			return 0, err
		}
		return float64(report.Commits) / elapsed().Seconds(), nil
	}
}

// checking compares the projections with the whole log.
func (n *node) checking(dir string) side {
	return func(ctx context.Context, _ time.Duration) (float64, error) {
		total := uint64(0)
		elapsed := watch()
		differences, err := projections.Check(ctx, projections.Config{Dir: dir, Log: n.Log}, func(_, all uint64) { total = all })
		if err == nil && len(differences) > 0 {
			err = fmt.Errorf("the projections differ from the log: %s", differences[0])
		}
		return float64(total) / elapsed().Seconds(), err
	}
}

// history is what happens to a tenant in a month.
func history(i int, now domain.Instant) iter.Seq[engine.Request] {
	return func(yield func(engine.Request) bool) {
		t := tenantOf(i)
		long := now.Add(-1000 * time.Hour)
		for _, r := range t.imports(long, plan(long)) {
			if !yield(r) {
				return
			}
		}
		for range commitsEach - appsEach {
			if !yield(t.next(now)) {
				return
			}
		}
	}
}

// rebuilding builds the projections from the whole log.
func (n *node) rebuilding(dir string) side {
	return func(ctx context.Context, _ time.Duration) (float64, error) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return 0, fmt.Errorf("making a folder for projections: %w", err)
		}
		total := uint64(0)
		elapsed := watch()
		err := projections.Rebuild(ctx, projections.Config{Dir: dir, Log: n.Log}, func(_, all uint64) { total = all })
		return float64(total) / elapsed().Seconds(), err
	}
}

// reading reads the whole log, and does nothing with it.
func (n *node) reading() side {
	return func(ctx context.Context, _ time.Duration) (_ float64, err error) {
		head, err := n.Log.Head(ctx)
		if err != nil {
			return 0, err
		}
		elapsed := watch()
		consumer, err := n.JetStream.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
		if err != nil {
			return 0, fmt.Errorf("reading the log: %w", err)
		}
		messages, err := consumer.Messages(jetstream.PullMaxMessages(readAhead))
		if err != nil {
			return 0, fmt.Errorf("reading the log: %w", err)
		}
		defer messages.Stop()
		for range head {
			if _, err := messages.Next(); err != nil {
				return 0, fmt.Errorf("reading the log: %w", err)
			}
		}
		return float64(head) / elapsed().Seconds(), nil
	}
}

// readAhead is how many messages the consumer of NATS asks for at once: with fewer it is slower, with more not faster.
const readAhead = 5000
