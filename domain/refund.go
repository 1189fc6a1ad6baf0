package domain

import "fmt"

// Refund is the billing system's report that an order was refunded. It ends the order whole, whatever its amount; it
// may arrive before the order; of several the earliest effective counts. If nothing else covers the app it has lapsed,
// and will be stopped when the grace is over. It is always recorded.
type Refund struct {
	App         AppID   `json:"app"`
	Order       string  `json:"order"`
	EffectiveAt Instant `json:"effective_at"`
	Amount      Money   `json:"amount,omitzero"`
	Report      *Report `json:"report,omitzero"`
}

func (Refund) Name() string { return "refund" }

func (c Refund) Subject() AppID { return c.App }

func (c Refund) decide(d *draft) error {
	var p problems
	checkID("order", c.Order, &p)
	checkTime("effective_at", c.EffectiveAt, &p)
	if c.Amount != (Money{}) {
		c.Amount.check("amount", &p)
	}
	if err := p.err(); err != nil {
		return err
	}
	fact := RefundRecorded{About{c.App}, c.Order, c.EffectiveAt, c.Amount, c.Report}
	return d.recordUnlessKnown(fact)
}

// RefundRecorded is the fact that an order was refunded.
type RefundRecorded struct {
	About
	Order       string  `json:"order"`
	EffectiveAt Instant `json:"effective_at"`
	Amount      Money   `json:"amount,omitzero"`
	Report      *Report `json:"report,omitzero"`
}

func (RefundRecorded) Type() string { return "app.refund_recorded.v1" }

func (e RefundRecorded) apply(acc *Account) { e.applyTo(acc.change(e.App).ensureOrder(e.Order)) }

func (e RefundRecorded) addsNothing(app *App) bool { return app.knowsOrder(e.Order, e.applyTo) }

func (e RefundRecorded) applyTo(o *Order) {
	if o.RefundedAt == 0 || e.EffectiveAt < o.RefundedAt {
		o.RefundedAt = e.EffectiveAt
	}
}

func (e RefundRecorded) report() *Report { return e.Report }

func (e RefundRecorded) trigger() trigger { return trigger{byRefund, e.EffectiveAt} }

func (e RefundRecorded) describe() string {
	return fmt.Sprintf("order %s refunded %s", e.Order, e.EffectiveAt)
}
