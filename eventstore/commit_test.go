package eventstore_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"sundial/eventstore"
)

// golden is what testdata/commit.format1.json must always decode to. Files in testdata are added and never edited.
func golden() eventstore.Commit {
	return eventstore.Commit{
		Account: "acme", ID: "billing/ord-17", Command: "report_order_paid",
		Content: eventstore.HashOf([]byte("content")), Actor: "billing:upstream", Reason: "续费 \"early\"\n",
		Correlation: "4bf92f3577b34da6a3ce929d0e0e4736", RecordedAt: 1609459200123,
		Previous: eventstore.HashOf([]byte("previous")),
		Events: []eventstore.Event{
			{Type: "app.order_paid.v1", Data: []byte(`{"app":1400000001,"order":"ord-17","amount":{"currency":"CNY","minor":99900}}`)},
			{Type: "app.edition_changed.v1", Data: []byte(`{"app":1400000001,"to":"pro"}`)},
		},
	}
}

func TestGoldenCommit(t *testing.T) {
	keyed := golden()
	keyed.Keyed = true
	for name, c := range map[string]eventstore.Commit{"commit.format1.json": golden(), "commit.format1.keyed.json": keyed} {
		staysGolden(t, name, c)
	}
}

func staysGolden(t *testing.T, name string, c eventstore.Commit) {
	t.Helper()
	stored, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	got := encode(t, c)
	if !bytes.Equal(got, stored) {
		t.Errorf("%s: the encoding has changed:\n got %s\nwant %s", name, got, stored)
	}
	decoded, err := eventstore.DecodeCommit(stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, decoded); diff != "" {
		t.Error(diff)
	}
}

func TestCommitRoundTrip(t *testing.T) {
	first := golden()
	first.Previous, first.Reason, first.Correlation, first.Actor = eventstore.Hash{}, "", "", ""
	odd := golden()
	odd.ID, odd.Reason = "\x00\x1f\"\\/\u2028\U0001F600\x7f<>&", "é"
	early := golden()
	early.RecordedAt = -1
	data := golden()
	data.Events[0].Data = []byte(` [ 1 , -0.5e+10 , "A😀\n" , { } , [ ] , {"a" : null , "b" : true} , false ]`[1:])
	for _, c := range []eventstore.Commit{golden(), first, odd, early, data} {
		b := encode(t, c)
		got, err := eventstore.DecodeCommit(b)
		if err != nil {
			t.Errorf("%s: %v", b, err)
			continue
		}
		if diff := cmp.Diff(c, got); diff != "" {
			t.Error(diff)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, row := range []struct {
		name, want string
		change     func(*eventstore.Commit)
	}{
		{"no account", "account id", func(c *eventstore.Commit) { c.Account = "" }},
		{"account with a dot", "account id", func(c *eventstore.Commit) { c.Account = "a.b" }},
		{"account with a wildcard", "account id", func(c *eventstore.Commit) { c.Account = "*" }},
		{"account that begins with a dash", "account id", func(c *eventstore.Commit) { c.Account = "-a" }},
		{"account in upper case", "account id", func(c *eventstore.Commit) { c.Account = "Acme" }},
		{"account of 64 bytes", "account id", func(c *eventstore.Commit) { c.Account = strings.Repeat("a", 64) }},
		{"no id", "without the id", func(c *eventstore.Commit) { c.ID = "" }},
		{"no command", "name of its command", func(c *eventstore.Commit) { c.Command = "" }},
		{"no events", "without events", func(c *eventstore.Commit) { c.Events = nil }},
		{"an event without type", "without a type", func(c *eventstore.Commit) { c.Events[0].Type = "" }},
		{"an event without data", "not a JSON value", func(c *eventstore.Commit) { c.Events[0].Data = nil }},
		{"an event with broken data", "not a JSON value", func(c *eventstore.Commit) { c.Events[0].Data = []byte(`{"a":}`) }},
		{"an event with more than data", "not a JSON value", func(c *eventstore.Commit) { c.Events[0].Data = []byte(`{},{}`) }},
		{"an id that is not UTF-8", "UTF-8", func(c *eventstore.Commit) { c.ID = "\xff" }},
		{"a time beyond the year 9999", "years 1 to 9999", func(c *eventstore.Commit) { c.RecordedAt = 1 << 60 }},
		{"too many events", "at most 1200", func(c *eventstore.Commit) { c.Events = make([]eventstore.Event, eventstore.MaxEvents+1) }},
		{"too large", "at most", func(c *eventstore.Commit) { c.Reason = strings.Repeat("x", eventstore.MaxPayload) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := golden()
			row.change(&c)
			if b, err := c.Encode(); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %.100s, %v; want an error with %q", b, err, row.want)
			}
		})
	}
	c := golden()
	c.Reason = strings.Repeat("x", eventstore.MaxPayload)
	if _, err := c.Encode(); !errors.Is(err, eventstore.ErrTooLarge) {
		t.Errorf("%v, want ErrTooLarge", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	c := golden()
	good := string(encode(t, c))
	_, events, _ := strings.Cut(good, `"events":`)
	for _, row := range []struct{ name, from, to string }{
		{"another format", `"format":1`, `"format":2`},
		{"an unknown member", `,"command":`, `,"extra":1,"command":`},
		{"a key that is none", `,"actor":`, `,"keyed":false,"actor":`},
		{"a member twice", `,"actor":`, `,"actor":"x","actor":`},
		{"a member in another case", `,"actor":`, `,"Actor":`},
		{"members in another order", `"account":"acme","id":"billing/ord-17"`, `"id":"billing/ord-17","account":"acme"`},
		{"whitespace", `,"id"`, `, "id"`},
		{"an invalid account", `"acme"`, `"a.b"`},
		{"an empty id", `"billing/ord-17"`, `""`},
		{"an empty reason", `"续费 \"early\"\n"`, `""`},
		{"a short hash", `"content":"e`, `"content":"`},
		{"a hash in upper case", eventstore.HashOf([]byte("content")).String(), strings.ToUpper(eventstore.HashOf([]byte("content")).String())},
		{"a previous hash of zeros", eventstore.HashOf([]byte("previous")).String(), strings.Repeat("0", 64)},
		{"a time with another zone", "00:00:00.123Z", "00:00:00.123+00:00"},
		{"a time without milliseconds", "00:00:00.123Z", "00:00:00Z"},
		{"a day that is none", "2021-01-01", "2021-02-30"},
		{"an hour that is none", "T00:", "T24:"},
		{"no events", events, `[]}`},
		{"something after its end", `"to":"pro"}}]}`, `"to":"pro"}}]} `},
		{"a truncated end", `"to":"pro"}}]}`, `"to":"pro"}}]`},
		{"data that is not JSON", `"to":"pro"`, `"to":pro`},
		{"a control character", `"ord-17"`, "\"ord\x0117\""},
		{"bytes that are not UTF-8", `"ord-17"`, "\"ord\xff17\""},
		{"half a surrogate pair", `"ord-17"`, `"\ud800"`},
		{"an event with an unknown member", `,"data":`, `,"id":1,"data":`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if !strings.Contains(good, row.from) {
				t.Fatalf("%q is not in %s", row.from, good)
			}
			bad := strings.Replace(good, row.from, row.to, 1)
			if got, err := eventstore.DecodeCommit([]byte(bad)); err == nil {
				t.Errorf("%s was taken for %+v", bad, got)
			}
		})
	}
	deep := strings.Replace(good, `"pro"`, strings.Repeat("[", 200)+strings.Repeat("]", 200), 1)
	if _, err := eventstore.DecodeCommit([]byte(deep)); err == nil {
		t.Error("data nested 200 deep was taken")
	}
}

func TestHash(t *testing.T) {
	h := eventstore.HashOf([]byte("abc"))
	const known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-4, example
	if h.String() != known {
		t.Errorf("hash %s, want %s", h, known)
	}
	if got, err := eventstore.ParseHash(known); err != nil || got != h {
		t.Errorf("parsed %s, %v", got, err)
	}
	for _, bad := range []string{"", known[1:], known + "0", strings.ToUpper(known), "g" + known[1:]} {
		if _, err := eventstore.ParseHash(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func FuzzDecodeCommit(f *testing.F) {
	c := golden()
	b, err := c.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"format":1,"account":"a","id":"i","command":"c","content":"` + strings.Repeat("0", 64) + `","recorded_at":"1970-01-01T00:00:00.000Z","events":[{"type":"t","data":null}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := eventstore.DecodeCommit(b)
		if err != nil {
			return
		}
		// What is taken is UTF-8, and encodes to something that means the same.
		if !utf8.Valid(b) {
			t.Errorf("%q is not UTF-8", b)
		}
		again, err := c.Encode()
		if err != nil {
			if errors.Is(err, eventstore.ErrTooLarge) {
				return
			}
			t.Fatalf("decoded %q, but cannot be encoded: %v", b, err)
		}
		back, err := eventstore.DecodeCommit(again)
		if err != nil {
			t.Fatalf("%q: %v", again, err)
		}
		if diff := cmp.Diff(c, back); diff != "" {
			t.Error(diff)
		}
		for _, e := range c.Events {
			if !e.Data.IsValid() && !duplicateNames(e.Data) {
				t.Errorf("data %q is not valid JSON", e.Data)
			}
		}
	})
}
