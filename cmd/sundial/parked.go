package main

import (
	"context"
	"net/http"
	"net/url"
)

// parkedCmd are the verbs on billing events that could not be taken in.
type parkedCmd struct {
	List    parkedListCmd    `cmd:"" help:"List what is parked, oldest first, with its reason."`
	Replay  parkedReplayCmd  `cmd:"" help:"Try to take events in again."`
	Discard parkedDiscardCmd `cmd:"" help:"Give events up."`
}

// parkedFilter are the flags that say which of what is parked is meant.
type parkedFilter struct {
	Account string `help:"Only what names this account, or came on its subject." placeholder:"ACCOUNT"`
	Code    string `help:"Only what is parked for this reason." placeholder:"CODE"`
	Actor   string `help:"Only what this one sent, such as billing:nats, or the role and id of a token." placeholder:"ACTOR"`
	Before  string `help:"Only what was parked before this time, RFC 3339." placeholder:"TIME"`
}

// given names the flags that are given.
func (f parkedFilter) given() string {
	for _, flag := range []struct{ name, value string }{
		{"--account", f.Account}, {"--code", f.Code}, {"--actor", f.Actor}, {"--before", f.Before},
	} {
		if flag.value != "" {
			return flag.name
		}
	}
	return ""
}

type parkedListCmd struct {
	remote
	paging
	parkedFilter
}

// Run lists what is parked.
func (v *parkedListCmd) Run(ctx context.Context, c *console) error {
	q := url.Values{}
	set(q, "account", v.Account)
	set(q, "code", v.Code)
	set(q, "actor", v.Actor)
	set(q, "before", v.Before)
	parked, cursor, err := list[struct {
		ID       string `json:"id"`
		ParkedAt string `json:"parked_at"`
		Code     string `json:"code"`
		Reason   string `json:"reason"`
		Account  string `json:"account"`
		EventID  string `json:"event_id"`
	}](ctx, c, &v.remote, v.paging, "/v1/parked", q)
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, p := range parked {
		rows = append(rows, []string{p.ID, p.ParkedAt, p.Account, p.EventID, p.Code, p.Reason})
	}
	c.table("nothing is parked", []string{"id", "parked", "account", "event", "code", "reason"}, rows)
	c.more(cursor)
	return nil
}

// parkedMany are the arguments of what is done to one parked event, or to many.
type parkedMany struct {
	command
	ID  string `arg:"" optional:"" help:"The id in the list."`
	All bool   `help:"Every event that is parked, or all that the flags let through."`
	parkedFilter
}

// misuse says what does not go together.
func (v *parkedMany) misuse(verb string) error {
	switch {
	case (v.ID != "") == v.All:
		return misused("want an event's id, or --all\n  fix: see sundial parked %s --help", verb)
	case v.given() != "" && !v.All:
		return misused("%s: goes with --all", v.given())
	case v.Key != "" && v.All:
		return misused("--idempotency-key: goes with one event")
	}
	return nil
}

// sweep does the same to all that the flags let through, page by page.
func (v *parkedMany) sweep(ctx context.Context, c *console, path string, what goingThrough) error {
	cl, err := v.client()
	if err != nil {
		return err
	}
	report := wholeReport{Refused: []refusedOne{}}
	cursor := ""
	var failed error
	for {
		var a answer
		body := map[string]any{}
		for name, value := range map[string]string{
			"account": v.Account, "code": v.Code, "actor": v.Actor, "before": v.Before, "reason": v.Reason, "cursor": cursor,
		} {
			if value != "" {
				body[name] = value
			}
		}
		if v.given() == "" {
			body["all"] = true
		}
		var page struct {
			Items []struct {
				ID     string `json:"id"`
				Code   string `json:"code"`
				Reason string `json:"reason"`
			} `json:"items"`
			Next string `json:"next_cursor"`
		}
		if a, failed = cl.patiently(ctx, request{method: http.MethodPost, path: path, body: body}); failed == nil {
			failed = a.into(&page)
		}
		for _, s := range page.Items {
			if s.Code == "" {
				report.Done++
			} else {
				report.Refused = append(report.Refused, refusedOne{ID: s.ID, Code: s.Code, Reason: s.Reason})
			}
		}
		if cursor = page.Next; failed != nil || cursor == "" {
			break
		}
	}
	if err := report.tell(c, v.JSON, what); err != nil {
		return err
	}
	if failed == nil && len(report.Refused) > 0 {
		return errSilent
	}
	return failed
}

type parkedReplayCmd struct{ parkedMany }

// Help shows how.
func (*parkedReplayCmd) Help() string {
	return `An event that was parked because its app was not known is replayed by itself when the app appears. Exit code 1 if an event is still not taken in: it stays parked, and the others are done.

Examples:

    sundial parked replay 1ae82c4d0b7f6395
    sundial parked replay --all --code effective_too_far_ahead`
}

// Run replays the event, or all that are meant.
func (v *parkedReplayCmd) Run(ctx context.Context, c *console) error {
	if err := v.misuse("replay"); err != nil {
		return err
	}
	if v.All {
		return v.sweep(ctx, c, "/v1/parked/replay", goingThrough{"replaying", "replayed", "parked"})
	}
	a, err := v.send(ctx, c, request{method: http.MethodPost, path: route("/v1/parked/%s/replay", v.ID), body: reasoned{v.Reason}})
	if err != nil {
		return err
	}
	return v.showClock(c, a)
}

type parkedDiscardCmd struct{ parkedMany }

// Help shows how.
func (*parkedDiscardCmd) Help() string {
	return `What is discarded is gone, and is answered as parked if it comes again. Look first: sundial parked list takes the same flags.

Examples:

    sundial parked discard 1ae82c4d0b7f6395
    sundial parked discard --all --actor billing:nats --code malformed_json --reason "a loop upstream"`
}

// Run discards the event, or all that are meant.
func (v *parkedDiscardCmd) Run(ctx context.Context, c *console) error {
	if err := v.misuse("discard"); err != nil {
		return err
	}
	if v.All {
		return v.sweep(ctx, c, "/v1/parked/discard", goingThrough{"discarding", "discarded", "parked"})
	}
	q := url.Values{}
	set(q, "reason", v.Reason)
	_, err := v.send(ctx, c, request{method: http.MethodDelete, path: route("/v1/parked/%s", v.ID), query: q})
	if err != nil || v.JSON {
		return err
	}
	c.say("discarded")
	return nil
}
