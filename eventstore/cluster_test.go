package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/natsd"
)

// startCluster starts three servers, each in a process of its own, by name.
func startCluster(t *testing.T) (processes map[string]*exec.Cmd, urls []string) {
	t.Helper()
	addresses := make([]string, 3)
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		addresses[i] = l.Addr().String()
		defer l.Close()
		// Closed before its server listens there.
		must(t, l.Close())
	}
	processes = make(map[string]*exec.Cmd)
	for i := range addresses {
		c := natsd.Cluster{Name: "test", ServerName: fmt.Sprintf("n%d", i+1), Listen: addresses[i]}
		for j, a := range addresses {
			if j != i {
				c.Routes = append(c.Routes, "nats://"+a)
			}
		}
		cmd, out := child{Dir: t.TempDir(), Cluster: &c}.start(t)
		url, err := out.ReadString('\n')
		must(t, err)
		urls = append(urls, strings.TrimSpace(url))
		processes[c.ServerName] = cmd
	}
	return processes, urls
}

// clusterLog connects to one server first and knows the others.
func clusterLog(t *testing.T, urls []string, first int, open func(context.Context, *nats.Conn, eventstore.Config) (*eventstore.Log, error)) (*eventstore.Log, *nats.Conn) {
	t.Helper()
	ordered := append([]string{urls[first]}, urls...)
	nc, err := nats.Connect(strings.Join(ordered, ","), nats.DontRandomize(), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	must(t, err)
	t.Cleanup(nc.Close)
	var l *eventstore.Log
	waitFor(t, func() error { // until the cluster has a leader
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		l, err = open(ctx, nc, eventstore.Config{Replicas: 3, AckTimeout: 2 * time.Second})
		return err
	})
	closeLater(t, l)
	return l, nc
}

// TestClusterLosesItsLeader: two nodes append for the same accounts on three servers, one of which is killed.
func TestClusterLosesItsLeader(t *testing.T) {
	t.Parallel() // servers take seconds to choose a leader
	if testing.Short() {
		t.Skip("skipped: takes some seconds")
	}
	processes, urls := startCluster(t)
	a, nc := clusterLog(t, urls, 0, eventstore.Create)
	b, _ := clusterLog(t, urls, 1, eventstore.Open)

	ctx := t.Context()
	var acknowledged sync.Map // sequence to hash
	var count, conflicts, unknown atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range 120 {
		wg.Go(func() {
			// 60 accounts, each written by both nodes.
			w := writer{log: a, account: fmt.Sprintf("acct-%d", i/2), name: fmt.Sprintf("w%d", i)}
			if i%2 == 1 {
				w.log = b
			}
			for !stop.Load() {
				err := w.append(ctx)
				var conflict *eventstore.ConflictError
				switch {
				case err == nil:
					acknowledged.Store(w.last, w.previous)
					count.Add(1)
					continue
				case errors.As(err, &conflict):
					conflicts.Add(1)
				case errors.Is(err, eventstore.ErrUnknown):
					unknown.Add(1)
				case errors.Is(err, eventstore.ErrUnavailable):
					time.Sleep(5 * time.Millisecond)
				default:
					t.Error(err)
					return
				}
				for !stop.Load() {
					m, found, err := w.log.Last(ctx, w.account)
					if err != nil {
						time.Sleep(5 * time.Millisecond)
						continue
					}
					if found {
						w.last, w.previous = m.Sequence, m.Hash()
					}
					w.n++ // whether it was written or not, the next one is another command
					break
				}
			}
		})
	}
	grow := func(by int64) {
		t.Helper()
		goal := count.Load() + by
		waitFor(t, func() error {
			if n := count.Load(); n < goal {
				return fmt.Errorf("%d commits acknowledged, waiting for %d", n, goal)
			}
			return nil
		})
	}
	grow(500)
	js, err := jetstream.New(nc)
	must(t, err)
	stream, err := js.Stream(ctx, "SUNDIAL_EVENTS")
	must(t, err)
	leader := stream.CachedInfo().Cluster.Leader
	must(t, processes[leader].Process.Kill())
	grow(500)
	stop.Store(true)
	wg.Wait()
	t.Logf("%d acknowledged, %d conflicts, %d unknown; the leader was %s", count.Load(), conflicts.Load(), unknown.Load(), leader)
	if conflicts.Load() == 0 {
		t.Error("two nodes on the same accounts never met")
	}

	must(t, a.Verify(ctx, nil))
	head, err := a.Head(ctx)
	must(t, err)
	f, err := b.Follow(ctx, 0)
	must(t, err)
	defer f.Close()
	missing := count.Load()
	for done := uint64(0); done < head; {
		batch, err := f.Next(ctx, 1000)
		must(t, err)
		for i := range batch {
			if hash, ok := acknowledged.Load(batch[i].Sequence); ok {
				if hash != batch[i].Hash() {
					t.Errorf("at %d stands another commit than was acknowledged", batch[i].Sequence)
				}
				missing--
			}
			done = batch[i].Sequence
		}
	}
	if missing != 0 {
		t.Errorf("%d acknowledged commits are missing", missing)
	}
	for i := range 60 { // reading one account gives what following the whole log gives
		account, previous := fmt.Sprintf("acct-%d", i), eventstore.Hash{}
		for m, err := range a.Account(ctx, account, eventstore.Span{}) {
			must(t, err)
			c, err := eventstore.DecodeCommit(m.Payload)
			must(t, err)
			must(t, eventstore.CheckLink(&m.Message, &c, previous))
			previous = m.Hash()
		}
		last, _, err := b.Last(ctx, account)
		must(t, err)
		if last.Hash() != previous {
			t.Errorf("%s: its commits do not end with its last one", account)
		}
	}
}
