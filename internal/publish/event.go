package publish

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/eventstore"
)

// place is where an event stands in the log: its commit, and which of its events it is. Places are ordered.
type place struct {
	position uint64
	index    int
	last     bool // the commit has no event behind it
}

// id is the message's and the CloudEvent's id.
func (p place) id() string { return strconv.FormatUint(p.position, 10) + "." + strconv.Itoa(p.index) }

// after tells whether an event stands behind another.
func (p place) after(o place) bool {
	return p.position > o.position || p.position == o.position && p.index > o.index
}

// item is an event on its way downstream.
type item struct {
	place place
	m     *message.Message
}

const (
	// typePrefix stands before an event's stored name, whose version is left to dataschema: consumers of app.stopped go
	// on as they are when a version of it is added.
	typePrefix   = "sundial."
	schemaPrefix = "urn:sundial:event:"
	sourcePrefix = "/sundial/"
	contentType  = "application/cloudevents+json"

	// What Watermill's metadata says beside the headers.
	metaSubject = "subject"
)

// translator makes CloudEvents from commits.
type translator struct {
	codec  *eventstore.Codec[domain.Event]
	source string // of all events: this log
}

func newTranslator(log string) (*translator, error) {
	codec, err := eventstore.NewCodec(domain.Prototypes())
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return &translator{codec: codec, source: sourcePrefix + log}, nil
}

// translate gives the events of a commit in their order. Events stored in an old shape go out in today's.
func (t *translator) translate(m *eventstore.Message) ([]item, error) {
	commit, err := eventstore.DecodeCommit(m.Payload)
	if err != nil {
		return nil, fmt.Errorf("publish: commit %d: %w", m.Sequence, err)
	}
	items := make([]item, len(commit.Events))
	for i, stored := range commit.Events {
		event, err := t.codec.Decode(stored)
		if err != nil {
			return nil, fmt.Errorf("publish: commit %d: %w", m.Sequence, err)
		}
		if event.Type() != stored.Type {
			if stored, err = t.codec.Encode(event); err != nil {
				return nil, fmt.Errorf("publish: commit %d: %w", m.Sequence, err)
			}
		}
		at := place{m.Sequence, i, i == len(commit.Events)-1}
		body, err := t.encode(&commit, at, stored, event.Subject())
		if err != nil {
			return nil, fmt.Errorf("publish: commit %d: %w", m.Sequence, err)
		}
		out := message.NewMessage(at.id(), body)
		out.Metadata.Set(metaSubject, subjectOf(commit.Account, event.Subject()))
		out.Metadata.Set(headerPosition, strconv.FormatUint(at.position, 10))
		out.Metadata.Set(headerIndex, strconv.Itoa(at.index))
		if at.last {
			out.Metadata.Set(headerLast, "1")
		}
		items[i] = item{at, out}
	}
	return items, nil
}

// subjectOf is lifecycle.<account>.<app>, or lifecycle.<account>.account for what is about the account itself, so that
// lifecycle.<account>.> is all of an account.
func subjectOf(account string, app domain.AppID) string {
	if app == 0 {
		return subjectPrefix + account + ".account"
	}
	return subjectPrefix + account + "." + strconv.FormatUint(uint64(app), 10)
}

// encode gives the CloudEvent, in structured mode as JSON.
func (t *translator) encode(commit *eventstore.Commit, at place, stored eventstore.Event, app domain.AppID) ([]byte, error) {
	name := stored.Type
	if i := strings.LastIndex(name, ".v"); i >= 0 {
		name = name[:i]
	}
	subject := commit.Account
	if app != 0 {
		subject = strconv.FormatUint(uint64(app), 10)
	}
	b := make([]byte, 0, 512+len(stored.Data))
	b = append(b, '{')
	for _, a := range [...]struct{ name, value string }{
		{"specversion", "1.0"}, {"id", at.id()}, {"source", t.source}, {"type", typePrefix + name}, {"subject", subject},
		{"time", domain.Instant(commit.RecordedAt).String()}, {"datacontenttype", "application/json"},
		{"dataschema", schemaPrefix + stored.Type}, {"account", commit.Account},
		{"position", strconv.FormatUint(at.position, 10)}, {"actor", commit.Actor}, {"correlationid", commit.Correlation},
	} {
		if a.value == "" {
			continue
		}
		b = append(b, '"')
		b = append(b, a.name...)
		b = append(b, '"', ':')
		var err error
		if b, err = jsontext.AppendQuote(b, a.value); err != nil {
			return nil, err
		}
		b = append(b, ',')
	}
	b = append(b, `"data":`...)
	b = append(b, stored.Data...)
	return append(b, '}'), nil
}
