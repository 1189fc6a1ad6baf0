package oracle

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

type wireEvent struct {
	SpecVersion string   `json:"specversion"`
	ID          string   `json:"id"`
	Source      string   `json:"source"`
	Type        string   `json:"type"`
	Time        string   `json:"time"`
	ContentType string   `json:"datacontenttype"`
	TraceParent string   `json:"traceparent,omitzero"`
	Data        wireData `json:"data"`
}

type wireData struct {
	Account   string         `json:"account"`
	App       uint64         `json:"app"`
	Effective string         `json:"effective_at"`
	Order     string         `json:"order,omitzero"`
	Refund    string         `json:"refund,omitzero"`
	Ends      *bool          `json:"ends,omitzero"`
	Edition   string         `json:"edition,omitzero"`
	PaidUntil string         `json:"paid_until,omitzero"`
	AddOns    jsontext.Value `json:"addons,omitzero"`
	Invoice   string         `json:"invoice,omitzero"`
	Version   *int64         `json:"version,omitzero"`
	Amount    *amount        `json:"amount,omitzero"`
}

// EncodeEvent writes a fact as the CloudEvent that would report it; [DecodeEvent] reads it back.
func EncodeEvent(fact Fact) []byte { return mustEncode(wire(fact)) }

// encodeTraced writes the same fact as another delivery of it may look: sent later, and on another trace.
func encodeTraced(fact Fact, trace, sent int64) []byte {
	event := wire(fact)
	event.TraceParent, event.Time = fmt.Sprintf("00-%032x-%016x-01", trace, trace), formatInstant(sent)
	return mustEncode(event)
}

// sorted writes an event with its members in another order.
func sorted(event []byte) []byte {
	value := jsontext.Value(event).Clone()
	if err := value.Canonicalize(); err != nil {
		panic(err) // of an event that EncodeEvent wrote
	}
	return value
}

func wire(fact Fact) wireEvent {
	data := wireData{
		Account: fact.Account, App: fact.App, Effective: formatInstant(fact.Effective),
		Order: fact.Order, Refund: fact.Refund, Edition: fact.Edition, Invoice: fact.Invoice,
	}
	if fact.Goodwill {
		data.Ends = new(bool)
	}
	if fact.AddOns != "" {
		data.AddOns = jsontext.Value(fact.AddOns)
	}
	if fact.PaidUntil != 0 {
		data.PaidUntil = formatInstant(fact.PaidUntil)
	}
	if fact.Invoice != "" || fact.Version != 0 {
		data.Version = &fact.Version
	}
	if fact.Amount.Currency != "" {
		data.Amount = (*amount)(&fact.Amount)
	}
	return wireEvent{
		SpecVersion: "1.0", ID: fact.ID, Source: fact.Source, Type: fact.Kind,
		Time: data.Effective, ContentType: "application/json", Data: data,
	}
}

// mustEncode is for values made of strings and numbers only, which cannot fail to encode.
func mustEncode(value any) []byte {
	encoded, err := json.Marshal(value, json.Deterministic(true))
	if err != nil {
		panic(err)
	}
	return encoded
}

// WriteFiles writes apps.jsonl, deliveries.jsonl and expected.jsonl into a directory that exists, in the form of
// examples/upstream-2021.
func (f Feed) WriteFiles(dir string) error {
	var apps, deliveries, expected []any
	for _, app := range f.Apps {
		apps = append(apps, appLine{app.Account, app.ID, app.Name, formatInstant(app.CreatedAt), app.Edition})
	}
	for _, delivery := range f.Deliveries {
		deliveries = append(deliveries, deliveryLine{formatInstant(delivery.ArrivesAt), delivery.Event})
	}
	for _, state := range f.Expected() {
		expected = append(expected, state.line())
	}
	for name, lines := range map[string][]any{
		"apps.jsonl": apps, "deliveries.jsonl": deliveries, "expected.jsonl": expected,
	} {
		if err := writeLines(filepath.Join(dir, name), lines); err != nil {
			return err
		}
	}
	return nil
}

func writeLines(path string, lines []any) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(file)
	for _, line := range lines {
		if err := writeLine(out, line); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return file.Close()
}

func writeLine(out io.Writer, line any) error {
	_, err := out.Write(append(mustEncode(line), '\n'))
	return err
}

func (e Expected) line() expectedLine {
	line := expectedLine{
		Now: formatInstant(e.Now), App: e.App, Edition: e.Edition, Status: e.Status, Invoices: e.Invoices,
		ArrearsSince: orNull(e.ArrearsSince), LapseSince: orNull(e.LapseSince),
	}
	if e.LapseCause != "" {
		line.LapseCause = &e.LapseCause
	}
	return line
}

func orNull(instant int64) *string {
	if instant == 0 {
		return nil
	}
	text := formatInstant(instant)
	return &text
}
