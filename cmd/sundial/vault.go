package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"

	"sundial/internal/server"
	"sundial/internal/vault"
)

// vaultCmd are the verbs on the root key that opens the secrets of all apps.
type vaultCmd struct {
	Status     vaultStatusCmd     `cmd:"" help:"Say whether secrets can be opened, and what there is."`
	RotateRoot vaultRotateRootCmd `cmd:"" help:"Put another root key in force, while the engine serves."`
	CreateRoot vaultCreateRootCmd `cmd:"" help:"Make a root key in a new file."`
}

type vaultStatusCmd struct {
	Data string `help:"The data directory of an engine that serves on this machine." default:"data" env:"SUNDIAL_DATA" placeholder:"DIR"`
	JSON bool   `help:"Print JSON." name:"json"`
}

// Help tells who may.
func (*vaultStatusCmd) Help() string {
	return `Takes no token: it asks the engine over the socket in its data directory. Exit code 1 if secrets are locked.`
}

// Run shows how the vault stands.
func (v *vaultStatusCmd) Run(ctx context.Context, c *console) error {
	s, err := server.ServingFrom(v.Data).VaultStatus(ctx)
	if err != nil {
		return notServing(v.Data, err)
	}
	if v.JSON {
		text, err := json.Marshal(s, json.Deterministic(true))
		if err != nil {
			return err
		}
		c.say(string(text))
	} else {
		c.showVault(&s)
	}
	if s.Locked != "" {
		return errSilent
	}
	return nil
}

func (c *console) showVault(s *vault.Status) {
	open := "open"
	if s.Locked != "" {
		open = "locked"
	}
	rows := [][2]string{{"secrets", open}, {"root key", s.Root}}
	for _, root := range slices.Sorted(maps.Keys(s.Apps)) {
		rows = append(rows, [2]string{"apps with keys", fmt.Sprintf("%d, wrapped by root key %s", s.Apps[root], root)})
	}
	for _, holder := range s.Damaged {
		rows = append(rows, [2]string{"damaged", holder})
	}
	c.pairs(append(rows, [][2]string{
		{"certificates with keys", strconv.Itoa(s.Items)},
		{"destroyed", strconv.Itoa(s.Forgotten)},
		{"hears other nodes", yesNo(s.Following)},
	}...))
	if s.Locked != "" {
		c.say("\n" + s.Locked)
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// notServing tells what to do where no engine can be asked; other errors it leaves as they are.
func notServing(data string, err error) error {
	if !errors.Is(err, server.ErrNotServing) {
		return err
	}
	return fmt.Errorf("%s: %w\n  fix: start the engine, and name its data directory with --data", data, err)
}

type vaultRotateRootCmd struct {
	Data string `help:"The data directory of an engine that serves on this machine." default:"data" env:"SUNDIAL_DATA" placeholder:"DIR"`
	To   string `help:"The root key to put in force; absent: a new one, in the place of the one in the data directory." placeholder:"file:PATH"`
}

// Help shows how.
func (*vaultRotateRootCmd) Help() string {
	return `The keys of every app are wrapped with the other root key, and what the old one wrapped is removed from the disk. Nothing stops meanwhile; a rotation that was cut short goes on when it is given again. docs/secrets.md tells what to do on several nodes.

Examples:

    sundial vault rotate-root
    sundial vault create-root ROOT.KEY && sundial vault rotate-root --to file:ROOT.KEY`
}

// Run rotates the root key, and tells what is left to do.
func (v *vaultRotateRootCmd) Run(ctx context.Context, c *console) error {
	to := ""
	if v.To != "" {
		named, err := keyFile("--to", v.To)
		if err != nil {
			return err
		}
		if to, err = filepath.Abs(named); err != nil { // the engine has a working directory of its own
			return err
		}
	}
	b := newBar(c.err, "wrapping keys")
	err := server.ServingFrom(v.Data).RotateRoot(ctx, to, b.set)
	b.close()
	switch {
	case err != nil:
		return notServing(v.Data, err)
	case to == "":
		c.say("the new root key is in force: " + filepath.Join(v.Data, server.RootFile) + `
next: 1. keep a copy of it in a safe place, away from backups of the data directory: without it no secret can be read again
      2. destroy copies of the old one, once no backup from before this rotation is kept that would need it`)
	default:
		c.say("the root key in " + to + ` is in force
next: 1. start the engine with --root-key file:` + to + ` from now on, on every node; a start with the old one alone leaves secrets locked
      2. keep a copy of it in a safe place, away from backups of the data directory
      3. destroy the old one and its copies, once no backup from before this rotation is kept that would need it`)
	}
	return nil
}

type vaultCreateRootCmd struct {
	Path      string `arg:"" help:"The new file; one that is there is never replaced."`
	IfMissing bool   `help:"Do nothing if the file is there already."`
}

// Help shows how.
func (*vaultCreateRootCmd) Help() string {
	return `Example:

    sundial vault create-root /etc/sundial/root.key && sundial serve --root-key file:/etc/sundial/root.key`
}

// Run makes the file, which only its owner can read.
func (v *vaultCreateRootCmd) Run(c *console) error {
	root, err := vault.CreateRootFile(v.Path)
	switch {
	case errors.Is(err, fs.ErrExist) && v.IfMissing:
		c.say(v.Path + " is there already")
		return nil
	case err != nil:
		return err
	}
	c.after = "root key " + root.ID + " was made in " + v.Path + ": keep a copy of it in a safe place"
	c.say("made root key " + root.ID + " in " + v.Path + `
next: 1. keep a copy of it in a safe place, away from backups of the data directory: without it no secret can be read again
      2. start every node with --root-key file:` + v.Path + `; an engine that has another root key in force takes this one by vault rotate-root --to`)
	return nil
}
