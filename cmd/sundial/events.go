package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"sundial/internal/pause"
	"sundial/internal/terminal"
)

type eventsCmd struct {
	remote
	After   string `help:"Only what came after this position, or after the event of this id." placeholder:"PLACE"`
	Types   string `help:"Only events of these types, separated by commas." placeholder:"TYPE,..."`
	Account string `help:"Only this account's." placeholder:"ACCOUNT"`
	Follow  bool   `help:"Go on with what happens, as it happens; with --json one line for each event." short:"f"`
	paging
}

// Help shows how.
func (*eventsCmd) Help() string {
	return `Examples:

    sundial events --account acme --types app.stopped,app.reinstated
    sundial events --after 1234 --follow --json`
}

// eventView is what the table shows of an event.
type eventView struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Subject string `json:"subject"`
	Account string `json:"account"`
	Time    string `json:"time"`
	Actor   string `json:"actor"`
	Command string `json:"command"`
	Reason  string `json:"reason"`
}

func (e *eventView) row() []string {
	subject := e.Subject
	if subject == e.Account {
		subject = ""
	}
	return []string{e.Time, e.ID, e.Account, subject, strings.TrimPrefix(e.Type, "sundial."), e.Actor, e.Reason}
}

// Run lists events, or follows them.
func (v *eventsCmd) Run(ctx context.Context, c *console) error {
	q := url.Values{}
	set(q, "after", v.After)
	set(q, "types", v.Types)
	set(q, "account", v.Account)
	if v.Follow {
		return v.follow(ctx, c, q)
	}
	events, cursor, err := list[eventView](ctx, c, &v.remote, v.paging, "/v1/events", q)
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for i := range events {
		rows = append(rows, events[i].row())
	}
	c.table("nothing happened", []string{"recorded", "id", "account", "app", "event", "by", "reason"}, rows)
	c.more(cursor)
	return nil
}

// follow prints events as they come, until it is interrupted. A connection that is lost is made again behind the last
// event; a refusal ends it.
func (v *eventsCmd) follow(ctx context.Context, c *console, q url.Values) error {
	cl, err := v.client()
	if err != nil {
		return err
	}
	endless := &http.Client{Transport: cl.http.Transport}
	for last := v.Cursor; ; {
		header := http.Header{"Accept": {"text/event-stream"}}
		if last != "" {
			header["Last-Event-Id"] = []string{last}
		}
		resp, err := cl.open(ctx, endless, request{method: http.MethodGet, path: "/v1/events", query: q, header: header})
		if err == nil {
			last, err = v.print(c, cl, resp, last)
		}
		var refused *problem
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError && refused.Status != http.StatusTooManyRequests:
			return err
		case err != nil:
			fmt.Fprintln(c.err, "sundial:", err)
		}
		pause.For(ctx, time.Second)
	}
}

// print prints the events of a stream until it ends, and gives the place behind the last one.
func (v *eventsCmd) print(c *console, cl *client, resp *http.Response, last string) (string, error) {
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, err := cl.read(resp)
		return last, err
	}
	lines := bufio.NewReader(resp.Body)
	for id := last; ; {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return last, unreachable(cl.shown, err)
		}
		line = strings.TrimSuffix(line, "\n")
		if text, is := strings.CutPrefix(line, "id: "); is {
			id = text
		}
		if text, is := strings.CutPrefix(line, "data: "); is {
			if err := v.printEvent(c, text); err != nil {
				return last, err
			}
		}
		if line == "" {
			last = id
		}
	}
}

func (v *eventsCmd) printEvent(c *console, text string) error {
	if v.JSON {
		c.say(text)
		return nil
	}
	var e eventView
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return fmt.Errorf("the engine's answer cannot be read: %w", err)
	}
	c.say(strings.TrimRight(terminal.Text(strings.Join(e.row(), "  "), "    "), " "))
	return nil
}
