package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxBatch and maxBatchBytes are the API's limits on one request; a kilobyte is left for brackets and commas.
	maxBatch      = 1000
	maxBatchBytes = 1<<20 - 4<<10

	// maxLine bounds a line of a file: one event, of which the API takes at most a megabyte.
	maxLine = 1 << 20

	// maxParkedShown bounds what is listed in the end; `parked list` has them all.
	maxParkedShown = 50
)

// billingCmd are the verbs of a billing system.
type billingCmd struct {
	Send billingSendCmd `cmd:"" help:"Send billing events from a file."`
}

type billingSendCmd struct {
	remote
	File  string `arg:"" help:"JSON lines, each a CloudEvent, or {\"arrives_at\":TIME,\"event\":CLOUDEVENT}; - for standard input."`
	Batch int    `help:"Events in a request, up to 1000." default:"1000" placeholder:"N"`
}

// Help shows how.
func (*billingSendCmd) Help() string {
	return `Events are taken in once, by their source and id, so that a file can be sent again. What cannot be taken in is parked, not lost: see sundial parked. A line that is no event is skipped and named with its number, and the lines after it are sent: exit code 3. Of a pipe what has arrived is sent as soon as nothing more comes for a moment.

Examples:

    sundial billing send deliveries.jsonl
    tail -n 100 deliveries.jsonl | sundial billing send -
    tail -f deliveries.jsonl | sundial billing send -`
}

// outcome is what became of one event.
type outcome struct {
	ID      string `json:"id"`
	Outcome string `json:"outcome"`
	Code    string `json:"code"`
}

// quiet is how long a pipe has nothing more before what arrived is sent: no longer than a person notices, and time enough
// for what is written in one go.
const quiet = 200 * time.Millisecond

// Run sends the file.
func (v *billingSendCmd) Run(ctx context.Context, c *console) error {
	return v.run(ctx, c, func() <-chan time.Time { return time.After(quiet) })
}

// run is Run with a measure of quiet: what it gives receives once nothing has come for a while.
func (v *billingSendCmd) run(ctx context.Context, c *console, quiet func() <-chan time.Time) error {
	if v.Batch < 1 || v.Batch > maxBatch {
		return misused("--batch: want 1 to %d", maxBatch)
	}
	in, closeIn, err := c.open(v.File)
	if err != nil {
		return err
	}
	defer closeIn()
	cl, err := v.client()
	if err != nil {
		return err
	}
	s := &sender{client: cl, console: c, json: v.JSON, most: v.Batch, counts: map[string]int{}}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err = s.drain(ctx, readLines(ctx, in), quiet)
	s.report()
	failed := s.skipped + s.refused + s.unsent
	switch done := s.counts["accepted"] + s.counts["duplicate"] + s.counts["parked"]; {
	case err == nil && failed > 0:
		err = errSilent // each was named on the way
		fallthrough
	case err != nil:
		if done > 0 {
			err = partly{err}
		}
	}
	return err
}

// eventOf gives the CloudEvent of a line, which may be wrapped in a delivery. An attribute of a CloudEvent is never an
// object, so one that is called event is told apart.
func eventOf(line jsontext.Value) (jsontext.Value, error) {
	if line.Kind() != '{' {
		return nil, errors.New("want a JSON object")
	}
	for name, value := range members(line) {
		if name == "event" && value.Kind() == '{' {
			return value, nil
		}
	}
	return line, nil
}

// lineEvent is an event with the number of its line.
type lineEvent struct {
	line  int
	event jsontext.Value
}

// input is what comes of a file: a line, or in the end the error that ended it before its end.
type input struct {
	line int
	text []byte
	long bool // longer than a line may be; without its text
	err  error
}

// maxLinesAhead bounds the lines that are read while a request is on its way.
const maxLinesAhead = 16

// readLines reads lines until their end, or that of the context. A read that waits for a pipe cannot be interrupted, so
// that nobody waits for the goroutine: it holds nothing, and ends with the pipe.
func readLines(ctx context.Context, in io.Reader) <-chan input {
	lines := make(chan input, maxLinesAhead)
	go func() {
		defer close(lines)
		give := func(i input) error {
			select {
			case lines <- i:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		err := eachText(in, maxLine, func(n int, text []byte, long bool) error {
			return give(input{line: n, text: text, long: long})
		})
		if err != nil {
			_ = give(input{err: err}) // nobody listens any more if it fails
		}
	}()
	return lines
}

// sender sends events in batches, and keeps account of every line.
type sender struct {
	client  *client
	console *console
	json    bool
	most    int // events in a batch

	batch []lineEvent
	size  int // of the batch, in bytes

	counts  map[string]int // events, by what the engine said of them
	skipped int            // lines that hold no event
	refused int            // events that the engine refused
	unsent  int            // events of which it is not known whether the engine took them
	parked  []outcome
}

// drain sends what comes: whenever a batch is full, and what there is once nothing has come for a while. What ends it early
// is printed with what became of the lines by then.
func (s *sender) drain(ctx context.Context, lines <-chan input, quiet func() <-chan time.Time) error {
	for {
		var next input
		var more bool
		select {
		case next, more = <-lines:
		default: // nothing is there yet
			var still <-chan time.Time
			if len(s.batch) > 0 {
				still = quiet()
			}
			select {
			case next, more = <-lines:
			case <-still:
				if err := s.flush(ctx); err != nil {
					return err
				}
				continue
			case <-ctx.Done():
				s.unsent += len(s.batch)
				return ctx.Err()
			}
		}
		switch {
		case !more:
			return s.flush(ctx)
		case next.err != nil:
			return cmp.Or(s.flush(ctx), fmt.Errorf("the rest cannot be read: %w", next.err))
		}
		if err := s.take(ctx, next); err != nil {
			return err
		}
	}
}

// take adds a line to the batch, or skips it.
func (s *sender) take(ctx context.Context, in input) error {
	value := jsontext.Value(in.text)
	if in.long {
		s.skip(in.line, "too_large", fmt.Sprintf("longer than %d bytes", maxLine))
		return nil
	}
	if !value.IsValid() {
		s.skip(in.line, "malformed", "not one JSON object in UTF-8, each name in it once")
		return nil
	}
	event, err := eventOf(value)
	if err != nil {
		s.skip(in.line, "malformed", err.Error())
		return nil
	}
	if s.size+len(event) > maxBatchBytes {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	s.batch, s.size = append(s.batch, lineEvent{in.line, event}), s.size+len(event)+1
	if len(s.batch) == s.most {
		return s.flush(ctx)
	}
	return nil
}

// skip names a line that holds no event.
func (s *sender) skip(line int, code, reason string) {
	s.skipped++
	s.name(line, "skipped", code, reason)
}

// name tells of one line: on standard error and, as an item like the engine's, in --json.
func (s *sender) name(line int, outcome, code, reason string) {
	fmt.Fprintf(s.console.err, "sundial: line %d: %s: %s\n", line, outcome, reason)
	if s.json {
		s.print(struct {
			Items []lineOutcome `json:"items"`
		}{[]lineOutcome{{line, nil, outcome, code, reason}}})
	}
}

// lineOutcome is what --json tells of a line of which the engine said nothing: its id is null.
type lineOutcome struct {
	Line    int     `json:"line"`
	ID      *string `json:"id"`
	Outcome string  `json:"outcome"`
	Code    string  `json:"code"`
	Reason  string  `json:"reason"`
}

func (s *sender) print(v any) {
	text, err := json.Marshal(v, json.Deterministic(true))
	if err == nil { // texts and numbers
		s.console.say(string(text))
	}
}

// flush sends the batch.
func (s *sender) flush(ctx context.Context) error {
	batch := s.batch
	s.batch, s.size = nil, 0
	if len(batch) == 0 {
		return nil
	}
	return s.send(ctx, batch)
}

// send sends events. If they are refused for what is in them they are halved, until it is known which is to blame.
func (s *sender) send(ctx context.Context, events []lineEvent) error {
	values := make([]jsontext.Value, len(events))
	for i, e := range events {
		values[i] = e.event
	}
	body, err := json.Marshal(values, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("writing the batch: %w", err)
	}
	a, err := s.client.patiently(ctx, request{
		method: http.MethodPost, path: "/v1/billing/events", body: body,
		header: http.Header{"Content-Type": {"application/cloudevents-batch+json"}},
	})
	var p *problem
	if errors.As(err, &p) && ofTheLine(p) {
		if len(events) == 1 {
			s.refused++
			s.name(events[0].line, "refused", p.Code, p.Error())
			return nil
		}
		half := len(events) / 2
		if err := s.send(ctx, events[:half]); err != nil {
			s.unsent += len(events) - half
			return err
		}
		return s.send(ctx, events[half:])
	}
	var said struct {
		Items []outcome `json:"items"`
	}
	if err == nil {
		err = a.into(&said)
	}
	if err != nil {
		s.unsent += len(events)
		return fmt.Errorf("%w\n  it is not known what was taken in from line %d on: give the file again, what was taken in is told apart", err, events[0].line)
	}
	if s.json {
		s.console.say(string(a.body))
	}
	for _, o := range said.Items {
		s.counts[o.Outcome]++
		if o.Outcome == "parked" && len(s.parked) < maxParkedShown {
			s.parked = append(s.parked, o)
		}
	}
	return nil
}

// report counts what became of the lines.
func (s *sender) report() {
	counts := s.counts
	if s.json {
		s.print(struct {
			Accepted  int `json:"accepted"`
			Duplicate int `json:"duplicate"`
			Parked    int `json:"parked"`
			Skipped   int `json:"skipped"`
			Refused   int `json:"refused"`
			Unsent    int `json:"unsent"`
		}{counts["accepted"], counts["duplicate"], counts["parked"], s.skipped, s.refused, s.unsent})
		return
	}
	rows := [][2]string{
		{"accepted", strconv.Itoa(counts["accepted"])},
		{"duplicate", strconv.Itoa(counts["duplicate"])},
		{"parked", strconv.Itoa(counts["parked"])},
	}
	for _, failed := range []struct {
		name string
		n    int
	}{{"skipped", s.skipped}, {"refused", s.refused}, {"unsent", s.unsent}} {
		if failed.n > 0 {
			rows = append(rows, [2]string{failed.name, strconv.Itoa(failed.n)})
		}
	}
	s.console.pairs(rows)
	if len(s.parked) == 0 {
		return
	}
	var parked [][]string
	for _, o := range s.parked {
		parked = append(parked, []string{o.ID, o.Code})
	}
	s.console.say("")
	s.console.table("", []string{"parked event", "code"}, parked)
	s.console.say("\nsee `sundial parked list` for the reasons and what can be done")
}

// open opens a file that a verb was given, - for standard input.
func (c *console) open(name string) (io.Reader, func(), error) {
	if name == "-" {
		return c.in, func() {}, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, misused("%w", err)
	}
	return f, func() { f.Close() }, nil
}
