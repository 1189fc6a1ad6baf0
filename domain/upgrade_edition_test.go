package domain

import (
	"strings"
	"testing"
	"time"
)

func TestUpgradeEdition(t *testing.T) {
	upgrade := func(o OrderTerms) UpgradeEdition { return UpgradeEdition{testApp, o} }
	flagship := OrderTerms{ID: "o2", Edition: Flagship, PaidUntil: day(20), Amount: price}
	begun := flagship
	begun.EffectiveAt = day(5)
	other := flagship
	other.PaidUntil = day(21)
	higher := other
	higher.Version = 1
	addons := OrderTerms{ID: "a1", Addons: []string{"push"}, Amount: price}
	added := addons
	added.EffectiveAt = day(5)
	with := func(o OrderTerms, e Edition) OrderTerms { o.Edition = e; return o }
	recorded := func(o OrderTerms, by Role) OrderRecorded { return OrderRecorded{about, o, by, nil} }
	changed := EditionChanged{about, Pro, Flagship, byOrder, day(5)}
	ordered := and(pro(day(30)), did(day(5), Owner, upgrade(flagship)))
	check(t, []row{
		{
			name:  "an owner orders a higher edition, effective now where nothing else is said",
			given: pro(day(30)),
			as:    Owner, at: day(5), when: upgrade(flagship),
			then: events(recorded(begun, Owner), changed, TermScheduled{about, day(20), Pro, CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)}),
		},
		{
			name:  "a trial is upgraded",
			given: []step{created()},
			as:    Owner, at: day(5), when: upgrade(OrderTerms{ID: "o1", Edition: Pro, Amount: price}),
			then: events(recorded(terms("o1", Pro, day(5), 0), Owner), EditionChanged{about, Trial, Pro, byOrder, day(5)}),
		},
		{
			name:  "one of the TRTC side too",
			given: []step{trtc()},
			as:    Owner, at: day(5), when: upgrade(OrderTerms{ID: "o1", Edition: Pro, Amount: price}),
			then: events(recorded(terms("o1", Pro, day(5), 0), Owner), EditionChanged{about, TRTCTrial, Pro, byOrder, day(5)}),
		},
		{
			name:  "an upgrade reinstates an app that had lapsed and was stopped",
			given: and(pro(day(3)), ticked(day(10))),
			as:    Owner, at: day(12), when: upgrade(OrderTerms{ID: "o2", Edition: Flagship, Amount: price}),
			then: events(
				recorded(terms("o2", Flagship, day(12), 0), Owner), EditionChanged{about, Pro, Flagship, byOrder, day(12)},
				AppReinstated{about, CausePlanExpired, byOrder, day(12), false}, LapseEnded{about, byOrder, day(12)},
			),
		},
		{
			name:  "add-ons on a paid edition",
			given: pro(0),
			as:    Owner, at: day(5), when: upgrade(addons),
			then: events(recorded(added, Owner)),
		},
		{
			name:  "add-ons with the edition that the app has",
			given: pro(0),
			as:    Owner, at: day(5), when: upgrade(with(addons, Pro)),
			then: events(recorded(with(added, Pro), Owner)),
		},
		{
			name:  "not add-ons on a trial",
			given: []step{created()},
			as:    Owner, at: day(5), when: upgrade(addons),
			then: refused(AddonsNeedPaid),
		},
		{
			name:  "not the edition that the app has",
			given: pro(0),
			as:    Owner, at: day(5), when: upgrade(with(flagship, Pro)),
			then: refused(EditionNotHigher),
		},
		{
			name:  "not a lower one, with or without add-ons",
			given: ordered,
			as:    Owner, at: day(5), when: upgrade(OrderTerms{ID: "o3", Edition: Pro, Addons: []string{"push"}, Amount: price}),
			then: refused(EditionNotHigher),
		},
		{
			name:  "never back to a trial",
			given: pro(0),
			as:    Owner, at: day(5), when: upgrade(with(flagship, Trial)),
			then: refused(NoReturnToTrial),
		},
		{
			name:  "of neither side",
			given: pro(0),
			as:    Owner, at: day(5), when: upgrade(with(flagship, TRTCTrial)),
			then: refused(NoReturnToTrial),
		},
		{
			name:  "the rules bind an operator as they bind an owner",
			given: pro(0),
			as:    Operator, at: day(5), when: upgrade(with(flagship, Pro)),
			then: refused(EditionNotHigher),
		},
		{
			name:  "the order that is known already, with other terms that do not stand against it",
			given: ordered,
			as:    Owner, at: day(6), when: upgrade(other),
			then: refused(OrderConflict),
		},
		{
			name:  "an owner gives no version: the terms of what is known already are not his to restate",
			given: ordered,
			as:    Owner, at: day(6), when: upgrade(higher),
			then: invalid("order.version not_wanted"),
		},
		{
			name:  "an operator does, and so does billing",
			given: pro(day(30)),
			as:    Operator, at: day(5), when: upgrade(OrderTerms{ID: "a1", Addons: []string{"push"}, Version: 3, Amount: price}),
			then: events(recorded(OrderTerms{ID: "a1", Addons: []string{"push"}, EffectiveAt: day(5), Version: 3, Amount: price}, Operator)),
		},
		{
			name:  "what the billing system said of an order stands above an owner's word",
			given: and(pro(day(30)), did(day(5), Billing, RecordOrder{App: testApp, Order: begun})),
			as:    Owner, at: day(6), when: upgrade(OrderTerms{ID: "o2", Edition: Flagship, PaidUntil: day(10), EffectiveAt: day(1), Amount: price}),
			then: refused(OrderConflict),
		},
		{
			name:  "an owner's order that says what the billing system said is silence",
			given: and(pro(day(30)), did(day(5), Billing, RecordOrder{App: testApp, Order: begun})),
			as:    Owner, at: day(6), when: upgrade(flagship),
			then: silence,
		},
		{
			name:  "said again with what is absent left open, also once its term is over",
			given: ordered,
			as:    Owner, at: day(60), when: upgrade(OrderTerms{ID: "o2", Edition: Flagship, Amount: price}),
			then: silence,
		},
		{
			name:  "the billing system's word on an owner's order is kept, and changes nothing if it says the same",
			given: ordered,
			as:    Billing, at: day(6), when: RecordOrder{App: testApp, Order: begun},
			then: events(recorded(begun, Billing)),
		},
		{
			name:  "where it says something else, it stands",
			given: ordered,
			as:    Billing, at: day(6), when: RecordOrder{App: testApp, Order: with(begun, Pro)},
			then: events(recorded(with(begun, Pro), Billing), EditionChanged{about, Flagship, Pro, byOrder, day(5)}, TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)}),
		},
		{
			name:  "an order whose refund arrived first is over when it comes",
			given: and(pro(day(30)), did(day(4), Billing, refund("o2", day(4)))),
			as:    Owner, at: day(5), when: upgrade(flagship),
			then: events(recorded(begun, Owner)),
		},
		{
			name:  "more than three years ahead",
			given: pro(0),
			as:    Owner, at: day(5), when: upgrade(terms("o2", Flagship, day(5).Add(26280*time.Hour+ms), 0)),
			then: refused(EffectiveTooFar),
		},
		{
			name:  "what is so already is refused of a deleted app too",
			given: []step{created(), did(day(1), Owner, upgrade(OrderTerms{ID: "o1", Edition: Pro, Amount: price})), did(day(2), Billing, RecordOrder{App: testApp, Order: OrderTerms{ID: "o1", EffectiveAt: day(1), Addons: []string{"push"}, Version: 1, Amount: price}}), did(day(3), Owner, StopApp{App: testApp}), did(day(3), Owner, DeleteApp{testApp, "shop"})},
			as:    Owner, at: day(5), when: upgrade(OrderTerms{ID: "o1", Addons: []string{"push"}, Amount: price}),
			then: refused(AppDeletedAlready),
		},
		{
			name:  "a deleted app",
			given: deletedTrial(),
			as:    Owner, at: day(5), when: upgrade(flagship),
			then: refused(AppDeletedAlready),
		},
		{
			name: "an unknown app",
			as:   Owner, at: day(5), when: upgrade(flagship),
			then: refused(AppNotFound),
		},
		{
			name:  "fields that make no sense",
			given: pro(0),
			as:    Owner, at: day(5), when: upgrade(OrderTerms{Edition: "gold", Version: -1, PaidUntil: day(5), Addons: []string{""}, Amount: Money{"YUAN", -1}}),
			then: invalid(
				"order.id invalid_id", "order.edition unknown_edition", "order.addons invalid_id", "order.version out_of_range",
				"order.amount.currency unknown_currency", "order.amount.minor out_of_range", "order.paid_until out_of_range",
			),
		},
		{
			name:  "an order of nothing, or of too many add-ons",
			given: pro(0),
			as:    Owner, at: day(5), when: upgrade(OrderTerms{ID: strings.Repeat("o", 129), Amount: price, Addons: make([]string, 0)}),
			then: invalid("order.id invalid_id", "order.edition nothing_ordered"),
		},
		{
			name:  "times that no instant can be",
			given: pro(0),
			as:    Owner, at: day(5), when: upgrade(OrderTerms{ID: "o2", Edition: Flagship, EffectiveAt: -1, PaidUntil: MaxInstant + 1, Amount: price}),
			then: invalid("order.paid_until invalid_time", "order.effective_at invalid_time"),
		},
	})
}
