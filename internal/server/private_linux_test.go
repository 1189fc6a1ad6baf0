package server

import (
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openToAll makes a data directory of an earlier version, into which others may look, with a link to a file elsewhere.
func openToAll(t testing.TB) (dir, elsewhere string) {
	t.Helper()
	dir, elsewhere = t.TempDir(), filepath.Join(t.TempDir(), "root.key")
	for _, name := range []string{filepath.Join(dir, IdentityFile), filepath.Join(dir, "projections-v1.db"), elsewhere} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		setMode(t, name, 0o644)
	}
	if err := os.Mkdir(filepath.Join(dir, NATSDir), 0o700); err != nil {
		t.Fatal(err)
	}
	setMode(t, filepath.Join(dir, NATSDir), 0o755)
	setMode(t, dir, 0o775)
	if err := os.Symlink(elsewhere, filepath.Join(dir, RootFile)); err != nil {
		t.Fatal(err)
	}
	return dir, elsewhere
}

func setMode(t testing.TB, name string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(name, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func hasMode(t testing.TB, name string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %#o, want %#o", name, got, want)
	}
}

func TestADirectoryIsClosedToOthers(t *testing.T) {
	dir, elsewhere := openToAll(t)
	link := filepath.Join(t.TempDir(), "data") // the directory itself may be given as a link
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"files_and_folders=4", ""} {
		var said strings.Builder
		opened, err := openDirectory(link, slog.New(slog.NewTextHandler(&said, nil)))
		if err != nil {
			t.Fatal(err)
		}
		opened.Close()
		if !strings.Contains(said.String(), says) || says == "" && said.Len() > 0 {
			t.Errorf("it said %q, want %q", said.String(), says)
		}
		for name, want := range map[string]fs.FileMode{".": 0o700, NATSDir: 0o700, IdentityFile: 0o600, "projections-v1.db": 0o600} {
			hasMode(t, filepath.Join(dir, name), want)
		}
		hasMode(t, elsewhere, 0o644)
	}
}

func TestADirectoryThatCannotBeClosedToOthersIsRefused(t *testing.T) {
	dir, _ := openToAll(t)
	file, err := os.Open(filepath.Join(dir, "projections-v1.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	attributes := func(flags int) error {
		return unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, flags)
	}
	const immutable = 0x10 // FS_IMMUTABLE_FL
	if err := attributes(immutable); err != nil {
		t.Skip("making a file that its owner cannot change takes root, and a file system that has such files:", err)
	}
	defer attributes(0)
	_, err = openDirectory(dir, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "projections-v1.db is open to others than its owner (mode 0644)") || !strings.Contains(err.Error(), "fix: ") {
		t.Errorf("the error is %v", err)
	}
}

// TestTheSocketIsItsOwnersFromItsFirstInstant has a umask that hides nothing.
func TestTheSocketIsItsOwnersFromItsFirstInstant(t *testing.T) {
	path := filepath.Join(t.TempDir(), socketFile)
	before := unix.Umask(0)
	l, err := listenPrivately(path)
	unix.Umask(before)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	hasMode(t, path, 0o600)
}
