package auth

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
)

// maxRecord bounds a stored token, in bytes: a name of 64 characters of 4 bytes, an account of 63, and the rest.
const maxRecord = 1024

// record is a token as it is stored, under its id.
type record struct {
	Hash      string    `json:"hash"` // SHA-256 of the secret, hex
	Role      Role      `json:"role"`
	Account   string    `json:"account,omitzero"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
}

// entry is a token as a node holds it: with the hash it is found by and the revision that it was read at.
type entry struct {
	Token
	hash     digest
	revision uint64
}

func (e *entry) encode() ([]byte, error) {
	return json.Marshal(record{
		Hash: hex.EncodeToString(e.hash[:]), Role: e.Role, Account: e.Account, Name: e.Name,
		CreatedAt: e.CreatedAt, ExpiresAt: e.ExpiresAt, RevokedAt: e.RevokedAt,
	}, json.Deterministic(true))
}

// decode reads what encode wrote. It is strict, unknown members included: what it does not know could be a restriction
// that a later version writes, so a record that is not understood lets nobody in.
func decode(id string, revision uint64, data []byte) (*entry, error) {
	var r record
	if len(data) > maxRecord {
		return nil, fmt.Errorf("auth: token %s: %d bytes, more than %d", id, len(data), maxRecord)
	}
	if err := json.Unmarshal(data, &r, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("auth: token %s: %w", id, err)
	}
	e := &entry{revision: revision, Token: Token{
		ID: id, Role: r.Role, Account: r.Account, Name: r.Name,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, RevokedAt: r.RevokedAt,
	}}
	hash, err := hex.DecodeString(r.Hash)
	if err != nil || copy(e.hash[:], hash) != len(hash) || len(hash) != len(e.hash) {
		return nil, fmt.Errorf("auth: token %s: its hash is not a SHA-256 in hex", id)
	}
	if e.hash.id() != id {
		return nil, fmt.Errorf("auth: token %s: it is stored under an id that is not its own", id)
	}
	if bound, known := bindings[r.Role]; !known || bound != (r.Account != "") {
		return nil, fmt.Errorf("auth: token %s: its role and account do not go together", id)
	}
	return e, nil
}
