package archive

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Copy is the archive of a directory, opened to be compared with the log; nothing of it is changed.
type Copy struct{ archive Archive }

// OpenCopy opens the copy in a directory; nil if there is none, or one of another log, which the next start makes anew.
func OpenCopy(config Config) (*Copy, error) {
	c := &Copy{Archive{config: config}}
	for name, file := range map[string]**os.File{dataFile: &c.archive.data, indexFile: &c.archive.index} {
		f, err := os.Open(filepath.Join(config.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, c.archive.Close()
		}
		if err != nil {
			return nil, errors.Join(err, c.archive.Close())
		}
		*file = f
	}
	info, err := c.archive.index.Stat()
	found := make([]byte, headerSize)
	if err == nil {
		_, err = c.archive.data.ReadAt(found, 0)
	}
	if err != nil || string(found) != string(c.archive.header()) {
		return nil, c.archive.Close() //nolint:nilerr // it is made anew
	}
	c.archive.last = uint64(info.Size()) / entrySize //nolint:gosec // a size is not negative
	return c, nil
}

// Has tells whether the copy reaches a position.
func (c *Copy) Has(position uint64) bool { return position <= c.archive.last }

// Is tells whether the copy has this commit at a position.
func (c *Copy) Is(position uint64, payload []byte) bool {
	kept, _, err := c.archive.get(position)
	return err == nil && bytes.Equal(kept, payload)
}

// Close closes the files.
func (c *Copy) Close() error { return c.archive.Close() }
