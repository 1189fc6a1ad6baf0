package main

import (
	"context"
	"net/http"
	"net/url"
)

// parkedCmd are the verbs on billing events that could not be taken in.
type parkedCmd struct {
	List    parkedListCmd    `cmd:"" help:"List what is parked, oldest first, with its reason."`
	Replay  parkedReplayCmd  `cmd:"" help:"Try to take an event in again."`
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
	ID string `arg:"" help:"The id in the list."`
}

// Help shows how.
func (*parkedReplayCmd) Help() string {
	return `An event that was parked because its app was not known is replayed by itself when the app appears.`
}

// Run replays the event.
func (v *parkedReplayCmd) Run(ctx context.Context, c *console) error {
	a, err := v.send(ctx, c, request{method: http.MethodPost, path: route("/v1/parked/%s/replay", v.ID), body: reasoned{v.Reason}})
	if err != nil {
		return err
	}
	return v.showClock(c, a)
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
