package vault_test

import (
	"errors"
	"testing"

	"sundial/internal/vault"
)

// TestADamagedRecordOfTheRootKeyLocks: the vault opens, is locked, and says what to do.
func TestADamagedRecordOfTheRootKeyLocks(t *testing.T) {
	w := newWorld(t)
	root := newRoot(t)
	app := vault.Holder{App: 1}
	sealed := seal(t, w.open(t, root), app, "secret")
	if _, err := w.connect(t).Publish(t.Context(), "keys.root", []byte(`{"root":7}`)); err != nil {
		t.Fatal(err)
	}
	v := w.open(t, root)
	if err := v.Locked(t.Context()); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("%v, want it locked", err)
	}
	unseals(t, v, app, sealed, "secret") // what is wrapped by a key that is known needs no word of which is in force
	if status, err := v.Status(t.Context()); err != nil || status.Locked == "" {
		t.Errorf("status: %+v, %v", status, err)
	}
}

// TestDamagedKeysNameTheirHolder, whatever is damaged: the record, the keys in it, or what was sealed with them.
func TestDamagedKeysNameTheirHolder(t *testing.T) {
	w := newWorld(t)
	v := w.open(t, newRoot(t))
	other := vault.Holder{App: 2}
	sealed := seal(t, v, vault.Holder{App: 1}, "secret")
	seal(t, v, other, "secret")
	check := func(what string, h vault.Holder, err error) {
		t.Helper()
		var damaged *vault.DamagedError
		if !errors.As(err, &damaged) || damaged.Holder != h || damaged.App() != h.App || !errors.Is(err, vault.ErrTampered) {
			t.Errorf("%s: %v, want the holder %s named", what, err, h)
		}
	}
	place := vault.Place{Event: "app.created.v1", Field: "key"}
	_, err := v.Unseal(t.Context(), other, place, sealed)
	check("what was sealed", other, err)
	_, err = v.Unseal(t.Context(), vault.Holder{App: 3}, place, sealed)
	check("keys that are gone", vault.Holder{App: 3}, err)
	if _, err := w.connect(t).Publish(t.Context(), "keys.app.2", []byte(`{`)); err != nil {
		t.Fatal(err)
	}
	await(t, "the damage is met", func() bool {
		_, err = v.Seal(t.Context(), other, place, vault.NewSecret([]byte("x")))
		return err != nil
	})
	check("the record", other, err)
}
