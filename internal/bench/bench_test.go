package bench

import (
	"slices"
	"testing"
	"time"

	"sundial/domain"
)

// TestFiguresAreMeasured runs every figure on a small part of what it measures: that all of them work, not what they say.
func TestFiguresAreMeasured(t *testing.T) {
	lines := 0
	results, err := Run(t.Context(), Config{
		Dir: t.TempDir(), Slot: 30 * time.Millisecond, Part: 0.005, turns: 1, Progress: func(string) { lines++ },
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	figures := Figures()
	if len(results) != len(figures) {
		t.Fatalf("%d figures were measured, want %d", len(results), len(figures))
	}
	for i, r := range results {
		if r.ID != figures[i].ID || r.Unit != figures[i].Unit {
			t.Errorf("figure %d is %s in %s, want %s in %s", i, r.ID, r.Unit, figures[i].ID, figures[i].Unit)
		}
		if r.Ratio <= 0 || r.Value <= 0 || r.Against <= 0 {
			t.Errorf("%s: %+v, want more than nothing", r.ID, r)
		}
	}
	if lines != len(figures) {
		t.Errorf("%d lines of progress, want one for each figure's pair", lines)
	}
}

func TestOnlySomeFigures(t *testing.T) {
	lines := 0
	config := Config{Dir: t.TempDir(), Slot: 10 * time.Millisecond, Progress: func(string) { lines++ }}
	results, err := Run(t.Context(), config, []string{"committed_1"})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 1 || results[0].ID != "committed_1" {
		t.Errorf("measured %+v, want committed_1", results)
	}
	if lines < 3 {
		t.Errorf("%d lines of progress, want one for each of at least three pairs", lines)
	}
}

func TestMedianIsAPairThatWasMeasured(t *testing.T) {
	pairs := []Result{{Ratio: 0.9, Value: 9}, {Ratio: 0.2, Value: 2}, {Ratio: 0.5, Value: 5}}
	if got := median(pairs); got.Ratio != 0.5 || got.Value != 5 {
		t.Errorf("the median is %+v, want the pair of ratio 0.5", got)
	}
	if pairs[0].Ratio != 0.9 {
		t.Error("the measurements were put into another order")
	}
}

// TestTenantsNeverRestAndNeverGrow holds the load to what it is to be: each command changes something, for as long as
// anybody measures, and what an app has is bounded.
func TestTenantsNeverRestAndNeverGrow(t *testing.T) {
	now := domain.InstantOf(time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC))
	one := tenantOf(7)
	state := domain.NewAccount(one.account)
	kinds := map[string]int{}
	do := func(cmd domain.Command, role domain.Role) {
		t.Helper()
		now++
		events, err := domain.Decide(state, cmd, domain.Moment{Now: now, Policy: domain.DefaultPolicy(), Role: role})
		if err != nil || len(events) == 0 {
			t.Fatalf("%s at turn %d: events %v, error %v", cmd.Name(), one.turn, events, err)
		}
		state.Apply(domain.Recorded{At: now}, events...)
		kinds[cmd.Name()]++
	}
	for _, r := range one.imports(now.Add(-1000*time.Hour), plan(now.Add(-1000*time.Hour))) {
		do(r.Command, r.Role)
	}
	const turns = 4 * appsEach * 12 * 20 // twenty years
	for range turns {
		r := one.next(now)
		do(r.Command, r.Role)
	}
	for id, app := range state.Apps {
		if app.Orders.Len() > 2 || app.Invoices.Len() > invoices {
			t.Errorf("app %d has %d orders and %d invoices, want at most 2 and %d", id, app.Orders.Len(), app.Invoices.Len(), invoices)
		}
		overdue := slices.ContainsFunc(slices.Collect(app.Invoices.All()), func(i domain.Invoice) bool { return len(i.Owed) > 1 })
		if overdue {
			t.Errorf("app %d has an invoice with several statements that it is overdue", id)
		}
	}
	for _, name := range []string{"edit_app_info", "mark_arrears", "settle_arrears", "upgrade_edition"} {
		if kinds[name] != turns/4 {
			t.Errorf("%d times %s in %d turns, want %d", kinds[name], name, turns, turns/4)
		}
	}
}

// TestThePastIsMeasured runs the questions about the past on a small log: that all of them work, not what they say.
func TestThePastIsMeasured(t *testing.T) {
	results, err := Past(t.Context(), Config{Dir: t.TempDir(), Part: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 4 {
		t.Errorf("%d results, want 4", len(results))
	}
	for _, r := range results {
		if r.Value <= 0 || r.Against <= 0 || r.Unit != "ms" {
			t.Errorf("%+v, want more than nothing, in ms", r)
		}
	}
}
