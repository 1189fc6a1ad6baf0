package main

import (
	"context"
	"net/url"
	"strconv"
)

type transitionsCmd struct {
	remote
	Before  string `help:"Only what falls due before this time, RFC 3339." placeholder:"TIME"`
	Account string `help:"Only this account's." placeholder:"ACCOUNT"`
	paging
}

// Help shows how.
func (*transitionsCmd) Help() string {
	return `Example:

    sundial transitions --before 2026-12-31T00:00:00Z --account acme`
}

// Run lists what falls due.
func (v *transitionsCmd) Run(ctx context.Context, c *console) error {
	q := url.Values{}
	set(q, "before", v.Before)
	set(q, "account", v.Account)
	due, cursor, err := list[struct {
		App     uint64 `json:"app"`
		Account string `json:"account"`
		From    string `json:"from"`
		To      string `json:"to"`
		Due     string `json:"due"`
		Cause   string `json:"cause"`
	}](ctx, c, &v.remote, v.paging, "/v1/transitions", q)
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, d := range due {
		rows = append(rows, []string{d.Due, strconv.FormatUint(d.App, 10), d.Account, d.From, d.To, d.Cause})
	}
	c.table("nothing falls due", []string{"due", "app", "account", "from", "to", "cause"}, rows)
	c.more(cursor)
	return nil
}
