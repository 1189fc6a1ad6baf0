package server

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// failing is a rehearsal that panics over a stream for as long as that has a folder.
func failing(t *testing.T, stream string) []string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "rehearsal")
	text := `
for d in "$1"/jetstream/*/streams/` + stream + `; do
	[ -d "$d" ] || continue
	echo "  Starting restore for stream 'G > ` + stream + `'"
	echo "panic: boom" >&2
	exit 2
done
`
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"/bin/sh", script}
}

// TestADamagedStreamIsNamedWithWhatToDo: the start ends as damaged, and says which stream, where it lies and what to do.
func TestADamagedStreamIsNamedWithWhatToDo(t *testing.T) {
	s := start(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ stream, fix string }{
		{"KV_SUNDIAL_TOKENS", "as tokens.ledger has them"},
		{"SUNDIAL_EVENTS", "restore the log from the latest backup"},
	} {
		config := s.Config
		config.Rehearsal = failing(t, row.stream)
		again := New(config)
		err := again.Start(t.Context())
		if err == nil {
			t.Fatal(again.Close())
		}
		for _, want := range []string{row.stream, "panic: boom", row.fix, filepath.Join(s.Config.Dir, NATSDir, "jetstream")} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v does not say %q", row.stream, err, want)
			}
		}
		if !Damaged(err) {
			t.Errorf("%s: %v is not called damage", row.stream, err)
		}
	}
}

// TestWhatTheLogHasIsMadeAnewOfIt: a stream of numbers that cannot be recovered keeps nobody from serving.
func TestWhatTheLogHasIsMadeAnewOfIt(t *testing.T) {
	s := start(t)
	first := operatorOf(t, s).create("acme", "first")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	config := s.Config
	config.Rehearsal = failing(t, remade)
	again := New(config)
	if err := again.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}()
	if second := operatorOf(t, again).create("globex", "second"); second == first {
		t.Errorf("the number %d was given out twice", second)
	}
}

// TestAStartThatMakesNoProgressEnds, and says what it waits for; one that does is let go on.
func TestAStartThatMakesNoProgressEnds(t *testing.T) {
	ctx, wait := watchStart(t.Context(), slog.New(slog.DiscardHandler), 40*time.Millisecond)
	count, until := uint64(0), time.Now().Add(200*time.Millisecond)
	moving := make(chan struct{})
	wait.await("what moves", "", func() uint64 {
		if time.Now().After(until) {
			select {
			case <-moving:
			default:
				close(moving)
			}
		}
		count++
		return count
	})
	select {
	case <-moving:
	case <-ctx.Done():
		t.Fatalf("ended, though it moved: %v", context.Cause(ctx))
	}
	wait.await("the tokens", "look there", nil)
	<-ctx.Done()
	var stuck *WaitError
	if !errors.As(context.Cause(ctx), &stuck) || stuck.For != "the tokens" || !Damaged(context.Cause(ctx)) {
		t.Errorf("ended for %v, want the tokens named, as damage", context.Cause(ctx))
	}
	wait.end()
}
