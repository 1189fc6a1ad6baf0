package domain

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// OrderTerms is what was bought: an edition for a term or open-ended, with or without add-ons, or add-ons alone.
type OrderTerms struct {
	ID          string   `json:"id"`
	Edition     Edition  `json:"edition,omitzero"`      // pro or flagship; absent for add-ons alone
	EffectiveAt Instant  `json:"effective_at,omitzero"` // absent in a command: now
	PaidUntil   Instant  `json:"paid_until,omitzero"`   // absent: open-ended
	Addons      []string `json:"addons,omitempty"`
	Version     int64    `json:"version,omitzero"`
	Amount      Money    `json:"amount,omitzero"` // absent only for what an import implies
}

// Order is all that is known under one order id: the terms that win among those reported, and its refunds.
type Order struct {
	ID      string        `json:"id"`
	Terms   OrderTerms    `json:"terms,omitzero"`    // absent (no effective time) while only a refund has arrived
	By      Role          `json:"by,omitzero"`       // whose word the terms are
	Refunds []KnownRefund `json:"refunds,omitempty"` // by their ids; never changed in place, so that copies may share it
}

// The limits of an order: what a console can show, and a fold can carry.
const (
	MaxAddons  = 50
	MaxVersion = MaxMinor // what a JSON number carries exactly
)

// buysEdition says whether the order counts for coverage.
func (o Order) buysEdition() bool { return o.Terms.EffectiveAt != 0 && o.Terms.Edition.Paid() }

// paysForPush says whether the order pays for mobile push: no refund ends it. Its term, and whether it has begun, are no matter.
func (o Order) paysForPush() bool {
	return o.Terms.EffectiveAt != 0 && o.refundedAt() == 0 && slices.Contains(o.Terms.Addons, TPNSAddon)
}

// same says whether the same is known of both orders.
func (o Order) same(p Order) bool {
	return o.ID == p.ID && o.By == p.By && slices.Equal(o.Refunds, p.Refunds) && o.Terms.same(p.Terms)
}

func (t OrderTerms) same(u OrderTerms) bool {
	return t.ID == u.ID && t.Edition == u.Edition && t.EffectiveAt == u.EffectiveAt && t.PaidUntil == u.PaidUntil &&
		slices.Equal(t.Addons, u.Addons) && t.Version == u.Version && t.Amount == u.Amount
}

// end is when the order stops covering: its refund or the end of its term, whichever is earlier (a tie is the
// refund's), never before it began; MaxInstant and beyond mean that it has no end.
func (o Order) end() (Instant, Cause) {
	end, cause := noEnd, CausePlanExpired
	if o.Terms.PaidUntil != 0 {
		end = o.Terms.PaidUntil
	}
	if refunded := o.refundedAt(); refunded != 0 && refunded <= end {
		end, cause = refunded, CauseRefund
	}
	return max(end, o.Terms.EffectiveAt), cause
}

// refundedAt is when a refund ends the order: the earliest of those that do; 0 if none does.
func (o Order) refundedAt() Instant {
	at := Instant(0)
	for _, r := range o.Refunds {
		if !r.Goodwill && (at == 0 || r.EffectiveAt < at) {
			at = r.EffectiveAt
		}
	}
	return at
}

const noEnd = MaxInstant + 1

// PaidUntil is the latest end of a term among the orders that no refund ends, begun or not: absent if one of them is
// open-ended or there is none.
func (a *App) PaidUntil() Instant {
	if latest := a.Orders.terms.sum().paid; latest != noEnd {
		return latest
	}
	return 0
}

// billedSince is the beginning of the first order with an edition, which may lie ahead; 0 if there is none.
func (a *App) billedSince() Instant { return a.Orders.terms.sum().first }

// order gives an order that nobody may change, nil if it is not known.
func (a *App) order(id string) *Order { return a.Orders.find(id) }

// changeOrder makes an order what it is by what is told of it; it may be new.
func (a *App) changeOrder(id string, tell func(*Order)) {
	o, known := a.Orders.Get(id)
	if !known {
		o.ID = id
	}
	tell(&o)
	a.Orders = a.Orders.with(o)
}

// knowsOrder says whether the order is known and what is told of it changes nothing.
func (a *App) knowsOrder(id string, tell func(*Order)) bool {
	was, known := a.Orders.Get(id)
	told := was
	tell(&told)
	return known && told.same(was)
}

// wins decides between two reports of one order, so that their order of arrival does not matter: the highest version;
// at the same one the billing system's word, then the earlier beginning, the shorter term, the lower edition, the
// smaller canonical JSON.
func (o Order) wins(terms OrderTerms, by Role) bool {
	if o.Terms.EffectiveAt == 0 {
		return false
	}
	order := cmp.Or(
		cmp.Compare(terms.Version, o.Terms.Version),
		cmp.Compare(word(o.By), word(by)),
		cmp.Compare(o.Terms.EffectiveAt, terms.EffectiveAt),
		cmp.Compare(term(o.Terms), term(terms)),
		cmp.Compare(o.Terms.Edition.Rank(), terms.Edition.Rank()),
	)
	if order == 0 { // seldom, and JSON costs more than all the rest of a fold
		order = slices.Compare(o.Terms.canonical(), terms.canonical())
	}
	return order <= 0
}

// word ranks whose word an order is: the billing system's before anybody else's.
func word(by Role) int {
	if by == Billing {
		return 0
	}
	return 1
}

func term(t OrderTerms) Instant {
	if t.PaidUntil == 0 {
		return noEnd
	}
	return t.PaidUntil
}

// check names what is wrong with terms that were given by a person or by the billing system.
func (t OrderTerms) check(field string, p *problems) {
	if t.Edition != "" && t.Edition.Rank() == 0 {
		p.add(field+"edition", "unknown_edition", "must be pro or flagship, or absent for add-ons alone")
	}
	if t.Edition == "" && len(t.Addons) == 0 {
		p.add(field+"edition", "nothing_ordered", "must be given unless the order is for add-ons")
	}
	if len(t.Addons) > MaxAddons {
		p.add(field+"addons", "too_many", fmt.Sprintf("must be at most %d", MaxAddons))
	}
	for _, addon := range counted(t.Addons, MaxAddons) {
		checkID(field+"addons", addon, p)
	}
	checkVersion(field+"version", t.Version, p)
	if t.PaidUntil != 0 {
		checkTime(field+"paid_until", t.PaidUntil, p)
	}
	t.Amount.check(field+"amount", p)
}

// OrderRecorded is the fact that an order was paid, as told by the billing system, an owner or an operator.
type OrderRecorded struct {
	About
	Order  OrderTerms `json:"order"`
	By     Role       `json:"by"`
	Report *Report    `json:"report,omitzero"`
}

func (OrderRecorded) Type() string { return "app.order_recorded.v1" }

func (e OrderRecorded) apply(acc *Account) { acc.change(e.App).changeOrder(e.Order.ID, e.applyTo) }

func (e OrderRecorded) addsNothing(app *App) bool { return app.knowsOrder(e.Order.ID, e.applyTo) }

func (e OrderRecorded) applyTo(o *Order) {
	if !o.wins(e.Order, e.By) {
		o.Terms, o.By = e.Order, e.By
	}
}

func (e OrderRecorded) report() *Report { return e.Report }

func (e OrderRecorded) trigger() trigger { return trigger{byOrder, e.Order.EffectiveAt} }

func (e OrderRecorded) describe() string {
	what := "add-ons"
	if e.Order.Edition != "" {
		what = string(e.Order.Edition)
	}
	until := "without an end"
	if e.Order.PaidUntil != 0 {
		until = "until " + e.Order.PaidUntil.String()
	}
	return fmt.Sprintf("order %s of %s from %s, %s", e.Order.ID, what, e.Order.EffectiveAt, until) + e.Order.Amount.aside()
}

// RecordOrder is the billing system's report that an order was paid. It is always recorded.
type RecordOrder struct {
	App    AppID      `json:"app"`
	Order  OrderTerms `json:"order"`
	Report *Report    `json:"report,omitzero"`
}

func (RecordOrder) Name() string { return "record_order" }

func (c RecordOrder) Subject() AppID { return c.App }

func (c RecordOrder) decide(d *draft) error {
	var p problems
	checkID("order", c.Order.ID, &p)
	c.Order.check("", &p)
	if c.Order.Edition != "" && !c.Order.Edition.Paid() {
		p.add("edition", "unknown_edition", "must be pro or flagship, or absent for add-ons alone")
	}
	checkTime("effective_at", c.Order.EffectiveAt, &p)
	if err := p.err(); err != nil {
		return err
	}
	return d.recordUnlessKnown(c.fact())
}

func (c RecordOrder) fact() fact {
	return OrderRecorded{About{c.App}, c.Order, Billing, c.Report}
}

// Report says which message of the billing system a fact came with: unique by source and id. What the engine does not
// understand of the message is kept with the fact, as the message had it.
type Report struct {
	Source string         `json:"source"`
	ID     string         `json:"id"`
	Extra  jsontext.Value `json:"extra,omitzero"`
}

// agreesWith whether the terms say what a person now orders; what the person left open agrees with anything.
func (t OrderTerms) agreesWith(ordered OrderTerms) bool {
	if ordered.EffectiveAt == 0 {
		ordered.EffectiveAt = t.EffectiveAt
	}
	if ordered.Version == 0 {
		ordered.Version = t.Version
	}
	if ordered.Edition == "" {
		ordered.Edition = t.Edition
	}
	if ordered.PaidUntil == 0 {
		ordered.PaidUntil = t.PaidUntil
	}
	if len(ordered.Addons) == 0 {
		ordered.Addons = t.Addons
	}
	return t.same(ordered)
}

// canonical is the terms as JSON in one fixed form: members in the order of the struct, absent ones left away.
func (t OrderTerms) canonical() []byte {
	b, err := json.Marshal(t, json.Deterministic(true))
	if err != nil {
		return nil // strings that are not UTF-8 were refused before
	}
	return b
}
