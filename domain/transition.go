package domain

import (
	"fmt"
	"slices"
)

// DueKind says which of an app's due times a transition is.
type DueKind string

// The due times that an app can have, in the order in which they fire at one instant.
const (
	DueTerm        DueKind = "term"        // the coverage changes
	DueArrears     DueKind = "arrears"     // the grace after falling into arrears ends
	DueLapse       DueKind = "lapse"       // the grace after lapsing ends
	DueKey         DueKind = "key"         // the overlap of a rotated key ends
	DueCertificate DueKind = "certificate" // a notice of a certificate's end, or its end
	DueNotice      DueKind = "notice"      // a notice of a stop or an expiry
)

// Kinds lists the kinds of dues in the order in which they fire at one instant. Their places are stored: new ones go
// to the end.
func Kinds() []DueKind {
	return []DueKind{DueTerm, DueArrears, DueLapse, DueKey, DueCertificate, DueNotice}
}

// Lifecycle says whether a due of this kind changes the app's status or edition.
func (k DueKind) Lifecycle() bool { return k == DueTerm || k == DueArrears || k == DueLapse }

// Due is something that time will do to an app unless its cause ends before.
type Due struct {
	Kind    DueKind
	At      Instant
	Episode uint64 // the account's version at which it was set
	To      string // a status, "edition:" and an edition, empty where orders begin or end and both stay, "notice:" and the time of what it warns of, "key:retired", "certificate:notice" or "certificate:expired"
	Cause   Cause  // of the stop or the expiry; why the order ends, for an edition
}

// NoticeOf begins what a notice leads to; behind it stands the time of what it warns of. From then on the notice is due no
// more, as it says nothing any more.
const NoticeOf = "notice:"

// Dues lists what time will do to the app, soonest first; none for a deleted app.
func (a *App) Dues() []Due {
	if a.DeletedAt != 0 {
		return nil
	}
	dues := make([]Due, 0, len(Kinds()))
	add := func(d Due) {
		at := len(dues)
		for at > 0 && dues[at-1].At > d.At {
			at--
		}
		dues = append(dues, d)
		copy(dues[at+1:], dues[at:])
		dues[at] = d
	}
	if t := a.Term; t.Due != 0 {
		to := a.leadsTo(a.covered(), a.coverageThen())
		add(Due{DueTerm, t.Due, t.Episode, to, t.Cause})
		if to == "" { // what is seen of the orders comes later
			if next, found := a.nextChange(); found {
				add(next)
			}
		}
	}
	if r := a.Arrears; r.Since != 0 && r.HeldAt == 0 {
		add(Due{DueArrears, r.StopDue, r.Episode, string(Stopped), CauseArrears})
	}
	if l := a.Lapse; l.Since != 0 && l.HeldAt == 0 && !a.lapseEndsInTime() {
		add(Due{DueLapse, l.StopDue, l.Episode, string(Stopped), l.Cause})
	}
	if k := a.keyDue(); k != nil {
		add(Due{DueKey, k.Until, k.Episode, "key:retired", ""})
	}
	if c := a.nextCertificate(); c != nil {
		to := "certificate:notice"
		if c.ends() {
			to = "certificate:expired"
		}
		add(Due{DueCertificate, c.Due, c.Episode, to, ""})
	}
	if w, owed := a.nextWarning(); owed {
		add(Due{DueNotice, w.At, w.Episode, NoticeOf + w.due.String(), ""})
	}
	return dues
}

// leadsTo is what a change of coverage makes of the app: the status that it then has or, where that stays,
// the edition; empty where both stay. Only stops that are in force now count: another that is due before may be prevented.
func (a *App) leadsTo(was, will coverage) string {
	others := slices.ContainsFunc(Causes(), func(c CauseOfHold) bool { return !c.Lapses() && c.held(a).RecordedAt != 0 })
	lapseHeld := was.since == a.Lapse.Since && a.Lapse.HeldAt != 0
	status := func(lapsed, held bool) Status {
		switch {
		case others || held:
			return Stopped
		case lapsed:
			return Expired
		}
		return Active
	}
	before, after := status(was.since != 0, lapseHeld), status(will.since != 0, lapseHeld && will.since == was.since)
	switch {
	case before != after:
		return string(after)
	case was.edition != will.edition:
		return toEdition + string(will.edition)
	}
	return ""
}

// toEdition begins what a change of the edition alone leads to.
const toEdition = "edition:"

// coverageThen is what the orders make of the app when its coverage changes next.
func (a *App) coverageThen() coverage {
	switch {
	case a.Term.To != "":
		return coverage{edition: a.Term.To}
	case a.Lapse.Since == 0:
		return coverage{a.Edition, a.Term.Due, a.Term.Cause}
	}
	return a.coverageAt(a.Term.Due) // an order that ends as it begins
}

// nextChange is the first change of coverage to come that changes the status or the edition, behind the next one of all.
func (a *App) nextChange() (Due, bool) {
	was := a.coverageAt(a.Term.Due)
	for at := range a.changes(a.Term.Due) {
		will := a.coverageAt(at)
		if to := a.leadsTo(was, will); to != "" {
			return Due{DueTerm, at, a.Term.Episode, to, a.termAt(at, will).Cause}, true
		}
		was = will
	}
	return Due{}, false
}

// Transitions lists what time will do to the app's status and edition, soonest first: its dues without notices, keys and
// certificates.
func (a *App) Transitions() []Due {
	return slices.DeleteFunc(a.Dues(), func(d Due) bool { return !d.Kind.Lifecycle() || d.To == "" })
}

// NextTransition is the first of them, false if there is none.
func (a *App) NextTransition() (Due, bool) {
	if next := a.Transitions(); len(next) > 0 {
		return next[0], true
	}
	return Due{}, false
}

// FireTransition is the scheduler's: what was due has come. It is silent if that is no longer so, so that a doubled or
// late command does nothing.
type FireTransition struct {
	App     AppID   `json:"app"`
	Kind    DueKind `json:"kind"`
	Episode uint64  `json:"episode"`
}

func (FireTransition) Name() string { return "fire_transition" }

func (c FireTransition) Subject() AppID { return c.App }

// ID is the command's id, derived from the episode so that it fires once, whoever sends it.
func (c FireTransition) ID() string { return fmt.Sprintf("auto/%d/%s/%d", c.App, c.Kind, c.Episode) }

func (c FireTransition) decide(d *draft) error {
	if gone := d.from.Apps[c.App]; gone != nil && gone.DeletedAt != 0 {
		return nil
	}
	app, err := d.app(c.App)
	if err != nil {
		return err
	}
	for _, due := range app.Dues() {
		if due.Kind != c.Kind || due.Episode != c.Episode || due.At > d.at.Now {
			continue
		}
		d.fire(app, due)
		return nil
	}
	return nil
}

// broughtAt is what brings a change of coverage about at an instant: an order that begins then, be it for no time, or time
// alone.
func (a *App) broughtAt(t Instant) trigger {
	if a.Orders.next(t-1, begins) == t {
		return trigger{byOrder, t}
	}
	return trigger{byTime, t}
}

// fire lets happen what was due.
func (d *draft) fire(app *App, due Due) {
	switch due.Kind {
	case DueTerm:
		d.reconcile(app, due.At, app.broughtAt(due.At))
	case DueArrears, DueLapse:
		d.hold(app, due.Cause, due.At)
	case DueKey:
		d.retireDue(app, due.At)
	case DueCertificate:
		d.expire(app, due.At)
	case DueNotice:
		d.give(app, due.At)
	}
}
