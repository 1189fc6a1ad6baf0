package domain

import "fmt"

// Lapse is the time for which no order covers an app that was bought. It is absent while Since is.
type Lapse struct {
	Cause   Cause   `json:"cause"` // refund or plan_expired
	Since   Instant `json:"since"`
	StopDue Instant `json:"stop_due"`         // Since and the grace of the moment in which it was set
	Edition Edition `json:"edition,omitzero"` // that the app had at Since: the grace goes by it
	Episode uint64  `json:"episode"`
	HeldAt  Instant `json:"held_at,omitzero"` // when the stop was recorded; absent while it is not in force
	Notice  Notice  `json:"notice,omitzero"`  // of the stop
}

// Lapsed says that no order covers the app any more.
type Lapsed struct {
	About
	Cause Cause `json:"cause"`
	Grace
}

func (Lapsed) Type() string { return "app.lapsed.v2" }

func (e Lapsed) apply(acc *Account) { acc.change(e.App).Lapse.set(e.Cause, e.Grace, acc, Lapse{}) }

func (Lapsed) derived() bool { return true }

func (e Lapsed) describe() string {
	return fmt.Sprintf("no order covers the app since %s (%s); %s", e.Since, e.Cause, graced(e.Since, e.StopDue))
}

// LapseMoved says that the app lapsed at another time than was known, or had another edition then, and so another grace.
// A stop that is in force stays so, effective at the new due time; if that lies ahead, the event before this one has
// lifted it.
type LapseMoved struct {
	About
	Cause Cause `json:"cause"`
	Grace
}

func (LapseMoved) Type() string { return "app.lapse_moved.v2" }

func (e LapseMoved) apply(acc *Account) {
	app := acc.change(e.App)
	app.Lapse.set(e.Cause, e.Grace, acc, app.Lapse)
}

// set makes the lapse what an event says, going on from what it was. A due that stays at its time stays the episode that
// it is, with its stop.
func (l *Lapse) set(cause Cause, g Grace, acc *Account, was Lapse) {
	*l = Lapse{
		Cause: cause, Since: g.Since, StopDue: g.StopDue, Edition: g.Edition, Episode: episode(acc, g.StopDue),
		HeldAt: moved(was.HeldAt, acc), Notice: notice(g.NoticeAt, g.Notices, acc),
	}
	if was.StopDue == g.StopDue {
		l.Episode, l.HeldAt = was.Episode, was.HeldAt
	}
}

func (LapseMoved) derived() bool { return true }

func (e LapseMoved) describe() string {
	return fmt.Sprintf("no order covers the app since %s, as is known now (%s); %s", e.Since, e.Cause, graced(e.Since, e.StopDue))
}

// LapseRenamed says that the app lapsed for another reason than was known, at the same time.
type LapseRenamed struct {
	About
	Cause Cause `json:"cause"`
}

func (LapseRenamed) Type() string { return "app.lapse_renamed.v1" }

func (e LapseRenamed) apply(acc *Account) { acc.change(e.App).Lapse.Cause = e.Cause }

func (LapseRenamed) derived() bool { return true }

func (e LapseRenamed) describe() string { return fmt.Sprintf("the lapse is due to: %s", e.Cause) }

// LapseEnded says that an order covers the app again.
type LapseEnded struct {
	About
	By          By      `json:"by"`
	EffectiveAt Instant `json:"effective_at"`
}

func (LapseEnded) Type() string { return "app.lapse_ended.v1" }

func (e LapseEnded) apply(acc *Account) {
	acc.change(e.App).Lapse = Lapse{}
}

func (LapseEnded) derived() bool { return true }

func (e LapseEnded) describe() string {
	return fmt.Sprintf("an order covers the app again, by %s, from %s", e.By, e.EffectiveAt)
}

// reconcileCoverage moves what is committed of the app's coverage to what it is now.
func (d *draft) reconcileCoverage(app *App, is coverage, why trigger) {
	if was := app.Edition; was != is.edition {
		d.emit(EditionChanged{About{app.ID}, was, is.edition, why.by, why.effectiveAt})
	}
	switch was := app.Lapse; {
	case was.Since == 0 && is.since == 0:
	case was.Since == 0:
		d.emit(Lapsed{About{app.ID}, is.cause, d.grace(is.since, is.edition)})
	case is.since == 0:
		d.release(app, was.Cause, why)
		d.emit(LapseEnded{About{app.ID}, why.by, why.effectiveAt})
	case was.Since != is.since, was.Edition != "" && was.Edition != is.edition:
		g := d.grace(is.since, is.edition)
		if g.StopDue > d.at.Now {
			d.release(app, was.Cause, why)
		}
		d.emit(LapseMoved{About{app.ID}, is.cause, g})
	case was.Cause != is.cause:
		d.emit(LapseRenamed{About{app.ID}, is.cause})
	}
}
