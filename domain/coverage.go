package domain

import "fmt"

// coverage is what the orders make of an app at an instant: the edition, and the lapse if none of them covers it.
type coverage struct {
	edition Edition
	since   Instant // of the lapse; 0 while covered, or where no order ever bought an edition
	cause   Cause   // of the lapse
}

// covered is what is committed of the app's coverage.
func (a *App) covered() coverage { return coverage{a.Edition, a.Lapse.Since, a.Lapse.Cause} }

// coverageAt judges the orders known now as of the instant t (lifecycle, section 2: coverage, edition, lapse).
//
// The highest edition among the orders that end later than t. If there is none, that of the order that ended last, and
// the app has lapsed since then: by a refund, if one of the orders that ended then was refunded. With no order at all,
// what the app was created with.
func (a *App) coverageAt(t Instant) coverage {
	now := coverage{edition: ""}
	past := coverage{edition: a.Base}
	for _, o := range a.Orders {
		if !o.buysEdition() {
			continue
		}
		end, cause := o.end()
		switch {
		case end > t:
			now.edition = higher(now.edition, o.Terms.Edition)
		case end > past.since:
			past = coverage{o.Terms.Edition, end, cause}
		case end == past.since:
			past.edition = higher(past.edition, o.Terms.Edition)
			if cause == CauseRefund {
				past.cause = CauseRefund
			}
		}
	}
	if now.edition != "" {
		return now
	}
	return past
}

func higher(a, b Edition) Edition {
	if b.Rank() > a.Rank() {
		return b
	}
	return a
}

// Term is the next change of coverage that time will make: to a lower edition, or to expiry. It is absent while Due is.
// Its episode is the account's version at which it was set.
type Term struct {
	Due     Instant `json:"due"`
	To      Edition `json:"to,omitzero"` // absent: the app expires
	Cause   Cause   `json:"cause"`       // plan_expired or refund: why the order ends
	Episode uint64  `json:"episode"`
	Notice  Notice  `json:"notice,omitzero"` // of the expiry
}

// nextTerm finds the first end of an order after the given instant at which coverage will differ from what it is.
func (a *App) nextTerm(after Instant, is coverage) Term {
	next := Term{}
	for _, o := range a.Orders {
		if !o.buysEdition() {
			continue
		}
		end, _ := o.end()
		if end <= after || end == noEnd || (next.Due != 0 && end >= next.Due) {
			continue
		}
		if will := a.coverageAt(end); will != is {
			next = a.termAt(end, will)
		}
	}
	return next
}

func (a *App) termAt(due Instant, will coverage) Term {
	if will.since != 0 {
		return Term{Due: due, Cause: will.cause}
	}
	term := Term{Due: due, To: will.edition, Cause: CausePlanExpired}
	for _, o := range a.Orders {
		if end, cause := o.end(); o.buysEdition() && end == due && cause == CauseRefund && o.Terms.Edition.Rank() > will.edition.Rank() {
			term.Cause = CauseRefund
		}
	}
	return term
}

// EditionChanged says that the app's edition is another: by an order, a refund, or by the end of a term.
type EditionChanged struct {
	About
	From        Edition `json:"from"`
	To          Edition `json:"to"`
	By          By      `json:"by"`
	EffectiveAt Instant `json:"effective_at"`
}

func (EditionChanged) Type() string { return "app.edition_changed.v1" }

func (e EditionChanged) apply(acc *Account) { acc.change(e.App).Edition = e.To }

func (EditionChanged) derived() bool { return true }

func (e EditionChanged) describe() string {
	return fmt.Sprintf("edition %s instead of %s, by %s, from %s", e.To, e.From, e.By, e.EffectiveAt)
}

// TermScheduled sets when time will change the coverage next; without a due time, that it will not.
type TermScheduled struct {
	About
	Due      Instant `json:"due,omitzero"`
	To       Edition `json:"to,omitzero"` // absent: the app expires
	Cause    Cause   `json:"cause,omitzero"`
	NoticeAt Instant `json:"notice_at,omitzero"` // when its owner is to be warned of the expiry
}

func (TermScheduled) Type() string { return "app.term_scheduled.v1" }

func (e TermScheduled) apply(acc *Account) {
	acc.change(e.App).Term = Term{
		Due: e.Due, To: e.To, Cause: e.Cause, Episode: episode(acc, e.Due), Notice: notice(e.NoticeAt, acc),
	}
}

func (TermScheduled) derived() bool { return true }

func (e TermScheduled) describe() string {
	switch {
	case e.Due == 0:
		return "no term ends any more"
	case e.To == "":
		return fmt.Sprintf("the app expires %s (%s)", e.Due, e.Cause)
	}
	return fmt.Sprintf("edition %s from %s on (%s)", e.To, e.Due, e.Cause)
}

// episode is the place in the account's history at which a due time was set; it becomes part of the id of the command
// that the due time leads to, so that a due that comes back to an old instant fires anew.
func episode(acc *Account, due Instant) uint64 {
	if due == 0 {
		return 0
	}
	return acc.Version
}
