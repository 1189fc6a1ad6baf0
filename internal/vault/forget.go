package vault

import (
	"context"
	"errors"
	"math"

	"github.com/nats-io/nats.go/jetstream"
)

// Forget destroys the keys of a holder for ever, those of all its items too if it is an app; nothing can be sealed for
// it any more. It needs no root key. Forgetting again, or what never had keys, is the same. If it fails, ErrUnavailable,
// it may have been done in part: repeat it.
func (v *Vault) Forget(ctx context.Context, h Holder) error {
	return v.metrics.count("forget", v.forget(ctx, h))
}

func (v *Vault) forget(ctx context.Context, h Holder) error {
	if err := h.check(); err != nil {
		return err
	}
	if err := v.bury(ctx, h); err != nil {
		return err
	}
	v.cache.drop(h)
	if h.Item != "" {
		return nil
	}
	// Without the app's keys these are unreadable already, and its record answers for them.
	return v.store.eraseBelow(ctx, h.itemSubjects()+"*", math.MaxUint64)
}

// bury puts in the place of a holder's keys that they were destroyed. That record stays, so that nobody who is late
// makes new ones.
func (v *Vault) bury(ctx context.Context, h Holder) error {
	for range maxConflicts {
		m, err := v.store.last(ctx, h.subject())
		if err != nil {
			return err
		}
		// A record that cannot be read is replaced all the same.
		if r, err := decodeRecord(h, m.data); err == nil && r.Forgotten {
			return v.store.eraseBelow(ctx, m.subject, m.sequence)
		}
		err = v.store.put(ctx, m.subject, record{Forgotten: true}, m.sequence)
		if !errors.Is(err, errConflict) {
			return err
		}
	}
	return unavailable("destroying keys", errConflict)
}

// Holders calls found for every app and item that has keys, in no particular order, until it fails. One whose keys are made or
// destroyed meanwhile may be left out or not.
func (v *Vault) Holders(ctx context.Context, found func(Holder) error) error {
	for m, err := range v.store.walk(ctx, subjects, jetstream.DeliverLastPerSubjectPolicy, false) {
		if err != nil {
			return err
		}
		if !ofHolder(m.subject) {
			continue
		}
		h, err := holderOf(m.subject)
		if err != nil {
			return err
		}
		if h == theLog {
			continue
		}
		// A record that cannot be read may hold keys.
		if r, err := decodeRecord(h, m.data); err == nil && r.Forgotten {
			continue
		}
		if err := found(h); err != nil {
			return err
		}
	}
	return nil
}
