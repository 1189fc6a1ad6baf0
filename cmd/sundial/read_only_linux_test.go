package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestADiskThatCannotBeWritten takes from a running engine that it can write: first by a limit, as an error of the disk
// would, and then, where a file system can be had, by one that turns read-only. Commands are refused within a second, reads
// of every kind go on, and what can be written again is served again. In the end it ends in order.
func TestADiskThatCannotBeWritten(t *testing.T) {
	disk, noDisk := makeDisk(t)
	if noDisk != nil {
		disk = t.TempDir()
	}
	p := spawn(t, filepath.Join(disk, "data"))
	c := p.client(t)
	app := c.create(t, "acme", "before")
	made := []uint64{app}
	try := func() int {
		a, err := c.do(t.Context(), request{method: http.MethodPost, path: "/v1/accounts/acme/apps", body: map[string]string{"name": "more"}})
		var more appView
		if err == nil && a.into(&more) == nil {
			made = append(made, more.App)
		}
		return a.status
	}
	refused := func(t *testing.T) {
		t.Helper()
		for range 3 {
			began := time.Now()
			if status := try(); status != http.StatusServiceUnavailable || time.Since(began) > time.Second {
				t.Errorf("a command was answered %d after %s, want 503 within a second", status, time.Since(began))
			}
			for _, path := range []string{
				"/v1/apps", fmt.Sprintf("/v1/apps/%d", app), fmt.Sprintf("/v1/apps/%d?as_of=2100-01-01T00:00:00Z", app), fmt.Sprintf("/v1/apps/%d/history", app),
				"/v1/accounts/acme/statement", "/v1/events", "/v1/transitions", "/v1/parked", "/v1/tokens", "/livez",
			} {
				if a, err := c.do(t.Context(), request{method: http.MethodGet, path: path}); err != nil {
					t.Errorf("%s was answered %d: %v", path, a.status, err)
				}
			}
			if a, _ := c.do(t.Context(), request{method: http.MethodGet, path: "/readyz"}); a.status != http.StatusServiceUnavailable {
				t.Errorf("readiness says %d", a.status)
			}
			time.Sleep(spaceLooks) // so that it has found out whatever it finds out
		}
		if t.Failed() {
			t.Log(p.logs)
		}
	}

	limit := unix.Rlimit{Cur: 0, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	refused(t)
	limit.Cur = limit.Max
	if err := unix.Prlimit(p.cmd.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); try() != http.StatusCreated; time.Sleep(50 * time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("still not serving %s after it could write again\n%s", time.Since(began), p.logs)
		}
	}
	apps, err := c.states(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range made {
		if _, there := apps[one]; !there {
			t.Errorf("app %d was acknowledged and is lost", one)
		}
	}

	t.Run("a file system that turned read-only", func(t *testing.T) {
		if noDisk != nil {
			t.Skip("no file system of its own here:", noDisk)
		}
		trip(t, disk)
		refused(t)
	})
	if err := p.cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("ended with %v\n%s", err, p.logs)
	}
}

// spaceLooks is a little longer than the engine leaves between two looks whether it can write.
const spaceLooks = 600 * time.Millisecond

// trip has a mounted ext4 meet an error, after which it is read-only.
func trip(t testing.TB, mount string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(mounts), "\n")
	at := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, " "+mount+" ") })
	if at < 0 {
		t.Fatalf("%s is not mounted", mount)
	}
	device, _, _ := strings.Cut(lines[at], " ")
	if err := os.WriteFile("/sys/fs/ext4/"+filepath.Base(device)+"/trigger_fs_error", []byte("for a test"), 0o600); err != nil {
		t.Skip("an error of the file system cannot be had here:", err)
	}
}
