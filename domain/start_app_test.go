package domain

import "testing"

func TestStartApp(t *testing.T) {
	start := StartApp{testApp}
	stop, because := StopApp{App: testApp}, StopApp{testApp, "abuse"}
	byOwner := []step{created(), did(day(1), Owner, stop)}
	byBoth := and(byOwner, did(day(2), Operator, because))
	check(t, []row{
		{
			name:  "an owner lifts the own hold",
			given: byOwner,
			as:    Owner, at: day(3), when: start,
			then: events(AppReinstated{about, CauseManual, byStart, day(3), false}),
		},
		{
			name:  "also after the app was paid for",
			given: and(byOwner, did(day(2), Billing, paid("o1", Pro, day(2), 0))),
			as:    Owner, at: day(3), when: start,
			then: events(AppReinstated{about, CauseManual, byStart, day(3), false}),
		},
		{
			name:  "starting an app in service is silence",
			given: []step{created()},
			as:    Owner, at: day(3), when: start,
			then: silence,
		},
		{
			name:  "an owner leaves an operator's hold in force; a second time only that is left, and is refused",
			given: byBoth,
			as:    Owner, at: day(3), when: start,
			then:  events(HoldEnded{about, CauseManual, byStart, day(3), false}),
			again: refused(StartNotYours),
		},
		{
			name:  "an owner may not lift an operator's hold",
			given: []step{created(), did(day(1), Operator, because)},
			as:    Owner, at: day(3), when: start,
			then: refused(StartNotYours),
		},
		{
			name:  "nor one for money",
			given: and(pro(day(3)), ticked(day(10))),
			as:    Owner, at: day(11), when: start,
			then: refused(StartNotYours),
		},
		{
			name:  "an operator lifts both kinds",
			given: byBoth,
			as:    Operator, at: day(3), when: start,
			then: events(HoldEnded{about, CauseManual, byStart, day(3), false}, AppReinstated{about, CauseOperator, byStart, day(3), false}),
		},
		{
			name:  "an operator lifts the owner's",
			given: byOwner,
			as:    Operator, at: day(3), when: start,
			then: events(AppReinstated{about, CauseManual, byStart, day(3), false}),
		},
		{
			name:  "and leaves one for money in force; a second time only that is left, and is refused",
			given: and(pro(day(3)), did(day(2), Operator, because), ticked(day(10))),
			as:    Operator, at: day(11), when: start,
			then:  events(HoldEnded{about, CauseOperator, byStart, day(11), false}),
			again: refused(StartNotYours),
		},
		{
			name:  "an operator may not lift a hold for money",
			given: and(pro(0), did(day(3), Billing, overdue("i1", 1, day(2))), ticked(day(9))),
			as:    Operator, at: day(11), when: start,
			then: refused(StartNotYours),
		},
		{
			name:  "an expired app in its grace is in service as far as people are concerned",
			given: and(pro(day(3)), ticked(day(3))),
			as:    Owner, at: day(4), when: start,
			then: silence,
		},
		{
			name:  "a deleted app does not start",
			given: deletedTrial(),
			as:    Owner, at: day(3), when: start,
			then: refused(AppDeletedAlready),
		},
		{
			name: "nor one that the account does not have",
			as:   Owner, at: day(3), when: start,
			then: refused(AppNotFound),
		},
	})
}
