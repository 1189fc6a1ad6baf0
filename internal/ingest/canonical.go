package ingest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds the nesting of an event: bills are flat, and what reads them later should not need a deep stack.
const maxDepth = 32

// maxExponent bounds the power of ten of a number: beyond it no reader could hold the number.
const maxExponent = 9999

// appendCanonical appends a JSON value in the one form that all spellings of it share: members sorted by name, no white
// space, strings with no escape that is not needed, numbers exact with one spelling (1.0 and 10e-1 are 1). The value is
// valid JSON without duplicate names; at names its place for the error.
func appendCanonical(b []byte, v jsontext.Value, at string, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, malformed("too_deep", at, "is nested too deeply: at most 32 levels are read")
	}
	switch v.Kind() {
	case '"':
		s, err := unquote(v, at)
		if err != nil {
			return nil, err
		}
		return jsontext.AppendQuote(b, s)
	case '0':
		return appendNumber(b, v, at)
	case '[', '{':
		dec := read(v)
		defer decoders.Put(dec)
		return appendNext(b, dec, at, depth)
	}
	return append(b, v...), nil // null, true, false
}

// appendNext appends the decoder's next value in that form. However deep it is nested, it is read once.
func appendNext(b []byte, dec *jsontext.Decoder, at string, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, malformed("too_deep", at, "is nested too deeply: at most 32 levels are read")
	}
	switch dec.PeekKind() {
	case '[':
		return appendArray(b, dec, at, depth)
	case '{':
		return appendObject(b, dec, at, depth)
	}
	v, err := dec.ReadValue()
	if err != nil {
		return nil, syntax(err, at)
	}
	return appendCanonical(b, v, at, depth)
}

func appendArray(b []byte, dec *jsontext.Decoder, at string, depth int) ([]byte, error) {
	if _, err := dec.ReadToken(); err != nil {
		return nil, syntax(err, at)
	}
	b = append(b, '[')
	for first := true; dec.PeekKind() != ']'; first = false {
		if !first {
			b = append(b, ',')
		}
		var err error
		if b, err = appendNext(b, dec, at, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := dec.ReadToken()
	return append(b, ']'), err
}

func appendObject(b []byte, dec *jsontext.Decoder, at string, depth int) ([]byte, error) {
	if _, err := dec.ReadToken(); err != nil {
		return nil, syntax(err, at)
	}
	var all members
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return nil, syntax(err, at)
		}
		name := token.String()
		if hasControl(name) {
			return nil, malformed("control_character", at, "has a member whose name holds a control character")
		}
		value, err := appendNext(nil, dec, within(at, name), depth+1)
		if err != nil {
			return nil, err
		}
		all = append(all, member{name, value})
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, syntax(err, at)
	}
	return all.append(b)
}

// elements reads a list; the raw values are valid during the call only.
func elements(v jsontext.Value, at string, take func(jsontext.Value) error) error {
	dec := read(v)
	defer decoders.Put(dec)
	if _, err := dec.ReadToken(); err != nil {
		return syntax(err, at)
	}
	for dec.PeekKind() != ']' {
		element, err := dec.ReadValue()
		if err != nil {
			return syntax(err, at)
		}
		if err := take(element); err != nil {
			return err
		}
	}
	return nil
}

// member is one of an object, its value in canonical form.
type member struct {
	name  string
	value []byte
}

// members are those of one object.
type members []member

func (m members) append(b []byte) ([]byte, error) {
	slices.SortFunc(m, func(x, y member) int { return strings.Compare(x.name, y.name) })
	b = append(b, '{')
	for i, one := range m {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = jsontext.AppendQuote(b, one.name); err != nil {
			return nil, err
		}
		b = append(b, ':')
		b = append(b, one.value...)
	}
	return append(b, '}'), nil
}

// canonicalMembers reads an object. Where known takes a member it is left out; the name and the raw value are valid
// during the call only.
func canonicalMembers(v jsontext.Value, at string, depth int, known func(name string, v jsontext.Value) (bool, error)) (members, error) {
	dec := read(v)
	defer decoders.Put(dec)
	if _, err := dec.ReadToken(); err != nil {
		return nil, syntax(err, at)
	}
	var out members
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return out, syntax(err, at)
		}
		name := token.String()
		value, err := dec.ReadValue()
		if err != nil {
			return out, syntax(err, at)
		}
		if known != nil {
			taken, err := known(name, value)
			if err != nil {
				return out, err
			}
			if taken {
				continue
			}
		}
		if hasControl(name) {
			return out, malformed("control_character", at, "has a member whose name holds a control character")
		}
		canonical, err := appendCanonical(nil, value, within(at, name), depth+1)
		if err != nil {
			return out, err
		}
		out = append(out, member{name, canonical})
	}
	if _, err := dec.ReadToken(); err != nil {
		return out, syntax(err, at)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return out, malformed("malformed_json", at, "is not one valid JSON value in UTF-8")
	}
	return out, nil
}

// decoders are used again: an event takes several.
var decoders = sync.Pool{New: func() any { return jsontext.NewDecoder(new(bytes.Buffer)) }}

func read(v jsontext.Value) *jsontext.Decoder {
	dec := decoders.Get().(*jsontext.Decoder) //nolint:forcetypeassert // the pool holds nothing else
	dec.Reset(bytes.NewBuffer(v))
	return dec
}

// appendNumber appends a JSON number: as an integer or a decimal where that is short, else as digits with an exponent.
func appendNumber(b []byte, v jsontext.Value, at string) ([]byte, error) {
	negative := v[0] == '-'
	rest := bytes.TrimPrefix(v, []byte("-"))
	mantissa, exponent := rest, 0
	if i := bytes.IndexAny(rest, "eE"); i >= 0 {
		e, err := strconv.Atoi(string(rest[i+1:]))
		if err != nil || e > maxExponent || e < -maxExponent {
			return nil, malformed("out_of_range", at, "is a number with an exponent beyond 9999")
		}
		mantissa, exponent = rest[:i], e
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	digits := append(slices.Clone(whole), fraction...)
	exponent -= len(fraction)
	digits = bytes.TrimLeft(digits, "0")
	if trimmed := bytes.TrimRight(digits, "0"); len(trimmed) < len(digits) {
		exponent += len(digits) - len(trimmed)
		digits = trimmed
	}
	if len(digits) == 0 {
		return append(b, '0'), nil
	}
	if negative {
		b = append(b, '-')
	}
	switch {
	case exponent >= 0 && len(digits)+exponent <= 21:
		b = append(b, digits...)
		return append(b, bytes.Repeat([]byte("0"), exponent)...), nil
	case exponent < 0 && len(digits)+exponent > 0:
		b = append(b, digits[:len(digits)+exponent]...)
		b = append(b, '.')
		return append(b, digits[len(digits)+exponent:]...), nil
	case exponent < 0 && len(digits)+exponent > -6:
		b = append(b, "0."...)
		b = append(b, bytes.Repeat([]byte("0"), -exponent-len(digits))...)
		return append(b, digits...), nil
	}
	b = append(b, digits...)
	b = append(b, 'e')
	return strconv.AppendInt(b, int64(exponent), 10), nil
}

// within names a member for an error.
func within(at, name string) string {
	const longest = 64 // enough to find it
	if len(name) > longest || hasControl(name) || strings.Count(at, ".") > 8 {
		name = "(a member)"
	}
	if at == "" {
		return name
	}
	return at + "." + name
}
