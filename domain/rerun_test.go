package domain

import (
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sundial/internal/testing/oracle"
)

// kind is what deciding anew makes of an event.
const (
	isFact        = "fact"        // counts from its effective time
	isConsequence = "consequence" // is made anew
	isDone        = "done"        // people did it: stands as it was recorded
)

// TestEveryEventIsClassified: whoever adds an event says here what deciding anew makes of it.
func TestEveryEventIsClassified(t *testing.T) {
	want := map[string]string{
		"account.quota_set.v1": isDone,
		"app.created.v1":       isDone, "app.imported.v1": isDone, "app.info_edited.v1": isDone, "app.deleted.v1": isDone, "app.renumbered.v1": isDone,
		"app.order_recorded.v1": isFact, "app.refund_recorded.v2": isFact, "app.invoice_overdue_recorded.v1": isFact,
		"app.invoice_settled_recorded.v1": isFact, "app.invoice_voided_recorded.v1": isFact,
		"app.edition_changed.v1": isConsequence, "app.term_scheduled.v2": isConsequence,
		"app.lapsed.v2": isConsequence, "app.lapse_moved.v2": isConsequence, "app.lapse_renamed.v1": isConsequence,
		"app.lapse_ended.v1": isConsequence, "app.arrears_started.v2": isConsequence, "app.arrears_moved.v2": isConsequence,
		"app.arrears_ended.v1": isConsequence,
		// Of these four it depends on the cause; without one they follow.
		"app.stopped.v1": isConsequence, "app.hold_added.v1": isConsequence,
		"app.hold_ended.v1": isConsequence, "app.reinstated.v1": isConsequence,
		"app.trtc_stop_noted.v1": isDone, "app.trtc_start_noted.v1": isDone,
		"app.key_issued.v1": isDone, "app.key_algorithm_upgraded.v1": isDone, "app.key_rotated.v1": isDone,
		"app.key_retired.v1":  isDone, // by somebody; by time it follows
		"app.key_revealed.v1": isDone, "app.admins_added.v1": isDone, "app.admins_removed.v1": isDone,
		"app.certificate_added.v1": isDone, "app.certificate_edited.v1": isDone, "app.certificate_deleted.v1": isDone,
		"app.certificate_expiry_noticed.v1": isConsequence, "app.certificate_expired.v1": isConsequence,
		"app.trtc_enabled.v1": isDone, "app.tpns_enabled.v1": isDone, "app.tpns_disabled.v1": isDone,
		"app.tpns_suspended.v1": isConsequence, "app.tpns_resumed.v1": isConsequence, "account.policy_set.v1": isDone,
		"app.deletion_requested.v1": isDone, "app.deletion_approved.v1": isDone, "app.deletion_rejected.v1": isDone,
		"app.deletion_withdrawn.v1": isConsequence, "app.notice_given.v1": isConsequence,
		"app.rejudged.v1": isDone,
	}
	got := map[string]string{}
	for _, e := range Prototypes() {
		_, fact := Effective(e)
		switch {
		case fact && Follows(e):
			t.Errorf("%s is a fact, and follows from facts", e.Type())
		case fact:
			got[e.Type()] = isFact
		case Follows(e):
			got[e.Type()] = isConsequence
		default:
			got[e.Type()] = isDone
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("what deciding anew makes of events (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		e    Event
		want bool
	}{
		{AppStopped{Cause: CauseManual}, false},
		{AppStopped{Cause: CauseOperator}, false},
		{AppStopped{Cause: CauseArrears}, true},
		{HoldAdded{Cause: CauseOperator}, false},
		{HoldAdded{Cause: CausePlanExpired}, true},
		{HoldEnded{Cause: CauseManual, By: byStart}, false},
		{HoldEnded{Cause: CauseArrears, By: bySettlement}, true},
		{AppReinstated{Cause: CauseOperator, By: byStart}, false},
		{AppReinstated{Cause: CauseRefund, By: byOrder}, true},
		{AppReinstated{Cause: CauseArrears, By: byRejudgement}, true},
		{KeyRetired{By: byRetirement}, false},
		{KeyRetired{By: byTime}, true},
	} {
		if got := Follows(c.e); got != c.want {
			t.Errorf("%#v follows: %t, want %t", c.e, got, c.want)
		}
	}
}

// past is an app's part of the log.
func (w *harness) past(account string, app AppID) (log []Past) {
	for _, c := range w.log[account] {
		for _, e := range c.events {
			if e.Subject() == app {
				log = append(log, Past{c.at, e})
			}
		}
	}
	return log
}

// orderWord is what tells the words about one order apart.
type orderWord struct {
	id, edition string
	at, until   Instant
	version     int64
	billing     bool // whose word it is
}

// knownOrders are the orders that were on record by an instant: they count before they begin.
func (w *harness) knownOrders(account string, app AppID, by Instant) map[orderWord]bool {
	known := map[orderWord]bool{}
	for _, p := range w.past(account, app) {
		if e, is := p.Event.(OrderRecorded); is && p.At <= by {
			known[orderWord{e.Order.ID, string(e.Order.Edition), e.Order.EffectiveAt, e.Order.PaidUntil, e.Order.Version, e.By == Billing}] = true
		}
	}
	return known
}

// checkHindsight holds what was true of an app at an instant, given all that its log has, against the oracle's opinion
// on the facts that were effective by then.
func (w *harness) checkHindsight(t failer, origin oracle.App, facts []oracle.Fact, at Instant) {
	t.Helper()
	got := Hindsight(origin.Account, AppID(origin.ID), w.past(origin.Account, AppID(origin.ID)), w.policy, at)
	if at < Instant(origin.CreatedAt) {
		if got != nil {
			t.Fatalf("app %d was there at %s, and created at %s", origin.ID, at, Instant(origin.CreatedAt))
		}
		return
	}
	if got == nil {
		t.Fatalf("app %d was not there at %s, and created at %s", origin.ID, at, Instant(origin.CreatedAt))
	}
	if got.DeletedAt != 0 {
		return
	}
	known := w.knownOrders(origin.Account, AppID(origin.ID), at)
	effective := slices.DeleteFunc(slices.Clone(facts), func(f oracle.Fact) bool {
		return Instant(f.Effective) > at && !known[orderWord{f.Order, f.Edition, Instant(f.Effective), Instant(f.PaidUntil), f.Version, !f.OwnersWord}]
	})
	got.Manual, got.Operator = Hold{}, Hold{}
	compareViews(t, oracle.State(origin, effective, int64(at), w.graces()), viewOf(got), effective, at)
	if stop, stopped := got.Stop(); stopped && stop.RecordedAt < stop.EffectiveAt {
		t.Fatalf("app %d: a stop effective %s before it was due: %s", origin.ID, stop.RecordedAt, stop.EffectiveAt)
	}
}

// TestHindsight is the rules of looking back, each with what the engine itself answered at the time.
func TestHindsight(t *testing.T) {
	owing := and(pro(0), did(day(6), Billing, overdue("i1", 1, day(4))))
	stopped := []step{created(), did(day(3), Owner, StopApp{App: testApp})}
	for _, c := range []struct {
		name     string
		given    []step
		at       Instant
		status   Status
		stopped  Instant // when the stop was effective
		position uint64  // of the last commit that counts
	}{
		{"a fact counts from its effective time, not from its arrival", owing, day(5), Active, 0, 3},
		{"what is due then has happened, whenever the tick came", owing, day(11), Stopped, day(11), 3},
		{"just before it has not", owing, day(11) - 1, Active, 0, 3},
		{"a payment in time that became known late prevents the stop", and(owing, did(day(20), Billing, settle("i1", 2, day(11)))), day(12), Active, 0, 4},
		{"a payment after the due does not", and(owing, did(day(20), Billing, settle("i1", 2, day(11)+1))), day(11), Stopped, day(11), 3},
		{
			"what was due before the app was there has happened when it is", []step{did(day(20), Owner, CreateApp{AppName: "shop"}),
				did(day(20), Billing, paid("o1", Pro, day(0), 0), overdue("i1", 1, day(1)))}, day(20), Stopped, day(8), 3,
		},
		{"what people did counts from when they did it", stopped, day(2), Active, 0, 1},
		{"and from then on", stopped, day(3), Stopped, day(3), 2},
		{"a start too", and(stopped, did(day(4), Owner, StartApp{testApp})), day(4), Active, 0, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(DefaultPolicy())
			for _, s := range c.given {
				s(t, w)
			}
			app := Hindsight(acme, testApp, w.past(acme, testApp), w.policy, c.at)
			stop, _ := app.Stop()
			if app.Status() != c.status || stop.EffectiveAt != c.stopped || app.Position != c.position {
				t.Errorf("%s, stopped %s, position %d; want %s, %s, %d", app.Status(), stop.EffectiveAt, app.Position, c.status, c.stopped, c.position)
			}
		})
	}
}

// TestALaterPolicyMovesNoDueInHindsight: the grace is the one that decisions in the log were made with.
func TestALaterPolicyMovesNoDueInHindsight(t *testing.T) {
	w := newWorld(DefaultPolicy())
	for _, s := range and(pro(0), did(day(6), Billing, overdue("i1", 1, day(4))), decreed(func(p *Policy) { p.Grace = time.Hour })) {
		s(t, w)
	}
	app := Hindsight(acme, testApp, w.past(acme, testApp), w.policy, day(5))
	if got := app.Arrears.StopDue; got != day(11) {
		t.Errorf("the stop is due %s, want %s", got, day(11))
	}
}

// TestExpected: time alone makes of an app what the scheduler will, and the app itself is left as it was.
func TestExpected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		feed, facts := smallFeed(t)
		w, now := newWorld(unhurried()), Instant(feed.Instants[0]).Add(-400*24*time.Hour)
		for _, app := range feed.Apps {
			w.bring(t, now, app, nil)
		}
		for _, f := range facts {
			w.deliver(t, now, f)
		}
		w.sweep(t, now)
		origin := rapid.SampledFrom(feed.Apps).Draw(t, "app")
		app := w.account(origin.Account).Apps[AppID(origin.ID)]
		before := app.Clone()
		later := now.Add(time.Duration(rapid.IntRange(0, 500*24).Draw(t, "hours")) * time.Hour)
		will := Expected(app, w.account(origin.Account).Policy.AccountPolicy, w.policy, later)
		if diff := gocmp.Diff(before, app); diff != "" {
			t.Fatalf("looking ahead changed the app (-before +after):\n%s", diff)
		}
		w.sweep(t, later)
		compareViews(t, viewOf(w.account(origin.Account).Apps[app.ID]), viewOf(will), facts, later)
		if will.Version != before.Version || will.Position != before.Position {
			t.Fatalf("version %d, position %d; want those of the last commit, %d and %d", will.Version, will.Position, before.Version, before.Position)
		}
	})
}

// TestTheCustomerWinsATie: what counts from the due instant itself keeps the stop from ever happening.
func TestTheCustomerWinsATie(t *testing.T) {
	for _, c := range []struct {
		settled Instant
		stops   int
	}{{day(11), 0}, {day(11) + 1, 1}} {
		stops := 0
		r := NewRerun(acme, testApp, func(Instant) Policy { return DefaultPolicy() }, func(e Event) {
			if _, _, stop := StopOf(e); stop {
				stops++
			}
		})
		r.Count(day(0), AppCreated{About: about, Name: "shop", CreatedAt: day(0)})
		r.Count(day(0), recorded(paid("o1", Pro, day(0), 0)))
		r.Count(day(4), overdueRecorded("i1", 1, day(4)))
		r.Count(c.settled, settled("i1", 2, c.settled))
		r.Until(day(30))
		if stops != c.stops || r.App().Status() != Active {
			t.Errorf("settled %s: %d stops, and %s; want %d, active", c.settled, stops, r.App().Status(), c.stops)
		}
	}
}

// TestAPolicyInHindsight has the time and the author that it was set with.
func TestAPolicyInHindsight(t *testing.T) {
	long := AccountPolicy{PolicyPart: PolicyPart{Grace: Span(hours(336))}}
	w := newWorld(DefaultPolicy())
	for _, s := range []step{created(), did(day(2), Operator, SetPolicy{long}), did(day(4), Operator, SetPolicy{})} {
		s(t, w)
	}
	for at, want := range map[Instant]SetTerms{day(1): {}, day(3): {long, day(2), "operator"}, day(5): {Since: day(4), By: "operator"}} {
		var log []Past
		for _, c := range w.log[acme] {
			for _, e := range c.events {
				log = append(log, Past{c.at, e})
			}
		}
		if diff := gocmp.Diff(want, HindsightAccount(acme, log, at).Policy); diff != "" {
			t.Errorf("%s (-want +got):\n%s", at, diff)
		}
	}
}
