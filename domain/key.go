package domain

import "slices"

// Algorithm is how UserSigs are signed (docs/keys.md, "Two algorithms").
type Algorithm string

// The algorithms.
const (
	HMAC  Algorithm = "HMAC-SHA256"  // one secret signs and verifies
	ECDSA Algorithm = "ECDSA-SHA256" // a key pair; that of apps made before HMACSince
)

// HMACSince is from when on apps are made with HMAC keys, 2019-08-15. Older ones, which come by import, have a pair.
const HMACSince = Instant(1_565_827_200_000)

// MaxKeys bounds the keys of an app that verify at once: the present one and those that overlap with it.
const MaxKeys = 5

// Key signs and verifies an app's UserSigs. Its secret is sealed: only the vault opens it.
type Key struct {
	ID        int       `json:"id"` // 1 is the app's first, then counted up
	Algorithm Algorithm `json:"algorithm"`
	CreatedAt Instant   `json:"created_at"`
	Public    string    `json:"public,omitzero"`  // PEM, the public half of a pair
	Print     []byte    `json:"print,omitzero"`   // tells whether a secret that is given is this one, and nothing else
	Sealed    []byte    `json:"sealed,omitzero"`  // the secret, or the private half of a pair
	Until     Instant   `json:"until,omitzero"`   // from when on it verifies nothing; absent while no end is set
	Episode   uint64    `json:"episode,omitzero"` // the account's version at which the end was set
}

// shown is the key for those outside: without what is sealed, and without what tells secrets apart.
func (k Key) shown() Key {
	k.Sealed, k.Print = nil, nil
	return k
}

// NewKey is a key that was made or given, sealed. What retries of one command cannot repeat is no part of its content.
type NewKey struct {
	Algorithm Algorithm `json:"algorithm"`
	Public    string    `json:"public,omitzero"`
	Print     []byte    `json:"print,omitzero"`
	Sealed    []byte    `json:"-"`
}

// KeyAlgorithm is how new UserSigs of the app are signed. An app whose key was not needed yet has the one of its time.
func (a *App) KeyAlgorithm() Algorithm {
	switch key := a.CurrentKey(); {
	case key != nil:
		return key.Algorithm
	case a.CreatedAt < HMACSince:
		return ECDSA
	}
	return HMAC
}

// CurrentKey is the key that signs; nil for an app whose key was not needed yet, and for a deleted one.
func (a *App) CurrentKey() *Key {
	if len(a.Keys) == 0 {
		return nil
	}
	return &a.Keys[len(a.Keys)-1]
}

// KeyCreatedAt is since when the app has its present key: one that was not needed yet counts as old as the app.
func (a *App) KeyCreatedAt() Instant {
	if key := a.CurrentKey(); key != nil {
		return key.CreatedAt
	}
	return a.CreatedAt
}

// nextKey numbers a key that the app gets now.
func (d *draft) nextKey(app *App, k NewKey) Key {
	return Key{
		ID: app.KeysIssued + 1, Algorithm: k.Algorithm, CreatedAt: d.at.Now, Public: k.Public, Print: k.Print, Sealed: k.Sealed,
	}
}

// addKey makes a key the present one.
func (a *App) addKey(k Key) {
	a.Keys = append(slices.Clip(a.Keys), k)
	a.KeysIssued = max(a.KeysIssued, k.ID)
}

// dropKey takes a key out of force.
func (a *App) dropKey(id int) {
	a.Keys = slices.DeleteFunc(slices.Clone(a.Keys), func(k Key) bool { return k.ID == id })
}

// keyDue is the first key that time takes out of force.
func (a *App) keyDue() *Key {
	var first *Key
	for i := range a.Keys {
		if k := &a.Keys[i]; k.Until != 0 && (first == nil || k.Until < first.Until) {
			first = k
		}
	}
	return first
}
