package domain

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"time"
)

// PolicyPart is what an account's policy, or that of an edition, says; what is absent is left to the next wider one.
type PolicyPart struct {
	Grace      Span   `json:"grace,omitzero"`       // absent: 0
	Notices    []Span `json:"notices,omitzero"`     // the longest first; absent: nil, where an empty list means none
	OrderAhead *Span  `json:"order_ahead,omitzero"` // how far ahead an order may begin
}

// EditionsPolicy is what a policy says of the editions that are sold.
type EditionsPolicy struct {
	Pro      *PolicyPart `json:"pro,omitzero"`
	Flagship *PolicyPart `json:"flagship,omitzero"`
}

// Of is what is said of an edition, nothing for one that is not sold.
func (e EditionsPolicy) Of(edition Edition) PolicyPart {
	var part *PolicyPart
	switch edition {
	case Pro:
		part = e.Pro
	case Flagship:
		part = e.Flagship
	case Trial, TRTCTrial:
	}
	if part == nil {
		return PolicyPart{}
	}
	return *part
}

// AccountPolicy is what an operator sets for one account in place of the engine's defaults.
type AccountPolicy struct {
	PolicyPart
	Editions EditionsPolicy `json:"editions,omitzero"`
}

// SetTerms is an account's policy with since when it is in force and who set it.
type SetTerms struct {
	AccountPolicy
	Since Instant `json:"since"` // when it was recorded
	By    string  `json:"by"`
}

// Terms are the numbers of a policy that can differ by account and edition, as they are for one.
type Terms struct {
	Grace      time.Duration
	Notices    []Span
	OrderAhead time.Duration
}

// For gives what is in force for an edition of an account: first what the account's policy says of the edition, then what
// it says, then what the engine's says of the edition, then what that says. Each number goes its own way.
func (p Policy) For(account AccountPolicy, edition Edition) Terms {
	t := Terms{p.Grace, p.Notices, p.OrderAhead}
	for _, part := range [...]PolicyPart{p.Editions.Of(edition), account.PolicyPart, account.Editions.Of(edition)} {
		if part.Grace != 0 {
			t.Grace = part.Grace.Duration()
		}
		if part.Notices != nil {
			t.Notices = part.Notices
		}
		if part.OrderAhead != nil {
			t.OrderAhead = part.OrderAhead.Duration()
		}
	}
	return t
}

// terms are those in force now for an edition of the account.
func (d *draft) terms(edition Edition) Terms {
	return d.at.Policy.For(d.from.Policy.AccountPolicy, edition)
}

// The limits of a policy: an app must not be stopped while its owner sleeps, nor served for years without being paid.
const (
	MinGrace      = Span(time.Hour)
	MaxGrace      = Span(366 * 24 * time.Hour)
	MaxNotices    = 8
	MaxOrderAhead = Span(10 * 365 * 24 * time.Hour)
)

// MaxPolicies bounds how often an account's policy is set. When it was is part of the account's state, which every commit
// stores anew and every question about the past reads through (some 50 kB of times at the limit): a policy that
// changes every week reaches it in twenty years.
const MaxPolicies = 1000

// SetPolicy is an operator's: it replaces what is set for the account as a whole; with nothing in it, the engine's
// defaults are back. Due times that are set stay as they are.
type SetPolicy struct {
	Policy AccountPolicy `json:"policy"`
}

func (SetPolicy) Name() string { return "set_policy" }

// Subject is no app: the policy is the account's.
func (SetPolicy) Subject() AppID { return 0 }

func (c SetPolicy) decide(d *draft) error {
	var p problems
	set := c.Policy
	set.PolicyPart = set.PolicyPart.check("", &p)
	set.Editions.Pro = set.Editions.Pro.checked("editions.pro.", &p)
	set.Editions.Flagship = set.Editions.Flagship.checked("editions.flagship.", &p)
	if err := p.err(); err != nil {
		return err
	}
	if reflect.DeepEqual(set, d.from.Policy.AccountPolicy) {
		return nil
	}
	// Back to the engine's defaults leads always; it comes at most once after the limit, as the next is silence.
	if len(d.from.Policies) >= MaxPolicies && !set.empty() {
		return refuse(PolicyLimit)
	}
	d.emit(PolicySet{set, d.at.Actor})
	return nil
}

// empty says that all is left to the engine's defaults.
func (p AccountPolicy) empty() bool { return p.PolicyPart.empty() && p.Editions == (EditionsPolicy{}) }

func (p *PolicyPart) checked(field string, wrong *problems) *PolicyPart {
	if p == nil {
		return nil
	}
	if part := p.check(field, wrong); !part.empty() {
		return &part
	}
	return nil
}

func (p PolicyPart) empty() bool { return p.Grace == 0 && p.Notices == nil && p.OrderAhead == nil }

// check names what is beyond the limits, and gives the part with its notices in order, each once.
func (p PolicyPart) check(field string, wrong *problems) PolicyPart {
	if p.Grace != 0 && (p.Grace < MinGrace || p.Grace > MaxGrace) {
		wrong.add(field+"grace", "out_of_range", fmt.Sprintf("must be from %s to %s", MinGrace, MaxGrace))
	}
	if len(p.Notices) > MaxNotices {
		wrong.add(field+"notices", "too_many", fmt.Sprintf("must be at most %d", MaxNotices))
	}
	for _, n := range counted(p.Notices, MaxNotices) {
		if n <= 0 || n >= MaxGrace {
			wrong.add(field+"notices", "out_of_range", fmt.Sprintf("must each be more than nothing and less than %s", MaxGrace))
			break
		}
	}
	if p.OrderAhead != nil && *p.OrderAhead > MaxOrderAhead {
		wrong.add(field+"order_ahead", "out_of_range", fmt.Sprintf("must be from 0s to %s", MaxOrderAhead))
	}
	if len(p.Notices) > 0 {
		sorted := slices.Clone(counted(p.Notices, MaxNotices))
		slices.SortFunc(sorted, func(x, y Span) int { return cmp.Compare(y, x) })
		p.Notices = slices.Compact(sorted)
	}
	return p
}

// PolicySet gives the account's policy as it now is, as a whole.
type PolicySet struct {
	Policy AccountPolicy `json:"policy"`
	By     string        `json:"by"`
}

func (PolicySet) Type() string { return "account.policy_set.v1" }

// Subject is no app: the policy is the account's.
func (PolicySet) Subject() AppID { return 0 }

func (e PolicySet) apply(acc *Account) {
	acc.Policy = SetTerms{e.Policy, acc.RecordedAt, e.By}
	acc.Policies = append(slices.Clone(acc.Policies), Recorded{acc.RecordedAt, acc.Position})
}

func (e PolicySet) describe() string {
	if e.Policy.empty() {
		return "the account's policy was cleared: the engine's defaults are in force"
	}
	return "the account's policy was set"
}
