package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
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

	// maxWrongFields bounds how many wrong fields one answer names. Each costs a pass over what comes before it, and all
	// passes together maxLookedAt bytes, some 50 ms: of a large body that is wrong at its end one answer names fewer.
	maxWrongFields = 20
	maxLookedAt    = 2 * MaxBody
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
	for looked := int64(0); ; {
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
		looked += mistake.ByteOffset
		if err != nil || mistake.JSONPointer == "" || len(wrong) == maxWrongFields || looked > maxLookedAt {
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

// errNowhere: a pointer that points at nothing in its value.
var errNowhere = errors.New("the pointer points at nothing")

// without copies a JSON value, but for the member or the element that the pointer points at. Where an element was there is null
// then, so that the others keep their places. It looks at what comes before, and at each byte of it once.
func without(value jsontext.Value, pointer jsontext.Pointer) (jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(value))
	path := slices.Collect(pointer.Tokens())
	for depth, part := range path {
		last := depth == len(path)-1
		opening, err := dec.ReadToken()
		if err != nil {
			return nil, err
		}
		var start, end int64 // of what is left away
		var with string
		switch opening.Kind() {
		case '{':
			start, end, err = memberOf(dec, value, part, last)
		case '[':
			start, end, err = elementOf(dec, value, part, last)
			with = "null"
		default:
			err = errNowhere
		}
		if err != nil {
			return nil, err
		}
		if last {
			return slices.Concat(value[:start], jsontext.Value(with), value[end:]), nil
		}
	}
	return nil, errNowhere
}

// memberOf goes to the value of a member, or if it is to be left away behind that: it lies between start and end, with one of the
// commas beside it.
func memberOf(dec *jsontext.Decoder, value jsontext.Value, name string, leave bool) (start, end int64, err error) {
	for first := true; ; first = false {
		start = dec.InputOffset() // before the comma
		token, err := dec.ReadToken()
		if err != nil {
			return 0, 0, err
		}
		if token.Kind() != '"' {
			return 0, 0, errNowhere
		}
		found := token.String() == name
		if found && !leave {
			return 0, 0, nil
		}
		if err := dec.SkipValue(); err != nil {
			return 0, 0, err
		}
		if !found {
			continue
		}
		end = dec.InputOffset()
		if first {
			if comma := beyond(value, end, space); comma < int64(len(value)) && value[comma] == ',' {
				end = comma + 1 // there is none before it
			}
		}
		return start, end, nil
	}
}

// elementOf goes to an element of an array, or if it is to be left away behind that.
func elementOf(dec *jsontext.Decoder, value jsontext.Value, place string, leave bool) (start, end int64, err error) {
	n, err := strconv.Atoi(place)
	if err != nil {
		return 0, 0, errNowhere
	}
	for range n {
		if err := dec.SkipValue(); err != nil {
			return 0, 0, err
		}
	}
	if !leave {
		return 0, 0, nil
	}
	start = beyond(value, dec.InputOffset(), space+",")
	if err := dec.SkipValue(); err != nil {
		return 0, 0, err
	}
	return start, dec.InputOffset(), nil
}

// space is what may stand between the tokens of JSON.
const space = " \t\r\n"

// beyond is the first place from one on where none of some characters stands.
func beyond(value jsontext.Value, at int64, characters string) int64 {
	for at < int64(len(value)) && strings.IndexByte(characters, value[at]) >= 0 {
		at++
	}
	return at
}
