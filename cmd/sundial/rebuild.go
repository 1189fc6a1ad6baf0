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
	result, err := dirPath(v.Data).order(ctx, order, nil, b.set)
	if errors.Is(err, errNotServing) {
		result.Differences, err = v.here(ctx, c, b)
	}
	b.close()
	if err != nil {
		return err
	}
	return v.report(c, result.Differences)
}

// here does the work in this process, on a directory that no engine serves from.
func (v *rebuildCmd) here(ctx context.Context, c *console, b *bar) (_ []projections.Difference, err error) {
	l, closeLog, err := v.openIdleLog(ctx, c, v.Data)
	if err != nil {
		return nil, err
	}
	defer closeLog()
	if v.Check {
		return l.check(ctx, b.set)
	}
	return nil, projections.Rebuild(ctx, l.projections(), b.set)
}

// openIdleLog opens the log of a directory that no engine serves from.
func (f outsideFlags) openIdleLog(ctx context.Context, c *console, data string) (_ *logLife, closeLog func(), err error) {
	outside, replicas, err := f.outside()
	if err != nil {
		return nil, nil, err
	}
	dir, err := openDirectory(data)
	if err != nil {
		return nil, nil, err
	}
	config := &Config{Dir: data, Outside: outside, Replicas: replicas, Policy: domain.DefaultPolicy(), Logger: newLogger(c.err, slog.LevelWarn, "text")}
	l, err := openLog(ctx, config, dir)
	if err != nil {
		dir.Close()
		return nil, nil, err
	}
	return l, func() { l.close(); dir.Close() }, nil
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
