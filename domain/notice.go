package domain

import (
	"fmt"
	"slices"
	"time"
)

// Notice is the next warning that is owed to an app's owner of something that time will do: a stop or an expiry. It
// stands beside the due that it warns of and goes with it; it is absent while At is.
type Notice struct {
	At      Instant `json:"at"` // when it is to be given
	Episode uint64  `json:"episode"`
	Before  []Span  `json:"before,omitempty"` // how long before the due notices are given, fixed with it; absent: the policy's
}

// notice is the one that an event sets.
func notice(at Instant, before []Span, acc *Account) Notice {
	if at == 0 {
		return Notice{}
	}
	return Notice{at, episode(acc, at), before}
}

// noticesOf is when the next notice of a due is to be given, after now, and all that are to be; absent if none is.
func noticesOf(before []Span, due, now Instant) (Instant, []Span) {
	if due == MaxInstant {
		return 0, nil
	}
	at := nextOf(before, due, now)
	if at == 0 {
		return 0, nil
	}
	return at, before
}

// nextOf is when the first of a due's notices is to be given that comes after now; 0 if none does. The longest stands
// first.
func nextOf[D Span | time.Duration](notices []D, due, now Instant) Instant {
	for _, before := range notices {
		if at := due.Add(-time.Duration(before)); at > now {
			return at
		}
	}
	return 0
}

// lastPassed is when the last of a due's notices was to be given whose time has passed by now, of those from at on.
func lastPassed[D Span | time.Duration](notices []D, due, at, now Instant) Instant {
	for _, before := range notices {
		if passed := due.Add(-time.Duration(before)); passed <= now {
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

// nextWarning is the first notice that is owed, false if none is. What is in force already needs none, nor does a stop
// that an order known by now prevents. An app that is stopped for another reason is warned all the same: that stop may be
// lifted before, and this one would follow.
func (a *App) nextWarning() (first warning, owed bool) {
	consider := func(w warning) {
		if w.At != 0 && (!owed || w.At < first.At) {
			first, owed = w, true
		}
	}
	for _, x := range a.Expiries {
		consider(warning{x.Notice, DueTerm, Expired, x.Cause, x.At})
	}
	if a.Arrears.HeldAt == 0 {
		consider(warning{a.Arrears.Notice, DueArrears, Stopped, CauseArrears, a.Arrears.StopDue})
	}
	if a.Lapse.HeldAt == 0 && !a.lapseEndsInTime() {
		consider(warning{a.Lapse.Notice, DueLapse, Stopped, a.Lapse.Cause, a.Lapse.StopDue})
	}
	return first, owed
}

// lapseEndsInTime says whether an order is known that begins before the grace of a lapse is over, or as it is. It ends the
// lapse; or moves it, if it ends as it begins.
func (a *App) lapseEndsInTime() bool {
	return a.Lapse.Since != 0 && a.Term.Due != 0 && a.Term.Due <= a.Lapse.StopDue
}

// give gives the notice that is owed. Of several whose time has passed only the last is given; none once what it warns
// of is due itself.
func (d *draft) give(app *App, at Instant) {
	w, owed := app.nextWarning()
	if !owed || w.due <= d.at.Now {
		return
	}
	before := w.Before
	if before == nil { // set before notices were fixed with their due
		before = d.at.Policy.Notices
	}
	at = lastPassed(before, w.due, at, d.at.Now)
	next, _ := noticesOf(before, w.due, d.at.Now)
	d.emit(NoticeGiven{About{app.ID}, w.of, w.to, w.cause, w.due, at, next})
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
	app := acc.change(e.App)
	next := func(n *Notice) { *n = notice(e.Next, n.Before, acc) }
	given, owed := app.nextWarning()
	switch e.Of {
	case DueTerm:
		app.warned(e.Due, next)
	case DueArrears:
		next(&app.Arrears.Notice)
	case DueLapse:
		next(&app.Lapse.Notice)
	case DueKey, DueCertificate, DueNotice: // nothing is warned of by these
	}
	if owed {
		app.renew(given.Episode, acc)
	}
}

// renew gives notices of other expiries an episode of their own, which were set together with one that is given: each is
// given once, under the id that the episode makes.
func (a *App) renew(episode uint64, acc *Account) {
	for i := range a.Expiries {
		if n := &a.Expiries[i].Notice; n.At != 0 && n.Episode == episode {
			n.Episode = acc.Version
		}
	}
}

// warned changes the notice of an expiry. Copies of the app may share the list, so it is made anew.
func (a *App) warned(expiry Instant, next func(*Notice)) {
	a.Expiries = slices.Clone(a.Expiries)
	if x := a.expiry(expiry); x != nil {
		next(&x.Notice)
	}
}

func (NoticeGiven) derived() bool { return true }

func (e NoticeGiven) describe() string {
	return fmt.Sprintf("the owner was warned: %s at %s, in %s", e.To, e.Due, apart(e.EffectiveAt, e.Due))
}
