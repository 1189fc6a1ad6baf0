package server

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// others are the bits of a mode that let others than the owner do something.
const others = fs.FileMode(0o077)

// keepPrivate takes from others whatever they may do with a data directory and what is in it: earlier versions left files
// that all could read, and a directory may have been made by whoever. Where that cannot be done the directory is refused.
// What a link in it leads to is left as it is, and so is a root key, which the vault refuses then: who has it has everything.
func keepPrivate(path string, log *slog.Logger) error {
	mended, first := 0, ""
	err := filepath.WalkDir(path+string(filepath.Separator), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 || entry.Name() == RootFile || entry.Name() == nextRootFile {
			return err
		}
		if entry.Name() == lostAndFound {
			return fs.SkipDir // the system's
		}
		info, err := entry.Info()
		if err != nil || info.Mode()&others == 0 {
			return err
		}
		if err := os.Chmod(name, info.Mode()&^others); err != nil {
			return &openError{name: filepath.Clean(name), mode: info.Mode(), cause: err}
		}
		if mended++; first == "" {
			first = fmt.Sprintf("%s (mode %#o)", filepath.Clean(name), info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	if mended > 0 {
		log.Warn("others could look into the data directory; they cannot any more. Think of who may have read what is in it",
			"files_and_folders", mended, "first", first)
	}
	return nil
}

// openError says that others may read or change what they must not.
type openError struct {
	name  string
	mode  fs.FileMode
	cause error
}

func (e *openError) Error() string {
	return fmt.Sprintf("%s is open to others than its owner (mode %#o), and that cannot be changed: %v\n"+
		"  fix: have its owner take that away (chmod -R go= on the data directory), or name a folder inside it with --data, which is then made", e.name, e.mode.Perm(), e.cause)
}

func (e *openError) Unwrap() error { return e.cause }
