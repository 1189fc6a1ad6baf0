package vault

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/damage"
	"sundial/internal/streams"
)

// The codes of what can be wrong with the keys, stable.
const (
	keyLost       = "key_lost"       // the stream has a message that it cannot give
	keyUnreadable = "key_unreadable" // a record is none, or does not open with the root key in force
	keyMissing    = "key_missing"    // of something that has secrets in the log
	rootUnknown   = "root_unknown"   // the stream does not say which root key is in force, though it has keys
	rootWrong     = "root_wrong"     // what is given as the root key in force is another key
)

const (
	fixKeys = "stop, keep a copy of the data directory, restore the stream of keys from the latest backup (the newest copy of it has the most keys); " +
		"where there is none, have the secrets set anew: rotate the app's key, edit its certificates"
	fixRoot = "find the file of the root key in force (it is not in a backup of the data), and name it with --root-key"
)

// where is the stream in findings.
const where = "nats/" + streamName

// Verify goes through all stored keys, without opening a vault: every record is there, reads, and opens with the root key in force
// where that is among the roots. needed are the holders that have secrets, by what the log says. An error says that it could not
// be looked.
func Verify(ctx context.Context, js jetstream.JetStream, roots []Root, needed iter.Seq[Holder]) (found []damage.Finding, err error) {
	add := func(code string, sequence uint64, problem, fix string) {
		found = append(found, damage.Finding{Code: code, Where: where, Position: sequence, Problem: problem, Fix: fix})
	}
	v := verification{add: add, latest: map[string]streams.Message{}}
	there, err := streams.Visit(ctx, js, streamName, func(m *streams.Message) {
		v.latest[m.Subject] = *m // an older one that a crash left is overwritten at the next start
	}, func(sequence uint64) { found = append(found, damage.Lost(keyLost, where, sequence, fixKeys)) })
	if err != nil {
		return nil, unavailable("verifying the keys", err)
	}
	if !there {
		for h := range needed {
			add(keyMissing, 0, fmt.Sprintf("the stream of keys is gone, and %s and others have secrets", h), fixKeys)
			break
		}
		return found, nil
	}
	v.roots(roots)
	v.records()
	for h := range needed {
		if _, has := v.latest[h.subject()]; !has {
			add(keyMissing, 0, fmt.Sprintf("the keys of %s are missing, which has secrets", h), fixKeys)
		}
	}
	return found, nil
}

// verification is what is known of the stream while it is verified.
type verification struct {
	add    func(code string, sequence uint64, problem, fix string)
	latest map[string]streams.Message
	root   *Root // in force, if it is given
}

// roots finds the root key in force among those that are given.
func (v *verification) roots(given []Root) {
	m, has := v.latest[rootSubject]
	if !has {
		if len(v.latest) > 0 {
			v.add(rootUnknown, 0, "the stream does not say which root key is in force", fixKeys)
		}
		return
	}
	r, err := decodeRootRecord(m.Data)
	if err != nil {
		v.add(rootUnknown, m.Sequence, err.Error(), fixKeys)
		return
	}
	for _, root := range given {
		if root.ID != r.Root {
			continue
		}
		if _, err := root.AEAD.Decrypt(r.Check, bind(forCheck, r.Root)); err != nil {
			v.add(rootWrong, m.Sequence, fmt.Sprintf("what is given as root key %s is another key, or the record of it is damaged", r.Root), fixRoot)
			return
		}
		v.root = &root
		return
	}
	if len(given) > 0 {
		v.add(rootWrong, m.Sequence, fmt.Sprintf("the root key %s is in force, and is not the one that is given", r.Root), fixRoot)
	}
}

// records reads every holder's, apps before what is in them.
func (v *verification) records() {
	opened := map[Holder]*keys{}
	for _, items := range []bool{false, true} {
		for subject, m := range v.latest {
			if !ofHolder(subject) {
				continue
			}
			h, err := holderOf(subject)
			if err != nil {
				if !items {
					v.add(keyUnreadable, m.Sequence, err.Error(), fixKeys)
				}
				continue
			}
			if (h.Item != "") != items {
				continue
			}
			if err := v.record(h, m.Data, opened); err != nil {
				v.add(keyUnreadable, m.Sequence, fmt.Sprintf("the keys of %s: %v", h, err), fixKeys)
			}
		}
	}
}

var errSealed = errors.New("they do not open with the keys that wrap them")

func (v *verification) record(h Holder, data []byte, opened map[Holder]*keys) error {
	r, err := decodeRecord(h, data)
	if err != nil || r.Forgotten || v.root == nil {
		return err
	}
	by := v.root.AEAD
	if h.Item != "" {
		app := opened[h.app()]
		if app == nil {
			return nil // forgotten, or told of already
		}
		by = app.sealing
	} else if r.Root != v.root.ID {
		return nil // a rotation is under way, or was cut short
	}
	wrapped, err := unwrap(h, r, by)
	if err != nil {
		return errSealed
	}
	k, err := wrapped.keys()
	if err != nil {
		return err
	}
	opened[h] = k
	return nil
}
