package vault

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// Status is what there is to say of a vault.
type Status struct {
	Root      string         `json:"root"`              // id of the root key in force; empty if none ever was
	Locked    string         `json:"locked"`            // why the vault is locked and what to do; empty if it is not
	Apps      map[string]int `json:"apps"`              // apps with keys, by the id of the root key that wraps them: one id, but during a rotation
	Items     int            `json:"items"`             // things in apps with keys, which their app's keys wrap
	Forgotten int            `json:"forgotten"`         // holders whose keys were destroyed; the items of a forgotten app do not count
	Damaged   []string       `json:"damaged,omitempty"` // holders whose record cannot be read, the first hundred
	Cached    int            `json:"cached"`            // holders whose keys this vault has in memory
	Following bool           `json:"following"`         // whether this vault hears what happens on other nodes
}

// maxDamaged bounds the holders that are named: whoever reads a hundred restores the stream.
const maxDamaged = 100

// Status reads every record, which takes seconds for a million of them.
func (v *Vault) Status(ctx context.Context) (Status, error) {
	s := Status{Apps: map[string]int{}}
	s.Cached, s.Following = v.cache.state()
	r, _, err := v.store.root(ctx)
	if err != nil && !errors.Is(err, ErrLocked) {
		return Status{}, err
	}
	s.Root = r.Root
	if _, _, err := v.currentRoot(ctx); errors.Is(err, ErrLocked) {
		s.Locked = err.Error()
	} else if err != nil {
		return Status{}, err
	}
	for m, err := range v.store.walk(ctx, subjects, jetstream.DeliverLastPerSubjectPolicy, false) {
		if err != nil {
			return Status{}, err
		}
		if !ofHolder(m.subject) {
			continue
		}
		h, err := holderOf(m.subject)
		if err != nil {
			return Status{}, err
		}
		r, err := decodeRecord(h, m.data)
		switch {
		case err != nil:
			if len(s.Damaged) < maxDamaged {
				s.Damaged = append(s.Damaged, h.String())
			}
		case h == theLog: // its keys are always there
		case r.Forgotten:
			s.Forgotten++
		case h.Item != "":
			s.Items++
		default:
			s.Apps[r.Root]++
		}
	}
	return s, nil
}
