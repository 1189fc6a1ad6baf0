package oracle

import (
	"cmp"
	"slices"
)

// invoiceNow is what all facts about one invoice id come to, if it is overdue: nil if it is closed. Its
// Since is when it is late since, whether or not the app was billed then.
func invoiceNow(id string, facts []Fact) *Invoice {
	// "the highest says whether it is overdue, settled or voided (same version: closing wins)": owed are
	// only the facts above the last version that closed it.
	closedVersion := int64(-1)
	for _, fact := range facts {
		if fact.Kind != InvoiceOverdue {
			closedVersion = max(closedVersion, fact.Version)
		}
	}
	owed := filter(facts, func(fact Fact) bool {
		return fact.Kind == InvoiceOverdue && fact.Version > closedVersion
	})
	if len(owed) == 0 {
		return nil
	}
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

// arrearsNow is nil unless the app is billed and has overdue invoices: "it is in arrears since the earliest
// of them, but not before it is billed".
func arrearsNow(orders []order, facts []Fact, grace int64) *Arrears {
	if len(orders) == 0 {
		return nil
	}
	byInvoice := map[string][]Fact{}
	for _, fact := range facts {
		if fact.Invoice != "" {
			byInvoice[fact.Invoice] = append(byInvoice[fact.Invoice], fact)
		}
	}
	billed := billedFrom(orders)
	var overdue []Invoice
	for id, about := range byInvoice {
		if invoice := invoiceNow(id, about); invoice != nil {
			invoice.Since = max(invoice.Since, billed)
			overdue = append(overdue, *invoice)
		}
	}
	if len(overdue) == 0 {
		return nil
	}
	slices.SortFunc(overdue, func(a, b Invoice) int { return cmp.Compare(a.ID, b.ID) })
	since := slices.MinFunc(overdue, func(a, b Invoice) int { return cmp.Compare(a.Since, b.Since) }).Since
	return &Arrears{Since: since, StopDue: since + grace, Invoices: overdue}
}
