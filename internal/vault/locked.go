package vault

import "context"

// Locked gives ErrLocked, with what to do, while the root key in force is not known or not right; else nil, or
// ErrUnavailable.
func (v *Vault) Locked(ctx context.Context) error {
	_, _, err := v.currentRoot(ctx)
	return err
}
