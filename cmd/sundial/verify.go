package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/go-json-experiment/json"

	"sundial/domain"
	"sundial/internal/damage"
	"sundial/internal/server"
	"sundial/internal/terminal"
)

type verifyCmd struct {
	Data    string   `help:"The data directory, whether an engine serves from it or not." default:"data" env:"SUNDIAL_DATA" placeholder:"DIR"`
	RootKey []string `help:"The root key that opens secrets, file:PATH, to see whether all keys open; absent: root.key in the data directory, if it is there." name:"root-key" env:"SUNDIAL_ROOT_KEY" placeholder:"file:PATH"`
	JSON    bool     `help:"Print JSON." name:"json"`
	outsideFlags
}

// Help shows how.
func (*verifyCmd) Help() string {
	return `Reads everything that is kept: the log with its chain and every event in it, numbers, tokens, keys, bills that wait, what is parked, what was published, the archive, the clock, what is served, and the files and leases of the nodes. Each damage is told with a stable code, the file or stream, the position in it, and what to do. Nothing is changed, but that a directory which no engine serves from is opened as at a start. Exit code 4 if anything is damaged, or could not be looked at.

An engine that serves from the directory does it itself, with the root key that it has, and serves on; it pauses for as long as it works.

Examples:

    sundial verify
    sundial verify --json --data /var/lib/sundial --root-key file:/etc/sundial/root.key`
}

// Run goes through everything.
func (v *verifyCmd) Run(ctx context.Context, c *console) error {
	b := newBar(c.err, "verifying")
	found, err := server.ServingFrom(v.Data).Verify(ctx, b.set)
	if errors.Is(err, server.ErrNotServing) {
		found, err = v.here(ctx, c, b)
	}
	b.close()
	if err == nil {
		err = v.report(c, found)
	}
	if err != nil && !errors.As(err, new(misuse)) {
		err = damaged{err} // or not ready to be looked at
	}
	return err
}

// here does it in this process, on a directory that no engine serves from.
func (v *verifyCmd) here(ctx context.Context, c *console, b *bar) ([]damage.Finding, error) {
	outside, replicas, err := v.outside()
	if err != nil {
		return nil, err
	}
	var roots []string
	for _, given := range v.RootKey {
		name, err := keyFile("--root-key", given)
		if err != nil {
			return nil, err
		}
		roots = append(roots, name)
	}
	return server.Verify(ctx, server.Config{
		Dir: v.Data, Outside: outside, Replicas: replicas, RootKeys: roots, Policy: domain.DefaultPolicy(), Rehearsal: c.rehearsal(),
		Logger: newLogger(c.err, slog.LevelError, "text"),
	}, b.set)
}

func (v *verifyCmd) report(c *console, found []damage.Finding) error {
	if v.JSON {
		rows := append([]damage.Finding{}, found...)
		text, err := json.Marshal(struct {
			Findings []damage.Finding `json:"findings"`
		}{rows}, json.Deterministic(true))
		if err != nil {
			return err
		}
		c.say(string(text))
	}
	if len(found) == 0 {
		if !v.JSON {
			c.say("everything is whole")
		}
		return nil
	}
	if !v.JSON {
		for _, f := range found {
			c.say(terminal.Text(f.String(), "  "))
		}
	}
	return fmt.Errorf("%d damages were found\n  fix: keep a copy of the data directory before anything is mended, then do what each says", len(found))
}
