package eventstore_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sundial/eventstore"
	"sundial/internal/natsd"
)

// server starts an embedded server that lives as long as the test.
func server(t testing.TB, config natsd.Config) *natsd.Server {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	s, err := natsd.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func connect(t testing.TB, s *natsd.Server) *nats.Conn {
	t.Helper()
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// newLog creates a log on a server of its own.
func newLog(t testing.TB) (*eventstore.Log, *natsd.Server, *nats.Conn) {
	t.Helper()
	s := server(t, natsd.Config{})
	nc := connect(t, s)
	l, err := eventstore.Create(t.Context(), nc, eventstore.Config{Failed: s.Failed, Space: s.Space})
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, l)
	return l, s, nc
}

func closeLater(t testing.TB, l *eventstore.Log) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

// commit is a small valid one.
func commit(account, id string, previous eventstore.Hash) eventstore.Commit {
	return eventstore.Commit{
		Account: account, ID: id, Command: "create_app", Content: eventstore.HashOf([]byte(id)), Actor: "tester",
		RecordedAt: 1609459200000, Previous: previous,
		Events: []eventstore.Event{{Type: "app.created.v1", Data: []byte(`{"app":1400000001}`)}},
	}
}

func encode(t testing.TB, c eventstore.Commit) []byte {
	t.Helper()
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// writer appends commits of one account in a proper chain.
type writer struct {
	log      *eventstore.Log
	account  string
	name     string // makes the ids of its commands, the account if empty
	n        int    // how many it appended
	last     uint64
	previous eventstore.Hash
}

func (w *writer) catchUp(ctx context.Context) error {
	m, _, err := w.log.Last(ctx, w.account)
	if err != nil {
		return err
	}
	w.last, w.previous = m.Sequence, m.Hash()
	return nil
}

func (w *writer) append(ctx context.Context) error {
	c := commit(w.account, fmt.Sprintf("%s-%d", cmp.Or(w.name, w.account), w.n), w.previous)
	b, err := c.Encode()
	if err != nil {
		return err
	}
	seq, err := w.log.Append(ctx, w.account, w.last, b, nil)
	if err != nil {
		return err
	}
	w.n++
	w.last, w.previous = seq, eventstore.HashOf(b)
	return nil
}

func TestAppendAndRead(t *testing.T) {
	l, _, _ := newLog(t)
	ctx := t.Context()
	w := &writer{log: l, account: "acme"}
	other := &writer{log: l, account: "other"}
	for range 5 {
		if err := w.append(ctx); err != nil {
			t.Fatal(err)
		}
		if err := other.append(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if head, err := l.Head(ctx); err != nil || head != 10 {
		t.Fatalf("head %d, %v; want 10", head, err)
	}
	last, found, err := l.Last(ctx, "acme")
	if err != nil || !found || last.Sequence != 9 || last.Account != "acme" || last.Hash() != w.previous {
		t.Errorf("last %+v, %t, %v", last, found, err)
	}
	if _, found, err := l.Last(ctx, "nobody"); found || err != nil {
		t.Errorf("last of an account without commits: %t, %v", found, err)
	}
	if m, err := l.Get(ctx, 2); err != nil || m.Account != "other" || m.Sequence != 2 {
		t.Errorf("get: %+v, %v", m, err)
	}
	if _, err := l.Get(ctx, 11); !errors.Is(err, eventstore.ErrNotFound) {
		t.Errorf("get beyond the head: %v, want ErrNotFound", err)
	}
	for _, row := range []struct {
		after, upTo uint64
		want        []uint64
	}{
		{0, 0, []uint64{1, 3, 5, 7, 9}},
		{3, 0, []uint64{5, 7, 9}},
		{3, 7, []uint64{5, 7}},
		{9, 0, nil},
		{0, 2, []uint64{1}},
	} {
		var got []uint64
		for m, err := range l.Account(ctx, "acme", eventstore.Span{After: row.after, UpTo: row.upTo}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m.Sequence)
		}
		if fmt.Sprint(got) != fmt.Sprint(row.want) {
			t.Errorf("account (%d, %d]: %v, want %v", row.after, row.upTo, got, row.want)
		}
	}
	if err := l.Verify(ctx, nil); err != nil {
		t.Error(err)
	}
}

func TestAccountWithManyCommits(t *testing.T) {
	l, _, _ := newLog(t)
	ctx := t.Context()
	// More than a batch of reading by number, and by size; another account's commits between.
	var want []uint64
	last, previous := uint64(0), eventstore.Hash{}
	other := &writer{log: l, account: "other"}
	for n := range 600 {
		c := commit("acme", fmt.Sprint(n), previous)
		if n%20 == 0 {
			c.Reason = strings.Repeat("x", 100<<10)
		}
		payload := encode(t, c)
		seq, err := l.Append(ctx, "acme", last, payload, nil)
		must(t, err)
		want, last, previous = append(want, seq), seq, eventstore.HashOf(payload)
		if n%3 == 0 {
			must(t, other.append(ctx))
		}
	}
	for _, row := range []struct {
		after, upTo uint64
		want        []uint64
	}{{0, 0, want}, {want[299], 0, want[300:]}, {0, want[299], want[:300]}, {want[99], want[399], want[100:400]}} {
		var got []uint64
		for m, err := range l.Account(ctx, "acme", eventstore.Span{After: row.after, UpTo: row.upTo}) {
			must(t, err)
			got = append(got, m.Sequence)
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("account (%d, %d]: %d commits, want %d", row.after, row.upTo, len(got), len(row.want))
		}
	}
	// All accounts' are read by number alone, from any place on.
	for _, row := range []struct{ after, upTo, first, last uint64 }{
		{0, 0, 1, 800}, {0, 799, 1, 799}, {257, 0, 258, 800}, {300, 301, 301, 301}, {800, 0, 0, 0}, {900, 0, 0, 0}, {5, 5, 0, 0}, {7, 3, 0, 0},
	} {
		var got []uint64
		for m, err := range l.All(ctx, row.after, row.upTo) {
			must(t, err)
			got = append(got, m.Sequence)
		}
		var all []uint64
		for seq := row.first; seq > 0 && seq <= row.last; seq++ {
			all = append(all, seq)
		}
		if !slices.Equal(got, all) {
			t.Errorf("all (%d, %d]: %d commits, want %d", row.after, row.upTo, len(got), len(all))
		}
	}
	for _, err := range l.Account(ctx, "acme", eventstore.Span{}) {
		must(t, err)
		break // leaving early is fine
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range l.Account(ended, "acme", eventstore.Span{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want the context's error", err)
		}
	}
	for _, err := range l.Account(ctx, "a.b", eventstore.Span{}) {
		if err == nil {
			t.Error("an invalid account was read")
		}
	}
}

func TestConflict(t *testing.T) {
	l, _, _ := newLog(t)
	ctx := t.Context()
	w := &writer{log: l, account: "acme"}
	if err := w.append(ctx); err != nil {
		t.Fatal(err)
	}
	for _, expected := range []uint64{0, 2, 7} {
		_, err := l.Append(ctx, "acme", expected, encode(t, commit("acme", "x", w.previous)), nil)
		var conflict *eventstore.ConflictError
		if !errors.As(err, &conflict) || conflict.Account != "acme" || conflict.Expected != expected {
			t.Errorf("expected %d: %v, want a conflict", expected, err)
		}
	}
	if head, err := l.Head(ctx); err != nil || head != 1 {
		t.Errorf("head %d, %v; want 1", head, err)
	}
}

func TestManyWriters(t *testing.T) {
	t.Parallel()
	l, _, _ := newLog(t)
	ctx := t.Context()
	const accounts, writers, each = 50, 300, 20
	// The writers of one account race, as they would on several nodes: each catches up after a conflict.
	var wg sync.WaitGroup
	errs := make(chan error, writers)
	for i := range writers {
		wg.Go(func() {
			w := writer{log: l, account: fmt.Sprintf("acct-%d", i%accounts), name: fmt.Sprintf("w%d", i)}
			for w.n < each {
				var conflict *eventstore.ConflictError
				if err := w.append(ctx); errors.As(err, &conflict) {
					err = w.catchUp(ctx)
					if err != nil {
						errs <- err
						return
					}
				} else if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	if head, err := l.Head(ctx); err != nil || head != writers*each {
		t.Errorf("head %d, %v; want %d", head, err, writers*each)
	}
	seen := make(map[string]bool)
	f, err := l.Follow(ctx, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for len(seen) < writers*each {
		batch, err := f.Next(ctx, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range batch {
			c, err := eventstore.DecodeCommit(m.Payload)
			if err != nil {
				t.Fatal(err)
			}
			if seen[c.ID] {
				t.Fatalf("%s is there twice", c.ID)
			}
			seen[c.ID] = true
		}
	}
	if err := l.Verify(ctx, nil); err != nil {
		t.Error(err)
	}
}

func TestCreateAndOpen(t *testing.T) {
	s := server(t, natsd.Config{})
	nc := connect(t, s)
	ctx := t.Context()
	if _, err := eventstore.Open(ctx, nc, eventstore.Config{}); !errors.Is(err, eventstore.ErrMissing) {
		t.Fatalf("open before create: %v, want ErrMissing", err)
	}
	l, err := eventstore.Create(ctx, nc, eventstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, l)
	if _, err := eventstore.Create(ctx, nc, eventstore.Config{}); !errors.Is(err, eventstore.ErrExists) {
		t.Fatalf("create again: %v, want ErrExists", err)
	}
	again, err := eventstore.Open(ctx, nc, eventstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, again)
	if l.Identity() == "" || again.Identity() != l.Identity() {
		t.Errorf("identities %q and %q", l.Identity(), again.Identity())
	}
	if err := l.Probe(ctx); err != nil {
		t.Error(err)
	}
}

func TestCheckSyncAlways(t *testing.T) {
	for _, noSync := range []bool{false, true} {
		s := server(t, natsd.Config{NoSync: noSync})
		system, err := s.ConnectSystem()
		if err != nil {
			t.Fatal(err)
		}
		defer system.Close()
		if err := eventstore.CheckSyncAlways(t.Context(), system); (err != nil) != noSync {
			t.Errorf("NoSync %t: %v", noSync, err)
		}
		if err := eventstore.CheckSyncAlways(t.Context(), connect(t, s)); !errors.Is(err, eventstore.ErrSystemConnection) {
			t.Errorf("with a connection of another account: %v", err)
		}
	}
}
