// Package wholefile replaces small files that must never be seen half written.
package wholefile

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace puts a file with this text in the place of the one of that name, or makes it: after a crash or a power cut there
// is the old one or the new one, and when Replace has returned, the new one. Its owner alone can read it. Where it fails the
// old one is there still.
func Replace(name string, text []byte) (err error) {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // what counts is why it failed
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), name); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
