package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/ingest"
)

const (
	// MaxBody bounds a body, over HTTP and NATS, in bytes: the contract's 1 MB, far above the largest command.
	MaxBody = 1 << 20

	// maxWrongFields bounds how many wrong fields one answer names. Each costs a pass over the body.
	maxWrongFields = 20
)

// decode reads a body strictly into a struct: one JSON object in UTF-8, no name twice, none unknown, names in their
// exact case. What is wrong comes back as a problem that names each field and repeats no value.
func decode(body []byte, into any) (problem reply, fine bool) {
	wrong, err := read(body, into)
	switch {
	case errors.Is(err, errNotObject):
		return malformed.reply(), false
	case err != nil:
		return malformed.reply().because(err), false
	case len(wrong) > 0:
		return invalid.with(wrong...), false
	}
	return reply{}, true
}

// errNotObject: a body is not one JSON object.
var errNotObject = errors.New("not one JSON object without duplicate names")

// read is decode, before it is a problem: it names each member that is wrong, and reads the others. A whole number may be
// spelled in any way, such as 5.0, as the billing system's events may.
func read(body []byte, into any) (wrong []domain.FieldError, err error) {
	value := jsontext.Value(body)
	if value.Kind() != '{' || !value.IsValid() {
		return nil, errNotObject
	}
	respelled := false
	for {
		err := json.Unmarshal(value, into, json.RejectUnknownMembers(true))
		if err == nil {
			return wrong, nil
		}
		var mistake *json.SemanticError
		if !errors.As(err, &mistake) {
			return nil, err
		}
		if mistake.JSONKind == '0' && !respelled {
			respelled = true // all of them at once: each pass costs as much as another
			if value, err = withWholeNumbers(value); err != nil {
				return nil, errNotObject
			}
			reflect.ValueOf(into).Elem().SetZero()
			continue
		}
		wrong = append(wrong, wrongMember(mistake))
		// What is wrong is left away and the rest read again, so that one answer names all.
		value, err = without(value, mistake.JSONPointer)
		if err != nil || mistake.JSONPointer == "" || len(wrong) == maxWrongFields {
			return wrong, nil //nolint:nilerr // what is known to be wrong is told
		}
		reflect.ValueOf(into).Elem().SetZero()
	}
}

// wrongMember says what is wrong with a member.
func wrongMember(mistake *json.SemanticError) domain.FieldError {
	name := fieldName(mistake.JSONPointer)
	if errors.Is(mistake, json.ErrUnknownName) {
		return field(name, "unknown_field", "is not known here; /openapi.json lists the fields, whose names are in lower case")
	}
	if mistake.GoType == reflect.TypeFor[domain.Instant]() {
		return field(name, "invalid_time",
			"must be a time as RFC 3339 with a zone, between 1970-01-01T00:00:00.001Z and the year 9999, such as 2021-01-01T00:00:00.000Z")
	}
	if mistake.GoType == reflect.TypeFor[domain.Span]() {
		return field(name, "invalid_duration", "must be a length of time in whole milliseconds, not negative, such as 168h or 1h30m")
	}
	return field(name, "wrong_type", "must be "+inWords(mistake.GoType))
}

func inWords(t reflect.Type) string {
	if t == nil {
		return "of another type"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return inWords(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Struct:
		return "an object"
	}
	return "of another type"
}

// fieldName writes a JSON pointer as a path with dots. Names come from the client, so one that does not look like the
// name of a field is not repeated.
func fieldName(pointer jsontext.Pointer) string {
	var parts []string
	for token := range pointer.Tokens() {
		if !looksLikeName(token) {
			token = "?"
		}
		parts = append(parts, token)
	}
	return strings.Join(parts, ".")
}

// looksLikeName says whether a text is no more than the name of a field or parameter.
func looksLikeName(s string) bool {
	word, digits := 0, 0
	for _, c := range []byte(s) {
		switch {
		case c == '_' || c == '-':
			word = 0
			continue
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		default:
			return false
		}
		if word++; word > maxNameWord || digits > maxNameDigits {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 40
}

// What is made up of more is a key, a token or a password that stands where a name should.
const (
	maxNameWord   = 15 // characters between underscores
	maxNameDigits = 3
)

// withWholeNumbers copies a JSON value, each whole number in it in plain digits.
func withWholeNumbers(value jsontext.Value) (jsontext.Value, error) {
	var out bytes.Buffer
	dec, enc := jsontext.NewDecoder(bytes.NewReader(value)), jsontext.NewEncoder(&out)
	for {
		switch dec.PeekKind() {
		case '0':
			number, err := dec.ReadValue()
			if err != nil {
				return nil, fmt.Errorf("reading a number: %w", err)
			}
			if n, whole := ingest.Whole(number); whole {
				number = strconv.AppendInt(nil, n, 10)
			}
			if err := enc.WriteValue(number); err != nil {
				return nil, err
			}
		default:
			token, err := dec.ReadToken()
			if errors.Is(err, io.EOF) {
				return out.Bytes(), nil
			}
			if err != nil {
				return nil, fmt.Errorf("spelling numbers plainly: %w", err)
			}
			if err := enc.WriteToken(token); err != nil {
				return nil, err
			}
		}
	}
}

// without copies a JSON value, but for what the pointer points at.
func without(value jsontext.Value, pointer jsontext.Pointer) (jsontext.Value, error) {
	var out bytes.Buffer
	dec, enc := jsontext.NewDecoder(bytes.NewReader(value)), jsontext.NewEncoder(&out)
	for {
		kind := dec.PeekKind()
		if kind == 0 {
			_, err := dec.ReadToken()
			if errors.Is(err, io.EOF) {
				return out.Bytes(), nil
			}
			return nil, fmt.Errorf("leaving a member away: %w", err)
		}
		token, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		token = token.Clone()
		if dec.StackPointer() == pointer {
			// The pointer names a member from its name on, an element from its first token on. Where an element was
			// there is null then, so that the others keep their places.
			switch where, length := dec.StackIndex(dec.StackDepth()); {
			case where == '{' && length%2 == 1 && kind == '"':
				if err := dec.SkipValue(); err != nil {
					return nil, err
				}
				continue
			case kind == '{' || kind == '[':
				for depth := dec.StackDepth(); dec.StackDepth() >= depth; {
					if _, err := dec.ReadToken(); err != nil {
						return nil, err
					}
				}
			}
			token = jsontext.Null
		}
		if err := enc.WriteToken(token); err != nil {
			return nil, err
		}
	}
}
