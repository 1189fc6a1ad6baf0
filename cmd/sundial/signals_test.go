package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sundial/internal/testing/spoken"
)

func TestWhatEndsAVerbEndsItInOrder(t *testing.T) {
	if len(ending) < 10 {
		t.Errorf("only %v", ending)
	}
	for _, s := range ending {
		ctx := untilSignalled()
		if err := syscall.Kill(os.Getpid(), s.(syscall.Signal)); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Second):
			t.Errorf("%s did not end the context", s)
		}
	}
}

// TestAnEngineGoesOn starts the program in the worst of surroundings, whose umask hides nothing and whose directory all may
// read, sends it every signal that does not end it, takes the reader of its standard error away, and ends it in order.
func TestAnEngineGoesOn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	before := unix.Umask(0)
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	reader, writer := shipper(t)
	p := spawnSaying(t, writer, &bytes.Buffer{}, dir)
	unix.Umask(before)
	writer.Close()
	var lines spoken.Text
	go io.Copy(&lines, reader) // ends when the reader is closed
	c := p.client(t)

	sent := 0
	for n := 1; n <= 64; n++ {
		s := syscall.Signal(n)
		if s == unix.SIGKILL || s == unix.SIGSTOP || slices.Contains(ending, os.Signal(s)) || 32 <= n && n <= 34 {
			continue // cannot be caught, or ends it
		}
		if err := p.cmd.Process.Signal(s); err != nil {
			t.Fatalf("signal %d: %v: it ended with one of those before\n%s", n, err, lines.String())
		}
		sent++
	}
	if sent < 40 {
		t.Errorf("only %d signals were sent", sent)
	}
	until(t, "it is said what SIGHUP does", func() bool { return strings.Contains(lines.String(), "signal=SIGHUP") })
	if !strings.Contains(lines.String(), "others could look into the data directory") {
		t.Errorf("nothing is said of the directory that all could read: %s", lines.String())
	}
	c.create(t, "acme", "after all signals")

	reader.Close()
	until(t, "a line is counted as lost", func() bool {
		if err := p.cmd.Process.Signal(unix.SIGHUP); err != nil { // of which a line is written
			t.Fatal(err)
		}
		a, err := c.do(t.Context(), request{method: http.MethodGet, path: "/metrics"})
		return err == nil && strings.Contains(string(a.body), "sundial_log_lines_lost_total") && !strings.Contains(string(a.body), "sundial_log_lines_lost_total 0\n")
	})
	c.create(t, "acme", "after its reader went")
	onlyTheOwners(t, dir, ".db-wal", ".db-shm", "sundial.sock")

	if err := p.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
	onlyTheOwners(t, dir)
}

// onlyTheOwners checks that files have mode 0600, the socket too, and folders 0700; and that the usual ones were looked at,
// and some more.
func onlyTheOwners(t testing.TB, dir string, also ...string) {
	t.Helper()
	seen := ""
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if entry.IsDir() {
			want = 0o700
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %#o, want %#o", name, info.Mode().Perm(), want)
		}
		seen += fmt.Sprintln(name)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, part := range append(also, "operator.token", "jetstream", ".db") {
		if !strings.Contains(seen, part) {
			t.Errorf("there was no %s among\n%s", part, seen)
		}
	}
}
