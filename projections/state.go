package projections

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
)

// The states of accounts and apps are JSON, exactly as json.Marshal writes them (a test holds them against it, with
// every member of every type filled). They are written by hand because a rebuild did little else: reflection takes
// five times as long.

// appendAccount appends an account's state, without its apps.
func appendAccount(b []byte, a *domain.Account) ([]byte, error) {
	o := object{b: b, first: true}
	o.open()
	o.text("id", a.ID)
	if a.Quota != 0 {
		o.integer("quota", int64(a.Quota))
	}
	if a.Policy.Since != 0 {
		o.marshal("policy", a.Policy)
	}
	if a.Policies != nil {
		o.marshal("policies", a.Policies)
	}
	o.integer("in_use", int64(a.InUse))
	o.number("version", a.Version)
	o.instant("recorded_at", a.RecordedAt)
	o.number("position", a.Position)
	o.close()
	return o.b, o.err
}

// appendApp appends an app's state; without its orders and invoices where these stand in rows of their own.
func appendApp(b []byte, a *domain.App) ([]byte, error) {
	o := object{b: b}
	o.open()
	o.number("id", uint64(a.ID))
	o.text("account", a.Account)
	o.text("name", a.Name)
	o.text("type", a.AppType)
	o.someText("introduction", a.Introduction)
	o.instant("created_at", a.CreatedAt)
	o.someTrue("imported", a.Imported)
	o.text("base", string(a.Base))
	o.text("edition", string(a.Edition))
	if !a.Orders.IsZero() && !crowded(a) {
		o.list("orders")
		for order := range a.Orders.All() {
			o.order(&order)
		}
		o.endList()
	}
	if !a.Invoices.IsZero() && !crowded(a) {
		o.list("invoices")
		for invoice := range a.Invoices.All() {
			o.invoice(&invoice)
		}
		o.endList()
	}
	if t := a.Term; t != (domain.Term{}) {
		o.member("term")
		o.open()
		o.instant("due", t.Due)
		o.someText("to", string(t.To))
		o.text("cause", string(t.Cause))
		o.number("episode", t.Episode)
		o.close()
	}
	if a.Expiries != nil {
		o.list("expiries")
		for i := range a.Expiries {
			o.expiry(&a.Expiries[i])
		}
		o.endList()
	}
	if l := &a.Lapse; l.Since != 0 {
		o.member("lapse")
		o.open()
		o.text("cause", string(l.Cause))
		o.instant("since", l.Since)
		o.instant("stop_due", l.StopDue)
		o.someText("edition", string(l.Edition))
		o.number("episode", l.Episode)
		o.someInstant("held_at", l.HeldAt)
		o.notice(&l.Notice)
		o.close()
	}
	if r := &a.Arrears; r.Since != 0 {
		o.member("arrears")
		o.open()
		o.instant("since", r.Since)
		o.instant("stop_due", r.StopDue)
		o.someText("edition", string(r.Edition))
		o.number("episode", r.Episode)
		o.someInstant("held_at", r.HeldAt)
		o.notice(&r.Notice)
		o.close()
	}
	o.hold("manual", a.Manual)
	o.hold("operator", a.Operator)
	o.someTrue("trtc_stopped", a.TRTCStopped)
	o.someInstant("trtc_noted_at", a.TRTCNotedAt)
	o.someInstant("deleted_at", a.DeletedAt)
	if a.Renumbered != 0 {
		o.number("renumbered", uint64(a.Renumbered))
	}
	o.holdings(a)
	o.number("version", a.Version)
	o.number("position", a.Position)
	o.close()
	return o.b, o.err
}

// holdings writes what few apps have: it is not worth writing by hand.
func (o *object) holdings(a *domain.App) {
	if a.Keys != nil {
		o.marshal("keys", a.Keys)
	}
	if a.KeysIssued != 0 {
		o.integer("keys_issued", int64(a.KeysIssued))
	}
	if a.Reveals != nil {
		o.marshal("reveals", a.Reveals)
	}
	if a.Admins != nil {
		o.marshal("admins", a.Admins)
	}
	if a.Certificates != nil {
		o.marshal("certificates", a.Certificates)
	}
	if a.Gone != nil {
		o.marshal("gone", a.Gone)
	}
	o.someTrue("trtc", a.TRTC)
	o.someTrue("tpns", a.TPNS)
	o.someTrue("tpns_unpaid", a.TPNSUnpaid)
	if a.Deletion != (domain.DeletionRequest{}) {
		o.marshal("deletion", a.Deletion)
	}
	if a.Closed != nil {
		o.marshal("closed_requests", a.Closed)
	}
}

func (o *object) marshal(name string, v any) {
	o.member(name)
	b, err := json.Marshal(v, json.Deterministic(true))
	o.failed(err)
	o.b = append(o.b, b...)
}

// object writes JSON members one after another. The first error sticks.
type object struct {
	b     []byte
	first bool // no comma before the next value
	err   error
}

func (o *object) comma() {
	if !o.first {
		o.b = append(o.b, ',')
	}
	o.first = false
}

// open begins an object, behind the name of its member or as a list's item.
func (o *object) open()  { o.b, o.first = append(o.b, '{'), true }
func (o *object) close() { o.b, o.first = append(o.b, '}'), false }

func (o *object) list(name string) {
	o.member(name)
	o.b, o.first = append(o.b, '['), true
}
func (o *object) endList() { o.b, o.first = append(o.b, ']'), false }

func (o *object) member(name string) {
	o.comma()
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

func (o *object) quote(s string) {
	b, err := jsontext.AppendQuote(o.b, s)
	o.failed(err)
	o.b = b
}

func (o *object) failed(err error) {
	if o.err == nil && err != nil {
		o.err = err
	}
}

func (o *object) text(name, s string) {
	o.member(name)
	o.quote(s)
}

func (o *object) someText(name, s string) {
	if s != "" {
		o.text(name, s)
	}
}

func (o *object) someTrue(name string, v bool) {
	if v {
		o.member(name)
		o.b = append(o.b, "true"...)
	}
}

func (o *object) integer(name string, n int64) {
	o.member(name)
	o.b = strconv.AppendInt(o.b, n, 10)
}

func (o *object) number(name string, n uint64) {
	o.member(name)
	o.b = strconv.AppendUint(o.b, n, 10)
}

func (o *object) instant(name string, i domain.Instant) {
	o.member(name)
	o.b = append(o.b, '"')
	b, err := i.AppendText(o.b)
	o.failed(err)
	o.b = b
	o.b = append(o.b, '"')
}

func (o *object) someInstant(name string, i domain.Instant) {
	if i != 0 {
		o.instant(name, i)
	}
}

// money writes an amount that may be absent, amount one that may not.
func (o *object) money(name string, m domain.Money) {
	if m != (domain.Money{}) {
		o.amount(name, m)
	}
}

func (o *object) amount(name string, m domain.Money) {
	o.member(name)
	o.open()
	o.text("currency", m.Currency)
	o.integer("minor", m.Minor)
	o.close()
}

func (o *object) notice(n *domain.Notice) {
	if n.At == 0 {
		return
	}
	o.member("notice")
	o.open()
	o.instant("at", n.At)
	o.number("episode", n.Episode)
	if len(n.Before) > 0 {
		o.list("before")
		for _, span := range n.Before {
			o.comma()
			o.b = append(o.b, '"')
			b, err := span.AppendText(o.b)
			o.failed(err)
			o.b = b
			o.b = append(o.b, '"')
		}
		o.endList()
	}
	o.close()
}

func (o *object) expiry(x *domain.Expiry) {
	o.comma()
	o.open()
	o.instant("at", x.At)
	o.text("cause", string(x.Cause))
	o.text("edition", string(x.Edition))
	o.notice(&x.Notice)
	o.close()
}

func (o *object) hold(name string, h domain.Hold) {
	if h == (domain.Hold{}) {
		return
	}
	o.member(name)
	o.open()
	o.instant("effective_at", h.EffectiveAt)
	o.instant("recorded_at", h.RecordedAt)
	o.close()
}

func (o *object) order(order *domain.Order) {
	o.comma()
	o.open()
	o.text("id", order.ID)
	t := &order.Terms
	if t.ID != "" || t.Edition != "" || t.EffectiveAt != 0 || t.PaidUntil != 0 || t.Addons != nil || t.Version != 0 || t.Amount != (domain.Money{}) {
		o.member("terms")
		o.open()
		o.text("id", t.ID)
		o.someText("edition", string(t.Edition))
		o.someInstant("effective_at", t.EffectiveAt)
		o.someInstant("paid_until", t.PaidUntil)
		if len(t.Addons) > 0 {
			o.list("addons")
			for _, addon := range t.Addons {
				o.comma()
				o.quote(addon)
			}
			o.endList()
		}
		if t.Version != 0 {
			o.integer("version", t.Version)
		}
		o.money("amount", t.Amount)
		o.close()
	}
	o.someText("by", string(order.By))
	if len(order.Refunds) > 0 {
		o.list("refunds")
		for i := range order.Refunds {
			r := &order.Refunds[i]
			o.comma()
			o.open()
			o.someText("id", r.ID)
			o.instant("effective_at", r.EffectiveAt)
			o.money("amount", r.Amount)
			o.someTrue("goodwill", r.Goodwill)
			o.close()
		}
		o.endList()
	}
	o.close()
}

func (o *object) invoice(i *domain.Invoice) {
	o.comma()
	o.open()
	o.text("id", i.ID)
	if len(i.Owed) > 0 {
		o.list("owed")
		for _, v := range i.Owed {
			o.comma()
			o.open()
			o.integer("version", v.Version)
			o.instant("effective_at", v.EffectiveAt)
			o.amount("amount", v.Amount)
			o.close()
		}
		o.endList()
	}
	if c := i.Closed; c != (domain.Closing{}) {
		o.member("closed")
		o.open()
		o.integer("version", c.Version)
		o.instant("effective_at", c.EffectiveAt)
		o.text("by", string(c.By))
		o.close()
	}
	if len(i.Heard) > 0 {
		o.list("heard")
		for _, h := range i.Heard {
			o.comma()
			o.b = strconv.AppendUint(o.b, uint64(h), 10)
		}
		o.endList()
	}
	o.close()
}

// appendOrder appends an order that stands in a row of its own.
func appendOrder(b []byte, order *domain.Order) ([]byte, error) {
	o := object{b: b, first: true}
	o.order(order)
	return o.b, o.err
}

// appendInvoice appends an invoice that stands in a row of its own.
func appendInvoice(b []byte, invoice *domain.Invoice) ([]byte, error) {
	o := object{b: b, first: true}
	o.invoice(invoice)
	return o.b, o.err
}

// decodeState reads what appendAccount and appendApp wrote.
func decodeState(state []byte, into any) error {
	if err := json.Unmarshal(state, into); err != nil {
		return fmt.Errorf("a state that cannot be read: run rebuild: %w", err)
	}
	return nil
}
