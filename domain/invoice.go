package domain

import (
	"cmp"
	"fmt"
	"slices"
)

// Invoice is all that is known under one invoice id, reduced to what can still matter: whatever facts come later, the
// same answers follow as from all facts kept.
type Invoice struct {
	ID       string    `json:"id"`
	Closed   int64     `json:"closed,omitzero"`    // the last version that closed it
	ClosedBy By        `json:"closed_by,omitzero"` // settlement or voiding; absent while nothing closed it
	Overdue  []Overdue `json:"overdue,omitzero"`   // above the last version that closed it, oldest version first
	Latest   Overdue   `json:"latest,omitzero"`    // what it was last said to be; absent while it was only said to be closed
	Amount   Money     `json:"amount,omitzero"`    // as Latest says
}

// Overdue is one statement that an invoice is owed and late.
type Overdue struct {
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
}

// lateSince is the earliest time at which it was late since it was last closed; 0 while it is not overdue.
func (i Invoice) lateSince() Instant {
	if len(i.Overdue) == 0 {
		return 0
	}
	return i.Overdue[0].EffectiveAt // lower versions that are not earlier have been dropped
}

// Settled says whether the invoice was paid, and is not owed again since.
func (i Invoice) Settled() bool { return len(i.Overdue) == 0 && i.ClosedBy == bySettlement }

// owe takes in a statement that the invoice is overdue.
func (i *Invoice) owe(o Overdue, amount Money) {
	if i.later(o, amount) {
		i.Latest, i.Amount = o, amount
	}
	if i.ClosedBy != "" && o.Version <= i.Closed {
		return
	}
	covers := func(x, y Overdue) bool { return x.Version >= y.Version && x.EffectiveAt <= y.EffectiveAt }
	kept := make([]Overdue, 0, len(i.Overdue)+1)
	for _, k := range i.Overdue {
		if covers(k, o) {
			return
		}
		if !covers(o, k) {
			kept = append(kept, k)
		}
	}
	kept = append(kept, o)
	slices.SortFunc(kept, func(x, y Overdue) int { return cmp.Compare(x.Version, y.Version) })
	i.Overdue = kept
}

// same says whether the same is known of both invoices.
func (i Invoice) same(o Invoice) bool {
	return i.ID == o.ID && i.Closed == o.Closed && i.ClosedBy == o.ClosedBy && i.Latest == o.Latest && i.Amount == o.Amount &&
		slices.Equal(i.Overdue, o.Overdue)
}

// later says whether a statement's amount is the one to show: of the highest version, at the same one the later
// effective, then the larger.
func (i *Invoice) later(o Overdue, amount Money) bool {
	return i.Latest.EffectiveAt == 0 || cmp.Or(
		cmp.Compare(o.Version, i.Latest.Version),
		cmp.Compare(o.EffectiveAt, i.Latest.EffectiveAt),
		amount.compare(i.Amount),
	) > 0
}

// close takes in that a version of the invoice was settled or voided.
func (i *Invoice) close(version int64, by By) {
	if i.ClosedBy != "" && cmp.Or(cmp.Compare(version, i.Closed), cmp.Compare(by, i.ClosedBy)) <= 0 {
		return
	}
	i.Closed, i.ClosedBy = version, by
	open := slices.IndexFunc(i.Overdue, func(o Overdue) bool { return o.Version > version })
	if open < 0 {
		open = len(i.Overdue)
	}
	i.Overdue = slices.Clone(i.Overdue[open:])
}

func (a *App) findInvoice(id string) int {
	i, _ := slices.BinarySearchFunc(a.Invoices, id, func(v Invoice, id string) int { return cmp.Compare(v.ID, id) })
	return i
}

// ensureInvoice gives the invoice with this id to be changed, and makes it if there is none.
func (a *App) ensureInvoice(id string) *Invoice {
	i := a.findInvoice(id)
	if i == len(a.Invoices) || a.Invoices[i].ID != id {
		a.Invoices = slices.Insert(a.Invoices, i, Invoice{ID: id})
	}
	return &a.Invoices[i]
}

// knowsInvoice says whether the invoice is known and what is told of it changes nothing.
func (a *App) knowsInvoice(id string, tell func(*Invoice)) bool {
	at := a.findInvoice(id)
	if at == len(a.Invoices) || a.Invoices[at].ID != id {
		return false
	}
	told := a.Invoices[at]
	tell(&told)
	return told.same(a.Invoices[at])
}

// OpenInvoice is an invoice that keeps an app in arrears.
type OpenInvoice struct {
	ID      string
	Amount  Money
	Since   Instant // from when it counts: late, and the app billed
	Version int64
}

// OpenInvoices lists the invoices that keep the app in arrears, by id; none while it is not billed.
func (a *App) OpenInvoices() []OpenInvoice {
	billed := a.billedSince()
	if billed == 0 {
		return nil
	}
	var open []OpenInvoice
	for _, i := range a.Invoices {
		if late := i.lateSince(); late != 0 {
			open = append(open, OpenInvoice{i.ID, i.Amount, max(late, billed), i.Latest.Version})
		}
	}
	return open
}

// InvoiceOverdueRecorded is the fact that an invoice is owed and late.
type InvoiceOverdueRecorded struct {
	About
	Invoice     string  `json:"invoice"`
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
	Amount      Money   `json:"amount"`
	Report      *Report `json:"report,omitzero"`
}

func (InvoiceOverdueRecorded) Type() string { return "app.invoice_overdue_recorded.v1" }

func (e InvoiceOverdueRecorded) apply(acc *Account) {
	e.applyTo(acc.change(e.App).ensureInvoice(e.Invoice))
}

func (e InvoiceOverdueRecorded) addsNothing(app *App) bool {
	return app.knowsInvoice(e.Invoice, e.applyTo)
}

func (e InvoiceOverdueRecorded) applyTo(i *Invoice) {
	i.owe(Overdue{e.Version, e.EffectiveAt}, e.Amount)
}

func (e InvoiceOverdueRecorded) report() *Report { return e.Report }

func (e InvoiceOverdueRecorded) trigger() trigger { return trigger{byOverdue, e.EffectiveAt} }

func (e InvoiceOverdueRecorded) describe() string {
	return fmt.Sprintf("invoice %s overdue since %s", e.Invoice, e.EffectiveAt)
}

// InvoiceSettledRecorded is the fact that an invoice was paid.
type InvoiceSettledRecorded struct {
	About
	Invoice     string  `json:"invoice"`
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
	Report      *Report `json:"report,omitzero"`
}

func (InvoiceSettledRecorded) Type() string { return "app.invoice_settled_recorded.v1" }

func (e InvoiceSettledRecorded) apply(acc *Account) {
	e.applyTo(acc.change(e.App).ensureInvoice(e.Invoice))
}

func (e InvoiceSettledRecorded) addsNothing(app *App) bool {
	return app.knowsInvoice(e.Invoice, e.applyTo)
}

func (e InvoiceSettledRecorded) applyTo(i *Invoice) { i.close(e.Version, bySettlement) }

func (e InvoiceSettledRecorded) report() *Report { return e.Report }

func (e InvoiceSettledRecorded) trigger() trigger { return trigger{bySettlement, e.EffectiveAt} }

func (e InvoiceSettledRecorded) describe() string {
	return fmt.Sprintf("invoice %s settled %s", e.Invoice, e.EffectiveAt)
}

// InvoiceVoidedRecorded is the fact that an invoice was withdrawn.
type InvoiceVoidedRecorded struct {
	About
	Invoice     string  `json:"invoice"`
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
	Report      *Report `json:"report,omitzero"`
}

func (InvoiceVoidedRecorded) Type() string { return "app.invoice_voided_recorded.v1" }

func (e InvoiceVoidedRecorded) apply(acc *Account) {
	e.applyTo(acc.change(e.App).ensureInvoice(e.Invoice))
}

func (e InvoiceVoidedRecorded) addsNothing(app *App) bool {
	return app.knowsInvoice(e.Invoice, e.applyTo)
}

func (e InvoiceVoidedRecorded) applyTo(i *Invoice) { i.close(e.Version, byVoiding) }

func (e InvoiceVoidedRecorded) report() *Report { return e.Report }

func (e InvoiceVoidedRecorded) trigger() trigger { return trigger{byVoiding, e.EffectiveAt} }

func (e InvoiceVoidedRecorded) describe() string {
	return fmt.Sprintf("invoice %s voided %s", e.Invoice, e.EffectiveAt)
}
