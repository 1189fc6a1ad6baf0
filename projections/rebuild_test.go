package projections

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sundial/domain"
)

// TestRebuildWhileServing rebuilds again and again under writers and readers: positions never go back, reads never
// fail, and what comes out is right.
func TestRebuildWhileServing(t *testing.T) {
	w := newWorld(t)
	w.fill()
	config := w.config()
	config.Registerer = prometheus.NewRegistry()
	s, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w.follow(s)
	w.wait(s)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for at := uint64(0); ctx.Err() == nil; {
				row, found, err := s.LoadAccount(t.Context(), "acme")
				if err != nil || !found {
					t.Errorf("reading: %t, %v", found, err)
					return
				}
				if row.Sequence < at {
					t.Errorf("acme at %d after %d", row.Sequence, at)
				}
				at = row.Sequence
			}
		})
	}
	rebuilds := 0
	group.Go(func() {
		for ctx.Err() == nil {
			if err := s.Rebuild(t.Context(), nil); err != nil {
				t.Errorf("rebuild: %v", err)
			}
			rebuilds++
		}
	})
	for i := range 300 {
		w.do("acme", domain.SetQuota{Apps: 121 + i})
		if i%50 == 0 {
			w.wait(s)
		}
	}
	w.wait(s)
	stop()
	group.Wait()
	t.Logf("%d rebuilds", rebuilds)
	w.same(s)
	w.clean()
	if left, err := filepath.Glob(filepath.Join(config.Dir, "*.new*")); len(left) > 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestInUse keeps the directory for one.
func TestInUse(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := w.serve()
	if _, err := Open(t.Context(), w.config()); !errors.Is(err, ErrInUse) {
		t.Errorf("a second store: %v, want ErrInUse", err)
	}
	if err := Rebuild(t.Context(), w.config(), nil); !errors.Is(err, ErrInUse) {
		t.Errorf("a rebuild: %v, want ErrInUse", err)
	}
	w.wait(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var last uint64
	err := Rebuild(t.Context(), w.config(), func(done, total uint64) {
		if done < last || total != w.head {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	})
	if err != nil || last != w.head {
		t.Errorf("rebuild: %v, progress ended at %d of %d", err, last, w.head)
	}
	w.clean()
}

// TestRebuildEnds cancels a rebuild: nothing of it stays, and what serves goes on.
func TestRebuildEnds(t *testing.T) {
	w := newWorld(t)
	w.load(50, 50)
	s := w.serve()
	w.wait(s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Rebuild(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a rebuild that was cancelled: %v", err)
	}
	if _, err := os.Stat(newFile(w.config())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it left its file: %v", err)
	}
	w.do("acme", domain.SetQuota{Apps: 120})
	w.wait(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Rebuild(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("a rebuild of a closed store: %v, want ErrClosed", err)
	}
}

// TestWait wakes each waiter at its position, and everybody when nothing more will come.
func TestWait(t *testing.T) {
	w := newWorld(t)
	s := w.open()
	var group sync.WaitGroup
	for position := range uint64(300) {
		group.Go(func() {
			if err := s.Wait(t.Context(), position); err != nil || s.Position() < position {
				t.Errorf("waiting for %d: %v at %d", position, err, s.Position())
			}
		})
	}
	var late sync.WaitGroup
	for range 3 {
		late.Go(func() {
			if err := s.Wait(t.Context(), 1_000_000); !errors.Is(err, ErrClosed) {
				t.Errorf("waiting for what never came: %v, want ErrClosed", err)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Wait(ctx, 299); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting too long: %v", err)
	}
	w.follow(s)
	w.load(10, 40)
	group.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	late.Wait()
	if _, _, err := s.App(t.Context(), 1); !errors.Is(err, ErrClosed) {
		t.Errorf("reading after the end: %v, want ErrClosed", err)
	}
	if err := s.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("running after the end: %v, want ErrClosed", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

// TestPatience lets a commit be seen soon though nobody waits for it.
func TestPatience(t *testing.T) {
	w := newWorld(t)
	s := w.serve()
	w.fill()
	for deadline := time.Now().Add(10 * time.Second); s.Position() < w.head; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("position %d after 10 s, want %d", s.Position(), w.head)
		}
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.fill()
	config := w.config()
	registry := prometheus.NewRegistry()
	config.Registerer = registry
	s, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string) float64 { return gathered(t, registry, name) }
	at := w.head
	w.do("acme", domain.SetQuota{Apps: 200})
	if lag, position := value("sundial_projection_lag_commits"), value("sundial_projection_position"); lag != 1 || position != float64(at) {
		t.Errorf("lag %v at %v, want 1 at %d", lag, position, at)
	}
	w.follow(s)
	w.wait(s)
	for name, want := range map[string]float64{
		"sundial_projection_lag_commits": 0, "sundial_projection_position": float64(w.head), "sundial_projection_commits_total": 1,
		"sundial_projection_batch_commits": 1, "sundial_projection_batch_seconds": 1,
	} {
		if got := value(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := value("sundial_projection_position"); got != -1 {
		t.Error("metrics stay after Close")
	}
}

// gathered is the value of a metric, of a histogram the number of its samples; -1 if there is none.
func gathered(t testing.TB, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return -1
}
