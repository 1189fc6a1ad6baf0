package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

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
	return `Events are taken in once, by their source and id, so that a file can be sent again. What cannot be taken in is parked, not lost: see sundial parked.

Examples:

    sundial billing send deliveries.jsonl
    tail -n 100 deliveries.jsonl | sundial billing send -`
}

// outcome is what became of one event.
type outcome struct {
	ID      string `json:"id"`
	Outcome string `json:"outcome"`
	Code    string `json:"code"`
}

// Run sends the file.
func (v *billingSendCmd) Run(ctx context.Context, c *console) error {
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
	s := &sender{client: cl, counts: map[string]int{}}
	if v.JSON {
		s.raw = c.out
	}
	var batch []jsontext.Value
	size := 0
	send := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := s.send(ctx, batch)
		batch, size = nil, 0
		return err
	}
	err = eachLine(in, func(line int, text jsontext.Value) error {
		event, err := eventOf(text)
		if err != nil {
			return errors.Join(send(), fmt.Errorf("line %d: %w; what came before it was sent", line, err))
		}
		if len(batch) == v.Batch || size+len(event) > maxBatchBytes {
			if err := send(); err != nil {
				return err
			}
		}
		batch, size = append(batch, event), size+len(event)+1
		return nil
	})
	if err == nil {
		err = send()
	}
	if !v.JSON {
		s.report(c)
	}
	return err
}

// eventOf gives the CloudEvent of a line, which may be wrapped in a delivery.
func eventOf(line jsontext.Value) (jsontext.Value, error) {
	if line.Kind() != '{' {
		return nil, errors.New("want a JSON object")
	}
	for name, value := range members(line) {
		if name == "event" {
			return value, nil
		}
	}
	return line, nil
}

// sender sends batches and counts what became of their events.
type sender struct {
	client *client
	raw    io.Writer // where answers go as they are; nil: nowhere
	counts map[string]int
	parked []outcome
}

func (s *sender) send(ctx context.Context, events []jsontext.Value) error {
	body, err := json.Marshal(events, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("writing the batch: %w", err)
	}
	a, err := s.client.patiently(ctx, request{
		method: http.MethodPost, path: "/v1/billing/events", body: body,
		header: http.Header{"Content-Type": {"application/cloudevents-batch+json"}},
	})
	if s.raw != nil && len(a.body) > 0 {
		fmt.Fprintln(s.raw, string(bytes.TrimRight(a.body, "\n")))
	}
	if err != nil {
		return err
	}
	var said struct {
		Items []outcome `json:"items"`
	}
	if err := a.into(&said); err != nil {
		return err
	}
	for _, o := range said.Items {
		s.counts[o.Outcome]++
		if o.Outcome == "parked" {
			s.parked = append(s.parked, o)
		}
	}
	return nil
}

func (s *sender) report(c *console) {
	c.pairs([][2]string{
		{"accepted", strconv.Itoa(s.counts["accepted"])},
		{"duplicate", strconv.Itoa(s.counts["duplicate"])},
		{"parked", strconv.Itoa(s.counts["parked"])},
	})
	if len(s.parked) == 0 {
		return
	}
	var rows [][]string
	for _, o := range s.parked[:min(len(s.parked), maxParkedShown)] {
		rows = append(rows, []string{o.ID, o.Code})
	}
	c.say("")
	c.table("", []string{"parked event", "code"}, rows)
	c.say("\nsee `sundial parked list` for the reasons and what can be done")
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
