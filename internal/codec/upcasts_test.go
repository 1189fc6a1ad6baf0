package codec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/eventstore"
)

// TestRefundsOfBefore reads refunds of a time when an order had one, and refund and ends were kept without being understood:
// as they were told, so that a delivery of today is known to be of the same message.
func TestRefundsOfBefore(t *testing.T) {
	const at = domain.Instant(1_609_459_200_000)
	events, err := New()
	if err != nil {
		t.Fatal(err)
	}
	report := func(extra string) *domain.Report {
		r := &domain.Report{Source: "urn:billing:upstream", ID: "up-1"}
		if extra != "" {
			r.Extra = jsontext.Value(extra)
		}
		return r
	}
	again := func(id string, goodwill bool, extra string) domain.Refund {
		return domain.Refund{App: 1_400_000_001, Order: "o1", Refund: id, EffectiveAt: at, Goodwill: goodwill, Report: report(extra)}
	}
	for _, c := range []struct {
		name, stored string
		left         string // what is still not understood
		again        domain.Refund
		same         bool
	}{
		{"neither", ``, ``, again("", false, ``), true},
		{
			"both", `{"attributes":{"traceparent":"00-1"},"data":{"ends":false,"refund":"r1"}}`, `{"attributes":{"traceparent":"00-1"}}`,
			again("r1", true, `{"attributes":{"traceparent":"00-2"}}`), true,
		},
		{
			"both, beside what is still not understood", `{"data":{"channel":"bank","ends":false,"refund":"r1"}}`, `{"data":{"channel":"bank"}}`,
			again("r1", true, `{"data":{"channel":"bank"}}`), true,
		},
		{"that it ends nothing, alone", `{"data":{"ends":false}}`, ``, again("", true, ``), true},
		{"that it ends the order, said", `{"data":{"ends":true}}`, ``, again("", false, ``), true},
		{"an id alone", `{"data":{"refund":"r1"}}`, ``, again("r1", false, ``), true},
		{"an id that is empty", `{"data":{"refund":""}}`, ``, again("", false, ``), true},
		{"another id", `{"data":{"refund":"r1"}}`, ``, again("r2", false, ``), false},
		{"no id any more", `{"data":{"refund":"r1"}}`, ``, again("", false, ``), false},
		{"goodwill from now on", `{"data":{"refund":"r1"}}`, ``, again("r1", true, ``), false},
		{"goodwill no more", `{"data":{"ends":false,"refund":"r1"}}`, ``, again("r1", false, ``), false},
		{"other data beside", `{"data":{"channel":"bank","refund":"r1"}}`, `{"data":{"channel":"bank"}}`, again("r1", false, `{"data":{"channel":"cash"}}`), false},
		{"an id that was no text", `{"data":{"ends":false,"refund":7}}`, `{"data":{"ends":false,"refund":7}}`, again("7", true, ``), false},
		{"an id with a control character", `{"data":{"refund":"a\tb"}}`, `{"data":{"refund":"a\tb"}}`, again("a\tb", false, ``), false},
		{"an ends that was none", `{"data":{"ends":"false"}}`, `{"data":{"ends":"false"}}`, again("", true, ``), false},
		{"data that was a list", `{"data":["ends"]}`, `{"data":["ends"]}`, again("", true, ``), false},
	} {
		told := `"report":{"source":"urn:billing:upstream","id":"up-1"`
		if c.stored != "" {
			told += `,"extra":` + c.stored
		}
		text := fmt.Sprintf(`{"app":1400000001,"order":"o1","effective_at":"2021-01-01T00:00:00.000Z",%s}}`, told)
		event, err := events.Decode(eventstore.Event{Type: "app.refund_recorded.v1", Data: jsontext.Value(text)})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if left := string(event.(domain.RefundRecorded).Report.Extra); left != c.left {
			t.Errorf("%s: left is %s, want %s", c.name, left, c.left)
		}
		if same := domain.SameFact(event, c.again); same != c.same {
			t.Errorf("%s: the same fact %t, want %t", c.name, same, c.same)
		}
	}
	long := strings.Repeat("r", domain.MaxIDRunes+1)
	if sensible(long) || !sensible(long[1:]) {
		t.Error("the bound of an id is another one")
	}
}
