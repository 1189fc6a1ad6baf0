package domain

import "fmt"

// Arrears is the time since when a billed app owes. It is absent while Since is.
type Arrears struct {
	Since   Instant `json:"since"`
	StopDue Instant `json:"stop_due"`         // Since and the grace of the moment in which it was set
	Edition Edition `json:"edition,omitzero"` // that the app had at Since: the grace goes by it
	Episode uint64  `json:"episode"`
	HeldAt  Instant `json:"held_at,omitzero"` // when the stop was recorded; absent while it is not in force
	Notice  Notice  `json:"notice,omitzero"`  // of the stop
}

// owesSince is the earliest time from which an overdue invoice counts, as of the instant t; 0 if none does. Before the
// first order has begun the app is not billed, and none does.
func (a *App) owesSince(t Instant) Instant {
	since, billed := a.lateSince(), a.billedSince()
	if since == 0 || billed == 0 || billed > t {
		return 0
	}
	return max(since, billed)
}

// lateSince is the earliest time since which an invoice is late, whether the app is billed or not; 0 if none is.
func (a *App) lateSince() Instant { return a.Invoices.lateSince() }

// owesLater says whether an invoice is late that begins to count only when the app is billed, after the instant t.
func (a *App) owesLater(t Instant) bool { return a.billedSince() > t && a.lateSince() != 0 }

// Grace is what an event that sets when a stop is due says of it.
type Grace struct {
	Since    Instant `json:"since"`
	StopDue  Instant `json:"stop_due"`
	Edition  Edition `json:"edition,omitzero"`   // that the app had at since: the grace and the notices go by it
	NoticeAt Instant `json:"notice_at,omitzero"` // when its owner is to be warned of the stop
	Notices  []Span  `json:"notices,omitempty"`  // how long before the stop each notice is due
}

func (g Grace) sets() (since, due Instant, edition Edition) { return g.Since, g.StopDue, g.Edition }

// ArrearsStarted says that a billed app owes.
type ArrearsStarted struct {
	About
	Grace
}

func (ArrearsStarted) Type() string { return "app.arrears_started.v2" }

func (e ArrearsStarted) apply(acc *Account) { acc.change(e.App).Arrears.set(e.Grace, acc, Arrears{}) }

func (ArrearsStarted) derived() bool { return true }

func (e ArrearsStarted) describe() string {
	return fmt.Sprintf("in arrears since %s; %s", e.Since, graced(e.Since, e.StopDue))
}

// ArrearsMoved says that the arrears began at another time than was known: an older debt became known, the oldest was
// closed, or the app is billed from another time on; or that the app had another edition then, and so another grace. A
// stop that is in force stays so, effective at the new due time; if that lies ahead, the event before this one has
// lifted it.
type ArrearsMoved struct {
	About
	Grace
}

func (ArrearsMoved) Type() string { return "app.arrears_moved.v2" }

func (e ArrearsMoved) apply(acc *Account) {
	app := acc.change(e.App)
	app.Arrears.set(e.Grace, acc, app.Arrears)
}

// set makes the arrears what an event says, going on from what they were. A due that stays at its time stays the episode
// that it is, with its stop.
func (a *Arrears) set(g Grace, acc *Account, was Arrears) {
	*a = Arrears{
		Since: g.Since, StopDue: g.StopDue, Edition: g.Edition, Episode: episode(acc, g.StopDue),
		HeldAt: moved(was.HeldAt, acc), Notice: notice(g.NoticeAt, g.Notices, acc),
	}
	if was.StopDue == g.StopDue {
		a.Episode, a.HeldAt = was.Episode, was.HeldAt
	}
}

func (ArrearsMoved) derived() bool { return true }

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
	return Span(to.Sub(from)).String()
}

// reconcileArrears moves what is committed of the app's arrears to what its invoices and orders say as of an instant.
func (d *draft) reconcileArrears(app *App, asOf Instant, why trigger) {
	was, since := app.Arrears, app.owesSince(asOf)
	if since == 0 {
		if was.Since != 0 {
			d.release(app, CauseArrears, why)
			d.emit(ArrearsEnded{About{app.ID}, why.by, why.effectiveAt})
		}
		return
	}
	edition := app.coverageAt(since).edition
	switch {
	case was.Since == 0:
		d.emit(ArrearsStarted{About{app.ID}, d.grace(since, edition)})
	case was.Since != since, was.Edition != "" && was.Edition != edition:
		g := d.grace(since, edition)
		if g.StopDue > d.at.Now {
			d.release(app, CauseArrears, why)
		}
		d.emit(ArrearsMoved{About{app.ID}, g})
	}
}

// grace sets when a stop is due, with the policy in force now for the edition that the app has at since.
func (d *draft) grace(since Instant, edition Edition) Grace {
	terms := d.terms(edition)
	due := since.Add(terms.Grace)
	at, notices := noticesOf(terms.Notices, due, d.at.Now)
	return Grace{since, due, edition, at, notices}
}
