package oracle

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const wellFormed = `{"specversion":"1.0","id":"1","source":"urn:b","type":"sundial.billing.order.paid",` +
	`"time":"2021-01-01T00:00:00Z","traceparent":"00-1","data":{"account":"acme","app":1400000001,"order":"o","edition":"pro",` +
	`"effective_at":"2021-01-01T08:00:00.5+08:00","paid_until":"2021-02-01T00:00:00Z","amount":{"currency":"CNY","minor":99900},` +
	`"addons":[ "push" ],"version":3,"channel":"web"}}`

func TestDecodeEvent(t *testing.T) {
	got, err := DecodeEvent([]byte(wellFormed))
	if err != nil {
		t.Fatal(err)
	}
	want := Fact{
		Kind: OrderPaid, Source: "urn:b", ID: "1", Account: "acme", App: 1400000001, Effective: d(0) + 500,
		Order: "o", Edition: Pro, PaidUntil: d(31), AddOns: `["push"]`, Version: 3, Amount: yuan(99900),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLeapSeconds(t *testing.T) {
	for text, want := range map[string]string{
		"2016-12-31T23:59:60Z":          "2017-01-01T00:00:00.000Z",
		"2016-12-31t23:59:60.999z":      "2017-01-01T00:00:00.000Z",
		"2017-01-01T08:59:60.5+09:00":   "2017-01-01T00:00:00.000Z",
		"2021-02-28T15:59:60-08:00":     "2021-03-01T00:00:00.000Z",
		"2016-12-31T23:59:59.999Z":      "2016-12-31T23:59:59.999Z",
		"2016-12-31T23:58:60Z":          "",
		"2016-12-30T23:59:60Z":          "",
		"2016-12-31T23:59:61Z":          "",
		"2016-12-31T23:59:60":           "",
		"2016-12-31T23:59:60,5Z":        "",
		"2016-12-31T23:59:60.Z":         "",
		"2016-12-31T23:59:60+00:60":     "",
		"2017-01-01T00:00:00.000+00:00": "2017-01-01T00:00:00.000Z",
	} {
		at, err := parseInstant(text)
		switch {
		case want == "" && err == nil:
			t.Errorf("%s is read as %s", text, formatInstant(at))
		case want != "" && (err != nil || formatInstant(at) != want):
			t.Errorf("%s is read as %s, %v, want %s", text, formatInstant(at), err, want)
		}
	}
}

func TestMalformedEvents(t *testing.T) {
	for _, row := range []struct{ what, from, to string }{
		{"no specversion", `"specversion":"1.0",`, ``},
		{"another specversion", `"1.0"`, `"0.3"`},
		{"an empty id", `"id":"1"`, `"id":""`},
		{"no source", `"source":"urn:b",`, ``},
		{"an unknown type", `order.paid`, `order.given`},
		{"no data", `"data":`, `"dada":`},
		{"a duplicate key", `"id":"1",`, `"id":"1","id":"1",`},
		{"a name in another case", `"account":`, `"Account":`},
		{"an invalid account", `"acme"`, `"Acme!"`},
		{"a negative app", `1400000001`, `-1`},
		{"an app beyond 2^53", `1400000001`, `9007199254740993`},
		{"an app as text", `1400000001`, `"1400000001"`},
		{"a time without a zone", `00.5+08:00`, `00.5`},
		{"a comma in a time", `00.5+08:00`, `00,5+08:00`},
		{"an hour of one digit", `T08:00:00.5`, `T8:00:00.5`},
		{"an offset of a day", `00.5+08:00`, `00.5+24:00`},
		{"no effective time", `"effective_at"`, `"effective"`},
		{"no order", `"order":"o",`, ``},
		{"an edition that cannot be bought", `"pro"`, `"trial"`},
		{"an end that is no time", `"2021-02-01T00:00:00Z"`, `"soon"`},
		{"no amount", `"amount"`, `"price"`},
		{"a negative amount", `99900`, `-1`},
		{"half a fen", `99900`, `0.5`},
		{"no currency", `"currency":"CNY",`, ``},
		{"a negative version", `"version":3`, `"version":-3`},
		{"not JSON", `{`, `(`},
	} {
		t.Run(row.what, func(t *testing.T) {
			event := strings.Replace(wellFormed, row.from, row.to, 1)
			if event == wellFormed {
				t.Fatal("the row changes nothing")
			}
			if fact, err := DecodeEvent([]byte(event)); err == nil {
				t.Errorf("decoded as %+v", fact)
			}
		})
	}
}

func TestWhatEachKindNeeds(t *testing.T) {
	for _, fact := range []Fact{refund("o", d(1)), refund("o", d(1), part("1"), goodwill, of(5)), overdue("i", 0, d(1), 0), settled("i", 2, d(1)), voided("i", 2, d(1))} {
		fact.Source, fact.ID = "urn:b", "1"
		got, err := DecodeEvent(EncodeEvent(fact))
		if err != nil {
			t.Fatalf("%s: %v", fact.Kind, err)
		}
		if diff := cmp.Diff(fact, got); diff != "" {
			t.Error(diff)
		}
		for _, member := range []string{"order", "invoice", "version"} {
			without := strings.Replace(string(EncodeEvent(fact)), `"`+member+`":`, `"other":`, 1)
			if _, err := DecodeEvent([]byte(without)); err == nil && without != string(EncodeEvent(fact)) {
				t.Errorf("%s decodes without its %s", fact.Kind, member)
			}
		}
	}
}

func TestDeliveriesThatAreNone(t *testing.T) {
	for _, line := range []string{
		``, `{}`, `[]`, `{"arrives_at":"2021-01-01T00:00:00Z"}`, `{"arrives_at":"yesterday","event":{}}`,
		`{"arrives_at":"2021-01-01T00:00:00Z","event":{},"more":1}`,
	} {
		if _, err := DecodeDelivery([]byte(line)); err == nil {
			t.Errorf("a delivery: %s", line)
		}
	}
	delivery, err := DecodeDelivery([]byte(`{"arrives_at":"2021-01-01T00:00:00Z","event":{}}`))
	if err != nil || delivery.Malformed == "" || delivery.ArrivesAt != d(0) {
		t.Errorf("an event that is no fact: %+v, %v", delivery, err)
	}
}

func TestArrived(t *testing.T) {
	fact := func(id string) Fact {
		fact := settled("i", 2, d(1))
		fact.Source, fact.ID = "urn:b", id
		return fact
	}
	event := func(id string, change func(*Fact)) []byte {
		fact := fact(id)
		change(&fact)
		return EncodeEvent(fact)
	}
	order := func(f *Fact) { f.Kind, f.Order, f.Edition, f.Amount = OrderPaid, "o", Pro, yuan(5) }
	begins := func(at int64) func(*Fact) { return func(f *Fact) { order(f); f.Effective = at } }
	same := func(*Fact) {}
	deliveries := []Delivery{
		newDelivery(d(1), event("1", same)),
		newDelivery(d(1), event("1", same)),
		newDelivery(d(1), []byte(" "+string(sorted(event("1", same))))), // the same contents in another form
		newDelivery(d(1), encodeTraced(fact("1"), 7, d(1))),             // or in another delivery
		newDelivery(d(1), event("1", func(f *Fact) { f.Version = 3 })),
		newDelivery(d(1), event("2", func(f *Fact) { f.App++ })),
		newDelivery(d(1), event("2", func(f *Fact) { f.App++ })),
		newDelivery(d(1), event("3", func(f *Fact) { f.Account = "evil" })),
		newDelivery(d(1), event("4", func(f *Fact) { f.Effective = d(2) })),
		newDelivery(d(1), event("5", func(f *Fact) { f.Effective = d(2) + 1 })),
		newDelivery(d(1), []byte(`{}`)),
		newDelivery(d(1), event("7", begins(d(1)+OrderAhead))),
		newDelivery(d(1), event("8", begins(d(1)+OrderAhead+1))),
		newDelivery(d(1), event("9", func(f *Fact) { f.Account = "evil" })),
		newDelivery(d(2), event("9", same)), // parked before, judged afresh and taken: the parked one is closed
		newDelivery(d(1), spoiled(event("10", same))),
		newDelivery(d(2), spoiled(encodeTraced(fact("10"), 8, d(2)))),
		newDelivery(d(3)+1, event("6", same)),
	}
	facts, parked := Arrived([]App{testApp}, deliveries, d(3))
	var got []string
	for _, fact := range facts {
		got = append(got, fact.ID)
	}
	for _, one := range parked {
		got = append(got, one.Fact.ID+" "+one.Reason)
	}
	want := []string{
		"1", "4", "7", "9",
		"1 id_reused", "2 unknown_app", "3 unknown_app", "5 too_far_ahead", " malformed", "8 too_far_ahead", "10 malformed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// spoiled has an identity that can be read, and a version that cannot.
func spoiled(event []byte) []byte {
	return []byte(strings.Replace(string(event), `"version":2`, `"version":"2"`, 1))
}

// TestOrderAheadIsPolicy: an order may begin as far ahead as any fact, however little the policy of its edition gives.
func TestOrderAheadIsPolicy(t *testing.T) {
	policy := func(account, edition string) int64 {
		return map[string]int64{"acme " + Flagship: 5 * day, "acme " + Pro: hour}[account+" "+edition]
	}
	for _, row := range []struct {
		edition string
		ahead   int64
		taken   bool
	}{
		{Flagship, 5 * day, true},
		{Flagship, 5*day + 1, false},
		{Pro, day, true},
		{Pro, day + 1, false},
		{"", day + 1, false},
	} {
		fact := paid("o", row.edition, d(0)+row.ahead, 0)
		fact.Source, fact.ID, fact.Amount = "urn:b", "1", yuan(5)
		facts, parked := ArrivedUnder([]App{testApp}, []Delivery{newDelivery(d(0), EncodeEvent(fact))}, d(0), policy)
		if len(facts) == 1 != row.taken || len(parked) == 1 == row.taken {
			t.Errorf("%q, %d ms ahead: taken %v, parked %v", row.edition, row.ahead, facts, parked)
		}
	}
}

// FuzzDecodeDelivery holds that no line makes the decoder fail otherwise than by an error, and that a fact
// that was read is written and read again as the same.
func FuzzDecodeDelivery(f *testing.F) {
	file, err := os.Open(filepath.Join(example, "deliveries.jsonl"))
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		f.Add(lines.Bytes())
	}
	f.Add([]byte(`{"arrives_at":"2021-01-01T00:00:00Z","event":` + wellFormed + `}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		delivery, err := DecodeDelivery(line)
		if err != nil || delivery.Malformed != "" {
			return
		}
		again, err := DecodeEvent(EncodeEvent(delivery.Fact))
		if err != nil {
			t.Fatalf("%s\nwritten as %s: %v", line, EncodeEvent(delivery.Fact), err)
		}
		if diff := cmp.Diff(delivery.Fact, again); diff != "" {
			t.Errorf("%s\n%s", line, diff)
		}
	})
}
