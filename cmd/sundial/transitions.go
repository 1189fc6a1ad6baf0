package main

import (
	"context"
	"net/url"
	"strconv"
)

type transitionsCmd struct {
	remote
	After   string `help:"Only what falls due at this time or later, RFC 3339." placeholder:"TIME"`
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
	set(q, "after", v.After)
	set(q, "before", v.Before)
	set(q, "account", v.Account)
	all, cursor, err := list[due](ctx, c, &v.remote, v.paging, "/v1/transitions", q)
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, d := range all {
		rows = append(rows, []string{d.Due, strconv.FormatUint(d.App, 10), d.Account, d.From, d.To, d.Cause})
	}
	c.table("nothing falls due", []string{"due", "app", "account", "from", "to", "cause"}, rows)
	c.more(cursor)
	return nil
}
