package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/internal/bench"
)

// benchCmd measures the engine.
type benchCmd struct {
	Only    []string `help:"Measure these figures only." placeholder:"ID"`
	Seconds float64  `help:"How long each side is measured in each pair, in seconds." default:"2"`
	Data    string   `help:"Keep the files of the run below this directory, on the disk that is meant; they are removed again." placeholder:"DIR" type:"path"`
	JSON    bool     `help:"Print JSON." name:"json"`

	Part       float64 `help:"Measure with this part of the bills, apps and commits." default:"1" hidden:""`
	CPUProfile string  `help:"Write profiles of the processor to files whose names begin like this." name:"cpuprofile" hidden:"" type:"path"`
}

// Help says what the figures are.
func (b *benchCmd) Help() string {
	var text strings.Builder
	text.WriteString("Each figure is a ratio within one run: what the program does, to what the parts below it could do at best on this machine; " +
		"of several alternating pairs the one in the middle. All nine take some eight minutes.\n\n" +
		"With --only " + bench.ScaleID + " this program is started as a process of its own, empty and with a million apps: its memory, how soon it is ready " +
		"after a stop and after a kill, and how late transitions are. That takes some minutes and 5 GB of disk.\n\n" +
		"With --only " + bench.PastID + " the past is read of a log of a million commits. That takes two minutes and 2 GB of disk.\n\nThe figures:\n\n")
	for _, f := range bench.Figures() {
		fmt.Fprintf(&text, "  %-14s %s (%s); at least %s\n", f.ID, f.What, f.Unit, decimals(f.AtLeast, 2))
	}
	return text.String()
}

// Run measures.
func (b *benchCmd) Run(ctx context.Context, c *console) error {
	if b.Seconds < 0.1 || b.Seconds > 60 {
		return misused("--seconds: want 0.1 to 60")
	}
	large, past := slices.Contains(b.Only, bench.ScaleID), slices.Contains(b.Only, bench.PastID)
	only := slices.DeleteFunc(slices.Clone(b.Only), func(id string) bool { return id == bench.ScaleID || id == bench.PastID })
	for _, id := range only {
		if !slices.Contains(figureIDs(), id) {
			return misused("--only %s: there is no such figure; there are %s, %s and %s", id, strings.Join(figureIDs(), ", "), bench.PastID, bench.ScaleID)
		}
	}
	config := bench.Config{
		Dir: b.Data, Slot: time.Duration(b.Seconds * float64(time.Second)), Part: b.Part, Profile: b.CPUProfile,
		Progress: func(line string) { fmt.Fprintln(c.err, line) },
	}
	defer runtime.KeepAlive(tuneMemory(newLogger(c.err, slog.LevelWarn, "text")))
	var figures, limits []bench.Result
	var err error
	if len(b.Only) == 0 || len(only) > 0 {
		if figures, err = bench.Run(ctx, config, only); err != nil {
			return err
		}
	}
	if past {
		if limits, err = bench.Past(ctx, config); err != nil {
			return err
		}
	}
	if large {
		program, err := os.Executable()
		if err != nil {
			return fmt.Errorf("finding this program to start it: %w", err)
		}
		found, err := bench.Scale(ctx, config, program)
		if err != nil {
			return err
		}
		limits = append(limits, found...)
	}
	if b.JSON {
		body, err := json.Marshal(struct {
			Figures []bench.Result `json:"figures"`
		}{append(figures, limits...)}, jsontext.Multiline(true), json.Deterministic(true))
		if err != nil {
			return err
		}
		c.say(string(body))
		return nil
	}
	if len(figures) > 0 {
		c.figures(figures)
	}
	if len(limits) > 0 {
		c.limits(limits)
	}
	return nil
}

func (c *console) figures(results []bench.Result) {
	figures := bench.Figures()
	rows := make([][]string, len(results))
	for i, r := range results {
		f := figures[slices.Index(figureIDs(), r.ID)]
		rows[i] = []string{
			r.ID, decimals(r.Ratio, 2), decimals(f.AtLeast, 2), verdict(r.Ratio >= f.AtLeast),
			decimals(r.Value, 0), decimals(r.Against, 0), r.Unit, f.What,
		}
	}
	c.table("", []string{"figure", "ratio", "at least", "", "value", "against", "unit", "what"}, rows)
}

func (c *console) limits(results []bench.Result) {
	rows := make([][]string, len(results))
	for i, r := range results {
		rows[i] = []string{r.ID, decimals(r.Value, 2), decimals(r.Against, 2), verdict(r.Value <= r.Against), r.Unit}
	}
	c.table("", []string{"figure", "value", "at most", "", "unit"}, rows)
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "short"
}

func figureIDs() []string {
	figures := bench.Figures()
	ids := make([]string, len(figures))
	for i, f := range figures {
		ids[i] = f.ID
	}
	return ids
}

func decimals(x float64, n int) string { return strconv.FormatFloat(x, 'f', n, 64) }
