package eventstore

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// DecodeCommit reads a payload. It takes only what Encode gives: the members in their order, no whitespace between
// them, nothing unknown. The data of events refer to the payload's bytes, which must not change afterwards; that
// data is well-formed JSON, but what it means (members, duplicate names) is the codec's to judge.
func DecodeCommit(payload []byte) (Commit, error) {
	d := decoder{b: payload}
	c := d.commit()
	if d.failed != "" {
		return Commit{}, fmt.Errorf("eventstore: the payload is not a commit: %s at byte %d", d.failed, d.at)
	}
	return c, nil
}

// decoder reads forward; its first failure sticks and everything after it reads nothing.
type decoder struct {
	b      []byte
	at     int
	failed string
}

func (d *decoder) commit() (c Commit) {
	d.literal(`{"format":1,"account":`)
	c.Account = d.text()
	if d.failed == "" && checkAccount(c.Account) != nil {
		d.fail("an invalid account id")
	}
	d.literal(`,"id":`)
	c.ID = d.nonEmpty()
	d.literal(`,"command":`)
	c.Command = d.nonEmpty()
	d.literal(`,"content":`)
	d.hash(&c.Content)
	c.Keyed = d.optional(`,"keyed":true`)
	if d.optional(`,"actor":`) {
		c.Actor = d.nonEmpty()
	}
	if d.optional(`,"reason":`) {
		c.Reason = d.nonEmpty()
	}
	if d.optional(`,"correlation":`) {
		c.Correlation = d.nonEmpty()
	}
	d.literal(`,"recorded_at":`)
	c.RecordedAt = d.time()
	if d.optional(`,"previous":`) {
		d.hash(&c.Previous)
		if d.failed == "" && c.Previous.IsZero() {
			d.fail("a zero hash")
		}
	}
	d.literal(`,"events":[`)
	var few [8]Event // most commits have two or three
	events := few[:0]
	for d.failed == "" {
		d.literal(`{"type":`)
		e := Event{Type: d.nonEmpty()}
		d.literal(`,"data":`)
		e.Data = d.value()
		d.literal(`}`)
		events = append(events, e)
		if len(events) > MaxEvents {
			d.fail("too many events")
		}
		if !d.optional(",") {
			break
		}
	}
	d.literal(`]}`)
	if d.failed == "" && d.at != len(d.b) {
		d.fail("something after its end")
	}
	c.Events = append(make([]Event, 0, len(events)), events...)
	return c
}

func (d *decoder) fail(what string) {
	if d.failed == "" {
		d.failed = what
	}
}

func (d *decoder) literal(s string) {
	if d.failed != "" {
		return
	}
	if !d.optional(s) {
		d.fail("want " + s)
	}
}

func (d *decoder) optional(s string) bool {
	if d.failed != "" || len(d.b)-d.at < len(s) || string(d.b[d.at:d.at+len(s)]) != s {
		return false
	}
	d.at += len(s)
	return true
}

// quoted gives the bytes between the quotes of a string.
func (d *decoder) quoted() (inside []byte, escaped bool) {
	if d.failed != "" {
		return nil, false
	}
	end, escaped, ok := scanString(d.b, d.at)
	if !ok {
		d.fail("want a string")
		return nil, false
	}
	inside = d.b[d.at+1 : end-1]
	d.at = end
	return inside, escaped
}

func (d *decoder) text() string {
	begin := d.at
	inside, escaped := d.quoted()
	if !escaped {
		return string(inside)
	}
	s, err := jsontext.AppendUnquote(nil, d.b[begin:d.at])
	if err != nil {
		d.fail("a broken string")
	}
	return string(s)
}

func (d *decoder) nonEmpty() string {
	s := d.text()
	if s == "" {
		d.fail("an empty string")
	}
	return s
}

func (d *decoder) hash(h *Hash) {
	inside, _ := d.quoted()
	if d.failed == "" && (len(inside) != 2*len(h) || !decodeHash(h, inside)) {
		d.fail("a broken hash")
	}
}

// decodeHash reads lower-case digits only: a hash has one spelling.
func decodeHash(h *Hash, s []byte) bool {
	for i := range h {
		hi, lo := hexDigits[s[2*i]], hexDigits[s[2*i+1]]
		if hi|lo > 0xf {
			return false
		}
		h[i] = hi<<4 | lo
	}
	return true
}

// hexDigits gives the value of each lower-case hexadecimal digit, 0xff for everything else.
var hexDigits = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = byte(i)
	}
	return t
}()

func (d *decoder) time() int64 {
	inside, _ := d.quoted()
	if d.failed != "" {
		return 0
	}
	ms, ok := parseTime(inside)
	if !ok {
		d.fail("a broken time")
	}
	return ms
}

// parseTime reads timeLayout alone, several times as fast as time.Parse.
func parseTime(s []byte) (int64, bool) {
	if len(s) != len(timeLayout) || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' || s[23] != 'Z' {
		return 0, false
	}
	ok := true
	number := func(from, to int) int {
		n := 0
		for _, c := range s[from:to] {
			if c < '0' || c > '9' {
				ok = false
			}
			n = n*10 + int(c-'0')
		}
		return n
	}
	year, month, day := number(0, 4), number(5, 7), number(8, 10)
	hour, minute, second, ms := number(11, 13), number(14, 16), number(17, 19), number(20, 23)
	if !ok || year < 1 || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Day() != day {
		return 0, false // the 31st of a shorter month
	}
	return t.UnixMilli() + int64(ms), true
}

func (d *decoder) value() jsontext.Value {
	if d.failed != "" {
		return nil
	}
	end, ok := scanValue(d.b, d.at, 0)
	if !ok {
		d.fail("want a JSON value")
		return nil
	}
	v := d.b[d.at:end:end]
	d.at = end
	return v
}

// maxDepth bounds the nesting of an event's data, so that no payload can exhaust the stack.
const maxDepth = 100

// scanValue finds the end of the JSON value (RFC 8259) that begins at i, whitespace within it included.
func scanValue(b []byte, i, depth int) (end int, ok bool) {
	if i >= len(b) || depth > maxDepth {
		return 0, false
	}
	switch c := b[i]; {
	case c == '"':
		end, _, ok = scanString(b, i)
		return end, ok
	case c == '{':
		return scanMembers(b, i, depth, '}')
	case c == '[':
		return scanMembers(b, i, depth, ']')
	case c == 't':
		return scanWord(b, i, "true")
	case c == 'f':
		return scanWord(b, i, "false")
	case c == 'n':
		return scanWord(b, i, "null")
	case c == '-' || c >= '0' && c <= '9':
		return scanNumber(b, i)
	}
	return 0, false
}

// scanMembers scans an object or array that ends with the given bracket.
func scanMembers(b []byte, i, depth int, closing byte) (int, bool) {
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == closing {
		return i + 1, true
	}
	for {
		var ok bool
		if closing == '}' {
			if i, _, ok = scanString(b, i); !ok {
				return 0, false
			}
			if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
				return 0, false
			}
			i = skipSpace(b, i+1)
		}
		if i, ok = scanValue(b, i, depth+1); !ok {
			return 0, false
		}
		if i = skipSpace(b, i); i >= len(b) {
			return 0, false
		}
		if b[i] == closing {
			return i + 1, true
		}
		if b[i] != ',' {
			return 0, false
		}
		i = skipSpace(b, i+1)
	}
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

func scanWord(b []byte, i int, word string) (int, bool) {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return 0, false
	}
	return i + len(word), true
}

func scanNumber(b []byte, i int) (int, bool) {
	digits := func() bool {
		begin := i
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			i++
		}
		return i > begin
	}
	if b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return 0, false
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return 0, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return 0, false
		}
	}
	return i, true
}

// stops marks the bytes at which a scan of a string has to look closer.
var stops = func() (t [256]bool) {
	for i := range t {
		t[i] = i < 0x20 || i == '"' || i == '\\' || i >= utf8.RuneSelf
	}
	return t
}()

// scanString finds the end of the string that begins at i, quotes included.
func scanString(b []byte, i int) (end int, escaped, ok bool) {
	if i >= len(b) || b[i] != '"' {
		return 0, false, false
	}
	for i++; i < len(b); {
		c := b[i]
		if !stops[c] {
			i++
			continue
		}
		switch {
		case c == '"':
			return i + 1, escaped, true
		case c == '\\':
			escaped = true
			n := escape(b[i:])
			if n == 0 {
				return 0, false, false
			}
			i += n
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				return 0, false, false
			}
			i += n
		default:
			return 0, false, false // control characters must be escaped
		}
	}
	return 0, false, false
}

// escape gives the length of the escape sequence at the beginning of b, 0 if there is none. Surrogates must come
// in pairs.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		switch r := unit(b); {
		case r < 0 || r >= 0xdc00 && r < 0xe000:
			return 0
		case r >= 0xd800 && r < 0xdc00:
			if low := unit(b[6:]); low < 0xdc00 || low >= 0xe000 {
				return 0
			}
			return 12
		}
		return 6
	}
	return 0
}

// unit reads \uXXXX, -1 if it is not one.
func unit(b []byte) int {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	r := 0
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | int(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | int(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | int(c-'A'+10)
		default:
			return -1
		}
	}
	return r
}
