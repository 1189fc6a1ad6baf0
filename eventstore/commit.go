package eventstore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go"

	"sundial/internal/accountid"
)

// Hash is the SHA-256 of a commit's payload, of the bytes as they are stored, never of a re-encoding.
type Hash [sha256.Size]byte

// HashOf hashes a stored payload.
func HashOf(payload []byte) Hash { return sha256.Sum256(payload) }

// String gives the hash in lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero tells whether there is no hash: the first commit of an account has no previous one.
func (h Hash) IsZero() bool { return h == Hash{} }

// ParseHash reads what String gives.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return Hash{}, fmt.Errorf("a hash has %d hexadecimal digits, not %d", 2*len(h), len(s))
	}
	if !decodeHash(&h, []byte(s)) {
		return Hash{}, errors.New("a hash has lower-case hexadecimal digits only")
	}
	return h, nil
}

// Event is a fact as it is stored: the name of its type, written by hand and versioned (app.arrears_started.v1),
// and its data, a JSON value.
type Event struct {
	Type string
	Data jsontext.Value
}

// Commit is the outcome of one command, exactly what is stored and hashed. All of its events are in the log or none.
type Commit struct {
	Account     string
	ID          string // the command's id, unique within the account, forever
	Command     string // the command's stored name
	Content     Hash   // of the command's content: the same id with another content is another command, and refused
	Keyed       bool   // Content is no plain hash but made with a key, since the command brought secrets
	Actor       string
	Reason      string // may be empty
	Correlation string // may be empty
	RecordedAt  int64  // milliseconds since the Unix epoch; stored as RFC 3339 in UTC
	Previous    Hash   // of the account's previous commit; zero for its first
	Events      []Event
}

// Limits on a commit. MaxEvents is above what the largest command leads to: an import of an app with 500 orders, 500
// invoices and what it holds beside them, some hundred events more. MaxPayload leaves room for headers below the server's
// own limit on a message, 1 MB.
const (
	MaxEvents  = 1200
	MaxPayload = maxMessage - 16<<10
)

const (
	maxMessage = 1 << 20        // payload and headers
	maxHeader  = 16<<10 - 1<<10 // what is left for the caller's headers beside ours
)

// Encode gives the payload: JSON with its members always in the same order, absent ones left out ("keyed" stands only where it is true). A later format gets
// another number and a decoder of its own beside this one's.
//
//	{"format":1,"account":"acme","id":"…","command":"create_app","content":"<hex>","keyed":true,"actor":"…","reason":"…",
//	 "correlation":"…","recorded_at":"2021-01-01T00:00:00.000Z","previous":"<hex>","events":[{"type":"…","data":{…}}]}
func (c *Commit) Encode() ([]byte, error) {
	size := 320 + len(c.ID) + len(c.Actor) + len(c.Reason) + len(c.Correlation)
	for i := range c.Events {
		size += len(c.Events[i].Type) + len(c.Events[i].Data) + 24
	}
	return c.AppendEncode(make([]byte, 0, size))
}

// AppendEncode appends what Encode gives.
func (c *Commit) AppendEncode(b []byte) ([]byte, error) {
	begin := len(b)
	if err := checkAccount(c.Account); err != nil {
		return nil, err
	}
	switch {
	case c.ID == "":
		return nil, errors.New("eventstore: a commit without the id of its command")
	case c.Command == "":
		return nil, errors.New("eventstore: a commit without the name of its command")
	case len(c.Events) == 0:
		return nil, errors.New("eventstore: a commit without events: a command that changes nothing appends nothing")
	case len(c.Events) > MaxEvents:
		return nil, fmt.Errorf("eventstore: a commit of %d events, at most %d: %w", len(c.Events), MaxEvents, ErrTooLarge)
	case c.RecordedAt < minRecordedAt || c.RecordedAt > maxRecordedAt:
		return nil, fmt.Errorf("eventstore: recorded time %d ms is outside the years 1 to 9999", c.RecordedAt)
	}
	var err error
	b = append(b, `{"format":1,"account":"`...)
	b = append(b, c.Account...)
	b = append(b, '"')
	for _, m := range [...]struct {
		name, value string
	}{{`,"id":`, c.ID}, {`,"command":`, c.Command}} {
		b = append(b, m.name...)
		if b, err = appendString(b, m.value); err != nil {
			return nil, err
		}
	}
	b = append(b, `,"content":"`...)
	b = hex.AppendEncode(b, c.Content[:])
	b = append(b, '"')
	if c.Keyed {
		b = append(b, `,"keyed":true`...)
	}
	for _, m := range [...]struct {
		name, value string
	}{{`,"actor":`, c.Actor}, {`,"reason":`, c.Reason}, {`,"correlation":`, c.Correlation}} {
		if m.value == "" {
			continue
		}
		b = append(b, m.name...)
		if b, err = appendString(b, m.value); err != nil {
			return nil, err
		}
	}
	b = append(b, `,"recorded_at":"`...)
	b = appendTime(b, c.RecordedAt)
	b = append(b, '"')
	if !c.Previous.IsZero() {
		b = append(b, `,"previous":"`...)
		b = hex.AppendEncode(b, c.Previous[:])
		b = append(b, '"')
	}
	b = append(b, `,"events":[`...)
	for i := range c.Events {
		e := &c.Events[i]
		if e.Type == "" {
			return nil, errors.New("eventstore: an event without a type")
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"type":`...)
		if b, err = appendString(b, e.Type); err != nil {
			return nil, err
		}
		b = append(b, `,"data":`...)
		if n, ok := scanValue(e.Data, 0, 0); !ok || n != len(e.Data) {
			return nil, fmt.Errorf("eventstore: data of an event %s is not a JSON value", e.Type)
		}
		b = append(b, e.Data...)
		b = append(b, '}')
	}
	b = append(b, `]}`...)
	if n := len(b) - begin; n > MaxPayload {
		return nil, fmt.Errorf("eventstore: a commit of %d bytes, at most %d: %w", n, MaxPayload, ErrTooLarge)
	}
	return b, nil
}

// Header gives the commit's attributes as a CloudEvent (1.0, binary mode of the binding for NATS), for whoever looks
// at the log with other tools. Nothing is decided on them and they are not hashed, so that they hold nothing that
// the payload does not; they are few, since every reader pays for each.
func (c *Commit) Header() nats.Header {
	v := [...]string{"1.0", attribute(c.ID), "/accounts/" + c.Account, "sundial." + c.Command}
	return nats.Header{"ce-specversion": v[0:1], "ce-id": v[1:2], "ce-source": v[2:3], "ce-type": v[3:4]}
}

// attribute escapes an attribute's value for a header: the binding percent-encodes what is not printable ASCII, the
// space, the quote and the percent sign.
func attribute(s string) string {
	special := func(c byte) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '%' }
	n := 0
	for i := range len(s) {
		if special(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; special(c) {
			b = append(b, '%', upperHex[c>>4], upperHex[c&0xf])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

const upperHex = "0123456789ABCDEF"

func appendString(b []byte, s string) ([]byte, error) {
	if plain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"'), nil
	}
	b, err := jsontext.AppendQuote(b, s)
	if err != nil {
		return nil, fmt.Errorf("eventstore: a text that is not valid UTF-8: %w", err)
	}
	return b, nil
}

// plain tells whether s stands for itself between quotes.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// RFC 3339 has four digits for the year.
var (
	minRecordedAt = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	maxRecordedAt = time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC).UnixMilli()
)

const timeLayout = "2006-01-02T15:04:05.000Z"

// appendTime writes timeLayout alone, several times as fast as time.AppendFormat.
func appendTime(b []byte, ms int64) []byte {
	t := time.UnixMilli(ms).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(digits(digits(b, year/100), year%100), '-')
	b = append(digits(b, int(month)), '-')
	b = append(digits(b, day), 'T')
	b = append(digits(b, hour), ':')
	b = append(digits(b, minute), ':')
	b = append(digits(b, second), '.')
	milli := t.Nanosecond() / 1e6
	return append(digits(b, milli/10), byte('0'+milli%10), 'Z')
}

// digits appends a number of two digits.
func digits(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

func checkAccount(a string) error {
	if !accountid.Valid(a) {
		return errors.New("eventstore: an account id is 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit: got " + strconv.Quote(a[:min(len(a), accountid.MaxLength+1)]))
	}
	return nil
}
