package oracle

import (
	"cmp"
	"slices"
)

// InvoiceStands says how an invoice stands by the facts about it, in the word for a fact that says so; nothing without any.
// "The highest says whether it is overdue, settled or voided (same version: closing wins, and of closings voiding, which counts an
// amount of 0 too)".
func InvoiceStands(facts []Fact) string {
	if len(facts) == 0 {
		return ""
	}
	return standsAs(slices.MaxFunc(facts, func(a, b Fact) int {
		rule := []string{InvoiceOverdue, InvoiceSettled, InvoiceVoided}
		return cmp.Or(
			cmp.Compare(a.Version, b.Version),
			cmp.Compare(slices.Index(rule, standsAs(a)), slices.Index(rule, standsAs(b))),
		)
	}))
}

// standsAs is the kind of a fact about an invoice, but "a statement that nothing is owed (overdue over an amount of 0, as after a
// credit note) closes the invoice at its version, as a voiding does".
func standsAs(fact Fact) string {
	if fact.Kind == InvoiceOverdue && fact.Amount.Minor == 0 {
		return InvoiceVoided
	}
	return fact.Kind
}

// invoiceNow is what all facts about one invoice id come to, if it is overdue: nil if it is closed. Its
// Since is when it is late since, whether or not the app was billed then.
func invoiceNow(id string, facts []Fact) *Invoice {
	if InvoiceStands(facts) != InvoiceOverdue {
		return nil
	}
	closedVersion := int64(-1)
	for _, fact := range facts {
		if standsAs(fact) != InvoiceOverdue {
			closedVersion = max(closedVersion, fact.Version)
		}
	}
	owed := filter(facts, func(fact Fact) bool { return fact.Version > closedVersion })
	// "late since the earliest effective_at among its overdue facts above the last version that closed it"
	since := slices.MinFunc(owed, func(a, b Fact) int { return cmp.Compare(a.Effective, b.Effective) }).Effective
	// "The amount shown is the highest version's; at the same version the later effective_at's, then the
	// larger"; of two currencies, which the text leaves open, the later in the alphabet.
	shown := slices.MaxFunc(owed, func(a, b Fact) int {
		return cmp.Or(
			cmp.Compare(a.Version, b.Version),
			cmp.Compare(a.Effective, b.Effective),
			cmp.Compare(a.Amount.Minor, b.Amount.Minor),
			cmp.Compare(a.Amount.Currency, b.Amount.Currency),
		)
	})
	return &Invoice{ID: id, Since: since, Amount: shown.Amount, Version: shown.Version}
}

// overdueInvoices are the invoices that are overdue, by id, with no regard to when the app is billed.
func overdueInvoices(facts []Fact) []Invoice {
	byInvoice := map[string][]Fact{}
	for _, fact := range facts {
		if fact.Invoice != "" {
			byInvoice[fact.Invoice] = append(byInvoice[fact.Invoice], fact)
		}
	}
	var overdue []Invoice
	for id, about := range byInvoice {
		if invoice := invoiceNow(id, about); invoice != nil {
			overdue = append(overdue, *invoice)
		}
	}
	slices.SortFunc(overdue, func(a, b Invoice) int { return cmp.Compare(a.ID, b.ID) })
	return overdue
}

// arrearsAt is nil unless the app is billed by then and has overdue invoices: "it is in arrears since the earliest of them, but
// not before it is billed".
func (h history) arrearsAt(now int64) *Arrears {
	billed := billedFrom(h.orders)
	if len(h.overdue) == 0 || billed > now {
		return nil
	}
	arrears := Arrears{Since: never}
	for _, invoice := range h.overdue {
		invoice.Since = max(invoice.Since, billed)
		arrears.Since = min(arrears.Since, invoice.Since)
		arrears.Invoices = append(arrears.Invoices, invoice)
	}
	arrears.StopDue = h.arrearsDue(arrears.Since, h.editionAt(arrears.Since))
	return &arrears
}
