package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sundial/domain"
)

// policyFlags are the numbers that a vendor chooses. What an operator sets for an account goes before them.
type policyFlags struct {
	Grace      []string        `help:"From arrears or a lapse to the stop; EDITION=DURATION for an edition of its own. Due times that are set already stay." default:"168h" env:"SUNDIAL_GRACE" placeholder:"DURATION"`
	Notices    []time.Duration `help:"How long before a stop or an expiry its owner is warned." default:"168h,72h,24h,1h" env:"SUNDIAL_NOTICES" placeholder:"DURATION,…"`
	OrderAhead []string        `help:"How far ahead of the clock an order may begin; EDITION=DURATION for an edition of its own." default:"26280h" name:"order-ahead" env:"SUNDIAL_ORDER_AHEAD" placeholder:"DURATION"`
	Quota      int             `help:"How many apps an account may have unless an operator says otherwise." default:"100" env:"SUNDIAL_QUOTA" placeholder:"N"`
}

func (f policyFlags) policy() (domain.Policy, error) {
	p := domain.DefaultPolicy()
	p.Quota = f.Quota
	p.Notices = nil
	for _, n := range f.Notices {
		p.Notices = append(p.Notices, domain.Span(n))
	}
	slices.SortFunc(p.Notices, func(a, b domain.Span) int { return cmp.Compare(b, a) })
	err := byEdition("--grace", f.Grace, &p.Editions, func(d time.Duration) { p.Grace = d }, func(part *domain.PolicyPart, d time.Duration) {
		part.Grace = domain.Span(d)
	})
	if err != nil {
		return p, err
	}
	return p, byEdition("--order-ahead", f.OrderAhead, &p.Editions, func(d time.Duration) { p.OrderAhead = d }, func(part *domain.PolicyPart, d time.Duration) {
		ahead := domain.Span(d)
		part.OrderAhead = &ahead
	})
}

// byEdition reads lengths of time that are for all editions, or for one: DURATION or EDITION=DURATION.
func byEdition(flag string, given []string, editions *domain.EditionsPolicy, all func(time.Duration), one func(*domain.PolicyPart, time.Duration)) error {
	for _, text := range given {
		edition, length, named := strings.Cut(text, "=")
		if !named {
			length = edition
		}
		d, err := time.ParseDuration(length)
		if err != nil || d < 0 || d%time.Millisecond != 0 {
			return misused("%s %s: want a length of time such as 168h, or one for an edition such as flagship=336h", flag, text)
		}
		if !named {
			all(d)
			continue
		}
		part, sold := partOf(editions, domain.Edition(edition))
		if !sold {
			return unsold(flag, text)
		}
		one(part, d)
	}
	return nil
}

func unsold(flag, text string) error {
	return misused("%s %s: the editions that are sold are %s and %s", flag, text, domain.Pro, domain.Flagship)
}

// partOf gives the part of a policy that is an edition's, to be changed.
func partOf(of *domain.EditionsPolicy, edition domain.Edition) (*domain.PolicyPart, bool) {
	var part **domain.PolicyPart
	switch edition {
	case domain.Pro:
		part = &of.Pro
	case domain.Flagship:
		part = &of.Flagship
	default:
		return nil, false
	}
	if *part == nil {
		*part = &domain.PolicyPart{}
	}
	return *part, true
}
