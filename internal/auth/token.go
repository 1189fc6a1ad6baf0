// Package auth knows who is calling and what they may do: opaque bearer tokens, kept as hashes in JetStream where every node
// follows them, and one table of roles, commands and routes that HTTP and NATS both go by.
package auth

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sundial/internal/accountid"
)

const (
	// MaxTokens bounds the tokens that are kept, the revoked and expired ones among them: some 4 MB of memory on
	// every node, and a list that a person can still judge.
	MaxTokens = 10_000

	// MaxName bounds a token's name, in characters; it labels a row of a table.
	MaxName = 64

	// forgetAfter is how long a token that was revoked or expired is remembered at least, before its place is
	// given away: longer than any node serves while cut off from the others, so that none takes it for valid.
	forgetAfter = 24 * time.Hour
)

// Refusals of a secret, all 401 over HTTP.
var (
	ErrNoToken  = errors.New("no token: send the header Authorization: Bearer sundial_..., with a token that an operator made")
	ErrBadToken = errors.New("no such token: check that it was copied whole, or ask an operator for a new one")
	ErrExpired  = errors.New("the token has expired: ask an operator for a new one")
	ErrRevoked  = errors.New("the token was revoked: ask an operator for a new one")
)

// Refusals of a command on tokens.
var (
	// ErrUnknownToken means that no token has that id, 404 over HTTP.
	ErrUnknownToken = errors.New("no token has this id: GET /v1/tokens lists them")

	// ErrTooManyTokens means that MaxTokens are kept and none of them can be forgotten yet, 409 over HTTP.
	ErrTooManyTokens = fmt.Errorf("there are %d tokens, as many as there may be: revoke some that are not used; "+
		"their places are free %s later", MaxTokens, forgetAfter)
)

// InvalidError lists what is wrong with a new token, 422 over HTTP. It does not repeat the values sent.
type InvalidError struct{ Fields []FieldError }

// FieldError says what is wrong with one field, named as in JSON.
type FieldError struct{ Field, Reason string }

func (e *InvalidError) Error() string {
	var parts []string
	for _, f := range e.Fields {
		parts = append(parts, f.Field+": "+f.Reason)
	}
	return "the token is not valid: " + strings.Join(parts, "; ")
}

// NewToken is what a token is made from.
type NewToken struct {
	Role      Role
	Account   string    // the one account of an owner or a reader; empty for the other roles
	Name      string    // 1 to MaxName characters that say what uses it
	ExpiresAt time.Time // zero: never
}

// Token is what may be known of a token by those who may list them. Its secret is not among it.
type Token struct {
	ID        string // public, "tok_..."
	Role      Role
	Account   string
	Name      string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	RevokedAt time.Time // zero: it was not
}

// deadAt is when the token stopped or stops to work; the zero time if it never does.
func (t Token) deadAt() time.Time {
	if !t.RevokedAt.IsZero() && (t.ExpiresAt.IsZero() || t.RevokedAt.Before(t.ExpiresAt)) {
		return t.RevokedAt
	}
	return t.ExpiresAt
}

// works tells whether the token is accepted at a time. It is not from the instant on at which it expires.
func (t Token) works(at time.Time) bool {
	dead := t.deadAt()
	return dead.IsZero() || at.Before(dead)
}

// Principal is who is calling: a token, and what it stands for.
type Principal struct {
	TokenID string
	Role    Role
	Account string // of an owner or a reader
	Name    string
}

// validate answers with an *InvalidError that names every field that is wrong.
func (n NewToken) validate(now time.Time) error {
	var wrong []FieldError
	say := func(field, reason string) { wrong = append(wrong, FieldError{field, reason}) }

	bound, known := bindings[n.Role]
	switch {
	case !known:
		say("role", "want one of "+roleNames())
	case bound && !accountid.Valid(n.Account):
		say("account", "want the account that the token is for: a-z, 0-9, _ and -, at most 63, the first a letter or a digit")
	case !bound && n.Account != "":
		say("account", "leave it out: a token of this role is not for one account")
	}
	switch count := utf8.RuneCountInString(n.Name); {
	case !utf8.ValidString(n.Name) || strings.IndexFunc(n.Name, unicode.IsControl) >= 0:
		say("name", "want UTF-8 without control characters")
	case count == 0 || count > MaxName:
		say("name", fmt.Sprintf("want 1 to %d characters", MaxName))
	case !visible(n.Name):
		say("name", "want a character that can be seen: this has only blanks, or characters without width")
	}
	if !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(now) {
		say("expires_at", "want a time to come, or leave it out")
	}
	if wrong != nil {
		return &InvalidError{wrong}
	}
	return nil
}

// visible refuses what shows nothing, as the names of apps are refused; a rule of the domain's own, which this room may not
// import.
func visible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsSpace(r) && r != brailleBlank &&
			!unicode.In(r, unicode.Zs, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
	})
}

const brailleBlank = '\u2800'
