package domain

// By says what brought a change about.
type By string

// What can bring a change about.
const (
	byOrder      By = "order"
	byRefund     By = "refund"
	byOverdue    By = "overdue"
	bySettlement By = "settlement"
	byVoiding    By = "voiding"
	byTime       By = "time"
	byStart      By = "start"
)

// trigger is what brings the changes of one decision about, and when that was true in the world.
type trigger struct {
	by          By
	effectiveAt Instant
}

func (t trigger) byUpstream() bool { return t.by != byTime && t.by != byStart }

// record takes a billing fact in, and lets the app's state follow from it: what changes now is told now. What is due by
// time is left to the scheduler, also where its due has passed: it may fire only after all that had arrived by then was
// taken in.
func (d *draft) record(app *App, effectiveAt Instant, by By, fact Event) error {
	if effectiveAt > d.at.Now.Add(d.at.Policy.MaxAhead) {
		return refuse(EffectiveTooFar)
	}
	before := app.coverageAt(d.at.Now)
	d.emit(fact)
	why := trigger{by, effectiveAt}
	after := app.coverageAt(d.at.Now)
	pending := app.Term.Due != 0 && app.Term.Due <= d.at.Now
	if after != before {
		d.cover(app, after, why)
		pending = false
	}
	if pending {
		d.schedule(app, app.Term.Due-1)
	} else {
		d.schedule(app, d.at.Now)
	}
	d.owe(app, why)
	return nil
}

// schedule sets when time changes the coverage next.
func (d *draft) schedule(app *App, after Instant) {
	next, set := app.nextTerm(after, app.covered()), app.Term
	if next.Due != set.Due || next.To != set.To || next.Cause != set.Cause {
		d.emit(TermScheduled{About{app.ID}, next.Due, next.To, next.Cause})
	}
}

// checkEffective requires a time of a fact.
func checkEffective(field string, at Instant, p *problems) {
	if at <= 0 || at > MaxInstant {
		p.add(field, "invalid_time", errInstant.Error())
	}
}
