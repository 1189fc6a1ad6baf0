package datadir

import (
	"context"
	"maps"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
)

// Stamping is JetStream for whoever makes streams of a directory: what it makes carries the epochs of the log. They are written with the
// stream and not later, since a server that is killed while it changes a stream's settings does not find the stream again.
type Stamping struct {
	jetstream.JetStream
	Epochs eventstore.Epochs
}

// CreateStream makes a stream with its stamp.
func (s Stamping) CreateStream(ctx context.Context, config jetstream.StreamConfig) (jetstream.Stream, error) {
	config.Metadata = s.stamped(config.Metadata)
	return s.JetStream.CreateStream(ctx, config)
}

// CreateOrUpdateStream makes a stream with its stamp, or leaves it that.
func (s Stamping) CreateOrUpdateStream(ctx context.Context, config jetstream.StreamConfig) (jetstream.Stream, error) {
	config.Metadata = s.stamped(config.Metadata)
	return s.JetStream.CreateOrUpdateStream(ctx, config)
}

// CreateKeyValue makes a bucket with its stamp.
func (s Stamping) CreateKeyValue(ctx context.Context, config jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	config.Metadata = s.stamped(config.Metadata)
	return s.JetStream.CreateKeyValue(ctx, config)
}

// CreateOrUpdateKeyValue makes a bucket with its stamp, or leaves it that.
func (s Stamping) CreateOrUpdateKeyValue(ctx context.Context, config jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	config.Metadata = s.stamped(config.Metadata)
	return s.JetStream.CreateOrUpdateKeyValue(ctx, config)
}

func (s Stamping) stamped(metadata map[string]string) map[string]string {
	with := map[string]string{eventstore.EpochsKey: s.Epochs.String()}
	maps.Copy(with, metadata)
	return with
}
