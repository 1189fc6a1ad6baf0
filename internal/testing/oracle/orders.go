package oracle

import (
	"cmp"
	"maps"
	"math"
	"slices"
)

// Causes of a lapse and of a stop, in the order in which the first is shown when several hold at one instant.
const (
	CauseArrears     = "arrears"
	CauseRefund      = "refund"
	CausePlanExpired = "plan_expired"
)

// CauseOrder is the cause of a transition that an order makes when it begins.
const CauseOrder = "order"

// never is later than every instant: the end of an order that has none.
const never = math.MaxInt64

// order is what all facts about one order id come to. Only orders with an edition are of interest here:
// add-ons alone cover nothing.
type order struct {
	edition   string
	effective int64
	termEnd   int64  // its end if it were not refunded; never, if it is open-ended
	refunded  bool   // a refund that ends it is known, whenever that takes effect
	end       int64  // never, if it has neither a term nor a refund
	endedBy   string // CauseRefund or CausePlanExpired; of no meaning without an end
}

// ordersWithEdition merges the facts of each order id.
func ordersWithEdition(facts []Fact) []order {
	paid := map[string][]Fact{}
	refundedAt := map[string]int64{}
	for _, fact := range facts {
		if fact.Kind == OrderPaid {
			paid[fact.Order] = append(paid[fact.Order], fact)
		}
	}
	for _, refund := range Refunds(facts) {
		// "The order ends with the earliest effective of those that end it"
		if earliest, known := refundedAt[refund.Order]; !refund.Goodwill && (!known || refund.Effective < earliest) {
			refundedAt[refund.Order] = refund.Effective
		}
	}
	var orders []order
	for id, reports := range paid {
		word := slices.MinFunc(reports, prevails)
		if word.Edition == "" {
			continue
		}
		refund, refunded := refundedAt[id]
		orders = append(orders, newOrder(word, refund, refunded))
	}
	return orders
}

// Refunds are the refunds among facts about one app that count: of each order one for each refund id, in the order of
// these ids. "Of several facts under one id the earliest effective counts, then the one that ends the order, then the larger
// amount (none is the least), then the smaller canonical JSON"; of the last, what a Fact holds can differ
// in no more than the currency.
func Refunds(facts []Fact) []Fact {
	type key struct{ order, refund string }
	counts := map[key]Fact{}
	for _, fact := range facts {
		if fact.Kind != OrderRefunded {
			continue
		}
		about := key{fact.Order, fact.Refund}
		if best, known := counts[about]; !known || countsBefore(fact, best) < 0 {
			counts[about] = fact
		}
	}
	return slices.SortedFunc(maps.Values(counts), func(a, b Fact) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Refund, b.Refund))
	})
}

func countsBefore(a, b Fact) int {
	return cmp.Or(
		cmp.Compare(a.Effective, b.Effective),
		cmp.Compare(flag(a.Goodwill), flag(b.Goodwill)),
		cmp.Compare(flag(a.Amount.Currency == ""), flag(b.Amount.Currency == "")),
		cmp.Compare(b.Amount.Minor, a.Amount.Minor),
		cmp.Compare(a.Amount.Currency, b.Amount.Currency),
	)
}

// prevails orders reports of one order, the one that wins first: "the highest version wins; at the same version
// the billing system's word, then the earlier effective_at, the shorter term, the lower edition". Reports that
// are equal in all this differ in nothing that a View shows, so the last rule (the smaller
// canonical JSON) is left out.
func prevails(a, b Fact) int {
	return cmp.Or(
		cmp.Compare(b.Version, a.Version),
		cmp.Compare(flag(a.OwnersWord), flag(b.OwnersWord)),
		cmp.Compare(a.Effective, b.Effective),
		cmp.Compare(orNever(a.PaidUntil), orNever(b.PaidUntil)), // of two terms from one instant, the shorter ends earlier
		cmp.Compare(rank(a.Edition), rank(b.Edition)),
	)
}

func flag(is bool) int {
	if is {
		return 1
	}
	return 0
}

// newOrder finds the end: "its refund or its paid_until, whichever is earlier (a tie is the refund's), never before it
// began; with neither, it has no end".
func newOrder(word Fact, refund int64, refunded bool) order {
	until := orNever(word.PaidUntil)
	o := order{
		edition: word.Edition, effective: word.Effective, refunded: refunded,
		termEnd: max(until, word.Effective),
		end:     max(until, word.Effective), endedBy: CausePlanExpired,
	}
	if refunded && refund <= until {
		o.end, o.endedBy = max(refund, word.Effective), CauseRefund
	}
	return o
}

// covers says whether the order covers the app: "At the instant of its beginning it covers, at that of its end no more."
func (o order) covers(now int64) bool { return o.begun(now) && o.end > now }

func (o order) begun(now int64) bool { return o.effective <= now }

// empty is "an order that ends at its beginning": it "never covered anything".
func (o order) empty() bool { return o.end == o.effective }

func covering(orders []order, now int64) []order {
	return filter(orders, func(o order) bool { return o.covers(now) })
}

// lastEnded are, of the orders that have begun, those that ended at the latest end; only of use when none covers. Empty ones
// count "only where every order that has begun is such a one".
func lastEnded(orders []order, now int64) []order {
	begun := filter(orders, func(o order) bool { return o.begun(now) })
	if full := filter(begun, func(o order) bool { return !o.empty() }); len(full) > 0 {
		begun = full
	}
	var latest int64
	for _, o := range begun {
		latest = max(latest, o.end)
	}
	return filter(begun, func(o order) bool { return o.end == latest })
}

// editionAt is "the highest among the orders that cover now; if none does, that of the order that ended last (of several at
// that instant the highest). Where no order has begun yet, its base: trial, or what it was imported as, never a paid edition that
// no order gives".
func (h history) editionAt(now int64) string {
	candidates := covering(h.orders, now)
	if len(candidates) == 0 {
		candidates = lastEnded(h.orders, now)
	}
	if len(candidates) > 0 {
		return highest(candidates)
	}
	if h.app.Edition == TRTCTrial {
		return TRTCTrial
	}
	return Trial
}

func highest(orders []order) string {
	return slices.MaxFunc(orders, func(a, b order) int { return cmp.Compare(rank(a.edition), rank(b.edition)) }).edition
}

// lapseAt is nil unless "orders with an edition have begun and none covers now".
func (h history) lapseAt(now int64) *Lapse {
	last := lastEnded(h.orders, now)
	if len(last) == 0 || len(covering(h.orders, now)) > 0 {
		return nil
	}
	since := last[0].end
	return &Lapse{Cause: endCause(last), Since: since, StopDue: h.lapseDue(since, h.editionAt(since))}
}

// endCause is the cause of orders that end at one instant: "refund, if several end then".
func endCause(ended []order) string {
	if slices.ContainsFunc(ended, func(o order) bool { return o.endedBy == CauseRefund }) {
		return CauseRefund
	}
	return CausePlanExpired
}

// billedFrom is "the effective_at of its first order with an edition", refunded or not; never without one.
func billedFrom(orders []order) int64 {
	from := int64(never)
	for _, o := range orders {
		from = min(from, o.effective)
	}
	return from
}

// paidUntil is "the latest end among orders with an edition that no refund ends, begun or not", 0 "if one has no end or there
// is none".
func paidUntil(orders []order) int64 {
	var latest int64
	for _, o := range orders {
		if !o.refunded {
			latest = max(latest, o.termEnd)
		}
	}
	if latest == never {
		return 0
	}
	return latest
}

// rank orders the editions; add-ons alone are below all of them.
func rank(edition string) int {
	switch edition {
	case Flagship:
		return 3
	case Pro:
		return 2
	case Trial, TRTCTrial:
		return 1
	}
	return 0
}

func orNever(instant int64) int64 {
	if instant == 0 {
		return never
	}
	return instant
}

func filter[T any](all []T, keep func(T) bool) []T {
	var kept []T
	for _, one := range all {
		if keep(one) {
			kept = append(kept, one)
		}
	}
	return kept
}
