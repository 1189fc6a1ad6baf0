package domain

import (
	"fmt"
	"time"
)

// Notice is the next warning that is owed to an app's owner of something that time will do: a stop or an expiry. It
// stands beside the due that it warns of and goes with it; it is absent while At is.
type Notice struct {
	At      Instant `json:"at"` // when it is to be given
	Episode uint64  `json:"episode"`
}

// notice is the one that an event sets.
func notice(at Instant, acc *Account) Notice { return Notice{at, episode(acc, at)} }

// noticeAt is when the next notice of a due is to be given, after now; 0 if none is.
func (p Policy) noticeAt(due, now Instant) Instant {
	if due == MaxInstant {
		return 0
	}
	return nextOf(p.Notices, due, now)
}

// nextOf is when the first of a due's notices is to be given that comes after now; 0 if none does. The longest stands
// first.
func nextOf(notices []time.Duration, due, now Instant) Instant {
	for _, before := range notices {
		if at := due.Add(-before); at > now {
			return at
		}
	}
	return 0
}

// lastPassed is when the last of a due's notices was to be given whose time has passed by now, of those from at on.
func lastPassed(notices []time.Duration, due, at, now Instant) Instant {
	for _, before := range notices {
		if passed := due.Add(-before); passed <= now {
			at = max(at, passed)
		}
	}
	return at
}

// warning is a notice that is owed, with what it warns of.
type warning struct {
	Notice
	of    DueKind
	to    Status
	cause Cause
	due   Instant
}

// nextWarning is the first notice that is owed, false if none is. What is in force already needs none. An app
// that is stopped for another reason is warned all the same: that stop may be lifted before, and this one would follow.
func (a *App) nextWarning() (first warning, owed bool) {
	for _, w := range [...]warning{
		{a.Term.Notice, DueTerm, Expired, a.Term.Cause, a.Term.Due},
		{a.Arrears.Notice, DueArrears, Stopped, CauseArrears, a.Arrears.StopDue},
		{a.Lapse.Notice, DueLapse, Stopped, a.Lapse.Cause, a.Lapse.StopDue},
	} {
		held := w.of == DueArrears && a.Arrears.HeldAt != 0 || w.of == DueLapse && a.Lapse.HeldAt != 0
		if w.At != 0 && !held && (!owed || w.At < first.At) {
			first, owed = w, true
		}
	}
	return first, owed
}

// give gives the notice that is owed. Of several whose time has passed only the last is given; none once what it warns
// of is due itself.
func (d *draft) give(app *App, at Instant) {
	w, owed := app.nextWarning()
	if !owed || w.due <= d.at.Now {
		return
	}
	at = lastPassed(d.at.Policy.Notices, w.due, at, d.at.Now)
	d.emit(NoticeGiven{About{app.ID}, w.of, w.to, w.cause, w.due, at, d.at.Policy.noticeAt(w.due, d.at.Now)})
}

// NoticeGiven is the notice itself: what will happen to the app, when and why, unless its cause ends before. Whoever
// delivers notices sends each of these once. That it has happened, and that it was undone, say the events of the stop,
// the lapse, the reinstatement and the lapse's end.
type NoticeGiven struct {
	About
	Of          DueKind `json:"of"` // arrears and lapse stop the app, term lets it expire
	To          Status  `json:"to"` // stopped or expired
	Cause       Cause   `json:"cause"`
	Due         Instant `json:"due"`           // when it will happen
	EffectiveAt Instant `json:"effective_at"`  // when the notice was due
	Next        Instant `json:"next,omitzero"` // when the next notice of it is to be given
}

func (NoticeGiven) Type() string { return "app.notice_given.v1" }

func (e NoticeGiven) apply(acc *Account) {
	app, next := acc.change(e.App), notice(e.Next, acc)
	switch e.Of {
	case DueTerm:
		app.Term.Notice = next
	case DueArrears:
		app.Arrears.Notice = next
	case DueLapse:
		app.Lapse.Notice = next
	case DueKey, DueCertificate, DueNotice: // nothing is warned of by these
	}
}

func (NoticeGiven) derived() bool { return true }

func (e NoticeGiven) describe() string {
	return fmt.Sprintf("the owner was warned: %s at %s, in %s", e.To, e.Due, apart(e.EffectiveAt, e.Due))
}
