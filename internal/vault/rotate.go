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
// leaves nothing on disk of what the old root key wrapped. Sealing and unsealing go on. The vault must know the old root key, and every other node
// both keys before it begins: see Config.Roots. When it returns, the old one is of no more use and can be
// destroyed.
//
// Progress is called with how many records were looked at, and of how many about; it may be nil. If Rotate fails or the process dies,
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
	seam, err := v.laySeam(ctx, to)
	if err != nil {
		return overtaken(to, err)
	}
	for range maxPasses {
		changed, err := v.moveAll(ctx, to, seam, progress)
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
		return v.cutSeam(ctx, seam)
	}
	return overtaken(to, errConflict)
}

// overtaken says so if two rotations met.
func overtaken(to Root, err error) error {
	if errors.Is(err, errConflict) {
		return fmt.Errorf("vault: the rotation to %s met another one; see the status, and repeat the one that is to count", to)
	}
	return err
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
	return overtaken(to, v.putRoot(ctx, to, sequence))
}

// moveAll goes through the records once, and tells how many it had to replace.
func (v *Vault) moveAll(ctx context.Context, to Root, seam uint64, progress func(done, total int)) (int, error) {
	var done, total, changed int
	for m, err := range v.store.walk(ctx, subjects, jetstream.DeliverLastPerSubjectPolicy, false) {
		if err != nil {
			return changed, err
		}
		did, err := v.move(ctx, m, to, seam)
		if err != nil {
			return changed, fmt.Errorf("moving %s: %w", m.subject, err)
		}
		if did {
			changed++
		}
		if done++; done == 1 {
			total = 1 + int(m.after)
		}
		progress(done, max(total, done))
	}
	return changed, nil
}

// move replaces a record that stands before the seam, or is wrapped by another root key.
func (v *Vault) move(ctx context.Context, m message, to Root, seam uint64) (bool, error) {
	if m.subject == seamSubject {
		return false, nil
	}
	if m.sequence > seam {
		if h, err := holderOf(m.subject); err == nil && h.Item == "" {
			return v.rewrap(ctx, h, to)
		}
		return false, nil
	}
	data, err := v.moved(ctx, m, to)
	if err != nil {
		return false, err
	}
	_, err = v.store.publish(ctx, m.subject, data, m.sequence)
	if errors.Is(err, errConflict) {
		return true, nil // what replaced it stands beyond the seam; the next pass looks at it
	}
	if err != nil {
		return false, err
	}
	return true, v.store.remove(ctx, m.sequence, v.store.stream.DeleteMsg)
}

// moved gives a record as it is to stand beyond the seam.
func (v *Vault) moved(ctx context.Context, m message, to Root) ([]byte, error) {
	if !ofHolder(m.subject) {
		return m.data, nil
	}
	h, err := holderOf(m.subject)
	if err != nil {
		return nil, err
	}
	r, err := decodeRecord(h, m.data)
	if err != nil {
		return nil, err
	}
	if h.Item != "" || r.Forgotten || r.Root == to.ID {
		return m.data, nil
	}
	fresh, err := v.wrappedAnew(ctx, h, r, to)
	if err != nil {
		return nil, err
	}
	return encode(fresh)
}

func (v *Vault) wrappedAnew(ctx context.Context, h Holder, r record, to Root) (record, error) {
	d, err := v.unwrap(ctx, h, r)
	if err != nil {
		return record{}, err
	}
	return d.wrap(h, to.ID, to.AEAD)
}

// rewrap wraps an app's keys with a root key, unless they are already or were destroyed.
func (v *Vault) rewrap(ctx context.Context, h Holder, to Root) (bool, error) {
	for range maxConflicts {
		r, sequence, err := v.store.record(ctx, h)
		if err != nil || sequence == 0 || r.Forgotten || r.Root == to.ID {
			return false, err
		}
		fresh, err := v.wrappedAnew(ctx, h, r, to)
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
