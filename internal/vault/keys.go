package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// The purposes that ciphertexts are bound to, beside whom they belong to. They are stored names.
const (
	forCheck       = "sundial.root-check.v1"
	forSealing     = "sundial.sealing-keys.v1"
	forFingerprint = "sundial.fingerprint-keys.v1"
	forValue       = "sundial.value.v1"
	forCommand     = "sundial.command.v1"
)

// keys are a holder's data keys, ready for use.
type keys struct {
	sealing     tink.AEAD
	fingerprint *prf.Set
}

// handles are data keys that can be wrapped.
type handles struct{ sealing, fingerprint *keyset.Handle }

func newHandles() (handles, error) {
	sealing, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return handles{}, fmt.Errorf("vault: making data keys: %w", err)
	}
	fingerprint, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return handles{}, fmt.Errorf("vault: making data keys: %w", err)
	}
	return handles{sealing, fingerprint}, nil
}

func (d handles) keys() (*keys, error) {
	sealing, err := aead.New(d.sealing)
	if err != nil {
		return nil, fmt.Errorf("vault: using data keys: %w", err)
	}
	fingerprint, err := prf.NewPRFSet(d.fingerprint)
	if err != nil {
		return nil, fmt.Errorf("vault: using data keys: %w", err)
	}
	return &keys{sealing, fingerprint}, nil
}

// wrap gives the record of a holder's keys. The root is empty where an app's keys wrap an item's.
func (d handles) wrap(h Holder, root string, by tink.AEAD) (record, error) {
	var sealing, fingerprint bytes.Buffer
	err := errors.Join(
		d.sealing.WriteWithAssociatedData(keyset.NewBinaryWriter(&sealing), by, h.bind(forSealing)),
		d.fingerprint.WriteWithAssociatedData(keyset.NewBinaryWriter(&fingerprint), by, h.bind(forFingerprint)))
	if err != nil {
		return record{}, fmt.Errorf("vault: wrapping the keys of %s: %w", h, err)
	}
	return record{Root: root, Sealing: sealing.Bytes(), Fingerprint: fingerprint.Bytes()}, nil
}

func unwrap(h Holder, r record, by tink.AEAD) (handles, error) {
	sealing, err := keyset.ReadWithAssociatedData(keyset.NewBinaryReader(bytes.NewReader(r.Sealing)), by, h.bind(forSealing))
	if err != nil {
		return handles{}, err
	}
	fingerprint, err := keyset.ReadWithAssociatedData(
		keyset.NewBinaryReader(bytes.NewReader(r.Fingerprint)), by, h.bind(forFingerprint))
	if err != nil {
		return handles{}, err
	}
	return handles{sealing, fingerprint}, nil
}

// currentRoot gives the root key in force, and the place of the record that says so.
func (v *Vault) currentRoot(ctx context.Context) (Root, uint64, error) {
	r, sequence, err := v.store.root(ctx)
	switch {
	case err != nil:
		return Root{}, 0, err
	case sequence == 0:
		return Root{}, 0, fmt.Errorf("%w: no root key was ever put in force; start with one", ErrLocked)
	}
	root, err := v.root(r.Root)
	if err != nil {
		return Root{}, 0, err
	}
	if _, err := root.AEAD.Decrypt(r.Check, bind(forCheck, r.Root)); err != nil {
		return Root{}, 0, fmt.Errorf("%w: what was given as root key %s is another key, or cannot be used: "+
			"put the right one in its place and start again", ErrLocked, r.Root)
	}
	return root, sequence, nil
}

// root gives a root key that is known.
func (v *Vault) root(id string) (Root, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if r, ok := v.roots[id]; ok {
		return r, nil
	}
	known := "none is given"
	if len(v.roots) > 0 {
		known = fmt.Sprintf("given are %q", slices.Sorted(maps.Keys(v.roots)))
	}
	return Root{}, fmt.Errorf("%w: the root key %q is needed, %s; "+
		"find its file (it is not in a backup of the data) and start with it", ErrLocked, id, known)
}

// putRoot puts a root key in force, in place of the one at a sequence.
func (v *Vault) putRoot(ctx context.Context, root Root, sequence uint64) error {
	check, err := root.AEAD.Encrypt(nil, bind(forCheck, root.ID))
	if err != nil {
		return fmt.Errorf("vault: using the root key %s: %w", root.ID, err)
	}
	return v.store.put(ctx, rootSubject, rootRecord{Root: root.ID, Check: check}, sequence)
}

// errNoKeys says that a holder has none, and never had.
var errNoKeys = errors.New("vault: there are no keys")

// existing gives the keys of a holder that has some.
func (v *Vault) existing(ctx context.Context, h Holder) (*keys, error) {
	k, drops := v.cache.get(h)
	if k != nil {
		return k, nil
	}
	v.metrics.reads.Inc()
	r, sequence, err := v.store.record(ctx, h)
	switch {
	case err != nil:
		return nil, damaged(h, err)
	case r.Forgotten:
		return nil, ErrForgotten
	case sequence == 0 && h.Item == "":
		return nil, errNoKeys
	case sequence == 0:
		// The items of a forgotten app leave nothing behind.
		if _, err := v.existing(ctx, h.app()); err != nil {
			return nil, err
		}
		return nil, errNoKeys
	}
	d, err := v.unwrap(ctx, h, r)
	if err != nil {
		return nil, damaged(h, err)
	}
	if k, err = d.keys(); err != nil {
		return nil, err
	}
	v.cache.put(h, k, drops)
	return k, nil
}

// unwrap gives the keys in a record. If the root key is at fault it says so.
func (v *Vault) unwrap(ctx context.Context, h Holder, r record) (handles, error) {
	by, err := v.wrapper(ctx, h, r)
	if err != nil {
		return handles{}, err
	}
	d, err := unwrap(h, r, by)
	if err == nil {
		return d, nil
	}
	if h.Item == "" {
		if _, _, err := v.currentRoot(ctx); err != nil {
			return handles{}, err
		}
	}
	return handles{}, fmt.Errorf("%w (the stored keys of %s)", ErrTampered, h)
}

func (v *Vault) wrapper(ctx context.Context, h Holder, r record) (tink.AEAD, error) {
	if h.Item == "" {
		root, err := v.root(r.Root)
		return root.AEAD, err
	}
	app, err := v.existing(ctx, h.app())
	if errors.Is(err, errNoKeys) {
		return nil, fmt.Errorf("%w (the stored keys of %s, whose app has none)", ErrTampered, h)
	}
	if err != nil {
		return nil, err
	}
	return app.sealing, nil
}

// needed gives the keys of a holder, which it makes if there are none.
func (v *Vault) needed(ctx context.Context, h Holder) (*keys, error) {
	for range maxConflicts {
		k, err := v.existing(ctx, h)
		if !errors.Is(err, errNoKeys) {
			return k, err
		}
		k, err = v.create(ctx, h)
		if !errors.Is(err, errConflict) {
			return k, err
		}
	}
	return nil, unavailable("making keys", errConflict)
}

// create makes keys for a holder that has none: errConflict if it has some by now.
func (v *Vault) create(ctx context.Context, h Holder) (*keys, error) {
	d, err := newHandles()
	if err != nil {
		return nil, err
	}
	var by Root
	if h.Item == "" {
		by, _, err = v.currentRoot(ctx)
	} else {
		var app *keys
		if app, err = v.needed(ctx, h.app()); err == nil {
			by.AEAD = app.sealing
		}
	}
	if err != nil {
		return nil, err
	}
	r, err := d.wrap(h, by.ID, by.AEAD)
	if err != nil {
		return nil, err
	}
	if err := v.store.put(ctx, h.subject(), r, 0); err != nil {
		return nil, err
	}
	if err := v.settle(ctx, h, by.ID); err != nil {
		return nil, err
	}
	return d.keys()
}

// settle looks, once new keys are stored, whether what wraps them was replaced or destroyed meanwhile. A rotation or a
// forgetting that begins later finds the keys by itself.
func (v *Vault) settle(ctx context.Context, h Holder, root string) error {
	if h.Item == "" {
		current, _, err := v.currentRoot(ctx)
		if err != nil || current.ID == root {
			return err
		}
		_, err = v.rewrap(ctx, h, current)
		return err
	}
	app, _, err := v.store.record(ctx, h.app())
	if err != nil || !app.Forgotten {
		return err
	}
	if err := v.store.eraseBelow(ctx, h.subject(), math.MaxUint64); err != nil {
		return err
	}
	v.cache.drop(h.app())
	return ErrForgotten
}
