package domain

import "testing"

func TestLapse(t *testing.T) {
	expired := and(pro(day(10)), ticked(day(10)))
	stopped := and(pro(day(10)), ticked(day(17)))
	check(t, []row{
		{
			name:  "an order that covers now ends the lapse",
			given: expired,
			as:    Billing, at: day(12), when: paid("o2", Pro, day(12), 0),
			then: events(recorded(paid("o2", Pro, day(12), 0)), LapseEnded{about, byOrder, day(12)}),
		},
		{
			name:  "also after the stop: the order came after the due",
			given: stopped,
			as:    Billing, at: day(18), when: paid("o2", Pro, day(18), 0),
			then: events(recorded(paid("o2", Pro, day(18), 0)), AppReinstated{about, CausePlanExpired, byOrder, day(18), false}, LapseEnded{about, byOrder, day(18)}),
		},
		{
			name:  "the customer wins a tie: an order effective at the due instant is late, not too late",
			given: stopped,
			as:    Billing, at: day(18), when: paid("o2", Pro, day(17), 0),
			then: events(recorded(paid("o2", Pro, day(17), 0)), AppReinstated{about, CausePlanExpired, byOrder, day(17), true}, LapseEnded{about, byOrder, day(17)}),
		},
		{
			name:  "an order one millisecond after it came after the due",
			given: stopped,
			as:    Billing, at: day(18), when: paid("o2", Pro, day(17).Add(ms), 0),
			then: events(recorded(paid("o2", Pro, day(17).Add(ms), 0)), AppReinstated{about, CausePlanExpired, byOrder, day(17).Add(ms), false}, LapseEnded{about, byOrder, day(17).Add(ms)}),
		},
		{
			name:  "an order of a higher edition ends it with that edition",
			given: expired,
			as:    Billing, at: day(12), when: paid("o2", Flagship, day(12), day(30)),
			then: events(
				recorded(paid("o2", Flagship, day(12), day(30))), EditionChanged{about, Pro, Flagship, byOrder, day(12)},
				LapseEnded{about, byOrder, day(12)}, TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Flagship)},
			),
		},
		{
			name:  "an order that is itself over moves the lapse to its end",
			given: expired,
			as:    Billing, at: day(15), when: paid("o2", Pro, day(10), day(12)),
			then: events(recorded(paid("o2", Pro, day(10), day(12))), LapseMoved{about, CausePlanExpired, stopsFor(day(12), day(19), Pro)}),
		},
		{
			name:  "if that lifts the due above now, the stop ends by the order",
			given: stopped,
			as:    Billing, at: day(18), when: paid("o2", Pro, day(10), day(12)),
			then: events(
				recorded(paid("o2", Pro, day(10), day(12))), AppReinstated{about, CausePlanExpired, byOrder, day(10), true},
				LapseMoved{about, CausePlanExpired, stopsFor(day(12), day(19), Pro)},
			),
		},
		{
			name:  "if the new due is now, the stop stays",
			given: stopped,
			as:    Billing, at: day(19), when: paid("o2", Pro, day(10), day(12)),
			then: events(recorded(paid("o2", Pro, day(10), day(12))), LapseMoved{about, CausePlanExpired, stopsFor(day(12), day(19), Pro)}),
		},
		{
			name:  "an order that ended before the lapse is history",
			given: expired,
			as:    Billing, at: day(15), when: paid("o2", Flagship, day(1), day(9)),
			then: events(recorded(paid("o2", Flagship, day(1), day(9)))),
		},
		{
			name:  "of several orders that ended last, at one instant, the highest edition is shown",
			given: expired,
			as:    Billing, at: day(15), when: paid("o2", Flagship, day(1), day(10)),
			then: events(
				recorded(paid("o2", Flagship, day(1), day(10))), EditionChanged{about, Pro, Flagship, byOrder, day(1)},
				LapseMoved{about, CausePlanExpired, stopsFor(day(10), day(17), Flagship)}, // another edition, so perhaps another grace
			),
		},
		{
			name:  "of several orders that ended last, at one instant, a refund names the lapse",
			given: and(expired, did(day(11), Billing, refund("o2", day(10)))),
			as:    Billing, at: day(15), when: paid("o2", Pro, day(1), 0),
			then: events(recorded(paid("o2", Pro, day(1), 0)), LapseRenamed{about, CauseRefund}),
		},
		{
			name:  "an order that arrives after its own end makes the app expired, and leaves the stop to the tick",
			given: []step{created()},
			as:    Billing, at: day(30), when: paid("o1", Pro, day(1), day(10)),
			then: events(
				recorded(paid("o1", Pro, day(1), day(10))), EditionChanged{about, Trial, Pro, byOrder, day(1)},
				Lapsed{about, CausePlanExpired, stopsFor(day(10), day(17), Pro)},
			),
		},
		{
			name:  "with the only order restated as add-ons alone, there was nothing to lapse",
			given: stopped,
			as:    Billing, at: day(18), when: RecordOrder{App: testApp, Order: OrderTerms{ID: "o1", EffectiveAt: day(0), Addons: []string{"push"}, Version: 1, Amount: price}},
			then: events(
				OrderRecorded{about, OrderTerms{ID: "o1", EffectiveAt: day(0), Addons: []string{"push"}, Version: 1, Amount: price}, Billing, nil},
				EditionChanged{about, Pro, Trial, byOrder, day(0)},
				AppReinstated{about, CausePlanExpired, byOrder, day(0), true}, LapseEnded{about, byOrder, day(0)},
			),
		},
		{
			name:  "a change of policy does not move a due that is set, also when the lapse is renamed",
			given: and(expired, decreed(func(p *Policy) { p.Grace = 2 * grace })),
			as:    Billing, at: day(12), when: refund("o1", day(10)),
			then: events(refundRecorded("o1", day(10)), LapseRenamed{about, CauseRefund}),
		},
		{
			name:  "a due that moves is computed with the policy of that moment, and may lift the stop",
			given: and(stopped, decreed(func(p *Policy) { p.Grace = 2 * grace })),
			as:    Billing, at: day(18), when: refund("o1", day(8)),
			then: events(refundRecorded("o1", day(8)), AppReinstated{about, CausePlanExpired, byRefund, day(8), true}, LapseMoved{about, CauseRefund, stopsFor(day(8), day(22), Pro)}),
		},
		{
			name:  "an order leaves the hold of arrears in force",
			given: and(pro(day(10)), did(day(3), Billing, overdue("i1", 1, day(2))), ticked(day(17))),
			as:    Billing, at: day(18), when: paid("o2", Pro, day(18), 0),
			then: events(recorded(paid("o2", Pro, day(18), 0)), HoldEnded{about, CausePlanExpired, byOrder, day(18), false}, LapseEnded{about, byOrder, day(18)}),
		},
	})
}
