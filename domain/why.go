package domain

import (
	"cmp"
	"fmt"
	"slices"
)

// Field is a part of an app that can be asked about: its name in the API.
type Field string

// The fields.
const (
	FieldStatus       Field = "status"
	FieldEdition      Field = "edition"
	FieldArrears      Field = "arrears"
	FieldLapse        Field = "lapse"
	FieldStop         Field = "stop"
	FieldPaidUntil    Field = "paid_until"
	FieldNext         Field = "next_transition"
	FieldCreatedAt    Field = "created_at"
	FieldName         Field = "name"
	FieldType         Field = "type"
	FieldIntroduction Field = "introduction"
)

// Fields lists every field.
func Fields() []Field {
	return []Field{
		FieldStatus, FieldEdition, FieldArrears, FieldLapse, FieldStop, FieldPaidUntil, FieldNext,
		FieldCreatedAt, FieldName, FieldType, FieldIntroduction,
	}
}

// LinkKind says what sort of ground a link is.
type LinkKind string

// The kinds of links.
const (
	LinkFact    LinkKind = "fact"    // what a billing system, or an order, says
	LinkCommand LinkKind = "command" // what people did
	LinkRule    LinkKind = "rule"    // what the rules made of it at once
	LinkTimer   LinkKind = "timer"   // what fell due
)

// Link is a ground for what an app is.
type Link struct {
	Kind  LinkKind
	Text  string // in plain words
	Event int    // its place in the log that was given; -1 for a rule that no event tells of
}

// Explanation says what a field is and the chain of grounds for it: events in the order in which they became known, then
// rules that no event tells of.
type Explanation struct {
	Value string // in plain words; "none" where the API has null
	Links []Link
}

// Why explains a field of an app by its part of the log, from its beginning; the app is what the log makes of it.
func Why(log []Past, field Field) Explanation {
	w := &inquiry{log: log, app: foldApp(log, len(log))}
	if w.app == nil {
		return Explanation{Value: none}
	}
	e := Explanation{Value: explainers[field](w)}
	slices.SortFunc(w.links, func(a, b Link) int { return cmp.Compare(a.Event, b.Event) })
	e.Links = slices.Concat(w.links, w.rules)
	return e
}

const none = "none"

var explainers = map[Field]func(*inquiry) string{
	FieldStatus:    (*inquiry).status,
	FieldEdition:   (*inquiry).edition,
	FieldArrears:   (*inquiry).arrears,
	FieldLapse:     (*inquiry).lapse,
	FieldStop:      (*inquiry).stop,
	FieldPaidUntil: (*inquiry).paidUntil,
	FieldNext:      (*inquiry).next,
	FieldCreatedAt: func(w *inquiry) string {
		w.since(func(a *App) any { return a.CreatedAt })
		return w.app.CreatedAt.String()
	},
	FieldName: func(w *inquiry) string { w.since(func(a *App) any { return a.Name }); return w.app.Name },
	FieldType: func(w *inquiry) string { w.since(func(a *App) any { return a.AppType }); return w.app.AppType },
	FieldIntroduction: func(w *inquiry) string {
		w.since(func(a *App) any { return a.Introduction })
		return orNone(w.app.Introduction)
	},
}

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}

// inquiry is an explanation in the making.
type inquiry struct {
	log   []Past
	app   *App
	links []Link
	rules []Link // that no event tells of
}

// foldApp makes an app of the first so many events of its log.
func foldApp(log []Past, n int) *App {
	if n == 0 {
		return nil
	}
	acc := NewAccount("")
	for _, p := range log[:n] {
		acc.Apply(p.Recorded, p.Event)
	}
	return acc.Apps[log[0].Event.Subject()]
}

// described is an event that can say in plain words what happened; for the others the stored name stands.
type described interface{ describe() string }

func says(e Event) string {
	if t, can := e.(described); can {
		return t.describe()
	}
	return e.Type()
}

// add links an event, once.
func (w *inquiry) add(i int) {
	if i < 0 || slices.ContainsFunc(w.links, func(l Link) bool { return l.Event == i }) {
		return
	}
	w.links = append(w.links, Link{w.kind(i), says(w.log[i].Event), i})
}

// remark links a rule that no event tells of.
func (w *inquiry) remark(format string, args ...any) {
	w.rules = append(w.rules, Link{LinkRule, fmt.Sprintf(format, args...), -1})
}

func (w *inquiry) kind(i int) LinkKind {
	e := w.log[i].Event
	_, isFact := Effective(e)
	switch {
	case isFact:
		return LinkFact
	case !Follows(e):
		return LinkCommand
	case len(w.inputs(i)) == 0:
		return LinkTimer
	}
	return LinkRule
}

// inputs lists what people did, and facts, in the commit of an event.
func (w *inquiry) inputs(i int) (inputs []int) {
	for j, p := range w.log {
		if p.Position == w.log[i].Position && !Follows(p.Event) {
			inputs = append(inputs, j)
		}
	}
	return inputs
}

// led finds what led to an event in its commit: the one fact, or the one thing that people did; -1 where that is not so
// simple, as with the orders of an import.
func (w *inquiry) led(to int) int {
	inputs := w.inputs(to)
	facts := slices.DeleteFunc(slices.Clone(inputs), func(i int) bool { _, is := Effective(w.log[i].Event); return !is })
	switch {
	case len(facts) == 1:
		return facts[0]
	case len(inputs) == 1:
		return inputs[0]
	}
	return -1
}

// changed finds the event with which a part of the app became what it is.
func (w *inquiry) changed(part func(*App) any) int {
	acc, id, last := NewAccount(""), w.log[0].Event.Subject(), 0
	var was any
	for i, p := range w.log {
		acc.Apply(p.Recorded, p.Event)
		if is := part(acc.Apps[id]); i == 0 || is != was {
			was, last = is, i
		}
	}
	return last
}

// since links the event with which a part became what it is, and what led to it in the same commit.
func (w *inquiry) since(part func(*App) any) {
	at := w.changed(part)
	if Follows(w.log[at].Event) {
		w.add(w.led(at))
	}
	w.add(at)
}

// find gives the first event of the log such as is looked for, -1 if there is none.
func (w *inquiry) find(is func(Event) bool) int {
	return slices.IndexFunc(w.log, func(p Past) bool { return is(p.Event) })
}

// overdue finds the fact since which an invoice is late.
func (w *inquiry) overdue(i Invoice) int {
	since := i.lateSince()
	return w.find(func(e Event) bool {
		o, is := e.(InvoiceOverdueRecorded)
		return is && o.Invoice == i.ID && o.EffectiveAt == since && !i.closed(o.Version)
	})
}

// paid finds the fact that an order's terms come from.
func (w *inquiry) paid(o Order) int {
	return w.find(func(e Event) bool {
		p, is := e.(OrderRecorded)
		return is && p.By == o.By && p.Order.same(o.Terms)
	})
}

// refund finds the fact that ends an order by a refund.
func (w *inquiry) refund(o Order) int {
	return w.find(func(e Event) bool {
		r, is := e.(RefundRecorded)
		return is && r.Order == o.ID && !r.Goodwill && r.EffectiveAt == o.refundedAt()
	})
}
