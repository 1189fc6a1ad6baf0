package lease_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/lease"
	"sundial/internal/natsd"
)

const ttl = 2 * time.Second

func server(t *testing.T) *natsd.Server {
	t.Helper()
	s, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// contender gives a lease over a connection of its own.
func contender(t *testing.T, s *natsd.Server, node string) (*lease.Lease, *nats.Conn) {
	t.Helper()
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lease.New(js, lease.Config{Bucket: "leases", Key: "ingest", Node: node, TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return l, nc
}

// running is a contender at work.
type running struct {
	working chan struct{} // receives when a term begins
	stopped chan struct{} // receives when a term ends
	cancel  context.CancelFunc
	result  chan error
}

func run(l *lease.Lease, busy *atomic.Int32, doubled *atomic.Bool) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{make(chan struct{}, 10), make(chan struct{}, 10), cancel, make(chan error, 1)}
	go func() {
		r.result <- l.Run(ctx, func(ctx context.Context) error {
			if busy.Add(1) > 1 {
				doubled.Store(true)
			}
			r.working <- struct{}{}
			<-ctx.Done()
			busy.Add(-1)
			r.stopped <- struct{}{}
			return ctx.Err()
		})
	}()
	return r
}

func within(t *testing.T, c <-chan struct{}, limit time.Duration, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(limit):
		t.Fatalf("%s did not happen within %s", what, limit)
	}
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	if err := <-r.result; err != nil {
		t.Errorf("Run returned %v after its context ended", err)
	}
}

func TestOneOfTwoWorksAndAReleaseHandsOver(t *testing.T) {
	t.Parallel()
	s := server(t)
	var busy atomic.Int32
	var doubled atomic.Bool
	a, _ := contender(t, s, "a")
	b, _ := contender(t, s, "b")
	first := run(a, &busy, &doubled)
	within(t, first.working, 5*time.Second, "the first contender's term")
	second := run(b, &busy, &doubled)
	select {
	case <-second.working:
		t.Fatal("the second works while the first holds the lease")
	case <-time.After(2 * ttl): // the lease is renewed beyond its time to live
	}
	if !a.Held() || b.Held() {
		t.Errorf("held by a: %t, by b: %t", a.Held(), b.Held())
	}
	first.stop(t)
	within(t, second.working, 5*ttl, "the handover after a clean stop")
	second.stop(t)
	if doubled.Load() {
		t.Error("two worked at once")
	}
}

func TestADeadLeadersLeaseExpires(t *testing.T) {
	t.Parallel()
	s := server(t)
	var busy atomic.Int32
	var doubled atomic.Bool
	a, dead := contender(t, s, "a")
	b, _ := contender(t, s, "b")
	first := run(a, &busy, &doubled)
	within(t, first.working, 5*time.Second, "the first contender's term")
	second := run(b, &busy, &doubled)

	died := time.Now()
	dead.Close() // it can neither renew nor release
	within(t, first.stopped, 5*ttl, "the dead leader's stop")
	within(t, second.working, 10*ttl, "the takeover")
	if took := time.Since(died); took < ttl/2 {
		t.Errorf("taken over after %s, before the lease can have expired", took)
	}
	if doubled.Load() {
		t.Error("two worked at once")
	}
	first.cancel()
	<-first.result
	second.stop(t)
}

func TestARestartedNodeGetsItsOwnLeaseBackAtOnce(t *testing.T) {
	t.Parallel()
	s := server(t)
	var busy atomic.Int32
	var doubled atomic.Bool
	a, dead := contender(t, s, "a")
	first := run(a, &busy, &doubled)
	within(t, first.working, 5*time.Second, "the first term")
	dead.Close()
	again, _ := contender(t, s, "a")
	second := run(again, &atomic.Int32{}, &doubled)
	within(t, second.working, 5*ttl, "the second term")
	first.cancel()
	<-first.result
	second.stop(t)
}

func TestTheServersRestartIsSurvived(t *testing.T) {
	t.Parallel()
	s := server(t)
	var busy atomic.Int32
	var doubled atomic.Bool
	a, _ := contender(t, s, "a")
	r := run(a, &busy, &doubled)
	within(t, r.working, 5*time.Second, "the first term")
	s.Shutdown()
	within(t, r.stopped, 5*ttl, "the end of the term")
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	within(t, r.working, 20*ttl, "the next term")
	if a.Terms() != 2 {
		t.Errorf("%d terms, want 2", a.Terms())
	}
	r.stop(t)
}

func TestWorksOwnErrorEndsRun(t *testing.T) {
	t.Parallel()
	s := server(t)
	a, _ := contender(t, s, "a")
	broken := errors.New("broken")
	if err := a.Run(context.Background(), func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("Run returned %v", err)
	}
	// The lease was released: another gets it at once.
	b, _ := contender(t, s, "b")
	var once sync.Once
	got := make(chan struct{})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := b.Run(ctx, func(context.Context) error { once.Do(func() { close(got) }); return nil }); err != nil {
		t.Error(err)
	}
	select {
	case <-got:
	default:
		t.Error("the lease was not released")
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []lease.Config{
		{Key: "k", Node: "n"}, {Bucket: "b", Node: "n"}, {Bucket: "b", Key: "k"},
		{Bucket: "b", Key: "k", Node: "n", TTL: time.Millisecond},
	} {
		if _, err := lease.New(nil, c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}
