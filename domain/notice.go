package domain

import (
	"fmt"
	"time"
)

// Notice is the next warning that is owed to an app's owner of something that time will do: a stop or an expiry.
type Notice struct {
	Of      DueKind `json:"of"`  // arrears and lapse stop the app, term lets it expire
	Due     Instant `json:"due"` // of what it warns of
	At      Instant `json:"at"`  // when it is to be given
	Episode uint64  `json:"episode"`
}

// noticeAt is when the next notice of a due is to be given, after now; false if none is.
func (p Policy) noticeAt(due, now Instant) (Instant, bool) {
	for _, before := range p.Notices { // the longest first
		if at := due.Add(-before); at > now {
			return at, true
		}
	}
	return 0, false
}

// warn sets when a notice is given of what became due.
func (d *draft) warn(app *App, of DueKind, due Instant) {
	if at, owed := d.at.Policy.noticeAt(due, d.at.Now); owed && due != MaxInstant {
		d.emit(NoticeScheduled{About{app.ID}, of, due, at})
	}
}

// dropNotice forgets the notice of a due that is another now.
func (a *App) dropNotice(of DueKind) { a.setNotice(Notice{Of: of}) }

// setNotice puts a notice in the place of the one of the same due; one that is to be given at no time is none.
func (a *App) setNotice(n Notice) {
	var kept []Notice
	for _, other := range a.Notices {
		if other.Of != n.Of {
			kept = append(kept, other)
		}
	}
	if n.At != 0 {
		kept = append(kept, n)
	}
	a.Notices = kept
}

// nextNotice is the first notice that is owed; nil if none is. What is in force already needs none.
func (a *App) nextNotice() *Notice {
	var first *Notice
	for i := range a.Notices {
		n := &a.Notices[i]
		done := n.Of == DueArrears && a.Arrears.HeldAt != 0 || n.Of == DueLapse && a.Lapse.HeldAt != 0
		if !done && (first == nil || n.At < first.At) {
			first = n
		}
	}
	return first
}

// give gives the notice that is owed. Of several whose time has passed only the last is given; none once what it warns
// of is due itself.
func (d *draft) give(app *App, at Instant) {
	n := app.nextNotice()
	if n.Due <= d.at.Now {
		return
	}
	for _, before := range d.at.Policy.Notices {
		if passed := n.Due.Add(-before); passed <= d.at.Now {
			at = max(at, passed)
		}
	}
	next, _ := d.at.Policy.noticeAt(n.Due, d.at.Now)
	given := NoticeGiven{About: About{app.ID}, Of: n.Of, To: Stopped, Cause: app.Lapse.Cause, Due: n.Due, EffectiveAt: at, Next: next}
	switch n.Of {
	case DueTerm:
		given.To, given.Cause = Expired, app.Term.Cause
	case DueArrears:
		given.Cause = CauseArrears
	}
	d.emit(given)
}

// NoticeScheduled says when the app's owner is to be warned of a stop or an expiry.
type NoticeScheduled struct {
	About
	Of  DueKind `json:"of"`  // arrears and lapse stop the app, term lets it expire
	Due Instant `json:"due"` // of what it warns of
	At  Instant `json:"at"`  // when the notice is to be given
}

// Type is the stored name.
func (NoticeScheduled) Type() string { return "app.notice_scheduled.v1" }

func (e NoticeScheduled) apply(acc *Account) {
	acc.change(e.App).setNotice(Notice{e.Of, e.Due, e.At, acc.Version})
}

func (NoticeScheduled) follows() bool { return true }

func (e NoticeScheduled) says() string { return fmt.Sprintf("a notice will be given at %s", e.At) }

// NoticeGiven is the notice itself: what will happen to the app, when and why, unless its cause ends before. Whoever
// delivers notices sends each of these once. That it has happened, and that it was undone, say the events of the stop,
// the lapse, the reinstatement and the lapse's end.
type NoticeGiven struct {
	About
	Of          DueKind `json:"of"`
	To          Status  `json:"to"` // stopped or expired
	Cause       Cause   `json:"cause"`
	Due         Instant `json:"due"`           // when it will happen
	EffectiveAt Instant `json:"effective_at"`  // when the notice was due
	Next        Instant `json:"next,omitzero"` // when the next notice of it is to be given
}

// Type is the stored name.
func (NoticeGiven) Type() string { return "app.notice_given.v1" }

func (e NoticeGiven) apply(acc *Account) {
	acc.change(e.App).setNotice(Notice{e.Of, e.Due, e.Next, acc.Version})
}

func (NoticeGiven) follows() bool { return true }

func (e NoticeGiven) says() string {
	return fmt.Sprintf("the owner was warned: %s at %s, in %s", e.To, e.Due, time.Duration(e.Due-e.EffectiveAt)*time.Millisecond)
}
