package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sundial/internal/secrets"
	"sundial/internal/vault"
)

// Root keys in a data directory.
const (
	RootFile     = "root.key"      // made at the first start, unless one is named
	nextRootFile = "root.key.next" // while it is rotated
)

// openVault opens the keeper of the apps' secrets with the root key that is named, or with the one in the data directory.
// Without the right one everything else is served.
func (l *instance) openVault(ctx context.Context) error {
	config := vault.Config{
		JetStream: l.js, Replicas: l.config.Replicas, Logger: l.config.Logger, Registerer: l.metrics,
	}
	names, named := l.config.RootKeys, len(l.config.RootKeys) > 0
	if !named {
		names = []string{l.dir.file(RootFile), l.dir.file(nextRootFile)}
		config.CreateRoot = l.createRoot
	}
	for _, name := range names {
		root, err := vault.ReadRootFile(name)
		switch {
		case err == nil:
			config.Roots = append(config.Roots, root)
		case !named && errors.Is(err, fs.ErrNotExist):
		default: // a wrong key, or none, keeps secrets shut and nothing else
			l.config.Logger.Error("the root key cannot be read", "file", name, "error", err)
			config.CreateRoot = nil
		}
	}
	var err error
	if l.vault, err = vault.Open(ctx, config); err != nil {
		return err
	}
	l.onClose(l.vault.Close)
	return nil
}

// createRoot makes the root key of a first start. Who has a backup of the directory has the key too, so it is to be moved.
func (l *instance) createRoot() (vault.Root, error) {
	name := l.dir.file(RootFile)
	root, err := vault.CreateRootFile(name)
	if err != nil {
		return vault.Root{}, err
	}
	l.config.Logger.Warn("A ROOT KEY WAS MADE: it opens every secret. Move it out of the data directory and its backups, keep a copy "+
		"in a safe place, and start with --root-key file:PATH. Without it no secret can be read again.", "file", name, "id", root.ID)
	return root, nil
}

// openKeeper gives the engine's secrets a keeper, which also destroys what a crash kept from being destroyed.
func (l *instance) openKeeper() *secrets.Keeper {
	keeper := secrets.New(secrets.Config{Engine: l.engine, Store: l.store, Vault: l.vault, Random: rand.Reader, Logger: l.config.Logger})
	l.work("the destruction of keys", keeper.Run)
	return keeper
}

// secretsCheck says in /readyz whether secrets can be opened; a node without them serves everything else.
func (l *instance) secretsCheck(ctx context.Context) (string, error) {
	if err := l.vault.Locked(ctx); err != nil {
		return err.Error(), nil
	}
	return "", nil
}

// rotateRoot wraps every app's keys with another root key: the one named, or a new one that takes the place of the one in
// the data directory.
func (l *instance) rotateRoot(ctx context.Context, to string, progress func(done, total uint64)) error {
	told := func(done, total int) { progress(uint64(done), uint64(total)) }
	if to != "" {
		root, err := vault.ReadRootFile(to)
		if err != nil {
			return err
		}
		return l.vault.Rotate(ctx, root, told)
	}
	if len(l.config.RootKeys) > 0 {
		return errors.New("the root key in force was named with --root-key\n  fix: make another, and name it with --to file:PATH")
	}
	serving, next := l.dir.file(RootFile), l.dir.file(nextRootFile)
	root, err := vault.ReadRootFile(next) // a rotation that was cut short goes on
	if errors.Is(err, fs.ErrNotExist) {
		root, err = vault.CreateRootFile(next)
	}
	if err != nil {
		return err
	}
	if err := l.vault.Rotate(ctx, root, told); err != nil {
		return fmt.Errorf("%w\n  fix: run it again; it goes on where it was", err)
	}
	if err := os.Rename(next, serving); err != nil {
		return fmt.Errorf("every key is wrapped with the new root key, but it could not be put in its place: %w\n  fix: rename %s to %s", err, next, serving)
	}
	return nil
}
