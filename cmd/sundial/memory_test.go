package main

import (
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

func TestHowMuchMemoryIsTaken(t *testing.T) {
	const mb = 1 << 20
	for _, row := range []struct {
		limit, heap, floor int64 // in MB
	}{
		{64, 64, 8}, // less than it takes: it collects what it can, and may be killed
		{128, 64, 16},
		{256, 168, 32},
		{512, 408, 64},
		{1024, 888, 128},
		{2048, 1848, 256},
		{65536, 61368, 256},
	} {
		if heap, floor := heapOf(row.limit*mb)/mb, floorOf(row.limit*mb)/mb; heap != row.heap || floor != row.floor {
			t.Errorf("of %d MB the heap may take %d, and its floor is %d; want %d and %d", row.limit, heap, floor, row.heap, row.floor)
		}
	}
	if floor := floorOf(math.MaxInt64); floor != roomiest {
		t.Errorf("without a limit the floor is %d, want %d", floor, roomiest)
	}
}

// TestWhatTheEnvironmentSaysOfMemoryIsDone: a limit that is given stays, and the heap floor leaves room in it.
func TestWhatTheEnvironmentSaysOfMemoryIsDone(t *testing.T) {
	percent := debug.SetGCPercent(100)
	defer debug.SetGCPercent(percent)
	limit := debug.SetMemoryLimit(200 << 20)
	defer debug.SetMemoryLimit(limit)
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "200MiB")
	if floor := len(tuneMemory(slog.New(slog.DiscardHandler))); floor != 25<<20 {
		t.Errorf("the heap floor is %d MB, want 25", floor>>20)
	}
	if now := debug.SetMemoryLimit(-1); now != 200<<20 {
		t.Errorf("the limit is %d MB now, was 200", now>>20)
	}
	if now := debug.SetGCPercent(77); now != 50 {
		t.Errorf("the collector's percentage is %d, want 50", now)
	}
	t.Setenv("GOGC", "77")
	if floor := tuneMemory(slog.New(slog.DiscardHandler)); floor != nil {
		t.Errorf("the heap floor is %d MB though the collector was told when to run", len(floor)>>20)
	}
	if now := debug.SetGCPercent(100); now != 77 {
		t.Errorf("the collector's percentage is %d, want that of the environment", now)
	}
}

// TestInASmallContainer gives the program 128 MB and has it do more than it once did in that: it let garbage gather as though
// there were no limit, and was killed.
func TestInASmallContainer(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes its own memory")
	}
	const limit, commands = 128 << 20, 5000
	join, leave := container(t, limit)
	join()
	p := spawn(t, filepath.Join(t.TempDir(), "data"), "--quota", "10000")
	leave()
	c := p.client(t)
	var writers sync.WaitGroup
	var next atomic.Int64
	for range 32 {
		writers.Go(func() {
			for n := next.Add(1); n <= commands && !t.Failed(); n = next.Add(1) {
				a, err := c.do(t.Context(), request{method: http.MethodPost, path: fmt.Sprintf("/v1/accounts/a%d/apps", n%100), body: map[string]string{"name": "app"}})
				if err != nil {
					t.Errorf("command %d was answered %d: %v", n, a.status, err)
				}
			}
		})
	}
	writers.Wait()
	if mb := resident(t, p.cmd.Process.Pid); mb >= limit>>20 {
		t.Errorf("%d MB resident", mb)
	} else {
		t.Logf("%d MB resident", mb)
	}
	if err := p.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// container makes a group of processes that may take so much memory together, and gives functions by which this process,
// and with it what it starts, joins and leaves it; or the test is skipped.
func container(t testing.TB, limit int64) (join, leave func()) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip("no containers here:", err)
	}
	root, own, file := "/sys/fs/cgroup", "", "memory.max"
	for line := range strings.Lines(string(text)) {
		switch id, rest, _ := strings.Cut(strings.TrimSpace(line), ":"); {
		case strings.HasPrefix(rest, "memory:"):
			root, own, file = "/sys/fs/cgroup/memory", strings.TrimPrefix(rest, "memory:"), "memory.limit_in_bytes"
		case id == "0" && file == "memory.max":
			own = strings.TrimPrefix(rest, ":")
		}
	}
	group := filepath.Join(root, own, fmt.Sprint("sundial-test-", os.Getpid()))
	if err := os.Mkdir(group, 0o700); err != nil {
		t.Skip("no container is to be had here:", err)
	}
	if err := os.WriteFile(filepath.Join(group, file), []byte(strconv.FormatInt(limit, 10)), 0o600); err != nil {
		os.Remove(group)
		t.Skip("the memory of a container cannot be limited here:", err)
	}
	t.Cleanup(func() { until(t, "the container is empty", func() bool { return os.Remove(group) == nil }) })
	move := func(to string) func() {
		return func() {
			if err := os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return move(group), move(filepath.Join(root, own))
}
