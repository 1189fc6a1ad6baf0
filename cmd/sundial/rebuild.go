package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"

	"sundial/domain"
	"sundial/internal/server"
	"sundial/internal/terminal"
	"sundial/projections"
)

// maxDifferencesShown bounds what a check prints; one difference already asks for a rebuild.
const maxDifferencesShown = 50

type rebuildCmd struct {
	Data  string `help:"The data directory, whether an engine serves from it or not." default:"data" env:"SUNDIAL_DATA" placeholder:"DIR"`
	Check bool   `help:"Rebuild nothing: verify the whole log, and say where what is served differs from it. Exit code 4 if it does, or if the log is damaged."`
	JSON  bool   `help:"Print JSON." name:"json"`
	outsideFlags
}

// Help shows how.
func (*rebuildCmd) Help() string {
	return `What the engine answers from is rebuilt from the log, into a new file that takes the place of the old one when it is complete. An engine that serves from the directory does this itself and serves on; otherwise it is done here, and for a cluster the address is needed (--nats).

Examples:

    sundial rebuild
    sundial rebuild --check --data /var/lib/sundial`
}

// Run rebuilds, or checks.
func (v *rebuildCmd) Run(ctx context.Context, c *console) error {
	if err := holdsData(v.Data); err != nil {
		return err
	}
	title := "rebuilding"
	if v.Check {
		title = "checking"
	}
	b := newBar(c.err, title)
	differences, err := v.do(ctx, server.ServingFrom(v.Data), b)
	if errors.Is(err, server.ErrNotServing) {
		differences, err = v.here(ctx, c, b)
	}
	b.close()
	if err == nil {
		err = v.report(c, differences)
	}
	if v.Check && err != nil && !errors.As(err, new(misuse)) {
		err = damaged{err} // or not ready to be checked
	}
	return err
}

// holdsData refuses a directory that no engine was ever started on.
func holdsData(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, server.IdentityFile)); err != nil {
		return fmt.Errorf("%s holds no engine's data: %w\n  fix: name its data directory with --data", dir, err)
	}
	return nil
}

// do has the work done, by the engine that serves or by this process.
func (v *rebuildCmd) do(ctx context.Context, by interface {
	Rebuild(ctx context.Context, progress func(done, total uint64)) error
	Check(ctx context.Context, progress func(done, total uint64)) ([]projections.Difference, error)
}, b *bar,
) ([]projections.Difference, error) {
	if v.Check {
		return by.Check(ctx, b.set)
	}
	return nil, by.Rebuild(ctx, b.set)
}

// here does the work in this process, on a directory that no engine serves from.
func (v *rebuildCmd) here(ctx context.Context, c *console, b *bar) (_ []projections.Difference, err error) {
	idle, err := v.openIdle(ctx, c, v.Data)
	if err != nil {
		return nil, err
	}
	defer idle.Close()
	return v.do(ctx, idle, b)
}

// openIdle opens the log of a directory that no engine serves from.
func (f outsideFlags) openIdle(ctx context.Context, c *console, data string) (*server.Idle, error) {
	outside, replicas, err := f.outside()
	if err != nil {
		return nil, err
	}
	return server.OpenIdle(ctx, server.Config{
		Dir: data, Outside: outside, Replicas: replicas, Policy: domain.DefaultPolicy(), Version: version, Logger: newLogger(c.err, slog.LevelWarn, "text"),
		Rehearsal: c.rehearsal(),
	})
}

// differenceView is a difference as --json prints it.
type differenceView struct {
	Kind    string `json:"kind"`
	Key     string `json:"key"`
	Field   string `json:"field"`
	Serving string `json:"serving"`
	Rebuilt string `json:"rebuilt"`
}

func (v *rebuildCmd) report(c *console, differences []projections.Difference) error {
	if v.JSON {
		rows := []differenceView{}
		for _, d := range differences {
			rows = append(rows, differenceView(d))
		}
		text, err := json.Marshal(struct {
			Differences []differenceView `json:"differences"`
		}{rows}, json.Deterministic(true))
		if err != nil {
			return err
		}
		c.say(string(text))
	}
	if len(differences) > 0 {
		if !v.JSON {
			for _, d := range differences[:min(len(differences), maxDifferencesShown)] {
				c.say(terminal.Text(d.String(), "  "))
			}
		}
		return errors.New("what is served differs from the log\n  fix: run sundial rebuild, and report it: this is a bug or a broken disk")
	}
	if !v.JSON {
		if v.Check {
			c.say("what is served is what the log says")
		} else {
			c.say("rebuilt")
		}
	}
	return nil
}
