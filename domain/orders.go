package domain

import (
	"cmp"
	"iter"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Orders is all that is known of an app's orders. A copy is free, and what is asked of it does not walk through them: an app
// may gather a hundred thousand. As JSON it is a list, by id.
type Orders struct {
	byID  tree[knownOrder, pushPaid]
	terms tree[covering, reach] // of those with an edition, by their beginning
}

// OrdersOf is a set of orders; each has another id.
func OrdersOf(orders ...Order) Orders {
	known, terms := make([]knownOrder, len(orders)), make([]covering, 0, len(orders))
	for i := range orders {
		known[i] = knownOrder{orders[i].ID, &orders[i]}
		if orders[i].buysEdition() {
			terms = append(terms, orders[i].covering())
		}
	}
	return Orders{treeOf(known), treeOf(terms)}
}

// Len is how many there are.
func (os Orders) Len() int { return os.byID.size() }

// All gives the orders by id.
func (os Orders) All() iter.Seq[Order] {
	return func(yield func(Order) bool) {
		os.byID.root.walk(func(k knownOrder) bool { return yield(*k.order) })
	}
}

// Since gives those that are not in an earlier set, or not as they are, by id.
func (os Orders) Since(was Orders) iter.Seq[Order] {
	return func(yield func(Order) bool) {
		os.byID.root.since(was.byID.root, func(k knownOrder) bool { return yield(*k.order) })
	}
}

// Get gives an order.
func (os Orders) Get(id string) (Order, bool) {
	if o := os.find(id); o != nil {
		return *o, true
	}
	return Order{}, false
}

// find gives an order that nobody may change, nil if it is not known.
func (os Orders) find(id string) *Order {
	known, _ := os.byID.find(knownOrder{id: id})
	return known.order
}

// with is the orders with one of them as it is now.
func (os Orders) with(o Order) Orders {
	was := os.find(o.ID)
	os.byID = os.byID.with(knownOrder{o.ID, &o})
	if was != nil && was.buysEdition() {
		if o.buysEdition() && was.covering() == o.covering() {
			return os
		}
		os.terms = os.terms.without(was.covering())
	}
	if o.buysEdition() {
		os.terms = os.terms.with(o.covering())
	}
	return os
}

// IsZero says whether there are none.
func (os Orders) IsZero() bool { return os.byID.root == nil }

// Equal says whether the same is known in both.
func (os Orders) Equal(others Orders) bool {
	return os.byID.root == others.byID.root ||
		slices.EqualFunc(slices.Collect(os.All()), slices.Collect(others.All()), Order.same)
}

// MarshalJSONTo writes the list.
func (os Orders) MarshalJSONTo(to *jsontext.Encoder) error { return marshalList(to, os.All()) }

// UnmarshalJSONFrom reads the list.
func (os *Orders) UnmarshalJSONFrom(from *jsontext.Decoder) error {
	var orders []Order
	err := json.UnmarshalDecode(from, &orders)
	*os = OrdersOf(orders...)
	return err
}

func marshalList[E any](to *jsontext.Encoder, all iter.Seq[E]) error {
	if err := to.WriteToken(jsontext.BeginArray); err != nil {
		return err
	}
	for e := range all {
		if err := json.MarshalEncode(to, e, json.Deterministic(true)); err != nil {
			return err
		}
	}
	return to.WriteToken(jsontext.EndArray)
}

type knownOrder struct {
	id    string
	order *Order // nobody changes it
}

func (k knownOrder) compare(o knownOrder) int { return cmp.Compare(k.id, o.id) }

func (k knownOrder) priority() uint64 { return lot(k.id) }

func (k knownOrder) sum() pushPaid { return pushPaid(k.order.paysForPush()) }

// pushPaid says whether one of the orders pays for mobile push.
type pushPaid bool

func (p pushPaid) then(next pushPaid) pushPaid { return p || next }

// firstForPush is the first order in order of ids that pays for mobile push, nil if none does.
func (os Orders) firstForPush() *Order {
	n := os.byID.root
	if n == nil || !n.sum {
		return nil
	}
	for {
		switch {
		case n.left != nil && bool(n.left.sum):
			n = n.left
		case n.entry.order.paysForPush():
			return n.entry.order
		default:
			n = n.right
		}
	}
}

// covering is the time that an order with an edition covers. One that ends as it begins covers nothing.
type covering struct {
	begins Instant
	ends   ending
	tier   tier
	paid   Instant // the end of the term, for an order that no refund ends; unended without one
	id     string
}

// tier is a place for each edition that is sold, the lowest first.
type tier int

const tiers = 2

var highestFirst = [tiers]tier{1, 0}

func (t tier) edition() Edition { return [tiers]Edition{Pro, Flagship}[t] }

// ending is when an order ends, and whether a refund ends it: the later of two is the larger, and at one instant the
// refund. Its zero value is that of no order.
type ending int64

func endingAt(end Instant, cause Cause) ending {
	if cause == CauseRefund {
		return ending(end)<<1 | 1
	}
	return ending(end) << 1
}

func (e ending) at() Instant { return Instant(e >> 1) }

func (e ending) cause() Cause {
	if e&1 != 0 {
		return CauseRefund
	}
	return CausePlanExpired
}

func (o Order) covering() covering {
	s := covering{begins: o.Terms.EffectiveAt, ends: endingAt(o.end()), id: o.ID}
	if o.Terms.Edition == Flagship {
		s.tier = 1
	}
	if o.refundedAt() == 0 {
		if s.paid = noEnd; o.Terms.PaidUntil != 0 {
			s.paid = max(o.Terms.PaidUntil, o.Terms.EffectiveAt)
		}
	}
	return s
}

func (s covering) compare(o covering) int {
	return cmp.Or(cmp.Compare(s.begins, o.begins), cmp.Compare(s.id, o.id))
}

func (s covering) priority() uint64 { return lot(s.id) }

func (s covering) covers() bool { return s.ends.at() > s.begins }

func (s covering) sum() reach {
	r := reach{first: s.begins, paid: s.paid}
	if s.covers() {
		r.ends[s.tier], r.needs[s.tier] = s.ends, s.begins
	} else {
		r.empty[s.tier] = s.ends
	}
	return r
}

// reach is what orders make together whose beginnings follow one another.
type reach struct {
	first Instant        // beginning
	ends  [tiers]ending  // of each edition the latest end, of those that cover something
	empty [tiers]ending  // the same of those that cover nothing
	needs [tiers]Instant // until when an edition must be covered before them for no gap to be among them
	paid  Instant        // the latest end of a term that no refund ended
}

func (r reach) then(next reach) reach {
	if r.first == 0 {
		r.first = next.first
	}
	for t := range tiers {
		if next.needs[t] > r.ends[t].at() {
			r.needs[t] = next.needs[t]
		}
		r.ends[t] = max(r.ends[t], next.ends[t])
		r.empty[t] = max(r.empty[t], next.empty[t])
	}
	r.paid = max(r.paid, next.paid)
	return r
}

func coversSome(r reach) bool { return r.ends[0]|r.ends[1] != 0 }

func coversTier(t tier) func(reach) bool { return func(r reach) bool { return r.ends[t] != 0 } }

func begins(reach) bool { return true }

// until sums up the orders that have begun at an instant.
func (os Orders) until(t Instant) (r reach) {
	for n := os.terms.root; n != nil; {
		if n.entry.begins > t {
			n = n.left
			continue
		}
		r = r.then(n.left.summed()).then(n.entry.sum())
		n = n.right
	}
	return r
}

// next is the beginning of the first order after an instant that is such as is looked for; 0 if there is none.
func (os Orders) next(after Instant, such func(reach) bool) Instant {
	return nextBeginning(os.terms.root, after, such)
}

func nextBeginning(n *node[covering, reach], after Instant, such func(reach) bool) Instant {
	if n == nil || !such(n.sum) {
		return 0
	}
	if n.entry.begins > after {
		if first := nextBeginning(n.left, after, such); first != 0 {
			return first
		}
		if such(n.entry.sum()) {
			return n.entry.begins
		}
	}
	return nextBeginning(n.right, after, such)
}

// unbroken is until when an edition that is covered at an instant stays so, one order after another.
func (os Orders) unbroken(edition tier, at Instant) Instant {
	end := os.until(at).ends[edition].at()
	prolong(os.terms.root, edition, at, &end)
	return end
}

// prolong moves an end on by the orders below a node that begin after an instant, and says whether there was no gap.
func prolong(n *node[covering, reach], edition tier, after Instant, end *Instant) bool {
	switch {
	case n == nil, n.sum.ends[edition] == 0:
		return true
	case n.entry.begins <= after:
		return prolong(n.right, edition, after, end)
	case n.sum.first > after && n.sum.needs[edition] <= *end:
		*end = max(*end, n.sum.ends[edition].at())
		return true
	case !prolong(n.left, edition, after, end):
		return false
	}
	if e := n.entry; e.tier == edition && e.covers() {
		if e.begins > *end {
			return false
		}
		*end = max(*end, e.ends.at())
	}
	return prolong(n.right, edition, after, end)
}
