package vault

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
)

// maxRecord bounds a stored record, in bytes: two wrapped keysets take about 900; a key management service may add
// kilobytes of its own.
const maxRecord = 16 << 10

// record is what is stored for a holder: its wrapped keys, or that they were destroyed.
type record struct {
	Root        string `json:"root,omitzero"` // id of the root key that wraps them; none for an item, whose app's keys do
	Sealing     []byte `json:"sealing,omitempty"`
	Fingerprint []byte `json:"fingerprint,omitempty"`
	Forgotten   bool   `json:"forgotten,omitzero"`
}

// rootRecord says which root key is in force.
type rootRecord struct {
	Root  string `json:"root"`
	Check []byte `json:"check"` // what unwraps with the right key, whatever its id
}

func encode(r any) ([]byte, error) {
	data, err := json.Marshal(r, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	if len(data) > maxRecord {
		return nil, fmt.Errorf("vault: wrapped keys take %d bytes, more than %d", len(data), maxRecord)
	}
	return data, nil
}

var errRecord = errors.New("vault: a stored record cannot be read; was it written by a later version?")

// decodeRecord reads a holder's record. It is strict: what it does not know could be a restriction that a later
// version writes. The errors do not repeat what is stored.
func decodeRecord(h Holder, data []byte) (record, error) {
	var r record
	if len(data) > maxRecord || json.Unmarshal(data, &r, json.RejectUnknownMembers(true)) != nil {
		return record{}, fmt.Errorf("%w (holder %s)", errRecord, h)
	}
	keys := len(r.Sealing) > 0 && len(r.Fingerprint) > 0
	none := r.Root == "" && len(r.Sealing) == 0 && len(r.Fingerprint) == 0
	wrapped := keys && (h.Item != "") == (r.Root == "") && len(r.Root) <= maxRootID
	if r.Forgotten && !none || !r.Forgotten && !wrapped {
		return record{}, fmt.Errorf("%w (holder %s)", errRecord, h)
	}
	return r, nil
}

func decodeRootRecord(data []byte) (rootRecord, error) {
	var r rootRecord
	if len(data) > maxRecord || json.Unmarshal(data, &r, json.RejectUnknownMembers(true)) != nil ||
		r.Root == "" || len(r.Root) > maxRootID || len(r.Check) == 0 {
		return rootRecord{}, fmt.Errorf("%w: %w (the root key in force): restore the stream of keys from a backup", ErrLocked, errRecord)
	}
	return r, nil
}
