package domain

import (
	"cmp"
	"iter"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Invoices is all that is known of an app's invoices. A copy is free, and what is asked of it does not walk through them: an
// app may gather a hundred thousand. As JSON it is a list, by id.
type Invoices struct {
	byID tree[knownInvoice, unsummed]
	late tree[lateInvoice, unsummed] // those that are overdue, the earliest first
}

// InvoicesOf is a set of invoices; each has another id.
func InvoicesOf(invoices ...Invoice) Invoices {
	known, late := make([]knownInvoice, len(invoices)), make([]lateInvoice, 0, len(invoices))
	for i := range invoices {
		known[i] = knownInvoice{invoices[i].ID, &invoices[i]}
		if since := invoices[i].lateSince(); since != 0 {
			late = append(late, lateInvoice{since, invoices[i].ID, &invoices[i]})
		}
	}
	return Invoices{treeOf(known), treeOf(late)}
}

// Len is how many there are.
func (is Invoices) Len() int { return is.byID.size() }

// All gives the invoices by id.
func (is Invoices) All() iter.Seq[Invoice] {
	return func(yield func(Invoice) bool) {
		is.byID.root.walk(func(k knownInvoice) bool { return yield(*k.invoice) })
	}
}

// Since gives those that are not in an earlier set, or not as they are, by id.
func (is Invoices) Since(was Invoices) iter.Seq[Invoice] {
	return func(yield func(Invoice) bool) {
		is.byID.root.since(was.byID.root, func(k knownInvoice) bool { return yield(*k.invoice) })
	}
}

// Get gives an invoice.
func (is Invoices) Get(id string) (Invoice, bool) {
	if known, found := is.byID.find(knownInvoice{id: id}); found {
		return *known.invoice, true
	}
	return Invoice{}, false
}

// with is the invoices with one of them as it is now.
func (is Invoices) with(i Invoice) Invoices {
	if was, known := is.Get(i.ID); known {
		if since := was.lateSince(); since != 0 {
			is.late = is.late.without(lateInvoice{since: since, id: i.ID})
		}
	}
	is.byID = is.byID.with(knownInvoice{i.ID, &i})
	if since := i.lateSince(); since != 0 {
		is.late = is.late.with(lateInvoice{since, i.ID, &i})
	}
	return is
}

// lateSince is the earliest time since which one is late; 0 if none is.
func (is Invoices) lateSince() Instant {
	n := is.late.root
	if n == nil {
		return 0
	}
	for n.left != nil {
		n = n.left
	}
	return n.entry.since
}

// lateBefore gives those that are late before an instant, the earliest first.
func (is Invoices) lateBefore(t Instant) iter.Seq[lateInvoice] {
	return func(yield func(lateInvoice) bool) {
		for late := range is.late.all() {
			if late.since >= t || !yield(late) {
				return
			}
		}
	}
}

// lateFrom gives those that are late at or after an instant, at that instant the ones behind an id.
func (is Invoices) lateFrom(t Instant, id string) iter.Seq[lateInvoice] {
	return func(yield func(lateInvoice) bool) { is.late.root.behind(lateInvoice{since: t, id: id}, yield) }
}

// IsZero says whether there are none.
func (is Invoices) IsZero() bool { return is.byID.root == nil }

// Equal says whether the same is known in both.
func (is Invoices) Equal(others Invoices) bool {
	return is.byID.root == others.byID.root ||
		slices.EqualFunc(slices.Collect(is.All()), slices.Collect(others.All()), Invoice.same)
}

// MarshalJSONTo writes the list.
func (is Invoices) MarshalJSONTo(to *jsontext.Encoder) error { return marshalList(to, is.All()) }

// UnmarshalJSONFrom reads the list.
func (is *Invoices) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	var invoices []Invoice
	err := json.UnmarshalDecode(from, &invoices)
	*is = InvoicesOf(invoices...)
	return err
}

type knownInvoice struct {
	id      string
	invoice *Invoice // nobody changes it
}

func (k knownInvoice) compare(o knownInvoice) int { return cmp.Compare(k.id, o.id) }

func (k knownInvoice) priority() uint64 { return lot(k.id) }

func (knownInvoice) sum() unsummed { return unsummed{} }

type lateInvoice struct {
	since   Instant
	id      string
	invoice *Invoice // nobody changes it
}

func (l lateInvoice) compare(o lateInvoice) int {
	return cmp.Or(cmp.Compare(l.since, o.since), cmp.Compare(l.id, o.id))
}

func (l lateInvoice) priority() uint64 { return lot(l.id) }

func (lateInvoice) sum() unsummed { return unsummed{} }
