package vault

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Root is a root key: what wraps the keys of apps. A key in a key management service is one too, if it is given as an
// AEAD with the name of the key as its id.
type Root struct {
	ID   string // public, 1 to 200 characters; says which key it is, not what it is
	AEAD tink.AEAD
}

// Format prints the id alone, whatever the verb.
func (r Root) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "root key "+r.ID) }

// LogValue is the id.
func (r Root) LogValue() slog.Value { return slog.StringValue(r.ID) }

const (
	// maxRootFile bounds a root key's file, in bytes: a keyset with one key takes some 400.
	maxRootFile = 64 << 10

	// maxRootID bounds the id of a root key: names of keys in key management services are below 200 characters.
	maxRootID = 200
)

// CreateRootFile makes a root key and writes it into a new file, readable by its owner alone and on disk when this
// returns: a keyset of Tink in JSON, in the clear. An existing file is never replaced: the error is fs.ErrExist.
func CreateRootFile(name string) (Root, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return Root{}, fmt.Errorf("vault: making a root key: %w", err)
	}
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)); err != nil {
		return Root{}, fmt.Errorf("vault: making a root key: %w", err)
	}
	root, err := decodeRoot(text.Bytes())
	if err != nil {
		return Root{}, err
	}
	if err := writeNew(name, text.Bytes()); err != nil {
		return Root{}, fmt.Errorf("vault: writing a root key: %w", err)
	}
	return root, nil
}

// writeNew writes a file that must not exist, and does not return before it would survive a power cut.
func writeNew(name string, data []byte) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(name)) // half a key would be taken for a damaged one
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// ReadRootFile reads what CreateRootFile or Tink's own tool wrote. It refuses a file that others than its owner can
// read or change, and a keyset with more than one key. A file that is not there is fs.ErrNotExist.
func ReadRootFile(name string) (Root, error) {
	f, err := os.Open(name)
	if err != nil {
		return Root{}, fmt.Errorf("vault: reading the root key: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Root{}, fmt.Errorf("vault: reading the root key: %w", err)
	}
	if err := checkMode(name, info.Mode()); err != nil {
		return Root{}, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxRootFile+1))
	if err != nil {
		return Root{}, fmt.Errorf("vault: reading the root key: %w", err)
	}
	root, err := decodeRoot(data)
	if err != nil {
		return Root{}, fmt.Errorf("%w; put the right file at %s", err, name)
	}
	return root, nil
}

func checkMode(name string, mode fs.FileMode) error {
	if !mode.IsRegular() {
		return fmt.Errorf("vault: the root key %s is not a regular file", name)
	}
	if mode.Perm()&0o077 != 0 {
		return fmt.Errorf("vault: the root key %s can be read or changed by others than its owner (mode %#o); "+
			"run chmod 600 on it, and think of who may have read it", name, mode.Perm())
	}
	return nil
}

// decodeRoot reads a keyset in the clear. Its errors say nothing of what is in it.
func decodeRoot(data []byte) (Root, error) {
	if len(data) > maxRootFile {
		return Root{}, fmt.Errorf("vault: a root key takes at most %d bytes", maxRootFile)
	}
	set, err := keyset.NewJSONReader(bytes.NewReader(data)).Read()
	if err != nil {
		return Root{}, errors.New("vault: this is not a root key: not a keyset of Tink in JSON")
	}
	keys := set.GetKey()
	if len(keys) != 1 || keys[0].GetKeyId() != set.GetPrimaryKeyId() {
		return Root{}, errors.New("vault: a root key is a keyset with one key, which is its primary one; " +
			"a root key is rotated by a new file, not by a second key in the same")
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(data)))
	if err != nil {
		return Root{}, errors.New("vault: this is not a root key: its keyset is not valid")
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return Root{}, errors.New("vault: this is not a root key: its key is not one for authenticated encryption")
	}
	return Root{ID: fingerprint(keys[0]), AEAD: primitive}, nil
}

// fingerprint names a key in public. Of a key with 128 bits and more nobody finds out anything by its hash.
func fingerprint(key *tinkpb.Keyset_Key) string {
	h := sha256.Sum256(append(bind("sundial.root-key-id.v1", key.GetKeyData().GetTypeUrl()), key.GetKeyData().GetValue()...))
	return hex.EncodeToString(h[:8])
}
