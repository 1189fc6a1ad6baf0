package domain

import "testing"

func TestDeletionRequest(t *testing.T) {
	const id = "1400000001-8"
	ask := RequestDeletion{testApp, "moved away"}
	asked := events(DeletionRequested{about, id, "owner", "moved away"})
	approve, reject := ApproveDeletion{testApp, id}, RejectDeletion{testApp, id, "a bill is open"}
	expired := and(pro(day(10)), ticked(day(17)))
	open := and(expired, did(day(18), Owner, ask))
	trtcStopped := []step{
		trtc(), did(day(1), Billing, NoteTRTCStopped{App: testApp}), did(day(1), Operator, StopApp{testApp, "abuse"}), did(day(2), Owner, ask),
	}
	const trtcID = "1400000001-4"
	check(t, []row{
		{name: "the owner of a stopped paid app asks", given: expired, as: Owner, at: day(18), when: ask, then: asked},
		{name: "once", given: open, as: Owner, at: day(19), when: RequestDeletion{App: testApp}, then: silence},
		{name: "not while it is in service", given: pro(0), as: Owner, at: day(1), when: ask, then: refused(NotStopped)},
		{
			name: "a trial's owner deletes it without asking", given: []step{created(), did(day(1), Owner, StopApp{App: testApp})},
			as: Owner, at: day(2), when: ask, then: refused(DeletionNeedsNoRequest),
		},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: ask, then: refused(AppDeletedAlready)},
		{
			name: "an operator approves, and the app is deleted", given: open,
			as: Operator, at: day(19), when: approve, then: events(DeletionApproved{about, id}, AppDeleted{about, day(19)}),
		},
		{name: "there is no such request", given: expired, as: Operator, at: day(19), when: approve, then: refused(RequestNotFound)},
		{name: "or it is another one", given: open, as: Operator, at: day(19), when: ApproveDeletion{testApp, "x"}, then: refused(RequestNotFound)},
		{
			name: "an operator says no, with a reason", given: open,
			as: Operator, at: day(19), when: reject, then: events(DeletionRejected{about, id, "a bill is open"}),
		},
		{name: "and not without", given: open, as: Operator, at: day(19), when: RejectDeletion{App: testApp, Request: id}, then: refused(RejectionNeedsReason)},
		{name: "nor with one that nobody can see", given: open, as: Operator, at: day(19), when: RejectDeletion{testApp, id, "\u00a0\u2060"}, then: refused(RejectionNeedsReason)},
		{name: "what was rejected is not approved", given: and(open, did(day(19), Operator, reject)), as: Operator, at: day(20), when: approve, then: refused(RequestClosed)},
		{
			name: "the owner may ask again", given: and(open, did(day(19), Operator, reject)),
			as: Owner, at: day(20), when: ask, then: events(DeletionRequested{about, "1400000001-10", "owner", "moved away"}),
		},
		{
			name: "a reinstated app is not deleted: the request is withdrawn", given: open,
			as: Billing, at: day(19), when: paid("o2", Pro, day(19), 0),
			then: events(
				recorded(paid("o2", Pro, day(19), 0)),
				AppReinstated{about, CausePlanExpired, byOrder, day(19), false},
				DeletionWithdrawn{about, id, byOrder},
				LapseEnded{about, byOrder, day(19)},
			),
		},
		{
			name: "and cannot be approved any more", given: and(open, did(day(19), Billing, paid("o2", Pro, day(19), 0))),
			as: Operator, at: day(20), when: approve, then: refused(RequestClosed),
		},
		{
			name: "an app of the TRTC side is deleted while that is stopped", given: trtcStopped,
			as: Operator, at: day(3), when: ApproveDeletion{testApp, trtcID},
			then: events(DeletionApproved{about, trtcID}, AppDeleted{about, day(3)}),
		},
		{
			name: "and not while it runs", given: and(trtcStopped, did(day(3), Billing, NoteTRTCStarted{App: testApp})),
			as: Operator, at: day(4), when: ApproveDeletion{testApp, trtcID}, then: refused(RequestClosed),
		},
		{
			name: "the request is withdrawn as that side starts", given: trtcStopped,
			as: Billing, at: day(3), when: NoteTRTCStarted{App: testApp},
			then:  events(TRTCStartNoted{About: about}, DeletionWithdrawn{about, trtcID, byTRTC}),
			again: events(TRTCStartNoted{About: about}),
		},
		{
			name: "and rejecting it then is too late", given: and(trtcStopped, did(day(3), Billing, NoteTRTCStarted{App: testApp})),
			as: Operator, at: day(4), when: RejectDeletion{testApp, trtcID, "no"}, then: refused(RequestClosed),
		},
		{
			name: "a request that was rejected stays known when there is a later one", given: and(open, did(day(4), Operator, RejectDeletion{testApp, id, "no"}), did(day(5), Owner, ask)),
			as: Operator, at: day(6), when: ApproveDeletion{testApp, id}, then: refused(RequestClosed),
		},
		{
			name: "rejecting it again is silence", given: and(open, did(day(4), Operator, RejectDeletion{testApp, id, "no"}), did(day(5), Owner, ask)),
			as: Operator, at: day(6), when: RejectDeletion{testApp, id, "no"}, then: silence,
		},
	})
}
