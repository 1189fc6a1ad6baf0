package domain

import (
	"cmp"
	"fmt"
	"slices"
)

// Invoice is all that is known under one invoice id: those of the statements about it that can still change an answer,
// also one about the past, whatever comes later.
type Invoice struct {
	ID     string      `json:"id"`
	Owed   []Statement `json:"owed,omitempty"`   // that it is overdue, by version and time
	Closed []Closing   `json:"closed,omitempty"` // that it is paid or withdrawn, by version and time
}

// Statement is one statement of what an invoice is overdue with.
type Statement struct {
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
	Amount      Money   `json:"amount"`
}

// Closing is one statement that nothing is owed any more.
type Closing struct {
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
	By          By      `json:"by"` // settlement or voiding
}

// closing is the last one; false while nothing closed the invoice.
func (i Invoice) closing() (last Closing, closed bool) {
	for _, c := range i.Closed {
		if !closed || cmp.Or(cmp.Compare(c.Version, last.Version), cmp.Compare(c.By, last.By)) > 0 {
			last, closed = c, true
		}
	}
	return last, closed
}

// lateSince is the earliest time at which it was late since it was last closed; 0 while it is not overdue.
func (i Invoice) lateSince() Instant {
	since := Instant(0)
	last, closed := i.closing()
	for _, s := range i.Owed {
		if counts := !closed || s.Version > last.Version; counts && s.Amount.Minor > 0 && (since == 0 || s.EffectiveAt < since) {
			since = s.EffectiveAt
		}
	}
	return since
}

// Overdue says whether it is owed and late.
func (i Invoice) Overdue() bool { return i.lateSince() != 0 }

// Settled says whether the invoice was paid, and is not owed again since.
func (i Invoice) Settled() bool {
	last, closed := i.closing()
	return closed && last.By == bySettlement && !i.Overdue()
}

// Latest is what it was last said to be: the highest version, at the same one the later effective, then the larger
// amount. It is the zero Statement while it was only said to be closed.
func (i Invoice) Latest() (latest Statement) {
	for _, s := range i.Owed {
		if latest.EffectiveAt == 0 || compareStatements(s, latest) > 0 {
			latest = s
		}
	}
	return latest
}

func compareStatements(x, y Statement) int {
	return cmp.Or(cmp.Compare(x.Version, y.Version), cmp.Compare(x.EffectiveAt, y.EffectiveAt), x.Amount.compare(y.Amount))
}

// owe takes in a statement that the invoice is overdue. One over nothing closes it at its version, as a voiding does.
//
// A statement is superfluous beside one of a higher version that is effective no later: whenever it counts, that one
// does, is late no later, and is what is shown.
func (i *Invoice) owe(o Statement) {
	if o.Amount.Minor == 0 {
		i.close(Closing{o.Version, o.EffectiveAt, byVoiding})
	}
	covers := func(x, y Statement) bool {
		same := x.Version == y.Version && x.EffectiveAt == y.EffectiveAt
		return same && x.Amount.compare(y.Amount) >= 0 ||
			x.Version > y.Version && x.EffectiveAt <= y.EffectiveAt
	}
	i.Owed = insertUncovered(i.Owed, o, covers, compareStatements)
	i.forget()
}

// MaxClosedStatements is how many statements of an invoice are kept that its last closing is above, and how many closings.
// They are there so that what is said again is silence; what was said long ago is recorded once more, and changes nothing.
const MaxClosedStatements = 8

// forget drops the statements of the lowest versions beyond that. What is left does not depend on the order in which they
// came: a statement is covered by none of a lower version.
func (i *Invoice) forget() {
	if more := len(i.Closed) - MaxClosedStatements; more > 0 {
		i.Closed = i.Closed[more:]
	}
	last, closed := i.closing()
	below := 0
	for _, s := range i.Owed {
		if closed && s.Version <= last.Version {
			below++
		}
	}
	if more := below - MaxClosedStatements; more > 0 {
		i.Owed = i.Owed[more:]
	}
}

// close takes in that a version of the invoice was settled or voided. A closing is superfluous beside one of a higher
// version, or a voiding of the same, that is effective no later.
func (i *Invoice) close(c Closing) {
	covers := func(x, y Closing) bool {
		return x.EffectiveAt <= y.EffectiveAt && cmp.Or(cmp.Compare(x.Version, y.Version), cmp.Compare(x.By, y.By)) >= 0
	}
	i.Closed = insertUncovered(i.Closed, c, covers, func(x, y Closing) int {
		return cmp.Or(cmp.Compare(x.Version, y.Version), cmp.Compare(x.By, y.By), cmp.Compare(x.EffectiveAt, y.EffectiveAt))
	})
	i.forget()
}

// insertUncovered adds to a set, kept in order, what no element of it covers, and drops what is then covered. The slice
// that it is given stays as it is.
func insertUncovered[E any](set []E, e E, covers func(x, y E) bool, order func(x, y E) int) []E {
	kept := make([]E, 0, len(set)+1)
	for _, k := range set {
		if covers(k, e) {
			return set
		}
		if !covers(e, k) {
			kept = append(kept, k)
		}
	}
	at, _ := slices.BinarySearchFunc(kept, e, order)
	return slices.Insert(kept, at, e)
}

// same says whether the same is known of both invoices.
func (i Invoice) same(o Invoice) bool {
	return i.ID == o.ID && slices.Equal(i.Owed, o.Owed) && slices.Equal(i.Closed, o.Closed)
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

// OpenInvoices lists the invoices that keep the app in arrears, by id; none while it is in none.
func (a *App) OpenInvoices() []OpenInvoice {
	billed := a.billedSince()
	if billed == 0 || a.Arrears.Since == 0 {
		return nil
	}
	var open []OpenInvoice
	for _, i := range a.Invoices {
		if late := i.lateSince(); late != 0 {
			latest := i.Latest()
			open = append(open, OpenInvoice{i.ID, latest.Amount, max(late, billed), latest.Version})
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
	i.owe(Statement{e.Version, e.EffectiveAt, e.Amount})
}

func (e InvoiceOverdueRecorded) report() *Report { return e.Report }

func (e InvoiceOverdueRecorded) trigger() trigger {
	if e.Amount.Minor == 0 {
		return trigger{byVoiding, e.EffectiveAt}
	}
	return trigger{byOverdue, e.EffectiveAt}
}

func (e InvoiceOverdueRecorded) describe() string {
	if e.Amount.Minor == 0 {
		return fmt.Sprintf("nothing is owed of invoice %s any more %s", e.Invoice, e.EffectiveAt)
	}
	return fmt.Sprintf("invoice %s overdue since %s", e.Invoice, e.EffectiveAt) + e.Amount.aside()
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

func (e InvoiceSettledRecorded) applyTo(i *Invoice) {
	i.close(Closing{e.Version, e.EffectiveAt, bySettlement})
}

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

func (e InvoiceVoidedRecorded) applyTo(i *Invoice) {
	i.close(Closing{e.Version, e.EffectiveAt, byVoiding})
}

func (e InvoiceVoidedRecorded) report() *Report { return e.Report }

func (e InvoiceVoidedRecorded) trigger() trigger { return trigger{byVoiding, e.EffectiveAt} }

func (e InvoiceVoidedRecorded) describe() string {
	return fmt.Sprintf("invoice %s voided %s", e.Invoice, e.EffectiveAt)
}
