package domain

import "testing"

// TestStopShown: holds are independent; shown is the one effective first, at one instant in the order of causes.
func TestStopShown(t *testing.T) {
	arrears := Arrears{Since: day(1), StopDue: day(8), HeldAt: day(9)}
	refunded := Lapse{Cause: CauseRefund, Since: day(1), StopDue: day(8), HeldAt: day(10)}
	manual, operator := Hold{day(8), day(8)}, Hold{day(8), day(8)}
	earlier := refunded
	earlier.Cause, earlier.StopDue = CausePlanExpired, day(7)
	pending := arrears
	pending.HeldAt = 0
	for _, c := range []struct {
		name   string
		app    App
		want   Stop
		status Status
	}{
		{"in service", App{}, Stop{}, Active},
		{"in arrears whose due is not reached", App{Arrears: pending}, Stop{}, Active},
		{"lapsed, and no hold in force", App{Lapse: Lapse{Cause: CauseRefund, Since: day(1), StopDue: day(8)}}, Stop{}, Expired},
		{"arrears before all others", App{Arrears: arrears, Lapse: refunded, Manual: manual, Operator: operator}, Stop{CauseArrears, day(8), day(9)}, Stopped},
		{"a lapse before people", App{Lapse: refunded, Manual: manual, Operator: operator}, Stop{CauseRefund, day(8), day(10)}, Stopped},
		{"the owner before an operator", App{Manual: manual, Operator: operator}, Stop{CauseManual, day(8), day(8)}, Stopped},
		{"an operator", App{Operator: operator}, Stop{CauseOperator, day(8), day(8)}, Stopped},
		{"the one effective first before the order of causes", App{Arrears: arrears, Lapse: earlier}, Stop{CausePlanExpired, day(7), day(10)}, Stopped},
		{"a deleted app is not stopped", App{Operator: operator, DeletedAt: day(9)}, Stop{}, Deleted},
	} {
		t.Run(c.name, func(t *testing.T) {
			stop, stopped := c.app.Stop()
			if stop != c.want || stopped != (c.want != Stop{}) {
				t.Errorf("stop %+v (%t), want %+v", stop, stopped, c.want)
			}
			if got := c.app.Status(); got != c.status {
				t.Errorf("status %s, want %s", got, c.status)
			}
		})
	}
}

func TestAMovedStopIsRecordedWithWhatMovedIt(t *testing.T) {
	about := About{App: FirstApp}
	acc := NewAccount("acme")
	acc.Apply(Recorded{At: 100, Position: 1},
		AppCreated{About: about, Name: "app", CreatedAt: 1},
		ArrearsStarted{About: about, Grace: Grace{Since: 10, StopDue: 90}},
		AppStopped{About: about, Cause: CauseArrears, EffectiveAt: 90},
	)
	acc.Apply(Recorded{At: 120, Position: 2}, ArrearsMoved{About: about, Grace: Grace{Since: 30, StopDue: 110}})
	want := Stop{Cause: CauseArrears, EffectiveAt: 110, RecordedAt: 120}
	if got, stopped := acc.Apps[FirstApp].Stop(); !stopped || got != want {
		t.Errorf("after its due moved: %+v, want %+v", got, want)
	}
	acc.Apply(Recorded{At: 130, Position: 3}, ArrearsEnded{About: about, By: "settlement", EffectiveAt: 125},
		ArrearsStarted{About: about, Grace: Grace{Since: 50, StopDue: 140}}, ArrearsMoved{About: about, Grace: Grace{Since: 60, StopDue: 150}})
	if got, stopped := acc.Apps[FirstApp].Stop(); stopped {
		t.Errorf("a due that moves before its stop stops nothing: %+v", got)
	}
}
