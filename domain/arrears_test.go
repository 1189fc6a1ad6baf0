package domain

import "testing"

func TestArrears(t *testing.T) {
	owing := and(pro(0), did(day(3), Billing, overdue("i1", 1, day(2))))
	stopped := and(owing, ticked(day(9)))
	check(t, []row{
		{
			name:  "an overdue invoice of a billed app starts arrears, with the stop due when the grace is over",
			given: pro(0),
			as:    Billing, at: day(3), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2)), ArrearsStarted{about, stopsFor(day(2), day(9), Pro)}),
		},
		{
			name:  "a debt older than the app's first order counts from the order on",
			given: and([]step{created()}, did(day(5), Billing, paid("o1", Pro, day(5), 0))),
			as:    Billing, at: day(6), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2)), ArrearsStarted{about, stopsFor(day(5), day(12), Pro)}),
		},
		{
			name:  "an overdue invoice of an app that was never billed is kept and has no effect",
			given: []step{created()},
			as:    Billing, at: day(3), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2))),
		},
		{
			name:  "add-ons alone do not bill an app",
			given: []step{created(), did(day(0), Billing, RecordOrder{App: testApp, Order: OrderTerms{ID: "a1", EffectiveAt: day(0), Addons: []string{"push"}, Amount: price}})},
			as:    Billing, at: day(3), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2))),
		},
		{
			name:  "the first order makes the kept invoice count",
			given: []step{created(), did(day(1), Billing, overdue("i1", 1, day(1)))},
			as:    Billing, at: day(3), when: paid("o1", Pro, day(2), 0),
			then: events(recorded(paid("o1", Pro, day(2), 0)), EditionChanged{about, Trial, Pro, byOrder, day(2)}, ArrearsStarted{about, stopsFor(day(2), day(9), Pro)}),
		},
		{
			name:  "an order refunded since has billed the app all the same",
			given: and(pro(0), did(day(1), Billing, refund("o1", day(1)))),
			as:    Billing, at: day(3), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2)), ArrearsStarted{about, stopsFor(day(2), day(9), Pro)}),
		},
		{
			name: "an order known later that began earlier moves the arrears back",
			given: []step{
				created(), did(day(5), Billing, paid("o1", Pro, day(5), 0)), did(day(6), Billing, overdue("i1", 1, day(1))),
			},
			as: Billing, at: day(7), when: paid("o0", Pro, day(3), 0),
			then: events(recorded(paid("o0", Pro, day(3), 0)), ArrearsMoved{about, stopsFor(day(3), day(10), Pro)}),
		},
		{
			name:  "a newer debt beside an older one changes nothing",
			given: owing,
			as:    Billing, at: day(5), when: overdue("i2", 1, day(4)),
			then: events(overdueRecorded("i2", 1, day(4))),
		},
		{
			name:  "an older debt, known later, moves the arrears back",
			given: owing,
			as:    Billing, at: day(5), when: overdue("i2", 1, day(1)),
			then: events(overdueRecorded("i2", 1, day(1)), ArrearsMoved{about, stopsFor(day(1), day(8), Pro)}),
		},
		{
			name:  "when the oldest debt is closed and another stays open, the arrears move to the next oldest",
			given: and(owing, did(day(4), Billing, overdue("i2", 1, day(4)))),
			as:    Billing, at: day(5), when: settle("i1", 2, day(5)),
			then: events(settled("i1", 2, day(5)), ArrearsMoved{about, stopsFor(day(4), day(11), Pro)}),
		},
		{
			name:  "closing a newer debt leaves the arrears where they are",
			given: and(owing, did(day(4), Billing, overdue("i2", 1, day(4)))),
			as:    Billing, at: day(5), when: settle("i2", 2, day(5)),
			then: events(settled("i2", 2, day(5))),
		},
		{
			name:  "when nothing is owed any more the arrears end",
			given: owing,
			as:    Billing, at: day(5), when: settle("i1", 2, day(5)),
			then: events(settled("i1", 2, day(5)), ArrearsEnded{about, bySettlement, day(5)}),
		},
		{
			name:  "arrears end when the only order is restated as add-ons alone: the app was never billed",
			given: owing,
			as:    Billing, at: day(5), when: RecordOrder{App: testApp, Order: OrderTerms{ID: "o1", EffectiveAt: day(0), Addons: []string{"push"}, Version: 1, Amount: price}},
			then: events(
				OrderRecorded{about, OrderTerms{ID: "o1", EffectiveAt: day(0), Addons: []string{"push"}, Version: 1, Amount: price}, Billing, nil},
				EditionChanged{about, Pro, Trial, byOrder, day(0)}, ArrearsEnded{about, byOrder, day(0)},
			),
		},
		{
			name:  "a debt that arrives after its own due leaves the stop to the next tick",
			given: pro(0),
			as:    Billing, at: day(20), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2)), ArrearsStarted{about, stopsFor(day(2), day(9), Pro)}),
		},
		{
			name:  "a payment known after the due instant, but before its tick, leaves nothing to stop for",
			given: owing,
			as:    Billing, at: day(10), when: settle("i1", 2, day(10)),
			then: events(settled("i1", 2, day(10)), ArrearsEnded{about, bySettlement, day(10)}),
		},
		{
			name:  "the customer wins a tie: a payment at the due instant, known after the stop, reinstates and is late",
			given: stopped,
			as:    Billing, at: day(10), when: settle("i1", 2, day(9)),
			then: events(settled("i1", 2, day(9)), AppReinstated{about, CauseArrears, bySettlement, day(9), true}, ArrearsEnded{about, bySettlement, day(9)}),
		},
		{
			name:  "a payment one millisecond before the due instant, known after the stop, is late too",
			given: stopped,
			as:    Billing, at: day(10), when: settle("i1", 2, day(9).Add(-ms)),
			then: events(settled("i1", 2, day(9).Add(-ms)), AppReinstated{about, CauseArrears, bySettlement, day(9).Add(-ms), true}, ArrearsEnded{about, bySettlement, day(9).Add(-ms)}),
		},
		{
			name:  "a payment one millisecond after the due instant reinstates and came after the due",
			given: stopped,
			as:    Billing, at: day(10), when: settle("i1", 2, day(9).Add(ms)),
			then: events(settled("i1", 2, day(9).Add(ms)), AppReinstated{about, CauseArrears, bySettlement, day(9).Add(ms), false}, ArrearsEnded{about, bySettlement, day(9).Add(ms)}),
		},
		{
			name:  "a voiding reinstates, and the event says so",
			given: stopped,
			as:    Billing, at: day(10), when: voidOf("i1", 2, day(10)),
			then: events(voided("i1", 2, day(10)), AppReinstated{about, CauseArrears, byVoiding, day(10), false}, ArrearsEnded{about, byVoiding, day(10)}),
		},
		{
			name:  "a payment that leaves another hold in force ends its own hold only",
			given: and(stopped, did(day(10), Operator, StopApp{testApp, "abuse"})),
			as:    Billing, at: day(11), when: settle("i1", 2, day(11)),
			then: events(settled("i1", 2, day(11)), HoldEnded{about, CauseArrears, bySettlement, day(11), false}, ArrearsEnded{about, bySettlement, day(11)}),
		},
		{
			name:  "if the arrears move while the stop is in force and the new due has passed, the stop stays",
			given: and(stopped, did(day(9), Billing, overdue("i2", 1, day(4)))),
			as:    Billing, at: day(11), when: settle("i1", 2, day(10)),
			then: events(settled("i1", 2, day(10)), ArrearsMoved{about, stopsFor(day(4), day(11), Pro)}),
		},
		{
			name:  "if the new due lies ahead, by one millisecond, the stop ends by what moved it",
			given: and(stopped, did(day(9), Billing, overdue("i2", 1, day(4)))),
			as:    Billing, at: day(11).Add(-ms), when: settle("i1", 2, day(10)),
			then: events(settled("i1", 2, day(10)), AppReinstated{about, CauseArrears, bySettlement, day(10), false}, ArrearsMoved{about, stopsFor(day(4), day(11), Pro)}),
		},
		{
			name:  "a payment in time that only moves the arrears is late as well",
			given: and(stopped, did(day(9), Billing, overdue("i2", 1, day(8)))),
			as:    Billing, at: day(11), when: settle("i1", 2, day(8)),
			then: events(settled("i1", 2, day(8)), AppReinstated{about, CauseArrears, bySettlement, day(8), true}, ArrearsMoved{about, stopsFor(day(8), day(15), Pro)}),
		},
		{
			name:  "an older debt known while the stop is in force makes it effective earlier",
			given: stopped,
			as:    Billing, at: day(10), when: overdue("i2", 1, day(1)),
			then: events(overdueRecorded("i2", 1, day(1)), ArrearsMoved{about, stopsFor(day(1), day(8), Pro)}),
		},
		{
			name:  "an order restated to begin later moves the arrears, and lifts the stop if the new due lies ahead",
			given: stopped,
			as:    Billing, at: day(10), when: restated(paid("o1", Pro, day(6), 0), 1),
			then: events(recorded(restated(paid("o1", Pro, day(6), 0), 1)), AppReinstated{about, CauseArrears, byOrder, day(6), true}, ArrearsMoved{about, stopsFor(day(6), day(13), Pro)}),
		},
		{
			name:  "a change of policy does not move a due that is set",
			given: and(owing, decreed(func(p *Policy) { p.Grace = 2 * grace })),
			as:    Billing, at: day(5), when: overdue("i2", 1, day(4)),
			then: events(overdueRecorded("i2", 1, day(4))),
		},
		{
			name:  "a due that moves is computed with the policy of that moment",
			given: and(owing, decreed(func(p *Policy) { p.Grace = 2 * grace })),
			as:    Billing, at: day(5), when: overdue("i2", 1, day(1)),
			then: events(overdueRecorded("i2", 1, day(1)), ArrearsMoved{about, stopsFor(day(1), day(15), Pro)}),
		},
	})
}
