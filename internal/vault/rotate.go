package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// maxPasses bounds how often a rotation goes through the apps. The second pass finds nothing, unless somebody else
// rotates too.
const maxPasses = 5

// Rotate puts a root key in force, wraps the keys of every app with it (an item's are wrapped by its app's), and
// overwrites what the old root key wrapped. Sealing and unsealing go on. The vault must know the old root key, and every other node
// both keys before it begins: see Config.Roots. When it returns, the old one is of no more use and can be
// destroyed.
//
// Progress is told how many records were looked at, and of how many about; it may be nil. If Rotate fails or the process dies,
// repeat it with the same root key: it goes on where it was. It answers ErrLocked if a root key that is needed is not known.
func (v *Vault) Rotate(ctx context.Context, to Root, progress func(done, total int)) error {
	v.rotating.Lock()
	defer v.rotating.Unlock()
	if progress == nil {
		progress = func(int, int) {}
	}
	if err := v.addRoot(to); err != nil {
		return err
	}
	if err := v.putInForce(ctx, to); err != nil {
		return err
	}
	for range maxPasses {
		changed, err := v.rewrapAll(ctx, to, progress)
		if err != nil {
			return err
		}
		if changed > 0 {
			continue
		}
		current, _, err := v.currentRoot(ctx)
		if err != nil {
			return err
		}
		if current.ID != to.ID {
			break
		}
		return v.store.eraseSuperseded(ctx)
	}
	return fmt.Errorf("vault: the rotation to %s was overtaken by another; repeat the one that is to count", to)
}

// putInForce makes a root key the one that new keys are wrapped with.
func (v *Vault) putInForce(ctx context.Context, to Root) error {
	r, sequence, err := v.store.root(ctx)
	if err != nil {
		return err
	}
	if sequence > 0 {
		// Whoever rotates shows that the old key is there, before anything depends on the new one.
		if _, _, err := v.currentRoot(ctx); err != nil {
			return err
		}
	}
	if r.Root == to.ID {
		return nil
	}
	err = v.putRoot(ctx, to, sequence)
	if errors.Is(err, errConflict) {
		return errors.New("vault: another rotation began at the same moment; see the status, and repeat the one that is to count")
	}
	return err
}

// rewrapAll goes through the apps once, and tells how many were wrapped by another root key.
func (v *Vault) rewrapAll(ctx context.Context, to Root, progress func(done, total int)) (int, error) {
	var done, total, changed int
	for m, err := range v.store.walk(ctx, appSubjects, jetstream.DeliverLastPerSubjectPolicy, false) {
		if err != nil {
			return changed, err
		}
		h, err := holderOf(m.subject)
		if err != nil {
			return changed, err
		}
		r, err := decodeRecord(h, m.data)
		if err != nil {
			return changed, err
		}
		if !r.Forgotten && r.Root != to.ID {
			did, err := v.rewrap(ctx, h, to)
			if err != nil {
				return changed, err
			}
			if did {
				changed++
			}
		}
		if done++; done == 1 {
			total = 1 + int(m.after)
		}
		progress(done, max(total, done))
	}
	return changed, nil
}

// rewrap wraps an app's keys with a root key, unless they are already or were destroyed.
func (v *Vault) rewrap(ctx context.Context, h Holder, to Root) (bool, error) {
	for range maxConflicts {
		r, sequence, err := v.store.record(ctx, h)
		if err != nil || sequence == 0 || r.Forgotten || r.Root == to.ID {
			return false, err
		}
		d, err := v.unwrap(ctx, h, r)
		if err != nil {
			return false, fmt.Errorf("wrapping the keys of %s with %s: %w", h, to, err)
		}
		fresh, err := d.wrap(h, to.ID, to.AEAD)
		if err != nil {
			return false, err
		}
		err = v.store.put(ctx, h.subject(), fresh, sequence)
		if !errors.Is(err, errConflict) {
			return err == nil, err
		}
	}
	return false, unavailable("wrapping keys anew", errConflict)
}
