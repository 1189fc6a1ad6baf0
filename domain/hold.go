package domain

import "fmt"

// Hold is a person's reason for which an app is stopped. It is absent while EffectiveAt is.
type Hold struct {
	EffectiveAt Instant `json:"effective_at"`
	RecordedAt  Instant `json:"recorded_at"`
}

// Stop is a hold in force.
type Stop struct {
	Cause       Cause
	EffectiveAt Instant
	RecordedAt  Instant
}

// holds lists the holds in force, in the order in which causes are shown.
func (a *App) holds() []Stop {
	var holds []Stop
	for i := range causes {
		if h := causes[i].held(a); h.RecordedAt != 0 {
			holds = append(holds, Stop{causes[i].Cause, h.EffectiveAt, h.RecordedAt})
		}
	}
	return holds
}

func (a *App) stopped() bool {
	for i := range causes {
		if causes[i].held(a).RecordedAt != 0 {
			return true
		}
	}
	return false
}

// Stop gives the hold that is shown: the one effective first, and at one instant the first in the order of causes. It
// is false while none is in force, and for a deleted app.
func (a *App) Stop() (Stop, bool) {
	holds := a.holds()
	if len(holds) == 0 || a.DeletedAt != 0 {
		return Stop{}, false
	}
	first := holds[0]
	for _, h := range holds[1:] {
		if h.EffectiveAt < first.EffectiveAt {
			first = h
		}
	}
	return first, true
}

func (a *App) setHold(cause Cause, effectiveAt, recordedAt Instant) {
	if row := cause.row(); row != nil {
		row.set(a, effectiveAt, recordedAt)
	}
}

// moved is when the stop was recorded of a hold whose due time moves: with the event that moves it, since that is what
// makes it effective when it now is. It stays absent if the stop is not in force.
func moved(heldAt Instant, acc *Account) Instant {
	if heldAt == 0 {
		return 0
	}
	return acc.RecordedAt
}

// AppStopped says that a hold came into force on an app in service: from here on it is stopped.
type AppStopped struct {
	About
	Cause       Cause   `json:"cause"`
	EffectiveAt Instant `json:"effective_at"`
}

func (AppStopped) Type() string { return "app.stopped.v1" }

func (e AppStopped) apply(acc *Account) {
	acc.change(e.App).setHold(e.Cause, e.EffectiveAt, acc.RecordedAt)
}

func (e AppStopped) derived() bool { return e.Cause.byRule() }

func (e AppStopped) stops() (cause Cause, effectiveAt Instant) { return e.Cause, e.EffectiveAt }

func (e AppStopped) describe() string {
	return fmt.Sprintf("stopped from %s (%s)", e.EffectiveAt, e.Cause)
}

// HoldAdded says that one more hold came into force on an app that is stopped already.
type HoldAdded struct {
	About
	Cause       Cause   `json:"cause"`
	EffectiveAt Instant `json:"effective_at"`
}

func (HoldAdded) Type() string { return "app.hold_added.v1" }

func (e HoldAdded) apply(acc *Account) {
	acc.change(e.App).setHold(e.Cause, e.EffectiveAt, acc.RecordedAt)
}

func (e HoldAdded) derived() bool { return e.Cause.byRule() }

func (e HoldAdded) stops() (cause Cause, effectiveAt Instant) { return e.Cause, e.EffectiveAt }

func (e HoldAdded) describe() string {
	return fmt.Sprintf("one more stop from %s (%s)", e.EffectiveAt, e.Cause)
}

// HoldEnded says that a hold is lifted while another keeps the app stopped.
type HoldEnded struct {
	About
	Cause       Cause   `json:"cause"`
	By          By      `json:"by"`
	EffectiveAt Instant `json:"effective_at"`
	Late        bool    `json:"late"` // in time, but reported after the stop
}

func (HoldEnded) Type() string { return "app.hold_ended.v1" }

func (e HoldEnded) apply(acc *Account) { acc.change(e.App).setHold(e.Cause, 0, 0) }

func (e HoldEnded) derived() bool { return e.By != byStart }

func (e HoldEnded) describe() string {
	return fmt.Sprintf("the stop for %s lifted by %s from %s%s, another stays", e.Cause, e.By, e.EffectiveAt, lateness(e.Late))
}

// AppReinstated says that the last hold is lifted: the app is stopped no more.
type AppReinstated struct {
	About
	Cause       Cause   `json:"cause"`
	By          By      `json:"by"`
	EffectiveAt Instant `json:"effective_at"`
	Late        bool    `json:"late"` // what ended the hold was in time, but reported after the stop
}

func (AppReinstated) Type() string { return "app.reinstated.v1" }

func (e AppReinstated) apply(acc *Account) { acc.change(e.App).setHold(e.Cause, 0, 0) }

func (e AppReinstated) derived() bool { return e.By != byStart }

func (e AppReinstated) describe() string {
	return fmt.Sprintf("the stop for %s lifted by %s from %s%s: in service again", e.Cause, e.By, e.EffectiveAt, lateness(e.Late))
}

// lateness says that what lifted a stop was in time.
func lateness(late bool) string {
	if late {
		return " (in time, and reported after the stop)"
	}
	return ""
}

// hold puts a hold in force.
func (d *draft) hold(app *App, cause Cause, effectiveAt Instant) {
	if app.stopped() {
		d.emit(HoldAdded{About{app.ID}, cause, effectiveAt})
		return
	}
	d.emit(AppStopped{About{app.ID}, cause, effectiveAt})
}

// release lifts a hold if it is in force.
func (d *draft) release(app *App, cause Cause, why trigger) {
	holds := app.holds()
	for _, h := range holds {
		if h.Cause != cause {
			continue
		}
		late := why.byUpstream() && why.effectiveAt <= h.EffectiveAt
		if len(holds) > 1 {
			d.emit(HoldEnded{About{app.ID}, cause, why.by, why.effectiveAt, late})
		} else {
			d.emit(AppReinstated{About{app.ID}, cause, why.by, why.effectiveAt, late})
			d.withdraw(app, why.by)
		}
	}
}
