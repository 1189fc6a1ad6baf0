package main

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
)

// clockCmd are the verbs on the engine's clock.
type clockCmd struct {
	Show    clockShowCmd    `cmd:"" help:"Show the time that the engine goes by."`
	Advance clockAdvanceCmd `cmd:"" help:"Move a sandbox's clock forward; everything then due happens."`
	Confirm clockConfirmCmd `cmd:"" help:"Let automatic transitions go on after the clock jumped."`
}

// showClock prints the members of an answer about the clock, in its order.
func (r *remote) showClock(c *console, a answer) error {
	if r.JSON {
		return nil
	}
	if len(a.body) == 0 {
		c.say("done")
		return nil
	}
	var rows [][2]string
	for name, value := range members(a.body) {
		text := string(value)
		if value.Kind() == '"' {
			if raw, err := jsontext.AppendUnquote(nil, value); err == nil {
				text = string(raw)
			}
		}
		if text == "null" {
			text = ""
		}
		rows = append(rows, [2]string{name, text})
	}
	c.pairs(rows)
	return nil
}

type clockShowCmd struct{ remote }

// Run shows the clock.
func (v *clockShowCmd) Run(ctx context.Context, c *console) error {
	a, err := v.call(ctx, c, request{method: http.MethodGet, path: "/v1/clock"})
	if err != nil {
		return err
	}
	return v.showClock(c, a)
}

type clockAdvanceCmd struct {
	command
	By string `arg:"" optional:"" help:"How far, such as 168h or 90m."`
	To string `help:"To which time, RFC 3339." placeholder:"TIME"`
}

// Help shows how.
func (*clockAdvanceCmd) Help() string {
	return `Examples:

    sundial clock advance 168h
    sundial clock advance --to 2021-03-01T00:00:00Z`
}

// Run moves the clock.
func (v *clockAdvanceCmd) Run(ctx context.Context, c *console) error {
	if (v.By == "") == (v.To == "") {
		return misused("say how far the clock should move (168h), or to which time (--to)")
	}
	a, err := v.send(ctx, c, request{method: http.MethodPost, path: "/v1/clock/advance", body: struct {
		By     string `json:"by,omitzero"`
		To     string `json:"to,omitzero"`
		Reason string `json:"reason,omitzero"`
	}{v.By, v.To, v.Reason}})
	if err != nil {
		return err
	}
	return v.showClock(c, a)
}

type clockConfirmCmd struct{ command }

// Run lifts the hold.
func (v *clockConfirmCmd) Run(ctx context.Context, c *console) error {
	a, err := v.send(ctx, c, request{method: http.MethodPost, path: "/v1/clock/confirm", body: reasoned{v.Reason}})
	if err != nil {
		return err
	}
	return v.showClock(c, a)
}
