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
