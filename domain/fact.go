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
	if next, pending := d.pending(app); after == before && pending {
		d.reschedule(app, next)
	} else {
		d.cover(app, after, why)
		d.schedule(app, d.at.Now)
	}
	d.owe(app, why)
	return nil
}

// pending finds the change of coverage that was due and has not fired yet. It is false if nothing was due, and also
// where the fact just recorded took its due time away, so that no tick would find it.
func (d *draft) pending(app *App) (Term, bool) {
	due := app.Term.Due
	if due == 0 || due > d.at.Now {
		return Term{}, false
	}
	next := app.nextTerm(due-1, app.covered())
	return next, next.Due != 0 && next.Due <= d.at.Now
}

// schedule sets when time changes the coverage next.
func (d *draft) schedule(app *App, after Instant) {
	d.reschedule(app, app.nextTerm(after, app.covered()))
}

func (d *draft) reschedule(app *App, next Term) {
	if set := app.Term; next.Due != set.Due || next.To != set.To || next.Cause != set.Cause {
		d.emit(TermScheduled{About{app.ID}, next.Due, next.To, next.Cause})
	}
}

// checkEffective requires a time of a fact.
func checkEffective(field string, at Instant, p *problems) {
	if at <= 0 || at > MaxInstant {
		p.add(field, "invalid_time", errInstant.Error())
	}
}
