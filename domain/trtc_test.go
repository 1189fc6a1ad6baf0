package domain

import "testing"

func TestNoteTRTC(t *testing.T) {
	stopped, started := NoteTRTCStopped{testApp}, NoteTRTCStarted{testApp}
	paidFor := did(day(1), Billing, paid("o1", Pro, day(1), 0))
	check(t, []row{
		{
			name:  "the TRTC side says that its half is stopped",
			given: []step{trtc()},
			as:    Operator, at: day(1), when: stopped,
			then: events(TRTCStopNoted{about}),
		},
		{
			name:  "that it is in service again",
			given: []step{trtc(), did(day(1), Operator, stopped)},
			as:    Operator, at: day(2), when: started,
			then: events(TRTCStartNoted{about}),
		},
		{
			name:  "that it is in service, which was so from the start",
			given: []step{trtc()},
			as:    Operator, at: day(1), when: started,
			then: silence,
		},
		{
			name:  "what is noted already stays silence after the app was paid for",
			given: []step{trtc(), did(day(1), Operator, stopped), paidFor},
			as:    Operator, at: day(2), when: stopped,
			then: silence,
		},
		{
			name:  "anything else about an app that was paid for is refused",
			given: []step{trtc(), paidFor},
			as:    Operator, at: day(2), when: stopped,
			then: refused(NotTRTCTrial),
		},
		{
			name:  "a trial of this side has no other",
			given: []step{created()},
			as:    Operator, at: day(1), when: stopped,
			then: refused(NotTRTCTrial),
		},
		{
			name:  "nor can it be in service there",
			given: []step{created()},
			as:    Operator, at: day(1), when: started,
			then: refused(NotTRTCTrial),
		},
		{
			name:  "a deleted app",
			given: deletedTrial(),
			as:    Operator, at: day(2), when: stopped,
			then: refused(AppDeletedAlready),
		},
		{
			name: "an unknown app",
			as:   Operator, at: day(1), when: stopped,
			then: refused(AppNotFound),
		},
	})
}
