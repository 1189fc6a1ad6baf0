package ingest

import (
	"errors"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// Malformed is an event that cannot be read. Its message names the field and never repeats the value.
type Malformed struct {
	Code  string // stable, see MalformedCodes
	Field string // where, such as data.amount.minor; empty for the event as a whole
	Text  string
}

// Error gives field and text.
func (m *Malformed) Error() string {
	if m.Field == "" {
		return "the event " + m.Text
	}
	return m.Field + " " + m.Text
}

func malformed(code, field, text string) *Malformed { return &Malformed{code, field, text} }

// Reason is why an event was parked: a stable code and what it means.
type Reason struct{ Code, Meaning string }

// MalformedCodes lists the codes of events that cannot be read.
func MalformedCodes() []Reason {
	return []Reason{
		{"malformed_json", "It is not JSON, or more than one JSON value."},
		{"duplicate_name", "An object has two members of one name."},
		{"misspelled_name", "A member is called as a known one, but for upper and lower case."},
		{"missing_field", "A required field is absent or null."},
		{"wrong_type", "A field is of another JSON type than documented."},
		{"out_of_range", "A number is not an integer, or beyond what JSON carries exactly (9007199254740991)."},
		{"invalid_time", "A time is not RFC 3339 with a zone, or not between 1970-01-01T00:00:00.001Z and the year 9999."},
		{"invalid_account", "An account id is not [a-z0-9][a-z0-9_-]{0,62}."},
		{"unknown_type", "The event's type is none of the documented ones."},
		{"unsupported_version", "The event is not of CloudEvents 1.0."},
		{"unsupported_content", "The event or its data is not JSON, or not in UTF-8."},
		{"control_character", "A text that must be one line holds a control character."},
		{"too_deep", "It is nested more than 32 levels deep."},
		{"too_long", "A text is longer than is kept."},
		{"too_large", "It is larger than 1 MB, or what is not understood of it than 64 KiB."},
	}
}

// The codes of facts that were read and judged, beside the domain's refusals and invalid fields.
const (
	codeReused       = "fact_id_reused"
	codeWrongAccount = "wrong_account"
	codeProcessing   = "processing_failed"
)

// ParkingCodes lists the other codes that ingest itself parks with; refusals of the domain and its codes of invalid
// fields come on top.
func ParkingCodes() []Reason {
	return []Reason{
		{codeReused, "Another event with this source and id was taken in before."},
		{codeWrongAccount, "It came on the subject of another account than its own."},
		{codeProcessing, "The program failed on it. That is a defect: report it, and replay the event once it is mended."},
	}
}

// syntax translates an error of the JSON reader, which would repeat what it read.
func syntax(err error, at string) *Malformed {
	var where *jsontext.SyntacticError
	if errors.As(err, &where) {
		for name := range where.JSONPointer.Tokens() {
			at = within(at, name)
		}
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return malformed("duplicate_name", at, "stands twice in one object")
	}
	return malformed("malformed_json", at, "is not valid JSON in UTF-8")
}

// hasControl tells whether a text holds what cannot be shown in one line.
func hasControl(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return true
		}
	}
	return false
}
