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

	"golang.org/x/sys/unix"

	"sundial/eventstore"
	"sundial/internal/auth"
	"sundial/internal/datadir"
)

// What a data directory holds beside the projections' files; the names are those of files and folders in it.
const (
	lockFile     = "lock" // held by the process that has the directory
	IdentityFile = datadir.RecordFile
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
		case name == IdentityFile, name == datadir.MarksFile, name == auth.TokenFile, name == auth.LedgerFile, name == SandboxFile, name == archiveDir, strings.HasPrefix(name, "projections"):
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

// openLog opens the log that belongs to the directory. On the very first start it creates it; a directory that was
// started before never gets a new, empty log in the place of one that was lost. restoring takes what is found as it is, but for
// another log.
func (d *directory) openLog(ctx context.Context, s *storage, restoring bool) (*eventstore.Log, error) {
	known, err := datadir.ReadRecord(d.file(IdentityFile))
	if err != nil {
		return nil, err
	}
	if known.Restoring && !restoring {
		return nil, cutShort(d.file(IdentityFile))
	}
	log, err := eventstore.Open(ctx, s.nc, s.logConfig)
	if errors.Is(err, eventstore.ErrMissing) {
		switch {
		case known.Server == datadir.Outside && s.config.Outside == nil:
			return nil, fmt.Errorf("%s was started with its log on a NATS cluster: %w\n  fix: name the cluster with --nats", d.path, err)
		case d.started || restoring:
			return nil, fmt.Errorf("%s was started before, and its log is gone: %w\n"+
				"  fix: restore the log (the directory, or the stream of the cluster) from a backup; only if nothing of it is wanted, start with an empty directory",
				d.path, err)
		}
		log, err = eventstore.Create(ctx, s.nc, s.logConfig)
		if errors.Is(err, eventstore.ErrExists) { // another node was first
			log, err = eventstore.Open(ctx, s.nc, s.logConfig)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := d.reconcile(ctx, s, log, &known, restoring); err != nil {
		return nil, errors.Join(err, log.Close(ctx))
	}
	d.started = true
	return log, nil
}

// reconcile compares the log with what the directory's record says, and that of the cluster, and brings those up to date.
func (d *directory) reconcile(ctx context.Context, s *storage, log *eventstore.Log, known *datadir.Record, restoring bool) error {
	belongs := func(r *datadir.Record, where string) error {
		switch {
		case r.Log == "":
			return nil
		case r.Log != log.Identity():
			return datadir.Damage(datadir.LogForeign, where, d.path+" belongs to another log than the one that was found",
				"check --data and --nats; if the log was replaced on purpose, start with an empty directory")
		case restoring:
			return nil
		case r.Restoring:
			return cutShort(where)
		case r.Epochs.Number() > log.Epochs().Number(), r.Epochs.Number() == log.Epochs().Number() && r.Epochs.String() != log.Epochs().String():
			return datadir.Damage(datadir.StreamForeign, where,
				fmt.Sprintf("the log is of the epochs %s, and %s says %s: it is a copy from before a restore", log.Epochs(), where, r.Epochs),
				"stop, keep a copy, and put the newest copy of the log back; if there is nothing newer, sundial restored goes on with this one, in a new epoch")
		}
		return nil
	}
	if err := belongs(known, d.file(IdentityFile)); err != nil {
		return err
	}
	now := s.record(log)
	if s.config.Outside != nil {
		shared, err := datadir.OpenShared(ctx, s.js, s.config.Replicas)
		if err != nil {
			return err
		}
		theirs, revision, err := shared.Read(ctx)
		if err == nil {
			err = belongs(&theirs, "the record of the cluster")
		}
		if err == nil && !restoring && !theirs.Same(&now) {
			_, err = shared.Write(ctx, &now, revision) // whoever was first has written the same, or says so at its next start
		}
		if err != nil {
			return err
		}
	}
	if restoring || known.Same(&now) {
		return nil
	}
	if known.Log == "" && d.started {
		s.config.Logger.Warn("the record of the data directory was gone, and is made anew from the log", "file", d.file(IdentityFile))
	}
	return now.Write(d.file(IdentityFile))
}

func cutShort(where string) error {
	return datadir.Damage(datadir.RestoreUnfinished, where, where+" says that sundial restored was begun and cut short", "give sundial restored again")
}
