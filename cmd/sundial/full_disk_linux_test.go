package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFullDisk fills the disk below a busy engine: what cannot be written is refused within a second, reads go on,
// nothing that was acknowledged is lost, and ten seconds after there is room again it serves.
func TestFullDisk(t *testing.T) {
	disk := smallDisk(t)
	dir := filepath.Join(disk, "data")
	p := spawn(t, dir)
	c := p.client(t)

	// Writers that keep on while the disk fills, each with its own account.
	stop := make(chan struct{})
	var mu sync.Mutex
	acknowledged := map[uint64]bool{}
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				began := time.Now()
				a, err := c.do(t.Context(), request{method: http.MethodPost, path: fmt.Sprintf("/v1/accounts/w%d-%d/apps", w, n/50), body: map[string]string{"name": "app"}})
				var app appView
				if err == nil {
					err = a.into(&app)
				}
				switch {
				case err == nil:
					mu.Lock()
					acknowledged[app.App] = true
					mu.Unlock()
				case a.status != http.StatusServiceUnavailable:
					t.Errorf("answered %d, want 503: %v", a.status, err)
					return
				case time.Since(began) > 2*time.Second:
					t.Errorf("refused only after %s", time.Since(began))
				default:
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond) // some load before
	filler := filepath.Join(disk, "filler")
	fill(t, filler)

	// Full: a command is refused soon, and a read is answered.
	try := func() (int, time.Duration) {
		began := time.Now()
		a, _ := c.do(t.Context(), request{method: http.MethodPost, path: "/v1/accounts/probe/apps", body: map[string]string{"name": "probe"}})
		return a.status, time.Since(began)
	}
	for range 5 {
		if status, took := try(); status != http.StatusServiceUnavailable || took > time.Second {
			t.Errorf("on a full disk a command was answered %d after %s, want 503 within a second\n%s", status, took, p.logs)
		}
		time.Sleep(500 * time.Millisecond)
	}
	if a, err := c.do(t.Context(), request{method: http.MethodGet, path: "/v1/apps?limit=1"}); err != nil {
		t.Errorf("on a full disk a read was answered %d: %v", a.status, err)
	}
	if a, _ := c.do(t.Context(), request{method: http.MethodGet, path: "/readyz"}); a.status != http.StatusServiceUnavailable {
		t.Errorf("on a full disk readiness says %d", a.status)
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	room := time.Now()
	for {
		if status, _ := try(); status == http.StatusCreated {
			break
		}
		if time.Since(room) > 10*time.Second {
			t.Fatalf("still not serving %s after there was room\n%s", time.Since(room), p.logs)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("served again after %s", time.Since(room))
	close(stop)
	writers.Wait()

	present := func(p *process) {
		c := p.client(t)
		apps, err := c.states(t.Context())
		if err != nil {
			t.Fatalf("%v\n%s", err, p.logs)
		}
		for app := range acknowledged {
			if _, ok := apps[app]; !ok {
				t.Errorf("app %d was acknowledged and is lost", app)
			}
		}
		t.Logf("%d apps acknowledged, %d present", len(acknowledged), len(apps))
	}
	present(p)
	p.kill(t)
	present(spawn(t, dir))
}

// fill writes a file until nothing more fits.
func fill(t testing.TB, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 512; {
		_, err := f.Write(make([]byte, size))
		switch {
		case errors.Is(err, unix.ENOSPC):
			size /= 2
		case err != nil:
			t.Fatal(err)
		}
	}
}

// smallDisk is a file system of 48 MB of its own, or the test is skipped: making one needs root and a loop device.
func smallDisk(t testing.TB) string {
	t.Helper()
	disk, err := makeDisk(t)
	if err != nil {
		t.Skip("no small disk here:", err)
	}
	return disk
}

// makeDisk makes one, which turns read-only after an error, and gives where it is mounted.
func makeDisk(t testing.TB) (string, error) {
	t.Helper()
	if os.Getuid() != 0 {
		return "", errors.New("mounting one needs root")
	}
	image := filepath.Join(t.TempDir(), "disk.img")
	mount := t.TempDir()
	for _, command := range [][]string{
		{"truncate", "-s", "48M", image},
		{"mkfs.ext4", "-q", "-m", "0", image},
		{"mount", "-o", "loop,errors=remount-ro", image, mount},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v: %w: %s", command, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", mount).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return mount, nil
}
