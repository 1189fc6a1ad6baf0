package datadir

import (
	"context"
	"log/slog"
	"slices"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Marking is JetStream for whoever answers for what stands in a stream and nowhere else. How far such a stream has come is
// marked before its publisher has the acknowledgement: an older copy of it is then noticed after a kill, too, as it is after an
// orderly end. A mark that cannot be written holds up nobody: it is logged, and taken later with the others.
type Marking struct {
	jetstream.JetStream
	Marks   *Marks
	Server  string
	Streams []string
	Logger  *slog.Logger
}

// Publish publishes, and marks where that came to stand.
func (m Marking) Publish(ctx context.Context, subject string, data []byte, options ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	ack, err := m.JetStream.Publish(ctx, subject, data, options...)
	return m.mark(ctx, ack, err)
}

// PublishMsg publishes, and marks where that came to stand.
func (m Marking) PublishMsg(ctx context.Context, message *nats.Msg, options ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	ack, err := m.JetStream.PublishMsg(ctx, message, options...)
	return m.mark(ctx, ack, err)
}

func (m Marking) mark(ctx context.Context, ack *jetstream.PubAck, err error) (*jetstream.PubAck, error) {
	if err != nil || !slices.Contains(m.Streams, ack.Stream) {
		return ack, err
	}
	if err := m.Marks.Reach(context.WithoutCancel(ctx), m.Server, ack.Stream, ack.Sequence); err != nil {
		m.Logger.Warn("how far a stream has come could not be written down; it is tried again", "stream", ack.Stream, "error", err)
	}
	return ack, nil
}
