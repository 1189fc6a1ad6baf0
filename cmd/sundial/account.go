package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// accountCmd are the verbs on accounts.
type accountCmd struct {
	List  accountListCmd  `cmd:"" help:"List accounts."`
	Show  accountShowCmd  `cmd:"" help:"Show an account: its quota and what it uses of it."`
	Quota accountQuotaCmd `cmd:"" help:"Set how many apps an account may have."`

	Renumber accountRenumberCmd `cmd:"" help:"Give an account's app another number, where another account's app had its number first."`

	Policy    accountPolicyCmd    `cmd:"" help:"Show the policy that an account has of its own."`
	SetPolicy accountSetPolicyCmd `cmd:"" name:"set-policy" help:"Set the grace, the notices and how far ahead orders may begin for an account."`

	History accountHistoryCmd `cmd:"" help:"Show what was done to an account and its apps: who, when, why."`
}

// accountView is what the tables show of an account.
type accountView struct {
	Account string `json:"account"`
	Quota   int    `json:"quota"`
	InUse   int    `json:"in_use"`
	Apps    int    `json:"apps"`
}

type accountListCmd struct {
	remote
	paging
}

// Run lists accounts.
func (v *accountListCmd) Run(ctx context.Context, c *console) error {
	accounts, cursor, err := list[accountView](ctx, c, &v.remote, v.paging, "/v1/accounts", url.Values{})
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, a := range accounts {
		rows = append(rows, []string{a.Account, strconv.Itoa(a.InUse), strconv.Itoa(a.Quota)})
	}
	c.table("no accounts", []string{"account", "apps in use", "quota"}, rows)
	c.more(cursor)
	return nil
}

type accountShowCmd struct {
	remote
	Account string `arg:"" help:"The account."`
	clocks
}

// Run shows the account.
func (v *accountShowCmd) Run(ctx context.Context, c *console) error {
	a, err := v.call(ctx, c, request{method: http.MethodGet, path: route("/v1/accounts/%s", v.Account), query: v.query(url.Values{})})
	if err != nil {
		return err
	}
	return v.showAccount(c, a)
}

func (r *remote) showAccount(c *console, a answer) error {
	if r.JSON {
		return nil
	}
	var acc accountView
	if err := a.into(&acc); err != nil {
		return err
	}
	c.pairs([][2]string{{"account", acc.Account}, {"apps in use", strconv.Itoa(acc.InUse)}, {"quota", strconv.Itoa(acc.Quota)}})
	return nil
}

type accountQuotaCmd struct {
	command
	Account string `arg:"" help:"The account."`
	Apps    int    `arg:"" help:"How many apps that are not deleted it may have."`
}

// Run sets the quota.
func (v *accountQuotaCmd) Run(ctx context.Context, c *console) error {
	a, err := v.send(ctx, c, request{method: http.MethodPut, path: route("/v1/accounts/%s/quota", v.Account), body: struct {
		Apps   int    `json:"apps"`
		Reason string `json:"reason,omitzero"`
	}{v.Apps, v.Reason}})
	if err != nil {
		return err
	}
	return v.showAccount(c, a)
}

type accountRenumberCmd struct {
	conditional
	Account string `arg:"" help:"The account."`
	App     string `arg:"" help:"The SDKAppID that the app has now."`
}

// Help says what comes of it.
func (*accountRenumberCmd) Help() string {
	return `A number that the engine gave out twice means the app that had it first; the line of the log at each start names the other. That one goes on under a new number with its orders, invoices, holds and administrators. Its keys and certificates stay behind: the owner gets a new key, and adds the certificates again.

Examples:

    sundial account renumber acme 1400000001 --reason 'given out twice'`
}

// Run has the app renumbered, and shows it under its new number.
func (v *accountRenumberCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/accounts/%s/apps/%s/renumber", v.Account, v.App), reasoned{v.Reason})
}
