package domain

import "testing"

func TestSettleArrears(t *testing.T) {
	owing := and(pro(0), did(day(3), Billing, overdue("i1", 1, day(2))))
	message := settle("i1", 2, day(4))
	message.Report = news
	kept := settled("i1", 2, day(4))
	kept.Report = news
	check(t, []row{
		{
			name:  "at the same version closing wins",
			given: owing,
			as:    Billing, at: day(5), when: settle("i1", 1, day(4)),
			then: events(settled("i1", 1, day(4)), ArrearsEnded{about, bySettlement, day(4)}),
		},
		{
			name:  "a payment of an older version closes nothing",
			given: and(pro(0), did(day(3), Billing, overdue("i1", 2, day(2)))),
			as:    Billing, at: day(5), when: settle("i1", 1, day(4)),
			then: events(settled("i1", 1, day(4))),
		},
		{
			name:  "a payment between two statements leaves those above it: the clock starts at the earliest of them",
			given: and(owing, did(day(6), Billing, overdue("i1", 3, day(5)), overdue("i1", 4, day(6)))),
			as:    Billing, at: day(7), when: settle("i1", 2, day(4)),
			then: events(settled("i1", 2, day(4)), ArrearsMoved{about, stopsFor(day(5), day(12), Pro)}),
		},
		{
			name:  "a payment may arrive before the debt",
			given: pro(0),
			as:    Billing, at: day(5), when: settle("i1", 2, day(4)),
			then: events(settled("i1", 2, day(4))),
		},
		{
			name:  "a payment counts from its arrival on, even if effective only tomorrow",
			given: owing,
			as:    Billing, at: day(5), when: settle("i1", 2, day(6)),
			then: events(settled("i1", 2, day(6)), ArrearsEnded{about, bySettlement, day(6)}),
		},
		{
			name:  "an older payment beside a newer one is silence as a command",
			given: and(owing, did(day(4), Billing, settle("i1", 3, day(4)))),
			as:    Billing, at: day(5), when: settle("i1", 2, day(4)),
			then: silence,
		},
		{
			name:  "a message that says nothing new is kept as evidence",
			given: and(owing, did(day(4), Billing, settle("i1", 2, day(4)))),
			as:    Billing, at: day(5), when: message,
			then: events(kept), again: events(kept),
		},
		{
			name:  "below a closing that is known it changes the past, and is kept",
			given: and(owing, did(day(6), Billing, settle("i1", 3, day(6)))),
			as:    Billing, at: day(7), when: settle("i1", 2, day(4)),
			then: events(settled("i1", 2, day(4))),
		},
		{
			name:  "a later one of a lower version changes nothing, the past neither",
			given: and(owing, did(day(6), Billing, settle("i1", 3, day(4)))),
			as:    Billing, at: day(7), when: settle("i1", 2, day(5)),
			then: silence,
		},
		{
			name:  "more than a day ahead",
			given: owing,
			as:    Billing, at: day(5), when: settle("i1", 2, day(6).Add(ms)),
			then: refused(EffectiveTooFar),
		},
		{
			name: "an unknown app",
			as:   Billing, at: day(5), when: settle("i1", 2, day(4)),
			then: refused(AppNotFound),
		},
		{
			name:  "a deleted app",
			given: deletedTrial(),
			as:    Billing, at: day(5), when: settle("i1", 2, day(4)),
			then: refused(AppDeletedAlready),
		},
		{
			name:  "fields that make no sense",
			given: owing,
			as:    Billing, at: day(5), when: SettleArrears{App: testApp, Version: -1, EffectiveAt: -1},
			then: invalid("invoice invalid_id", "version out_of_range", "effective_at invalid_time"),
		},
	})
}
