package domain

import (
	"reflect"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// delivery is a message as it was kept with a fact: what of it was not understood, as it was written.
func delivery(extra string) *Report {
	r := &Report{Source: "urn:billing:upstream", ID: "up-1"}
	if extra != "" {
		r.Extra = jsontext.Value(extra)
	}
	return r
}

// deliveries are facts and notes by the delivery that they came with.
var deliveries = map[string]struct {
	command func(*Report) Command
	event   func(*Report) Event
}{
	"order": {
		func(r *Report) Command {
			return RecordOrder{App: testApp, Order: OrderTerms{ID: "o1", Edition: Pro, EffectiveAt: day(1)}, Report: r}
		},
		func(r *Report) Event {
			return RecordOrder{App: testApp, Order: OrderTerms{ID: "o1", Edition: Pro, EffectiveAt: day(1)}, Report: r}.fact()
		},
	},
	"refund": {
		func(r *Report) Command {
			return Refund{App: testApp, Order: "o1", Refund: "r1", EffectiveAt: day(1), Report: r}
		},
		func(r *Report) Event {
			return RefundRecorded{About: About{testApp}, Order: "o1", Refund: "r1", EffectiveAt: day(1), Report: r}
		},
	},
	"overdue": {
		func(r *Report) Command {
			return MarkArrears{App: testApp, Invoice: "i1", Version: 2, EffectiveAt: day(1), Amount: Money{"CNY", 5}, Report: r}
		},
		func(r *Report) Event {
			return InvoiceOverdueRecorded{About: About{testApp}, Invoice: "i1", Version: 2, EffectiveAt: day(1), Amount: Money{"CNY", 5}, Report: r}
		},
	},
	"settled": {
		func(r *Report) Command {
			return SettleArrears{App: testApp, Invoice: "i1", Version: 2, EffectiveAt: day(1), Report: r}
		},
		func(r *Report) Event {
			return InvoiceSettledRecorded{About: About{testApp}, Invoice: "i1", Version: 2, EffectiveAt: day(1), Report: r}
		},
	},
	"voided": {
		func(r *Report) Command {
			return VoidInvoice{App: testApp, Invoice: "i1", Version: 2, EffectiveAt: day(1), Report: r}
		},
		func(r *Report) Event {
			return InvoiceVoidedRecorded{About: About{testApp}, Invoice: "i1", Version: 2, EffectiveAt: day(1), Report: r}
		},
	},
	"trtc stopped": {
		func(r *Report) Command { return NoteTRTCStopped{App: testApp, EffectiveAt: day(1), Report: r} },
		func(r *Report) Event { return TRTCStopNoted{About{testApp}, day(1), r} },
	},
	"trtc started": {
		func(r *Report) Command { return NoteTRTCStarted{App: testApp, EffectiveAt: day(1), Report: r} },
		func(r *Report) Event { return TRTCStartNoted{About{testApp}, day(1), r} },
	},
}

const (
	delivered1 = `{"attributes":{"time":"2021-01-01T00:00:00Z","traceparent":"00-1"},"data":{"channel":"<web>","n":1.5}}`
	delivered2 = `{"attributes":{"traceparent":"00-2"},"data":{"channel":"<web>","n":1.5}}`
	otherData  = `{"attributes":{"time":"2021-01-01T00:00:00Z","traceparent":"00-1"},"data":{"channel":"<web>","n":1.6}}`
)

func TestContentOfDeliveries(t *testing.T) {
	for name, d := range deliveries {
		for _, c := range []struct {
			name, one, other string
			same             bool
		}{
			{"other attributes", delivered1, delivered2, true},
			{"no attributes", delivered1, `{"data":{"channel":"<web>","n":1.5}}`, true},
			{"the members of the data in another order", delivered1, `{"data":{"n":1.5,"channel":"<web>"}}`, true},
			{"nothing kept but attributes, and nothing", `{"attributes":{"traceparent":"00-1"}}`, ``, true},
			{"other data", delivered1, otherData, false},
			{"data with a member less", delivered1, `{"data":{"n":1.5}}`, false},
			{"nothing kept of the data", delivered1, ``, false},
			{"what is no object, as it is written", `7`, `8`, false},
		} {
			one, other := Content(d.command(delivery(c.one))), Content(d.command(delivery(c.other)))
			if same := reflect.DeepEqual(one, other); same != c.same {
				t.Errorf("%s: %s: the same %t, want %t:\n%+v\n%+v", name, c.name, same, c.same, one, other)
			}
			if same := SameFact(d.event(delivery(c.one)), d.command(delivery(c.other))); same != c.same {
				t.Errorf("%s: %s: the same fact %t, want %t", name, c.name, same, c.same)
			}
		}
		if c := d.command(nil); !reflect.DeepEqual(Content(c), c) {
			t.Errorf("%s: without a message its content is %+v", name, Content(c))
		}
		before := d.command(delivery(delivered1))
		_ = Content(before)
		if !reflect.DeepEqual(before, d.command(delivery(delivered1))) {
			t.Errorf("%s: taking its content has changed the command", name)
		}
		for other, o := range deliveries {
			if other != name && SameFact(o.event(delivery(delivered1)), d.command(delivery(delivered1))) {
				t.Errorf("%s is the same fact as %s", name, other)
			}
		}
		elsewhere := delivery(delivered1)
		elsewhere.Source = "urn:billing:another"
		if SameFact(d.event(elsewhere), d.command(delivery(delivered1))) {
			t.Errorf("%s: of another source is the same fact", name)
		}
	}
	if e := (AppStopped{About{testApp}, CauseOperator, day(1)}); SameFact(e, StopApp{App: testApp}) {
		t.Error("what people do is no fact")
	}
}

func TestContentWithoutReason(t *testing.T) {
	for _, c := range []struct{ given, content, with Command }{
		{StopApp{testApp, "a complaint"}, StopApp{App: testApp}, StopApp{testApp, "another"}},
		{RequestDeletion{testApp, "moved away"}, RequestDeletion{App: testApp}, RequestDeletion{testApp, "another"}},
		{RejectDeletion{testApp, "del-1", "a bill is open"}, RejectDeletion{App: testApp, Request: "del-1"}, RejectDeletion{testApp, "del-1", "another"}},
		{RevealKey{testApp, "lost", "192.0.2.1"}, RevealKey{App: testApp, From: "192.0.2.1"}, RevealKey{testApp, "another", "192.0.2.1"}},
	} {
		if got := Content(c.given); !reflect.DeepEqual(got, c.content) {
			t.Errorf("content %+v, want %+v", got, c.content)
		}
		if got, carries := WithReason(c.given, "another"); !carries || !reflect.DeepEqual(got, c.with) {
			t.Errorf("with another reason %+v (%t), want %+v", got, carries, c.with)
		}
	}
	quota := SetQuota{Apps: 120}
	if got, carries := WithReason(quota, "another"); carries || Content(quota) != Command(quota) || got != Command(quota) {
		t.Errorf("a command that carries no reason became %+v (%t)", got, carries)
	}
}
