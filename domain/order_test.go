package domain

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRecordOrder: what the billing system reports is always recorded; which of several reports of an order counts does
// not depend on which came first.
func TestRecordOrder(t *testing.T) {
	known := func(c RecordOrder) []step { return []step{created(), did(day(1), Billing, c)} }
	base := paid("o1", Pro, day(1), day(20))
	message := base
	message.Report = news
	owned := and([]step{created()}, did(day(1), Owner, UpgradeEdition{testApp, base.Order}))
	dear := base
	dear.Order.Amount = Money{"CNY", 2}
	cheap := base
	cheap.Order.Amount = Money{"CNY", 10}
	pushed := base
	pushed.Order.Addons = []string{"push"}
	check(t, []row{
		{
			name:  "the highest version wins",
			given: known(base),
			as:    Billing, at: day(2), when: restated(paid("o1", Pro, day(1), day(30)), 1),
			then: events(recorded(restated(paid("o1", Pro, day(1), day(30)), 1)), TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)}),
		},
		{
			name:  "a lower one that comes later says nothing new",
			given: known(restated(base, 2)),
			as:    Billing, at: day(2), when: restated(paid("o1", Flagship, day(0), day(10)), 1),
			then: silence,
		},
		{
			name:  "at the same version the billing system's word stands above the owner's, though its term is longer",
			given: owned,
			as:    Billing, at: day(2), when: paid("o1", Pro, day(1), day(30)),
			then: events(recorded(paid("o1", Pro, day(1), day(30))), TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)}),
		},
		{
			name:  "an operator's higher version stands above it",
			given: []step{created(), did(day(1), Operator, UpgradeEdition{testApp, restated(base, 1).Order})},
			as:    Billing, at: day(2), when: base,
			then: silence,
		},
		{
			name:  "then the earlier beginning",
			given: known(base),
			as:    Billing, at: day(2), when: paid("o1", Flagship, day(0), day(30)),
			then: events(
				recorded(paid("o1", Flagship, day(0), day(30))), EditionChanged{about, Pro, Flagship, byOrder, day(0)},
				TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Flagship)},
			),
		},
		{
			name:  "a later beginning says nothing new",
			given: known(base),
			as:    Billing, at: day(2), when: paid("o1", Pro, day(2), day(10)),
			then: silence,
		},
		{
			name:  "then the shorter term",
			given: known(base),
			as:    Billing, at: day(2), when: paid("o1", Flagship, day(1), day(10)),
			then: events(
				recorded(paid("o1", Flagship, day(1), day(10))), EditionChanged{about, Pro, Flagship, byOrder, day(1)},
				TermScheduled{about, day(10), "", CausePlanExpired, expiry(day(10), CausePlanExpired, Flagship)},
			),
		},
		{
			name:  "no end is the longest term",
			given: known(base),
			as:    Billing, at: day(2), when: paid("o1", Pro, day(1), 0),
			then: silence,
		},
		{
			name:  "then the lower edition",
			given: known(paid("o1", Flagship, day(1), day(20))),
			as:    Billing, at: day(2), when: base,
			then: events(recorded(base), EditionChanged{about, Flagship, Pro, byOrder, day(1)},
				TermScheduled{about, day(20), "", CausePlanExpired, expiry(day(20), CausePlanExpired, Pro)}),
		},
		{
			name:  "a higher edition says nothing new",
			given: known(base),
			as:    Billing, at: day(2), when: paid("o1", Flagship, day(1), day(20)),
			then: silence,
		},
		{
			name:  "then the smaller canonical JSON: of two amounts the one whose digits sort first",
			given: known(dear),
			as:    Billing, at: day(2), when: cheap,
			then: events(recorded(cheap)),
		},
		{
			name:  "with add-ons before without",
			given: known(base),
			as:    Billing, at: day(2), when: pushed,
			then: events(recorded(pushed)),
		},
		{
			name:  "a message is kept as evidence each time, even if it says nothing new",
			given: known(base),
			as:    Billing, at: day(2), when: message,
			then: events(recorded(message)), again: events(recorded(message)),
		},
		{
			name:  "no rule for people binds the billing system: a lower edition than the app has is recorded",
			given: known(paid("o1", Flagship, day(1), 0)),
			as:    Billing, at: day(2), when: paid("o2", Pro, day(2), 0),
			then: events(recorded(paid("o2", Pro, day(2), 0))),
		},
		{
			name:  "add-ons for a trial are recorded",
			given: []step{created()},
			as:    Billing, at: day(2), when: RecordOrder{App: testApp, Order: OrderTerms{ID: "a1", EffectiveAt: day(1), Addons: []string{"push"}, Amount: price}},
			then: events(OrderRecorded{about, OrderTerms{ID: "a1", EffectiveAt: day(1), Addons: []string{"push"}, Amount: price}, Billing, nil}),
		},
		{
			name:  "more than three years ahead",
			given: []step{created()},
			as:    Billing, at: day(2), when: paid("o1", Pro, day(2).Add(26280*time.Hour+ms), 0),
			then: refused(EffectiveTooFar),
		},
		{
			name:  "a deleted app",
			given: deletedTrial(),
			as:    Billing, at: day(2), when: base,
			then: refused(AppDeletedAlready),
		},
		{
			name: "an unknown app",
			as:   Billing, at: day(2), when: base,
			then: refused(AppNotFound),
		},
		{
			name:  "fields that make no sense; a trial is not sold",
			given: []step{created()},
			as:    Billing, at: day(2), when: RecordOrder{App: testApp, Order: OrderTerms{Edition: Trial, PaidUntil: -1, Version: -1, Addons: manyAddons(MaxAddons + 1)}},
			then: invalid(
				"order invalid_id", "addons too_many", "version out_of_range", "paid_until invalid_time",
				"amount.currency unknown_currency", "edition unknown_edition", "effective_at invalid_time",
			),
		},
	})
}

func manyAddons(n int) []string {
	addons := make([]string, n)
	for i := range addons {
		addons[i] = "push"
	}
	return addons
}

// TestReportsOfAnOrderInAnyOrder: the terms that win among several reports are the same whatever came first, down to
// what no state shows.
func TestReportsOfAnOrderInAnyOrder(t *testing.T) {
	report := rapid.Custom(func(t *rapid.T) OrderRecorded {
		return OrderRecorded{
			About: about,
			Order: OrderTerms{
				ID: "o1", Edition: rapid.SampledFrom([]Edition{"", Pro, Flagship}).Draw(t, "edition"),
				EffectiveAt: day(rapid.IntRange(0, 1).Draw(t, "from")), PaidUntil: rapid.SampledFrom([]Instant{0, day(5), day(6)}).Draw(t, "until"),
				Addons:  rapid.SampledFrom([][]string{nil, {}, {"push"}, {"push", "history"}}).Draw(t, "addons"),
				Version: rapid.Int64Range(0, 1).Draw(t, "version"), Amount: Money{"CNY", rapid.SampledFrom([]int64{2, 10}).Draw(t, "minor")},
			},
			By: rapid.SampledFrom([]Role{Owner, Operator, Billing}).Draw(t, "by"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		reports := rapid.SliceOfN(report, 2, 5).Draw(t, "reports")
		told := func(reports []OrderRecorded) Order {
			acc := NewAccount(acme)
			for _, r := range reports {
				r.apply(acc)
			}
			return *acc.Apps[testApp].order("o1")
		}
		want, got := told(reports), told(rapid.Permutation(reports).Draw(t, "in another order"))
		want.By, got.By = anyPerson(want.By), anyPerson(got.By) // which person said the same does not matter
		if diff := gocmp.Diff(string(want.Terms.canonical()), string(got.Terms.canonical())); diff != "" || want.By != got.By {
			t.Fatalf("by %s and %s:\n%s", want.By, got.By, diff)
		}
	})
}

func anyPerson(r Role) Role {
	if r == Operator {
		return Owner
	}
	return r
}
