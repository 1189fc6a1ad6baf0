package oracle

import "fmt"

// invoices tells what was owed: stated and restated, paid in time or to the millisecond, voided, credited, bounced.
func (s *story) invoices() {
	at := s.options.Start + s.days(0, 40)
	for n := range s.between(0, 6) {
		at = s.nextInvoice(at)
		if at > s.options.End {
			return
		}
		s.invoice(fmt.Sprintf("inv-%d-%d", s.app.ID, n), at)
	}
}

// nextInvoice is some time after the one before, or at an instant that makes its stop fall due together
// with another, or that decides from when it counts.
func (s *story) nextInvoice(before int64) int64 {
	switch s.rng.IntN(8) {
	case 0:
		if len(s.ends) > 0 {
			return pick(s.generator, s.ends...)
		}
	case 1:
		if s.since != 0 {
			return s.around(s.since)
		}
	case 2:
		return before
	}
	return before + s.days(0, 45)
}

// invoice tells one invoice until it is closed for the last time, or stays open.
func (s *story) invoice(id string, at int64) {
	overdue := Fact{Kind: InvoiceOverdue, Invoice: id, Version: 1, Effective: at, Amount: yuan(s.between(1, 500000))}
	if s.chance(5) {
		overdue.Amount.Minor = 0
	}
	for {
		s.say(overdue)
		lateSince := overdue.Effective
		for s.chance(30) {
			overdue = s.restateInvoice(overdue)
			lateSince = min(lateSince, overdue.Effective)
			s.say(overdue)
		}
		if s.chance(30) {
			return
		}
		closing := s.closing(overdue, max(lateSince, s.since)+s.grace(pick(s.generator, Pro, Flagship)))
		s.say(closing)
		if s.chance(8) { // told twice, in two words
			closing.Kind, closing.Amount = pick(s.generator, InvoiceSettled, InvoiceVoided), Money{}
			closing.Effective += s.days(0, 5)
			s.say(closing)
		}
		if !s.chance(30) {
			return
		}
		// The payment bounced; in rare cases the version says nothing of it, and it stays closed.
		overdue.Version = max(overdue.Version, closing.Version) + pick[int64](s.generator, 1, 1, 1, 2, 0)
		overdue.Effective = closing.Effective + s.days(0, 20)
		overdue.Amount.Minor = max(overdue.Amount.Minor, 1)
	}
}

// restateInvoice says again that it is owed: with a new version, or with the same one and other words.
func (s *story) restateInvoice(overdue Fact) Fact {
	overdue.Version += pick[int64](s.generator, 1, 1, 0)
	overdue.Effective = max(overdue.Effective+pick[int64](s.generator, -1, 0, 1, 1)*s.days(0, 5), s.options.Start)
	overdue.Amount.Minor += pick[int64](s.generator, 0, 1, 100)
	return overdue
}

// closing settles, voids or credits the invoice: soon, late, or where a millisecond decides about the stop. Some
// closings clash with the version they close, or are stale.
func (s *story) closing(overdue Fact, due int64) Fact {
	closing := Fact{
		Kind:    pick(s.generator, InvoiceSettled, InvoiceSettled, InvoiceSettled, InvoiceVoided, InvoiceVoided, InvoiceOverdue),
		Invoice: overdue.Invoice,
		Version: max(overdue.Version+pick[int64](s.generator, 1, 1, 1, 1, 1, 1, 2, 0, 0, -1), 0),
	}
	if closing.Kind == InvoiceOverdue { // a credit note: it is owed, and it is nothing
		closing.Amount = yuan(0)
	}
	switch s.rng.IntN(10) {
	case 0, 1, 2, 3:
		closing.Effective = s.around(due)
	case 4, 5, 6:
		closing.Effective = overdue.Effective + s.days(0, 6)
	case 7, 8:
		closing.Effective = due + s.days(0, 30)
	default:
		closing.Effective = max(overdue.Effective-s.days(0, 2), s.options.Start)
	}
	return closing
}
