package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"

	"sundial/internal/vault"
)

func TestRootFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "root.json")
	if _, err := vault.ReadRootFile(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	made, err := vault.CreateRootFile(name)
	if err != nil {
		t.Fatal(err)
	}
	read, err := vault.ReadRootFile(name)
	if err != nil || read.ID != made.ID || len(made.ID) != 16 {
		t.Errorf("made %s, read %s, %v", made, read, err)
	}
	wrappedBy, err := made.AEAD.Encrypt([]byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read.AEAD.Decrypt(wrappedBy, nil); err != nil || string(got) != "x" {
		t.Errorf("the key that was read is not the one that was made: %v", err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	before, _ := os.ReadFile(name)
	if _, err := vault.CreateRootFile(name); !errors.Is(err, fs.ErrExist) {
		t.Errorf("making it again: %v", err)
	}
	if after, _ := os.ReadFile(name); !bytes.Equal(before, after) || len(after) == 0 {
		t.Error("the file was replaced")
	}
	if got := fmt.Sprintf("%v %+v %#v %s", made, made, made, &made); strings.ReplaceAll(got, "root key "+made.ID, "") != "   " {
		t.Errorf("a root key prints as %q", got)
	}

	for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o644, 0o666} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := vault.ReadRootFile(name); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if _, err := vault.ReadRootFile(filepath.Dir(name)); err == nil {
		t.Error("a directory was read")
	}
	if err := os.Chmod(name, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.ReadRootFile(name); err != nil {
		t.Errorf("mode 400: %v", err)
	}
}

// keysetFile gives keysets of other kinds, as Tink writes them.
func keysetFile(t testing.TB, templates ...*tinkpb.KeyTemplate) []byte {
	t.Helper()
	m := keyset.NewManager()
	for _, template := range templates {
		id, err := m.Add(template)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.SetPrimary(id); err != nil {
			t.Fatal(err)
		}
	}
	h, err := m.Handle()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(h, keyset.NewJSONWriter(&out)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestOtherFilesAreNoRootKeys(t *testing.T) {
	good := keysetFile(t, aead.AES256GCMKeyTemplate())
	for what, c := range map[string]struct {
		data []byte
		want string // part of the error; empty for none
	}{
		"another AEAD":     {keysetFile(t, aead.XChaCha20Poly1305KeyTemplate()), ""},
		"two keys":         {keysetFile(t, aead.AES256GCMKeyTemplate(), aead.AES256GCMKeyTemplate()), "one key"},
		"not an AEAD":      {keysetFile(t, prf.HMACSHA256PRFKeyTemplate()), "authenticated encryption"},
		"empty":            {nil, "not a keyset"},
		"half of it":       {good[:len(good)/2], "not a keyset"},
		"an empty object":  {[]byte("{}"), "one key"},
		"more than enough": {append(bytes.Repeat([]byte(" "), 64<<10), good...), "at most"},
	} {
		name := filepath.Join(t.TempDir(), "root.json")
		if err := os.WriteFile(name, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := vault.ReadRootFile(name)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", what, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
}

func TestAWrongRootKeyLocksAndHarmsNothing(t *testing.T) {
	w := newWorld(t)
	v := w.open(t)
	sealed := seal(t, v, app, "x")
	v.Close()
	before := w.state(t)

	wrong := newRoot(t)
	masked := vault.Root{ID: w.root.ID, AEAD: wrong.AEAD}
	for what, roots := range map[string][]vault.Root{"none": nil, "another": {wrong}, "another with its id": {masked}} {
		registry := prometheus.NewRegistry()
		v, err := vault.Open(t.Context(), vault.Config{
			JetStream: w.js, Roots: roots, Registerer: registry,
			CreateRoot: func() (vault.Root, error) { t.Errorf("%s: a root key is made", what); return wrong, nil },
		})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		refuses(t, v, app, sealed, vault.ErrLocked)
		for _, h := range []vault.Holder{app, {App: 2}, {App: 3, Item: "x"}} {
			if _, err := v.Seal(t.Context(), h, place, vault.Secret{}); !errors.Is(err, vault.ErrLocked) {
				t.Errorf("%s: sealing for %s: %v", what, h, err)
			}
		}
		if err := v.Rotate(t.Context(), newRoot(t), nil); !errors.Is(err, vault.ErrLocked) {
			t.Errorf("%s: rotating: %v", what, err)
		}
		if s := status(t, v); !strings.Contains(s.Locked, w.root.ID) || s.Root != w.root.ID || s.Apps[w.root.ID] != 1 {
			t.Errorf("%s: status %+v", what, s)
		}
		if got := gauge(t, registry, "sundial_vault_locked"); got != 1 {
			t.Errorf("%s: sundial_vault_locked is %v", what, got)
		}
		v.Close()
	}
	if after := w.state(t); after.LastSeq != before.LastSeq || after.Msgs != before.Msgs {
		t.Errorf("the stream was changed: %+v", after)
	}
	right := w.open(t)
	unseals(t, right, app, sealed, "x")

	// Forgetting needs no key.
	locked := w.open(t, wrong)
	if err := locked.Forget(t.Context(), app); err != nil {
		t.Errorf("forgetting: %v", err)
	}
	refuses(t, locked, app, sealed, vault.ErrForgotten)
}

func gauge(t testing.TB, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

func TestFirstStart(t *testing.T) {
	w := newWorld(t)
	open := func(c vault.Config) *vault.Vault {
		c.JetStream = w.js
		v, err := vault.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(v.Close)
		return v
	}
	without := open(vault.Config{})
	if _, err := without.Seal(t.Context(), app, place, vault.Secret{}); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("without a root key: %v", err)
	}
	broken := errors.New("no space")
	_, err := vault.Open(t.Context(), vault.Config{
		JetStream: w.js, CreateRoot: func() (vault.Root, error) { return vault.Root{}, broken },
	})
	if !errors.Is(err, broken) {
		t.Errorf("a root key that cannot be made: %v", err)
	}

	name := filepath.Join(t.TempDir(), "root.json")
	create := func() (vault.Root, error) { return vault.CreateRootFile(name) }
	made := open(vault.Config{CreateRoot: create})
	sealed := seal(t, made, app, "x")
	root, err := vault.ReadRootFile(name)
	if err != nil || status(t, made).Root != root.ID {
		t.Errorf("in force is %s, the file has %s, %v", status(t, made).Root, root, err)
	}
	unseals(t, open(vault.Config{Roots: []vault.Root{root}, CreateRoot: create}), app, sealed, "x")

	// A second node that came with its own is refused.
	refuses(t, open(vault.Config{Roots: []vault.Root{newRoot(t)}}), app, sealed, vault.ErrLocked)
	for _, bad := range []vault.Root{{}, {ID: "x"}, {AEAD: root.AEAD}, {ID: strings.Repeat("x", 201), AEAD: root.AEAD}} {
		if _, err := vault.Open(t.Context(), vault.Config{JetStream: w.js, Roots: []vault.Root{bad}}); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// TestStoredKeysBelongToTheirHolder moves records to other holders, and damages them.
func TestStoredKeysBelongToTheirHolder(t *testing.T) {
	w := newWorld(t)
	v := w.open(t)
	sealed, ofItem := seal(t, v, app, "x"), seal(t, v, certificate, "y")
	publish := func(subject string, data []byte) {
		t.Helper()
		if _, err := w.js.Publish(t.Context(), subject, data); err != nil {
			t.Fatal(err)
		}
	}
	publish("keys.app.2", w.stored(t, appSubject).Data)
	publish("keys.item.1400000001.other", w.stored(t, itemSubject).Data)
	publish("keys.item.2.certificate-17", w.stored(t, itemSubject).Data)
	publish("keys.app.3", []byte(`{"unknown":1}`))
	fresh := w.open(t)
	refuses(t, fresh, vault.Holder{App: 2}, sealed, vault.ErrTampered)
	refuses(t, fresh, vault.Holder{App: app.App, Item: "other"}, ofItem, vault.ErrTampered)
	refuses(t, fresh, vault.Holder{App: 2, Item: "certificate-17"}, ofItem, vault.ErrTampered)
	if _, err := fresh.Seal(t.Context(), vault.Holder{App: 3}, place, vault.Secret{}); err == nil {
		t.Error("a record that cannot be read was replaced")
	}
	if err := fresh.Forget(t.Context(), vault.Holder{App: 3}); err != nil {
		t.Errorf("forgetting what cannot be read: %v", err)
	}
	unseals(t, fresh, app, sealed, "x")
	unseals(t, fresh, certificate, ofItem, "y")
}
