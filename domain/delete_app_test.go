package domain

import (
	"errors"
	"testing"
)

func TestDeleteApp(t *testing.T) {
	confirmed := DeleteApp{testApp, "shop"}
	stoppedTrial := []step{created(), did(day(1), Owner, StopApp{App: testApp})}
	check(t, []row{
		{
			name:  "an owner deletes a stopped trial, repeating its name",
			given: stoppedTrial,
			as:    Owner, at: day(2), when: confirmed,
			then: events(AppDeleted{about, day(2)}),
		},
		{
			name:  "whoever stopped it",
			given: []step{created(), did(day(1), Operator, StopApp{testApp, "abuse"})},
			as:    Owner, at: day(2), when: confirmed,
			then: events(AppDeleted{about, day(2)}),
		},
		{
			name:  "deleting what is deleted is silence, confirmed or not",
			given: deletedTrial(),
			as:    Owner, at: day(2), when: DeleteApp{App: testApp},
			then: silence,
		},
		{
			name:  "without a confirmation it is refused, with the list of what will be lost",
			given: stoppedTrial,
			as:    Owner, at: day(2), when: DeleteApp{App: testApp},
			then: refused(ConfirmationRequired),
		},
		{
			name:  "another name confirms nothing",
			given: stoppedTrial,
			as:    Owner, at: day(2), when: DeleteApp{testApp, "Shop"},
			then: refused(ConfirmationRequired),
		},
		{
			name:  "an app in service is stopped first",
			given: []step{created()},
			as:    Owner, at: day(2), when: confirmed,
			then: refused(NotStopped),
		},
		{
			name:  "a paid app is deleted on request only",
			given: and(pro(0), did(day(1), Operator, StopApp{testApp, "abuse"})),
			as:    Owner, at: day(2), when: confirmed,
			then: refused(DeletionNeedsRequest),
		},
		{
			name:  "by an operator too",
			given: and(pro(0), did(day(1), Operator, StopApp{testApp, "abuse"})),
			as:    Operator, at: day(2), when: confirmed,
			then: refused(DeletionNeedsRequest),
		},
		{
			name:  "so is one of the TRTC side",
			given: []step{trtc(), did(day(1), Operator, NoteTRTCStopped{App: testApp}), did(day(1), Operator, StopApp{testApp, "abuse"})},
			as:    Owner, at: day(2), when: confirmed,
			then: refused(DeletionNeedsRequest),
		},
		{
			name: "an unknown app",
			as:   Owner, at: day(2), when: confirmed,
			then: refused(AppNotFound),
		},
	})
}

// TestDeletionSaysWhatIsLost: the refusal lists it before it is confirmed.
func TestDeletionSaysWhatIsLost(t *testing.T) {
	w := newWorld(DefaultPolicy())
	created()(t, w)
	did(day(1), Owner, StopApp{App: testApp})(t, w)
	_, err := w.run(t, acme, day(2), Owner, DeleteApp{App: testApp})
	var refusal *Refusal
	if !errors.As(err, &refusal) || len(refusal.Losses) == 0 {
		t.Errorf("%v, want a refusal with losses", err)
	}
}

// TestDeletionIsFinal: nothing is due, nothing holds, and the place in the quota is free.
func TestDeletionIsFinal(t *testing.T) {
	w := newWorld(DefaultPolicy())
	for _, s := range deletedTrial() {
		s(t, w)
	}
	acc := w.account(acme)
	app := acc.Apps[testApp]
	if app.Status() != Deleted || len(app.Dues()) != 0 || acc.InUse != 0 {
		t.Errorf("status %s, dues %v, apps in use %d", app.Status(), app.Dues(), acc.InUse)
	}
}
