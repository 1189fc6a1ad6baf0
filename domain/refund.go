package domain

import (
	"cmp"
	"fmt"
	"slices"
)

// Refund is the billing system's report that money of an order was given back. It ends the order whole, whatever its
// amount, unless it was given for goodwill; it may arrive before the order. If nothing else covers the app it has lapsed,
// and will be stopped when the grace is over. It is always recorded.
type Refund struct {
	App         AppID   `json:"app"`
	Order       string  `json:"order"`
	Refund      string  `json:"refund,omitzero"` // tells several refunds of one order apart; none given is one id like any other
	EffectiveAt Instant `json:"effective_at"`
	Amount      Money   `json:"amount,omitzero"`
	Goodwill    bool    `json:"goodwill,omitzero"` // the order goes on
	Report      *Report `json:"report,omitzero"`
}

func (Refund) Name() string { return "refund" }

func (c Refund) Subject() AppID { return c.App }

func (c Refund) decide(d *draft) error {
	var p problems
	checkID("order", c.Order, &p)
	if c.Refund != "" {
		checkID("refund", c.Refund, &p)
	}
	checkTime("effective_at", c.EffectiveAt, &p)
	if c.Amount != (Money{}) {
		c.Amount.check("amount", &p)
	}
	if err := p.err(); err != nil {
		return err
	}
	return d.recordUnlessKnown(c.fact())
}

func (c Refund) fact() fact {
	return RefundRecorded{About{c.App}, c.Order, c.Refund, c.EffectiveAt, c.Amount, c.Goodwill, c.Report}
}

// KnownRefund is what counts of all that was reported under one refund id of an order.
type KnownRefund struct {
	ID          string  `json:"id,omitzero"`
	EffectiveAt Instant `json:"effective_at"`
	Amount      Money   `json:"amount,omitzero"` // absent: the whole order's
	Goodwill    bool    `json:"goodwill,omitzero"`
}

// wins decides between two facts under one id: the earlier effective, then the one that ends the order, then the larger
// amount (none is the least), then the smaller canonical JSON, which at one amount is that of the smaller currency.
func (r KnownRefund) wins(o KnownRefund) bool {
	return cmp.Or(
		cmp.Compare(r.EffectiveAt, o.EffectiveAt),
		compareBool(r.Goodwill, o.Goodwill),
		-compareBool(r.Amount != Money{}, o.Amount != Money{}),
		-cmp.Compare(r.Amount.Minor, o.Amount.Minor),
		cmp.Compare(r.Amount.Currency, o.Amount.Currency),
	) <= 0
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// refund takes in a refund of the order.
func (o *Order) refund(r KnownRefund) {
	at, known := slices.BinarySearchFunc(o.Refunds, r.ID, func(k KnownRefund, id string) int { return cmp.Compare(k.ID, id) })
	switch {
	case !known:
		o.Refunds = slices.Insert(slices.Clone(o.Refunds), at, r)
	case !o.Refunds[at].wins(r):
		o.Refunds = slices.Clone(o.Refunds)
		o.Refunds[at] = r
	}
}

// RefundRecorded is the fact that money of an order was given back.
type RefundRecorded struct {
	About
	Order       string  `json:"order"`
	Refund      string  `json:"refund,omitzero"` // its id among the refunds of the order
	EffectiveAt Instant `json:"effective_at"`
	Amount      Money   `json:"amount,omitzero"`   // absent: the whole order's
	Goodwill    bool    `json:"goodwill,omitzero"` // the order goes on
	Report      *Report `json:"report,omitzero"`
}

func (RefundRecorded) Type() string { return "app.refund_recorded.v2" }

func (e RefundRecorded) apply(acc *Account) { acc.change(e.App).changeOrder(e.Order, e.applyTo) }

func (e RefundRecorded) addsNothing(app *App) bool { return app.knowsOrder(e.Order, e.applyTo) }

func (e RefundRecorded) applyTo(o *Order) {
	o.refund(KnownRefund{e.Refund, e.EffectiveAt, e.Amount, e.Goodwill})
}

func (e RefundRecorded) report() *Report { return e.Report }

func (e RefundRecorded) trigger() trigger { return trigger{byRefund, e.EffectiveAt} }

func (e RefundRecorded) describe() string {
	if e.Goodwill {
		return fmt.Sprintf("money of order %s given back for goodwill %s: it goes on", e.Order, e.EffectiveAt) + e.Amount.aside()
	}
	return fmt.Sprintf("order %s refunded %s", e.Order, e.EffectiveAt) + e.Amount.aside()
}
