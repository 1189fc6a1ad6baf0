package domain

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sundial/internal/testing/oracle"
)

// unhurried is the vendor's policy, but for facts from the future: where facts are shuffled, one may come long before it
// is effective, and what is to be shown here is that this makes no difference.
func unhurried() Policy {
	p := DefaultPolicy()
	p.MaxAhead = 100 * 365 * 24 * time.Hour
	p.OrderAhead = p.MaxAhead
	return p
}

// withTwoGraces gives an edition a grace of its own, now and then.
func withTwoGraces(t *rapid.T, policy Policy, grace time.Duration) Policy {
	if rapid.Bool().Draw(t, "two graces") {
		policy.Editions.Flagship = &PolicyPart{Grace: Span(grace)}
	}
	return policy
}

// smallFeed draws the apps of one account with what is said about them: few facts, of all kinds.
func smallFeed(t *rapid.T) (oracle.Feed, []oracle.Fact) {
	feed := oracle.Generate(rapid.Uint64().Draw(t, "seed"), oracle.Options{
		Accounts: 1, AppsPerAccount: rapid.IntRange(1, 2).Draw(t, "apps"),
		DuePairs: 1, Arrivals: 1, Midnights: 1,
	})
	for i := range feed.Apps {
		feed.Apps[i].Edition = rapid.SampledFrom([]string{"", "", oracle.Trial, oracle.TRTCTrial, oracle.Pro}).Draw(t, "edition")
	}
	facts := make([]oracle.Fact, 0, len(feed.Deliveries))
	for _, d := range feed.Deliveries {
		if rapid.IntRange(0, 9).Draw(t, "kept") > 0 { // shrinks to fewer facts
			facts = append(facts, d.Fact)
		}
	}
	return feed, facts
}

// broughtAlong draws orders that come with the import, told by the operator; the others are left to the billing system.
func broughtAlong(t *rapid.T, feed oracle.Feed, facts []oracle.Fact) (orders map[uint64][]oracle.Fact) {
	orders = map[uint64][]oracle.Fact{}
	for i, fact := range facts {
		if fact.Kind == oracle.OrderPaid && !slices.ContainsFunc(orders[fact.App], func(f oracle.Fact) bool { return f.Order == fact.Order }) &&
			rapid.IntRange(0, 5).Draw(t, "brought along") == 5 {
			fact.OwnersWord = true
			facts[i] = fact
			orders[fact.App] = append(orders[fact.App], fact)
		}
	}
	for i, app := range feed.Apps {
		if paid := slices.ContainsFunc(orders[app.ID], func(f oracle.Fact) bool { return f.Edition != "" }); paid && app.Edition == oracle.Pro {
			feed.Apps[i].Edition = "" // the edition follows from the orders
		}
	}
	return orders
}

// TestAnyOrderOfArrivalEndsInTheSameState takes the facts of a feed in any order, some of them twice, with ticks in
// between or only at the end, and holds every app against an oracle that folds sets.
func TestAnyOrderOfArrivalEndsInTheSameState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		feed, facts := smallFeed(t)
		orders := broughtAlong(t, feed, facts)
		first := Instant(feed.Instants[0])
		live(t, withTwoGraces(t, unhurried(), 336*time.Hour), feed.Apps, orders, rapid.Permutation(facts).Draw(t, "arrivals"), span{first.Add(-400 * 24 * time.Hour), 40 * 24 * time.Hour})
	})
}

// TestCrowdedFactsEndInTheSameState does the same with made-up facts about one app that crowd on a few hours, orders and
// invoices, so that what is rare in a feed (dues at one instant, facts between a due and its tick, an order ended
// earlier when its end had passed) happens all the time.
func TestCrowdedFactsEndInTheSameState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := unhurried()
		policy.Grace = 5 * time.Hour
		app := oracle.App{
			Account: "acme", ID: uint64(testApp), Name: "shop", CreatedAt: int64(crowdBegins),
			Edition: rapid.SampledFrom([]string{"", oracle.TRTCTrial, oracle.Pro}).Draw(t, "edition"),
		}
		facts := rapid.SliceOfN(crowdedFact(), 1, 14).Draw(t, "facts")
		feed := oracle.Feed{Apps: []oracle.App{app}}
		orders := broughtAlong(t, feed, facts)
		live(t, withTwoGraces(t, policy, 3*time.Hour), feed.Apps, orders, facts, span{crowdBegins, 9 * time.Hour})
	})
}

const crowdBegins = Instant(1_609_459_200_000) // 2021-01-01

// crowdedFact draws a fact among few orders, invoices, versions and hours.
func crowdedFact() *rapid.Generator[oracle.Fact] {
	return rapid.Custom(func(t *rapid.T) oracle.Fact {
		hour := func(label string) int64 {
			at := crowdBegins.Add(time.Duration(rapid.IntRange(1, 30).Draw(t, label)) * time.Hour)
			return int64(at) + rapid.SampledFrom([]int64{0, 0, 0, -1, 1}).Draw(t, "ms")
		}
		fact := oracle.Fact{Source: "urn:test", ID: "any", Account: "acme", App: uint64(testApp), Effective: hour("effective")}
		switch kind := rapid.IntRange(0, 10).Draw(t, "kind"); kind {
		case 0, 1, 2, 3:
			fact.Kind, fact.Order = oracle.OrderPaid, rapid.SampledFrom([]string{"o1", "o2", "o3"}).Draw(t, "order")
			fact.Edition = rapid.SampledFrom([]string{oracle.Pro, oracle.Flagship, ""}).Draw(t, "edition")
			if fact.Edition == "" {
				fact.AddOns = `["push"]`
			}
			if rapid.Bool().Draw(t, "has a term") {
				fact.PaidUntil = hour("paid until")
			}
		case 4, 5:
			fact.Kind, fact.Order = oracle.OrderRefunded, rapid.SampledFrom([]string{"o1", "o2", "o3", "import"}).Draw(t, "order")
			fact.Refund, fact.Goodwill = rapid.SampledFrom([]string{"", "", "r1"}).Draw(t, "refund"), rapid.IntRange(0, 3).Draw(t, "goodwill") == 3
			return fact
		case 6, 7, 8:
			fact.Kind, fact.Invoice = oracle.InvoiceOverdue, rapid.SampledFrom([]string{"i1", "i2"}).Draw(t, "invoice")
		case 9, 10:
			fact.Kind, fact.Invoice = oracle.InvoiceSettled, rapid.SampledFrom([]string{"i1", "i2"}).Draw(t, "invoice")
			if kind == 10 {
				fact.Kind = oracle.InvoiceVoided
			}
		}
		fact.Version = rapid.Int64Range(0, 3).Draw(t, "version")
		if fact.Kind == oracle.InvoiceOverdue || fact.Kind == oracle.OrderPaid {
			fact.Amount = oracle.Money{Currency: "CNY", Minor: rapid.Int64Range(0, 2).Draw(t, "minor")}
		}
		return fact
	})
}

// span says when a life begins and how long at most passes between two facts.
type span struct {
	begin Instant
	pause time.Duration
}

// live lets facts arrive in the order given while time passes, with ticks now and then, and compares after each tick.
func live(t *rapid.T, policy Policy, apps []oracle.App, orders map[uint64][]oracle.Fact, arrivals []oracle.Fact, s span) {
	w, now := newWorld(policy), s.begin
	arrived := map[uint64][]oracle.Fact{}
	for _, app := range apps {
		w.bring(t, now, app, orders[app.ID])
		arrived[app.ID] = orders[app.ID]
	}
	tick := func() {
		w.sweep(t, now)
		w.checkHoldings(t)
		w.checkNothingIsLate(t, now)
		for _, app := range apps {
			w.checkView(t, app, arrived[app.ID], now)
		}
	}
	var taken []oracle.Fact
	for _, fact := range arrivals {
		now = now.Add(time.Duration(rapid.Int64Range(0, s.pause.Milliseconds()).Draw(t, "pause")) * time.Millisecond)
		if fact.OwnersWord {
			continue // came with the import
		}
		w.deliver(t, now, fact)
		taken, arrived[fact.App] = append(taken, fact), append(arrived[fact.App], fact)
		for rapid.IntRange(0, 9).Draw(t, "twice") == 9 {
			w.deliver(t, now, rapid.SampledFrom(taken).Draw(t, "repeated"))
		}
		if app := rapid.SampledFrom(apps).Draw(t, "app"); rapid.IntRange(0, 3).Draw(t, "holds") == 3 {
			arrived[app.ID] = append(arrived[app.ID], w.hold(t, app, now)...)
		}
		if rapid.Bool().Draw(t, "tick") {
			tick()
		}
	}
	tick()
	for range 3 {
		now = now.Add(10 * s.pause)
		tick()
	}
	for range 5 {
		at := s.begin.Add(time.Duration(rapid.Int64Range(0, int64(now-s.begin)).Draw(t, "looking back")) * time.Millisecond)
		for _, app := range apps {
			w.checkHindsight(t, app, arrived[app.ID], at)
		}
	}
	w.checkReplay(t)
}
