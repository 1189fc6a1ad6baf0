package eventstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/natsd"
)

// wantCorrupt checks that err says so, with advice.
func wantCorrupt(t *testing.T, err error, problem string) {
	t.Helper()
	var corrupt *eventstore.CorruptError
	if !errors.As(err, &corrupt) {
		t.Fatalf("%v, want a *CorruptError", err)
	}
	if !strings.Contains(corrupt.Problem, problem) || corrupt.Advice == "" {
		t.Errorf("problem %q, advice %q; want a problem with %q and advice", corrupt.Problem, corrupt.Advice, problem)
	}
}

func TestVerifyFindsABrokenChain(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, problem string
		sequence      uint64
		append        func(t *testing.T, l *eventstore.Log, w *writer)
	}{
		{"a commit that follows none", "chain of account acme is broken", 4, func(t *testing.T, l *eventstore.Log, w *writer) {
			w.previous = eventstore.Hash{}
			must(t, w.append(t.Context()))
		}},
		{"a commit that follows another", "chain of account acme is broken", 4, func(t *testing.T, l *eventstore.Log, w *writer) {
			w.previous = eventstore.HashOf([]byte("other"))
			must(t, w.append(t.Context()))
		}},
		{"a first commit that follows something", "chain of account second is broken", 4, func(t *testing.T, l *eventstore.Log, w *writer) {
			must(t, (&writer{log: l, account: "second", previous: w.previous}).append(t.Context()))
		}},
		{"a commit on another's subject", "stands on the subject of second", 4, func(t *testing.T, l *eventstore.Log, w *writer) {
			_, err := l.Append(t.Context(), "second", 0, encode(t, commit("acme", "x", eventstore.Hash{})), nil)
			must(t, err)
		}},
		{"a payload that is no commit", "not a commit", 4, func(t *testing.T, l *eventstore.Log, w *writer) {
			_, err := l.Append(t.Context(), "acme", w.last, []byte("garbage"), nil)
			must(t, err)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			l, _, _ := newLog(t)
			w := &writer{log: l, account: "acme"}
			for range 3 {
				must(t, w.append(t.Context()))
			}
			must(t, l.Verify(t.Context(), nil))
			row.append(t, l, w)
			err := l.Verify(t.Context(), nil)
			wantCorrupt(t, err, row.problem)
			var corrupt *eventstore.CorruptError
			if errors.As(err, &corrupt) && corrupt.Sequence != row.sequence {
				t.Errorf("at sequence %d, want %d", corrupt.Sequence, row.sequence)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestVerifyTellsItsProgress(t *testing.T) {
	l, _, _ := newLog(t)
	w := &writer{log: l, account: "acme"}
	for range 10 {
		must(t, w.append(t.Context()))
	}
	var last, calls uint64
	must(t, l.Verify(t.Context(), func(done, total uint64) {
		if calls++; done <= last || total != 10 {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}))
	if last != 10 {
		t.Errorf("progress ended at %d, want 10", last)
	}
}

func TestCheckAt(t *testing.T) {
	l, _, _ := newLog(t)
	w := &writer{log: l, account: "acme"}
	var hashes []eventstore.Hash
	for range 3 {
		must(t, w.append(t.Context()))
		hashes = append(hashes, w.previous)
	}
	must(t, l.CheckAt(t.Context(), 0, eventstore.Hash{}))
	must(t, l.CheckAt(t.Context(), 2, hashes[1]))
	wantCorrupt(t, l.CheckAt(t.Context(), 2, hashes[2]), "not the one that was projected")
	wantCorrupt(t, l.CheckAt(t.Context(), 4, hashes[2]), "before the checkpoint")
}

func TestOpenRefusesAStreamThatIsNoLog(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, problem string
		change        func(*jetstream.StreamConfig)
	}{
		{"made by somebody else", "no identity", func(c *jetstream.StreamConfig) { c.Metadata = nil }},
		{"other subjects", "its subjects are", func(c *jetstream.StreamConfig) { c.Subjects = []string{"events.>"} }},
		{"deletable", "lets commits be deleted", func(c *jetstream.StreamConfig) { c.DenyDelete = false }},
		{"purgeable", "lets commits be deleted", func(c *jetstream.StreamConfig) { c.DenyPurge = false }},
		{"compressed", "compressed", func(c *jetstream.StreamConfig) { c.Compression = jetstream.S2Compression }},
		{"in memory", "not kept in files", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }},
		{"with a limit of number", "limits", func(c *jetstream.StreamConfig) { c.MaxMsgs = 10 }},
		{"with a limit of age", "limits", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		{"without batches", "does not allow", func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false }},
		{"without acknowledgements", "does not allow", func(c *jetstream.StreamConfig) { c.NoAck = true }},
		{"beginning later", "begins at sequence", func(c *jetstream.StreamConfig) { c.FirstSeq = 5 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := server(t, natsd.Config{})
			nc := connect(t, s)
			js, err := jetstream.New(nc)
			must(t, err)
			config := jetstream.StreamConfig{
				Name: "SUNDIAL_EVENTS", Subjects: []string{"events.*"}, DenyDelete: true, DenyPurge: true, AllowDirect: true,
				AllowAtomicPublish: true, Metadata: map[string]string{"sundial.log": "x"},
			}
			row.change(&config)
			_, err = js.CreateStream(t.Context(), config)
			must(t, err)
			if config.FirstSeq > 0 {
				_, err = js.Publish(t.Context(), "events.acme", nil)
				must(t, err)
			}
			_, err = eventstore.Open(t.Context(), nc, eventstore.Config{})
			wantCorrupt(t, err, row.problem)
		})
	}
}

func TestOpenRefusesALogWithHoles(t *testing.T) {
	s := server(t, natsd.Config{})
	nc := connect(t, s)
	js, err := jetstream.New(nc)
	must(t, err)
	config := jetstream.StreamConfig{
		Name: "SUNDIAL_EVENTS", Subjects: []string{"events.*"}, DenyPurge: true, AllowDirect: true,
		AllowAtomicPublish: true, Metadata: map[string]string{"sundial.log": "x"},
	}
	stream, err := js.CreateStream(t.Context(), config)
	must(t, err)
	for range 5 {
		_, err = js.Publish(t.Context(), "events.acme", nil)
		must(t, err)
	}
	must(t, stream.DeleteMsg(t.Context(), 3))
	config.DenyDelete = true
	_, err = js.UpdateStream(t.Context(), config)
	must(t, err)
	_, err = eventstore.Open(t.Context(), nc, eventstore.Config{})
	wantCorrupt(t, err, "4 commits, 5 are expected")
}

func TestNothingCanBeDeleted(t *testing.T) {
	l, _, nc := newLog(t)
	w := &writer{log: l, account: "acme"}
	must(t, w.append(t.Context()))
	js, err := jetstream.New(nc)
	must(t, err)
	stream, err := js.Stream(t.Context(), "SUNDIAL_EVENTS")
	must(t, err)
	if err := stream.DeleteMsg(t.Context(), 1); err == nil {
		t.Error("a commit was deleted")
	}
	if err := stream.SecureDeleteMsg(t.Context(), 1); err == nil {
		t.Error("a commit was erased")
	}
	if err := stream.Purge(t.Context()); err == nil {
		t.Error("the log was purged")
	}
	config := stream.CachedInfo().Config
	config.DenyDelete, config.DenyPurge = false, false
	if _, err := js.UpdateStream(t.Context(), config); err == nil {
		t.Error("deletion was allowed again")
	}
	must(t, w.append(t.Context()))
	must(t, l.Verify(t.Context(), nil))
}

func TestRecheckKnowsAnotherLog(t *testing.T) {
	l, s, nc := newLog(t)
	w := &writer{log: l, account: "acme"}
	must(t, w.append(t.Context()))
	must(t, l.Recheck(t.Context()))
	js, err := jetstream.New(nc)
	must(t, err)
	must(t, js.DeleteStream(t.Context(), "SUNDIAL_EVENTS"))
	if err := l.Recheck(t.Context()); !errors.Is(err, eventstore.ErrMissing) {
		t.Errorf("%v, want ErrMissing", err)
	}
	if _, err := eventstore.Open(t.Context(), nc, eventstore.Config{}); !errors.Is(err, eventstore.ErrMissing) {
		t.Errorf("%v, want ErrMissing", err)
	}
	other, err := eventstore.Create(t.Context(), nc, eventstore.Config{})
	must(t, err)
	closeLater(t, other)
	if other.Identity() == l.Identity() {
		t.Error("two logs with one identity")
	}
	wantCorrupt(t, l.Recheck(t.Context()), "another log")

	// The log that was opened finds that out by itself when the server comes back, and never writes to the other.
	must(t, s.Restart())
	waitFor(t, func() error {
		if err := l.Failure(); !strings.Contains(fmt.Sprint(err), "another log") {
			return fmt.Errorf("failure %w, want that it is another log", err)
		}
		return nil
	})
	if _, err := l.Append(t.Context(), "acme", 0, encode(t, commit("acme", "x", eventstore.Hash{})), nil); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

// waitFor waits until ready gives nil.
func waitFor(t *testing.T, ready func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = ready(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

func TestFollowMeetsAGap(t *testing.T) {
	l, _, nc := newLog(t)
	w := &writer{log: l, account: "acme"}
	for range 5 {
		must(t, w.append(t.Context()))
	}
	f, err := l.Follow(t.Context(), 0)
	must(t, err)
	defer f.Close()
	for last := uint64(0); last < 5; {
		batch, err := f.Next(t.Context(), 5)
		must(t, err)
		last = batch[len(batch)-1].Sequence
	}
	js, err := jetstream.New(nc)
	must(t, err)
	stream, err := js.Stream(t.Context(), "SUNDIAL_EVENTS")
	must(t, err)
	config := stream.CachedInfo().Config
	must(t, js.DeleteStream(t.Context(), "SUNDIAL_EVENTS"))
	config.FirstSeq = 10
	_, err = js.CreateStream(t.Context(), config)
	must(t, err)
	_, err = js.Publish(t.Context(), "events.acme", nil)
	must(t, err)
	_, err = f.Next(t.Context(), 5)
	var gap *eventstore.GapError
	if !errors.As(err, &gap) || gap.Want != 6 || gap.Got != 10 {
		t.Errorf("%v, want a gap from 6 to 10", err)
	}
}

// TestFlippedBit is what led to the checks on opening: after an unclean stop the server drops, without a word, what
// stands behind a damaged message, and gives its sequences again.
func TestFlippedBit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := server(t, natsd.Config{Dir: dir})
	nc := connect(t, s)
	l, err := eventstore.Create(t.Context(), nc, eventstore.Config{})
	must(t, err)
	w := &writer{log: l, account: "acme"}
	for range 100 {
		must(t, w.append(t.Context()))
	}
	head, hash := w.last, w.previous
	must(t, l.Close(t.Context()))
	nc.Close()
	s.Shutdown()

	store := filepath.Join(dir, "jetstream", "$G", "streams", "SUNDIAL_EVENTS", "msgs")
	// The index is written on a clean stop only.
	must(t, os.Remove(filepath.Join(store, "index.db")))
	block := filepath.Join(store, "1.blk")
	b, err := os.ReadFile(block)
	must(t, err)
	i := bytes.Index(b, []byte(`"acme-50"`))
	if i < 0 {
		t.Fatal("commit 50 is not in the block")
	}
	b[i+1] ^= 1
	must(t, os.WriteFile(block, b, 0o600))

	s = server(t, natsd.Config{Dir: dir})
	nc = connect(t, s)
	l, err = eventstore.Open(t.Context(), nc, eventstore.Config{})
	if err != nil {
		wantCorrupt(t, err, "")
		return
	}
	closeLater(t, l)
	wantCorrupt(t, l.CheckAt(t.Context(), head, hash), "before the checkpoint")
}

func TestRestartUnderLoad(t *testing.T) {
	t.Parallel()
	l, s, _ := newLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var acknowledged sync.Map // id to sequence
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			w := writer{log: l, account: fmt.Sprintf("acct-%d", i)}
			for !stop.Load() {
				id := fmt.Sprintf("%s-%d", w.account, w.n)
				switch err := w.append(ctx); {
				case err == nil:
					acknowledged.Store(id, w.last)
				case errors.Is(err, eventstore.ErrUnavailable):
					time.Sleep(time.Millisecond)
				case errors.Is(err, eventstore.ErrUnknown):
					for {
						m, found, err := l.Last(ctx, w.account)
						if err != nil {
							time.Sleep(time.Millisecond)
							continue
						}
						if found && m.Sequence > w.last {
							w.last, w.previous, w.n = m.Sequence, m.Hash(), w.n+1
						}
						break
					}
				default:
					t.Errorf("%s: %v", w.account, err)
					return
				}
			}
		})
	}
	follower, err := l.Follow(ctx, 0)
	must(t, err)
	defer follower.Close()
	followed := make(map[string]uint64)
	follow := func(until uint64) {
		for last := uint64(0); last < until; {
			batch, err := follower.Next(ctx, 1000)
			must(t, err)
			for i := range batch {
				c, err := eventstore.DecodeCommit(batch[i].Payload)
				must(t, err)
				if at, twice := followed[c.ID]; twice {
					t.Fatalf("%s is at %d and %d", c.ID, at, batch[i].Sequence)
				}
				followed[c.ID], last = batch[i].Sequence, batch[i].Sequence
			}
		}
	}
	for range 3 {
		var head uint64
		waitFor(t, func() (err error) { // the connection comes back some time after the server
			head, err = l.Head(ctx)
			return err
		})
		follow(head + 500)
		must(t, s.Restart())
		waitFor(t, l.Failure)
	}
	stop.Store(true)
	wg.Wait()
	head, err := l.Head(ctx)
	must(t, err)
	if uint64(len(followed)) < head {
		follow(head)
	}
	acknowledged.Range(func(id, seq any) bool {
		if followed[id.(string)] != seq.(uint64) {
			t.Errorf("%s was acknowledged at %d, is at %d", id, seq, followed[id.(string)])
		}
		return true
	})
	must(t, l.Verify(ctx, nil))
}
