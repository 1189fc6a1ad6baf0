package domain

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
)

// Invoice is what counts of all that is known under one invoice id.
type Invoice struct {
	ID     string      `json:"id"`
	Owed   []Statement `json:"owed,omitempty"`  // that it is overdue, by version and time: those above its last closing, and the latest
	Closed Closing     `json:"closed,omitzero"` // the last one; absent while nothing closed it
	Heard  []Heard     `json:"heard,omitempty"` // what counts no more; what was heard last comes last
}

// Statement is one statement of what an invoice is overdue with.
type Statement struct {
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
	Amount      Money   `json:"amount"`
}

// Closing is one statement that nothing is owed any more. It is absent while By is.
type Closing struct {
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
	By          By      `json:"by"` // settlement or voiding
}

// Heard stands for a statement or a closing that counts no more, being at or below the version that closed the invoice last.
// It is kept so that the same, said again, is silence.
type Heard uint64

// MaxHeard is how many of them are kept of an invoice. What was said before that is recorded once more when it is said
// again, and changes nothing.
const MaxHeard = 8

// closed says whether the last closing is at or above a version.
func (i Invoice) closed(version int64) bool { return i.Closed.By != "" && version <= i.Closed.Version }

// lateSince is the earliest time at which it was late since it was last closed; 0 while it is not overdue.
func (i Invoice) lateSince() Instant {
	since := Instant(0)
	for _, s := range i.Owed {
		if !i.closed(s.Version) && s.Amount.Minor > 0 && (since == 0 || s.EffectiveAt < since) {
			since = s.EffectiveAt
		}
	}
	return since
}

// Overdue says whether it is owed and late.
func (i Invoice) Overdue() bool { return i.lateSince() != 0 }

// Settled says whether the invoice was paid, and is not owed again since.
func (i Invoice) Settled() bool { return i.Closed.By == bySettlement && !i.Overdue() }

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
func (i *Invoice) owe(s Statement) {
	if s.Amount.Minor == 0 {
		i.close(Closing{s.Version, s.EffectiveAt, byVoiding})
	}
	if slices.ContainsFunc(i.Owed, func(k Statement) bool { return k.covers(s) }) {
		return
	}
	kept := make([]Statement, 0, len(i.Owed)+1)
	for _, k := range i.Owed {
		if !s.covers(k) {
			kept = append(kept, k)
		}
	}
	at, _ := slices.BinarySearchFunc(kept, s, compareStatements)
	i.Owed = slices.Insert(kept, at, s)
	i.forget()
}

// covers says whether a statement is superfluous beside this one. It is beside one of a higher version that is effective
// no later: whenever it counts, that one does, is late no later, and is what is shown.
func (s Statement) covers(o Statement) bool {
	if s.Version == o.Version && s.EffectiveAt == o.EffectiveAt {
		return s.Amount.compare(o.Amount) >= 0
	}
	return s.Version > o.Version && s.EffectiveAt <= o.EffectiveAt
}

// close takes in that a version of the invoice was settled or voided. A closing is superfluous beside one of a higher
// version, or a voiding of the same, that is effective no later.
func (i *Invoice) close(c Closing) {
	last := i.Closed
	switch above := cmp.Or(cmp.Compare(c.Version, last.Version), cmp.Compare(c.By, last.By)); {
	case last.By == "":
		i.Closed = c
	case above > 0 || above == 0 && c.EffectiveAt < last.EffectiveAt:
		i.Closed = c
		if c.EffectiveAt > last.EffectiveAt {
			i.hear(last.fingerprint())
		}
	case c.EffectiveAt < last.EffectiveAt:
		i.hear(c.fingerprint())
	}
	i.forget()
}

// forget lets go of the statements that the last closing is above, but the latest, which is what is shown.
func (i *Invoice) forget() {
	below := 0
	for below < len(i.Owed)-1 && i.closed(i.Owed[below].Version) {
		i.hear(i.Owed[below].fingerprint())
		below++
	}
	i.Owed = i.Owed[below:]
}

// hear keeps what counts no more, as the last. The slice may be shared with copies, and stays as it is.
func (i *Invoice) hear(h Heard) {
	heard := make([]Heard, 0, len(i.Heard)+1)
	for _, k := range i.Heard {
		if k != h {
			heard = append(heard, k)
		}
	}
	heard = append(heard, h)
	i.Heard = heard[max(0, len(heard)-MaxHeard):]
}

func (s Statement) fingerprint() Heard {
	return fingerprint(s.Version, s.EffectiveAt, s.Amount.Currency, s.Amount.Minor)
}

func (c Closing) fingerprint() Heard { return fingerprint(c.Version, c.EffectiveAt, string(c.By), 0) }

// fingerprint is stored, so it is the FNV-1a of one fixed form for good.
func fingerprint(version int64, at Instant, what string, minor int64) Heard {
	h := fnv.New64a()
	var b [24]byte
	binary.BigEndian.PutUint64(b[:], uint64(version))
	binary.BigEndian.PutUint64(b[8:], uint64(at))
	binary.BigEndian.PutUint64(b[16:], uint64(minor))
	h.Write(b[:])
	h.Write([]byte(what))
	return Heard(h.Sum64())
}

// same says whether the same is known of both invoices.
func (i Invoice) same(o Invoice) bool {
	return i.ID == o.ID && slices.Equal(i.Owed, o.Owed) && i.Closed == o.Closed && len(i.Heard) == len(o.Heard) &&
		!slices.ContainsFunc(i.Heard, func(h Heard) bool { return !slices.Contains(o.Heard, h) })
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
