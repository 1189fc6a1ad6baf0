package oracle

import (
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// small is a feed of a few apps, quick to walk through.
var small = Options{Accounts: 4, AppsPerAccount: 3}

func TestSameSeedSameFeed(t *testing.T) {
	first, second := Generate(7, Options{Faults: true}), Generate(7, Options{Faults: true})
	if !reflect.DeepEqual(first, second) {
		t.Error("two feeds of one seed differ")
	}
	if reflect.DeepEqual(first.Deliveries, Generate(8, Options{Faults: true}).Deliveries) {
		t.Error("the seed makes no difference")
	}
}

func TestFeedSurvivesItsFiles(t *testing.T) {
	feed := Generate(11, small)
	dir := t.TempDir()
	if err := feed.WriteFiles(dir); err != nil {
		t.Fatal(err)
	}
	assertSame(t, feed.Apps, readAll(t, filepath.Join(dir, "apps.jsonl"), ReadApps))
	assertSame(t, feed.Deliveries, readAll(t, filepath.Join(dir, "deliveries.jsonl"), ReadDeliveries))
	assertSame(t, feed.Expected(), readAll(t, filepath.Join(dir, "expected.jsonl"), ReadExpected))
}

func assertSame[T any](t *testing.T, want, got []T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// TestFeedsHoldTheTraps makes sure that the generator does not quietly stop making what is hard.
func TestFeedsHoldTheTraps(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(6) {
		feed := Generate(seed, Options{Faults: true})
		if !slices.IsSortedFunc(feed.Deliveries, func(a, b Delivery) int { return int(a.ArrivesAt - b.ArrivesAt) }) {
			t.Fatalf("seed %d: deliveries are not in the order of arrival", seed)
		}
		_, parked := Arrived(feed.Apps, feed.Deliveries, feed.Deliveries[len(feed.Deliveries)-1].ArrivesAt)
		for _, one := range parked {
			seen["parked "+one.Reason]++
		}
		for _, app := range feed.Apps {
			about := aboutApp(feed, app)
			for _, now := range Dues(app, about, feed.Instants[len(feed.Instants)-1], feed.Grace) {
				facts, _ := Arrived(feed.Apps, about, now)
				note(seen, State(app, facts, now, feed.Grace))
			}
		}
	}
	for _, trap := range []string{
		"parked malformed", "parked unknown_app", "parked too_far_ahead", "parked id_reused",
		"active", "expired", "stopped", "lapse refund", "lapse plan_expired",
		"stop arrears", "stop refund", "stop plan_expired", "two holds", "two holds at one instant",
		"next expired", "next stopped", "next edition:pro", "two transitions at one instant", "several invoices",
	} {
		if seen[trap] == 0 {
			t.Errorf("no feed has: %s", trap)
		}
	}
	t.Log(seen)
}

func note(seen map[string]int, view View) {
	seen[view.Status]++
	if view.Lapse != nil {
		seen["lapse "+view.Lapse.Cause]++
	}
	if view.Stop != nil {
		seen["stop "+view.Stop.Cause]++
		if view.Lapse != nil && view.Arrears != nil && len(view.Next) == 0 {
			seen["two holds"]++
			if view.Lapse.StopDue == view.Arrears.StopDue {
				seen["two holds at one instant"]++
			}
		}
	}
	for _, next := range view.Next {
		seen["next "+next.To]++
	}
	if len(view.Next) > 1 {
		seen["two transitions at one instant"]++
	}
	if view.Arrears != nil && len(view.Arrears.Invoices) > 1 {
		seen["several invoices"]++
	}
}

func aboutApp(feed Feed, app App) []Delivery {
	return filter(feed.Deliveries, func(d Delivery) bool { return d.Fact.App == app.ID })
}

// TestOrderAndDuplicatesMakeNoDifference shuffles and repeats what had arrived.
func TestOrderAndDuplicatesMakeNoDifference(t *testing.T) {
	for seed := range uint64(8) {
		feed := Generate(seed, small)
		rng := rand.New(rand.NewPCG(seed, 1))
		for _, now := range feed.Instants {
			facts, _ := Arrived(feed.Apps, feed.Deliveries, now)
			shuffled := append(slices.Clone(facts), facts[:rng.IntN(len(facts)+1)]...)
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			for _, app := range feed.Apps {
				want, got := State(app, facts, now, feed.Grace), State(app, shuffled, now, feed.Grace)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("seed %d, app %d at %s:\n%s", seed, app.ID, formatInstant(now), diff)
				}
			}
		}
	}
}

// TestTimeChangesOnlyAtWhatIsDue walks from due to due: just before one nothing has changed, and at it something
// has. This holds what View says about the present against what it said about the future.
func TestTimeChangesOnlyAtWhatIsDue(t *testing.T) {
	for seed := range uint64(8) {
		feed := Generate(seed, small)
		for _, app := range feed.Apps {
			about := aboutApp(feed, app)
			for _, delivery := range about {
				now := delivery.ArrivesAt
				facts, _ := Arrived(feed.Apps, about, now)
				walkDues(t, seed, app, facts, now)
			}
		}
	}
}

func walkDues(t *testing.T, seed uint64, app App, facts []Fact, now int64) {
	t.Helper()
	view := State(app, facts, now, grace)
	for len(view.Next) > 0 {
		due := view.Next[0].Due
		where := formatInstant(due)
		before, after := State(app, facts, due-1, grace), State(app, facts, due, grace)
		if diff := cmp.Diff(view, before); diff != "" {
			t.Fatalf("seed %d, app %d: changed before %s:\n%s", seed, app.ID, where, diff)
		}
		for _, next := range view.Next {
			if !happened(next, after) {
				t.Fatalf("seed %d, app %d: %+v did not come at %s: %+v", seed, app.ID, next, where, after)
			}
		}
		view = after
	}
	if diff := cmp.Diff(view, State(app, facts, now+1000*day, grace)); diff != "" {
		t.Fatalf("seed %d, app %d: changed with nothing due:\n%s", seed, app.ID, diff)
	}
}

func happened(next Transition, view View) bool {
	switch next.To {
	case Stopped:
		return view.Status == Stopped && view.Stop.EffectiveAt <= next.Due
	case Expired:
		return view.Status != Active && view.Lapse != nil && view.Lapse.Since == next.Due && view.Lapse.Cause == next.Cause
	}
	return next.To == "edition:"+view.Edition
}
