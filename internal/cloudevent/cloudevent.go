// Package cloudevent shows what is committed to those outside: each event of a commit as a CloudEvent 1.0 in JSON. What
// is published downstream and what the feed and the histories answer come from here, so that they say the same.
package cloudevent

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
)

const (
	// TypePrefix stands before an event's stored name, whose version is left to dataschema: consumers of app.stopped go
	// on as they are when a version of it is added.
	TypePrefix   = "sundial."
	schemaPrefix = "urn:sundial:event:"
	sourcePrefix = "/sundial/"

	// EpochMark stands in an event's id before the name of its epoch; an event of the first has neither.
	EpochMark = "@"

	// ContentType is that of an event in structured mode.
	ContentType = "application/cloudevents+json"
)

// Veiled is an event that shows less than it stores. What Shown gives is what everybody outside sees as its data, and
// must be a JSON object without anything sealed or secret in it. An event that stores ciphertext is veiled; the rest
// shows what it stores.
type Veiled interface{ Shown() any }

// Translator makes CloudEvents from the commits of one log. It is safe for concurrent use.
type Translator struct {
	codec  *eventstore.Codec[domain.Event]
	source string // of all events: this log
	epochs eventstore.Epochs
	names  []string
}

// New makes a translator for the log of this identity, with its epochs.
func New(log string, epochs eventstore.Epochs) (*Translator, error) {
	codec, err := codec.New()
	if err != nil {
		return nil, fmt.Errorf("cloudevent: %w", err)
	}
	return newTranslator(log, epochs, codec), nil
}

func newTranslator(log string, epochs eventstore.Epochs, codec *eventstore.Codec[domain.Event]) *Translator {
	t := &Translator{codec: codec, source: sourcePrefix + log, epochs: epochs}
	for _, name := range codec.Types() {
		t.names = append(t.names, NameOf(name))
	}
	slices.Sort(t.names)
	t.names = slices.Compact(t.names)
	return t
}

// NameOf is an event's stored name without its version.
func NameOf(stored string) string {
	if i := strings.LastIndex(stored, ".v"); i >= 0 {
		return stored[:i]
	}
	return stored
}

// Names lists the names that events can have, without versions, in order.
func (t *Translator) Names() []string { return slices.Clone(t.names) }

// Event is an event of a commit as those outside may see it.
type Event struct {
	Position uint64 // of its commit
	Index    int    // within its commit
	Last     bool   // the commit has no event behind it
	Epoch    string // in which the commit was made
	Stored   string // its name in today's version
	App      domain.AppID
	Data     jsontext.Value
}

// ID is the position and the index, with the epoch from the second on: with the source it is unique for ever, also where a
// restore has taken events back and others stand at their positions.
func (e *Event) ID() string { return ID(e.Epoch, e.Position, e.Index) }

// ID is that of the event at a place of the log: 1234.0, or 1234.0@2-k7qfxz4m.
func ID(epoch string, position uint64, index int) string {
	id := strconv.FormatUint(position, 10) + "." + strconv.Itoa(index)
	if epoch == eventstore.FirstEpoch {
		return id
	}
	return id + EpochMark + epoch
}

// Type is the CloudEvent's type.
func (e *Event) Type() string { return TypePrefix + NameOf(e.Stored) }

// Events gives the events of a commit in their order. Those stored in an old shape are given in today's.
func (t *Translator) Events(commit *eventstore.Commit, position uint64) ([]Event, error) {
	events := make([]Event, len(commit.Events))
	epoch := t.epochs.At(position)
	for i, stored := range commit.Events {
		event, err := t.codec.Decode(stored)
		if err != nil {
			return nil, fmt.Errorf("cloudevent: commit %d: %w", position, err)
		}
		if stored, err = t.shown(stored, event); err != nil {
			return nil, fmt.Errorf("cloudevent: commit %d: %w", position, err)
		}
		events[i] = Event{
			Position: position, Index: i, Last: i == len(commit.Events)-1, Epoch: epoch,
			Stored: stored.Type, App: event.Subject(), Data: stored.Data,
		}
	}
	return events, nil
}

// shown gives an event's data for those outside: as it is stored, unless it is veiled or of an old shape.
func (t *Translator) shown(stored eventstore.Event, event domain.Event) (eventstore.Event, error) {
	if veiled, is := event.(Veiled); is {
		data, err := json.Marshal(veiled.Shown(), json.Deterministic(true))
		if err == nil && (len(data) == 0 || data[0] != '{') {
			err = errors.New("what it shows is not a JSON object")
		}
		if err != nil {
			return eventstore.Event{}, fmt.Errorf("showing an event %s: %w", event.Type(), err)
		}
		return eventstore.Event{Type: event.Type(), Data: data}, nil
	}
	if event.Type() != stored.Type {
		return t.codec.Encode(event)
	}
	return stored, nil
}

// Attribute is an attribute of a CloudEvent.
type Attribute struct{ Name, Value string }

// Append appends the CloudEvent in structured mode as JSON: the attributes that every one has, then those given, then
// the data. An attribute without a value is left away.
func (t *Translator) Append(b []byte, commit *eventstore.Commit, e *Event, more ...Attribute) ([]byte, error) {
	subject := commit.Account
	if e.App != 0 {
		subject = strconv.FormatUint(uint64(e.App), 10)
	}
	b = slices.Grow(b, 512+len(e.Data))
	b = append(b, '{')
	var err error
	for _, a := range [...]Attribute{
		{"specversion", "1.0"}, {"id", e.ID()}, {"source", t.source}, {"type", e.Type()}, {"subject", subject},
		{"time", domain.Instant(commit.RecordedAt).String()}, {"datacontenttype", "application/json"},
		{"dataschema", schemaPrefix + e.Stored}, {"account", commit.Account},
		{"position", strconv.FormatUint(e.Position, 10)}, {"actor", commit.Actor}, {"correlationid", commit.Correlation},
	} {
		if b, err = appendAttribute(b, a); err != nil {
			return nil, err
		}
	}
	for _, a := range more {
		if b, err = appendAttribute(b, a); err != nil {
			return nil, err
		}
	}
	b = append(b, `"data":`...)
	b = append(b, e.Data...)
	return append(b, '}'), nil
}

func appendAttribute(b []byte, a Attribute) ([]byte, error) {
	if a.Value == "" {
		return b, nil
	}
	b = append(b, '"')
	b = append(b, a.Name...)
	b = append(b, '"', ':')
	b, err := jsontext.AppendQuote(b, a.Value)
	return append(b, ','), err
}
