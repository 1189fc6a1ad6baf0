package query

import (
	"sundial/domain"
	"sundial/internal/cloudevent"
)

// Kind is the kind of a billing fact.
type Kind string

// The kinds, called as upstream's events are.
const (
	OrderPaid      Kind = "order_paid"
	OrderRefunded  Kind = "order_refunded"
	InvoiceOverdue Kind = "invoice_overdue"
	InvoiceSettled Kind = "invoice_settled"
	InvoiceVoided  Kind = "invoice_voided"
)

// statedFact is an event that is a billing statedFact.
type statedFact struct {
	event       domain.Event
	kind        Kind
	app         domain.AppID
	document    string // the id of the order or of the invoice
	version     int64
	effectiveAt domain.Instant
	amount      domain.Money // as the fact states it; absent where it does not
}

// factOf gives the fact that an event is, false if it is none.
func factOf(e domain.Event) (statedFact, bool) {
	switch e := e.(type) {
	case domain.OrderRecorded:
		return statedFact{e, OrderPaid, e.App, e.Order.ID, e.Order.Version, e.Order.EffectiveAt, e.Order.Amount}, true
	case domain.RefundRecorded:
		return statedFact{e, OrderRefunded, e.App, e.Order, 0, e.EffectiveAt, e.Amount}, true
	case domain.InvoiceOverdueRecorded:
		return statedFact{e, InvoiceOverdue, e.App, e.Invoice, e.Version, e.EffectiveAt, e.Amount}, true
	case domain.InvoiceSettledRecorded:
		return statedFact{e, InvoiceSettled, e.App, e.Invoice, e.Version, e.EffectiveAt, domain.Money{}}, true
	case domain.InvoiceVoidedRecorded:
		return statedFact{e, InvoiceVoided, e.App, e.Invoice, e.Version, e.EffectiveAt, domain.Money{}}, true
	}
	return statedFact{}, false
}

// factNames are the names of the events that are facts, so that others need not be decoded.
var factNames = func() (names []string) {
	for _, e := range domain.Prototypes() {
		if _, is := factOf(e); is {
			names = append(names, cloudevent.NameOf(e.Type()))
		}
	}
	return names
}()
