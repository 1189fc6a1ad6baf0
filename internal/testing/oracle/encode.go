package oracle

import (
	"bufio"
	"io"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The forms of an event with the same contents: as upstream writes it, and with its members sorted.
const (
	asUpstream = iota
	sorted
)

type wireEvent struct {
	SpecVersion string   `json:"specversion"`
	ID          string   `json:"id"`
	Source      string   `json:"source"`
	Type        string   `json:"type"`
	Time        string   `json:"time"`
	ContentType string   `json:"datacontenttype"`
	Data        wireData `json:"data"`
}

type wireData struct {
	Account   string         `json:"account"`
	App       uint64         `json:"app"`
	Effective string         `json:"effective_at"`
	Order     string         `json:"order,omitzero"`
	Edition   string         `json:"edition,omitzero"`
	PaidUntil string         `json:"paid_until,omitzero"`
	AddOns    jsontext.Value `json:"addons,omitzero"`
	Invoice   string         `json:"invoice,omitzero"`
	Version   *int64         `json:"version,omitzero"`
	Amount    *amount        `json:"amount,omitzero"`
}

// EncodeEvent writes a fact as the CloudEvent that would report it; [DecodeEvent] reads it back.
func EncodeEvent(fact Fact) []byte { return encodeEvent(fact, asUpstream) }

func encodeEvent(fact Fact, form int) []byte {
	data := wireData{
		Account: fact.Account, App: fact.App, Effective: formatInstant(fact.Effective),
		Order: fact.Order, Edition: fact.Edition, Invoice: fact.Invoice,
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
	event := mustEncode(wireEvent{
		SpecVersion: "1.0", ID: fact.ID, Source: fact.Source, Type: fact.Kind,
		Time: data.Effective, ContentType: "application/json", Data: data,
	})
	if form == sorted {
		event = canonical(event)
	}
	return event
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
