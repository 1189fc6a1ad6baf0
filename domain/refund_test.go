package domain

import "testing"

func TestRefund(t *testing.T) {
	lapsed := and(pro(0), did(day(5), Billing, refund("o1", day(5))))
	check(t, []row{
		{
			name:  "if nothing else covers the app it expires at once, and the stop is due when the grace is over",
			given: pro(0),
			as:    Billing, at: day(5), when: refund("o1", day(4)),
			then: events(refundRecorded("o1", day(4)), Lapsed{about, CauseRefund, stopsFor(day(4), day(11), Pro)}),
		},
		{
			name:  "it ends the order whole, whatever its amount",
			given: pro(0),
			as:    Billing, at: day(5), when: Refund{App: testApp, Order: "o1", EffectiveAt: day(4), Amount: Money{"CNY", 1}},
			then: events(RefundRecorded{About: about, Order: "o1", EffectiveAt: day(4), Amount: Money{"CNY", 1}}, Lapsed{about, CauseRefund, stopsFor(day(4), day(11), Pro)}),
		},
		{
			name:  "the end of the term is not waited for any more",
			given: pro(day(30)),
			as:    Billing, at: day(5), when: refund("o1", day(4)),
			then: events(refundRecorded("o1", day(4)), Lapsed{about, CauseRefund, stopsFor(day(4), day(11), Pro)}, TermScheduled{About: about}),
		},
		{
			name:  "an upgrade that is refunded falls back to what is still paid for",
			given: and(pro(0), did(day(2), Billing, paid("o2", Flagship, day(2), 0))),
			as:    Billing, at: day(5), when: refund("o2", day(4)),
			then: events(refundRecorded("o2", day(4)), EditionChanged{about, Flagship, Pro, byRefund, day(4)}),
		},
		{
			name:  "what lies below an upgrade may be refunded without a change",
			given: and(pro(0), did(day(2), Billing, paid("o2", Flagship, day(2), 0))),
			as:    Billing, at: day(5), when: refund("o1", day(4)),
			then: events(refundRecorded("o1", day(4))),
		},
		{
			name:  "a refund effective tomorrow leaves the change to time",
			given: pro(0),
			as:    Billing, at: day(5), when: refund("o1", day(6)),
			then: events(refundRecorded("o1", day(6)), TermScheduled{about, day(6), "", CauseRefund, expiry(day(6), CauseRefund, Pro)}),
		},
		{
			name:  "a refund effective now is not left to time",
			given: pro(0),
			as:    Billing, at: day(5), when: refund("o1", day(5)),
			then: events(refundRecorded("o1", day(5)), Lapsed{about, CauseRefund, stopsFor(day(5), day(12), Pro)}),
		},
		{
			name:  "a refund may arrive before its order, and is kept",
			given: []step{created()},
			as:    Billing, at: day(5), when: refund("o1", day(4)),
			then: events(refundRecorded("o1", day(4))),
		},
		{
			name:  "the order that then arrives has ended already",
			given: []step{created(), did(day(5), Billing, refund("o1", day(4)))},
			as:    Billing, at: day(6), when: paid("o1", Pro, day(1), 0),
			then: events(recorded(paid("o1", Pro, day(1), 0)), EditionChanged{about, Trial, Pro, byOrder, day(1)}, Lapsed{about, CauseRefund, stopsFor(day(4), day(11), Pro)}),
		},
		{
			name:  "an order never ends before it began, even if refunded before",
			given: []step{created(), did(day(5), Billing, refund("o1", day(1)))},
			as:    Billing, at: day(6), when: paid("o1", Pro, day(3), 0),
			then: events(recorded(paid("o1", Pro, day(3), 0)), EditionChanged{about, Trial, Pro, byOrder, day(3)}, Lapsed{about, CauseRefund, stopsFor(day(3), day(10), Pro)}),
		},
		{
			name:  "of several refunds the earliest effective counts: an earlier one moves the lapse",
			given: lapsed,
			as:    Billing, at: day(6), when: refund("o1", day(3)),
			then: events(refundRecorded("o1", day(3)), LapseMoved{about, CauseRefund, stopsFor(day(3), day(10), Pro)}),
		},
		{
			name:  "a later one says nothing new, and is silence as a command",
			given: lapsed,
			as:    Billing, at: day(6), when: refund("o1", day(6)),
			then: silence,
		},
		{
			name:  "as a message it is kept each time",
			given: lapsed,
			as:    Billing, at: day(6), when: Refund{App: testApp, Order: "o1", EffectiveAt: day(6), Report: news},
			then:  events(RefundRecorded{About: about, Order: "o1", EffectiveAt: day(6), Report: news}),
			again: events(RefundRecorded{About: about, Order: "o1", EffectiveAt: day(6), Report: news}),
		},
		{
			name:  "a refund effective after the end of the term changes nothing",
			given: and(pro(day(10)), ticked(day(10))),
			as:    Billing, at: day(12), when: refund("o1", day(10).Add(ms)),
			then: events(refundRecorded("o1", day(10).Add(ms))),
		},
		{
			name:  "a refund at the very end of the term is the refund's: the lapse is renamed",
			given: and(pro(day(10)), ticked(day(10))),
			as:    Billing, at: day(12), when: refund("o1", day(10)),
			then: events(refundRecorded("o1", day(10)), LapseRenamed{about, CauseRefund}),
		},
		{
			name:  "one millisecond before, it moves the lapse",
			given: and(pro(day(10)), ticked(day(10))),
			as:    Billing, at: day(12), when: refund("o1", day(10).Add(-ms)),
			then: events(refundRecorded("o1", day(10).Add(-ms)), LapseMoved{about, CauseRefund, stopsFor(day(10).Add(-ms), day(17).Add(-ms), Pro)}),
		},
		{
			name:  "a lapse renamed while it has stopped the app fires nothing",
			given: and(pro(day(10)), ticked(day(17))),
			as:    Billing, at: day(18), when: refund("o1", day(10)),
			then: events(refundRecorded("o1", day(10)), LapseRenamed{about, CauseRefund}),
		},
		{
			name:  "a lapse that moves while it has stopped the app, to a due that has passed, keeps it stopped",
			given: and(pro(day(10)), ticked(day(17))),
			as:    Billing, at: day(18), when: refund("o1", day(8)),
			then: events(refundRecorded("o1", day(8)), LapseMoved{about, CauseRefund, stopsFor(day(8), day(15), Pro)}),
		},
		{
			name:  "a refund that arrives after its own due leaves the stop to the next tick",
			given: pro(0),
			as:    Billing, at: day(30), when: refund("o1", day(4)),
			then: events(refundRecorded("o1", day(4)), Lapsed{about, CauseRefund, stopsFor(day(4), day(11), Pro)}),
		},
		{
			name:  "add-ons alone may be refunded without a change",
			given: and(pro(0), did(day(1), Billing, RecordOrder{App: testApp, Order: OrderTerms{ID: "a1", EffectiveAt: day(1), Addons: []string{"push"}, Amount: price}})),
			as:    Billing, at: day(5), when: refund("a1", day(4)),
			then: events(refundRecorded("a1", day(4))),
		},
		{
			name:  "money given back for goodwill ends nothing",
			given: pro(0),
			as:    Billing, at: day(5), when: Refund{App: testApp, Order: "o1", Refund: "r1", EffectiveAt: day(4), Amount: debt, Goodwill: true},
			then: events(RefundRecorded{About: about, Order: "o1", Refund: "r1", EffectiveAt: day(4), Amount: debt, Goodwill: true}),
		},
		{
			name:  "of several refunds the earliest that ends the order does",
			given: and(pro(0), did(day(5), Billing, Refund{App: testApp, Order: "o1", Refund: "r1", EffectiveAt: day(5), Amount: debt})),
			as:    Billing, at: day(6), when: Refund{App: testApp, Order: "o1", Refund: "r2", EffectiveAt: day(4), Amount: debt},
			then: events(
				RefundRecorded{About: about, Order: "o1", Refund: "r2", EffectiveAt: day(4), Amount: debt},
				LapseMoved{about, CauseRefund, stopsFor(day(4), day(11), Pro)},
			),
		},
		{
			name:  "a second part is kept, and changes nothing of the state",
			given: and(pro(0), did(day(5), Billing, Refund{App: testApp, Order: "o1", Refund: "r1", EffectiveAt: day(4), Amount: debt})),
			as:    Billing, at: day(6), when: Refund{App: testApp, Order: "o1", Refund: "r2", EffectiveAt: day(5), Amount: debt},
			then: events(RefundRecorded{About: about, Order: "o1", Refund: "r2", EffectiveAt: day(5), Amount: debt}),
		},
		{
			name:  "under one id the earlier counts: a later one says nothing new",
			given: and(pro(0), did(day(5), Billing, Refund{App: testApp, Order: "o1", EffectiveAt: day(4), Amount: debt})),
			as:    Billing, at: day(6), when: Refund{App: testApp, Order: "o1", EffectiveAt: day(5), Amount: price},
			then: silence,
		},
		{
			name:  "a larger one at the same instant is another answer in the statement",
			given: and(pro(0), did(day(5), Billing, Refund{App: testApp, Order: "o1", EffectiveAt: day(4), Amount: debt})),
			as:    Billing, at: day(6), when: Refund{App: testApp, Order: "o1", EffectiveAt: day(4), Amount: price},
			then: events(RefundRecorded{About: about, Order: "o1", EffectiveAt: day(4), Amount: price}),
		},
		{
			name:  "an earlier word of the same refund that it ends nothing has the order cover again",
			given: and(lapsed, ticked(day(12))),
			as:    Billing, at: day(13), when: Refund{App: testApp, Order: "o1", EffectiveAt: day(4), Goodwill: true},
			then: events(RefundRecorded{About: about, Order: "o1", EffectiveAt: day(4), Goodwill: true},
				AppReinstated{about, CauseRefund, byRefund, day(4), true}, LapseEnded{about, byRefund, day(4)}),
		},
		{
			name:  "one that ends the order stands above goodwill at the same instant",
			given: and(pro(0), did(day(5), Billing, Refund{App: testApp, Order: "o1", EffectiveAt: day(4), Goodwill: true})),
			as:    Billing, at: day(6), when: refund("o1", day(4)),
			then: events(refundRecorded("o1", day(4)), Lapsed{about, CauseRefund, stopsFor(day(4), day(11), Pro)}),
		},
		{
			name:  "more than a day ahead",
			given: pro(0),
			as:    Billing, at: day(5), when: refund("o1", day(6).Add(ms)),
			then: refused(EffectiveTooFar),
		},
		{
			name: "an unknown app",
			as:   Billing, at: day(5), when: refund("o1", day(4)),
			then: refused(AppNotFound),
		},
		{
			name:  "a deleted app",
			given: deletedTrial(),
			as:    Billing, at: day(5), when: refund("o1", day(4)),
			then: refused(AppDeletedAlready),
		},
		{
			name:  "fields that make no sense",
			given: pro(0),
			as:    Billing, at: day(5), when: Refund{App: testApp, Amount: Money{"CNY", -1}},
			then: invalid("order invalid_id", "effective_at invalid_time", "amount.minor out_of_range"),
		},
	})
}
