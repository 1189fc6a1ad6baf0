package api

import (
	"bytes"
	"encoding/base64"
	"mime"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"sundial/domain"
	"sundial/internal/accountid"
	"sundial/internal/pushcert"
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
			for what, parse := range map[string]func() (parsedCommand, reply, bool){
				"http": func() (parsedCommand, reply, bool) { return row.parse(text, 1400000001, "7") },
				"nats": func() (parsedCommand, reply, bool) { return row.message(text) },
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

// FuzzForm gives any text to the reading of forms: what is no form stays as it is, and what is one becomes a JSON object
// with every part in it, or a problem.
func FuzzForm(f *testing.F) {
	const kind = "multipart/form-data; boundary=x"
	part := func(disposition, content string) string {
		return "--x\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + content + "\r\n"
	}
	fine := part(`name="platform"`, "apns_p12") + part(`name="p12"; filename="a.p12"`, "\x00\xff") + part(`name="password"`, "secret")
	for _, body := range []string{
		fine + "--x--\r\n", fine, fine + fine + "--x--", "--x--\r\n", "", part(`name="click_action"`, `{"type":"open_app"}`) + "--x--",
		part(`name="click_action"`, `{"a":1,"a":2}`) + "--x--", part(`name=""`, "x") + "--x--", part(`name="a"`, "\xff") + "--x--",
		part("name=\"\xff\"", "x") + "--x--", part(`name="app_secret"; filename="a"`, "\ufeffs3cret\r\n") + "--x--",
		"--x\r\nContent-Disposition: form-data; name=\"app_secret\"\r\nContent-Transfer-Encoding: base64\r\n\r\nczNjcmV0\r\n--x--", part(`name="reason"`, "r") + part(`name="fields"`, "{}") + "--x--",
	} {
		f.Add(kind, []byte(body))
	}
	f.Add("application/json", []byte(`{}`))
	f.Add(`multipart/form-data; boundary="`, []byte(`x`))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		r := &http.Request{Header: http.Header{"Content-Type": {kind}}}
		text, problem, is := form(r, body)
		media, params, err := mime.ParseMediaType(kind)
		if err != nil || media != "multipart/form-data" {
			if !is || !bytes.Equal(text, body) {
				t.Fatalf("%q, no form, became %q", body, text)
			}
			return
		}
		if !is {
			if problem.status != http.StatusBadRequest && problem.status != http.StatusUnprocessableEntity {
				t.Fatalf("%q: %+v", body, problem)
			}
			return
		}
		var read struct {
			Platform, Reason string
			Fields           map[string]jsontext.Value
		}
		if err := json.Unmarshal(text, &read, json.RejectUnknownMembers(true), json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatalf("%q became %q: %v", body, text, err)
		}
		parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err != nil {
				break
			}
			content, err := contentOf(part)
			if err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			if kind, _ := pushcert.KindOf(part.FormName()); part.FileName() != "" && kind != pushcert.File && kind != pushcert.TextFile {
				content = bytes.TrimSuffix(bytes.TrimSuffix(bytes.TrimPrefix(content, []byte("\ufeff")), []byte("\n")), []byte("\r"))
			}
			var said string
			switch name := part.FormName(); {
			case name == "platform":
				said = read.Platform
			case name == "reason":
				said = read.Reason
			case read.Fields[name].Kind() == '{':
				given, kept := jsontext.Value(content), read.Fields[name].Clone()
				if given.Canonicalize() != nil || kept.Canonicalize() != nil || !bytes.Equal(given, kept) {
					t.Fatalf("%q: %q became %q", body, content, read.Fields[name])
				}
				continue
			case json.Unmarshal(read.Fields[name], &said) != nil:
				t.Fatalf("%q lost %q: %q", body, name, text)
			}
			if file, err := base64.StdEncoding.DecodeString(said); said != string(content) && (err != nil || !bytes.Equal(file, content)) {
				t.Fatalf("%q: %q became %q", body, content, said)
			}
		}
	})
}

// FuzzEvents gives any text to the splitting of a batch: what comes out is valid, each event once, in order.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`[{"id":"1"},2,[]]`), true)
	f.Add([]byte(`{"id":"1"}`), false)
	f.Add([]byte(`[{"a":1,"a":2}]`), true)
	f.Add([]byte(` [{"a":},"\"]", [1,[2]],{"b":"\\"} ] `), true)
	f.Fuzz(func(t *testing.T, text []byte, batch bool) {
		events, problem, fine := eventsOf(text, batch)
		if !fine {
			if batch && jsontext.Value(text).IsValid() && jsontext.Value(text).Kind() == '[' && problem.status == http.StatusBadRequest {
				t.Fatalf("%q is refused: %s", text, problem.body)
			}
			if problem.status != http.StatusBadRequest && problem.status != http.StatusRequestEntityTooLarge {
				t.Fatalf("%q: %+v", text, problem)
			}
			return
		}
		var want []jsontext.Value
		if err := json.Unmarshal(text, &want); batch && err == nil && !cmp.Equal(plainly(want), plainly(events)) {
			t.Fatalf("%q: %d events of %d (%v)", text, len(events), len(want), err)
		}
		for _, e := range events {
			if !batch && !e.IsValid() || len(e) == 0 {
				t.Fatalf("%q: the event %q", text, e)
			}
		}
	})
}

// plainly gives events as text.
func plainly(events []jsontext.Value) []string {
	out := []string{}
	for _, e := range events {
		out = append(out, string(e))
	}
	return out
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
		if accountid.Valid(text) && (len(text) > 63 || text[0] == '-' || text[0] == '_') {
			t.Fatalf("account %q", text)
		}
		bearer([]string{text})
		fieldName(jsontext.Pointer("/" + text))
	})
}

// FuzzWithout leaves away what a pointer points at: what is left is JSON without it, and all else stays.
func FuzzWithout(f *testing.F) {
	for _, seed := range []struct{ value, pointer string }{
		{`{"a":1,"b":{"c":[1,2,{"d":3}]}}`, "/a"}, {`{"a":1,"b":{"c":[1,2,{"d":3}]}}`, "/b/c/2/d"}, {` { "a" : [ 1 , 2 ] } `, "/a/1"},
		{`{"a":1}`, "/a"}, {`{"a~/":1,"b":2}`, "/a~0~1"}, {`{"a":[]}`, "/a/0"}, {`[{"a":1}]`, "/0"}, {`{"a":1, "b" :2 }`, "/b"},
	} {
		f.Add([]byte(seed.value), seed.pointer)
	}
	f.Fuzz(func(t *testing.T, value []byte, pointer string) {
		v, p := jsontext.Value(value), jsontext.Pointer(pointer)
		if !v.IsValid() || !p.IsValid() {
			return
		}
		left, err := without(v, p)
		if err != nil {
			return
		}
		if !left.IsValid() {
			t.Fatalf("%s without %s is %s", value, pointer, left)
		}
		// Twice is an error, or an element that is null already.
		if again, err := without(left, p); err == nil && string(again) != string(left) {
			t.Fatalf("%s without %s is %s, and then %s", value, pointer, left, again)
		}
	})
}
