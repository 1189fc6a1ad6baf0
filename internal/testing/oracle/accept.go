package oracle

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxAhead is how far the effective time of a fact may lie ahead of the clock when it arrives, in ms: 24 hours. An
// order's may always lie as far.
const MaxAhead = 24 * 60 * 60 * 1000

// OrderAhead is the engine's own policy of how far an order may begin ahead of the clock, in ms: three years.
const OrderAhead = 26280 * 60 * 60 * 1000

// Parked is a delivery that does not count, and why.
type Parked struct {
	Delivery
	Reason string // "malformed", "unknown_app", "too_far_ahead" or "id_reused"
}

// Arrived takes in what has arrived by now, in the order given, for an engine that knows these apps from the
// start: the facts that count, and what was parked instead. What comes again with the same type and data
// is taken, or parked, once, whatever else it carries; what was parked and comes again with others is judged
// afresh, and if it is taken, the parked one is closed. Orders may begin [OrderAhead] of the clock.
func Arrived(apps []App, deliveries []Delivery, now int64) (facts []Fact, parked []Parked) {
	return ArrivedUnder(apps, deliveries, now, Always(OrderAhead))
}

// ArrivedUnder is [Arrived] with another policy of how far ahead orders of an edition may begin.
func ArrivedUnder(apps []App, deliveries []Delivery, now int64, orderAhead ByEdition) (facts []Fact, parked []Parked) {
	accountOf := map[uint64]string{}
	for _, app := range apps {
		accountOf[app.ID] = app.Account
	}
	accepted := map[identity]Delivery{}
	for _, delivery := range deliveries {
		if delivery.ArrivesAt > now {
			continue
		}
		fact := delivery.Fact
		before, known := accepted[fact.identity()]
		account, ours := accountOf[fact.App]
		reason := ""
		switch {
		case slices.ContainsFunc(parked, func(p Parked) bool { return sameEvent(p.Delivery, delivery) }):
			continue
		case delivery.Malformed != "":
			reason = "malformed"
		case known && sameEvent(before, delivery):
			continue
		case known:
			reason = "id_reused"
		case !ours || account != fact.Account:
			reason = "unknown_app"
		case fact.Effective > delivery.ArrivesAt+fact.mayLieAhead(orderAhead):
			reason = "too_far_ahead"
		}
		if reason != "" {
			parked = append(parked, Parked{Delivery: delivery, Reason: reason})
			continue
		}
		parked = slices.DeleteFunc(parked, func(p Parked) bool { return p.Fact.identity() == fact.identity() })
		accepted[fact.identity()] = delivery
		facts = append(facts, fact)
	}
	return facts, parked
}

// mayLieAhead is "more than 24 h ahead of the clock (an order's: more than order_ahead, or 24 h where that is longer)".
func (f Fact) mayLieAhead(orderAhead ByEdition) int64 {
	if f.Kind == OrderPaid {
		return max(orderAhead(f.Account, f.Edition), MaxAhead)
	}
	return MaxAhead
}

type identity struct{ source, id string }

func (f Fact) identity() identity { return identity{f.Source, f.ID} }

// sameEvent compares type and decoded data, unknown members of these and all; of what has no identity that can be read,
// the bytes.
func sameEvent(a, b Delivery) bool {
	switch {
	case a.Fact.identity() != b.Fact.identity():
		return false
	case a.Fact.identity() == identity{}, bytes.Equal(a.Event, b.Event):
		return bytes.Equal(a.Event, b.Event)
	}
	return a.Fact.Kind == b.Fact.Kind && bytes.Equal(dataOf(a.Event), dataOf(b.Event))
}

// dataOf makes the data of two events that decode to the same equal in its bytes.
func dataOf(event []byte) jsontext.Value {
	var envelope cloudEvent
	if err := json.Unmarshal(event, &envelope); err != nil {
		return event
	}
	if err := envelope.Data.Canonicalize(); err != nil {
		return event
	}
	return envelope.Data
}
