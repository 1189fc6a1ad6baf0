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
	Discard parkedDiscardCmd `cmd:"" help:"Give an event up."`
}

type parkedListCmd struct {
	remote
	paging
}

// Run lists what is parked.
func (v *parkedListCmd) Run(ctx context.Context, c *console) error {
	parked, cursor, err := list[struct {
		ID       string `json:"id"`
		ParkedAt string `json:"parked_at"`
		Code     string `json:"code"`
		Reason   string `json:"reason"`
		Account  string `json:"account"`
		EventID  string `json:"event_id"`
	}](ctx, c, &v.remote, v.paging, "/v1/parked", url.Values{})
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

type parkedReplayCmd struct {
	command
	ID   string `arg:"" optional:"" help:"The id in the list."`
	All  bool   `help:"Every event that is parked."`
	Code string `help:"With --all: only those that were parked for this reason." placeholder:"CODE"`
}

// Help shows how.
func (*parkedReplayCmd) Help() string {
	return `An event that was parked because its app was not known is replayed by itself when the app appears. Exit code 1 if an event is still not taken in: it stays parked, and the others are done.

Examples:

    sundial parked replay 1ae82c4d0b7f6395
    sundial parked replay --all --code effective_too_far_ahead`
}

// Run replays the event, or all.
func (v *parkedReplayCmd) Run(ctx context.Context, c *console) error {
	switch {
	case (v.ID != "") == v.All:
		return misused("want an event's id, or --all\n  fix: see sundial parked replay --help")
	case v.Code != "" && !v.All:
		return misused("--code: goes with --all")
	case v.Key != "" && v.All:
		return misused("--idempotency-key: goes with one event")
	case v.All:
		return v.all(ctx, c)
	}
	a, err := v.send(ctx, c, request{method: http.MethodPost, path: route("/v1/parked/%s/replay", v.ID), body: reasoned{v.Reason}})
	if err != nil {
		return err
	}
	return v.showClock(c, a)
}

// all replays each event that is parked. What is parked anew meanwhile is left.
func (v *parkedReplayCmd) all(ctx context.Context, c *console) error {
	cl, err := v.client()
	if err != nil {
		return err
	}
	parked, err := each[struct {
		ID   string `json:"id"`
		Code string `json:"code"`
	}](ctx, cl, "/v1/parked", url.Values{})
	if err != nil {
		return err
	}
	var ids []string
	for _, p := range parked {
		if v.Code == "" || p.Code == v.Code {
			ids = append(ids, p.ID)
		}
	}
	return inOneGo(ctx, c, &v.remote, goingThrough{"replaying", "replayed", "parked"}, ids, func(id string) (answer, error) {
		return cl.patiently(ctx, request{method: http.MethodPost, path: route("/v1/parked/%s/replay", id), body: reasoned{v.Reason}})
	})
}

type parkedDiscardCmd struct {
	command
	ID string `arg:"" help:"The id in the list."`
}

// Run discards the event.
func (v *parkedDiscardCmd) Run(ctx context.Context, c *console) error {
	q := url.Values{}
	set(q, "reason", v.Reason)
	_, err := v.send(ctx, c, request{method: http.MethodDelete, path: route("/v1/parked/%s", v.ID), query: q})
	if err != nil || v.JSON {
		return err
	}
	c.say("discarded")
	return nil
}
