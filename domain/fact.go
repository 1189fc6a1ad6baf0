package domain

import (
	"fmt"
	"slices"
)

// By says what brought a change about.
type By string

// What can bring a change about.
const (
	byOrder       By = "order"
	byRefund      By = "refund"
	byOverdue     By = "overdue"
	bySettlement  By = "settlement"
	byVoiding     By = "voiding"
	byTime        By = "time"
	byStart       By = "start"
	byRetirement  By = "retirement"  // somebody retired a key
	byTRTC        By = "trtc_start"  // the TRTC side is in service again
	byRejudgement By = "rejudgement" // somebody had the app decided anew
)

// trigger is what caused the changes of one decision, and when that was true in the world.
type trigger struct {
	by          By
	effectiveAt Instant
}

func (t trigger) byUpstream() bool { return t.by != byTime && t.by != byStart && t.by != byRejudgement }

// recordUnlessKnown records a fact about an app. A message of the billing system is evidence and is kept even if it says nothing new;
// a command that says nothing new is silence.
func (d *draft) recordUnlessKnown(fact fact) error {
	app, err := d.app(fact.Subject())
	switch {
	case err != nil:
		return err
	case app.DeletedAt != 0:
		return refuse(AppDeletedAlready)
	case fact.report() == nil && fact.addsNothing(app):
		return nil
	}
	return d.record(app, fact)
}

// record takes a billing fact in, and lets the app's state follow from it: what the fact changes is recorded with it.
//
// What is due by time is left to the scheduler, also where its due has passed (an outage, the moment before a tick): it
// may fire only after all that had arrived by then was taken in. Until then the app's coverage stands where the last
// tick left it, just before the change that is due, and the fact is judged on that.
func (d *draft) record(app *App, fact fact) error {
	why := fact.trigger()
	if err := d.believe(why.effectiveAt, orderOf(fact)); err != nil {
		return err
	}
	d.follow(app, why, fact)
	return nil
}

// follow records a fact and what follows from it now.
func (d *draft) follow(app *App, why trigger, fact Event) {
	asOf, paid := d.asOf(app), app.tpnsPaid()
	d.emit(fact)
	d.reconcile(app, asOf, why)
	d.reconcileTPNS(app, paid)
}

// asOf is the instant of which the app's coverage is judged now: just before the change that is due, where one is.
func (d *draft) asOf(app *App) Instant {
	if due := app.Term.Due; due != 0 && due <= d.at.Now {
		return due - 1
	}
	return d.at.Now
}

// reconcile moves what is committed of an app to what its orders and invoices say as of an instant.
func (d *draft) reconcile(app *App, asOf Instant, why trigger) {
	d.reconcileCoverage(app, app.coverageAt(asOf), why)
	d.schedule(app, asOf)
	d.reconcileArrears(app, asOf, why)
}

// schedule sets when time changes the coverage next after an instant, and which expiries are ahead. Of an expiry that was
// known before, the notices stay as they were fixed then.
func (d *draft) schedule(app *App, after Instant) {
	next, expiries := app.ahead(after, app.covered())
	if next.same(app.Term) && slices.EqualFunc(expiries, app.Expiries, Expiry.same) {
		return
	}
	scheduled := TermScheduled{About: About{app.ID}, Due: next.Due, To: next.To, Cause: next.Cause}
	for _, x := range expiries {
		s := ScheduledExpiry{At: x.At, Cause: x.Cause, Edition: x.Edition}
		if known := app.expiry(x.At); known != nil && known.Edition == x.Edition {
			s.NoticeAt, s.Notices = known.Notice.At, known.Notice.Before
		} else {
			s.NoticeAt, s.Notices = noticesOf(d.terms(x.Edition).Notices, x.At, d.at.Now)
		}
		scheduled.Expiries = append(scheduled.Expiries, s)
	}
	d.emit(scheduled)
}

// same says whether the same edition ends at the same time and for the same cause, whatever notices it has.
func (x Expiry) same(o Expiry) bool {
	return x.At == o.At && x.Cause == o.Cause && x.Edition == o.Edition
}

// believe refuses what is effective further ahead of the clock than is believed. An order may be known long before it
// begins.
func (d *draft) believe(effectiveAt Instant, order *OrderTerms) error {
	most := d.at.Policy.MaxAhead
	if order != nil {
		most = max(most, d.terms(order.Edition).OrderAhead)
	}
	if effectiveAt > d.at.Now.Add(most) {
		return refuse(EffectiveTooFar)
	}
	return nil
}

// orderOf gives the terms of an order, nil for another fact.
func orderOf(f fact) *OrderTerms {
	if o, is := f.(OrderRecorded); is {
		return &o.Order
	}
	return nil
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
