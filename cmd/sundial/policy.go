package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sundial/domain"
)

// policyView is what the tables show of a policy.
type policyView struct {
	domain.AccountPolicy
	Since string   `json:"since"`
	By    string   `json:"by"`
	Types []string `json:"types"`
}

// rows are the parts of the policy: for all editions, and for each that has its own. What is absent is left to what is wider.
func (v *policyView) rows() (rows [][]string) {
	for _, of := range []struct {
		edition string
		part    domain.PolicyPart
	}{{"all", v.PolicyPart}, {string(domain.Pro), v.Editions.Of(domain.Pro)}, {string(domain.Flagship), v.Editions.Of(domain.Flagship)}} {
		grace, notices, ahead := "", "", ""
		if of.part.Grace != 0 {
			grace = of.part.Grace.String()
		}
		if of.part.Notices != nil {
			notices = "none"
		}
		for i, n := range of.part.Notices {
			if notices += "," + n.String(); i == 0 {
				notices = n.String()
			}
		}
		if of.part.OrderAhead != nil {
			ahead = of.part.OrderAhead.String()
		}
		if grace+notices+ahead != "" {
			rows = append(rows, []string{of.edition, grace, notices, ahead})
		}
	}
	return rows
}

// showPolicy prints the policy in an answer, unless the answer itself was printed.
func (r *remote) showPolicy(c *console, a answer) error {
	if r.JSON {
		return nil
	}
	var v policyView
	if err := a.into(&v); err != nil {
		return err
	}
	c.table("the engine's policy is in force: sundial policy", []string{"edition", "grace", "notices", "order ahead"}, v.rows())
	if v.Since != "" {
		c.say("\nset " + v.Since + " by " + v.By)
	}
	if len(v.Types) > 0 {
		c.say("\ntypes: " + strings.Join(v.Types, ", "))
	}
	return nil
}

type policyCmd struct{ remote }

// Run shows the engine's policy.
func (v *policyCmd) Run(ctx context.Context, c *console) error {
	a, err := v.call(ctx, c, request{method: http.MethodGet, path: "/v1/policy"})
	if err != nil {
		return err
	}
	return v.showPolicy(c, a)
}

type accountPolicyCmd struct {
	remote
	Account string `arg:"" help:"The account."`
	clocks
}

// Run shows the account's policy.
func (v *accountPolicyCmd) Run(ctx context.Context, c *console) error {
	a, err := v.call(ctx, c, request{method: http.MethodGet, path: route("/v1/accounts/%s/policy", v.Account), query: v.query(url.Values{})})
	if err != nil {
		return err
	}
	return v.showPolicy(c, a)
}

type accountSetPolicyCmd struct {
	command
	Account    string   `arg:"" help:"The account."`
	Grace      []string `help:"From arrears or a lapse to the stop; EDITION=DURATION for an edition of its own." placeholder:"DURATION"`
	Notices    []string `help:"How long before a stop or an expiry its owner is warned, with commas between them; none for no notices; EDITION=DURATION,… for an edition of its own." sep:"none" placeholder:"DURATION,…"`
	OrderAhead []string `help:"How far ahead of the clock an order may begin; EDITION=DURATION for an edition of its own." name:"order-ahead" placeholder:"DURATION"`
	Clear      bool     `help:"Nothing of its own any more: the engine's policy is in force."`
}

// Help shows how.
func (*accountSetPolicyCmd) Help() string {
	return `What is given replaces all that was set before; what is left out is the engine's. Due times that are set, and their notices, stay.

Examples:

    sundial account set-policy acme --grace 336h --grace flagship=400h --reason 'agreed in the contract'
    sundial account set-policy acme --notices 72h,24h --notices flagship=none --order-ahead 8760h
    sundial account set-policy acme --clear`
}

// Run sets the policy.
func (v *accountSetPolicyCmd) Run(ctx context.Context, c *console) error {
	policy, err := v.policy()
	if err != nil {
		return err
	}
	a, err := v.send(ctx, c, request{method: http.MethodPut, path: route("/v1/accounts/%s/policy", v.Account), body: struct {
		domain.AccountPolicy
		Reason string `json:"reason,omitzero"`
	}{policy, v.Reason}})
	if err != nil {
		return err
	}
	return v.showPolicy(c, a)
}

func (v *accountSetPolicyCmd) policy() (p domain.AccountPolicy, err error) {
	given := len(v.Grace) + len(v.Notices) + len(v.OrderAhead)
	if v.Clear != (given == 0) {
		return p, misused("give --grace, --notices or --order-ahead, or --clear for nothing of its own")
	}
	grace := func(part *domain.PolicyPart, d time.Duration) { part.Grace = domain.Span(d) }
	if err := byEdition("--grace", v.Grace, &p.Editions, func(d time.Duration) { grace(&p.PolicyPart, d) }, grace); err != nil {
		return p, err
	}
	ahead := func(part *domain.PolicyPart, d time.Duration) {
		span := domain.Span(d)
		part.OrderAhead = &span
	}
	if err := byEdition("--order-ahead", v.OrderAhead, &p.Editions, func(d time.Duration) { ahead(&p.PolicyPart, d) }, ahead); err != nil {
		return p, err
	}
	for _, text := range v.Notices {
		part, list := &p.PolicyPart, text
		if edition, rest, named := strings.Cut(text, "="); named {
			var sold bool
			if part, sold = partOf(&p.Editions, domain.Edition(edition)); !sold {
				return p, unsold("--notices", text)
			}
			list = rest
		}
		part.Notices = []domain.Span{}
		if list == "none" {
			continue
		}
		for one := range strings.SplitSeq(list, ",") {
			var n domain.Span
			if err := n.UnmarshalText([]byte(one)); err != nil {
				return p, misused("--notices %s: %w", strconv.Quote(text), err)
			}
			part.Notices = append(part.Notices, n)
		}
	}
	return p, nil
}
