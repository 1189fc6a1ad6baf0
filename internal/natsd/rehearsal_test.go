package natsd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/natsd"
)

// rehearseEnv makes the test's own binary rehearse the recovery of the directory that is its last argument.
const rehearseEnv = "SUNDIAL_TEST_REHEARSE"

func TestMain(m *testing.M) {
	if os.Getenv(rehearseEnv) != "" {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
		if err := natsd.Rehearse(os.Args[len(os.Args)-1], func(line string) { fmt.Println(line) }); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// filled is the directory of a server that was stopped in order, with two streams in it: PROBE, and KEYS, one message of which
// was overwritten.
func filled(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s, err := natsd.Start(natsd.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{"PROBE": "probe", "KEYS": "keys.>"} {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		for _, subject := range []string{"probe", fmt.Sprint("keys.app.", i)} {
			if _, err := js.Publish(t.Context(), subject, []byte(strings.Repeat("k", 300))); err != nil {
				t.Fatal(err)
			}
		}
	}
	stream, err := js.Stream(t.Context(), "KEYS")
	if err == nil {
		err = stream.SecureDeleteMsg(t.Context(), 2)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// endless flips the bit with which the server's recovery of the stream KEYS never ends, and takes memory all the while.
func endless(t *testing.T, dir string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "KEYS", "msgs", "1.blk"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the file of the keys: %v, %v", found, err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	data[688] ^= 1 // in the length of the third record
	if err := os.WriteFile(found[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func rehearsal(t *testing.T, dir string) *natsd.Rehearsal {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(rehearseEnv, "yes")
	return &natsd.Rehearsal{Dir: dir, Command: []string{self}}
}

func TestRehearsalOfSoundStreams(t *testing.T) {
	dir := filled(t)
	if err := rehearsal(t, dir).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := start(t, natsd.Config{Dir: dir})
	js, err := jetstream.New(connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), "KEYS")
	if err != nil || stream.CachedInfo().State.Msgs != 4 {
		t.Errorf("after the rehearsal: %+v, %v; want 4 messages", stream.CachedInfo().State, err)
	}
	if err := rehearsal(t, t.TempDir()).Run(t.Context()); err != nil {
		t.Errorf("with nothing to recover: %v", err)
	}
}

// TestRecoveryWithoutAnEnd: it is ended by what it takes, or because it makes no progress, and the stream is named.
func TestRecoveryWithoutAnEnd(t *testing.T) {
	for _, row := range []struct {
		name     string
		patience time.Duration
		memory   uint64
		problem  string
	}{
		{"more memory than it may", time.Minute, 64 << 20, "MB of memory"},
		{"no progress", time.Second, 1 << 40, "no progress for 1s"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := filled(t)
			endless(t, dir)
			r := rehearsal(t, dir)
			r.Limit(row.patience, row.memory)
			err := r.Run(t.Context())
			var fault *natsd.RecoveryError
			if !errors.As(err, &fault) || !slices.Equal(fault.Streams, []string{"KEYS"}) || !strings.Contains(fault.Problem, row.problem) {
				t.Errorf("%v, want the stream KEYS named, and %q", err, row.problem)
			}
			r.Worthless = []string{"KEYS"}
			if err := r.Run(t.Context()); err != nil {
				t.Errorf("with the stream made anew: %v", err)
			}
		})
	}
}

// TestRecoveryThatPanics: the process of the rehearsal is gone with its streams under way, and each is tried alone.
func TestRecoveryThatPanics(t *testing.T) {
	dir := filled(t)
	script := filepath.Join(t.TempDir(), "server")
	text := `#!/bin/sh
for d in "$1"/jetstream/*/streams/*; do
	echo "  Starting restore for stream 'G > $(basename "$d")'"
	[ -L "$d" ] && [ "$(basename "$d")" = PROBE ] && echo "  Restored 5 messages for stream 'G > PROBE' in 1ms" && exit 0
done
echo "panic: boom" >&2
echo "goroutine 1 [running]:" >&2
exit 2
`
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil { //nolint:gosec // it is to be run
		t.Fatal(err)
	}
	r := &natsd.Rehearsal{Dir: dir, Command: []string{"/bin/sh", script}}
	err := r.Run(t.Context())
	var fault *natsd.RecoveryError
	if !errors.As(err, &fault) || !slices.Equal(fault.Streams, []string{"KEYS"}) || fault.Problem != "panic: boom" {
		t.Errorf("%v, want the stream KEYS named, which panics alone too", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".alone-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRehearsalEndsWithItsContext(t *testing.T) {
	dir := filled(t)
	endless(t, dir)
	r := rehearsal(t, dir)
	r.Limit(time.Minute, 1<<40)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := r.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the context's error", err)
	}
}

// TestWorthlessStreamsAreMadeAnew: whatever became of their files.
func TestWorthlessStreamsAreMadeAnew(t *testing.T) {
	dir := filled(t)
	endless(t, dir)
	s := start(t, natsd.Config{Dir: dir, Worthless: []string{"KEYS", "NONE"}})
	js, err := jetstream.New(connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Stream(t.Context(), "KEYS"); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("the stream that holds nothing of value: %v, want it gone", err)
	}
	if stream, err := js.Stream(t.Context(), "PROBE"); err != nil || stream.CachedInfo().State.Msgs != 5 {
		t.Errorf("the other: %v", err)
	}
}
