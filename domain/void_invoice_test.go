package domain

import "testing"

func TestVoidInvoice(t *testing.T) {
	owing := and(pro(0), did(day(3), Billing, overdue("i1", 1, day(2))))
	check(t, []row{
		{
			name:  "a withdrawn invoice is owed no more",
			given: owing,
			as:    Billing, at: day(5), when: voidOf("i1", 2, day(4)),
			then: events(voided("i1", 2, day(4)), ArrearsEnded{about, byVoiding, day(4)}),
		},
		{
			name:  "settled and voided at one version, both are kept and it stays closed",
			given: and(owing, did(day(4), Billing, settle("i1", 2, day(4)))),
			as:    Billing, at: day(5), when: voidOf("i1", 2, day(4)),
			then: events(voided("i1", 2, day(4))),
		},
		{
			name:  "withdrawn in time and told after the stop, it reinstates and is late",
			given: and(owing, ticked(day(9))),
			as:    Billing, at: day(12), when: voidOf("i1", 2, day(4)),
			then: events(voided("i1", 2, day(4)), AppReinstated{about, CauseArrears, byVoiding, day(4), true}, ArrearsEnded{about, byVoiding, day(4)}),
		},
		{
			name: "an unknown app",
			as:   Billing, at: day(5), when: voidOf("i1", 2, day(4)),
			then: refused(AppNotFound),
		},
		{
			name:  "a deleted app",
			given: deletedTrial(),
			as:    Billing, at: day(5), when: voidOf("i1", 2, day(4)),
			then: refused(AppDeletedAlready),
		},
		{
			name:  "more than a day ahead",
			given: owing,
			as:    Billing, at: day(5), when: voidOf("i1", 2, day(6).Add(ms)),
			then: refused(EffectiveTooFar),
		},
		{
			name:  "fields that make no sense",
			given: owing,
			as:    Billing, at: day(5), when: VoidInvoice{App: testApp, Version: -1},
			then: invalid("invoice invalid_id", "version out_of_range", "effective_at invalid_time"),
		},
	})
}
