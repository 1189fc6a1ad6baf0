package eventstore_test

import (
	"bufio"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sundial/eventstore"
	"sundial/internal/natsd"
)

// disk is a small ext4 on a loop device.
type disk struct {
	device string
	mount  string
}

// newDisk makes one, or skips the test where that cannot be done.
func newDisk(t *testing.T, megabytes int64) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: a file system of its own can only be made as root")
	}
	for _, tool := range []string{"losetup", "mkfs.ext4", "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("skipped: %v", err)
		}
	}
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	f, err := os.Create(image)
	must(t, err)
	must(t, f.Truncate(megabytes<<20))
	must(t, f.Close())
	run := func(name string, args ...string) string {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			t.Skipf("skipped: no loop device is to be had here: %s %v: %v: %s", name, args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run("mkfs.ext4", "-q", "-F", image)
	d := &disk{device: run("losetup", "-f", "--show", image), mount: filepath.Join(dir, "mount")}
	t.Cleanup(func() { _ = exec.Command("losetup", "-d", d.device).Run() })
	must(t, os.Mkdir(d.mount, 0o700))
	run("mount", d.device, d.mount)
	t.Cleanup(func() { _ = exec.Command("umount", "-l", d.mount).Run() })
	return d
}

// cut ends writing to the file system: what was not synced is gone (ioctl EXT4_IOC_SHUTDOWN, without flushing the
// journal).
func (d *disk) cut(t *testing.T) {
	t.Helper()
	const (
		ext4IOCShutdown   = 0x8004587d
		goingFlagsNoFlush = 2
	)
	dir, err := os.Open(d.mount)
	must(t, err)
	defer dir.Close()
	must(t, unix.IoctlSetPointerInt(int(dir.Fd()), ext4IOCShutdown, goingFlagsNoFlush))
}

// remount brings it back as after the power came again.
func (d *disk) remount(t *testing.T) {
	t.Helper()
	for _, args := range [][]string{{"umount", d.mount}, {"mount", d.device, d.mount}} {
		var out []byte
		var err error
		for range 50 { // a killed process's files may be closed a moment later
			if out, err = exec.Command(args[0], args[1:]...).CombinedOutput(); err == nil {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
}

// powerCuts is how many cuts are made: few in an ordinary run, 20 to show what the ADR says.
func powerCuts(t *testing.T) int {
	t.Helper()
	v := os.Getenv("SUNDIAL_POWER_CUTS")
	if v == "" {
		return 2
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("SUNDIAL_POWER_CUTS=%s: want a number from 1", v)
	}
	return n
}

// acknowledgements are hashes by sequence, as the victim reported them.
type acknowledgements map[uint64]string

// cutUnderLoad lets 300 writers append and cuts the power at a random moment. It adds what was acknowledged.
func cutUnderLoad(t *testing.T, d *disk, victim child, acknowledged acknowledgements) {
	t.Helper()
	cmd, out := victim.start(t)
	lines := make(chan string, 1<<16)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	take := func(line string) {
		number, hash, ok := strings.Cut(line, " ")
		seq, err := strconv.ParseUint(number, 10, 64)
		if !ok || err != nil || len(hash) != 64 {
			return // the last line, cut in the middle
		}
		acknowledged[seq] = hash
	}
	first, ok := <-lines
	if !ok {
		t.Fatal("the victim ended before it wrote anything")
	}
	take(first)
	end := time.After(time.Duration(200+rand.IntN(600)) * time.Millisecond)
loading:
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatal("the victim ended by itself")
			}
			take(line)
		case <-end:
			break loading
		}
	}
	d.cut(t)
	must(t, cmd.Process.Kill())
	for line := range lines {
		take(line)
	}
	_ = cmd.Wait()
	d.remount(t)
}

// lost counts the acknowledged commits that the log does not hold.
func lost(t *testing.T, dir string, acknowledged acknowledgements) (int, error) {
	t.Helper()
	s, err := natsd.Start(natsd.Config{Dir: dir})
	if err != nil {
		return len(acknowledged), err
	}
	defer s.Shutdown()
	nc, err := s.Connect()
	must(t, err)
	defer nc.Close()
	l, err := eventstore.Open(t.Context(), nc, eventstore.Config{})
	if err != nil {
		return len(acknowledged), err
	}
	defer func() { must(t, l.Close(t.Context())) }()
	must(t, l.Verify(t.Context(), nil))
	head, err := l.Head(t.Context())
	must(t, err)
	missing := len(acknowledged)
	f, err := l.Follow(t.Context(), 0)
	must(t, err)
	defer f.Close()
	for done := uint64(0); done < head; {
		batch, err := f.Next(t.Context(), 5000)
		must(t, err)
		for i := range batch {
			m := &batch[i]
			if hash, ok := acknowledged[m.Sequence]; ok {
				if hash == m.Hash().String() {
					missing--
				} else {
					t.Errorf("at %d stands another commit than the one that was acknowledged", m.Sequence)
				}
			}
			done = m.Sequence
		}
	}
	return missing, nil
}

func TestPowerCuts(t *testing.T) {
	d := newDisk(t, 4096)
	victim := child{Dir: filepath.Join(d.mount, "data"), Create: true, Writers: 300}
	acknowledged := make(acknowledgements)
	for n := range powerCuts(t) {
		before := len(acknowledged)
		cutUnderLoad(t, d, victim, acknowledged)
		victim.Create = false
		missing, err := lost(t, victim.Dir, acknowledged)
		if err != nil || missing > 0 {
			t.Fatalf("cut %d: %d of %d acknowledged commits are lost, %v", n+1, missing, len(acknowledged), err)
		}
		t.Logf("cut %d: %d commits acknowledged, all there", n+1, len(acknowledged)-before)
	}
	t.Logf("0 of %d acknowledged commits lost", len(acknowledged))
}

// TestPowerCutWithoutSync is the control: it shows that the cut is one.
func TestPowerCutWithoutSync(t *testing.T) {
	d := newDisk(t, 1024)
	victim := child{Dir: filepath.Join(d.mount, "data"), Create: true, Writers: 300, NoSync: true}
	acknowledged := make(acknowledgements)
	cutUnderLoad(t, d, victim, acknowledged)
	missing, err := lost(t, victim.Dir, acknowledged)
	if missing == 0 {
		t.Errorf("nothing of %d commits was lost without syncing: the cut is none", len(acknowledged))
	}
	if err != nil && !errors.Is(err, eventstore.ErrMissing) {
		var corrupt *eventstore.CorruptError
		if !errors.As(err, &corrupt) {
			t.Error(err)
		}
	}
	t.Logf("%d of %d acknowledged commits lost: %v", missing, len(acknowledged), err)
}
