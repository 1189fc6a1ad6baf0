package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/errgroup"
)

// importWriters is how many imports are on their way at a time: enough for the log to write many at once, few enough
// not to disturb a serving engine.
const importWriters = 32

type appImportCmd struct {
	command
	Account   string `arg:"" optional:"" help:"The account that owns it."`
	App       uint64 `arg:"" optional:"" help:"Its SDKAppID, which it keeps."`
	Name      string `help:"Its name." placeholder:"TEXT"`
	CreatedAt string `help:"When it was created in the other system, RFC 3339." placeholder:"TIME"`
	Edition   string `help:"Its edition; absent: trial." placeholder:"EDITION"`
	File      string `help:"Import many: JSON lines of {account, app, name, created_at, edition?}; - for standard input." short:"f" placeholder:"FILE"`
}

// Help shows how.
func (*appImportCmd) Help() string {
	return `Examples:

    sundial app import acme 1400000123 --name 'shop chat' --created-at 2019-01-01T00:00:00Z --edition pro
    sundial app import --file apps.jsonl`
}

// Run imports one app, or a file of them.
func (v *appImportCmd) Run(ctx context.Context, c *console) error {
	switch one := v.Account != "" && v.App != 0 && v.Name != "" && v.CreatedAt != ""; {
	case v.File != "" && v.Account == "":
		return v.many(ctx, c)
	case v.File != "" || !one:
		return misused("give ACCOUNT APP --name --created-at for one app, or --file FILE for many")
	}
	a, err := v.send(ctx, c, request{method: http.MethodPost, path: route("/v1/accounts/%s/apps/import", v.Account), body: struct {
		App       uint64 `json:"app"`
		Name      string `json:"name"`
		CreatedAt string `json:"created_at"`
		Edition   string `json:"edition,omitzero"`
		Reason    string `json:"reason,omitzero"`
	}{v.App, v.Name, v.CreatedAt, v.Edition, v.Reason}})
	if err != nil {
		return err
	}
	return v.showApp(c, a)
}

// many imports a file. To import again what was imported is no error, so that a file can be sent again.
func (v *appImportCmd) many(ctx context.Context, c *console) error {
	in, closeIn, err := c.open(v.File)
	if err != nil {
		return err
	}
	defer closeIn()
	cl, err := v.client()
	if err != nil {
		return err
	}
	var mu sync.Mutex // guards what follows
	imported := 0
	var refused [][]string

	var group errgroup.Group
	group.SetLimit(importWriters)
	err = eachLine(in, func(line int, text jsontext.Value) error {
		app, err := importOf(text, v.Reason)
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		group.Go(func() error {
			a, err := cl.importApp(ctx, app)
			mu.Lock()
			defer mu.Unlock()
			if v.JSON && len(a.body) > 0 {
				c.say(string(a.body))
			}
			var p *problem
			switch {
			case err == nil:
				imported++
			case errors.As(err, &p):
				refused = append(refused, []string{strconv.Itoa(line), p.Code, p.Detail})
			default:
				return err
			}
			return nil
		})
		return ctx.Err()
	})
	if err := errors.Join(err, group.Wait()); err != nil {
		return err
	}
	if !v.JSON {
		c.pairs([][2]string{{"imported", strconv.Itoa(imported)}, {"refused", strconv.Itoa(len(refused))}})
	}
	if len(refused) > 0 {
		if !v.JSON {
			c.say("")
			c.table("", []string{"line", "code", "why"}, refused)
		}
		return errSilent
	}
	return nil
}

// importing is a line of a file of apps: the account, and the body of the request.
type importing struct {
	account string
	body    []byte
}

// importOf takes the account out of a line; the rest is what the API takes.
func importOf(line jsontext.Value, reason string) (importing, error) {
	var in struct {
		Account string                    `json:"account"`
		Rest    map[string]jsontext.Value `json:",embed"`
	}
	if err := json.Unmarshal(line, &in); err != nil || in.Account == "" {
		return importing{}, errors.New("want {account, app, name, created_at, edition?}")
	}
	if reason != "" && in.Rest["reason"] == nil {
		text, err := json.Marshal(reason)
		if err != nil {
			return importing{}, fmt.Errorf("--reason: %w", err)
		}
		in.Rest["reason"] = text
	}
	body, err := json.Marshal(in.Rest)
	return importing{in.Account, body}, err
}

func (c *client) importApp(ctx context.Context, app importing) (answer, error) {
	return c.do(ctx, request{method: http.MethodPost, path: route("/v1/accounts/%s/apps/import", app.account), body: app.body})
}
