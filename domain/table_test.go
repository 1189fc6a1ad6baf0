package domain

import (
	"errors"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// row is a sentence of the specification: given what happened before, when somebody gives a command at some time, then
// these are the events, or there is silence, or it is refused. Every row gives its command twice: the second time it must
// be silence where there were events, and the same answer otherwise, unless the row says what else.
type row struct {
	name  string
	given []step
	as    Role
	at    Instant
	when  Command
	then  answer
	again answer

	warned bool // with notices, which have a table of their own
}

func (r row) policy() Policy {
	p := DefaultPolicy()
	if !r.warned {
		p.Notices = nil
	}
	return p
}

// answer is what a command is answered with.
type answer struct {
	given   bool // false in a row that leaves it out
	events  []Event
	refused string   // the code
	invalid []string // field and code
}

var silence = answer{given: true}

func events(e ...Event) answer { return answer{given: true, events: e} }

func refused(c Code) answer { return answer{given: true, refused: c.Code} }

func invalid(fields ...string) answer { return answer{given: true, invalid: fields} }

// step is something that happened before.
type step func(*testing.T, *harness)

// did is a command that led to events.
func did(at Instant, as Role, commands ...Command) step {
	return func(t *testing.T, w *harness) {
		t.Helper()
		for _, c := range commands {
			if said, err := w.run(t, acme, at, as, c); err != nil || len(said) == 0 {
				t.Fatalf("given %s at %s: %v, %v", c.Name(), at, said, err)
			}
		}
	}
}

// ticked is a sweep of the scheduler.
func ticked(at Instant) step {
	return func(t *testing.T, w *harness) {
		t.Helper()
		w.sweep(t, at)
	}
}

// decreed is a change of policy, from then on.
func decreed(change func(*Policy)) step {
	return func(_ *testing.T, w *harness) {
		change(&w.policy)
		w.decreed = true
	}
}

func check(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			w := newWorld(r.policy())
			for _, s := range r.given {
				s(t, w)
			}
			said := w.ask(t, r)
			if diff := gocmp.Diff(r.then, said, answers); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", r.when.Name(), diff)
			}
			again := r.again
			if !again.given && len(said.events) == 0 {
				again = said
			} else if !again.given {
				again = silence
			}
			if diff := gocmp.Diff(again, w.ask(t, r), answers); diff != "" {
				t.Fatalf("%s, a second time (-want +got):\n%s", r.when.Name(), diff)
			}
			w.checkReplay(t)
		})
	}
}

var answers = gocmp.Options{gocmp.AllowUnexported(answer{}), cmpopts.EquateEmpty()}

func (w *harness) ask(t *testing.T, r row) answer {
	t.Helper()
	said, err := w.run(t, acme, r.at, r.as, r.when)
	a := answer{given: true, events: said}
	var refusal *Refusal
	var problem *Invalid
	switch {
	case err == nil:
	case errors.As(err, &refusal):
		a.refused = refusal.Code.Code
	case errors.As(err, &problem):
		for _, f := range problem.Fields {
			a.invalid = append(a.invalid, f.Field+" "+f.Code)
		}
	default:
		t.Fatalf("neither a refusal nor an invalid field: %v", err)
	}
	return a
}

// What the tables are about: the app of an account, its days counted from its creation.
const (
	acme    = "acme"
	testApp = AppID(1_400_000_001)
	ms      = time.Millisecond
	grace   = 168 * time.Hour
)

var (
	about = About{testApp}
	price = Money{"CNY", 99900}
	debt  = Money{"CNY", 500}
	news  = &Report{Source: "urn:billing", ID: "1"} // of a message: evidence, kept even if it says nothing new
)

// day is midnight of the day n; the app is created on day 0.
func day(n int) Instant { return Instant(1_609_459_200_000).Add(time.Duration(n) * 24 * time.Hour) }

// created is the app, a trial.
func created() step { return did(day(0), Owner, CreateApp{AppName: "shop"}) }

// trtc is an app that came from the TRTC side, under the same number.
func trtc() step {
	return did(day(0), Operator, ImportApp{App: testApp, AppName: "shop", CreatedAt: day(0), Edition: TRTCTrial})
}

// pro is the app with pro from day 0 until then; 0 is open-ended.
func pro(until Instant) []step {
	return []step{created(), did(day(0), Billing, paid("o1", Pro, day(0), until))}
}

// and is what came first with what came then.
func and(before []step, then ...step) []step { return append(slices.Clip(before), then...) }

func terms(order string, e Edition, from, until Instant) OrderTerms {
	return OrderTerms{ID: order, Edition: e, EffectiveAt: from, PaidUntil: until, Amount: price}
}

func paid(order string, e Edition, from, until Instant) RecordOrder {
	return RecordOrder{App: testApp, Order: terms(order, e, from, until)}
}

// restated is an order in a higher version.
func restated(c RecordOrder, version int64) RecordOrder {
	c.Order.Version = version
	return c
}

func recorded(c RecordOrder) OrderRecorded { return OrderRecorded{about, c.Order, Billing, c.Report} }

func refund(order string, at Instant) Refund {
	return Refund{App: testApp, Order: order, EffectiveAt: at}
}

func refundRecorded(order string, at Instant) RefundRecorded {
	return RefundRecorded{About: about, Order: order, EffectiveAt: at}
}

func overdue(invoice string, version int64, at Instant) MarkArrears {
	return MarkArrears{App: testApp, Invoice: invoice, Version: version, EffectiveAt: at, Amount: debt}
}

func overdueRecorded(invoice string, version int64, at Instant) InvoiceOverdueRecorded {
	return InvoiceOverdueRecorded{About: about, Invoice: invoice, Version: version, EffectiveAt: at, Amount: debt}
}

func settle(invoice string, version int64, at Instant) SettleArrears {
	return SettleArrears{App: testApp, Invoice: invoice, Version: version, EffectiveAt: at}
}

func settled(invoice string, version int64, at Instant) InvoiceSettledRecorded {
	return InvoiceSettledRecorded{About: about, Invoice: invoice, Version: version, EffectiveAt: at}
}

func voidOf(invoice string, version int64, at Instant) VoidInvoice {
	return VoidInvoice{App: testApp, Invoice: invoice, Version: version, EffectiveAt: at}
}

func voided(invoice string, version int64, at Instant) InvoiceVoidedRecorded {
	return InvoiceVoidedRecorded{About: about, Invoice: invoice, Version: version, EffectiveAt: at}
}

// gone stops a trial and deletes it.
func gone(at Instant) []step {
	return []step{did(at, Owner, StopApp{App: testApp}), did(at, Owner, DeleteApp{App: testApp, Confirm: "shop"})}
}

// deletedTrial is an app that was created and deleted on day 1.
func deletedTrial() []step { return and([]step{created()}, gone(day(1))...) }

// stopsFor is a stop that is due, for an app that had the edition.
func stopsFor(since, due Instant, edition Edition) Grace {
	return Grace{Since: since, StopDue: due, Edition: edition}
}

// warned adds the notices of the default policy, the next of which is due at an instant.
func warned(g Grace, at Instant) Grace {
	g.NoticeAt, g.Notices = at, DefaultPolicy().Notices
	return g
}

// expiry is the one expiry that is known ahead.
func expiry(at Instant, cause Cause, edition Edition) []ScheduledExpiry {
	return []ScheduledExpiry{{At: at, Cause: cause, Edition: edition}}
}

// expiryWarned adds the notices of the default policy.
func expiryWarned(x []ScheduledExpiry, at Instant) []ScheduledExpiry {
	x[0].NoticeAt, x[0].Notices = at, DefaultPolicy().Notices
	return x
}
