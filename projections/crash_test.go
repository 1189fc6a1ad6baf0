package projections

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sundial/domain"
	"sundial/eventstore"
)

// childDir tells the test's own program, run again, to follow the log in this directory until it is killed.
const childDir = "SUNDIAL_PROJECTIONS_CHILD"

// TestMain runs the child of TestKilled instead of the tests, if this process is one.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := followUntilKilled(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	// Each history costs several opens and rebuilds; -rapid.checks says otherwise.
	if err := flag.Set("rapid.checks", "30"); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func followUntilKilled(dir string) error {
	server, nc, err := startServer(dir)
	if err != nil {
		return err
	}
	defer server.Shutdown()
	log, err := eventstore.Open(context.Background(), nc, eventstore.Config{})
	if err != nil {
		return err
	}
	s, err := Open(context.Background(), Config{Dir: filepath.Join(dir, "projections"), Log: log})
	if err != nil {
		return err
	}
	fmt.Println("at", s.Position())
	go func() {
		for at := s.Position() + 1; s.Wait(context.Background(), at) == nil; at = s.Position() + 1 {
			fmt.Println("at", s.Position())
		}
	}()
	return s.Run(context.Background())
}

// TestKilled kills a process again and again while it writes batch after batch, and then finds that nothing is
// missing, and nothing is there twice.
func TestKilled(t *testing.T) {
	w := newWorld(t)
	s := w.open() // makes the file, so that the child follows instead of building
	w.load(200, 40)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dir := w.dir
	w.nc.Close()
	w.server.Shutdown()
	kills, at := 0, uint64(0)
	for ; kills < 4 && at < w.head; kills++ {
		at = runChild(t, dir, at, time.Duration(kills)*3*time.Millisecond)
	}
	t.Logf("%d kills, then at %d of %d", kills, at, w.head)
	w.restart(dir)
	s = w.open()
	if s.Position() < at {
		t.Errorf("position %d after a kill, %d was seen before", s.Position(), at)
	}
	w.follow(s)
	w.wait(s)
	w.clean()
}

// runChild runs the child, kills it a moment after it got a good way beyond a position, and gives the last that it
// told.
func runChild(t *testing.T, dir string, at uint64, moment time.Duration) uint64 {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), program)
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	last := at
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.ParseUint(strings.TrimPrefix(lines.Text(), "at "), 10, 64)
		if err != nil {
			t.Fatalf("the child says %q", lines.Text())
		}
		if n < last {
			t.Fatalf("the child is at %d, %d was seen before", n, last)
		}
		if last = n; n > at+500 {
			time.AfterFunc(moment, func() { child.Process.Kill() })
		}
	}
	return last
}

// TestAborted breaks a transaction in the middle: its batch is not there at all, and comes whole when it can.
func TestAborted(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := w.open()
	position := s.Position()
	execute := func(query string) {
		if err := s.db.Load().writer.exec(query); err != nil {
			t.Fatal(err)
		}
	}
	// A full disk, as SQLite sees one: it passes.
	execute(`PRAGMA max_page_count = 1`)
	for i := range 200 {
		w.do(fmt.Sprintf("account-%d", i), domain.CreateApp{AppName: strings.Repeat("long ", 10)})
	}
	stop := w.follow(s)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.Wait(ctx, w.head); err == nil {
		t.Error("a batch was written to a full disk")
	}
	if s.Position() < position || s.Err() != nil {
		t.Errorf("position %d, error %v; want at least %d and none", s.Position(), s.Err(), position)
	}
	w.clean()
	stop()
	execute(`PRAGMA max_page_count = 1000000`)
	w.follow(s)
	w.wait(s)
	w.same(s)
	w.clean()
}
