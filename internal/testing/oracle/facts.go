// Package oracle says what an app must be, given what billing reported about it. It is a second
// reading of docs/lifecycle.md, less what people do and the clock, written independently of the
// package domain and importing nothing of ours, so that the two can be held against each other.
// Sentences in quotation marks are those of the specification that both were written from.
//
// It folds sets: [State] takes all facts at once, in any order and with any duplicates, and derives the
// answer sentence by sentence, with no regard for speed. It knows billing facts and time only: what people
// do (stopping, starting, deleting) is not its matter.
//
// Instants are milliseconds since the Unix epoch in UTC; 0 means absent.
package oracle

// The kinds of fact, which are the types of the CloudEvents that carry them.
const (
	OrderPaid      = "sundial.billing.order.paid"
	OrderRefunded  = "sundial.billing.order.refunded"
	InvoiceOverdue = "sundial.billing.invoice.overdue"
	InvoiceSettled = "sundial.billing.invoice.settled"
	InvoiceVoided  = "sundial.billing.invoice.voided"
)

// Editions an app can have. The trials rank lowest and cannot be bought.
const (
	Trial     = "trial"
	TRTCTrial = "trtc_trial"
	Pro       = "pro"
	Flagship  = "flagship"
)

// App is what an app was before billing said anything about it.
type App struct {
	Account   string
	ID        uint64
	Name      string
	CreatedAt int64
	// Edition is what the app was imported as; empty means trial. A paid edition stands for an open-ended
	// order named "import" from the app's creation on; an app whose paid edition came with its orders
	// has a trial here and those orders among its facts, as its owner's word.
	Edition string
}

// Money is an amount in the minor units of its currency.
type Money struct {
	Currency string
	Minor    int64
}

// Fact is one thing that billing (or, for orders, the owner's command) reported. Kind says which of
// the fields count.
type Fact struct {
	Kind      string
	Source    string // with ID, the identity of the CloudEvent
	ID        string
	Account   string
	App       uint64
	Effective int64

	// Order is the id of the order paid or refunded.
	Order string
	// Refund tells several refunds of one order apart; none given is one id like any other.
	Refund string
	// Goodwill marks a refund that says `ends: false`: money was given back, and the order goes on.
	Goodwill bool
	// Edition is what the order bought: "pro", "flagship", or empty for add-ons alone.
	Edition string
	// PaidUntil ends the order's term; 0 means that it is open-ended.
	PaidUntil int64
	// AddOns are what else the order bought, as canonical JSON, or empty.
	AddOns string
	// OwnersWord marks an order told by the owner's command: at one version, billing's word goes before it.
	OwnersWord bool

	// Invoice is the id of the invoice that is overdue, settled or voided.
	Invoice string
	// Version is the version of the order paid (0 if none was given) or of the fact about the invoice.
	Version int64
	// Amount is what was paid, refunded or is owed; refunds may leave it out, closings have none.
	Amount Money
}
