package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"

	"sundial/eventstore"
	"sundial/internal/auth"
	"sundial/internal/wholefile"
)

// What a data directory holds beside the projections' files; the names are those of files and folders in it.
const (
	lockFile     = "lock"          // held by the process that has the directory
	IdentityFile = "log.identity"  // names the log that belongs here; there since the first start
	archiveDir   = "archive"       // a copy of the log's commits, for reading the past
	NATSDir      = "nats"          // the embedded server's files, the log among them
	SandboxFile  = "sandbox.clock" // a sandbox's time
	socketFile   = "sundial.sock"  // where the serving process takes orders from whoever has the directory
	lostAndFound = "lost+found"    // in the root of a file system
)

// directory is a data directory that this process has to itself.
type directory struct {
	path    string
	lock    *os.File
	started bool // it was there before this process, with a log or what goes with one
}

// openDirectory makes the directory if there is none, locks it, and closes it to others. A directory with other things in
// it is refused.
func openDirectory(path string, log *slog.Logger) (*directory, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	strange, started, err := survey(path)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if !started && strange != "" {
		return nil, fmt.Errorf("%s is not empty and not a data directory (it holds %s)\n  fix: name an empty or a new directory with --data", path, strange)
	}
	lock, err := lockDirectory(path)
	if err != nil {
		return nil, err
	}
	if err := keepPrivate(path, log); err != nil {
		lock.Close()
		return nil, err
	}
	return &directory{path: path, lock: lock, started: started}, nil
}

// survey looks at what is in a directory: something that is not ours, and whether an engine was started on it before.
func survey(path string) (strange string, started bool, err error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return "", false, err
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case name == IdentityFile, name == auth.TokenFile, name == SandboxFile, name == archiveDir, strings.HasPrefix(name, "projections"):
			started = true
		case name == lockFile, name == NATSDir, name == socketFile, name == lostAndFound,
			name == RootFile, strings.HasPrefix(name, "."), strings.HasPrefix(name, SandboxFile+"."):
			// What a first start leaves that was cut short, and what is in the root of a file system.
		default:
			strange = name
		}
	}
	return strange, started, nil
}

// lockDirectory takes the lock, which ends with the process however that ends.
func lockDirectory(path string) (*os.File, error) {
	name := filepath.Join(path, lockFile)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		holder := make([]byte, 20)
		n, _ := f.Read(holder) // only to name the other process
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &lockedError{path: path, holder: strings.TrimSpace(string(holder[:n]))}
		}
		return nil, fmt.Errorf("data directory: locking: %w", err)
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		if err != nil && !errors.Is(err, unix.ENOSPC) { // the lock is what counts, not what is in it
			f.Close()
			return nil, fmt.Errorf("data directory: locking: %w", err)
		}
	}
	return f, nil
}

// lockedError says that another process has the directory.
type lockedError struct{ path, holder string }

func (e *lockedError) Error() string {
	return fmt.Sprintf("%s is in use by another process (%s): one process a directory\n  fix: stop that one, or name another directory with --data", e.path, e.holder)
}

func (d *directory) file(name string) string { return filepath.Join(d.path, name) }

// Close gives the directory up.
func (d *directory) Close() { d.lock.Close() }

// unwritable tells why nothing can be written into the directory, nil while something can. It tries: a file system that has
// turned read-only after an error, or a disk that fails, does not say so otherwise.
func (d *directory) unwritable() error {
	for _, folder := range []string{d.path, d.file(NATSDir)} {
		if err := tryWriting(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the data directory cannot be written: %w", err)
		}
	}
	return nil
}

func tryWriting(folder string) error {
	f, err := os.CreateTemp(folder, ".writable.*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("?")
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}

// identity is the log's that belongs to the directory, "" before the first start is through.
func (d *directory) identity() (string, error) {
	text, err := os.ReadFile(d.file(IdentityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// openLog opens the log that belongs to the directory. On the very first start it creates it; a directory that was
// started before never gets a new, empty log in the place of one that was lost.
func (d *directory) openLog(ctx context.Context, nc *nats.Conn, config eventstore.Config) (*eventstore.Log, error) {
	known, err := d.identity()
	if err != nil {
		return nil, err
	}
	log, err := eventstore.Open(ctx, nc, config)
	if errors.Is(err, eventstore.ErrMissing) {
		if d.started {
			return nil, fmt.Errorf("%s was started before, and its log is gone: %w\n"+
				"  fix: restore the log (the directory, or the stream of the cluster) from a backup; only if nothing of it is wanted, start with an empty directory",
				d.path, err)
		}
		log, err = eventstore.Create(ctx, nc, config)
		if errors.Is(err, eventstore.ErrExists) { // another node was first
			log, err = eventstore.Open(ctx, nc, config)
		}
	}
	if err != nil {
		return nil, err
	}
	if known == "" {
		err = d.keepIdentity(log.Identity())
	} else if known != log.Identity() {
		err = fmt.Errorf("%s belongs to another log than the one that was found\n"+
			"  fix: check --data and --nats; if the log was replaced on purpose, start with an empty directory", d.path)
	}
	if err != nil {
		return nil, errors.Join(err, log.Close(ctx))
	}
	d.started = true
	return log, nil
}

// keepIdentity writes the marker whole or not at all, also across a power cut.
func (d *directory) keepIdentity(identity string) error {
	if err := wholefile.Replace(d.file(IdentityFile), []byte(identity+"\n")); err != nil {
		return fmt.Errorf("data directory: keeping the log's identity: %w", err)
	}
	return nil
}
