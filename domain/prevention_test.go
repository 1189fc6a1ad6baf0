package domain

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestWhatPreventsADue: with the facts that are named, effective at the due itself, it does not happen; without one of
// them it does.
func TestWhatPreventsADue(t *testing.T) {
	seen := map[DueKind]int{}
	property := func(t *rapid.T) {
		w, now := newWorld(unhurried()), crowdBegins
		c := anyCommand()
		for range rapid.IntRange(1, 25).Draw(t, "commands") {
			now = now.Add(grace / 40)
			asked := c.Draw(t, "command")
			_, _ = w.run(t, acme, now, asked.as, asked.Command)
		}
		w.sweep(t, now)
		for id, app := range w.account(acme).Apps {
			for _, d := range app.Dues() {
				if !d.Kind.Lifecycle() {
					continue
				}
				seen[d.Kind]++
				checkPrevention(t, w.account(acme), id, d, now)
			}
		}
	}
	kinds := []DueKind{DueTerm, DueArrears, DueLapse}
	unmet := func() bool { return slices.ContainsFunc(kinds, func(k DueKind) bool { return seen[k] == 0 }) }
	for round := 0; round == 0 || round < 10 && unmet() && !t.Failed(); round++ { // few are drawn under the race detector
		rapid.Check(t, property)
	}
	for _, kind := range kinds {
		if seen[kind] == 0 {
			t.Errorf("no due of the kind %s was met", kind)
		}
	}
}

func checkPrevention(t failer, acc *Account, app AppID, d Due, now Instant) {
	t.Helper()
	p := acc.Apps[app].Prevention(d)
	var facts []Command
	for _, id := range p.Invoices {
		facts = append(facts, SettleArrears{App: app, Invoice: id, Version: 100, EffectiveAt: d.At})
	}
	if p.Edition != "" {
		facts = append(facts, RecordOrder{App: app, Order: OrderTerms{ID: "saving", Edition: p.Edition, EffectiveAt: d.At, PaidUntil: d.At + 1, Amount: price}})
	}
	if len(facts) == 0 {
		if d.Cause != CauseOrder && d.To != "" {
			t.Fatalf("nothing would prevent %+v", d)
		}
		return
	}
	for left := range facts {
		if fired(t, acc.Clone(), d, app, now, facts[:left]) == 0 {
			t.Fatalf("%+v is prevented by %d of the %d facts in %+v", d, left, len(facts), p)
		}
	}
	if n := fired(t, acc.Clone(), d, app, now, facts); n != 0 {
		t.Fatalf("%+v has happened, with all of %+v", d, p)
	}
}

// fired takes facts in and then lets a due come; it gives how many events that led to.
func fired(t failer, acc *Account, d Due, app AppID, now Instant, facts []Command) int {
	t.Helper()
	decide := func(c Command, now Instant) []Event {
		events, err := Decide(acc, c, Moment{Now: now, Policy: unhurried(), Role: Billing})
		if err != nil {
			t.Fatalf("%s: %v", c.Name(), err)
		}
		acc.Apply(Recorded{At: now, Position: acc.Position + 1}, events...)
		return events
	}
	for _, f := range facts {
		decide(f, now)
	}
	return len(decide(FireTransition{app, d.Kind, d.Episode}, max(now, d.At)))
}
