package ingest

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"sundial/domain"
	"sundial/internal/accountid"
)

// overdueEvent is a plain event, written as the example feed has it.
const overdueEvent = `{"specversion": "1.0", "id": "up-1", "source": "urn:billing:upstream",
	"type": "sundial.billing.invoice.overdue", "time": "2021-01-01T02:24:32.000Z", "datacontenttype": "application/json",
	"data": {"account": "acct-1", "app": 1400110046, "effective_at": "2021-01-01T02:24:32.000Z", "invoice": "inv-1",
	"version": 1, "amount": {"currency": "CNY", "minor": 28843}}}`

func instantAt(t testing.TB, s string) domain.Instant {
	t.Helper()
	i, err := domain.ParseInstant(s)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestDecode(t *testing.T) {
	at := instantAt(t, "2021-01-01T02:24:32.000Z")
	later := instantAt(t, "2021-02-01T02:24:32.000Z")
	cny := domain.Money{Currency: "CNY", Minor: 28843}
	report := func(extra string) *domain.Report {
		return &domain.Report{Source: "s", ID: "i", Extra: jsontext.Value(extra)}
	}
	for _, c := range []struct {
		kind, data, attributes string
		want                   domain.Command
	}{
		{"order.paid", `"order":"o","edition":"pro","effective_at":"2021-01-01T02:24:32Z","paid_until":"2021-02-01T02:24:32Z","amount":{"currency":"CNY","minor":28843},"addons":["a","b"],"version":3`, ``,
			domain.RecordOrder{App: 1400000001, Report: report(""), Order: domain.OrderTerms{
				ID: "o", Edition: domain.Pro, EffectiveAt: at, PaidUntil: later, Addons: []string{"a", "b"}, Version: 3, Amount: cny}}},
		{"order.paid", `"order":"o","edition":null,"effective_at":"2021-01-01T02:24:32Z","amount":{"currency":"CNY","minor":28843}`, ``,
			domain.RecordOrder{App: 1400000001, Report: report(""), Order: domain.OrderTerms{ID: "o", EffectiveAt: at, Amount: cny}}},
		{"order.refunded", `"order":"o","effective_at":"2021-01-01T02:24:32Z"`, ``,
			domain.Refund{App: 1400000001, Order: "o", EffectiveAt: at, Report: report("")}},
		{"order.refunded", `"order":"o","effective_at":"2021-01-01T02:24:32Z","amount":{"minor":28843,"currency":"CNY"}`, ``,
			domain.Refund{App: 1400000001, Order: "o", EffectiveAt: at, Amount: cny, Report: report("")}},
		{"invoice.overdue", `"invoice":"v","version":0,"effective_at":"2021-01-01T02:24:32Z","amount":{"minor":28843,"currency":"CNY"}`, ``,
			domain.MarkArrears{App: 1400000001, Invoice: "v", EffectiveAt: at, Amount: cny, Report: report("")}},
		{"invoice.settled", `"invoice":"v","version":2,"effective_at":"2021-01-01T02:24:32Z"`, ``,
			domain.SettleArrears{App: 1400000001, Invoice: "v", Version: 2, EffectiveAt: at, Report: report("")}},
		{"invoice.voided", `"invoice":"v","version":2,"effective_at":"2021-01-01T02:24:32Z"`, ``,
			domain.VoidInvoice{App: 1400000001, Invoice: "v", Version: 2, EffectiveAt: at, Report: report("")}},
		{"sundial.trtc.app.stopped", `"effective_at":"2021-01-01T02:24:32Z"`, ``,
			domain.NoteTRTCStopped{App: 1400000001, EffectiveAt: at, Report: report("")}},
		{"sundial.trtc.app.started", `"effective_at":null,"region":"x"`, ``,
			domain.NoteTRTCStarted{App: 1400000001, Report: report(`{"data":{"region":"x"}}`)}},
		// RFC 3339 allows small letters.
		{"invoice.settled", `"invoice":"v","version":2,"effective_at":"2021-01-01t03:24:32.0009+01:00"`, `"time":"2021-01-01t02:24:32.0000005z"`,
			domain.SettleArrears{App: 1400000001, Invoice: "v", Version: 2, EffectiveAt: at, Report: report(`{"attributes":{"time":"2021-01-01T02:24:32.0000005Z"}}`)}},
		// What is not understood is kept: attributes, members of data and of the amount.
		{"invoice.overdue", `"invoice":"v","version":0,"effective_at":"2021-01-01T02:24:32Z","amount":{"minor":28843,"currency":"CNY","tax":1.50},"order":{"b":[1,{"y":1,"x":2}],"a":null}`,
			`"time":"2021-01-01T03:24:32+01:00","subject":"x","traceparent":"00-1","gone":null`,
			domain.MarkArrears{App: 1400000001, Invoice: "v", EffectiveAt: at, Amount: cny, Report: report(
				`{"attributes":{"subject":"x","time":"2021-01-01T02:24:32Z","traceparent":"00-1"},"data":{"amount":{"tax":1.5},"order":{"a":null,"b":[1,{"x":2,"y":1}]}}}`)}},
	} {
		attributes := c.attributes
		if attributes != "" {
			attributes += ","
		}
		kind := c.kind
		if !strings.HasPrefix(kind, "sundial.") {
			kind = "sundial.billing." + kind
		}
		event := `{"specversion":"1.0","id":"i","source":"s",` + attributes + `"type":"` + kind + `","data":{"account":"acme","app":1400000001,` + c.data + `}}`
		got, err := Decode([]byte(event))
		if err != nil {
			t.Errorf("%s: %v", event, err)
			continue
		}
		want := Notification{Source: "s", ID: "i", Type: kind, Account: "acme", App: 1400000001, Correlation: "i", Command: c.want}
		if diff := cmp.Diff(want, got, cmp.Transformer("text", func(v jsontext.Value) string { return string(v) })); diff != "" {
			t.Errorf("%s (-want +got)\n%s", event, diff)
		}
	}
}

// replace makes a variant of the plain event.
func replace(t testing.TB, old, with string) string {
	t.Helper()
	if !strings.Contains(overdueEvent, old) {
		t.Fatalf("the event has no %q", old)
	}
	return strings.Replace(overdueEvent, old, with, 1)
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat(`[`, 40) + strings.Repeat(`]`, 40)
	for _, c := range []struct{ name, event, code, field string }{
		{"nothing", "", "malformed_json", ""},
		{"garbage", strings.Repeat("\x00\xff", 1<<19), "malformed_json", ""},
		{"more than 1 MB", `{"x":"` + strings.Repeat("x", 1<<20) + `"}`, "too_large", ""},
		{"cut off", overdueEvent[:len(overdueEvent)-1], "malformed_json", ""},
		{"cut off in data", overdueEvent[:len(overdueEvent)-20], "malformed_json", "data.amount.currency"},
		{"two values", overdueEvent + overdueEvent, "malformed_json", ""},
		{"a list", "[" + overdueEvent + "]", "wrong_type", ""},
		{"a number", "1", "wrong_type", ""},
		{"a broken list", "[", "malformed_json", ""},
		{"not UTF-8", replace(t, "up-1", "up-\xff"), "malformed_json", "id"},
		{"half a surrogate", replace(t, "up-1", `up-\ud800`), "malformed_json", "id"},
		{"duplicate attribute", replace(t, `"id"`, `"type": "x", "id"`), "duplicate_name", "type"},
		{"duplicate in data", replace(t, `"version": 1`, `"version": 1, "version": 1`), "duplicate_name", "data.version"},
		{"duplicate in the amount", replace(t, `"minor": 28843`, `"minor": 28843, "minor": 1`), "duplicate_name", "data.amount.minor"},
		{"duplicate in what is not known", replace(t, `"version": 1`, `"version": 1, "x": {"y": 1, "y": 1}`), "duplicate_name", "data.x.y"},
		{"attribute in another case", replace(t, `"id"`, `"ID"`), "misspelled_name", "id"},
		{"attribute also in another case", replace(t, `"id"`, `"Source": "x", "id"`), "misspelled_name", "source"},
		{"data in another case", replace(t, `"invoice"`, `"Invoice"`), "misspelled_name", "data.invoice"},
		{"amount in another case", replace(t, `"minor"`, `"MINOR"`), "misspelled_name", "data.amount.minor"},
		{"no id", replace(t, `"id"`, `"idx"`), "missing_field", "id"},
		{"empty source", replace(t, `urn:billing:upstream`, ``), "missing_field", "source"},
		{"null type", replace(t, `"sundial.billing.invoice.overdue"`, `null`), "missing_field", "type"},
		{"no data", replace(t, `"data":`, `"dataX":`), "missing_field", "data"},
		{"null data", `{"specversion":"1.0","id":"i","source":"s","type":"` + typePaid + `","data":null}`, "missing_field", "data"},
		{"data as text", `{"specversion":"1.0","id":"i","source":"s","type":"` + typePaid + `","data":"{}"}`, "wrong_type", "data"},
		{"data in base64", `{"specversion":"1.0","id":"i","source":"s","type":"` + typePaid + `","data_base64":"e30="}`, "unsupported_content", "data_base64"},
		{"another version", replace(t, `"1.0"`, `"0.3"`), "unsupported_version", "specversion"},
		{"version as a number", replace(t, `"1.0"`, `1.0`), "wrong_type", "specversion"},
		{"unknown type", replace(t, `invoice.overdue`, `invoice.lost`), "unknown_type", "type"},
		{"XML", replace(t, `application/json`, `text/xml`), "unsupported_content", "datacontenttype"},
		{"UTF-16", replace(t, `application/json`, `application/json; charset=utf-16`), "unsupported_content", "datacontenttype"},
		{"Latin-1", replace(t, `application/json`, `application/json; charset=latin1`), "unsupported_content", "datacontenttype"},
		{"in UTF-16", "\xff\xfe{\x00}\x00", "unsupported_content", ""},
		{"in UTF-16 without a mark", "\x00{\x00}", "unsupported_content", ""},
		{"the epoch", replace(t, `"effective_at": "2021-01-01T02:24:32.000Z"`, `"effective_at": "1970-01-01T00:00:00Z"`), "invalid_time", "data.effective_at"},
		{"control character in the id", replace(t, "up-1", `up\u0000`), "control_character", "id"},
		{"control character in a name", replace(t, `"version": 1`, `"version": 1, "a\u0007b": 1`), "control_character", "data"},
		{"long id", replace(t, "up-1", strings.Repeat("x", 513)), "too_long", "id"},
		{"event time without a zone", replace(t, `"time": "2021-01-01T02:24:32.000Z"`, `"time": "2021-01-01T02:24:32"`), "invalid_time", "time"},
		{"event time with an hour of one digit", replace(t, `"time": "2021-01-01T02:24:32.000Z"`, `"time": "2021-01-01T2:24:32Z"`), "invalid_time", "time"},
		{"event time with a comma", replace(t, `"time": "2021-01-01T02:24:32.000Z"`, `"time": "2021-01-01T02:24:32,5Z"`), "invalid_time", "time"},
		{"event time with an offset of a day", replace(t, `"time": "2021-01-01T02:24:32.000Z"`, `"time": "2021-01-01T02:24:32+24:00"`), "invalid_time", "time"},
		{"event time with an offset of sixty minutes", replace(t, `"time": "2021-01-01T02:24:32.000Z"`, `"time": "2021-01-01T02:24:32+01:60"`), "invalid_time", "time"},
		{"time with an hour of one digit", replace(t, `"effective_at": "2021-01-01T02:24:32.000Z"`, `"effective_at": "2021-01-01T2:24:32Z"`), "invalid_time", "data.effective_at"},
		{"time with a comma", replace(t, `"effective_at": "2021-01-01T02:24:32.000Z"`, `"effective_at": "2021-01-01T02:24:32,5Z"`), "invalid_time", "data.effective_at"},
		{"time with an offset of a day", replace(t, `"effective_at": "2021-01-01T02:24:32.000Z"`, `"effective_at": "2021-01-01T02:24:32+24:00"`), "invalid_time", "data.effective_at"},
		{"no account", replace(t, `"account"`, `"accountant"`), "missing_field", "data.account"},
		{"account in capitals", replace(t, `acct-1`, `Acct-1`), "invalid_account", "data.account"},
		{"empty account", replace(t, `"acct-1"`, `""`), "invalid_account", "data.account"},
		{"account that is a pattern", replace(t, `acct-1`, `*`), "invalid_account", "data.account"},
		{"long account", replace(t, `acct-1`, strings.Repeat("a", 64)), "invalid_account", "data.account"},
		{"account as a number", replace(t, `"acct-1"`, `1`), "wrong_type", "data.account"},
		{"app as text", replace(t, `1400110046`, `"1400110046"`), "wrong_type", "data.app"},
		{"app with a fraction", replace(t, `1400110046`, `1400110046.5`), "out_of_range", "data.app"},
		{"app below zero", replace(t, `1400110046`, `-1400110046`), "out_of_range", "data.app"},
		{"app beyond 2^53", replace(t, `1400110046`, `9007199254740993`), "out_of_range", "data.app"},
		{"amount beyond 2^53", replace(t, `28843`, `9007199254740993`), "out_of_range", "data.amount.minor"},
		{"amount beyond 2^53, spelled with an exponent", replace(t, `28843`, `1e16`), "out_of_range", "data.amount.minor"},
		{"amount with a fraction", replace(t, `28843`, `288.43`), "out_of_range", "data.amount.minor"},
		{"amount as a number", replace(t, `{"currency": "CNY", "minor": 28843}`, `28843`), "wrong_type", "data.amount"},
		{"amount without currency", replace(t, `"currency": "CNY", `, ``), "missing_field", "data.amount.currency"},
		{"amount without number", replace(t, `, "minor": 28843`, ``), "missing_field", "data.amount.minor"},
		{"amount with a null number", replace(t, `28843`, `null`), "wrong_type", "data.amount.minor"},
		{"time without a zone", replace(t, `"effective_at": "2021-01-01T02:24:32.000Z"`, `"effective_at": "2021-01-01T02:24:32"`), "invalid_time", "data.effective_at"},
		{"time as a number", replace(t, `"effective_at": "2021-01-01T02:24:32.000Z"`, `"effective_at": 1609467872`), "wrong_type", "data.effective_at"},
		{"null time", replace(t, `"effective_at": "2021-01-01T02:24:32.000Z"`, `"effective_at": null`), "missing_field", "data.effective_at"},
		{"version as true", replace(t, `"version": 1`, `"version": true`), "wrong_type", "data.version"},
		{"no version", replace(t, `"version": 1,`, ``), "missing_field", "data.version"},
		{"huge exponent", replace(t, `"version": 1`, `"version": 1e99999999999999999999`), "out_of_range", "data.version"},
		{"huge exponent in what is not known", replace(t, `"version": 1`, `"version": 1, "x": 1e99999`), "out_of_range", "data.x"},
		{"too deep", replace(t, `"version": 1`, `"version": 1, "x": `+deep), "too_deep", "data.x"},
		{"too deep an attribute", replace(t, `"id"`, `"x": `+deep+`, "id"`), "too_deep", "x"},
		{"far too deep", strings.Repeat(`{"x":`, 20_000), "malformed_json", ""},
		{"too much that is not known", replace(t, `"version": 1`, `"version": 1, "x": "`+strings.Repeat("x", 70_000)+`"`), "too_large", ""},
		{"addons as text", strings.Replace(replace(t, `invoice.overdue`, `order.paid`), `"version": 1`, `"order":"o","addons":"x"`, 1), "wrong_type", "data.addons"},
		{"addons of numbers", strings.Replace(replace(t, `invoice.overdue`, `order.paid`), `"version": 1`, `"order":"o","addons":[1]`, 1), "wrong_type", "data.addons"},
	} {
		fact, err := Decode([]byte(c.event))
		var m *Malformed
		if !errors.As(err, &m) {
			t.Errorf("%s: %v, want a malformed event", c.name, err)
			continue
		}
		if m.Code != c.code || (m.Field != c.field && c.name != "far too deep") {
			t.Errorf("%s: %s in %q (%s), want %s in %q", c.name, m.Code, m.Field, m, c.code, c.field)
		}
		if fact.Command != nil {
			t.Errorf("%s: has a command", c.name)
		}
		known := false
		for _, k := range MalformedCodes() {
			known = known || k.Code == m.Code
		}
		if !known {
			t.Errorf("%s: code %s is not listed", c.name, m.Code)
		}
	}
}

// What could be read of an event that is parked helps to find it.
func TestWhatCanBeReadOfAMalformedEvent(t *testing.T) {
	for _, event := range []string{
		replace(t, `invoice.overdue`, `invoice.lost`),
		replace(t, `"amount": {"currency": "CNY", "minor": 28843}`, `"amount": 1`),
	} {
		fact, err := Decode([]byte(event))
		if err == nil {
			t.Fatalf("%s was read", event)
		}
		if fact.Source != "urn:billing:upstream" || fact.ID != "up-1" || fact.Account != "acct-1" || fact.App != 1400110046 {
			t.Errorf("read %+v of %s", fact, event)
		}
	}
}

// An error must never repeat what was sent: it may be a secret in the wrong place.
func TestErrorsDoNotRepeatValues(t *testing.T) {
	const secret = "hunter2"
	for _, event := range []string{
		replace(t, `acct-1`, secret+"!"),
		replace(t, `CNY`, secret+`\u0000`),
		replace(t, `"2021-01-01T02:24:32.000Z", "data`, `"`+secret+`", "data`),
		replace(t, `1400110046`, `"`+secret+`"`),
		replace(t, `1400110046`, secret),
		replace(t, `"1.0"`, `"`+secret+`"`),
		replace(t, `application/json`, secret),
		secret,
	} {
		if _, err := Decode([]byte(event)); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%q repeats the value of %s", err, event)
		}
	}
}

// What is wrong is named truly: by the name of the character set, and of a time that is one as out of range.
func TestReasonsAreTrue(t *testing.T) {
	for event, want := range map[string]string{
		replace(t, `application/json`, `application/json; charset=utf-16be`):   "UTF-16",
		replace(t, `application/json`, `application/json; charset=ISO-8859-1`): "Latin-1",
		replace(t, `application/json`, `text/html`):                            "another type of JSON",
		"{\x00\"\x00": "UTF-16",
		replace(t, `"effective_at": "2021-01-01T02:24:32.000Z"`, `"effective_at": "1970-01-01T00:00:00Z"`): "1970-01-01T00:00:00.001Z",
		replace(t, `"effective_at": "2021-01-01T02:24:32.000Z"`, `"effective_at": "2021-01-01"`):           "RFC 3339",
	} {
		if _, err := Decode([]byte(event)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", event, err, want)
		}
	}
	for _, kind := range []string{"text/json", "application/vnd.x+json", "application/json;x"} {
		if _, err := Decode([]byte(replace(t, `application/json`, kind))); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// content is what two events are compared by.
func content(t testing.TB, event string) string {
	t.Helper()
	fact, err := Decode([]byte(event))
	if err != nil {
		t.Fatalf("%s: %v", event, err)
	}
	b, err := json.Marshal(fact.Command)
	if err != nil {
		t.Fatal(err)
	}
	return fact.Account + fact.Command.Name() + string(b)
}

func TestSameContent(t *testing.T) {
	same := content(t, overdueEvent)
	compact := jsontext.Value(overdueEvent)
	if err := compact.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{
		string(compact),
		replace(t, `, "datacontenttype": "application/json"`, ``),
		replace(t, `"application/json"`, `"Application/JSON; charset=UTF-8"`),
		replace(t, `"application/json"`, `"application/json; charset=\"utf_8\""`),
		replace(t, `"application/json"`, `"application/json;charset=US-ASCII"`),
		replace(t, `"application/json"`, `"application/json; utf-8;"`),
		"\xef\xbb\xbf" + overdueEvent,
		replace(t, `"version": 1`, `"version": 1.0`),
		replace(t, `"version": 1`, `"version": 10e-1`),
		replace(t, `28843`, `2.8843E+4`),
		replace(t, `"effective_at": "2021-01-01T02:24:32.000Z"`, `"effective_at": "2021-01-01T03:24:32+01:00"`),
		replace(t, `"time": "2021-01-01T02:24:32.000Z"`, `"time": "2020-12-31T21:24:32-05:00"`),
		replace(t, `acct-1`, `\u0061cct-1`),
		replace(t, `"id"`, `"dataschema": null, "id"`),
	} {
		if got := content(t, event); got != same {
			t.Errorf("%s\n is %s\nwant %s", event, got, same)
		}
	}
	for _, event := range []string{
		replace(t, `"version": 1`, `"version": 2`),
		replace(t, `"version": 1`, `"version": 1, "note": 1`),
		replace(t, `"time": "2021-01-01T02:24:32.000Z"`, `"time": "2021-01-01T02:24:33.000Z"`),
		replace(t, `"id"`, `"traceparent": "x", "id"`),
		replace(t, `acct-1`, `acct-2`),
	} {
		if got := content(t, event); got == same {
			t.Errorf("%s is the same as %s", event, overdueEvent)
		}
	}
}

func TestCanonicalNumbers(t *testing.T) {
	for _, c := range [][]string{
		{"0", "0", "-0", "0.0", "0e5", "-0.000e-9"},
		{"1", "1", "1.0", "10e-1", "0.1e1", "1e0"},
		{"-15", "-15", "-1.5e1", "-150E-1"},
		{"1.5", "1.5", "1.50", "15e-1", "0.15E+1"},
		{"0.00015", "0.00015", "15e-5", "1.5e-4"},
		{"1e-9", "0.000000001", "1e-9", "10e-10"},
		{"100000000000000000000", "1e20", "100000000000000000000"},
		{"1e21", "1e21", "10e20", "1000000000000000000000"},
		{"9007199254740993", "9007199254740993", "9007199254740993.0"},
	} {
		for _, spelled := range c[1:] {
			got, err := appendNumber(nil, jsontext.Value(spelled), "x")
			if err != nil || string(got) != c[0] {
				t.Errorf("%s is %s (%v), want %s", spelled, got, err, c[0])
			}
		}
	}
}

func TestCommandIDIsOfSourceAndID(t *testing.T) {
	one := Notification{Source: "s", ID: "i", Account: "a"}
	if got, want := one.CommandID(), "fact/1VJeC5pNEXcqzmIWpbvhQ7lYVHbt_ZcKpnkrtdXyBcg"; got == want || len(got) != len(want) {
		t.Errorf("id %s", got)
	}
	if elsewhere := (&Notification{Source: "s", ID: "i", Account: "b"}).CommandID(); elsewhere != one.CommandID() {
		t.Error("the id depends on the account")
	}
	if other := (&Notification{Source: "s", ID: "j"}).CommandID(); other == one.CommandID() {
		t.Error("the id does not depend on the event's id")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(overdueEvent))
	f.Add([]byte(`{"specversion":"1.0","id":"i","source":"s","type":"` + typePaid + `","x":{"a":[1e5,null]},"data":{"account":"a","app":1e9,"order":"o","addons":["x"],"effective_at":"2021-01-01T00:00:00Z","amount":{"currency":"CNY","minor":1,"z":"\n"}}}`))
	f.Add([]byte(`{"specversion":"1.0","id":"i","source":"s","type":"` + typeTRTCStopped + `","data":{"account":"a","app":1400000001,"effective_at":null}}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		fact, err := Decode(b)
		if !bytes.Equal(before, b) {
			t.Fatal("the event was changed")
		}
		var m *Malformed
		if err != nil {
			if !errors.As(err, &m) || m.Code == "" || fact.Command != nil {
				t.Fatalf("%v with %+v", err, fact)
			}
			return
		}
		if !accountid.Valid(fact.Account) || fact.Source == "" || fact.ID == "" || fact.Command == nil {
			t.Fatalf("accepted as %+v", fact)
		}
		// The canonical form of an event is the same event.
		canonical, err := appendCanonical(nil, b, "", 1)
		if err != nil {
			t.Fatalf("%v after it was read", err)
		}
		if content(t, string(canonical)) != content(t, string(b)) {
			t.Fatalf("%s is another event than %s", canonical, b)
		}
	})
}

// Every code that an event is parked with is documented.
func TestCodesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/billing-events.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range append(MalformedCodes(), ParkingCodes()...) {
		if !bytes.Contains(page, []byte("| `"+r.Code+"` |")) {
			t.Errorf("docs/billing-events.md does not list %s: %s", r.Code, r.Meaning)
		}
	}
}
