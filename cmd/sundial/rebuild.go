package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"

	"sundial/projections"
)

// maxDifferencesShown bounds what a check prints; one difference already asks for a rebuild.
const maxDifferencesShown = 50

type rebuildCmd struct {
	Data  string `help:"The data directory, whether an engine serves from it or not." default:"data" env:"SUNDIAL_DATA" placeholder:"DIR"`
	Check bool   `help:"Rebuild nothing: verify the whole log, and say where what is served differs from it. Exit code 1 if it does."`
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

// dirPath is a data directory that another process may have.
type dirPath string

func (d dirPath) file(name string) string { return filepath.Join(string(d), name) }

// Run rebuilds, or checks.
func (v *rebuildCmd) Run(ctx context.Context, c *console) error {
	if _, err := os.Stat(filepath.Join(v.Data, identityFile)); err != nil {
		return fmt.Errorf("%s holds no engine's data: %w\n  fix: name its data directory with --data", v.Data, err)
	}
	title, order := "rebuilding", "rebuild"
	if v.Check {
		title, order = "checking", "check"
	}
	b := newBar(c.err, title)
	differences, err := dirPath(v.Data).order(ctx, order, b.set)
	if errors.Is(err, errNotServing) {
		differences, err = v.here(ctx, c, b)
	}
	b.close()
	if err != nil {
		return err
	}
	return v.report(c, differences)
}

// here does the work in this process, on a directory that no engine serves from.
func (v *rebuildCmd) here(ctx context.Context, c *console, b *bar) (_ []projections.Difference, err error) {
	outside, replicas, err := v.outside()
	if err != nil {
		return nil, err
	}
	dir, err := openDirectory(v.Data)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	config := Config{Dir: v.Data, Outside: outside, Replicas: replicas, Logger: newLogger(c.err, slog.LevelWarn, "text")}
	l, err := openLog(ctx, &config, dir)
	if err != nil {
		return nil, err
	}
	defer l.close()
	if v.Check {
		return l.check(ctx, b.set)
	}
	return nil, projections.Rebuild(ctx, l.projections(), b.set)
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
		}{rows})
		if err != nil {
			return err
		}
		c.say(string(text))
	}
	if len(differences) > 0 {
		if !v.JSON {
			for _, d := range differences[:min(len(differences), maxDifferencesShown)] {
				c.say(d.String())
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
