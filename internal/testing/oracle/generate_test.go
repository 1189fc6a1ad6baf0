package oracle

import (
	"bytes"
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
			for _, now := range Dues(app, about, feed.Instants[len(feed.Instants)-1], feed.Policy()) {
				facts, _ := Arrived(feed.Apps, about, now)
				note(seen, State(app, facts, now, feed.Policy()))
				noteBeginning(seen, app, facts, now)
			}
			noteDeliveries(seen, about)
		}
	}
	for _, trap := range []string{
		"parked malformed", "parked unknown_app", "parked too_far_ahead", "parked id_reused",
		"active", "expired", "stopped", "lapse refund", "lapse plan_expired",
		"stop arrears", "stop refund", "stop plan_expired", "two holds", "two holds at one instant",
		"next expired", "next stopped", "next edition:pro", "two transitions at one instant", "several invoices",
		"next active", "edition:flagship by order", "edition:pro by order", "in service again after a stop, by time",
		"begins as the stop falls due", "begins a millisecond after the stop", "expires with more to come", "arrears from a beginning",
		"paid ahead", "several ahead", "another beginning", "refunded before it begins", "refunded before it is known",
		"goodwill", "in parts", "one refund told twice", "owed nothing", "restated to nothing", "owed again after nothing", "bounced",
		"on another trace",
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

// noteBeginning is about orders that begin by time.
func noteBeginning(seen map[string]int, app App, facts []Fact, now int64) {
	view, before := State(app, facts, now, Always(grace)), State(app, facts, now-1, Always(grace))
	begins := slices.ContainsFunc(facts, func(f Fact) bool { return f.Kind == OrderPaid && f.Edition != "" && f.Effective == now })
	if view.Status == Expired && len(view.Next) > 0 && view.Next[0].Cause == CauseOrder {
		seen["expires with more to come"]++
	}
	for _, next := range view.Next {
		seen[next.To+" by "+next.Cause]++
	}
	switch {
	case !begins:
	case before.Status == Stopped && view.Status == Active:
		seen["in service again after a stop, by time"]++
		if before.Stop.EffectiveAt == now-1 {
			seen["begins a millisecond after the stop"]++
		}
	case before.Lapse != nil && view.Status == Active && before.Lapse.StopDue == now:
		seen["begins as the stop falls due"]++
	case before.Arrears == nil && view.Arrears != nil:
		seen["arrears from a beginning"]++
	}
}

// noteDeliveries is about what is said, of one app.
func noteDeliveries(seen map[string]int, deliveries []Delivery) {
	events, orders, invoices := map[identity]Delivery{}, map[string]Fact{}, map[string]Fact{}
	ids := map[string]map[string]bool{}
	ahead := 0
	for _, delivery := range deliveries {
		fact := delivery.Fact
		if before, known := events[fact.identity()]; known || delivery.Malformed != "" {
			if known && sameEvent(before, delivery) && bytes.Contains(delivery.Event, []byte("traceparent")) {
				seen["on another trace"]++
			}
			continue
		}
		events[fact.identity()] = delivery
		order, known := orders[fact.Order]
		switch fact.Kind {
		case OrderPaid:
			if fact.Effective > delivery.ArrivesAt+MaxAhead {
				seen["paid ahead"]++
				if ahead++; ahead > 1 {
					seen["several ahead"]++
				}
			}
			if known && order.Effective > delivery.ArrivesAt && fact.Effective != order.Effective {
				seen["another beginning"]++
			}
			orders[fact.Order] = fact
		case OrderRefunded:
			if !known {
				seen["refunded before it is known"]++
			} else if delivery.ArrivesAt < order.Effective && fact.Effective < order.Effective {
				seen["refunded before it begins"]++
			}
			if fact.Goodwill {
				seen["goodwill"]++
			}
			if ids[fact.Order] == nil {
				ids[fact.Order] = map[string]bool{}
			}
			if ids[fact.Order][fact.Refund] {
				seen["one refund told twice"]++
			}
			if ids[fact.Order][fact.Refund] = true; len(ids[fact.Order]) > 1 {
				seen["in parts"]++
			}
		default:
			noteInvoice(seen, invoices[fact.Invoice], fact)
			invoices[fact.Invoice] = fact
		}
	}
}

func noteInvoice(seen map[string]int, before, fact Fact) {
	later := fact.Version > before.Version
	switch {
	case fact.Kind != InvoiceOverdue:
	case fact.Amount.Minor == 0 && before.Kind == "":
		seen["owed nothing"]++
	case fact.Amount.Minor == 0 && later && before.Kind == InvoiceOverdue:
		seen["restated to nothing"]++
	case later && before.Kind == InvoiceOverdue && before.Amount.Minor == 0:
		seen["owed again after nothing"]++
	case later && before.Kind == InvoiceSettled:
		seen["bounced"]++
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
				want, got := State(app, facts, now, feed.Policy()), State(app, shuffled, now, feed.Policy())
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("seed %d, app %d at %s:\n%s", seed, app.ID, formatInstant(now), diff)
				}
			}
		}
	}
}

// TestTwoGraces holds that with a grace for each edition the order of arrival makes no difference either, and that dues which
// stand are those that a set of facts has, as long as no policy changes.
func TestTwoGraces(t *testing.T) {
	options := small
	options.FlagshipGrace = 14 * day
	for seed := range uint64(4) {
		feed := Generate(seed, options)
		rng := rand.New(rand.NewPCG(seed, 2))
		for _, app := range feed.Apps {
			var standing Standing
			for _, now := range feed.Instants {
				facts, _ := Arrived(feed.Apps, aboutApp(feed, app), now)
				want := State(app, facts, now, feed.Policy())
				rng.Shuffle(len(facts), func(i, j int) { facts[i], facts[j] = facts[j], facts[i] })
				if diff := cmp.Diff(want, standing.State(app, facts, now, feed.Policy())); diff != "" {
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
	view := State(app, facts, now, Always(grace))
	for len(view.Next) > 0 {
		due := view.Next[0].Due
		where := formatInstant(due)
		before, after := State(app, facts, due-1, Always(grace)), State(app, facts, due, Always(grace))
		if diff := cmp.Diff(inSight(view), inSight(before)); diff != "" {
			t.Fatalf("seed %d, app %d: changed before %s:\n%s", seed, app.ID, where, diff)
		}
		for _, next := range view.Next {
			if !happened(next, after) {
				t.Fatalf("seed %d, app %d: %+v did not come at %s: %+v", seed, app.ID, next, where, after)
			}
		}
		view = after
	}
	if diff := cmp.Diff(inSight(view), inSight(State(app, facts, now+4000*day, Always(grace)))); diff != "" {
		t.Fatalf("seed %d, app %d: changed with nothing due:\n%s", seed, app.ID, diff)
	}
}

// inSight leaves out of a view what time may change without a transition: with a stop by arrears in force, an order that
// begins ends no more than what stands behind it.
func inSight(view View) View {
	if view.Status == Stopped && view.Arrears != nil {
		view.Lapse, view.Stop = nil, nil
	}
	return view
}

func happened(next Transition, view View) bool {
	switch next.To {
	case Stopped:
		return view.Status == Stopped && view.Stop.EffectiveAt <= next.Due
	case Active: // unless arrears stop it at once
		return view.Lapse == nil && (view.Stop == nil || view.Stop.EffectiveAt == next.Due)
	case Expired:
		return view.Status != Active && view.Lapse != nil && view.Lapse.Since == next.Due && view.Lapse.Cause == next.Cause
	}
	return next.To == "edition:"+view.Edition
}
