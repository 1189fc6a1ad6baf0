package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// maxPage is the longest page that the API gives.
const maxPage = 500

// paging are the flags of a list.
type paging struct {
	Limit  int    `help:"At most so many, up to 500." default:"50" placeholder:"N"`
	Cursor string `help:"Go on where the last page ended." placeholder:"CURSOR"`
	All    bool   `help:"Every page; with --json one line for each."`
}

// clocks are the flags of a question about another time.
type clocks struct {
	AsOf    string `help:"What was true at this time, RFC 3339; ahead of the clock, what is expected." placeholder:"TIME"`
	KnownAt string `help:"As far as was recorded by this time; by default now." placeholder:"TIME"`
}

// query asks about the time, if any is given.
func (f clocks) query(q url.Values) url.Values {
	set(q, "as_of", f.AsOf)
	set(q, "known_at", f.KnownAt)
	return q
}

// list asks for a page, or for all of them, and gives the cursor of the next page, if there is one.
func list[T any](ctx context.Context, c *console, r *remote, p paging, path string, q url.Values) (items []T, cursor string, err error) {
	if p.Limit < 1 || p.Limit > maxPage {
		return nil, "", misused("--limit: want 1 to %d", maxPage)
	}
	limit := p.Limit
	if p.All {
		limit = maxPage
	}
	q.Set("limit", strconv.Itoa(limit))
	for cursor = p.Cursor; ; {
		set(q, "cursor", cursor)
		a, err := r.call(ctx, c, request{method: http.MethodGet, path: path, query: q})
		if err != nil {
			return nil, "", err
		}
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next_cursor"`
		}
		if err := a.into(&page); err != nil {
			return nil, "", err
		}
		items, cursor = append(items, page.Items...), page.Next
		if cursor == "" || !p.All {
			return items, cursor, nil
		}
	}
}

// whole asks for a list that is never longer than a page.
func whole[T any](ctx context.Context, c *console, r *remote, path string) ([]T, error) {
	a, err := r.call(ctx, c, request{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	var page struct {
		Items []T `json:"items"`
	}
	err = a.into(&page)
	return page.Items, err
}

// more tells how to get the next page.
func (c *console) more(cursor string) {
	if cursor != "" {
		c.say("\nthere are more: --cursor " + cursor + ", or --all")
	}
}

// set leaves away what is empty.
func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}
