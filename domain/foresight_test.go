package domain

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"sundial/internal/testing/oracle"
)

// TestForesee: terms that are paid ahead, as a list of what time will do.
func TestForesee(t *testing.T) {
	policy := DefaultPolicy()
	order := func(id string, edition Edition, from, until int) OrderTerms {
		terms := OrderTerms{ID: id, Edition: edition, EffectiveAt: day(from), Amount: Money{"CNY", 100}}
		if until != 0 {
			terms.PaidUntil = day(until)
		}
		return terms
	}
	type step struct {
		From, To string
		Day      int
		Cause    Cause
	}
	for _, c := range []struct {
		name   string
		orders []OrderTerms
		want   []step
	}{
		{"nothing", nil, nil},
		{"open-ended", []OrderTerms{order("a", Pro, 1, 0)}, nil},
		{"one term", []OrderTerms{order("a", Pro, 1, 31)}, []step{
			{"active", "expired", 31, CausePlanExpired}, {"expired", "stopped", 38, CausePlanExpired},
		}},
		{"renewed without a gap", []OrderTerms{order("a", Pro, 1, 31), order("b", Pro, 31, 61)}, []step{
			{"active", "expired", 61, CausePlanExpired}, {"expired", "stopped", 68, CausePlanExpired},
		}},
		{"a gap within the grace", []OrderTerms{order("a", Pro, 1, 31), order("b", Pro, 35, 0)}, []step{
			{"active", "expired", 31, CausePlanExpired}, {"expired", "active", 35, CauseOrder},
		}},
		{"a gap as long as the grace", []OrderTerms{order("a", Pro, 1, 31), order("b", Pro, 38, 0)}, []step{
			{"active", "expired", 31, CausePlanExpired}, {"expired", "active", 38, CauseOrder},
		}},
		{"gaps longer than the grace", []OrderTerms{order("a", Pro, 1, 31), order("b", Pro, 45, 75), order("c", Pro, 90, 0)}, []step{
			{"active", "expired", 31, CausePlanExpired}, {"expired", "stopped", 38, CausePlanExpired}, {"stopped", "active", 45, CauseOrder},
			{"active", "expired", 75, CausePlanExpired}, {"expired", "stopped", 82, CausePlanExpired}, {"stopped", "active", 90, CauseOrder},
		}},
		{"upgrades ahead", []OrderTerms{order("a", Pro, 1, 0), order("b", Flagship, 10, 20), order("c", Flagship, 40, 50)}, []step{
			{"edition:pro", "edition:flagship", 10, CauseOrder}, {"edition:flagship", "edition:pro", 20, CausePlanExpired},
			{"edition:pro", "edition:flagship", 40, CauseOrder}, {"edition:flagship", "edition:pro", 50, CausePlanExpired},
		}},
		{"the first order begins later", []OrderTerms{order("a", Pro, 10, 20)}, []step{
			{"edition:trial", "edition:pro", 10, CauseOrder}, {"active", "expired", 20, CausePlanExpired}, {"expired", "stopped", 27, CausePlanExpired},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(policy)
			if _, err := w.run(t, acme, day(1), Operator, ImportApp{App: testApp, AppName: "shop", CreatedAt: day(1), Orders: c.orders}); err != nil {
				t.Fatal(err)
			}
			var got []step
			for _, f := range w.account(acme).Foresee(testApp, policy) {
				got = append(got, step{f.From, f.To, int(f.At.Sub(day(1))/(24*time.Hour)) + 1, f.Cause})
			}
			if diff := gocmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestForeseenIsBounded: of more terms with gaps than can be listed, the first.
func TestForeseenIsBounded(t *testing.T) {
	w := newWorld(unhurried())
	c := ImportApp{App: testApp, AppName: "shop", CreatedAt: day(1)}
	for n := range 3 * MaxExpiries {
		from := day(1).Add(time.Duration(n) * 30 * 24 * time.Hour)
		c.Orders = append(c.Orders, OrderTerms{
			ID: string(rune('A' + n)), Edition: Pro, EffectiveAt: from, PaidUntil: from.Add(10 * 24 * time.Hour), Amount: Money{"CNY", 100},
		})
	}
	if _, err := w.run(t, acme, day(1), Operator, c); err != nil {
		t.Fatal(err)
	}
	if got := w.account(acme).Foresee(testApp, w.policy); len(got) != MaxForeseen {
		t.Errorf("%d foreseen, want %d", len(got), MaxForeseen)
	}
}

// TestWhatIsForeseenHappens lets made-up facts about one app arrive, asks what lies ahead, lets the clock run without
// another fact, and wants each change of status or edition to come as it was foreseen, and no other. The second opinion
// must foresee the same.
func TestWhatIsForeseenHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := unhurried()
		policy.Grace = 5 * time.Hour
		policy = withTwoGraces(t, policy, 3*time.Hour)
		app := oracle.App{Account: acme, ID: uint64(testApp), Name: "shop", CreatedAt: int64(crowdBegins)}
		facts := rapid.SliceOfN(crowdedFact(), 1, 14).Draw(t, "facts")
		w, now := newWorld(policy), crowdBegins.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "hours"))*time.Hour)
		w.bring(t, now, app, nil)
		for _, f := range facts {
			w.deliver(t, now, f)
		}
		w.sweep(t, now)
		look := func() [2]string {
			app := w.account(acme).Apps[testApp]
			return [2]string{string(app.Status()), toEdition + string(app.Edition)}
		}
		foreseen := w.account(acme).Foresee(testApp, policy)
		said := make([]oracle.Foreseen, len(foreseen))
		for i, f := range foreseen {
			said[i] = oracle.Foreseen{From: f.From, Transition: oracle.Transition{To: f.To, Due: int64(f.At), Cause: string(f.Cause)}}
		}
		if diff := gocmp.Diff(inTheirOrder(oracle.Ahead(app, facts, int64(now), w.graces(), MaxForeseen)), inTheirOrder(said), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("at %s foreseen (-oracle +domain):\n%s\nfacts:\n%s", now, diff, listed(facts))
		}
		is := look()
		for end := now.Add(100 * time.Hour); ; {
			next := w.nextDue(end)
			if next == 0 {
				break
			}
			was := is
			w.sweep(t, next)
			is = look()
			will, passes := was, false // a change of the status says nothing of the edition, also where another takes it back
			for len(foreseen) > 0 && foreseen[0].At == next {
				f := foreseen[0]
				foreseen = foreseen[1:]
				if f.From != will[0] && f.From != will[1] {
					t.Fatalf("foreseen %+v, and then it is %v\nfacts:\n%s", f, will, listed(facts))
				}
				if strings.HasPrefix(f.To, toEdition) {
					will[1] = f.To
				} else {
					will[0], passes = f.To, true
				}
			}
			if will[0] != is[0] || will[1] != is[1] && !passes {
				t.Fatalf("at %s it is %v, foreseen was %v\nfacts:\n%s", next, is, will, listed(facts))
			}
		}
		if len(foreseen) > 0 {
			t.Fatalf("never came: %+v\nfacts:\n%s", foreseen, listed(facts))
		}
	})
}

// nextDue is when the status or the edition of an app is due to change next, by an instant; 0 if it is not.
func (w *harness) nextDue(by Instant) Instant {
	for _, d := range w.due(by) {
		if d.Kind.Lifecycle() {
			return d.at
		}
	}
	return 0
}

// inTheirOrder sorts what is foreseen at one instant, as the opinions differ in that.
func inTheirOrder(all []oracle.Foreseen) []oracle.Foreseen {
	slices.SortStableFunc(all, func(a, b oracle.Foreseen) int {
		return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.To, b.To), cmp.Compare(a.Cause, b.Cause))
	})
	for i := range all {
		if i > 0 && all[i].Due == all[i-1].Due { // the order decides what the second of them leads from
			all[i].From, all[i-1].From = "", ""
		}
	}
	return all
}

// TestPreventionOfTheForeseen: what would prevent a transition is told of the app as it is then.
func TestPreventionOfTheForeseen(t *testing.T) {
	w := newWorld(DefaultPolicy())
	terms := func(id string, edition Edition, from, until int) OrderTerms {
		return OrderTerms{ID: id, Edition: edition, EffectiveAt: day(from), PaidUntil: day(until), Amount: Money{"CNY", 100}}
	}
	c := ImportApp{App: testApp, AppName: "shop", CreatedAt: day(1), Orders: []OrderTerms{
		terms("a", Pro, 1, 60), terms("b", Flagship, 10, 20), terms("c", Pro, 80, 90),
	}}
	if _, err := w.run(t, acme, day(1), Operator, c); err != nil {
		t.Fatal(err)
	}
	want := []Prevention{{}, {Edition: Flagship}, {Edition: Pro}, {Edition: Pro}, {}, {Edition: Pro}, {Edition: Pro}}
	foreseen := w.account(acme).Foresee(testApp, w.policy)
	got := make([]Prevention, len(foreseen))
	for i, f := range foreseen {
		got[i] = f.Prevention
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
