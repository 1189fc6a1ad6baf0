package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestEachLine(t *testing.T) {
	for _, row := range []struct {
		name, text string
		lines      []string
		err        string
	}{
		{"nothing", "", nil, ""},
		{"empty lines are passed over", "\n{\"a\":1}\n\n  \n[2]", []string{`{"a":1}`, `[2]`}, ""},
		{"lines of Windows", "{}\r\n{}\r\n", []string{"{}", "{}"}, ""},
		{"what is no JSON is named", "{}\n{\"a\":\n", []string{"{}"}, "line 2: not valid JSON"},
		{"a name twice is no JSON here", "{\"a\":1,\"a\":2}", nil, "line 1"},
		{"a line has a limit", "{}\n\"" + strings.Repeat("x", maxLine) + "\"", []string{"{}"}, "line 2: longer than"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var lines []string
			err := eachLine(strings.NewReader(row.text), func(_ int, v jsontext.Value) error {
				lines = append(lines, string(v))
				return nil
			})
			if (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
				t.Errorf("error %v, want %q", err, row.err)
			}
			if strings.Join(lines, "|") != strings.Join(row.lines, "|") {
				t.Errorf("lines %q, want %q", lines, row.lines)
			}
		})
	}
}

// FuzzFiles reads files that people hand to the command line: events, apps. Whatever is in them, it is an error or JSON.
func FuzzFiles(f *testing.F) {
	for _, seed := range []string{
		`{"arrives_at":"2021-01-01T00:00:00Z","event":{"id":"1"}}`, `{"id":"1"}`, `[1]`, "{\n}", `{"event":null}`,
		`{"account":"acme","app":1400000001,"name":"x","created_at":"2021-01-01T00:00:00Z"}`, "\xff", `{"account":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := eachLine(bytes.NewReader(text), func(_ int, line jsontext.Value) error {
			if event, err := eventOf(line); err == nil && !event.IsValid() {
				t.Errorf("an event that is no JSON: %q", event)
			}
			if app, err := importOf(line, "why"); err == nil && !jsontext.Value(app.body).IsValid() {
				t.Errorf("a body that is no JSON: %q", app.body)
			}
			for range members(line) {
			}
			return nil
		})
		if err != nil && !strings.Contains(err.Error(), "line ") {
			t.Errorf("an error that names no line: %v", err)
		}
	})
}

// FuzzAmount reads amounts of the command line.
func FuzzAmount(f *testing.F) {
	for _, seed := range []string{"CNY:99900", "CNY:-1", ":1", "CNY:", "CNY:9223372036854775808", "99.90"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var a amount
		err := a.UnmarshalText([]byte(text))
		var wrong misuse
		if err != nil && !errors.As(err, &wrong) {
			t.Errorf("%q: %v is no misuse", text, err)
		}
		if err == nil && a.Currency == "" {
			t.Errorf("%q has no currency", text)
		}
	})
}
