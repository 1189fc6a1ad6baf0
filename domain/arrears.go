package domain

import (
	"fmt"
	"strings"
)

// Arrears is the time since when a billed app owes. It is absent while Since is.
type Arrears struct {
	Since   Instant `json:"since"`
	StopDue Instant `json:"stop_due"` // Since and the grace of the moment in which it was set
	Episode uint64  `json:"episode"`
	HeldAt  Instant `json:"held_at,omitzero"` // when the stop was recorded; absent while it is not in force
	Notice  Notice  `json:"notice,omitzero"`  // of the stop
}

// owesSince is the earliest time from which an overdue invoice counts; 0 if none does.
func (a *App) owesSince() Instant {
	since := Instant(0)
	for _, i := range a.Invoices {
		if late := i.lateSince(); late != 0 && (since == 0 || late < since) {
			since = late
		}
	}
	billed := a.billedSince()
	if since == 0 || billed == 0 {
		return 0
	}
	return max(since, billed)
}

// ArrearsStarted says that a billed app owes.
type ArrearsStarted struct {
	About
	Since    Instant `json:"since"`
	StopDue  Instant `json:"stop_due"`
	NoticeAt Instant `json:"notice_at,omitzero"` // when its owner is to be warned of the stop
}

func (ArrearsStarted) Type() string { return "app.arrears_started.v1" }

func (e ArrearsStarted) apply(acc *Account) {
	app := acc.change(e.App)
	app.Arrears = Arrears{Since: e.Since, StopDue: e.StopDue, Episode: episode(acc, e.StopDue), Notice: notice(e.NoticeAt, acc)}
}

func (ArrearsStarted) derived() bool { return true }

func (e ArrearsStarted) sets() (since, due Instant) { return e.Since, e.StopDue }

func (e ArrearsStarted) describe() string {
	return fmt.Sprintf("in arrears since %s; %s", e.Since, graced(e.Since, e.StopDue))
}

// ArrearsMoved says that the arrears began at another time than was known: an older debt became known, the oldest was
// closed, or the app is billed from another time on. A stop that is in force stays so, effective at the new due time; if
// that lies ahead, the event before this one has lifted it.
type ArrearsMoved struct {
	About
	Since    Instant `json:"since"`
	StopDue  Instant `json:"stop_due"`
	NoticeAt Instant `json:"notice_at,omitzero"` // when its owner is to be warned of the stop
}

func (ArrearsMoved) Type() string { return "app.arrears_moved.v1" }

func (e ArrearsMoved) apply(acc *Account) {
	app := acc.change(e.App)
	app.Arrears = Arrears{
		Since: e.Since, StopDue: e.StopDue, Episode: episode(acc, e.StopDue), HeldAt: moved(app.Arrears.HeldAt, acc),
		Notice: notice(e.NoticeAt, acc),
	}
}

func (ArrearsMoved) derived() bool { return true }

func (e ArrearsMoved) sets() (since, due Instant) { return e.Since, e.StopDue }

func (e ArrearsMoved) describe() string {
	return fmt.Sprintf("in arrears since %s, as is known now; %s", e.Since, graced(e.Since, e.StopDue))
}

// ArrearsEnded says that nothing is owed any more.
type ArrearsEnded struct {
	About
	By          By      `json:"by"`
	EffectiveAt Instant `json:"effective_at"`
}

func (ArrearsEnded) Type() string { return "app.arrears_ended.v1" }

func (e ArrearsEnded) apply(acc *Account) {
	acc.change(e.App).Arrears = Arrears{}
}

func (ArrearsEnded) derived() bool { return true }

func (e ArrearsEnded) describe() string {
	return fmt.Sprintf("out of arrears, by %s, from %s", e.By, e.EffectiveAt)
}

// graced says when a stop is due, and why then.
func graced(since, due Instant) string {
	return fmt.Sprintf("grace %s, stop due %s", apart(since, due), due)
}

// apart is how long it is from one instant to another, such as 168h, without zeros at the end.
func apart(from, to Instant) string {
	long := to.Time().Sub(from.Time()).String() // 168h0m0s
	for _, unit := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(long, unit) {
			long = long[:len(long)-len("0s")]
		}
	}
	return long
}

// reconcileArrears moves what is committed of the app's arrears to what its invoices say.
func (d *draft) reconcileArrears(app *App, why trigger) {
	was, since := app.Arrears.Since, app.owesSince()
	due := since.Add(d.at.Policy.Grace)
	switch {
	case was == since:
	case was == 0:
		d.emit(ArrearsStarted{About{app.ID}, since, due, d.at.Policy.noticeAt(due, d.at.Now)})
	case since == 0:
		d.release(app, CauseArrears, why)
		d.emit(ArrearsEnded{About{app.ID}, why.by, why.effectiveAt})
	default:
		if due > d.at.Now {
			d.release(app, CauseArrears, why)
		}
		d.emit(ArrearsMoved{About{app.ID}, since, due, d.at.Policy.noticeAt(due, d.at.Now)})
	}
}
