package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sundial/domain"
)

type forecastCmd struct {
	remote
	Within  string `help:"How far to look: days, or a duration such as 36h." default:"30d" placeholder:"DAYS"`
	Account string `help:"Only this account's." placeholder:"ACCOUNT"`
	paging
}

// Help shows how.
func (*forecastCmd) Help() string {
	return `Counts what falls due day by day, and lists it, soonest first, with what would prevent it. With --json, the calendar and the list as the engine gives them, a line each.

Examples:

    sundial forecast --within 7d
    sundial forecast --within 30d --account acme --all`
}

// span reads a number of days, or a duration.
func span(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		var n uint64
		n, err = strconv.ParseUint(days, 10, 16) // more would not fit either
		d = time.Duration(n) * 24 * time.Hour    //nolint:gosec // of 16 bits
	}
	const longest = 366 * 24 * time.Hour
	if err != nil || d <= 0 || d > longest {
		return 0, misused("--within: want days such as 30d, or a duration such as 36h, up to 366d")
	}
	return d, nil
}

// due is what the table shows of a transition.
type due struct {
	App       uint64 `json:"app"`
	Account   string `json:"account"`
	From      string `json:"from"`
	To        string `json:"to"`
	Due       string `json:"due"`
	Cause     string `json:"cause"`
	Prevented struct {
		Invoices []string `json:"invoices"`
		Edition  string   `json:"edition"`
	} `json:"prevented_by"`
}

func (d due) prevention() string {
	if d.Prevented.Edition != "" {
		return "an order of " + d.Prevented.Edition + " that goes on"
	}
	if len(d.Prevented.Invoices) == 0 {
		return "" // nothing is lost by it
	}
	return "settling or voiding " + strings.Join(d.Prevented.Invoices, ", ")
}

// Run counts and lists.
func (v *forecastCmd) Run(ctx context.Context, c *console) error {
	within, err := span(v.Within)
	if err != nil {
		return err
	}
	q := url.Values{}
	set(q, "account", v.Account)
	if err := v.window(ctx, q, within); err != nil {
		return err
	}
	a, err := v.call(ctx, c, request{method: http.MethodGet, path: "/v1/transitions/days", query: q})
	if err != nil {
		return err
	}
	var calendar struct {
		Items []struct {
			Day     string `json:"day"`
			Stopped int    `json:"stopped"`
			Expired int    `json:"expired"`
			Active  int    `json:"active"`
			Edition int    `json:"edition"`
		} `json:"items"`
	}
	if err := a.into(&calendar); err != nil {
		return err
	}
	all, cursor, err := list[due](ctx, c, &v.remote, v.paging, "/v1/transitions", q)
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, d := range calendar.Items {
		rows = append(rows, []string{d.Day, strconv.Itoa(d.Stopped), strconv.Itoa(d.Expired), strconv.Itoa(d.Active), strconv.Itoa(d.Edition)})
	}
	c.table(fmt.Sprintf("nothing falls due within %s", v.Within), []string{"day", "stopped", "expired", "active", "edition"}, rows)
	if rows = nil; len(all) > 0 {
		c.say("")
	}
	for _, d := range all {
		rows = append(rows, []string{d.Due, strconv.FormatUint(d.App, 10), d.Account, d.From, d.To, d.Cause, d.prevention()})
	}
	if len(rows) > 0 {
		c.table("", []string{"due", "app", "account", "from", "to", "cause", "prevented by"}, rows)
	}
	c.more(cursor)
	return nil
}

// window asks the engine what time it is, since a sandbox's is its own.
func (v *forecastCmd) window(ctx context.Context, q url.Values, within time.Duration) error {
	cl, err := v.client()
	if err != nil {
		return err
	}
	a, err := cl.do(ctx, request{method: http.MethodGet, path: "/v1/clock"})
	if err != nil {
		return err
	}
	var clock struct {
		Now domain.Instant `json:"now"`
	}
	if err := a.into(&clock); err != nil {
		return err
	}
	q.Set("after", clock.Now.String())
	q.Set("before", clock.Now.Add(within).String())
	return nil
}
