package domain

import "testing"

func TestEnableTRTC(t *testing.T) {
	enable := EnableTRTC{testApp}
	check(t, []row{
		{name: "an app in service", given: []step{created()}, as: Owner, at: day(1), when: enable, then: events(TRTCEnabled{about})},
		{name: "an app that came from there has it", given: []step{trtc()}, as: Owner, at: day(1), when: enable, then: silence},
		{
			name: "not a stopped one", given: []step{created(), did(day(1), Owner, StopApp{App: testApp})},
			as: Owner, at: day(2), when: enable, then: refused(AppIsStopped),
		},
		{
			name: "once it is on, a stop makes no difference", given: []step{created(), did(day(1), Owner, enable), did(day(1), Owner, StopApp{App: testApp})},
			as: Owner, at: day(2), when: enable, then: silence,
		},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: enable, then: refused(AppDeletedAlready)},
	})
}

func TestTPNS(t *testing.T) {
	order := OrderTerms{ID: "push-1", Amount: price}
	taken := OrderRecorded{about, OrderTerms{ID: "push-1", Addons: []string{TPNSAddon}, EffectiveAt: day(1), Amount: price}, Owner, nil}
	enable := EnableTPNS{testApp, order}
	on := []step{created(), did(day(1), Owner, enable)}
	again := OrderTerms{ID: "push-2", Addons: []string{TPNSAddon}, EffectiveAt: day(2), Amount: price}
	wrong := enable
	wrong.Order.Edition = Pro
	check(t, []row{
		{
			name: "it comes with the order that pays for it", given: []step{created()},
			as: Owner, at: day(1), when: enable, then: events(taken, TPNSEnabled{about, "push-1"}),
		},
		{name: "and not without", given: []step{created()}, as: Owner, at: day(1), when: EnableTPNS{App: testApp}, then: refused(TPNSNeedsOrder)},
		{name: "enabling again is silence, with no order too", given: on, as: Owner, at: day(2), when: EnableTPNS{App: testApp}, then: silence},
		{name: "the order is for push alone", given: []step{created()}, as: Owner, at: day(1), when: wrong, then: invalid("order.edition not_wanted")},
		{
			name: "after it was disabled, the order that is known pays for it again", given: and(on, did(day(2), Owner, DisableTPNS{testApp})),
			as: Owner, at: day(3), when: enable, then: events(TPNSEnabled{about, "push-1"}),
		},
		{
			name: "an order with other terms does not", given: and(on, did(day(2), Owner, DisableTPNS{testApp})),
			as: Owner, at: day(3), when: EnableTPNS{testApp, OrderTerms{ID: "push-1", Amount: debt}}, then: refused(OrderConflict),
		},
		{name: "disabling", given: on, as: Owner, at: day(2), when: DisableTPNS{testApp}, then: events(TPNSDisabled{about})},
		{name: "what is off", given: []step{created()}, as: Owner, at: day(2), when: DisableTPNS{testApp}, then: silence},
		{
			name: "a refund of the order that pays for it turns it off", given: on,
			as: Billing, at: day(3), when: refund("push-1", day(2)), then: events(refundRecorded("push-1", day(2)), TPNSSuspended{about}),
		},
		{
			name: "for goodwill it does not", given: on,
			as: Billing, at: day(3), when: Refund{App: testApp, Order: "push-1", EffectiveAt: day(2), Goodwill: true},
			then: events(RefundRecorded{About: about, Order: "push-1", EffectiveAt: day(2), Goodwill: true}),
		},
		{
			name: "an order that pays for it after all turns it on again", given: and(on, did(day(3), Billing, refund("push-1", day(2)))),
			as: Billing, at: day(4), when: RecordOrder{App: testApp, Order: again},
			then: events(OrderRecorded{about, again, Billing, nil}, TPNSResumed{about, "push-2"}),
		},
		{
			name: "unless it was disabled meanwhile", given: and(on, did(day(3), Billing, refund("push-1", day(2))), did(day(3), Owner, DisableTPNS{testApp})),
			as: Billing, at: day(4), when: RecordOrder{App: testApp, Order: again}, then: events(OrderRecorded{about, again, Billing, nil}),
		},
		{
			name: "another order that pays for it keeps it on", given: and(on, did(day(2), Billing, RecordOrder{App: testApp, Order: again})),
			as: Billing, at: day(3), when: refund("push-1", day(2)), then: events(refundRecorded("push-1", day(2))),
		},
		{
			name: "an order whose refund came first pays for nothing", given: []step{created(), did(day(1), Billing, refund("push-1", day(1)))},
			as: Owner, at: day(1), when: enable, then: refused(TPNSNeedsOrder),
		},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: enable, then: refused(AppDeletedAlready)},
	})
}
