// Package usersig signs and verifies UserSigs: the credentials with which a user of an app signs in to the vendor's
// service. Both of the vendor's formats are here: HMAC-SHA256 (version 2.0) and ECDSA-SHA256 (legacy).
//
// A UserSig is JSON, compressed with zlib, in a base64 alphabet that survives in URLs. The package reads no clock and
// draws no random numbers of its own: ECDSA signatures are deterministic (RFC 6979).
package usersig

import (
	"bytes"
	"errors"
	"fmt"
)

// Algorithm names how a key signs. The names are stored and shown.
type Algorithm string

const (
	// HMAC is version 2.0: one secret that signs and verifies.
	HMAC Algorithm = "HMAC-SHA256"

	// ECDSA is the legacy format: a pair of keys on the curve P-256.
	ECDSA Algorithm = "ECDSA-SHA256"
)

const (
	// MaxUser bounds a user id, in characters.
	MaxUser = 32

	// MaxLifetime bounds the validity, in seconds: 50 years of 365 days.
	MaxLifetime = 50 * 365 * 24 * 60 * 60

	// MaxIssuedAt is the last second of the year 9999, in Unix seconds: no later time can be written as RFC 3339, and
	// adding MaxLifetime does not overflow.
	MaxIssuedAt = 253_402_300_799

	// MaxBuffer bounds what is signed along, in bytes. The vendor's own use of it, the permissions in a room, takes
	// 121 at most.
	MaxBuffer = 1024

	// MaxLength bounds a UserSig that is read, in characters. The longest that Sign makes has some 2,400; another
	// writer may not compress at all.
	MaxLength = 8 << 10
)

// Refusals of claims, 422 over HTTP. They do not repeat the values.
var (
	ErrUser     = fmt.Errorf("the user id must be 1 to %d characters of A-Z, a-z, 0-9, _ and -", MaxUser)
	ErrApp      = errors.New("the SDKAppID must not be 0")
	ErrIssuedAt = errors.New("the time of issue must be between the years 1970 and 9999")
	ErrLifetime = fmt.Errorf("the validity must be 1 to %d seconds (50 years)", MaxLifetime)
	ErrBuffer   = fmt.Errorf("the user buffer must be at most %d bytes", MaxBuffer)
)

// Claims is what a UserSig says.
type Claims struct {
	App      uint64 // SDKAppID
	User     string // see CheckUser
	IssuedAt int64  // Unix seconds, 0 to MaxIssuedAt
	Lifetime int64  // seconds, 1 to MaxLifetime
	Buffer   []byte // signed along, at most MaxBuffer; empty for none
}

// CheckUser gives ErrUser for what cannot be a user id.
func CheckUser(user string) error {
	if len(user) == 0 || len(user) > MaxUser {
		return ErrUser
	}
	for _, c := range []byte(user) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-':
		default:
			return ErrUser
		}
	}
	return nil
}

func (c Claims) check() error {
	switch {
	case c.App == 0:
		return ErrApp
	case c.IssuedAt < 0 || c.IssuedAt > MaxIssuedAt:
		return ErrIssuedAt
	case c.Lifetime < 1 || c.Lifetime > MaxLifetime:
		return ErrLifetime
	case len(c.Buffer) > MaxBuffer:
		return ErrBuffer
	}
	return CheckUser(c.User)
}

// Sign makes a UserSig. Errors are those of the claims above, and ErrNoKey for a zero key. The same claims and key
// give the same text.
func Sign(c Claims, key SigningKey) (string, error) {
	if err := c.check(); err != nil {
		return "", err
	}
	algorithm := key.Algorithm()
	if algorithm == "" {
		return "", ErrNoKey
	}
	d := newDocument(c, algorithm)
	var err error
	if d.signature, err = key.sign(d.text()); err != nil {
		return "", fmt.Errorf("usersig: sign: %w", err)
	}
	var packed bytes.Buffer
	if err := d.pack(&packed); err != nil {
		return "", fmt.Errorf("usersig: pack: %w", err)
	}
	return alphabet.EncodeToString(packed.Bytes()), nil
}
