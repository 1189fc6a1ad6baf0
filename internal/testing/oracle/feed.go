package oracle

import (
	"bufio"
	"fmt"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxLine bounds one line of a feed: an event may have 1 MB, and its envelope needs little more.
const maxLine = 1<<20 + 1<<10

// Delivery is one arrival of one CloudEvent from upstream.
type Delivery struct {
	ArrivesAt int64
	// Event is the CloudEvent as it arrived, byte for byte.
	Event []byte
	// Fact is what the event says; of one that is malformed no more than its identity and kind.
	Fact Fact
	// Malformed says why the event is no fact.
	Malformed string
}

// Expected is one line of expected.jsonl: what an app must be at an instant, given what had arrived by then.
type Expected struct {
	Now          int64
	App          uint64
	Edition      string
	Status       string
	Invoices     []string // ids of the invoices that count, sorted
	ArrearsSince int64
	LapseCause   string
	LapseSince   int64
}

// ReadDeliveries reads deliveries.jsonl, one delivery a line, in the order of the file. An event that is no fact
// is a delivery all the same (see [Delivery]); a line that is no delivery is an error.
func ReadDeliveries(r io.Reader) ([]Delivery, error) {
	return readLines(r, DecodeDelivery)
}

// DecodeDelivery reads one line of deliveries.jsonl, `{"arrives_at", "event"}`.
func DecodeDelivery(line []byte) (Delivery, error) {
	var envelope deliveryLine
	if err := json.Unmarshal(line, &envelope, json.RejectUnknownMembers(true)); err != nil {
		return Delivery{}, err
	}
	arrivesAt, err := parseInstant(envelope.ArrivesAt)
	if err != nil {
		return Delivery{}, fmt.Errorf("arrives_at: %w", err)
	}
	if len(envelope.Event) == 0 {
		return Delivery{}, fmt.Errorf("event: missing")
	}
	return newDelivery(arrivesAt, envelope.Event), nil
}

func newDelivery(arrivesAt int64, event []byte) Delivery {
	delivery := Delivery{ArrivesAt: arrivesAt, Event: event}
	fact, err := DecodeEvent(event)
	if err != nil {
		delivery.Malformed = err.Error()
	}
	delivery.Fact = fact
	return delivery
}

// ReadApps reads apps.jsonl: apps to be imported, one a line.
func ReadApps(r io.Reader) ([]App, error) {
	return readLines(r, func(line []byte) (App, error) {
		var app appLine
		if err := json.Unmarshal(line, &app, json.RejectUnknownMembers(true)); err != nil {
			return App{}, err
		}
		createdAt, err := parseInstant(app.CreatedAt)
		return App{Account: app.Account, ID: app.App, Name: app.Name, CreatedAt: createdAt, Edition: app.Edition}, err
	})
}

// ReadExpected reads expected.jsonl, one app at one instant a line.
func ReadExpected(r io.Reader) ([]Expected, error) {
	return readLines(r, func(line []byte) (Expected, error) {
		var in expectedLine
		if err := json.Unmarshal(line, &in, json.RejectUnknownMembers(true)); err != nil {
			return Expected{}, err
		}
		out := Expected{App: in.App, Edition: in.Edition, Status: in.Status, Invoices: in.Invoices}
		if in.LapseCause != nil {
			out.LapseCause = *in.LapseCause
		}
		var err error
		for _, instant := range []struct {
			to   *int64
			from *string
		}{{&out.Now, &in.Now}, {&out.ArrearsSince, in.ArrearsSince}, {&out.LapseSince, in.LapseSince}} {
			if instant.from != nil && err == nil {
				*instant.to, err = parseInstant(*instant.from)
			}
		}
		return out, err
	})
}

type appLine struct {
	Account   string `json:"account"`
	App       uint64 `json:"app"`
	Name      string `json:"name"`
	CreatedAt string `json:"created_at"`
	Edition   string `json:"edition,omitzero"`
}

type deliveryLine struct {
	ArrivesAt string         `json:"arrives_at"`
	Event     jsontext.Value `json:"event"`
}

type expectedLine struct {
	Now          string   `json:"now"`
	App          uint64   `json:"app"`
	Edition      string   `json:"edition"`
	Status       string   `json:"status"`
	Invoices     []string `json:"invoices"`
	ArrearsSince *string  `json:"arrears_since"`
	LapseCause   *string  `json:"lapse_cause"`
	LapseSince   *string  `json:"lapse_since"`
}

func readLines[T any](r io.Reader, decode func([]byte) (T, error)) ([]T, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var all []T
	for number := 1; lines.Scan(); number++ {
		one, err := decode(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		all = append(all, one)
	}
	return all, lines.Err()
}
