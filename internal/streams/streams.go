// Package streams opens streams and buckets of JetStream that every node makes where they are absent: on its first start,
// and after an operator has deleted them. The log is not among them: only an explicit first start makes it.
package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Open opens a stream, and makes it if there is none. One that is there stays as it is: its operator may have set its
// limits and replicas, and its CachedInfo shows whether it still serves.
func Open(ctx context.Context, js jetstream.JetStream, config jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, config.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, config)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // by another node, in another version, now
			stream, err = js.Stream(ctx, config.Name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the stream %s: %w", config.Name, err)
	}
	return stream, nil
}

// OpenBucket opens a bucket, and makes it if there is none. One that is there stays as it is.
func OpenBucket(ctx context.Context, js jetstream.JetStream, config jetstream.KeyValueConfig) (jetstream.KeyValue, error) {
	bucket, err := js.KeyValue(ctx, config.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		bucket, err = js.CreateKeyValue(ctx, config)
		if errors.Is(err, jetstream.ErrBucketExists) {
			bucket, err = js.KeyValue(ctx, config.Bucket)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the bucket %s: %w", config.Bucket, err)
	}
	return bucket, nil
}
