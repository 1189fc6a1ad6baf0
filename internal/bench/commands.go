package bench

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/engine"
)

// committed measures commands answered when they are committed.
func committed(writers int) func(context.Context, *run) (Result, error) {
	return func(ctx context.Context, r *run) (Result, error) { return r.commands(ctx, writers, true) }
}

// projected measures commands answered when the projections have them.
func projected(ctx context.Context, r *run) (Result, error) {
	return r.commands(ctx, manyWriters, false)
}

// commands holds the engine against appending messages of the same size to a second log on the same server, from as
// many writers, each with a subject of its own.
func (r *run) commands(ctx context.Context, writers int, durable bool) (result Result, err error) {
	err = during(ctx, nodeConfig(r.dir), func(n *node) error {
		all := tenants(writers)
		if err := n.moveIn(ctx, all); err != nil {
			return err
		}
		ours := n.commanding(all, durable)
		if _, err := ours(ctx, r.Slot/3); err != nil {
			return err
		}
		theirs, err := n.appending(ctx, writers)
		if err != nil {
			return err
		}
		result, err = r.compare(ctx, r.turns, ours, theirs)
		return err
	})
	return result, err
}

// moveIn gives each tenant its apps, with a plan that does not end.
func (n *node) moveIn(ctx context.Context, all []tenant) error {
	now := domain.InstantOf(wall())
	return n.seed(ctx, len(all), now, func(i int) iter.Seq[engine.Request] {
		return values(all[i].imports(now.Add(-1000*time.Hour), plan(now.Add(-1000*time.Hour))))
	})
}

func values[T any](of []T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, v := range of {
			if !yield(v) {
				return
			}
		}
	}
}

// commanding is the engine under a writer for each tenant.
func (n *node) commanding(all []tenant, durable bool) side {
	return func(ctx context.Context, slot time.Duration) (float64, error) {
		perSecond, err := load(ctx, len(all), slot, func(ctx context.Context, writer int) error {
			request := all[writer].next(n.Engine.Now())
			request.Durable = durable
			answer, err := n.Engine.Execute(ctx, request)
			if err == nil && answer.Outcome != engine.Appended {
				err = fmt.Errorf("%s was %s: it should have changed something", request.Command.Name(), answer.Outcome)
			}
			return err
		})
		if err != nil {
			return 0, err
		}
		return perSecond, n.settle(ctx)
	}
}

// appending is the log alone: with many writers, appends of messages that mean nothing, of the sizes that the engine's
// last commits have, which share batches as the engine's do. A single writer publishes with what NATS itself offers.
func (n *node) appending(ctx context.Context, writers int) (side, error) {
	sample, err := n.sample(ctx)
	if err != nil {
		return nil, err
	}
	config := n.LogConfig
	config.Stream, config.Subject = "BARE", "bare"
	if n.bare, err = eventstore.Create(ctx, n.JetStream.Conn(), config); err != nil {
		return nil, err
	}
	last, turn := make([]uint64, writers), make([]int, writers)
	put := func(ctx context.Context, writer int, m *nats.Msg) (uint64, error) {
		return n.bare.Append(ctx, "tenant-"+strconv.Itoa(writer), last[writer], m.Data, m.Header)
	}
	if writers == 1 {
		put = func(ctx context.Context, _ int, m *nats.Msg) (uint64, error) {
			message := &nats.Msg{Subject: "bare.tenant-0", Data: m.Data, Header: maps.Clone(m.Header)}
			ack, err := n.JetStream.PublishMsg(ctx, message, jetstream.WithExpectLastSequencePerSubject(last[0]))
			if err != nil {
				return 0, err
			}
			return ack.Sequence, nil
		}
	}
	return func(ctx context.Context, slot time.Duration) (float64, error) {
		return load(ctx, writers, slot, func(ctx context.Context, writer int) (err error) {
			message := sample[(writer+turn[writer])%len(sample)]
			turn[writer]++
			last[writer], err = put(ctx, writer, message)
			return err
		})
	}, nil
}

// sample gives the engine's last commits as they are stored, up to a thousand, without the headers that the server needs
// to append them.
func (n *node) sample(ctx context.Context) ([]*nats.Msg, error) {
	const most = 1000
	head, err := n.Log.Head(ctx)
	if err != nil {
		return nil, err
	}
	consumer, err := n.JetStream.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: head - min(head, most) + 1,
	})
	if err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	sample := make([]*nats.Msg, min(head, most))
	for i := range sample {
		m, err := consumer.Next()
		if err != nil {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
		header := maps.Clone(m.Headers())
		maps.DeleteFunc(header, func(name string, _ []string) bool { return strings.HasPrefix(name, "Nats-") })
		sample[i] = &nats.Msg{Data: m.Data(), Header: header}
	}
	return sample, nil
}
