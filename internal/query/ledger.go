package query

import (
	"cmp"
	"errors"
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
	facts   *domain.Account  // the facts, and nothing else that happened
	sums    map[string]*Sums // by currency
	scratch map[string]*Sums // the effect in the making
}

func newLedger() *ledger {
	return &ledger{facts: domain.NewAccount(""), sums: map[string]*Sums{}, scratch: map[string]*Sums{}}
}

// enter takes a fact in and gives its effect, by currency: none where it changes nothing. The effect of a correction can
// be negative.
func (l *ledger) enter(f *statedFact) ([]Sums, error) {
	clear(l.scratch)
	l.count(f, -1)
	l.facts.Apply(domain.Recorded{}, f.event)
	l.count(f, 1)
	if f.amount.Currency != "" {
		of(l.sums, f.amount.Currency) // it is shown from now on, also if the fact changes nothing
	}
	var effect []Sums
	for _, s := range ordered(l.scratch) {
		if s.Charged == 0 && s.Refunded == 0 && s.Owed == 0 {
			continue
		}
		effect = append(effect, s)
		sum := of(l.sums, s.Currency)
		sum.Charged += s.Charged // two numbers of 54 bits at most
		sum.Refunded += s.Refunded
		sum.Owed += s.Owed
		if max(sum.Charged, sum.Refunded, sum.Owed) > domain.MaxMinor {
			return nil, ErrOverflow
		}
	}
	return effect, nil
}

// count adds to the effect what the order or the invoice of a fact is worth by now, once or minus once.
func (l *ledger) count(f *statedFact, times int64) {
	app := l.facts.Apps[f.app]
	if app == nil {
		return
	}
	switch f.kind {
	case OrderPaid, OrderRefunded:
		i, found := slices.BinarySearchFunc(app.Orders, f.document, func(o domain.Order, id string) int { return cmp.Compare(o.ID, id) })
		if !found {
			return
		}
		paid := app.Orders[i].Terms.Amount
		of(l.scratch, paid.Currency).Charged += times * paid.Minor
		for _, r := range app.Orders[i].Refunds {
			back := r.Amount
			if back == (domain.Money{}) {
				back = paid // the whole of the order
			}
			of(l.scratch, back.Currency).Refunded += times * back.Minor
		}
	case InvoiceOverdue, InvoiceSettled, InvoiceVoided:
		i, found := slices.BinarySearchFunc(app.Invoices, f.document, func(i domain.Invoice, id string) int { return cmp.Compare(i.ID, id) })
		if !found {
			return
		}
		invoice := &app.Invoices[i]
		amount := invoice.Latest().Amount
		switch {
		case invoice.Overdue():
			of(l.scratch, amount.Currency).Owed += times * amount.Minor
		case invoice.Settled():
			of(l.scratch, amount.Currency).Charged += times * amount.Minor
		}
	}
}

// of gives the sums of a currency to be added to.
func of(sums map[string]*Sums, currency string) *Sums {
	s := sums[currency]
	if s == nil {
		s = &Sums{Currency: currency}
		sums[currency] = s
	}
	return s
}

// ordered gives the sums by currency.
func ordered(sums map[string]*Sums) []Sums {
	all := make([]Sums, 0, len(sums))
	for _, s := range sums {
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Sums) int { return cmp.Compare(a.Currency, b.Currency) })
	return all
}
