package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/go-json-experiment/json"
)

// importCmd moves an estate in.
type importCmd struct {
	remote
	importFlags
	Reason string `help:"Why; kept with each app that has no reason of its own." placeholder:"TEXT"`
	File   string `arg:"" help:"JSON lines, an app each; - for standard input."`
}

// importFlags say how a file of apps is imported.
type importFlags struct {
	DryRun bool   `help:"Write nothing: list every problem, by line."`
	Report string `help:"Write the report, as JSON, to this file too." placeholder:"FILE"`
}

// Help shows how.
func (*importCmd) Help() string {
	return `A line is an app with what it holds: {account, app, name, created_at, type?, introduction?, edition?, orders?, invoices?, keys?, admins?, certificates?, trtc?, tpns?}; docs/import.md describes each. Accounts are imported side by side, the lines of one account in their order. Nothing is imported twice: after an interruption, or when lines were mended, give the file again. Exit code 3 if some lines were refused, 1 if all were.

Examples:

    sundial import --dry-run estate.jsonl
    sundial import estate.jsonl --report report.json`
}

// Run imports the file, or checks it.
func (v *importCmd) Run(ctx context.Context, c *console) error {
	return v.importFlags.run(ctx, c, &v.remote, v.File, v.Reason)
}

// run takes a file of apps through the engine that the flags name.
func (f *importFlags) run(ctx context.Context, c *console, r *remote, file, reason string) error {
	in, closeIn, err := c.open(file)
	if err != nil {
		return err
	}
	defer closeIn()
	cl, err := r.client()
	if err != nil {
		return err
	}
	title := "importing"
	var dry *dryRun
	if f.DryRun {
		title = "checking"
		if dry, err = cl.dryRun(ctx); err != nil {
			return err
		}
	}
	total, err := countLines(in)
	if err != nil {
		return err
	}
	b := newBar(c.err, title)
	report, err := newEstate(cl, reason, dry, func(done int) { b.set(uint64(done), total) }).run(ctx, in)
	b.close()
	if err != nil {
		err = fmt.Errorf("%w\n  not every line was looked at; give the same file again: what was imported is told apart", err)
	}
	if told := f.tell(c, r.JSON, &report); told != nil && err == nil {
		err = told
	}
	if err == nil && report.Refused > 0 {
		err = errSilent
	}
	if err != nil && report.Imported+report.Repeated > 0 {
		err = partly{err}
	}
	return err
}

// tell prints the report, and writes it where it is wanted.
func (f *importFlags) tell(c *console, asJSON bool, report *estateReport) error {
	text, err := json.Marshal(report, json.Deterministic(true))
	if err != nil {
		return err
	}
	if f.Report != "" {
		if err := os.WriteFile(f.Report, append(bytes.Clone(text), '\n'), 0o600); err != nil {
			return fmt.Errorf("--report: %w", err)
		}
	}
	if asJSON {
		c.say(string(text))
		return nil
	}
	imported, refused := "imported", "refused"
	if report.DryRun {
		imported, refused = "would be imported", "would be refused"
	}
	c.pairs([][2]string{
		{imported, strconv.Itoa(report.Imported)},
		{"repeated", strconv.Itoa(report.Repeated)},
		{refused, strconv.Itoa(report.Refused)},
	})
	if len(report.Problems) == 0 {
		return nil
	}
	var rows [][]string
	for _, p := range report.Problems {
		app := ""
		if p.App != 0 {
			app = strconv.FormatUint(p.App, 10)
		}
		rows = append(rows, []string{strconv.Itoa(p.Line), app, p.Field, p.Code, p.Reason})
	}
	c.say("")
	c.table("", []string{"line", "app", "field", "code", "why"}, rows)
	if report.More > 0 {
		c.say(fmt.Sprintf("\nand %d problems more: mend these, and look again", report.More))
	}
	fixes := map[string]bool{}
	for _, p := range report.Problems {
		if p.Fix != "" && !fixes[p.Fix] {
			fixes[p.Fix] = true
			c.say("fix: " + p.Code + ": " + p.Fix)
		}
	}
	return nil
}

// countLines counts the lines of a file that can be read twice; 0 of others.
func countLines(in io.Reader) (uint64, error) {
	again, is := in.(io.Seeker)
	if !is {
		return 0, nil
	}
	start, err := again.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, nil //nolint:nilerr // a pipe
	}
	var lines uint64
	err = eachText(in, maxEstateLine, func(int, []byte, bool) error {
		lines++
		return nil
	})
	if err == nil {
		_, err = again.Seek(start, io.SeekStart)
	}
	return lines, err
}
