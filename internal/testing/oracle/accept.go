package oracle

import (
	"bytes"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxAhead is how far the effective time of a fact may lie ahead of the clock when it arrives, in ms: 24 hours.
const MaxAhead = 24 * 60 * 60 * 1000

// Parked is a delivery that does not count, and why.
type Parked struct {
	Delivery
	Reason string // "malformed", "unknown_app", "too_far_ahead" or "id_reused"
}

// Arrived takes in what has arrived by now, in the order given, for an engine that knows these apps from the
// start: the facts that count, and what was parked instead. What comes again with the same contents
// is taken, or parked, once.
func Arrived(apps []App, deliveries []Delivery, now int64) (facts []Fact, parked []Parked) {
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
		case fact.Effective > delivery.ArrivesAt+MaxAhead:
			reason = "too_far_ahead"
		}
		if reason != "" {
			parked = append(parked, Parked{Delivery: delivery, Reason: reason})
			continue
		}
		accepted[fact.identity()] = delivery
		facts = append(facts, fact)
	}
	return facts, parked
}

type identity struct{ source, id string }

func (f Fact) identity() identity { return identity{f.Source, f.ID} }

// sameEvent compares decoded contents, unknown members and all.
func sameEvent(a, b Delivery) bool {
	return a.Fact.identity() == b.Fact.identity() &&
		(bytes.Equal(a.Event, b.Event) || bytes.Equal(canonical(a.Event), canonical(b.Event)))
}

// canonical makes two events with the same decoded contents equal in their bytes; what is no JSON stays as it is.
func canonical(event []byte) []byte {
	value := jsontext.Value(event).Clone()
	if err := value.Canonicalize(); err != nil {
		return event
	}
	return value
}
