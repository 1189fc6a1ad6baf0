package domain

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// The episodes in these tables are the versions of the account at which the dues were set: the first of its events is
// version 1.
func TestFireTransition(t *testing.T) {
	owing := and(pro(0), did(day(3), Billing, overdue("i1", 1, day(2)))) // 5: ArrearsStarted
	expiring := pro(day(10))                                             // 4: TermScheduled
	expired := and(expiring, ticked(day(10)))                            // 5: Lapsed
	fire := func(kind DueKind, episode uint64) FireTransition { return FireTransition{testApp, kind, episode} }
	check(t, []row{
		{
			name:  "one millisecond before the due instant nothing fires",
			given: owing,
			as:    Operator, at: day(9).Add(-ms), when: fire(DueArrears, 5),
			then: silence,
		},
		{
			name:  "at the due instant the app is stopped",
			given: owing,
			as:    Operator, at: day(9), when: fire(DueArrears, 5),
			then: events(AppStopped{about, CauseArrears, day(9)}),
		},
		{
			name:  "however late it fires, it is effective at its due instant",
			given: owing,
			as:    Operator, at: day(400), when: fire(DueArrears, 5),
			then: events(AppStopped{about, CauseArrears, day(9)}),
		},
		{
			name:  "another episode than the present one is silence",
			given: owing,
			as:    Operator, at: day(9), when: fire(DueArrears, 4),
			then: silence,
		},
		{
			name:  "another kind of due is silence",
			given: owing,
			as:    Operator, at: day(9), when: fire(DueLapse, 5),
			then: silence,
		},
		{
			name:  "a due whose cause has ended is silence",
			given: and(owing, did(day(5), Billing, settle("i1", 2, day(5)))),
			as:    Operator, at: day(9), when: fire(DueArrears, 5),
			then: silence,
		},
		{
			name:  "a due that has moved is silence in its old episode",
			given: and(owing, did(day(5), Billing, overdue("i2", 1, day(1)))), // 7: ArrearsMoved
			as:    Operator, at: day(9), when: fire(DueArrears, 5),
			then: silence,
		},
		{
			name:  "and fires in its new one",
			given: and(owing, did(day(5), Billing, overdue("i2", 1, day(1)))),
			as:    Operator, at: day(8), when: fire(DueArrears, 7),
			then: events(AppStopped{about, CauseArrears, day(8)}),
		},
		{
			name: "a due that comes back to an old instant does not fire in the old episode",
			given: and(owing, did(day(5), Billing, settle("i1", 2, day(5))), // 6, 7: ArrearsEnded
				did(day(6), Billing, overdue("i1", 3, day(2)))), // 8, 9: ArrearsStarted
			as: Operator, at: day(9), when: fire(DueArrears, 5),
			then: silence,
		},
		{
			name: "it is a new episode, and fires in that, also where the old one had fired",
			given: and(owing, ticked(day(9)), // 6: AppStopped
				did(day(9), Billing, settle("i1", 2, day(5))),    // 7, 8, 9: AppReinstated, ArrearsEnded
				did(day(10), Billing, overdue("i1", 3, day(2)))), // 10, 11: ArrearsStarted
			as: Operator, at: day(10), when: fire(DueArrears, 11),
			then: events(AppStopped{about, CauseArrears, day(9)}),
		},
		{
			name:  "at the end of the last order the app expires, and the stop is due after the grace",
			given: expiring,
			as:    Operator, at: day(10), when: fire(DueTerm, 4),
			then: events(Lapsed{about, CausePlanExpired, stopsFor(day(10), day(17), Pro)}, TermScheduled{About: about}),
		},
		{
			name:  "one millisecond before, it does not",
			given: expiring,
			as:    Operator, at: day(10).Add(-ms), when: fire(DueTerm, 4),
			then: silence,
		},
		{
			name:  "the grace of an expiry that fires late counts from the end, and is that of the tick",
			given: and(expiring, decreed(func(p *Policy) { p.Grace = 2 * grace })),
			as:    Operator, at: day(30), when: fire(DueTerm, 4),
			then: events(Lapsed{about, CausePlanExpired, stopsFor(day(10), day(24), Pro)}, TermScheduled{About: about}),
		},
		{
			name:  "at the end of the grace the expired app is stopped",
			given: expired,
			as:    Operator, at: day(17), when: fire(DueLapse, 5),
			then: events(AppStopped{about, CausePlanExpired, day(17)}),
		},
		{
			name:  "a lapse that was renamed is the same episode, and stops by its new name",
			given: and(expired, did(day(11), Billing, refund("o1", day(10)))),
			as:    Operator, at: day(17), when: fire(DueLapse, 5),
			then: events(AppStopped{about, CauseRefund, day(17)}),
		},
		{
			name:  "a lapse renamed after it stopped the app does not fire again",
			given: and(expired, ticked(day(17)), did(day(18), Billing, refund("o1", day(10)))),
			as:    Operator, at: day(18), when: fire(DueLapse, 5),
			then: silence,
		},
		{
			name:  "the end of an upgrade falls back to the order below, and schedules that one's end",
			given: and(pro(day(30)), did(day(5), Billing, paid("o2", Flagship, day(5), day(20)))), // 7: TermScheduled
			as:    Operator, at: day(20), when: fire(DueTerm, 7),
			then: events(EditionChanged{about, Flagship, Pro, byTime, day(20)}, TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)}),
		},
		{
			name:  "after an outage, what follows may be due already: it is left to the next batch",
			given: and(pro(day(30)), did(day(5), Billing, paid("o2", Flagship, day(5), day(20)))),
			as:    Operator, at: day(50), when: fire(DueTerm, 7),
			then: events(EditionChanged{about, Flagship, Pro, byTime, day(20)}, TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)}),
		},
		{
			name:  "an app that is stopped already gets one more hold",
			given: and(owing, did(day(5), Operator, StopApp{testApp, "abuse"})),
			as:    Operator, at: day(9), when: fire(DueArrears, 5),
			then: events(HoldAdded{about, CauseArrears, day(9)}),
		},
		{
			name: "an unknown app",
			as:   Operator, at: day(9), when: fire(DueArrears, 5),
			then: refused(AppNotFound),
		},
		{
			name:  "a deleted app has nothing due",
			given: deletedTrial(),
			as:    Operator, at: day(9), when: fire(DueArrears, 5),
			then: silence,
		},
	})
}

// TestTransitionID: the id of the command is that of the episode.
func TestTransitionID(t *testing.T) {
	if got, want := (FireTransition{testApp, DueArrears, 5}).ID(), "auto/1400000001/arrears/5"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestDues: what is due, soonest first; at one instant the end of a term before the stops, arrears before a lapse.
func TestDues(t *testing.T) {
	term := Term{Due: day(5), To: Pro, Cause: CausePlanExpired, Episode: 1}
	expiry := Term{Due: day(5), Cause: CauseRefund, Episode: 1}
	arrears := Arrears{Since: day(1), StopDue: day(5), Episode: 2}
	lapse := Lapse{Cause: CauseRefund, Since: day(1), StopDue: day(5), Episode: 3}
	atTerm := Due{DueTerm, day(5), 1, "edition:pro", CausePlanExpired}
	atArrears := Due{DueArrears, day(5), 2, "stopped", CauseArrears}
	back := Due{DueTerm, day(5), 1, "active", CauseOrder}
	begins := Term{Due: day(5), To: Pro, Cause: CauseOrder, Episode: 1}
	held := func(a Arrears, l Lapse) App {
		a.HeldAt, l.HeldAt = day(6), day(6)
		return App{Arrears: a, Lapse: l}
	}
	sooner, later := lapse, arrears
	sooner.StopDue, later.StopDue = day(4), day(6)
	for _, c := range []struct {
		name string
		app  App
		want []Due
	}{
		{"nothing", App{}, []Due{}},
		{"an edition", App{Term: term}, []Due{atTerm}},
		{"an expiry", App{Term: expiry}, []Due{{DueTerm, day(5), 1, "expired", CauseRefund}}},
		{"all at one instant", App{Term: expiry, Arrears: arrears}, []Due{{DueTerm, day(5), 1, "expired", CauseRefund}, atArrears}},
		{"both stops at one instant", App{Arrears: arrears, Lapse: lapse}, []Due{atArrears, {DueLapse, day(5), 3, "stopped", CauseRefund}}},
		{"an order that begins as a stop is due prevents it", App{Term: begins, Arrears: arrears, Lapse: lapse}, []Due{back, atArrears}},
		{"the soonest first", App{Term: begins, Arrears: later, Lapse: sooner}, []Due{
			{DueLapse, day(4), 3, "stopped", CauseRefund}, back, {DueArrears, day(6), 2, "stopped", CauseArrears},
		}},
		{"a term that changes neither status nor edition", App{Term: term, Edition: Pro, Operator: Hold{day(1), day(1)}}, []Due{{DueTerm, day(5), 1, "", CausePlanExpired}}},
		{"an app that stays stopped does not expire", App{Term: expiry, Operator: Hold{day(1), day(1)}}, []Due{{DueTerm, day(5), 1, "", CauseRefund}}},
		{"of one that is stopped meanwhile, the edition changes", App{Term: term, Arrears: Arrears{Since: day(1), StopDue: day(4), Episode: 2}}, []Due{
			{DueArrears, day(4), 2, "stopped", CauseArrears}, atTerm,
		}},
		{"what has fired is not due", held(arrears, lapse), []Due{}},
		{"a deleted app", App{Term: term, DeletedAt: day(2)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, c.app.Dues()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
