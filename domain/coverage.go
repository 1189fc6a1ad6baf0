package domain

import (
	"fmt"
	"iter"
	"slices"
)

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
// The highest edition among the orders that cover then: begun, and ending later. If none does, that of the order that
// ended last, and the app has lapsed since then: by a refund, if one of the orders that ended then was refunded. Orders
// that ended as they began count for that only where no other has begun. Before any has begun, what the app was made as.
func (a *App) coverageAt(t Instant) coverage {
	begun := a.Orders.until(t)
	for _, edition := range highestFirst {
		if begun.ends[edition].at() > t {
			return coverage{edition: edition.edition()}
		}
	}
	for _, ended := range [2][tiers]ending{begun.ends, begun.empty} {
		last := slices.Max(ended[:])
		for _, edition := range highestFirst {
			if last != 0 && ended[edition].at() == last.at() {
				return coverage{edition.edition(), last.at(), last.cause()}
			}
		}
	}
	return coverage{edition: a.Base}
}

// Term is the next change of coverage that time will make: an order ends, or one begins. It is absent while Due is. Its
// episode is the account's version at which it was set.
type Term struct {
	Due     Instant `json:"due"`
	To      Edition `json:"to,omitzero"` // what the app then has; absent: no order covers it then
	Cause   Cause   `json:"cause"`       // order where one begins; plan_expired or refund: why the order ends
	Episode uint64  `json:"episode"`
}

// Expiry is a time at which, by what is known, an order ends and none covers the app.
type Expiry struct {
	At      Instant `json:"at"`
	Cause   Cause   `json:"cause"`   // plan_expired or refund
	Edition Edition `json:"edition"` // that ends then
	Notice  Notice  `json:"notice,omitzero"`
}

// MaxExpiries is how many expiries are known ahead: of orders with gaps between them the first so many. The others follow
// as these come; their notices would have to be given more than MaxExpiries terms ahead to be missed.
const MaxExpiries = 8

// Gap is a time that no order covers, between an end and the beginning of a known order.
type Gap struct {
	From  Instant // when what covered the app ends, or ended
	Until Instant // when the next order begins
}

// Gaps lists the gaps in the app's coverage by what is known, the first one first: that in which it has lapsed, and those
// behind the expiries to come. A lapse that no order ends is none.
func (a *App) Gaps() (gaps []Gap) {
	ends := make([]Instant, 0, 1+len(a.Expiries))
	if a.Lapse.Since != 0 {
		ends = append(ends, a.Lapse.Since)
	}
	for _, x := range a.Expiries {
		ends = append(ends, x.At)
	}
	for _, end := range ends {
		if until := a.beginsAfter(end); until != 0 {
			gaps = append(gaps, Gap{end, until})
		}
	}
	return gaps
}

// beginsAfter is when the first order that covers the app after an instant begins; 0 if none does.
func (a *App) beginsAfter(t Instant) (first Instant) { return a.Orders.next(t, coversSome) }

// changes tells when the coverage may change after an instant, in order: whenever it does, and seldom when it does not.
func (a *App) changes(after Instant) iter.Seq[Instant] {
	return func(yield func(Instant) bool) {
		for at := a.changesAfter(after); at != 0 && yield(at); {
			at = a.changesAfter(at)
		}
	}
}

// changesAfter is when the coverage changes next: where the highest edition is no longer covered, or a higher one is;
// without coverage, when an order begins that covers something or, while none such has begun, any order. 0 if never.
func (a *App) changesAfter(t Instant) (at Instant) {
	begun := a.Orders.until(t)
	rises := Instant(0) // to a higher edition
	for _, edition := range highestFirst {
		if begun.ends[edition].at() > t {
			at = a.Orders.unbroken(edition, t)
			if rises != 0 {
				at = min(at, rises)
			}
			if at >= noEnd {
				return 0
			}
			return at
		}
		if begins := a.Orders.next(t, coversTier(edition)); begins != 0 && (rises == 0 || begins < rises) {
			rises = begins
		}
	}
	if coversSome(begun) {
		return rises
	}
	return a.Orders.next(t, begins)
}

// ahead tells what time will do to the app's coverage after an instant, at which it is as given: the first change, and
// the expiries to come. An invoice that is late before the app is billed begins to count as the first order begins.
func (a *App) ahead(after Instant, is coverage) (next Term, expiries []Expiry) {
	was, owes := is, a.owesLater(after)
	for at := range a.changes(after) {
		will := a.coverageAt(at)
		if next.Due == 0 && (will != is || owes && at == a.billedSince()) {
			next = a.termAt(at, will)
		}
		if will.since == at && was.since == 0 {
			expiries = append(expiries, Expiry{At: at, Cause: will.cause, Edition: will.edition})
			if len(expiries) == MaxExpiries {
				break
			}
		}
		was = will
	}
	return next, expiries
}

// termAt describes a change of coverage: that no order covers the app any more and why, or what it has then, and whether
// that is because an order begins.
func (a *App) termAt(due Instant, will coverage) Term {
	if will.since != 0 {
		return Term{Due: due, Cause: will.cause}
	}
	term := Term{Due: due, To: will.edition, Cause: CausePlanExpired}
	if a.beginsAfter(due-1) == due {
		term.Cause = CauseOrder
		return term
	}
	begun, refunded := a.Orders.until(due), endingAt(due, CauseRefund)
	for _, edition := range highestFirst {
		higher := edition.edition().Rank() > will.edition.Rank()
		if higher && (begun.ends[edition] == refunded || begun.empty[edition] == refunded) {
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

// TermScheduled sets when time will change the coverage next, and the expiries that are known ahead; without a due time,
// that it will not.
type TermScheduled struct {
	About
	Due      Instant           `json:"due,omitzero"`
	To       Edition           `json:"to,omitzero"` // absent: no order covers the app then
	Cause    Cause             `json:"cause,omitzero"`
	Expiries []ScheduledExpiry `json:"expiries,omitempty"` // soonest first
}

// ScheduledExpiry is an expiry that is known ahead, with the notices of it.
type ScheduledExpiry struct {
	At       Instant `json:"at"`
	Cause    Cause   `json:"cause"`
	Edition  Edition `json:"edition,omitzero"`   // that ends then
	NoticeAt Instant `json:"notice_at,omitzero"` // when its owner is to be warned of it
	Notices  []Span  `json:"notices,omitempty"`  // how long before it each notice is due
}

func (TermScheduled) Type() string { return "app.term_scheduled.v2" }

func (e TermScheduled) apply(acc *Account) {
	app := acc.change(e.App)
	if next := (Term{Due: e.Due, To: e.To, Cause: e.Cause}); !next.same(app.Term) {
		next.Episode = episode(acc, e.Due)
		app.Term = next
	}
	expiries := make([]Expiry, len(e.Expiries))
	for i, x := range e.Expiries {
		expiries[i] = Expiry{x.At, x.Cause, x.Edition, notice(x.NoticeAt, x.Notices, acc)}
		if known := app.expiry(x.At); known != nil && known.Notice.At == x.NoticeAt {
			expiries[i].Notice.Episode = known.Notice.Episode
		}
	}
	if app.Expiries = expiries; len(expiries) == 0 {
		app.Expiries = nil
	}
}

// same says whether the same change comes at the same time, whenever that was set.
func (t Term) same(o Term) bool { return t.Due == o.Due && t.To == o.To && t.Cause == o.Cause }

// expiry finds one that is known ahead.
func (a *App) expiry(at Instant) *Expiry {
	for i := range a.Expiries {
		if a.Expiries[i].At == at {
			return &a.Expiries[i]
		}
	}
	return nil
}

func (TermScheduled) derived() bool { return true }

func (e TermScheduled) describe() string {
	switch {
	case e.Due == 0:
		return "no term begins or ends any more"
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
