package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
)

// followTo reads until a sequence and checks that nothing is missing or doubled on the way.
func followTo(t *testing.T, f *eventstore.Follower, after, upTo uint64, limit int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for after < upTo {
		limit := min(limit, int(upTo-after))
		batch, err := f.Next(ctx, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) == 0 || len(batch) > limit {
			t.Fatalf("a batch of %d, at most %d were asked for", len(batch), limit)
		}
		for i := range batch {
			if after++; batch[i].Sequence != after {
				t.Fatalf("sequence %d, want %d", batch[i].Sequence, after)
			}
			if batch[i].Account == "" || batch[i].Stored.IsZero() || len(batch[i].Payload) == 0 {
				t.Fatalf("incomplete: %+v", batch[i])
			}
		}
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	l, _, _ := newLog(t)
	const n = 30_000 // more than two windows
	fill(t, l, n)
	head, err := l.Head(t.Context())
	must(t, err)
	for _, row := range []struct {
		after uint64
		limit int
	}{{0, 5000}, {0, 7}, {1, 1}, {n / 2, 100_000}, {n - 1, 10}} {
		t.Run(fmt.Sprintf("after %d, %d at a time", row.after, row.limit), func(t *testing.T) {
			f, err := l.Follow(t.Context(), row.after)
			must(t, err)
			defer f.Close()
			upTo := head
			if row.limit == 1 {
				upTo = 100
			}
			followTo(t, f, row.after, upTo, row.limit)
		})
	}
}

func TestFollowWaitsForTheNext(t *testing.T) {
	l, _, _ := newLog(t)
	f, err := l.Follow(t.Context(), 0)
	must(t, err)
	defer f.Close()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := f.Next(short, 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("on an empty log: %v, want the context's error", err)
	}
	w := &writer{log: l, account: "acme"}
	for n := range uint64(20) {
		must(t, w.append(t.Context()))
		begin := time.Now()
		followTo(t, f, n, n+1, 10)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("a commit came %s after its acknowledgement", took)
		}
	}
}

func TestFollowSurvivesTheLossOfItsConsumer(t *testing.T) {
	t.Parallel()
	l, _, nc := newLog(t)
	js, err := jetstream.New(nc)
	must(t, err)
	stream, err := js.Stream(t.Context(), "SUNDIAL_EVENTS")
	must(t, err)
	f, err := l.Follow(t.Context(), 0)
	must(t, err)
	defer f.Close()
	w := &writer{log: l, account: "acme"}
	at := uint64(0)
	for range 3 {
		for range 50 {
			must(t, w.append(t.Context()))
		}
		followTo(t, f, at, at+20, 20)
		names := stream.ConsumerNames(t.Context())
		for name := range names.Name() {
			must(t, stream.DeleteConsumer(t.Context(), name))
		}
		must(t, names.Err())
		followTo(t, f, at+20, at+50, 20)
		at += 50
	}
}

func TestFollowEndsWithItsConnection(t *testing.T) {
	_, s, _ := newLog(t)
	nc, err := s.Connect()
	must(t, err)
	l, err := eventstore.Open(t.Context(), nc, eventstore.Config{})
	must(t, err)
	closeLater(t, l)
	f, err := l.Follow(t.Context(), 0)
	must(t, err)
	defer f.Close()
	nc.Close()
	if _, err := f.Next(t.Context(), 1); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("%v, want that the connection is closed", err)
	}
}
