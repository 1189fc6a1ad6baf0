package vault_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/tink-crypto/tink-go/v2/tink"

	"sundial/internal/vault"
)

func status(t testing.TB, v *vault.Vault) vault.Status {
	t.Helper()
	s, err := v.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRotationLeavesNothingOfTheOldKey(t *testing.T) {
	w := newWorld(t)
	v := w.open(t)
	ofApp, ofItem := seal(t, v, app, "x"), seal(t, v, certificate, "y")
	for i := range uint64(3) {
		seal(t, v, vault.Holder{App: i + 1}, "z")
	}
	if err := v.Forget(t.Context(), vault.Holder{App: 1}); err != nil {
		t.Fatal(err)
	}
	old := wrapped(t, w.stored(t, appSubject))
	if got := inFiles(t, w, old); got != allOfIt {
		t.Fatalf("the control finds %d of %d", got, allOfIt)
	}
	fresh := newRoot(t)
	var done, total int
	if err := v.Rotate(t.Context(), fresh, func(d, of int) { done, total = max(done, d), max(total, of) }); err != nil {
		t.Fatal(err)
	}
	// Four apps and an item, which root key is in force, and the seam.
	if done != 7 || total != 7 {
		t.Errorf("progress: %d of %d, want 7 of 7", done, total)
	}
	if got := inFiles(t, w, old); got != 0 {
		t.Errorf("%d of the keys wrapped by the old root key are still on disk", got)
	}
	want := vault.Status{Root: fresh.ID, Apps: map[string]int{fresh.ID: 3}, Items: 1, Forgotten: 1}
	if got := status(t, v); got.Root != want.Root || !maps.Equal(got.Apps, want.Apps) || got.Items != 1 ||
		got.Forgotten != 1 || got.Locked != "" || !got.Following {
		t.Errorf("status %+v, want %+v", got, want)
	}
	before := w.state(t)
	if err := v.Rotate(t.Context(), fresh, nil); err != nil {
		t.Errorf("rotated again: %v", err)
	}
	if after := w.state(t); after.LastSeq != before.LastSeq || after.Msgs != after.NumSubjects {
		t.Errorf("rotating again changed something: %+v", after)
	}

	// The new one alone opens, the old one alone does not.
	alone := w.open(t, fresh)
	unseals(t, alone, app, ofApp, "x")
	unseals(t, alone, certificate, ofItem, "y")
	locked := w.open(t, w.root)
	refuses(t, locked, app, ofApp, vault.ErrLocked)
}

func TestRotationGoesOnAfterItWasInterrupted(t *testing.T) {
	w := newWorld(t)
	v := w.open(t)
	const apps = 1200 // more than two batches
	sealed := make([][]byte, apps)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := n; i < apps; i += 8 {
				sealed[i] = seal(t, v, vault.Holder{App: uint64(i + 1)}, "x")
			}
		})
	}
	wg.Wait()
	fresh := newRoot(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := v.Rotate(ctx, fresh, func(done, total int) {
		if total != apps+2 {
			t.Errorf("of %d in all, want %d", total, apps+2)
		}
		if done == 700 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, vault.ErrUnavailable) {
		t.Fatalf("interrupted: %v", err)
	}
	v.Close()

	both := w.open(t, fresh, w.root)
	s := status(t, both)
	if s.Root != fresh.ID || s.Apps[fresh.ID] < 698 || s.Apps[w.root.ID] == 0 || s.Apps[fresh.ID]+s.Apps[w.root.ID] != apps {
		t.Errorf("in the middle: %+v", s)
	}
	unseals(t, both, vault.Holder{App: 1}, sealed[0], "x")
	unseals(t, both, vault.Holder{App: apps}, sealed[apps-1], "x")
	// Without the old key, what it still wraps says so and nothing is harmed.
	refuses(t, w.open(t, fresh), vault.Holder{App: apps}, sealed[apps-1], vault.ErrLocked)
	if err := w.open(t, fresh).Rotate(t.Context(), fresh, nil); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("going on without the old key: %v", err)
	}

	if err := both.Rotate(t.Context(), fresh, nil); err != nil {
		t.Fatal(err)
	}
	if s := status(t, both); s.Apps[fresh.ID] != apps || len(s.Apps) != 1 {
		t.Errorf("at the end: %+v", s)
	}
	if state := w.state(t); state.Msgs != apps+2 || state.NumSubjects != apps+2 {
		t.Errorf("%d messages on %d subjects, want %d", state.Msgs, state.NumSubjects, apps+2)
	}
	alone := w.open(t, fresh)
	for i, s := range sealed {
		unseals(t, alone, vault.Holder{App: uint64(i + 1)}, s, "x")
	}
}

// TestWorkGoesOnDuringARotation seals and unseals on two vaults, for apps old and new, while one of them rotates.
func TestWorkGoesOnDuringARotation(t *testing.T) {
	w := newWorld(t)
	fresh := newRoot(t)
	a, b := w.open(t, w.root), w.open(t, w.root, fresh)
	const apps = 200
	var sealed [apps][]byte
	for i := range sealed {
		sealed[i] = seal(t, a, vault.Holder{App: uint64(i + 1)}, "old")
	}
	var rotated atomic.Bool
	var made atomic.Uint64
	var wg sync.WaitGroup
	var mu sync.Mutex
	late := map[uint64][]byte{}
	for n, v := range []*vault.Vault{a, b, a, b} {
		wg.Go(func() {
			for i := n; !rotated.Load() || i < 50; i++ {
				unseals(t, v, vault.Holder{App: uint64(i%apps + 1)}, sealed[i%apps], "old")
				id := 1000 + made.Add(1)
				out := seal(t, v, vault.Holder{App: id}, "new")
				mu.Lock()
				late[id] = out
				mu.Unlock()
			}
		})
	}
	err := a.Rotate(t.Context(), fresh, nil)
	rotated.Store(true)
	wg.Wait()
	if err != nil {
		t.Fatal(err)
	}
	alone := w.open(t, fresh)
	for i, s := range sealed {
		unseals(t, alone, vault.Holder{App: uint64(i + 1)}, s, "old")
	}
	for id, s := range late {
		unseals(t, alone, vault.Holder{App: id}, s, "new")
	}
	if s := status(t, alone); s.Apps[fresh.ID] != apps+len(late) || len(s.Apps) != 1 {
		t.Errorf("wrapped by %v, want all %d by %s", s.Apps, apps+len(late), fresh)
	}
	if state := w.state(t); state.Msgs != state.NumSubjects {
		t.Errorf("%d messages on %d subjects", state.Msgs, state.NumSubjects)
	}
}

// TestRotationOverManyFiles has records in several files of the server, and in them marks of what was deleted in earlier
// files, for whose sake the server keeps a file in which all records are deleted.
func TestRotationOverManyFiles(t *testing.T) {
	w := newWorld(t)
	v := w.open(t)
	seal(t, v, app, "x")
	filling := make([]byte, 100<<10)
	fill := func() {
		t.Helper()
		for range 100 { // a file holds 8 MiB
			if _, err := w.js.Publish(t.Context(), "keys.seam", filling); err != nil {
				t.Fatal(err)
			}
		}
		s, err := w.js.Stream(t.Context(), "SUNDIAL_KEYS")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Purge(t.Context(), jetstream.WithPurgeSubject("keys.seam")); err != nil {
			t.Fatal(err)
		}
	}
	var old [][]byte
	remember := func(h vault.Holder, subject string) []byte {
		t.Helper()
		sealed := seal(t, v, h, "x")
		old = append(old, wrapped(t, w.stored(t, subject))[1])
		return sealed
	}
	first := remember(vault.Holder{App: 1}, "keys.app.1")
	seal(t, v, vault.Holder{App: 2}, "x")
	fill()
	second := remember(vault.Holder{App: 3}, "keys.app.3")
	if err := v.Forget(t.Context(), vault.Holder{App: 2}); err != nil {
		t.Fatal(err)
	}
	fill()
	third := remember(vault.Holder{App: 4}, "keys.app.4")
	if got := inFiles(t, w, old); got != len(old) {
		t.Fatalf("the control finds %d of %d", got, len(old))
	}
	fresh := newRoot(t)
	if err := v.Rotate(t.Context(), fresh, nil); err != nil {
		t.Fatal(err)
	}
	if got := inFiles(t, w, old); got != 0 {
		t.Errorf("%d of the keys wrapped by the old root key are still on disk", got)
	}
	alone := w.open(t, fresh)
	for i, sealed := range [][]byte{first, second, third} {
		unseals(t, alone, vault.Holder{App: []uint64{1, 3, 4}[i]}, sealed, "x")
	}
	refuses(t, alone, vault.Holder{App: 2}, first, vault.ErrForgotten)
	if state := w.state(t); state.Msgs != 7 || state.NumSubjects != 7 {
		t.Errorf("%d messages on %d subjects, want 7", state.Msgs, state.NumSubjects)
	}
}

// gate is a root key that waits before it wraps, once it is closed.
type gate struct {
	tink.AEAD
	closed  atomic.Bool
	reached chan struct{}
	open    chan struct{}
}

func (g *gate) Encrypt(plaintext, associated []byte) ([]byte, error) {
	if g.closed.CompareAndSwap(true, false) {
		close(g.reached)
		<-g.open
	}
	return g.AEAD.Encrypt(plaintext, associated)
}

// TestKeysMadeDuringARotationAreWrappedByTheNewRootKey has a node choose the old root key for a new app, and store what it
// wrapped only after another node's rotation has ended.
func TestKeysMadeDuringARotationAreWrappedByTheNewRootKey(t *testing.T) {
	w := newWorld(t)
	fresh := newRoot(t)
	slow := &gate{AEAD: w.root.AEAD, reached: make(chan struct{}), open: make(chan struct{})}
	a, b := w.open(t, w.root), w.open(t, vault.Root{ID: w.root.ID, AEAD: slow}, fresh)
	slow.closed.Store(true)
	sealed := make(chan []byte)
	go func() {
		out, err := b.Seal(t.Context(), app, place, vault.NewSecret([]byte("x")))
		if err != nil {
			t.Error(err)
		}
		sealed <- out
	}()
	<-slow.reached
	if err := a.Rotate(t.Context(), fresh, nil); err != nil {
		t.Fatal(err)
	}
	close(slow.open)
	unseals(t, w.open(t, fresh), app, <-sealed, "x")
	if s := status(t, a); s.Apps[fresh.ID] != 1 || len(s.Apps) != 1 {
		t.Errorf("wrapped by %v, want %s", s.Apps, fresh)
	}
}
