package main

import (
	"context"
	"net/http"
)

type appImportCmd struct {
	command
	importFlags
	Account   string `arg:"" optional:"" help:"The account that owns it."`
	App       uint64 `arg:"" optional:"" help:"Its SDKAppID, which it keeps."`
	Name      string `help:"Its name." placeholder:"TEXT"`
	CreatedAt string `help:"When it was created in the other system, RFC 3339." placeholder:"TIME"`
	Edition   string `help:"Its edition; absent: trial." placeholder:"EDITION"`
	File      string `help:"Import many, as sundial import does; - for standard input." short:"f" placeholder:"FILE"`
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
		return v.importFlags.run(ctx, c, &v.remote, v.File, v.command.Reason)
	case v.DryRun || v.Report != "" || v.File != "" || !one:
		return misused("give ACCOUNT APP --name --created-at for one app, or --file FILE for many, with --dry-run and --report if they are wanted")
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
