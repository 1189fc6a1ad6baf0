package ingest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/engine"
)

// State is what has become of a parked event.
type State string

// The states of a parked event.
const (
	StateOpen       State = "open"       // waits for a person, or for its app to appear
	StateDiscarded  State = "discarded"  // a person gave it up; it is still answered as parked
	StateReplayed   State = "replayed"   // it was taken in after all
	StateSuperseded State = "superseded" // another event of its source and id was taken in, with another type or data
)

// Parked is an event that was not taken in, with its reason. Events that are the same are parked once, on whatever
// node and however often they come.
type Parked struct {
	ID    string `json:"-"` // 32 hexadecimal digits, derived from the event's content
	State State  `json:"state"`
	Code  string `json:"code"` // of a *Malformed, of a refusal or an invalid field of the domain, or of ParkingCodes
	Text  string `json:"text"` // what is wrong, without the values

	Source  string       `json:"source,omitzero"` // of the event; as far as it could be read, like the four below
	EventID string       `json:"event_id,omitzero"`
	Type    string       `json:"type,omitzero"`
	Account string       `json:"account,omitzero"`
	App     domain.AppID `json:"app,omitzero"`

	Subject  string         `json:"subject,omitzero"` // the NATS subject it came on; empty if it came over HTTP
	Actor    string         `json:"actor,omitzero"`   // who gave it: a token, or billing:nats
	ParkedAt domain.Instant `json:"parked_at,omitzero"`
	ClosedAt domain.Instant `json:"closed_at,omitzero"`
	ClosedBy string         `json:"closed_by,omitzero"` // who discarded or replayed it
	Position uint64         `json:"position,omitzero"`  // of the commit that a replay led to, or of what superseded it

	Size  int    `json:"size"` // of the event, in bytes
	Event []byte `json:"-"`    // the event as it came; nil once it is not open

	sequence uint64 // of the message that says all this
}

// waits tells whether the event is taken in by itself once its app appears.
func (p *Parked) waits() bool {
	return p.State == StateOpen && p.Code == domain.AppNotFound.Code && p.Account != "" && p.App != 0
}

var (
	// ErrNotParked: nothing was parked under this id.
	ErrNotParked = errors.New("nothing is parked under this id")

	// ErrParkedFull: so much is parked and open that no more is taken. The event stays with its sender, or waiting. A
	// *ShareError is one as well.
	ErrParkedFull = errors.New("too many events are parked and open: replay or discard some")

	// errMoved: another node has changed the parked event meanwhile.
	errMoved = errors.New("ingest: the parked event was changed by another node")
)

// ClosedError says that a parked event is no longer open.
type ClosedError struct{ State State }

func (e *ClosedError) Error() string {
	return fmt.Sprintf("the parked event was %s already: there is nothing left to do with it", e.State)
}

// StillParkedError says that a replayed event was judged afresh and is still not taken in; it stays parked with this
// reason.
type StillParkedError struct{ Code, Text string }

func (e *StillParkedError) Error() string {
	return "the event is still not taken in: " + e.Text
}

// parkedKey tells parked events apart, in memory and, as hexadecimal digits, as their id.
type parkedKey [16]byte

func (k parkedKey) String() string { return hex.EncodeToString(k[:]) }

func parseKey(id string) (k parkedKey, ok bool) {
	if len(id) != hex.EncodedLen(len(k)) {
		return k, false
	}
	_, err := hex.Decode(k[:], []byte(id))
	return k, err == nil && k.String() == id // capitals are another subject
}

// arrival is the event as it came. It must be open.
func (p *Parked) arrival() *arrival {
	fact, err := Decode(p.Event)
	a := arrival{event: p.Event, fact: &fact, from: origin{subject: p.Subject, account: accountOf(p.Subject), actor: p.Actor}}
	errors.As(err, &a.unread)
	return &a
}

// key derives the key of an event: deliveries of one message have one, whatever attributes they came with. That of an
// event that came astray is of its subject as well, since elsewhere it may be welcome.
func (a *arrival) key() (parkedKey, error) {
	switch {
	case a.unread != nil:
		return keyOfMessage(a.event), nil
	case a.astray():
		return keyOf(a.fact, a.from.subject)
	}
	return keyOf(a.fact, "")
}

// formerKey is the key that an earlier program gave the event: of all that it carries.
func (a *arrival) formerKey() (parkedKey, error) {
	if a.unread != nil {
		return keyOfBytes(a.event), nil
	}
	subject := ""
	if a.astray() {
		subject = a.from.subject
	}
	whole, err := engine.WholeHash(a.fact.Account, a.fact.Command)
	if err != nil {
		return parkedKey{}, err
	}
	return hashKey("fact\n"+subject+"\n", whole[:]), nil
}

// slotOf is where parked events of one source and id are found; the zero one if either is unknown.
func slotOf(source, id string) parkedKey {
	if source == "" || id == "" {
		return parkedKey{}
	}
	return hashKey("slot\n", []byte(source+"\n"+id))
}

// keyOfMessage derives the key of an event that could not be read: from its source, id, type and data where it has them,
// or else from all of it.
func keyOfMessage(b []byte) parkedKey {
	v := jsontext.Value(b)
	if len(b) > MaxEvent || v.Kind() != '{' {
		return keyOfBytes(b)
	}
	var message members
	known := 0
	_, err := canonicalMembers(v, "", 1, func(name string, v jsontext.Value) (bool, error) {
		switch name {
		case "source", "id":
			if s, err := text(v, name, maxName); err == nil && s != "" {
				known++
			}
		case "type", "data", "data_base64":
		default:
			return true, nil
		}
		canonical, err := appendCanonical(nil, v, name, 2)
		message = append(message, member{strings.Clone(name), canonical})
		return true, err
	})
	if err != nil || known < 2 {
		return keyOfBytes(b)
	}
	canonical, err := message.append(nil)
	if err != nil {
		return keyOfBytes(b)
	}
	return hashKey("message\n", canonical)
}

// keyOf derives the key of a fact that was read: from what it says. With a subject, the key is that of the fact on this
// subject, since elsewhere it may be welcome.
func keyOf(fact *Notification, subject string) (parkedKey, error) {
	content, err := engine.ContentHash(fact.Account, fact.Command)
	if err != nil {
		return parkedKey{}, err
	}
	return hashKey("fact\n"+subject+"\n", content[:]), nil
}

// keyOfBytes derives the key of an event that could not be read: from its JSON, however spelled, or else its bytes.
func keyOfBytes(b []byte) parkedKey {
	if v := jsontext.Value(b); len(b) <= MaxEvent && v.IsValid() {
		if canonical, err := appendCanonical(nil, v, "", 1); err == nil {
			return hashKey("json\n", canonical)
		}
	}
	return hashKey("bytes\n", b)
}

func hashKey(kind string, b []byte) parkedKey {
	h := sha256.New()
	h.Write([]byte(kind))
	h.Write(b)
	return parkedKey(h.Sum(nil)[:16])
}

// maxText bounds the reason that is kept: a domain's complaint names every field of a long list.
const maxText = 1 << 10

// encode gives the header that carries everything but the event itself. It is ASCII, as a header should be.
func (p *Parked) encode() (string, error) {
	if len(p.Text) > maxText {
		p.Text = p.Text[:maxText]
	}
	b, err := json.Marshal(p, json.Deterministic(true), jsontext.EscapeForJS(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return "", fmt.Errorf("ingest: encoding a parked event: %w", err)
	}
	return ascii(b), nil
}

// ascii escapes what is not ASCII in JSON.
func ascii(b []byte) string {
	out := make([]byte, 0, len(b))
	for _, r := range string(b) {
		switch {
		case r < 0x80:
			out = append(out, byte(r))
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		}
	}
	return string(out)
}

func decodeParked(header string) (Parked, error) {
	var p Parked
	if err := json.Unmarshal([]byte(header), &p); err != nil {
		return p, fmt.Errorf("ingest: reading a parked event: %w", err)
	}
	return p, nil
}
