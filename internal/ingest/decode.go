package ingest

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/accountid"
	"sundial/internal/engine"
	"sundial/internal/mediatype"
)

const (
	// MaxEvent bounds one event, as the API bounds a body.
	MaxEvent = 1 << 20

	// maxExtra bounds what is kept of an event without being understood: it stays in the log for ever.
	maxExtra = 64 << 10

	// maxName bounds source and id: they are kept with every fact and looked up for ever.
	maxName = 512

	// maxExact is the largest integer that every reader of JSON holds exactly.
	maxExact = domain.MaxMinor
)

// The types of the billing system's events (the contract of the API, billing events), and of those of the TRTC side.
const (
	typePaid     = "sundial.billing.order.paid"
	typeRefunded = "sundial.billing.order.refunded"
	typeOverdue  = "sundial.billing.invoice.overdue"
	typeSettled  = "sundial.billing.invoice.settled"
	typeVoided   = "sundial.billing.invoice.voided"

	typeTRTCStopped = "sundial.trtc.app.stopped"
	typeTRTCStarted = "sundial.trtc.app.started"
)

// Notification is an event of the billing system, read.
type Notification struct {
	Source, ID, Type string // of the event; they and the two below are given as far as they could be read
	Account          string
	App              domain.AppID
	Correlation      string         // the extension attribute correlationid, else the event's id
	Command          domain.Command // what the event means; nil if it could not be read
}

// CommandID is the id of the fact's command: unique by source and id, everywhere.
func (f *Notification) CommandID() string {
	sum := sha256.Sum256([]byte(f.Source + "\n" + f.ID))
	return engine.FactPrefix + base64.RawURLEncoding.EncodeToString(sum[:])
}

// Decode reads a CloudEvent 1.0 in structured mode as JSON: the one translation, whatever way the event came. What is
// not known, extension attributes and members of data, is kept with the fact. Two events whose contents are the same
// give the same command, however they are spelled. An error is always a *Malformed, and the fact then holds what could
// be read.
func Decode(b []byte) (Notification, error) {
	e := event{}
	err := e.read(mediatype.Unmarked(b))
	return e.fact, err
}

// event is a CloudEvent being read.
type event struct {
	fact     Notification
	version  string
	content  string // datacontenttype
	data     jsontext.Value
	base64   bool
	kept     members // of the attributes, canonical; keptData those of data
	keptData members
	bill     bill
}

func (e *event) read(b []byte) error {
	if len(b) > MaxEvent {
		return malformed("too_large", "", "is larger than 1 MB")
	}
	if mediatype.Wide(b) {
		return malformed("unsupported_content", "", "is in UTF-16: send it in UTF-8")
	}
	v := jsontext.Value(b)
	switch v.Kind() {
	case '{':
	case 0:
		return malformed("malformed_json", "", "is not valid JSON in UTF-8")
	default:
		if !v.IsValid() {
			return malformed("malformed_json", "", "is not valid JSON in UTF-8")
		}
		return malformed("wrong_type", "", "must be a JSON object")
	}
	others, err := canonicalMembers(v, "", 1, e.attribute)
	e.kept = append(e.kept, others...)
	if err == nil {
		err = e.checkAttributes()
	}
	if err != nil {
		e.peek(v)
		return err
	}
	others, err = canonicalMembers(e.data, "data", 2, e.member)
	e.keptData = append(e.keptData, others...)
	if err != nil {
		return err
	}
	return e.translate()
}

// peek looks for which event it is that could not be read, and whom it is about, so that the parked event can be found.
func (e *event) peek(v jsontext.Value) {
	_, _ = canonicalMembers(v, "", 1, func(name string, v jsontext.Value) (bool, error) {
		into := map[string]*string{"id": &e.fact.ID, "source": &e.fact.Source, "type": &e.fact.Type}[name]
		switch s, err := text(v, name, maxName); {
		case into != nil && err == nil:
			*into = s
		case name == "data" && v.Kind() == '{':
			e.data = v.Clone()
		}
		return true, nil
	})
	if e.data.Kind() != '{' {
		return
	}
	_, _ = canonicalMembers(e.data, "data", 2, func(name string, v jsontext.Value) (bool, error) {
		switch name {
		case "account":
			if s, err := unquote(v, name); err == nil && accountid.Valid(s) {
				e.fact.Account = s
			}
		case "app":
			if n, err := integer(v, name); err == nil && n > 0 {
				e.fact.App = domain.AppID(n)
			}
		}
		return true, nil
	})
}

// knownAttributes are those of the specification.
var knownAttributes = []string{
	"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "data", "data_base64",
}

// attribute takes one member of the event itself. Null means absent.
func (e *event) attribute(name string, v jsontext.Value) (taken bool, err error) {
	null := v.Kind() == 'n'
	switch name {
	case "specversion":
		e.version, err = text(v, name, maxName)
	case "id":
		e.fact.ID, err = text(v, name, maxName)
	case "source":
		e.fact.Source, err = text(v, name, maxName)
	case "type":
		e.fact.Type, err = text(v, name, maxName)
	case "datacontenttype":
		e.content, err = text(v, name, maxName)
	case "data":
		if !null {
			e.data = v.Clone()
		}
	case "data_base64":
		e.base64 = !null
	case "time":
		if null {
			break
		}
		var at []byte
		if at, err = instantOf(v, name); err == nil {
			e.kept = append(e.kept, member{name, at})
		}
	case "subject", "dataschema":
		if null {
			break
		}
		if _, err = text(v, name, MaxEvent); err == nil {
			return false, nil
		}
	case "correlationid":
		// A common extension. What is not a plain text is kept all the same.
		if s, err := text(v, name, 255); err == nil {
			e.fact.Correlation = s
		}
		return null, nil
	default:
		if known := misspelled(name, knownAttributes); known != "" {
			return true, malformed("misspelled_name", known, "is spelled with other upper and lower case")
		}
		return null, nil
	}
	return true, err
}

func (e *event) checkAttributes() error {
	for _, required := range [...]struct{ name, value string }{
		{"specversion", e.version}, {"id", e.fact.ID}, {"source", e.fact.Source}, {"type", e.fact.Type},
	} {
		if required.value == "" {
			return malformed("missing_field", required.name, "is required")
		}
	}
	if e.version != "1.0" {
		return malformed("unsupported_version", "specversion", "must be 1.0")
	}
	if _, known := translations[e.fact.Type]; !known {
		return malformed("unknown_type", "type", "is none of the types of events that the documentation lists")
	}
	if e.base64 {
		return malformed("unsupported_content", "data_base64", "is not read: give the data as JSON in data")
	}
	if e.content != "" {
		kind, ok := mediatype.Parse(e.content)
		switch foreign := kind.Foreign(); {
		case !ok || !kind.JSON():
			return malformed("unsupported_content", "datacontenttype", "must be application/json, or another type of JSON")
		case foreign != "":
			return malformed("unsupported_content", "datacontenttype", "says that the data is in "+foreign+": an event is in UTF-8")
		case kind.Name != "application/json":
			e.kept = append(e.kept, member{"datacontenttype", quote(kind.Name)})
		}
	}
	switch {
	case e.data == nil:
		return malformed("missing_field", "data", "is required")
	case e.data.Kind() != '{':
		return malformed("wrong_type", "data", "must be a JSON object")
	}
	if e.fact.Correlation == "" {
		e.fact.Correlation = e.fact.ID
	}
	return nil
}

// text reads a string of one line; null is the empty one.
func text(v jsontext.Value, at string, longest int) (string, error) {
	if v.Kind() == 'n' {
		return "", nil
	}
	s, err := unquote(v, at)
	switch {
	case err != nil:
		return "", err
	case len(s) > longest:
		return "", malformed("too_long", at, "must be at most "+strconv.Itoa(longest)+" bytes")
	case hasControl(s):
		return "", malformed("control_character", at, "must not hold a control character")
	}
	return s, nil
}

func unquote(v jsontext.Value, at string) (string, error) {
	if v.Kind() != '"' {
		return "", malformed("wrong_type", at, "must be a string")
	}
	if plain := v[1 : len(v)-1]; !escaped(plain) {
		return string(plain), nil
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return "", syntax(err, at)
	}
	return string(b), nil
}

func escaped(b []byte) bool {
	for _, c := range b {
		if c == '\\' {
			return true
		}
	}
	return false
}

// quote is a text as JSON. All texts here come from valid JSON, so that it cannot fail.
func quote(s string) []byte {
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		return []byte(`""`)
	}
	return b
}

// instantOf reads a time of the event itself, which may be finer than ours and before our epoch, in one spelling.
func instantOf(v jsontext.Value, at string) ([]byte, error) {
	s, err := unquote(v, at)
	if err != nil {
		return nil, err
	}
	t, err := domain.ParseTime(s)
	if err != nil || t.UTC().Year() < 0 || t.UTC().Year() > 9999 {
		return nil, malformed("invalid_time", at, "must be a time as RFC 3339 with a zone")
	}
	return quote(t.UTC().Format(time.RFC3339Nano)), nil
}

// misspelled gives the known name that a name would be but for upper and lower case.
func misspelled(name string, known []string) string {
	for _, k := range known {
		if len(k) == len(name) && strings.EqualFold(name, k) {
			return k
		}
	}
	return ""
}
