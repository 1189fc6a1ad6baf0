// Package publish tells downstream what happened: every event of the log, once, in the log's order, as a CloudEvent in
// the NATS stream LIFECYCLE.
//
// Nothing is remembered but the stream itself: its last message says where in the log it stands, and each message is
// written behind the one that was last. So a publisher that was killed at any moment, and two at once, publish nothing
// twice and leave nothing out.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"sundial/eventstore"
	"sundial/internal/atomicbatch"
	"sundial/internal/pause"
)

const (
	// readCommits is how many commits are read at once, about a batch of messages.
	readCommits = 500

	// linger is the least time between two batches that are not full: publishing follows the log closely when little
	// happens, and costs it few syncs when much does.
	linger = 50 * time.Millisecond

	// retryAfter keeps a server that does not answer, or a stream that somebody must look at, from being asked in a
	// loop; lookAfter is how often the latter is.
	retryAfter = 500 * time.Millisecond
	lookAfter  = 10 * time.Second
)

// Config is what a publisher is made of. Log and JetStream are required.
type Config struct {
	Log        *eventstore.Log
	JetStream  jetstream.JetStream
	Replicas   int // of the stream LIFECYCLE where it is made; 0: 1
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Publisher publishes what is in the log.
type Publisher struct {
	config     Config
	log        *slog.Logger
	translator *translator
	stream     *stream
	position   atomic.Uint64
	published  prometheus.Counter
	broken     prometheus.Gauge
}

// Open makes the stream where it is absent.
func Open(ctx context.Context, config Config) (*Publisher, error) {
	log := config.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	translator, err := newTranslator(config.Log.Identity(), config.Log.Epochs())
	if err != nil {
		return nil, err
	}
	out := newStream(config.JetStream, max(config.Replicas, 1), config.Log.Identity(), config.Log.Epochs())
	if err := out.open(ctx); err != nil {
		return nil, err
	}
	p := &Publisher{
		config: config, log: log, translator: translator, stream: out,
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sundial_published_events_total", Help: "Events published downstream by this node.",
		}),
		broken: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sundial_publishing_stopped", Help: "1 while nothing is published until somebody has looked. Alarm above 0.",
		}),
	}
	if config.Registerer != nil {
		config.Registerer.MustRegister(p.published, p.broken, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sundial_published_position", Help: "Position of the commit that this node published last.",
		}, func() float64 { return float64(p.position.Load()) }))
	}
	return p, nil
}

// Position is that of the commit that this publisher published last, or found published at its start.
func (p *Publisher) Position() uint64 { return p.position.Load() }

// Run publishes until ctx ends. One node at a time should run it, by a lease; two do no harm. Faults are logged and
// tried again: downstream can wait, and the engine must not end for it.
func (p *Publisher) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := p.follow(ctx)
		if ctx.Err() != nil {
			break
		}
		var checkpoint *CheckpointError
		var corrupt *eventstore.CorruptError
		var gap *eventstore.GapError
		var unknown *eventstore.UnknownTypeError
		switch {
		case errors.Is(err, errConflict):
			p.log.Info("another node publishes too, going on behind it")
			pause.For(ctx, linger)
		case errors.As(err, &checkpoint), errors.As(err, &corrupt), errors.As(err, &gap), errors.As(err, &unknown):
			p.broken.Set(1)
			p.log.Error("nothing is published until somebody has looked", "error", err)
			pause.For(ctx, lookAfter)
		default:
			p.log.Warn("publishing was interrupted, going on", "error", err)
			pause.For(ctx, retryAfter)
		}
	}
	return nil
}

// follow publishes from the checkpoint on, until an error.
func (p *Publisher) follow(ctx context.Context) error {
	if err := p.stream.open(ctx); err != nil {
		return err
	}
	done, err := p.stream.checkpoint(ctx)
	if err != nil {
		return err
	}
	head, err := p.config.Log.Head(ctx)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if done.position > head {
		return &CheckpointError{fmt.Sprintf("commit %d was published, but the log ends at %d", done.position, head)}
	}
	p.broken.Set(0)
	p.position.Store(done.position)
	after := done.position
	if after > 0 && !done.last {
		after-- // some of its events are yet to be published
	}
	follower, err := p.config.Log.Follow(ctx, after)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	defer follower.Close()
	for {
		commits, err := follower.Next(ctx, readCommits)
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		began := machineTime()
		sent, err := p.publish(ctx, commits, done)
		if err != nil {
			return err
		}
		if sent < atomicbatch.MaxMessages/2 {
			pause.For(ctx, linger-machineTime().Sub(began))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// publish sends the events of some commits, but for those that had been published before.
func (p *Publisher) publish(ctx context.Context, commits []eventstore.Message, done place) (sent int, err error) {
	var out []*message.Message
	size, last := 0, place{}
	flush := func() error {
		if len(out) == 0 {
			return nil
		}
		out[0].SetContext(ctx)
		if err := p.stream.Publish(streamName, out...); err != nil {
			return err
		}
		p.published.Add(float64(len(out)))
		p.position.Store(last.position)
		sent += len(out)
		out, size = nil, 0
		return nil
	}
	for i := range commits {
		items, err := p.translator.translate(&commits[i])
		if err != nil {
			return sent, err
		}
		for _, item := range items {
			if !item.place.after(done) {
				continue
			}
			if len(out) == atomicbatch.MaxMessages || size > batchBytes {
				if err := flush(); err != nil {
					return sent, err
				}
			}
			out, size, last = append(out, item.m), size+len(item.m.Payload), item.place
		}
	}
	return sent, flush()
}

// batchBytes bounds a batch of large events: the server stages it in memory.
const batchBytes = 8 << 20

// machineTime measures durations; the engine's clock may stand still under a sandbox.
func machineTime() time.Time {
	return time.Now() //nolint:forbidigo // for durations only
}
