package domain

import "slices"

// Cause says why an app lapsed or is stopped.
type Cause string

// The causes of holds. CauseRefund and CausePlanExpired are also the causes of a lapse.
const (
	CauseArrears     Cause = "arrears"
	CauseRefund      Cause = "refund"
	CausePlanExpired Cause = "plan_expired"
	CauseManual      Cause = "manual"
	CauseOperator    Cause = "operator"
)

// CauseOrder is no hold's: it is why time changes what an app has where an order begins.
const CauseOrder Cause = "order"

// CauseOfHold is all that the rules know of a cause for which an app can be stopped. Whoever adds a cause adds a row:
// what lists, shows, lifts or explains holds goes by the table.
type CauseOfHold struct {
	Cause Cause
	Means string  // in plain words, behind "stopped because"
	Due   DueKind // the due that puts it in force by rule; empty where people do
	Lifts []Role  // who lifts it by hand; empty where it ends only with what brought it about

	held    func(*App) Hold                                 // absent while it is not in force
	set     func(app *App, effectiveAt, recordedAt Instant) // both 0: lifted
	explain func(*inquiry)
}

// ByRule says whether a hold of this cause follows from the facts by time, not from what people do.
func (c CauseOfHold) ByRule() bool { return c.Due != "" }

// Lapses says whether it is the cause of a lapse too.
func (c CauseOfHold) Lapses() bool { return c.Due == DueLapse }

// liftedBy says whether somebody in this role lifts it by hand.
func (c CauseOfHold) liftedBy(role Role) bool { return slices.Contains(c.Lifts, role) }

// causes is the table, in the order in which holds that are effective at one instant are shown.
var causes = [...]CauseOfHold{
	{
		Cause: CauseArrears, Means: "an invoice was overdue for the whole grace", Due: DueArrears,
		held: func(a *App) Hold { return Hold{a.Arrears.StopDue, a.Arrears.HeldAt} },
		set:  func(a *App, _, recordedAt Instant) { a.Arrears.HeldAt = recordedAt },
		explain: func(w *inquiry) {
			w.arrears()
			w.add(w.changed(func(a *App) any { return a.Arrears.HeldAt }))
		},
	},
	lapsing(CauseRefund, "the order that covered it was refunded, and none covered it for the whole grace"),
	lapsing(CausePlanExpired, "its term ended, and no order covered it for the whole grace"),
	{
		Cause: CauseManual, Means: "its owner stopped it", Lifts: []Role{Owner, Operator},
		held:    func(a *App) Hold { return a.Manual },
		set:     func(a *App, effectiveAt, recordedAt Instant) { a.Manual = Hold{effectiveAt, recordedAt} },
		explain: func(w *inquiry) { w.since(func(a *App) any { return a.Manual }) },
	},
	{
		Cause: CauseOperator, Means: "an operator stopped it", Lifts: []Role{Operator},
		held:    func(a *App) Hold { return a.Operator },
		set:     func(a *App, effectiveAt, recordedAt Instant) { a.Operator = Hold{effectiveAt, recordedAt} },
		explain: func(w *inquiry) { w.since(func(a *App) any { return a.Operator }) },
	},
}

// lapsing is the row of a cause that an app lapses for.
func lapsing(cause Cause, means string) CauseOfHold {
	return CauseOfHold{
		Cause: cause, Means: means, Due: DueLapse,
		held: func(a *App) Hold {
			if a.Lapse.Cause != cause {
				return Hold{}
			}
			return Hold{a.Lapse.StopDue, a.Lapse.HeldAt}
		},
		set: func(a *App, _, recordedAt Instant) { a.Lapse.HeldAt = recordedAt },
		explain: func(w *inquiry) {
			w.lapse()
			w.add(w.changed(func(a *App) any { return a.Lapse.HeldAt }))
		},
	}
}

// Causes lists the causes of holds in the order in which holds that are effective at one instant are shown.
func Causes() []CauseOfHold { return causes[:] }

// row is a cause's row of the table; nil for one that stops nothing.
func (c Cause) row() *CauseOfHold {
	for i := range causes {
		if causes[i].Cause == c {
			return &causes[i]
		}
	}
	return nil
}

// byRule says whether a hold of this cause follows from the facts by time, not from what people do.
func (c Cause) byRule() bool { row := c.row(); return row == nil || row.ByRule() }
