package eventstore

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// ensureProbe makes the probe's stream, which holds one message at most. It is nobody's truth, so that it may be
// made again at any time.
func (l *Log) ensureProbe(ctx context.Context) error {
	_, err := l.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:        l.config.probe(),
		Description: "Shows that the log's server can write. Holds nothing of value.",
		Subjects:    []string{l.config.Subject + "-probe"},
		Storage:     jetstream.FileStorage,
		Replicas:    l.replicas,
		MaxMsgs:     1,
		MaxMsgSize:  1024,
		Discard:     jetstream.DiscardOld,
	})
	if err != nil {
		return fmt.Errorf("eventstore: making the probe's stream: %w", err)
	}
	return nil
}

// Probe tells whether the log can be written, by writing to a stream of its own beside it: what readiness asks. A log
// can be stuck while its neighbour is not, so that what Failure gives comes first; but after mere silence of the
// server an answer to the probe lets appends through again.
func (l *Log) Probe(ctx context.Context) error {
	silent := false
	if f := l.appender.failed.Load(); f != nil {
		if silent = !f.retry.IsZero(); !silent {
			return f.err
		}
	}
	if l.config.Space != nil {
		if err := l.config.Space(); err != nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	stamp := time.Now().UTC().Format(time.RFC3339Nano) // for whoever looks at the stream
	if _, err := l.js.Publish(ctx, l.config.Subject+"-probe", []byte(stamp), jetstream.WithRetryAttempts(0)); err != nil {
		return fmt.Errorf("%w: probing: %w", ErrUnavailable, err)
	}
	if silent {
		l.appender.answered()
	}
	return nil
}
