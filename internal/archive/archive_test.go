package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"sundial/eventstore"
	"sundial/internal/natsd"
)

// harness is a log with some commits.
type harness struct {
	log      *eventstore.Log
	payloads [][]byte
	previous eventstore.Hash
	sequence uint64
	life     string // in the ids of commits
	stop     func()
}

func newWorld(t testing.TB, commits int) *harness {
	t.Helper()
	return (&harness{}).start(t, t.TempDir(), commits)
}

// start opens the log in a directory, makes one if there is none, and appends commits.
func (w *harness) start(t testing.TB, dir string, commits int) *harness {
	t.Helper()
	server, err := natsd.Start(natsd.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	w.log, err = eventstore.Open(context.Background(), nc, eventstore.Config{})
	if errors.Is(err, eventstore.ErrMissing) {
		w.log, err = eventstore.Create(context.Background(), nc, eventstore.Config{})
	}
	if err != nil {
		t.Fatal(err)
	}
	w.stop = sync.OnceFunc(func() {
		_ = w.log.Close(context.Background())
		nc.Close()
		server.Shutdown()
	})
	t.Cleanup(w.stop)
	for range commits {
		w.commit(t)
	}
	return w
}

// commit appends a commit; every seventh is longer than what is read at once.
func (w *harness) commit(t testing.TB) {
	t.Helper()
	n := len(w.payloads)
	data := []byte(`{"n":1}`)
	if n%7 == 3 {
		data = fmt.Appendf(nil, `{"n":"%s"}`, bytes.Repeat([]byte{'x'}, 5000+n))
	}
	c := eventstore.Commit{
		Account: "acme", ID: fmt.Sprint("id-", w.life, n), Command: "test", RecordedAt: 1_609_459_200_000, Previous: w.previous,
		Events: []eventstore.Event{{Type: "test.v1", Data: data}},
	}
	payload, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if w.sequence, err = w.log.Append(t.Context(), "acme", w.sequence, payload, nil); err != nil {
		t.Fatal(err)
	}
	w.previous, w.payloads = eventstore.HashOf(payload), append(w.payloads, payload)
}

func (w *harness) open(t testing.TB, dir string) *Archive {
	t.Helper()
	a, err := Open(Config{Dir: dir, Log: w.log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	if err := a.confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

// catchUp copies what the log has, three commits at a time. It reads the log rather than follow it: a fuzzer would make more
// consumers than a server has.
func (w *harness) catchUp(t testing.TB, a *Archive) {
	t.Helper()
	var messages []eventstore.Message
	for m, err := range w.log.All(t.Context(), a.Position(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m.Message)
	}
	for some := range slices.Chunk(messages, 3) {
		if err := a.append(some); err != nil {
			t.Fatal(err)
		}
	}
}

// check reads every commit, from wherever it comes.
func (w *harness) check(t testing.TB, a *Archive) {
	t.Helper()
	for i, want := range w.payloads {
		got, err := a.Get(t.Context(), uint64(i+1))
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("commit %d: %.60s (%v), want %.60s", i+1, got, err, want)
		}
	}
	if _, err := a.Get(t.Context(), uint64(len(w.payloads)+1)); err == nil {
		t.Error("there is a commit beyond the log")
	}
}

func TestEveryCommitIsRead(t *testing.T) {
	w, dir := newWorld(t, 30), t.TempDir()
	a := w.open(t, dir)
	w.check(t, a) // all from the log
	w.catchUp(t, a)
	for p := range uint64(30) {
		if _, _, err := a.get(p + 1); err != nil {
			t.Errorf("commit %d is not in the archive: %v", p+1, err)
		}
	}
	w.commit(t)
	w.check(t, a) // the last from the log
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	again := w.open(t, dir)
	if again.Position() != 30 {
		t.Fatalf("the archive goes on behind %d, want 30", again.Position())
	}
	w.catchUp(t, again)
	w.check(t, again)
}

// TestRunFollowsTheLog and ends with its context.
func TestRunFollowsTheLog(t *testing.T) {
	w := newWorld(t, 5)
	a := w.open(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	w.commit(t)
	for a.Position() < 6 {
		if t.Context().Err() != nil {
			t.Fatal("the commits are not copied")
		}
		runtime.Gosched()
	}
	w.check(t, a)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestAnotherLogBeginsAnew: a copy of one log says nothing of another.
func TestAnotherLogBeginsAnew(t *testing.T) {
	dir := t.TempDir()
	one, other := newWorld(t, 9), newWorld(t, 4)
	a := one.open(t, dir)
	one.catchUp(t, a)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b := other.open(t, dir)
	if b.Position() != 0 {
		t.Errorf("the archive of another log goes on behind %d", b.Position())
	}
	other.catchUp(t, b)
	other.check(t, b)
}

// TestALogRestoredFromABackup is the same to its name; the archive has nothing of the history that was lost, whether the
// log has grown beyond it again or is shorter.
func TestALogRestoredFromABackup(t *testing.T) {
	for _, more := range []int{0, 3, 5, 12} {
		t.Run(fmt.Sprint("and ", more, " commits more"), func(t *testing.T) {
			dir, backup := t.TempDir(), t.TempDir()
			lost := (&harness{life: "lost-"}).start(t, dir, 10)
			lost.stop()
			if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			w := &harness{life: "new-", payloads: slices.Clone(lost.payloads), previous: lost.previous, sequence: lost.sequence}
			lost.start(t, dir, 5)
			files := t.TempDir()
			a := lost.open(t, files)
			lost.catchUp(t, a)
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			lost.stop()

			w.start(t, backup, more)
			if w.log.Identity() != lost.log.Identity() {
				t.Fatal("a restored log has another identity")
			}
			b, err := Open(Config{Dir: files, Log: w.log})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			w.check(t, b) // before anything was compared
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- b.Run(ctx) }()
			for b.Position() < uint64(len(w.payloads)) {
				if t.Context().Err() != nil {
					t.Fatal("the commits are not copied")
				}
				runtime.Gosched()
			}
			w.check(t, b)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if again := w.open(t, files); again.Position() != uint64(len(w.payloads)) {
				t.Errorf("the archive goes on behind %d, want %d", again.Position(), len(w.payloads))
			}
		})
	}
}

// FuzzBrokenFiles breaks the files of an archive in any way, as a crash or a bad disk does: what is read is what the log
// has, and the archive goes on.
func FuzzBrokenFiles(f *testing.F) {
	w := newWorld(f, 12)
	f.Add(uint64(1), uint16(64), uint16(9), uint8(1))
	f.Add(uint64(2), uint16(0), uint16(0), uint8(0))
	f.Add(uint64(3), uint16(700), uint16(95), uint8(200))
	f.Fuzz(func(t *testing.T, seed uint64, keepData, keepIndex uint16, flips uint8) {
		dir := t.TempDir()
		a := w.open(t, dir)
		w.catchUp(t, a)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		random := rand.New(rand.NewPCG(seed, 0))
		for name, keep := range map[string]uint16{dataFile: keepData, indexFile: keepIndex} {
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if int(keep) < len(text) && keep > 0 {
				text = text[:keep]
			}
			for range flips {
				text[random.IntN(len(text))] ^= 1 << random.IntN(8)
			}
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b := w.open(t, dir)
		w.check(t, b)
		w.catchUp(t, b)
		w.check(t, b)
	})
}
