package main

import (
	"context"
	"net/http"
	"net/url"
)

type whyCmd struct {
	remote
	App   string `arg:"" help:"Its SDKAppID."`
	Field string `arg:"" optional:"" help:"What is asked about: status (the default), edition, arrears, lapse, stop, paid_until, next_transition, created_at, name, type, introduction."`
}

// Help shows how.
func (*whyCmd) Help() string {
	return `Examples:

    sundial why 1400000001
    sundial why 1400000001 next_transition --json`
}

// Run explains.
func (v *whyCmd) Run(ctx context.Context, c *console) error {
	q := url.Values{}
	set(q, "field", v.Field)
	a, err := v.call(ctx, c, request{method: http.MethodGet, path: route("/v1/apps/%s/why", v.App), query: q})
	if err != nil || v.JSON {
		return err
	}
	var answer struct {
		Text string `json:"text"`
	}
	if err := a.into(&answer); err != nil {
		return err
	}
	c.say(answer.Text)
	return nil
}
