package domain

import (
	"errors"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestSetPolicy(t *testing.T) {
	long := AccountPolicy{PolicyPart: PolicyPart{Grace: Span(hours(336))}}
	flagship := AccountPolicy{Editions: EditionsPolicy{Flagship: &PolicyPart{Grace: Span(hours(240))}}}
	years := MaxOrderAhead + 1
	check(t, []row{
		{
			name:  "an operator gives an account a grace of its own",
			given: []step{created()},
			as:    Operator, at: day(1), when: SetPolicy{long},
			then: events(PolicySet{long, "operator"}),
		},
		{
			name:  "the due of what begins from then on goes by it",
			given: and(pro(0), did(day(1), Operator, SetPolicy{long})),
			as:    Billing, at: day(3), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2)), ArrearsStarted{about, stopsFor(day(2), day(16), Pro)}),
		},
		{
			name:  "what an edition is given goes before what the account is",
			given: and(pro(0), did(day(1), Operator, SetPolicy{AccountPolicy{long.PolicyPart, EditionsPolicy{Pro: &PolicyPart{Grace: Span(hours(24))}}}})),
			as:    Billing, at: day(3), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2)), ArrearsStarted{about, stopsFor(day(2), day(3), Pro)}),
		},
		{
			name:  "an order that becomes known late, and makes the edition at the beginning of the arrears another, moves the due",
			given: and(pro(0), did(day(1), Operator, SetPolicy{flagship}), did(day(3), Billing, overdue("i1", 1, day(2)))),
			as:    Billing, at: day(4), when: paid("o2", Flagship, day(1), 0),
			then: events(recorded(paid("o2", Flagship, day(1), 0)), EditionChanged{about, Pro, Flagship, byOrder, day(1)},
				ArrearsMoved{about, stopsFor(day(2), day(12), Flagship)}),
		},
		{
			name:  "an upgrade after that does not",
			given: and(pro(0), did(day(1), Operator, SetPolicy{flagship}), did(day(3), Billing, overdue("i1", 1, day(2)))),
			as:    Billing, at: day(4), when: paid("o2", Flagship, day(3), 0),
			then: events(recorded(paid("o2", Flagship, day(3), 0)), EditionChanged{about, Pro, Flagship, byOrder, day(3)}),
		},
		{
			name:  "orders may be allowed no further ahead than other facts are",
			given: and(pro(0), did(day(1), Operator, SetPolicy{AccountPolicy{PolicyPart: PolicyPart{OrderAhead: new(Span)}}})),
			as:    Billing, at: day(4), when: paid("o2", Flagship, day(5).Add(ms), 0),
			then: refused(EffectiveTooFar),
		},
		{
			name:  "notices come in one order, each once",
			given: []step{created()},
			as:    Operator, at: day(1), when: SetPolicy{AccountPolicy{PolicyPart: PolicyPart{Notices: []Span{Span(hours(1)), Span(hours(24)), Span(hours(1))}}}},
			then: events(PolicySet{AccountPolicy{PolicyPart: PolicyPart{Notices: []Span{Span(hours(24)), Span(hours(1))}}}, "operator"}),
		},
		{
			name:  "what is put replaces the whole",
			given: []step{created(), did(day(1), Operator, SetPolicy{long})},
			as:    Operator, at: day(2), when: SetPolicy{flagship},
			then: events(PolicySet{flagship, "operator"}),
		},
		{
			name:  "nothing clears it",
			given: []step{created(), did(day(1), Operator, SetPolicy{long})},
			as:    Operator, at: day(2), when: SetPolicy{},
			then: events(PolicySet{AccountPolicy{}, "operator"}),
		},
		{
			name:  "an edition of which nothing is said is none",
			given: []step{created()},
			as:    Operator, at: day(2), when: SetPolicy{AccountPolicy{Editions: EditionsPolicy{Pro: &PolicyPart{}}}},
			then: silence,
		},
		{
			name:  "numbers beyond the limits are named",
			given: []step{created()},
			as:    Operator, at: day(1), when: SetPolicy{AccountPolicy{
				PolicyPart{Span(time.Minute), []Span{0}, &years},
				EditionsPolicy{Pro: &PolicyPart{Grace: Span(hours(366*24 + 1))}, Flagship: &PolicyPart{Notices: make([]Span, 9)}},
			}},
			then: invalid("grace out_of_range", "notices out_of_range", "order_ahead out_of_range", "editions.pro.grace out_of_range",
				"editions.flagship.notices too_many", "editions.flagship.notices out_of_range"),
		},
	})
}

func hours(n int) time.Duration { return time.Duration(n) * time.Hour }

// TestPolicyIsSetAThousandTimes: what an account keeps of its policies is bounded, and the engine's defaults can be had back
// all the same.
func TestPolicyIsSetAThousandTimes(t *testing.T) {
	w := newWorld(DefaultPolicy())
	created()(t, w)
	grace := func(n int) SetPolicy {
		return SetPolicy{AccountPolicy{PolicyPart: PolicyPart{Grace: Span(hours(24 + n%2))}}}
	}
	for n := range MaxPolicies {
		wrote(day(1), PolicySet{grace(n).Policy, "operator"})(t, w)
	}
	at := Moment{Now: day(2), Policy: DefaultPolicy(), Role: Operator, Actor: "operator"}
	if events, err := Decide(w.account(acme), grace(MaxPolicies-1), at); len(events) > 0 || err != nil {
		t.Errorf("what is set already: %v, %v", events, err)
	}
	var refusal *Refusal
	if events, err := Decide(w.account(acme), grace(MaxPolicies), at); !errors.As(err, &refusal) || refusal.Code != PolicyLimit {
		t.Errorf("one more: %v, %v", events, err)
	}
	if events, err := Decide(w.account(acme), SetPolicy{}, at); len(events) != 1 || err != nil {
		t.Errorf("clearing it: %v, %v", events, err)
	}
}

// TestPolicyFor: first the account's for the edition, then the account's, then the engine's for the edition, then the
// engine's, each number for itself.
func TestPolicyFor(t *testing.T) {
	ahead := Span(hours(48))
	engine := DefaultPolicy()
	engine.Editions.Flagship = &PolicyPart{Grace: Span(hours(336)), OrderAhead: &ahead}
	account := AccountPolicy{
		PolicyPart{Notices: []Span{Span(hours(2))}},
		EditionsPolicy{Flagship: &PolicyPart{Grace: Span(hours(400))}},
	}
	for _, c := range []struct {
		name    string
		account AccountPolicy
		edition Edition
		want    Terms
	}{
		{"the engine's", AccountPolicy{}, Pro, Terms{hours(168), engine.Notices, hours(26280)}},
		{"the engine's for the edition", AccountPolicy{}, Flagship, Terms{hours(336), engine.Notices, hours(48)}},
		{"the account's", account, Pro, Terms{hours(168), account.Notices, hours(26280)}},
		{"the account's for the edition", account, Flagship, Terms{hours(400), account.Notices, hours(48)}},
		{"a trial has none of its own", account, Trial, Terms{hours(168), account.Notices, hours(26280)}},
		{"an empty list is none, not the default", AccountPolicy{PolicyPart: PolicyPart{Notices: []Span{}}}, Pro, Terms{hours(168), []Span{}, hours(26280)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := gocmp.Diff(c.want, engine.For(c.account, c.edition)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
