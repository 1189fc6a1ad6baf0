package domain

import "testing"

// TestFactBeforeItsTick: between a due instant and the tick that fires it (an outage, the last second), facts are judged
// on what the last tick left; what time changed is left to the tick, with its own instant.
func TestFactBeforeItsTick(t *testing.T) {
	expiring := pro(day(10))                                                                         // nothing has fired yet
	falling := and(pro(0), did(day(2), Billing, paid("o2", Flagship, day(2), day(10))))              // flagship until day 10, then pro
	twice := and(pro(day(20)), did(day(2), Billing, paid("o2", Flagship, day(2), day(10))))          // and expired on day 20
	owing := and(expiring, did(day(6), Billing, overdue("i1", 1, day(4)), overdue("i2", 1, day(6)))) // to be stopped on day 11
	check(t, []row{
		{
			name:  "a renewal from the due instant on that comes before the tick leaves nothing to fire",
			given: expiring,
			as:    Billing, at: day(12), when: paid("o2", Pro, day(10), 0),
			then: events(recorded(paid("o2", Pro, day(10), 0)), TermScheduled{About: about}),
		},
		{
			name:  "one that begins later leaves the expiry to the tick, and the gap",
			given: expiring,
			as:    Billing, at: day(12), when: paid("o2", Pro, day(11), 0),
			then: events(recorded(paid("o2", Pro, day(11), 0))),
		},
		{
			name:  "a fact that changes nothing of it leaves the expiry to the tick",
			given: expiring,
			as:    Billing, at: day(12), when: overdue("i1", 1, day(11)),
			then: events(overdueRecorded("i1", 1, day(11)), ArrearsStarted{about, stopsFor(day(11), day(18), Pro)}),
		},
		{
			name:  "at the due instant itself too",
			given: expiring,
			as:    Billing, at: day(10), when: overdue("i1", 1, day(9)),
			then: events(overdueRecorded("i1", 1, day(9)), ArrearsStarted{about, stopsFor(day(9), day(16), Pro)}),
		},
		{
			name:  "an order that only puts the expiry off, to before now, leaves the new one to the tick",
			given: expiring,
			as:    Billing, at: day(14), when: paid("o2", Pro, day(10), day(13)),
			then: events(recorded(paid("o2", Pro, day(10), day(13))), TermScheduled{about, day(13), "", CausePlanExpired, expiry(day(13), CausePlanExpired, Pro)}),
		},
		{
			name:  "a refund at the end of the term renames the expiry, and leaves it to the tick",
			given: expiring,
			as:    Billing, at: day(14), when: refund("o1", day(10)),
			then: events(refundRecorded("o1", day(10)), TermScheduled{about, day(10), "", CauseRefund, expiry(day(10), CauseRefund, Pro)}),
		},
		{
			name:  "a refund before the end of the term makes the app expired, not the tick",
			given: expiring,
			as:    Billing, at: day(14), when: refund("o1", day(9)),
			then: events(refundRecorded("o1", day(9)), Lapsed{about, CauseRefund, stopsFor(day(9), day(16), Pro)}, TermScheduled{About: about}),
		},
		{
			name:  "a refund of an upgrade whose term has passed changes the edition itself, or no tick would",
			given: falling,
			as:    Billing, at: day(12), when: refund("o2", day(8)),
			then: events(refundRecorded("o2", day(8)), EditionChanged{about, Flagship, Pro, byRefund, day(8)}, TermScheduled{About: about}),
		},
		{
			name:  "an upgrade restated to end earlier does the same",
			given: falling,
			as:    Billing, at: day(12), when: restated(paid("o2", Flagship, day(2), day(8)), 1),
			then: events(recorded(restated(paid("o2", Flagship, day(2), day(8)), 1)), EditionChanged{about, Flagship, Pro, byOrder, day(2)}, TermScheduled{About: about}),
		},
		{
			name:  "an upgrade restated to end later, but before now, is left to the tick",
			given: falling,
			as:    Billing, at: day(14), when: restated(paid("o2", Flagship, day(2), day(12)), 1),
			then: events(recorded(restated(paid("o2", Flagship, day(2), day(12)), 1)), TermScheduled{about, day(12), Pro, CausePlanExpired, nil}),
		},
		{
			name:  "with several dues passed, a refund at the last of them leaves the first to the tick",
			given: twice,
			as:    Billing, at: day(25), when: refund("o1", day(20)),
			then: events(refundRecorded("o1", day(20)), TermScheduled{about, day(10), Pro, CausePlanExpired, expiry(day(20), CauseRefund, Pro)}),
		},
		{
			name:  "and the tick then tells both, each with its own instant and cause",
			given: and(twice, did(day(25), Billing, refund("o1", day(20)))),
			as:    Operator, at: day(25), when: FireTransition{testApp, DueTerm, 7},
			then: events(EditionChanged{about, Flagship, Pro, byTime, day(10)}, TermScheduled{about, day(20), "", CauseRefund, expiry(day(20), CauseRefund, Pro)}),
		},
		{
			name:  "the second of them is due at once",
			given: and(twice, did(day(25), Billing, refund("o1", day(20))), did(day(25), Operator, FireTransition{testApp, DueTerm, 7})),
			as:    Operator, at: day(25), when: FireTransition{testApp, DueTerm, 11},
			then: events(Lapsed{about, CauseRefund, stopsFor(day(20), day(27), Pro)}, TermScheduled{About: about}),
		},
		{
			name:  "with several dues passed, a payment before the tick leaves nothing to stop for but the next debt",
			given: owing,
			as:    Billing, at: day(14), when: settle("i1", 2, day(14)),
			then: events(settled("i1", 2, day(14)), ArrearsMoved{about, stopsFor(day(6), day(13), Pro)}),
		},
		{
			name:  "a debt that stays late is left to the tick with its new episode",
			given: and(owing, did(day(14), Billing, settle("i1", 2, day(14)))),
			as:    Operator, at: day(14), when: FireTransition{testApp, DueArrears, 9},
			then: events(AppStopped{about, CauseArrears, day(13)}),
		},
	})
}
