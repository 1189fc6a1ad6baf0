package domain

import "fmt"

// Lapse is the time for which no order covers an app that was bought. It is absent while Since is.
type Lapse struct {
	Cause   Cause   `json:"cause"` // refund or plan_expired
	Since   Instant `json:"since"`
	StopDue Instant `json:"stop_due"` // Since and the grace of the moment in which it was set
	Episode uint64  `json:"episode"`
	HeldAt  Instant `json:"held_at,omitzero"` // when the stop was recorded; absent while it is not in force
	Notice  Notice  `json:"notice,omitzero"`  // of the stop
}

// Lapsed says that no order covers the app any more.
type Lapsed struct {
	About
	Cause    Cause   `json:"cause"`
	Since    Instant `json:"since"`
	StopDue  Instant `json:"stop_due"`
	NoticeAt Instant `json:"notice_at,omitzero"` // when its owner is to be warned of the stop
}

func (Lapsed) Type() string { return "app.lapsed.v1" }

func (e Lapsed) apply(acc *Account) {
	app := acc.change(e.App)
	app.Lapse = Lapse{
		Cause: e.Cause, Since: e.Since, StopDue: e.StopDue, Episode: episode(acc, e.StopDue), Notice: notice(e.NoticeAt, acc),
	}
}

func (Lapsed) derived() bool { return true }

func (e Lapsed) sets() (since, due Instant) { return e.Since, e.StopDue }

func (e Lapsed) describe() string {
	return fmt.Sprintf("no order covers the app since %s (%s); %s", e.Since, e.Cause, graced(e.Since, e.StopDue))
}

// LapseMoved says that the app lapsed at another time than was known. A stop that is in force stays so, effective at
// the new due time; if that lies ahead, the event before this one has lifted it.
type LapseMoved struct {
	About
	Cause    Cause   `json:"cause"`
	Since    Instant `json:"since"`
	StopDue  Instant `json:"stop_due"`
	NoticeAt Instant `json:"notice_at,omitzero"` // when its owner is to be warned of the stop
}

func (LapseMoved) Type() string { return "app.lapse_moved.v1" }

func (e LapseMoved) apply(acc *Account) {
	app := acc.change(e.App)
	app.Lapse = Lapse{
		Cause: e.Cause, Since: e.Since, StopDue: e.StopDue, Episode: episode(acc, e.StopDue), HeldAt: moved(app.Lapse.HeldAt, acc),
		Notice: notice(e.NoticeAt, acc),
	}
}

func (LapseMoved) derived() bool { return true }

func (e LapseMoved) sets() (since, due Instant) { return e.Since, e.StopDue }

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
	due := is.since.Add(d.at.Policy.Grace)
	switch was := app.Lapse; {
	case was.Since == is.since && was.Cause == is.cause:
	case was.Since == 0:
		d.emit(Lapsed{About{app.ID}, is.cause, is.since, due, d.at.Policy.noticeAt(due, d.at.Now)})
	case is.since == 0:
		d.release(app, was.Cause, why)
		d.emit(LapseEnded{About{app.ID}, why.by, why.effectiveAt})
	case was.Since == is.since:
		d.emit(LapseRenamed{About{app.ID}, is.cause})
	default:
		if due > d.at.Now {
			d.release(app, was.Cause, why)
		}
		d.emit(LapseMoved{About{app.ID}, is.cause, is.since, due, d.at.Policy.noticeAt(due, d.at.Now)})
	}
}
