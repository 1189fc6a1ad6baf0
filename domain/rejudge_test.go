package domain

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sundial/internal/testing/oracle"
)

// wrote is a commit of an older program, whose rules made something else of the facts.
func wrote(at Instant, events ...Event) step {
	return func(_ *testing.T, w *harness) { w.write(acme, at, events...) }
}

// write records events whatever the rules make of them.
func (w *harness) write(account string, at Instant, events ...Event) {
	w.position++
	w.log[account] = append(w.log[account], commit{Recorded{at, w.position}, events})
	w.account(account).Apply(Recorded{at, w.position}, events...)
}

// overNothing is an app as an older program had it, for which an invoice over nothing was a debt.
func overNothing() []step {
	stated := overdueRecorded("i0", 1, day(1))
	stated.Amount.Minor = 0
	return and(pro(0), wrote(day(1), stated, ArrearsStarted{about, Grace{Since: day(1), StopDue: day(8)}}))
}

// wasStopped is what the tick then did.
func wasStopped(cause Cause, at Instant) step { return wrote(at, AppStopped{about, cause, at}) }

func TestRejudge(t *testing.T) {
	rejudge, anew := Rejudge{testApp}, AppRejudged{about}
	ended := ArrearsEnded{about, byRejudgement, day(10)}
	// An older program scheduled the fall of the edition alone, and not the expiry behind it.
	upgraded := []step{created(), wrote(day(0),
		recorded(paid("o1", Pro, day(0), day(40))), recorded(paid("o2", Flagship, day(0), day(30))),
		EditionChanged{about, Trial, Flagship, byOrder, day(0)}, TermScheduled{About: about, Due: day(30), To: Pro, Cause: CausePlanExpired},
	)}
	// A refund of which an older program did not understand that it ends nothing.
	given := refundRecorded("o1", day(1))
	given.Goodwill = true
	goodwill := and(pro(0), wrote(day(1), given, Lapsed{about, CauseRefund, Grace{Since: day(1), StopDue: day(8)}}), wasStopped(CauseRefund, day(8)))
	check(t, []row{
		{
			name:  "an app that is stopped for an invoice over nothing is in service again",
			given: and(overNothing(), wasStopped(CauseArrears, day(8))),
			as:    Operator, at: day(10), when: rejudge,
			then: events(anew, AppReinstated{about, CauseArrears, byRejudgement, day(10), false}, ended),
		},
		{
			name:  "one that is not stopped yet is in arrears no more",
			given: overNothing(),
			as:    Operator, at: day(7), when: rejudge,
			then: events(anew, ArrearsEnded{about, byRejudgement, day(7)}),
		},
		{
			name:  "what else it is stopped for stays",
			given: and(overNothing(), wasStopped(CauseArrears, day(8)), wrote(day(9), HoldAdded{about, CauseOperator, day(9)})),
			as:    Operator, at: day(10), when: rejudge,
			then: events(anew, HoldEnded{about, CauseArrears, byRejudgement, day(10), false}, ended),
		},
		{
			name: "a real debt beside it is owed since its own time",
			given: and(overNothing(), wrote(day(5), overdueRecorded("i1", 1, day(4))),
				wasStopped(CauseArrears, day(8))),
			as: Operator, at: day(10), when: rejudge,
			then: events(anew, AppReinstated{about, CauseArrears, byRejudgement, day(10), false},
				ArrearsMoved{about, stopsFor(day(4), day(11), Pro)}),
		},
		{
			name: "the stop stays where the debt's own due has passed",
			given: and(overNothing(), wrote(day(5), overdueRecorded("i1", 1, day(2))),
				wasStopped(CauseArrears, day(8))),
			as: Operator, at: day(10), when: rejudge,
			then: events(anew, ArrearsMoved{about, stopsFor(day(2), day(9), Pro)}),
		},
		{
			name:  "a refund for goodwill ended nothing",
			given: goodwill,
			as:    Operator, at: day(10), when: rejudge,
			then: events(anew, AppReinstated{about, CauseRefund, byRejudgement, day(10), false}, LapseEnded{about, byRejudgement, day(10)}),
		},
		{
			name:  "an expiry behind a fall of the edition becomes known",
			given: upgraded,
			as:    Operator, at: day(10), when: rejudge,
			then: events(anew, TermScheduled{About: about, Due: day(30), To: Pro, Cause: CausePlanExpired, Expiries: expiry(day(40), CausePlanExpired, Pro)}),
		},
		{
			name:  "a change that is due and waits for its tick is left to it",
			given: upgraded,
			as:    Operator, at: day(31), when: rejudge,
			then: events(anew, TermScheduled{About: about, Due: day(30), To: Pro, Cause: CausePlanExpired, Expiries: expiry(day(40), CausePlanExpired, Pro)}),
		},
		{
			name: "what an older program did not say of a due time is nothing that anybody sees",
			given: []step{created(), wrote(day(0), recorded(paid("o1", Pro, day(0), day(30))), EditionChanged{about, Trial, Pro, byOrder, day(0)},
				TermScheduled{About: about, Due: day(30), Cause: CausePlanExpired, Expiries: []ScheduledExpiry{{At: day(30), Cause: CausePlanExpired}}},
				overdueRecorded("i1", 1, day(1)), ArrearsStarted{about, Grace{Since: day(1), StopDue: day(8)}})},
			as: Operator, at: day(2), when: rejudge,
			then: silence,
		},
		{name: "what was decided by today's rules stays", given: and(pro(day(30)), did(day(6), Billing, overdue("i1", 1, day(4)))),
			as: Operator, at: day(7), when: rejudge, then: silence},
		{name: "a deleted app stays deleted", given: deletedTrial(), as: Operator, at: day(7), when: rejudge, then: refused(AppDeletedAlready)},
		{name: "an app that is not known", as: Operator, at: day(7), when: rejudge, then: refused(AppNotFound)},
	})
}

// TestRejudgedSaysWhatRejudgeDoes: whoever reads the report reads what the command then leads to, and it changes nothing.
func TestRejudgedSaysWhatRejudgeDoes(t *testing.T) {
	w := newWorld(DefaultPolicy())
	for _, s := range and(overNothing(), wasStopped(CauseArrears, day(8))) {
		s(t, w)
	}
	acc := w.account(acme)
	before := acc.Clone()
	at := Moment{Now: day(10), Policy: w.policy}
	will, differs := Rejudged(acc, acc.Apps[testApp], at)
	if will.Status() != Active || will.Arrears.Since != 0 {
		t.Errorf("it would be %s, in arrears since %s", will.Status(), will.Arrears.Since)
	}
	if diff := gocmp.Diff([]Field{FieldStatus, FieldArrears, FieldStop}, differs); diff != "" {
		t.Errorf("what differs (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff(before, acc); diff != "" {
		t.Errorf("the report changed the account (-before +after):\n%s", diff)
	}
	if _, err := w.run(t, acme, day(10), Operator, Rejudge{testApp}); err != nil {
		t.Fatal(err)
	}
	if _, differs := Rejudged(acc, acc.Apps[testApp], at); len(differs) > 0 {
		t.Errorf("an app that was rejudged is listed again: %s", differs)
	}
	log := w.past(acme, testApp)
	if app := Hindsight(acme, testApp, log, w.policy, day(9)); app.Status() != Active {
		t.Errorf("in hindsight it was %s on day 9", app.Status())
	}
	for _, l := range Why(log, FieldStatus).Links {
		if l.Kind == LinkTimer {
			t.Errorf("time is given as the reason: %s", l.Text)
		}
	}
}

// TestRejudgingMakesWhatTheFactsSay: however long an older program went by other rules, and whatever it made of the facts
// from some moment on, a rejudged app is what an oracle makes of them.
func TestRejudgingMakesWhatTheFactsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		feed, facts := smallFeed(t)
		now := Instant(feed.Instants[0]).Add(-400 * 24 * time.Hour)
		w := newWorld(unhurried())
		for _, app := range feed.Apps {
			w.bring(t, now, app, nil)
		}
		begun := len(w.log[accountOf(feed)])
		for _, f := range facts {
			now = now.Add(time.Duration(rapid.IntRange(0, 40*24).Draw(t, "hours")) * time.Hour)
			w.deliver(t, now, f)
			if rapid.Bool().Draw(t, "tick") {
				w.sweep(t, now)
			}
		}
		old, account := newWorld(w.policy), accountOf(feed)
		judged := rapid.IntRange(begun, len(w.log[account])).Draw(t, "judged rightly")
		for i, c := range w.log[account] {
			var kept []Event
			for _, e := range c.events {
				if i < judged || !Follows(e) {
					kept = append(kept, e)
				}
			}
			if len(kept) > 0 {
				old.write(account, c.at.At, kept...)
			}
		}
		for id := range old.account(account).Apps {
			said, err := old.run(t, account, now, Operator, Rejudge{id})
			if err != nil {
				t.Fatalf("rejudging app %d: %v", id, err)
			}
			if again, err := old.run(t, account, now, Operator, Rejudge{id}); len(again) > 0 || err != nil {
				t.Fatalf("app %d, rejudged with %v, is judged otherwise again: %v, %v", id, said, again, err)
			}
		}
		old.sweep(t, now)
		for _, app := range feed.Apps {
			var of []oracle.Fact
			for _, f := range facts {
				if f.App == app.ID {
					of = append(of, f)
				}
			}
			old.checkView(t, app, of, now)
		}
		old.checkReplay(t)
	})
}

// accountOf is the one account of a small feed.
func accountOf(feed oracle.Feed) string { return feed.Apps[0].Account }
