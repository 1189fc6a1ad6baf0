package domain

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"iter"
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

// changeInvoice makes an invoice what it is by what is told of it; it may be new.
func (a *App) changeInvoice(id string, tell func(*Invoice)) {
	i, known := a.Invoices.Get(id)
	if !known {
		i.ID = id
	}
	tell(&i)
	a.Invoices = a.Invoices.with(i)
}

// knowsInvoice says whether the invoice is known and what is told of it changes nothing.
func (a *App) knowsInvoice(id string, tell func(*Invoice)) bool {
	was, known := a.Invoices.Get(id)
	told := was
	tell(&told)
	return known && told.same(was)
}

// OpenInvoice is an invoice that keeps an app in arrears.
type OpenInvoice struct {
	ID      string
	Amount  Money
	Since   Instant // from when it counts: late, and the app billed
	Version int64
}

// OpenInvoices gives the invoices that keep the app in arrears, those that count first before others and at one instant by
// id, behind a place in that order; the place of no id is before all. There are none while the app is in no arrears.
//
// Those that were late before the app was billed count from one instant. They are put in order when they are asked for, all
// of them; the others are in order.
func (a *App) OpenInvoices(since Instant, id string) iter.Seq[OpenInvoice] {
	return func(yield func(OpenInvoice) bool) {
		billed := a.billedSince()
		if billed == 0 || a.Arrears.Since == 0 {
			return
		}
		open := func(late lateInvoice) bool {
			latest := late.invoice.Latest()
			return yield(OpenInvoice{late.id, latest.Amount, max(late.since, billed), latest.Version})
		}
		if since <= billed {
			early := slices.Collect(a.Invoices.lateBefore(billed + 1))
			slices.SortFunc(early, func(x, y lateInvoice) int { return cmp.Compare(x.id, y.id) })
			for _, late := range early {
				if behind := since < billed || late.id > id; behind && !open(late) {
					return
				}
			}
			since, id = billed+1, ""
		}
		for late := range a.Invoices.lateFrom(since, id) {
			if !open(late) {
				return
			}
		}
	}
}

// OpenInvoiceCount is how many there are.
func (a *App) OpenInvoiceCount() int {
	if a.billedSince() == 0 || a.Arrears.Since == 0 {
		return 0
	}
	return a.Invoices.late.size()
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
	acc.change(e.App).changeInvoice(e.Invoice, e.applyTo)
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
	acc.change(e.App).changeInvoice(e.Invoice, e.applyTo)
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
	acc.change(e.App).changeInvoice(e.Invoice, e.applyTo)
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
