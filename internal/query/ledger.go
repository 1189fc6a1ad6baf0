package query

import (
	"errors"
	"maps"
	"slices"

	"sundial/domain"
)

// Sums are sums of money of one currency, in minor units.
type Sums struct {
	Currency string
	Charged  int64 // orders paid, and invoices settled
	Refunded int64 // orders refunded
	Owed     int64 // invoices that are overdue
}

// ErrOverflow says that a sum is beyond what a JSON number carries exactly everywhere (domain.MaxMinor).
var ErrOverflow = errors.New("query: a sum is beyond 9007199254740991 minor units")

// ledger holds what all facts so far come to. What is known of an order or an invoice is decided by the rules of the
// domain; the ledger adds up what each is worth, so that a fact counts for the difference that it makes. The sums so
// depend on the set of facts alone, not on their order.
type ledger struct {
	facts   *domain.Account // the facts, and nothing else that happened
	totals  byCurrency
	scratch byCurrency // the effect in the making
}

func newLedger() *ledger {
	return &ledger{facts: domain.NewAccount(""), totals: byCurrency{}, scratch: byCurrency{}}
}

// byCurrency are the totals of each currency.
type byCurrency map[string]*totals

// totals are sums on the way, which may be beyond what can be shown: what makes them so may be taken back.
type totals struct{ charged, refunded, owed total }

// total is a sum of amounts: its lower 53 bits, and how often 2^53 beside them.
type total struct{ high, low int64 }

// add adds an amount, or takes one away: a number of 54 bits at most.
func (t *total) add(n int64) {
	t.low += n
	t.high += t.low >> 53
	t.low &= domain.MaxMinor
}

func (t *total) addAll(other total) {
	t.add(other.low)
	t.high += other.high
}

// tell gives the sum, false if it is beyond domain.MaxMinor either way.
func (t total) tell() (int64, bool) {
	switch {
	case t.high == 0:
		return t.low, true
	case t.high == -1 && t.low > 0:
		return t.low - domain.MaxMinor - 1, true
	}
	return 0, false
}

// tell gives the sums of a currency, false if one is beyond domain.MaxMinor.
func (t *totals) tell(currency string) (Sums, bool) {
	charged, fine := t.charged.tell()
	refunded, also := t.refunded.tell()
	owed, andAlso := t.owed.tell()
	return Sums{currency, charged, refunded, owed}, fine && also && andAlso
}

// enter takes a fact in and gives its effect, until the next one: none where it changes nothing. The effect of a correction
// can be negative.
func (l *ledger) enter(f *statedFact) byCurrency {
	clear(l.scratch)
	l.count(f, -1)
	l.facts.Apply(domain.Recorded{}, f.event)
	l.count(f, 1)
	if f.amount.Currency != "" {
		l.totals.of(f.amount.Currency) // it is shown from now on, also if the fact changes nothing
	}
	for currency, t := range l.scratch {
		if *t == (totals{}) {
			delete(l.scratch, currency)
			continue
		}
		sum := l.totals.of(currency)
		sum.charged.addAll(t.charged)
		sum.refunded.addAll(t.refunded)
		sum.owed.addAll(t.owed)
	}
	return l.scratch
}

// count adds to the effect what the order or the invoice of a fact is worth by now, once or minus once.
func (l *ledger) count(f *statedFact, times int64) {
	app := l.facts.Apps[f.app]
	if app == nil {
		return
	}
	switch f.kind {
	case OrderPaid, OrderRefunded:
		order, found := app.Orders.Get(f.document)
		if !found {
			return
		}
		paid := order.Terms.Amount
		l.scratch.of(paid.Currency).charged.add(times * paid.Minor)
		for _, r := range order.Refunds {
			back := r.Amount
			if back == (domain.Money{}) {
				back = paid // the whole of the order
			}
			l.scratch.of(back.Currency).refunded.add(times * back.Minor)
		}
	case InvoiceOverdue, InvoiceSettled, InvoiceVoided:
		invoice, found := app.Invoices.Get(f.document)
		if !found {
			return
		}
		amount := invoice.Latest().Amount
		switch {
		case invoice.Overdue():
			l.scratch.of(amount.Currency).owed.add(times * amount.Minor)
		case invoice.Settled():
			l.scratch.of(amount.Currency).charged.add(times * amount.Minor)
		}
	}
}

// of gives the totals of a currency, to be added to.
func (c byCurrency) of(currency string) *totals {
	t := c[currency]
	if t == nil {
		t = &totals{}
		c[currency] = t
	}
	return t
}

// tell gives the sums by currency. ErrOverflow if one is beyond what can be shown.
func (c byCurrency) tell() ([]Sums, error) {
	all := make([]Sums, 0, len(c))
	for _, currency := range slices.Sorted(maps.Keys(c)) {
		s, fine := c[currency].tell(currency)
		if !fine {
			return nil, ErrOverflow
		}
		all = append(all, s)
	}
	return all, nil
}
