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
	// PaidUntil is the latest end among orders with an edition that were not refunded; 0 if one of them is
	// open-ended or there is none.
	PaidUntil int64
	// Arrears is nil unless it counts: a billed app with overdue invoices.
	Arrears *Arrears
	// Lapse is nil unless orders with an edition exist and all have ended.
	Lapse *Lapse
	// Stop is the hold effective first; nil if none is in force.
	Stop *Stop
	// Next are the transitions that time brings next: all of them at the earliest due instant, usually one, and
	// none if nothing is due. Several stand in the order of their causes: arrears, refund, plan_expired.
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
	To    string // "expired", "stopped" or, as "edition:pro", an edition
	Due   int64
	Cause string
}

// State folds the set of facts that have arrived by now into what the app must be at now. Facts about other
// apps, or that name another account for this one, are passed over. Grace is in milliseconds and
// taken as constant. No order of the facts and no duplicate makes a difference.
func State(app App, facts []Fact, now, grace int64) View {
	facts = filter(facts, func(fact Fact) bool { return fact.App == app.ID && fact.Account == app.Account })
	if rank(app.Edition) > rank(Trial) {
		facts = append(facts, importOrder(app))
	}
	orders := ordersWithEdition(facts)
	view := View{
		App:       app.ID,
		Edition:   editionAt(app, orders, now),
		PaidUntil: paidUntil(orders),
		Arrears:   arrearsNow(orders, facts, grace),
		Lapse:     lapseAt(orders, now, grace),
	}
	view.Stop = view.stopAt(now)
	view.Status = view.statusNow()
	view.Next = view.nextAfter(app, orders, now)
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
// effective at that due"; shown is "the one effective first (at one instant, in the order of section 1)".
func (v View) stopAt(now int64) *Stop {
	for _, due := range v.dues() {
		if now >= due.Due {
			return &Stop{Cause: due.Cause, EffectiveAt: due.Due}
		}
	}
	return nil
}

// statusNow is the table of section 2 without what people do.
func (v View) statusNow() string {
	switch {
	case v.Stop != nil:
		return Stopped
	case v.Lapse != nil:
		return Expired
	}
	return Active
}

// nextAfter finds the earliest of what is still to come: a stop by arrears or by a lapse, and the next change of
// coverage. A stop is still to come when another one is in force already: holds are independent.
func (v View) nextAfter(app App, orders []order, now int64) []Transition {
	ahead := filter(v.dues(), func(t Transition) bool { return t.Due > now })
	if change := nextCoverageChange(app, orders, now); change != nil {
		ahead = append(ahead, *change)
	}
	slices.SortFunc(ahead, earlier)
	return filter(ahead, func(t Transition) bool { return t.Due == ahead[0].Due })
}

// nextCoverageChange is the first end of an order ahead at which the app expires or its edition changes.
func nextCoverageChange(app App, orders []order, now int64) *Transition {
	edition := editionAt(app, orders, now)
	ahead := covering(orders, now)
	slices.SortFunc(ahead, func(a, b order) int { return cmp.Compare(a.end, b.end) })
	for _, o := range ahead {
		if o.end == never {
			continue
		}
		if lapse := lapseAt(orders, o.end, 0); lapse != nil {
			return &Transition{To: Expired, Due: o.end, Cause: lapse.Cause}
		}
		if lower := editionAt(app, orders, o.end); lower != edition {
			// Only the orders that carried the old edition have caused its end.
			ended := filter(ahead, func(other order) bool { return other.end == o.end && other.edition == edition })
			return &Transition{To: "edition:" + lower, Due: o.end, Cause: endCause(ended)}
		}
	}
	return nil
}

// earlier orders transitions by due, and at one instant by cause in the order of section 1.
func earlier(a, b Transition) int {
	order := []string{CauseArrears, CauseRefund, CausePlanExpired}
	return cmp.Or(
		cmp.Compare(a.Due, b.Due),
		cmp.Compare(slices.Index(order, a.Cause), slices.Index(order, b.Cause)),
	)
}
