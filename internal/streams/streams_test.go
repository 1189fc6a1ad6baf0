package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/natsd"
	"sundial/internal/streams"
)

func connect(t *testing.T) jetstream.JetStream {
	t.Helper()
	_, js := serve(t, t.TempDir())
	return js
}

// serve starts a server on a directory; it ends with the test.
func serve(t *testing.T, dir string) (*natsd.Server, jetstream.JetStream) {
	t.Helper()
	s, err := natsd.Start(natsd.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return s, js
}

// each opens at the same time what eight nodes would make, each in its own way, and gives how each says that it is.
func each(t *testing.T, open func(ctx context.Context, limit int64) (int64, error)) []int64 {
	t.Helper()
	limits := make([]int64, 8)
	var wg sync.WaitGroup
	for i := range limits {
		wg.Go(func() {
			var err error
			if limits[i], err = open(t.Context(), int64(1000+i)); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	return limits
}

func TestOpen(t *testing.T) {
	js := connect(t)
	config := func(limit int64) jetstream.StreamConfig {
		return jetstream.StreamConfig{Name: "KEPT", Subjects: []string{"kept.>"}, MaxMsgs: limit}
	}
	limits := each(t, func(ctx context.Context, limit int64) (int64, error) {
		stream, err := streams.Open(ctx, js, config(limit))
		if err != nil {
			return 0, err
		}
		return stream.CachedInfo().Config.MaxMsgs, nil
	})
	for _, limit := range limits {
		if limit != limits[0] || limit < 1000 {
			t.Fatalf("the nodes opened streams of %v messages, want one", limits)
		}
	}

	if _, err := js.UpdateStream(t.Context(), config(5)); err != nil {
		t.Fatal(err)
	}
	stream, err := streams.Open(t.Context(), js, config(1000))
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().Config.MaxMsgs; got != 5 {
		t.Errorf("%d messages, want the operator's 5", got)
	}

	if err := js.DeleteStream(t.Context(), "KEPT"); err != nil {
		t.Fatal(err)
	}
	if stream, err = streams.Open(t.Context(), js, config(1000)); err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().Config.MaxMsgs; got != 1000 {
		t.Errorf("%d messages, want 1000: it was deleted and is new", got)
	}
}

func TestOpenBucket(t *testing.T) {
	js := connect(t)
	config := func(limit int64) jetstream.KeyValueConfig {
		return jetstream.KeyValueConfig{Bucket: "KEPT", MaxBytes: limit}
	}
	open := func(ctx context.Context, limit int64) (int64, error) {
		bucket, err := streams.OpenBucket(ctx, js, config(limit))
		if err != nil {
			return 0, err
		}
		status, err := bucket.Status(ctx)
		if err != nil {
			return 0, err
		}
		return status.Config().MaxBytes, nil
	}
	limits := each(t, open)
	for _, limit := range limits {
		if limit != limits[0] || limit < 1000 {
			t.Fatalf("the nodes opened buckets of %v bytes, want one", limits)
		}
	}
	if _, err := js.UpdateKeyValue(t.Context(), config(5000)); err != nil {
		t.Fatal(err)
	}
	if got, err := open(t.Context(), 1000); err != nil || got != 5000 {
		t.Errorf("%d bytes (%v), want the operator's 5000", got, err)
	}
}

// TestOpenFails: the error names what cannot be opened, and is still the client's.
func TestOpenFails(t *testing.T) {
	js := connect(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		name string
		want error
	}{
		{ended, "KEPT", context.Canceled},
		{t.Context(), "", nil},
		{t.Context(), "no.name", nil},
	} {
		_, err := streams.Open(c.ctx, js, jetstream.StreamConfig{Name: c.name, Subjects: []string{"kept"}})
		_, bucketErr := streams.OpenBucket(c.ctx, js, jetstream.KeyValueConfig{Bucket: c.name})
		for what, err := range map[string]error{"stream": err, "bucket": bucketErr} {
			if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("opening the %s %s: ", what, c.name)) {
				t.Errorf("a %s %q: %v", what, c.name, err)
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("a %s %q: %v, want %v", what, c.name, err, c.want)
			}
		}
	}
}
