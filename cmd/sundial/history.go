package main

import (
	"context"
	"strconv"
	"strings"
)

// historyFlags are those of every history.
type historyFlags struct {
	remote
	window
	Types string `help:"Only what led to events of these types, separated by commas." placeholder:"TYPE,..."`
	Actor string `help:"Only what was done by this actor, or in this capacity: operator, owner, billing, system." placeholder:"ACTOR"`
	paging
}

type appHistoryCmd struct {
	historyFlags
	App string `arg:"" help:"Its SDKAppID."`
}

// Help shows how.
func (*appHistoryCmd) Help() string {
	return `Latest first. Examples:

    sundial app history 1400000001
    sundial app history 1400000001 --types app.stopped,app.reinstated --actor system`
}

// Run shows an app's history.
func (v *appHistoryCmd) Run(ctx context.Context, c *console) error {
	return v.show(ctx, c, route("/v1/apps/%s/history", v.App))
}

type accountHistoryCmd struct {
	historyFlags
	Account string `arg:"" help:"The account."`
}

// Help shows how.
func (*accountHistoryCmd) Help() string {
	return `Latest first. Example:

    sundial account history acme --from 2026-01-01T00:00:00Z --all`
}

// Run shows an account's history.
func (v *accountHistoryCmd) Run(ctx context.Context, c *console) error {
	return v.show(ctx, c, route("/v1/accounts/%s/history", v.Account))
}

func (v *historyFlags) show(ctx context.Context, c *console, path string) error {
	q := v.query()
	set(q, "types", v.Types)
	set(q, "actor", v.Actor)
	commits, cursor, err := list[struct {
		Position   uint64 `json:"position"`
		RecordedAt string `json:"recorded_at"`
		Command    string `json:"command"`
		Actor      string `json:"actor"`
		Reason     string `json:"reason"`
		Events     []struct {
			Type        string `json:"type"`
			App         uint64 `json:"app"`
			EffectiveAt string `json:"effective_at"`
		} `json:"events"`
	}](ctx, c, &v.remote, v.paging, path, q)
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, commit := range commits {
		for i, e := range commit.Events {
			row := []string{"", "", "", "", "", strings.TrimPrefix(e.Type, "sundial."), e.EffectiveAt, ""}
			if i == 0 {
				row[0], row[1], row[2], row[3] = strconv.FormatUint(commit.Position, 10), commit.RecordedAt, commit.Actor, commit.Command
				row[7] = commit.Reason
			}
			if e.App != 0 {
				row[4] = strconv.FormatUint(e.App, 10)
			}
			rows = append(rows, row)
		}
	}
	c.table("nothing was done", []string{"position", "recorded", "by", "command", "app", "event", "effective", "reason"}, rows)
	c.more(cursor)
	return nil
}
