package oracle

import (
	"cmp"
	"slices"
)

// What an app can be, as far as billing and time decide it.
const (
	Active  = "active"
	Expired = "expired"
	Stopped = "stopped"
)

// View is what one app must be at one instant.
type View struct {
	App     uint64
	Edition string
	Status  string
	// PaidUntil is the latest end among orders with an edition that no refund ends, begun or not; 0 if one of them
	// is open-ended or there is none.
	PaidUntil int64
	// Arrears is nil unless it counts: a billed app with overdue invoices.
	Arrears *Arrears
	// Lapse is nil unless orders with an edition have begun and none covers the app.
	Lapse *Lapse
	// Stop is the hold effective first; nil if none is in force.
	Stop *Stop
	// Next are the transitions that time causes next: all of them at the earliest due instant, usually one, and
	// none if nothing is due. Several stand in the order of their causes: order, arrears, refund, plan_expired.
	Next []Transition
}

// Arrears is what a billed app owes.
type Arrears struct {
	Since    int64
	StopDue  int64
	Invoices []Invoice // by id
}

// Invoice is one that is overdue and counts.
type Invoice struct {
	ID string
	// Since is when it counts from: late since then, but not before the app is billed.
	Since   int64
	Amount  Money
	Version int64
}

// Lapse is an app that was paid for and no longer is.
type Lapse struct {
	Cause   string // CauseRefund or CausePlanExpired
	Since   int64
	StopDue int64
}

// Stop is why an app is stopped, and since when.
type Stop struct {
	Cause       string
	EffectiveAt int64 // the due of the hold, however late it was recorded
}

// Transition is something that time alone will cause.
type Transition struct {
	To    string // "active", "expired", "stopped" or, as "edition:pro", an edition
	Due   int64
	Cause string
}

// State folds the set of facts that have arrived by now into what the app must be at now. Facts about other
// apps, or that name another account for this one, are passed over. Grace is that of the edition which the app has
// when a reason to stop it begins, and taken as constant; for one that changes, see [Standing]. No order of the facts
// and no duplicate makes a difference.
func State(app App, facts []Fact, now int64, grace ByEdition) View {
	return newHistory(app, facts, grace).view(now)
}

// history is what the facts make of an app, at every instant.
type history struct {
	app     App
	orders  []order
	overdue []Invoice // late since whenever, whether or not the app was billed then

	arrearsDue, lapseDue dueOf
}

func newHistory(app App, facts []Fact, grace ByEdition) history {
	facts = filter(facts, func(fact Fact) bool { return fact.App == app.ID && fact.Account == app.Account })
	if rank(app.Edition) > rank(Trial) {
		facts = append(facts, importOrder(app))
	}
	due := func(since int64, edition string) int64 { return since + grace(app.Account, edition) }
	return history{app: app, orders: ordersWithEdition(facts), overdue: overdueInvoices(facts), arrearsDue: due, lapseDue: due}
}

// view is what the app is at now, and what time causes next.
func (h history) view(now int64) View {
	view := h.present(now)
	ahead := filter(view.dues(), func(t Transition) bool { return t.Due > now && !h.prevented(t, view) })
	if change := h.nextChangeOfCoverage(now); change != nil {
		ahead = append(ahead, *change)
	}
	slices.SortFunc(ahead, earlier)
	view.Next = filter(ahead, func(t Transition) bool { return t.Due == ahead[0].Due })
	return view
}

// present is a view without what comes next.
func (h history) present(now int64) View {
	view := View{
		App:       h.app.ID,
		Edition:   h.editionAt(now),
		PaidUntil: paidUntil(h.orders),
		Arrears:   h.arrearsAt(now),
		Lapse:     h.lapseAt(now),
	}
	view.Stop = view.stopAt(now)
	view.Status = view.statusNow()
	return view
}

// expected reduces the view to what expected.jsonl holds.
func (v View) expected(now int64) Expected {
	expected := Expected{Now: now, App: v.App, Edition: v.Edition, Status: v.Status}
	if v.Arrears != nil {
		expected.ArrearsSince = v.Arrears.Since
		for _, invoice := range v.Arrears.Invoices {
			expected.Invoices = append(expected.Invoices, invoice.ID)
		}
	}
	if v.Lapse != nil {
		expected.LapseCause, expected.LapseSince = v.Lapse.Cause, v.Lapse.Since
	}
	return expected
}

// importOrder is what a paid edition stands for that came without orders: "an open-ended order named import,
// effective at the app's creation".
func importOrder(app App) Fact {
	return Fact{
		Kind: OrderPaid, Account: app.Account, App: app.ID, Order: "import",
		Edition: app.Edition, Effective: app.CreatedAt, OwnersWord: true,
	}
}

// dues are the stops that arrears and lapse lead to, passed or not.
func (v View) dues() []Transition {
	var dues []Transition
	if v.Arrears != nil {
		dues = append(dues, Transition{To: Stopped, Due: v.Arrears.StopDue, Cause: CauseArrears})
	}
	if v.Lapse != nil {
		dues = append(dues, Transition{To: Stopped, Due: v.Lapse.StopDue, Cause: v.Lapse.Cause})
	}
	slices.SortFunc(dues, earlier)
	return dues
}

// stopAt finds the stop that is shown. "Arrears and a lapse become holds when their due is reached (now >= due),
// effective at that due"; shown is "the one effective first (at one instant, in the order of section 1)": arrears, refund, plan_expired.
func (v View) stopAt(now int64) *Stop {
	for _, due := range v.dues() {
		if now >= due.Due {
			return &Stop{Cause: due.Cause, EffectiveAt: due.Due}
		}
	}
	return nil
}

// statusNow is the status (docs/lifecycle.md, "The four statuses") without what people do.
func (v View) statusNow() string {
	switch {
	case v.Stop != nil:
		return Stopped
	case v.Lapse != nil:
		return Expired
	}
	return Active
}

// prevented says whether the stop of a lapse will not come, because by its due the lapse is over: "a stop that falls due in
// the instant in which an order begins does not happen", nor one after it. A stop is still to come when
// another one is in force already: holds are independent.
func (h history) prevented(stop Transition, view View) bool {
	if stop.Cause == CauseArrears {
		return false
	}
	then := h.lapseAt(stop.Due)
	return then == nil || then.Since != view.Lapse.Since
}

// nextChangeOfCoverage is the first beginning or end of an order ahead by which the app expires, or its status or its
// edition becomes another. Whether a stop comes at the same instant is no matter of it.
func (h history) nextChangeOfCoverage(now int64) *Transition {
	var instants []int64
	for _, o := range h.orders {
		instants = append(instants, o.effective, o.end)
	}
	slices.Sort(instants)
	for _, at := range slices.Compact(instants) {
		if at <= now || at == never {
			continue
		}
		if change := h.changeOfCoverage(at); change != nil {
			return change
		}
	}
	return nil
}

// changeOfCoverage is what the orders that begin and end at that instant bring: "to is the status then, or edition:... if the
// status stays; a beginning or end that changes neither is no transition; where one order ends and another begins in the same
// instant there is one, cause order".
func (h history) changeOfCoverage(at int64) *Transition {
	before, after := h.present(at-1), h.present(at)
	if after.Arrears != nil && after.Arrears.StopDue == at {
		after.Arrears.StopDue++ // a transition of its own
		after.Stop = after.stopAt(at)
		after.Status = after.statusNow()
	}
	change := Transition{Due: at, Cause: h.causeOfChange(at, before, after)}
	switch {
	case after.Status != before.Status:
		change.To = after.Status
	case after.Edition != before.Edition:
		change.To = "edition:" + after.Edition
	default:
		return nil
	}
	return &change
}

func (h history) causeOfChange(at int64, before, after View) string {
	if after.Lapse != nil {
		return after.Lapse.Cause
	}
	if slices.ContainsFunc(h.orders, func(o order) bool { return o.effective == at && !o.empty() }) {
		return CauseOrder
	}
	// Only the orders that carried the old edition have caused its end.
	return endCause(filter(h.orders, func(o order) bool { return o.end == at && !o.empty() && o.edition == before.Edition }))
}

// earlier orders transitions by due, and at one instant by cause: a beginning, then arrears, refund, plan_expired.
func earlier(a, b Transition) int {
	order := []string{CauseOrder, CauseArrears, CauseRefund, CausePlanExpired}
	return cmp.Or(
		cmp.Compare(a.Due, b.Due),
		cmp.Compare(slices.Index(order, a.Cause), slices.Index(order, b.Cause)),
	)
}
