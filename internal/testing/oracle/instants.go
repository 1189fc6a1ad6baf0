package oracle

import (
	"slices"
)

// Dues are the instants, ascending and up to until, at which time alone changes what the app must be, as the
// deliveries about it come in. Deliveries must be in the order of arrival.
func Dues(app App, deliveries []Delivery, until int64, grace ByEdition) []int64 {
	about := filter(deliveries, func(d Delivery) bool { return d.Fact.App == app.ID })
	var dues []int64
	for i, delivery := range about {
		upTo := until
		if i+1 < len(about) {
			upTo = min(until, about[i+1].ArrivesAt)
		}
		facts, _ := Arrived([]App{app}, about[:i+1], upTo)
		for view := State(app, facts, delivery.ArrivesAt, grace); len(view.Next) > 0 && view.Next[0].Due <= upTo; {
			due := view.Next[0].Due
			dues = append(dues, due)
			view = State(app, facts, due, grace)
		}
	}
	slices.Sort(dues)
	return slices.Compact(dues)
}

// instants picks where it is worth looking: around dues, at arrivals, at midnights, and at the end.
func (g *generator) instants(feed Feed) []int64 {
	var dues []int64
	for _, app := range feed.Apps {
		dues = append(dues, Dues(app, feed.Deliveries, g.options.End, feed.Policy())...)
	}
	picked := []int64{g.options.End}
	for range g.options.DuePairs {
		if len(dues) > 0 {
			due := pick(g, dues...)
			picked = append(picked, due-1, due)
		}
	}
	for range g.options.Arrivals {
		if len(feed.Deliveries) > 0 {
			picked = append(picked, pick(g, feed.Deliveries...).ArrivesAt)
		}
	}
	for range g.options.Midnights {
		day := g.between(0, (g.options.End-g.options.Start)/oneDay)
		picked = append(picked, g.options.Start+day*oneDay)
	}
	slices.Sort(picked)
	return slices.Compact(picked)
}
