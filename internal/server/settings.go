package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minio/highwayhash"

	"sundial/internal/wholefile"
)

// The settings of a stream of the embedded server: two files, replaced one after the other. Where it is killed in between,
// they do not belong together, and it does not find the stream again.
const (
	settingsFile = "meta.inf"
	settingsSum  = "meta.sum"

	// settingsDir keeps those of all streams, in a data directory, for as long as they are being changed.
	settingsDir = ".restoring"
)

// keepSettings copies the settings of all streams.
func (d *directory) keepSettings() error {
	if err := d.forgetSettings(); err != nil {
		return err
	}
	return d.eachSettings(func(stream, kept string) error {
		if err := os.MkdirAll(kept, 0o700); err != nil {
			return err
		}
		return copySettings(stream, kept)
	})
}

// putSettingsBack mends what a kill left while settings were being changed.
func (d *directory) putSettingsBack() error {
	return d.eachSettings(func(stream, kept string) error {
		if settled(stream) || !settled(kept) {
			return nil
		}
		return copySettings(kept, stream)
	})
}

func (d *directory) forgetSettings() error {
	if err := os.RemoveAll(d.file(settingsDir)); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// eachSettings goes through the folders of streams, each with the one that its settings are kept in.
func (d *directory) eachSettings(do func(stream, kept string) error) error {
	folders, err := filepath.Glob(d.file(filepath.Join(NATSDir, "jetstream", "*", "streams", "*")))
	for _, stream := range folders {
		account := filepath.Base(filepath.Dir(filepath.Dir(stream)))
		if err = do(stream, d.file(filepath.Join(settingsDir, account, filepath.Base(stream)))); err != nil {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("data directory: the settings of streams: %w", err)
	}
	return nil
}

// settled tells whether the settings in a folder belong together: the server keys their hash with the stream's name.
func settled(folder string) bool {
	settings, err := os.ReadFile(filepath.Join(folder, settingsFile))
	sum, err2 := os.ReadFile(filepath.Join(folder, settingsSum))
	if err != nil || err2 != nil {
		return false
	}
	key := sha256.Sum256([]byte(filepath.Base(folder)))
	hash, err := highwayhash.New64(key[:])
	if err != nil {
		return false
	}
	hash.Write(settings)
	return bytes.Equal(sum, []byte(hex.EncodeToString(hash.Sum(nil))))
}

func copySettings(from, to string) error {
	for _, name := range []string{settingsFile, settingsSum} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a folder that is none of a stream
		}
		if err == nil {
			err = wholefile.Replace(filepath.Join(to, name), text)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
