package domain

import (
	"errors"
	"testing"
)

func TestRenumberApp(t *testing.T) {
	again := RenumberApp{testApp}
	other := About{testApp + 1}
	moved := func(base Edition) AppImported { return AppImported{other, "shop", "other", "", day(0), base} }
	gone := func(n int) AppRenumbered { return AppRenumbered{about, other.App, day(n)} }
	o1 := terms("o1", Pro, day(1), day(30))
	check(t, []row{
		{
			name:  "an app goes on under another number",
			given: []step{created()},
			as:    Operator, at: day(1), when: again,
			then: events(moved(Trial), gone(1)),
		},
		{
			name: "with its orders and invoices, from which its edition and what it owes follow anew",
			given: and([]step{created()}, did(day(1), Billing, RecordOrder{App: testApp, Order: o1}),
				did(day(2), Billing, MarkArrears{App: testApp, Invoice: "i1", Version: 1, EffectiveAt: day(2), Amount: debt}),
				did(day(3), Billing, SettleArrears{App: testApp, Invoice: "i1", Version: 1, EffectiveAt: day(3)}),
				did(day(3), Billing, MarkArrears{App: testApp, Invoice: "i2", Version: 1, EffectiveAt: day(3), Amount: debt})),
			as: Operator, at: day(4), when: again,
			then: events(moved(Trial), OrderRecorded{other, o1, Billing, nil},
				InvoiceOverdueRecorded{other, "i1", 1, day(2), debt, nil}, InvoiceSettledRecorded{other, "i1", 1, day(3), nil},
				InvoiceOverdueRecorded{other, "i2", 1, day(3), debt, nil},
				EditionChanged{other, Trial, Pro, byOrder, day(0)}, TermScheduled{other, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)},
				ArrearsStarted{About: other, Grace: Grace{Since: day(3), StopDue: day(10), Edition: Pro}}, gone(4)),
		},
		{
			name:  "with the holds that people put on it, effective from now on",
			given: []step{created(), did(day(1), Operator, StopApp{testApp, "abuse"})},
			as:    Operator, at: day(2), when: again,
			then: events(moved(Trial), AppStopped{other, CauseOperator, day(2)}, gone(2)),
		},
		{
			name:  "with its administrators and what is turned on, and without its keys and certificates",
			given: []step{created(), did(day(1), Owner, AddAdmins{testApp, []string{"alice"}}), did(day(1), Owner, IssueKey{testApp, first})},
			as:    Operator, at: day(2), when: again,
			then: events(moved(Trial), AdminsAdded{other, []string{"alice"}}, gone(2)),
		},
		{
			name:  "under the number that it had, commands are told that it has another",
			given: []step{created(), did(day(1), Operator, again)},
			as:    Billing, at: day(2), when: MarkArrears{App: testApp, Invoice: "i1", Version: 1, EffectiveAt: day(2), Amount: debt},
			then: refused(AppHasOtherNumber),
		},
		{
			name:  "a deleted app keeps its number",
			given: deletedTrial(),
			as:    Operator, at: day(3), when: again,
			then: refused(AppDeletedAlready),
		},
		{
			name: "an unknown app",
			as:   Operator, at: day(2), when: again,
			then: refused(AppNotFound),
		},
	})
}

// TestRenumberingTakesASharedNumber: an app whose number nobody else has keeps it.
func TestRenumberingTakesASharedNumber(t *testing.T) {
	w := newWorld(DefaultPolicy())
	created()(t, w)
	_, err := Decide(w.account(acme), RenumberApp{testApp}, Moment{Now: day(1), Policy: w.policy, Role: Operator, NewApp: testApp + 1})
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Code != NumberNotShared {
		t.Errorf("%v, want it refused as not shared", err)
	}
}

// TestRenumberingKeepsThePlaceInTheQuota: the app counts once.
func TestRenumberingKeepsThePlaceInTheQuota(t *testing.T) {
	w := newWorld(DefaultPolicy())
	created()(t, w)
	did(day(1), Operator, RenumberApp{testApp})(t, w)
	if acc := w.account(acme); acc.InUse != 1 || len(acc.Apps) != 2 || acc.Apps[testApp].Status() != Deleted || acc.Apps[testApp+1].Status() != Active {
		t.Errorf("%d in use of %d apps", acc.InUse, len(acc.Apps))
	}
}
