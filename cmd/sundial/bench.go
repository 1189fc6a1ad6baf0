package main

import (
	"context"
	"fmt"
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
	Only    []string `help:"Measure these figures only." placeholder:"ID,..."`
	Seconds float64  `help:"How long each side is measured in each pair, in seconds." default:"3"`
	Data    string   `help:"Keep the files of the run below this directory, on the disk that is meant; they are removed again." placeholder:"DIR" type:"path"`
	JSON    bool     `help:"Print JSON." name:"json"`

	CPUProfile string `help:"Write profiles of the processor to files whose names begin like this." name:"cpuprofile" hidden:"" type:"path"`
}

// Help says what the figures are.
func (b *benchCmd) Help() string {
	var text strings.Builder
	text.WriteString("Each figure is a ratio within one run: what the program does, to what the parts below it could do at best on this machine; " +
		"of several alternating pairs the one in the middle. All seven take some six minutes. The figures:\n\n")
	for _, f := range bench.Figures() {
		fmt.Fprintf(&text, "  %-14s %s (%s); at least %s\n", f.ID, f.What, f.Unit, ratio(f.AtLeast))
	}
	return text.String()
}

// Run measures.
func (b *benchCmd) Run(ctx context.Context, c *console) error {
	if b.Seconds < 0.1 || b.Seconds > 60 {
		return misused("--seconds: want 0.1 to 60")
	}
	figures := bench.Figures()
	for _, id := range b.Only {
		if !slices.Contains(ids(figures), id) {
			return misused("--only %s: there is no such figure; there are %s", id, strings.Join(ids(figures), ", "))
		}
	}
	results, err := bench.Run(ctx, bench.Config{
		Dir: b.Data, Slot: time.Duration(b.Seconds * float64(time.Second)), Profile: b.CPUProfile,
		Progress: func(line string) { fmt.Fprintln(c.err, line) },
	}, b.Only)
	if err != nil {
		return err
	}
	if b.JSON {
		body, err := json.Marshal(map[string]any{"figures": results}, jsontext.Multiline(true))
		if err != nil {
			return err
		}
		c.say(string(body))
		return nil
	}
	rows := make([][]string, len(results))
	for i, r := range results {
		f := figures[slices.Index(ids(figures), r.ID)]
		verdict := "met"
		if r.Ratio < f.AtLeast {
			verdict = "short"
		}
		rows[i] = []string{
			r.ID, ratio(r.Ratio), ratio(f.AtLeast), verdict,
			strconv.FormatFloat(r.Value, 'f', 0, 64), strconv.FormatFloat(r.Against, 'f', 0, 64), r.Unit, f.What,
		}
	}
	c.table("nothing was measured", []string{"figure", "ratio", "at least", "", "value", "against", "unit", "what"}, rows)
	return nil
}

func ids(figures []bench.Figure) []string {
	all := make([]string, len(figures))
	for i, f := range figures {
		all[i] = f.ID
	}
	return all
}

func ratio(r float64) string { return strconv.FormatFloat(r, 'f', 2, 64) }
