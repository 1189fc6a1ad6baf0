package projections

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrInUse says that another Store, most likely a running server's, has the directory.
var ErrInUse = errors.New("projections: a running server has them open: stop it, or let the server itself rebuild")

// errChecking says that another check is running.
var errChecking = errors.New("projections: another check of them is running: wait for its end")

// Names of the files that are locked: for what writes the serving file, and for a check, which only reads it.
const (
	servingLock  = "projections.lock"
	checkingLock = "projections-check.lock"
)

// lock takes a name in the directory for one holder, the others get the error given; closing the file, or the end of
// the process, gives it back.
func lock(dir, name string, held error) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("projections: data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("projections: locking the directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, held
		}
		return nil, fmt.Errorf("projections: locking the directory: %w", err)
	}
	return f, nil
}
