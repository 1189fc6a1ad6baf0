package main

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json"
)

// each reads a list to its end, a page at a time.
func each[T any](ctx context.Context, cl *client, path string, q url.Values) (items []T, err error) {
	q.Set("limit", strconv.Itoa(maxPage))
	for {
		a, err := cl.patiently(ctx, request{method: "GET", path: path, query: q})
		if err != nil {
			return nil, err
		}
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next_cursor"`
		}
		if err := a.into(&page); err != nil {
			return nil, err
		}
		if items = append(items, page.Items...); page.Next == "" {
			return items, nil
		}
		q.Set("cursor", page.Next)
	}
}

// goingThrough says what is done to each of many things.
type goingThrough struct {
	doing, done string
	thing       string
}

// refusedOne is a thing of many that was refused.
type refusedOne struct {
	ID     string `json:"id"`
	Code   string `json:"code"`
	Reason string `json:"reason"`
	Fix    string `json:"fix,omitzero"`
}

// wholeReport is what became of many things.
type wholeReport struct {
	Done    int          `json:"done"`
	Refused []refusedOne `json:"refused"`
	Left    int          `json:"left"` // that were not tried, as the engine did not answer
}

// inOneGo does the same to many things, one after another. One that is refused stops no other; an engine that does not
// answer ends it.
func inOneGo(ctx context.Context, c *console, r *remote, what goingThrough, ids []string, do func(id string) (answer, error)) error {
	report := wholeReport{Refused: []refusedOne{}}
	b := newBar(c.err, what.doing)
	var failed error
	for i, id := range ids {
		a, err := do(id)
		var refused *problem
		switch {
		case err == nil:
			report.Done++
		case errors.As(err, &refused) && a.status < 500 && ctx.Err() == nil:
			report.Refused = append(report.Refused, refusedOne{id, refused.Code, refused.Detail, refused.Fix})
		default:
			failed = err
		}
		if failed != nil {
			report.Left = len(ids) - i
			break
		}
		b.set(uint64(i+1), uint64(len(ids))) //nolint:gosec // a count
	}
	b.close()
	if err := report.tell(c, r.JSON, what); err != nil {
		return err
	}
	if failed == nil && len(report.Refused) > 0 {
		return errSilent
	}
	return failed
}

func (r *wholeReport) tell(c *console, asJSON bool, what goingThrough) error {
	if asJSON {
		text, err := json.Marshal(r, json.Deterministic(true))
		if err == nil {
			c.say(string(text))
		}
		return err
	}
	counts := [][2]string{{what.done, strconv.Itoa(r.Done)}, {"refused", strconv.Itoa(len(r.Refused))}}
	if r.Left > 0 {
		counts = append(counts, [2]string{"not tried", strconv.Itoa(r.Left)})
	}
	c.pairs(counts)
	if len(r.Refused) == 0 {
		return nil
	}
	var rows [][]string
	for _, x := range r.Refused {
		rows = append(rows, []string{x.ID, x.Code, x.Reason})
	}
	c.say("")
	c.table("", []string{what.thing, "code", "why"}, rows)
	return nil
}
