package domain

import "fmt"

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
	byRetirement By = "retirement" // somebody retired a key
)

// trigger is what brings the changes of one decision about, and when that was true in the world.
type trigger struct {
	by          By
	effectiveAt Instant
}

func (t trigger) byUpstream() bool { return t.by != byTime && t.by != byStart }

// recordUnlessKnown records a fact about an app. A message of the billing system is evidence and is kept even if it says nothing new;
// a command that says nothing new is silence.
func (d *draft) recordUnlessKnown(fact fact) error {
	app, err := d.app(fact.Subject())
	switch {
	case err != nil:
		return err
	case fact.report() == nil && fact.addsNothing(app):
		return nil
	case app.DeletedAt != 0:
		return refuse(AppDeletedAlready)
	}
	return d.record(app, fact)
}

// record takes a billing fact in, and lets the app's state follow from it: what the fact changes is told now.
//
// What is due by time is left to the scheduler, also where its due has passed (an outage, the moment before a tick): it
// may fire only after all that had arrived by then was taken in. Until then the app's coverage stands where the last
// tick left it, just before the change that is due, and the fact is judged on that.
func (d *draft) record(app *App, fact fact) error {
	why := fact.trigger()
	if why.effectiveAt > d.at.Now.Add(d.at.Policy.MaxAhead) {
		return refuse(EffectiveTooFar)
	}
	d.follow(app, why, fact)
	return nil
}

// follow records a fact and what follows from it now.
func (d *draft) follow(app *App, why trigger, fact Event) {
	asOf := d.at.Now
	if due := app.Term.Due; due != 0 && due <= asOf {
		asOf = due - 1
	}
	d.emit(fact)
	d.reconcileCoverage(app, app.coverageAt(asOf), why)
	d.schedule(app, asOf)
	d.reconcileArrears(app, why)
}

// schedule sets when time changes the coverage next after an instant.
func (d *draft) schedule(app *App, after Instant) {
	next, set := app.nextTerm(after, app.covered()), app.Term
	if next.Due != set.Due || next.To != set.To || next.Cause != set.Cause {
		scheduled := TermScheduled{About: About{app.ID}, Due: next.Due, To: next.To, Cause: next.Cause}
		if next.Due != 0 && next.To == "" {
			scheduled.NoticeAt = d.at.Policy.noticeAt(next.Due, d.at.Now)
		}
		d.emit(scheduled)
	}
}

// checkVersion requires a version of a fact, which may be 0.
func checkVersion(field string, version int64, p *problems) {
	if version < 0 || version > MaxVersion {
		p.add(field, "out_of_range", fmt.Sprintf("must be from 0 to %d", MaxVersion))
	}
}

// checkTime requires a time.
func checkTime(field string, at Instant, p *problems) {
	if at <= 0 || at > MaxInstant {
		p.add(field, "invalid_time", errInstant.Error())
	}
}
