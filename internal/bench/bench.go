// Package bench measures the program on the machine that it runs on. Every figure is a ratio within one run, of what
// the program does to what the parts below it could do at best: absolute numbers tell of the machine, ratios of the
// program.
//
// All parts are real: the embedded server syncs to disk before it acknowledges, the projections are files of SQLite,
// HTTP goes over TCP. Both sides of a ratio use the same server, the same number of writers and messages of the same
// size, and take turns, so that what else the machine does meets both.
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// Figure is something that is measured: two sides, in the same unit.
type Figure struct {
	ID      string
	What    string  // ours, over what it is held against
	Unit    string  // of both sides
	AtLeast float64 // the ratio that is required

	measure func(context.Context, *run) (Result, error)
}

// Figures are all figures of a run without Config.Only, in the order in which they are measured.
func Figures() []Figure {
	return []Figure{
		{"committed_256", "256 writers, answered when committed, to the log alone", "commands/s", 0.5, committed(manyWriters)},
		{"projected_256", "256 writers, answered when projected, to the log alone", "commands/s", 0.3, projected},
		{"committed_1", "1 writer, answered when committed, to publishes of NATS", "commands/s", 0.7, committed(1)},
		{"ingest", "100,000 bills waiting in NATS, to the same facts of 256 writers", "bills/s", 0.7, taken},
		{"rebuild", "rebuild of the projections, to reading the log", "commits/s", 0.25, rebuild},
		{"whatif", "history under another policy, to a check of the projections", "commits/s", 0.5, whatIf},
		{"transitions", "100,000 apps due at one instant, to commands of 256 writers", "transitions/s", 0.5, transitions},
		{"read", "GET of an app, to a bare handler of a like server", "requests/s", 0.5, read},
		{"growth", "the slowest hundredth of commands on an app with 100,000 orders and invoices, to that on one with 10", "commands/s", 0.67, growth},
	}
}

// Result is a figure, measured: the pair of measurements whose ratio is the median.
type Result struct {
	ID      string  `json:"id"`
	Ratio   float64 `json:"ratio"`   // of Value to Against
	Value   float64 `json:"value"`   // of the program
	Against float64 `json:"against"` // what it is held against
	Unit    string  `json:"unit"`
}

const (
	// pairs is how often the two sides take turns: odd, so that one is the median. What else the machine does comes and
	// goes within seconds, so that many short pairs tell more than few long ones; all figures stay within ten
	// minutes.
	pairs = 9

	// wholePairs is how often they do where both have an end of their own.
	wholePairs = 5

	// DefaultSlot is how long a side is measured in each pair, where a side has no end of its own. Long enough that a
	// hiccup of the disk does not make the pair.
	DefaultSlot = 2 * time.Second

	// manyWriters is how many writers use the engine at once where there are many.
	manyWriters = 256
)

// Config is what a run needs.
type Config struct {
	Dir  string        // where the run keeps its files, below a folder of its own that it removes; "" is the system's place for such
	Slot time.Duration // 0 means DefaultSlot

	// Part scales down what is not measured by time (bills, transitions, commits to rebuild from): tests want less. 0
	// means 1, the whole.
	Part float64

	// Profile, if given, begins the names of files with processor profiles, one for each measurement.
	Profile string

	turns int // of the two sides in each figure; 0 means pairs, tests want fewer

	// Progress is called with what is going on, a line at a time; nil discards it.
	Progress func(line string)
}

func (c Config) withDefaults() Config {
	c.Slot, c.Part, c.turns = cmp.Or(c.Slot, DefaultSlot), cmp.Or(c.Part, 1), cmp.Or(c.turns, pairs)
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	return c
}

// Run measures the figures with the given ids, in their own order; none given means all.
func Run(ctx context.Context, config Config, only []string) ([]Result, error) {
	config = config.withDefaults()
	var results []Result
	for _, f := range Figures() {
		if len(only) > 0 && !slices.Contains(only, f.ID) {
			continue
		}
		result, err := measure(ctx, config, f)
		if err != nil {
			return results, fmt.Errorf("measuring %s: %w", f.ID, err)
		}
		results = append(results, result)
	}
	return results, nil
}

func measure(ctx context.Context, config Config, f Figure) (result Result, err error) {
	dir, err := os.MkdirTemp(config.Dir, "sundial-bench-")
	if err != nil {
		return Result{}, fmt.Errorf("making a folder for the run: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return f.measure(ctx, &run{Config: config, figure: f, dir: dir})
}

// run is one figure being measured.
type run struct {
	Config
	figure Figure
	dir    string // the figure's own
}

// path names a file or a folder of the run.
func (r *run) path(name string) string { return filepath.Join(r.dir, name) }

func (r *run) say(format string, args ...any) {
	r.Progress(r.figure.ID + ": " + fmt.Sprintf(format, args...))
}

// many is the part that is wanted of a number of things.
func (r *run) many(whole int) int { return max(int(float64(whole)*r.Part), 1) }

// side measures one side once, and gives what it did a second. A side that has an end of its own ignores the slot.
type side func(ctx context.Context, slot time.Duration) (perSecond float64, err error)

// compare warms both sides up, then lets them take turns.
func (r *run) compare(ctx context.Context, turns int, ours, theirs side) (Result, error) {
	for _, s := range []side{ours, theirs} {
		if _, err := s(ctx, r.Slot/3); err != nil {
			return Result{}, err
		}
	}
	return r.alternate(ctx, turns, ours, theirs)
}

// alternate lets two sides that are warm take turns and gives the median pair.
func (r *run) alternate(ctx context.Context, turns int, ours, theirs side) (Result, error) {
	measured := make([]Result, turns)
	for turn := range measured {
		value, cost, err := r.profiled(ctx, fmt.Sprintf("%d-ours", turn+1), ours)
		if err != nil {
			return Result{}, err
		}
		against, costAgainst, err := r.profiled(ctx, fmt.Sprintf("%d-against", turn+1), theirs)
		if err != nil {
			return Result{}, err
		}
		measured[turn] = Result{r.figure.ID, round(value/against, 1000), round(value, 1), round(against, 1), r.figure.Unit}
		r.say("pair %d of %d: %.0f against %.0f %s, %.2f (%.0f against %.0f us of processor time each)",
			turn+1, turns, value, against, r.figure.Unit, value/against, cost, costAgainst)
	}
	return median(measured), nil
}

// profiled measures a side: how much it did a second, and the processor time that each took, in microseconds, which
// tells more than the clock where the machine has other things to do. The garbage of whatever came before is not its to
// collect.
func (r *run) profiled(ctx context.Context, name string, s side) (perSecond, cost float64, err error) {
	runtime.GC()
	stop := func() error { return nil }
	if r.Profile != "" {
		if stop, err = profile(fmt.Sprintf("%s.%s.%s.pprof", r.Profile, r.figure.ID, name)); err != nil {
			return 0, 0, err
		}
	}
	elapsed, before := watch(), processorTime()
	perSecond, err = s(ctx, r.Slot)
	cost = float64((processorTime() - before).Microseconds()) / (perSecond * elapsed().Seconds())
	return perSecond, cost, errors.Join(err, stop())
}

// median gives the pair in the middle by its ratio.
func median(of []Result) Result {
	sorted := slices.SortedFunc(slices.Values(of), func(x, y Result) int { return cmp.Compare(x.Ratio, y.Ratio) })
	return sorted[len(sorted)/2]
}

// round keeps so many parts of one.
func round(x, parts float64) float64 { return math.Round(x*parts) / parts }
