package domain

import "testing"

func TestCoverage(t *testing.T) {
	upgraded := and(pro(day(30)), did(day(5), Billing, paid("o2", Flagship, day(5), day(20))))
	check(t, []row{
		{
			name:  "an order with a term gives its edition, and says when that ends",
			given: []step{created()},
			as:    Billing, at: day(1), when: paid("o1", Pro, day(1), day(30)),
			then: events(recorded(paid("o1", Pro, day(1), day(30))), EditionChanged{about, Trial, Pro, byOrder, day(1)}, TermScheduled{about, day(30), "", CausePlanExpired, 0}),
		},
		{
			name:  "an open-ended order has no end",
			given: []step{created()},
			as:    Billing, at: day(1), when: paid("o1", Pro, day(1), 0),
			then: events(recorded(paid("o1", Pro, day(1), 0)), EditionChanged{about, Trial, Pro, byOrder, day(1)}),
		},
		{
			name:  "an order that begins tomorrow covers from its arrival on",
			given: []step{created()},
			as:    Billing, at: day(1), when: paid("o1", Pro, day(2), 0),
			then: events(recorded(paid("o1", Pro, day(2), 0)), EditionChanged{about, Trial, Pro, byOrder, day(2)}),
		},
		{
			name:  "the highest edition among the orders that cover is the app's, and the end of its term falls back by time",
			given: pro(day(30)),
			as:    Billing, at: day(5), when: paid("o2", Flagship, day(5), day(20)),
			then: events(
				recorded(paid("o2", Flagship, day(5), day(20))), EditionChanged{about, Pro, Flagship, byOrder, day(5)},
				TermScheduled{about, day(20), Pro, CausePlanExpired, 0},
			),
		},
		{
			name:  "an upgrade that ends with what is below it expires",
			given: pro(day(30)),
			as:    Billing, at: day(5), when: paid("o2", Flagship, day(5), day(30)),
			then: events(recorded(paid("o2", Flagship, day(5), day(30))), EditionChanged{about, Pro, Flagship, byOrder, day(5)}),
		},
		{
			name:  "the end of a lower order below an upgrade is no change",
			given: pro(day(10)),
			as:    Billing, at: day(5), when: paid("o2", Flagship, day(5), day(30)),
			then: events(
				recorded(paid("o2", Flagship, day(5), day(30))), EditionChanged{about, Pro, Flagship, byOrder, day(5)},
				TermScheduled{about, day(30), "", CausePlanExpired, 0},
			),
		},
		{
			name:  "a renewal that begins more than a day ahead is not believed yet",
			given: pro(day(30)),
			as:    Billing, at: day(20), when: paid("o2", Pro, day(30), day(60)),
			then: refused(EffectiveTooFar),
		},
		{
			name:  "a renewal that begins within a day moves the end",
			given: pro(day(30)),
			as:    Billing, at: day(29), when: paid("o2", Pro, day(30), day(60)),
			then: events(recorded(paid("o2", Pro, day(30), day(60))), TermScheduled{about, day(60), "", CausePlanExpired, 0}),
		},
		{
			name:  "the end of an upgrade by refund at the same instant is the refund's",
			given: upgraded,
			as:    Billing, at: day(19), when: refund("o2", day(20)),
			then: events(refundRecorded("o2", day(20)), TermScheduled{about, day(20), Pro, CauseRefund, 0}),
		},
		{
			name:  "a refund of a lower order at that instant does not name the end of the upgrade",
			given: and(upgraded, did(day(19), Billing, paid("o3", Pro, day(19), day(20)))),
			as:    Billing, at: day(19), when: refund("o3", day(20)),
			then: events(refundRecorded("o3", day(20))),
		},
		{
			name:  "of orders that all end at one instant, a refund names the expiry",
			given: and(pro(day(20)), did(day(19), Billing, paid("o2", Flagship, day(19), day(20)))),
			as:    Billing, at: day(19), when: refund("o1", day(20)),
			then: events(refundRecorded("o1", day(20)), TermScheduled{about, day(20), "", CauseRefund, 0}),
		},
		{
			name:  "add-ons alone cover nothing",
			given: []step{created()},
			as:    Billing, at: day(1), when: RecordOrder{App: testApp, Order: OrderTerms{ID: "a1", EffectiveAt: day(1), PaidUntil: day(9), Addons: []string{"push"}, Amount: price}},
			then: events(OrderRecorded{about, OrderTerms{ID: "a1", EffectiveAt: day(1), PaidUntil: day(9), Addons: []string{"push"}, Amount: price}, Billing, nil}),
		},
		{
			name:  "an order whose term ends before it begins ends where it begins",
			given: []step{created()},
			as:    Billing, at: day(8), when: paid("o1", Pro, day(6), day(4)),
			then: events(recorded(paid("o1", Pro, day(6), day(4))), EditionChanged{about, Trial, Pro, byOrder, day(6)}, Lapsed{about, CausePlanExpired, day(6), day(13), 0}),
		},
		{
			name:  "an app with a manual hold may be paid for: the hold stays",
			given: []step{created(), did(day(1), Owner, StopApp{App: testApp})},
			as:    Billing, at: day(2), when: paid("o1", Pro, day(2), 0),
			then: events(recorded(paid("o1", Pro, day(2), 0)), EditionChanged{about, Trial, Pro, byOrder, day(2)}),
		},
		{
			name:  "an order for an app of the TRTC side gives its edition",
			given: []step{trtc()},
			as:    Billing, at: day(2), when: paid("o1", Pro, day(2), 0),
			then: events(recorded(paid("o1", Pro, day(2), 0)), EditionChanged{about, TRTCTrial, Pro, byOrder, day(2)}),
		},
	})
}

// TestPaidUntil: the latest end among the orders not refunded.
func TestPaidUntil(t *testing.T) {
	for _, c := range []struct {
		name   string
		orders []Command
		want   Instant
	}{
		{"no order", nil, 0},
		{"the latest end", []Command{paid("o1", Pro, day(1), day(9)), paid("o2", Flagship, day(2), day(5))}, day(9)},
		{"one without an end", []Command{paid("o1", Pro, day(1), day(9)), paid("o2", Pro, day(1), 0)}, 0},
		{"one refunded, even after its end", []Command{paid("o1", Pro, day(1), day(9)), paid("o2", Pro, day(1), day(12)), refund("o2", day(13))}, day(9)},
		{"all refunded", []Command{paid("o1", Pro, day(1), day(9)), refund("o1", day(3))}, 0},
		{"one that ends before it begins", []Command{paid("o1", Pro, day(5), day(3))}, day(5)},
		{"add-ons", []Command{RecordOrder{App: testApp, Order: OrderTerms{ID: "a1", EffectiveAt: day(1), PaidUntil: day(9), Addons: []string{"push"}, Amount: price}}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(DefaultPolicy())
			created()(t, w)
			did(day(20), Billing, c.orders...)(t, w)
			if got := w.account(acme).Apps[testApp].PaidUntil(); got != c.want {
				t.Errorf("paid until %s, want %s", got, c.want)
			}
		})
	}
}
