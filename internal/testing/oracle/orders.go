package oracle

import (
	"cmp"
	"math"
	"slices"
)

// Causes of a lapse and of a stop, in the order in which the first is shown when several hold at one instant.
const (
	CauseArrears     = "arrears"
	CauseRefund      = "refund"
	CausePlanExpired = "plan_expired"
)

// never is later than every instant: the end of an order that has none.
const never = math.MaxInt64

// order is what all facts about one order id come to. Only orders with an edition are of interest here:
// add-ons alone cover nothing.
type order struct {
	edition   string
	effective int64
	termEnd   int64  // its end if it were not refunded; never, if it is open-ended
	refunded  bool   // a refund of it is known, whenever that took effect
	end       int64  // never, if it has neither a term nor a refund
	endedBy   string // CauseRefund or CausePlanExpired; of no meaning without an end
}

// ordersWithEdition merges the facts of each order id.
func ordersWithEdition(facts []Fact) []order {
	paid := map[string][]Fact{}
	refundedAt := map[string]int64{}
	for _, fact := range facts {
		switch fact.Kind {
		case OrderPaid:
			paid[fact.Order] = append(paid[fact.Order], fact)
		case OrderRefunded:
			// "of several refunds the earliest effective counts"
			if earliest, known := refundedAt[fact.Order]; !known || fact.Effective < earliest {
				refundedAt[fact.Order] = fact.Effective
			}
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

// prevails orders reports of one order, the one that wins first: "the highest version wins; at the same version
// the billing system's word, then the earlier effective_at, the shorter term, the lower edition". Reports that
// are equal in all this differ in nothing that a View shows, so the last rule (the smaller
// canonical JSON) is left out.
func prevails(a, b Fact) int {
	return cmp.Or(
		cmp.Compare(b.Version, a.Version),
		cmp.Compare(ownersWord(a), ownersWord(b)),
		cmp.Compare(a.Effective, b.Effective),
		cmp.Compare(orNever(a.PaidUntil), orNever(b.PaidUntil)), // of two terms from one instant, the shorter ends earlier
		cmp.Compare(rank(a.Edition), rank(b.Edition)),
	)
}

func ownersWord(fact Fact) int {
	if fact.OwnersWord {
		return 1
	}
	return 0
}

// newOrder finds the end: "its refund or its paid_until, whichever is earlier (a tie is the refund's), never
// before its own effective_at; with neither, it has no end".
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

// covers says whether the order covers the app: from the beginning until its end.
func (o order) covers(now int64) bool { return o.end > now }

func covering(orders []order, now int64) []order {
	return filter(orders, func(o order) bool { return o.covers(now) })
}

// lastEnded are the orders that ended at the latest end; only of use when none covers.
func lastEnded(orders []order) []order {
	var latest int64
	for _, o := range orders {
		latest = max(latest, o.end)
	}
	return filter(orders, func(o order) bool { return o.end == latest })
}

// editionAt is "the highest among the orders that cover now; if none does, that of the order that ended last
// (of several at that instant the highest). With no such order, what the app was created with".
func editionAt(app App, orders []order, now int64) string {
	candidates := covering(orders, now)
	if len(candidates) == 0 {
		candidates = lastEnded(orders)
	}
	if len(candidates) == 0 {
		return cmp.Or(app.Edition, Trial)
	}
	return slices.MaxFunc(candidates, func(a, b order) int { return cmp.Compare(rank(a.edition), rank(b.edition)) }).edition
}

// lapseAt is nil unless "orders with an edition exist and none covers now".
func lapseAt(orders []order, now, grace int64) *Lapse {
	if len(orders) == 0 || len(covering(orders, now)) > 0 {
		return nil
	}
	last := lastEnded(orders)
	since := last[0].end
	return &Lapse{Cause: endCause(last), Since: since, StopDue: since + grace}
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

// paidUntil is "the latest end among orders not refunded", 0 "if one has no end or there is none".
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
