package api

import (
	"net/http"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
)

// FuzzBodies gives any text to every command's body, as HTTP and as NATS have it: it becomes a command, or a problem
// that can be read.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"x","order":{"id":"o","edition":"pro","amount":{"currency":"CNY","minor":1},"addons":["a"]}}`,
		`{"app":1400000001,"name":"x","created_at":"2021-01-01T00:00:00.000Z","orders":[{"id":"o"},1,"x"],"reason":"r"}`,
		`{"invoice":"i","version":1,"effective_at":"2021-01-01T00:00:00Z","amount":{"currency":"CNY","minor":9007199254740993}}`,
		`{"order":"o","effective_at":"x","a":{"b":[1,{"c":null}]}}`, `{"name":"\ud800"}`, `{"a":1,"a":1}`, "\xff", `{"~0":{"/":1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for i := range commands {
			row := &commands[i]
			for what, parse := range map[string]func() (order, reply, bool){
				"http": func() (order, reply, bool) { return row.parse(text, 1400000001, "7") },
				"nats": func() (order, reply, bool) { return row.message(text) },
			} {
				given, problem, fine := parse()
				if fine {
					if given.command == nil || given.command.Name() != string(row.action) || !jsontext.Value(text).IsValid() {
						t.Fatalf("%s %s: %q became %+v", what, row.action, text, given)
					}
					continue
				}
				var p Problem
				if err := json.Unmarshal(problem.body, &p, json.RejectUnknownMembers(true)); err != nil ||
					p.Status != http.StatusBadRequest && p.Status != http.StatusUnprocessableEntity || p.Status == 422 && len(p.Errors) == 0 {
					t.Fatalf("%s %s: %q became the problem %s (%v)", what, row.action, text, problem.body, err)
				}
			}
		}
	})
}

// FuzzEvents gives any text to the splitting of a batch: what comes out is valid, each event once, in order.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`[{"id":"1"},2,[]]`), true)
	f.Add([]byte(`{"id":"1"}`), false)
	f.Add([]byte(`[{"a":1,"a":2}]`), true)
	f.Fuzz(func(t *testing.T, text []byte, batch bool) {
		events, problem, fine := eventsOf(text, batch)
		if !fine {
			if problem.status != http.StatusBadRequest && problem.status != http.StatusRequestEntityTooLarge {
				t.Fatalf("%q: %+v", text, problem)
			}
			return
		}
		var want []jsontext.Value
		if err := json.Unmarshal(text, &want); batch && (err != nil || len(want) != len(events)) {
			t.Fatalf("%q: %d events of %d (%v)", text, len(events), len(want), err)
		}
		for _, e := range events {
			if !e.IsValid() {
				t.Fatalf("%q: the event %q", text, e)
			}
		}
	})
}

// FuzzHeaders gives any text to what is read from headers and paths.
func FuzzHeaders(f *testing.F) {
	for _, seed := range []string{`"7"`, `W/"7"`, `*`, `1400000001`, `fact/x`, `acme`, `Bearer x`, `"1", "2"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if key, wrong := commandKey([]string{text}); wrong == nil && (key != text || len(key) > maxKey) {
			t.Fatalf("key %q became %q", text, key)
		}
		if _, wrong := ifMatch([]string{text}); len(wrong) > 1 {
			t.Fatalf("If-Match %q: %v", text, wrong)
		}
		if id, is := appID(text); is && number(id) != text {
			t.Fatalf("app %q became %d", text, id)
		}
		if id, is := appID(text); is && (id < domain.MinApp || id > domain.MaxApp) {
			t.Fatalf("app %q is out of range", text)
		}
		if accountID(text) && (len(text) > 63 || text[0] == '-' || text[0] == '_') {
			t.Fatalf("account %q", text)
		}
		bearer([]string{text})
		fieldName(jsontext.Pointer("/" + text))
	})
}
