package domain

import "testing"

func TestStopApp(t *testing.T) {
	stop, because := StopApp{App: testApp}, StopApp{testApp, "abuse"}
	check(t, []row{
		{
			name:  "an owner stops a trial",
			given: []step{created()},
			as:    Owner, at: day(1), when: stop,
			then: events(AppStopped{about, CauseManual, day(1)}),
		},
		{
			name:  "stopping what one has stopped is silence",
			given: []step{created(), did(day(1), Owner, stop)},
			as:    Owner, at: day(2), when: stop,
			then: silence,
		},
		{
			name:  "silence is judged first: also beside an operator's hold, and after the app was paid for",
			given: []step{created(), did(day(1), Owner, stop), did(day(2), Operator, because), did(day(2), Billing, paid("o1", Pro, day(2), 0))},
			as:    Owner, at: day(3), when: stop,
			then: silence,
		},
		{
			name:  "an owner may not stop a paid app",
			given: pro(0),
			as:    Owner, at: day(1), when: stop,
			then: refused(StopNeedsTrial),
		},
		{
			name:  "nor a trial of the TRTC side",
			given: []step{trtc(), did(day(1), Operator, NoteTRTCStopped{App: testApp})},
			as:    Owner, at: day(2), when: stop,
			then: refused(StopNeedsTrial),
		},
		{
			name:  "nor a trial that an operator has stopped",
			given: []step{created(), did(day(1), Operator, because)},
			as:    Owner, at: day(2), when: stop,
			then: refused(AlreadyStopped),
		},
		{
			name:  "nor a deleted one",
			given: deletedTrial(),
			as:    Owner, at: day(2), when: stop,
			then: refused(AppDeletedAlready),
		},
		{
			name: "nor one that the account does not have",
			as:   Owner, at: day(2), when: stop,
			then: refused(AppNotFound),
		},
		{
			name:  "an operator stops any app, with a reason",
			given: pro(0),
			as:    Operator, at: day(1), when: because,
			then: events(AppStopped{about, CauseOperator, day(1)}),
		},
		{
			name:  "without a reason it is refused",
			given: pro(0),
			as:    Operator, at: day(1), when: stop,
			then: refused(ReasonRequired),
		},
		{
			name:  "and with one that nobody can see",
			given: pro(0),
			as:    Operator, at: day(1), when: StopApp{testApp, " \u200b\n"},
			then: refused(ReasonRequired),
		},
		{
			name:  "an operator's hold comes beside the owner's",
			given: []step{created(), did(day(1), Owner, stop)},
			as:    Operator, at: day(2), when: because,
			then: events(HoldAdded{about, CauseOperator, day(2)}),
		},
		{
			name:  "and beside one for money",
			given: and(pro(day(3)), ticked(day(10))),
			as:    Operator, at: day(11), when: because,
			then: events(HoldAdded{about, CauseOperator, day(11)}),
		},
		{
			name:  "an operator's hold that is in force is silence, also without a reason",
			given: and(pro(0), did(day(1), Operator, because)),
			as:    Operator, at: day(2), when: stop,
			then: silence,
		},
		{
			name:  "an app of the TRTC side is stopped there first",
			given: []step{trtc()},
			as:    Operator, at: day(1), when: because,
			then: refused(TRTCRunning),
		},
		{
			name:  "once that is noted, an operator may stop it",
			given: []step{trtc(), did(day(1), Operator, NoteTRTCStopped{App: testApp})},
			as:    Operator, at: day(2), when: because,
			then: events(AppStopped{about, CauseOperator, day(2)}),
		},
		{
			name:  "if it is back in service there, no more",
			given: []step{trtc(), did(day(1), Operator, NoteTRTCStopped{App: testApp}), did(day(2), Operator, NoteTRTCStarted{App: testApp})},
			as:    Operator, at: day(3), when: because,
			then: refused(TRTCRunning),
		},
		{
			name:  "an app of the TRTC side that is paid for is stopped as any other",
			given: []step{trtc(), did(day(1), Billing, paid("o1", Pro, day(1), 0))},
			as:    Operator, at: day(2), when: because,
			then: events(AppStopped{about, CauseOperator, day(2)}),
		},
		{
			name:  "an operator may not stop a deleted app",
			given: deletedTrial(),
			as:    Operator, at: day(2), when: because,
			then: refused(AppDeletedAlready),
		},
		{
			name: "nor one that is not there",
			as:   Operator, at: day(2), when: because,
			then: refused(AppNotFound),
		},
	})
}
