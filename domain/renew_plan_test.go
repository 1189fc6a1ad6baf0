package domain

import "testing"

func TestRenewPlan(t *testing.T) {
	renew := func(e Edition, until Instant) RenewPlan {
		return RenewPlan{testApp, OrderTerms{ID: "o2", Edition: e, PaidUntil: until, Amount: price}}
	}
	check(t, []row{
		{
			name:  "an owner orders the present edition for another term",
			given: pro(day(30)),
			as:    Owner, at: day(29), when: renew(Pro, day(60)),
			then: events(OrderRecorded{about, terms("o2", Pro, day(29), day(60)), Owner, nil}, TermScheduled{about, day(60), "", CausePlanExpired, expiry(day(60), CausePlanExpired, Pro)}),
		},
		{
			name:  "an expired app is renewed",
			given: and(pro(day(3)), ticked(day(3))),
			as:    Owner, at: day(5), when: renew(Pro, day(60)),
			then: events(OrderRecorded{about, terms("o2", Pro, day(5), day(60)), Owner, nil}, LapseEnded{about, byOrder, day(5)}, TermScheduled{about, day(60), "", CausePlanExpired, expiry(day(60), CausePlanExpired, Pro)}),
		},
		{
			name:  "a stopped one is reinstated",
			given: and(pro(day(3)), ticked(day(10))),
			as:    Owner, at: day(12), when: renew(Pro, 0),
			then: events(OrderRecorded{about, terms("o2", Pro, day(12), 0), Owner, nil}, AppReinstated{about, CausePlanExpired, byOrder, day(12), false}, LapseEnded{about, byOrder, day(12)}),
		},
		{
			name:  "add-ons may come with it",
			given: pro(day(30)),
			as:    Owner, at: day(29), when: RenewPlan{testApp, OrderTerms{ID: "o2", Edition: Pro, Addons: []string{"push"}, Amount: price}},
			then: events(OrderRecorded{about, OrderTerms{ID: "o2", Edition: Pro, EffectiveAt: day(29), Addons: []string{"push"}, Amount: price}, Owner, nil}, TermScheduled{About: about}),
		},
		{
			name:  "a trial has no plan to renew",
			given: []step{created()},
			as:    Owner, at: day(5), when: renew(Pro, 0),
			then: refused(RenewNeedsPaid),
		},
		{
			name:  "another edition is no renewal",
			given: pro(day(30)),
			as:    Owner, at: day(5), when: renew(Flagship, 0),
			then: refused(RenewOtherEdition),
		},
		{
			name:  "nor is a trial",
			given: pro(day(30)),
			as:    Owner, at: day(5), when: renew(Trial, 0),
			then: refused(NoReturnToTrial),
		},
		{
			name:  "nor are add-ons alone",
			given: pro(day(30)),
			as:    Owner, at: day(5), when: RenewPlan{testApp, OrderTerms{ID: "o2", Addons: []string{"push"}, Amount: price}},
			then: invalid("order.edition required"),
		},
		{
			name:  "an order id that is known with other terms",
			given: pro(day(30)),
			as:    Owner, at: day(5), when: RenewPlan{testApp, terms("o1", Pro, day(5), day(60))},
			then: refused(OrderConflict),
		},
		{
			name:  "a deleted app",
			given: deletedTrial(),
			as:    Owner, at: day(5), when: renew(Pro, 0),
			then: refused(AppDeletedAlready),
		},
		{
			name: "an unknown app",
			as:   Owner, at: day(5), when: renew(Pro, 0),
			then: refused(AppNotFound),
		},
	})
}
