package api

import (
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"sundial/domain"
)

// spanText describes domain.Span.
type spanText string

// Schema is how a length of time is written.
func (spanText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: `^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$`, Examples: []any{"168h"}}
}

// PolicyPart is what is said of an account, or of one of its editions; what is absent is left to what is wider.
type PolicyPart struct {
	Grace      *domain.Span  `json:"grace,omitzero" nullable:"false" doc:"From arrears or a lapse to the stop, 1h to 8784h"`
	Notices    []domain.Span `json:"notices,omitzero" nullable:"false" maxItems:"8" doc:"How long before a stop or an expiry its owner is warned, each under 8784h; an empty list is none"`
	OrderAhead *domain.Span  `json:"order_ahead,omitzero" nullable:"false" doc:"How far ahead of the clock an order may begin, up to 87600h"`
}

// EditionPolicies is what is said of the editions that are sold.
type EditionPolicies struct {
	Pro      *PolicyPart `json:"pro,omitzero" nullable:"false"`
	Flagship *PolicyPart `json:"flagship,omitzero" nullable:"false"`
}

// setPolicy is an account's policy as a whole.
type setPolicy struct {
	PolicyPart
	Editions *EditionPolicies `json:"editions,omitzero" nullable:"false"`
	Reasoned
}

func (b setPolicy) command(domain.AppID) domain.Command {
	c := domain.SetPolicy{Policy: domain.AccountPolicy{PolicyPart: b.part()}}
	if b.Editions != nil {
		c.Policy.Editions = domain.EditionsPolicy{Pro: b.Editions.Pro.given(), Flagship: b.Editions.Flagship.given()}
	}
	return c
}

// missing judges a grace of nothing, which the domain would take for an absent one.
func (b setPolicy) missing() (wrong []domain.FieldError) {
	var of EditionPolicies
	if b.Editions != nil {
		of = *b.Editions
	}
	for _, p := range []struct {
		field string
		part  *PolicyPart
	}{{"grace", &b.PolicyPart}, {"editions.pro.grace", of.Pro}, {"editions.flagship.grace", of.Flagship}} {
		if p.part != nil && p.part.Grace != nil && *p.part.Grace == 0 {
			wrong = append(wrong, field(p.field, "out_of_range", fmt.Sprintf("must be from %s to %s", domain.MinGrace, domain.MaxGrace)))
		}
	}
	return wrong
}

func (p PolicyPart) part() domain.PolicyPart {
	part := domain.PolicyPart{Notices: p.Notices, OrderAhead: p.OrderAhead}
	if p.Grace != nil {
		part.Grace = *p.Grace
	}
	return part
}

func (p *PolicyPart) given() *domain.PolicyPart {
	if p == nil {
		return nil
	}
	part := p.part()
	return &part
}

// shownPart is a part of a policy as an answer gives it.
func shownPart(p domain.PolicyPart) PolicyPart {
	shown := PolicyPart{Notices: p.Notices, OrderAhead: p.OrderAhead}
	if p.Grace != 0 {
		shown.Grace = &p.Grace
	}
	return shown
}

func shownEditions(e domain.EditionsPolicy) (shown EditionPolicies) {
	if e.Pro != nil {
		shown.Pro = pointer(shownPart(*e.Pro))
	}
	if e.Flagship != nil {
		shown.Flagship = pointer(shownPart(*e.Flagship))
	}
	return shown
}

// AccountPolicy is what an operator set for an account in place of the engine's defaults.
type AccountPolicy struct {
	PolicyPart
	Editions *EditionPolicies `json:"editions,omitzero" nullable:"false"`
	Since    Absentable       `json:"since" doc:"When it was set, or cleared; null if it never was"`
	By       *string          `json:"by" doc:"Who set it; null if nobody did" example:"operator:tok_51d2b07c93ef604a8e12"`
}

// appendPolicy appends an account's policy as JSON.
func appendPolicy(b []byte, acc *domain.Account) []byte {
	shown := AccountPolicy{PolicyPart: shownPart(acc.Policy.PolicyPart), Since: present(acc.Policy.Since)}
	if editions := shownEditions(acc.Policy.Editions); editions != (EditionPolicies{}) {
		shown.Editions = &editions
	}
	if acc.Policy.Since != 0 {
		shown.By = &acc.Policy.By
	}
	return append(b, marshal(shown)...)
}

// readAccountPolicy answers GET /v1/accounts/{account}/policy.
func (a *API) readAccountPolicy(x *call) reply {
	acc, problem, fine := a.accountOrThen(x)
	if !fine {
		return problem
	}
	return x.written(appendPolicy(x.buffer(), acc))
}

// EnginePolicy is what is in force where nothing was set for the account.
type EnginePolicy struct {
	Grace      domain.Span     `json:"grace" doc:"From arrears or a lapse to the stop"`
	Notices    []domain.Span   `json:"notices" doc:"How long before a stop or an expiry its owner is warned, the longest first"`
	OrderAhead domain.Span     `json:"order_ahead" doc:"How far ahead of the clock an order may begin"`
	Editions   EditionPolicies `json:"editions" doc:"What differs by edition"`
	Types      []string        `json:"types" doc:"What an app may be for" example:"e-commerce"`
	Limits     PolicyLimits    `json:"limits"`
}

// PolicyLimits bounds what can be set for an account, and what an app may have.
type PolicyLimits struct {
	MinGrace      domain.Span `json:"grace_at_least" doc:"Of an account's grace"`
	MaxGrace      domain.Span `json:"grace_at_most" doc:"Of an account's grace; each of its notices is shorter"`
	MaxNotices    int         `json:"notices" doc:"How many an account's policy may have" example:"8"`
	MaxOrderAhead domain.Span `json:"order_ahead_at_most" doc:"Of an account's order_ahead"`
	FactsAhead    domain.Span `json:"facts_ahead" doc:"How far ahead of the clock a fact may be effective; an order, too, where that is more than order_ahead"`
	Quota         int         `json:"quota" doc:"Apps that are not deleted of an account, unless an operator set its quota" example:"100"`
	Name          int         `json:"name_characters" example:"64"`
	Introduction  int         `json:"introduction_characters" example:"300"`
	Admins        int         `json:"admins" doc:"Of an app" example:"5"`
	Certificates  int         `json:"certificates" doc:"Of an app" example:"20"`
}

// readPolicy answers GET /v1/policy.
func (a *API) readPolicy(*call) reply { return ok(marshal(enginePolicy(a.config.Engine.Policy()))) }

func enginePolicy(p domain.Policy) EnginePolicy {
	notices := p.Notices
	if notices == nil {
		notices = []domain.Span{}
	}
	return EnginePolicy{
		Grace: domain.Span(p.Grace), Notices: notices, OrderAhead: domain.Span(p.OrderAhead), Editions: shownEditions(p.Editions), Types: p.Types,
		Limits: PolicyLimits{
			MinGrace: domain.MinGrace, MaxGrace: domain.MaxGrace, MaxNotices: domain.MaxNotices, MaxOrderAhead: domain.MaxOrderAhead,
			FactsAhead: domain.Span(p.MaxAhead), Quota: p.Quota, Name: p.NameRunes, Introduction: p.IntroRunes, Admins: p.Admins,
			Certificates: p.Certificates,
		},
	}
}
