package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"sundial/domain"
)

// maxDiffering bounds how many of the states that differ are shown.
const maxDiffering = 10

// comparison holds what the API says of the apps against what is expected of them.
type comparison struct {
	compared, same int
	differing      []string
}

// state is what is compared of an app, as the API gives it.
type state struct {
	App     uint64 `json:"app"`
	Edition string `json:"edition"`
	Status  string `json:"status"`
	Arrears *struct {
		Since    domain.Instant `json:"since"`
		Invoices []struct {
			ID string `json:"id"`
		} `json:"invoices"`
	} `json:"arrears"`
	Lapse *struct {
		Cause string         `json:"cause"`
		Since domain.Instant `json:"since"`
	} `json:"lapse"`
}

// expects puts the state in the words of what is expected.
func (s state) expects(now domain.Instant) expectedState {
	e := expectedState{Now: now, App: s.App, Edition: s.Edition, Status: s.Status, Invoices: []string{}}
	if s.Arrears != nil {
		e.ArrearsSince = s.Arrears.Since
		for _, i := range s.Arrears.Invoices {
			e.Invoices = append(e.Invoices, i.ID)
		}
		slices.Sort(e.Invoices)
	}
	if s.Lapse != nil {
		e.LapseCause, e.LapseSince = s.Lapse.Cause, s.Lapse.Since
	}
	return e
}

// compare compares every state expected at one instant.
func (c *comparison) compare(now domain.Instant, apps map[uint64]state, expected []expectedState) {
	for _, want := range expected {
		c.compared++
		app, ok := apps[want.App]
		got := app.expects(now)
		if ok && equal(got, want) {
			c.same++
			continue
		}
		if len(c.differing) < maxDiffering {
			c.differing = append(c.differing, differs(got, want, ok))
		}
	}
}

func equal(a, b expectedState) bool {
	invoices := slices.Equal(a.Invoices, b.Invoices)
	a.Invoices, b.Invoices = nil, nil
	return invoices && a.Now == b.Now && a.App == b.App && a.Edition == b.Edition && a.Status == b.Status &&
		a.ArrearsSince == b.ArrearsSince && a.LapseCause == b.LapseCause && a.LapseSince == b.LapseSince
}

func differs(got, want expectedState, known bool) string {
	text := func(e expectedState) string {
		b, err := json.Marshal(e, json.Deterministic(true))
		if err != nil {
			return err.Error()
		}
		return string(b)
	}
	if !known {
		return fmt.Sprintf("app %d at %s: the API does not list it", want.App, want.Now)
	}
	return fmt.Sprintf("app %d at %s\n  got      %s\n  expected %s", want.App, want.Now, text(got), text(want))
}

// states reads every app over the API.
func (c *client) states(ctx context.Context) (map[uint64]state, error) {
	return c.statesOf(ctx, "/v1/apps", url.Values{})
}

// statesOf reads every app of a list.
func (c *client) statesOf(ctx context.Context, path string, q url.Values) (map[uint64]state, error) {
	all := map[uint64]state{}
	q.Set("limit", strconv.Itoa(maxPage))
	for {
		a, err := c.do(ctx, request{method: http.MethodGet, path: path, query: q})
		if err != nil {
			return nil, err
		}
		var page struct {
			Items []state `json:"items"`
			Next  string  `json:"next_cursor"`
		}
		if err := a.into(&page); err != nil {
			return nil, err
		}
		for _, s := range page.Items {
			all[s.App] = s
		}
		if page.Next == "" {
			return all, nil
		}
		q.Set("cursor", page.Next)
	}
}

// statuses counts apps by status and edition, and shows them as a table.
func (c *console) statuses(apps map[uint64]state) {
	editions := domain.Editions()
	header := []string{"status"}
	for _, e := range editions {
		header = append(header, string(e))
	}
	count := map[[2]string]int{}
	for _, s := range apps {
		count[[2]string{s.Status, s.Edition}]++
	}
	var rows [][]string
	for _, status := range domain.Statuses() {
		row, sum := []string{string(status)}, 0
		for _, e := range editions {
			n := count[[2]string{string(status), string(e)}]
			sum += n
			row = append(row, strconv.Itoa(n))
		}
		rows = append(rows, append(row, strconv.Itoa(sum)))
	}
	c.table("", append(header, "apps"), rows)
}

// result is the last word of the main job; nothing before it has this form.
func (c *comparison) result(out *console) error {
	for _, d := range c.differing {
		out.say(d)
	}
	out.say(strings.Join([]string{strconv.Itoa(c.same), "of", strconv.Itoa(c.compared), "states as expected"}, " "))
	if c.same != c.compared {
		return errSilent
	}
	return nil
}
