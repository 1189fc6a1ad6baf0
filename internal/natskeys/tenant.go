package natskeys

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"sundial/internal/accountid"
)

// TenantCreds is the file with the credentials of a customer's clients: they publish command.<account>.* and hear
// lifecycle.<account>.> and their inbox, which may be any.
func TenantCreds(account string) string { return "tenant-" + account + ".creds" }

// AddTenant makes a NATS account for a customer's clients and writes their credentials into a folder that Write has
// written, with its seeds still in it. The servers know the account once they have read Resolver anew. An account that
// is there is left alone, with an error that is fs.ErrExist.
func AddTenant(dir, account string) error {
	if !accountid.Valid(account) {
		return errors.New("natskeys: that is no account: want lower case letters, digits, - and _, 63 at the most")
	}
	seeds, err := os.ReadFile(filepath.Join(dir, Seeds))
	if err != nil {
		return fmt.Errorf("natskeys: the keys that sign are needed, put %s back for this: %w", Seeds, err)
	}
	operator, err := seeded(seeds, "operator")
	if err != nil {
		return err
	}
	sundial, err := seeded(seeds, "sundial")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, Resolver)
	resolver, err := os.ReadFile(name) //nolint:gosec // the folder is the caller's
	if err != nil {
		return fmt.Errorf("natskeys: %w", err)
	}
	own := "TENANT-" + account
	if bytes.Contains(resolver, []byte("  # "+own+"\n")) {
		return fmt.Errorf("natskeys: %s has an account already: %w", account, fs.ErrExist)
	}
	before, ended := bytes.CutSuffix(resolver, []byte(preloadEnd))
	if !ended {
		return fmt.Errorf("natskeys: %s does not end as it was written; nothing was changed", name)
	}
	tenant, err := newKeys(nkeys.CreateAccount)
	if err != nil {
		return fmt.Errorf("natskeys: %w", err)
	}
	commands, events := jwt.Subject("command."+account+".*"), jwt.Subject("lifecycle."+account+".>")
	entry, err := preloaded(clientsAccount(tenant.public, own, sundial.public, door{commands, jwt.Service}, door{events, jwt.Stream}), operator)
	if err != nil {
		return fmt.Errorf("natskeys: %w", err)
	}
	creds, err := credentials(account, tenant, func(u *jwt.UserClaims) {
		u.Pub.Allow.Add(string(commands))
		u.Sub.Allow.Add(string(events), "_INBOX.>")
	})
	if err != nil {
		return fmt.Errorf("natskeys: %w", err)
	}
	// The resolver comes last here as well: credentials without an account let nobody in.
	seed := fmt.Appendf(seeds, "tenant-%s %s\n", account, tenant.seed)
	for _, f := range []struct {
		name string
		text []byte
		mode fs.FileMode
	}{
		{filepath.Join(dir, Seeds), seed, 0o600},
		{filepath.Join(dir, TenantCreds(account)), creds, 0o600},
		{name, append(append(before[:len(before):len(before)], entry...), preloadEnd...), 0o644},
	} {
		if err := replace(f.name, f.text, f.mode); err != nil {
			return fmt.Errorf("natskeys: %w", err)
		}
	}
	return nil
}

// replace writes a file whole or not at all: servers may read it at any moment.
func replace(name string, text []byte, mode fs.FileMode) error {
	beside := name + ".new"
	if err := os.WriteFile(beside, text, mode); err != nil {
		return err
	}
	return os.Rename(beside, name)
}

// seeded finds a key by its name among the seeds.
func seeded(seeds []byte, name string) (keys, error) {
	for line := range strings.Lines(string(seeds)) {
		if who, seed, _ := strings.Cut(strings.TrimSpace(line), " "); who == name {
			pair, err := nkeys.FromSeed([]byte(seed))
			if err != nil {
				return keys{}, fmt.Errorf("natskeys: the seed %q in %s cannot be read", name, Seeds)
			}
			return newKeys(func() (nkeys.KeyPair, error) { return pair, nil })
		}
	}
	return keys{}, fmt.Errorf("natskeys: %s lacks the seed %q", Seeds, name)
}
