package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"sundial/domain"
	"sundial/internal/server"
	"sundial/internal/timetravel"
)

// maxChangesShown bounds the stops in a table; --json gives more.
const maxChangesShown = 100

type whatIfCmd struct {
	Data    string   `help:"The data directory, whether an engine serves from it or not." default:"data" env:"SUNDIAL_DATA" placeholder:"DIR"`
	Grace   []string `help:"From arrears or a lapse to the stop, instead of what it was; EDITION=DURATION for an edition of its own." required:"" placeholder:"DURATION"`
	From    string   `help:"From this time on, RFC 3339; by default since ever." placeholder:"TIME"`
	Account string   `help:"Only this account's apps." placeholder:"ACCOUNT"`
	JSON    bool     `help:"Print JSON." name:"json"`
	outsideFlags
}

// Help shows how.
func (*whatIfCmd) Help() string {
	return `Replays the log twice, as it was and under another policy, with the facts as they arrived and every due on time, and lists the stops that would not have happened, would have come earlier or later, and those that would be new. It changes nothing. An engine that serves from the directory does this itself and serves on; otherwise it is done here, and for a cluster the address is needed (--nats).

Examples:

    sundial whatif --grace 240h
    sundial whatif --grace 168h --grace flagship=240h
    sundial whatif --grace 72h --from 2026-01-01T00:00:00Z --account acme --json`
}

// Run replays and tells.
func (v *whatIfCmd) Run(ctx context.Context, c *console) error {
	asked := server.WhatIf{Account: v.Account}
	fine := true
	within := func(d time.Duration) time.Duration {
		fine = fine && d >= minGrace && d <= maxGrace
		return d
	}
	err := byEdition("--grace", v.Grace, &asked.Editions, func(d time.Duration) { asked.Grace = within(d).Milliseconds() },
		func(part *domain.PolicyPart, d time.Duration) { part.Grace = domain.Span(within(d)) })
	switch {
	case err != nil:
		return err
	case !fine:
		return misused("--grace: want whole milliseconds from %s to %s, such as 240h", minGrace, maxGrace)
	case asked.Grace == 0:
		return misused("--grace: want one for all editions too, such as --grace 168h --grace flagship=240h")
	}
	if v.From != "" {
		if asked.From, err = domain.ParseInstant(v.From); err != nil {
			return misused("--from: %w", err)
		}
	}
	if err := holdsData(v.Data); err != nil {
		return err
	}
	b := newBar(c.err, "replaying")
	report, err := server.ServingFrom(v.Data).WhatIf(ctx, asked, b.set)
	if errors.Is(err, server.ErrNotServing) {
		report, err = v.here(ctx, c, asked, b)
	}
	b.close()
	if err != nil {
		return err
	}
	return v.report(c, report)
}

// here replays in this process, where no engine serves.
func (v *whatIfCmd) here(ctx context.Context, c *console, asked server.WhatIf, b *bar) (*timetravel.Report, error) {
	idle, err := v.openIdle(ctx, c, v.Data)
	if err != nil {
		return nil, err
	}
	defer idle.Close()
	return idle.WhatIf(ctx, asked, b.set)
}

func (v *whatIfCmd) report(c *console, r *timetravel.Report) error {
	if v.JSON {
		text, err := json.Marshal(r, json.Deterministic(true))
		if err != nil {
			return err
		}
		c.say(string(text))
		return nil
	}
	var rows [][]string
	for _, change := range r.Changes[:min(len(r.Changes), maxChangesShown)] {
		rows = append(rows, []string{
			string(change.Fate), change.Account, strconv.FormatUint(uint64(change.App), 10), string(change.Cause), change.Since.String(),
			change.Was.String(), change.Would.String(),
		})
	}
	if len(rows) > 0 {
		c.table("", []string{"stop", "account", "app", "cause", "since", "was", "would be"}, rows)
		if changed := r.Total.Prevented + r.Total.Earlier + r.Total.Later + r.Total.Added; changed > len(rows) {
			c.say(fmt.Sprintf("and %d more: --json has up to %d, --account one account's", changed-len(rows), timetravel.MaxChanges))
		}
		c.say("")
	}
	counts := func(name string, n timetravel.Counts) []string {
		row := []string{name}
		for _, count := range []int{n.Prevented, n.Earlier, n.Later, n.Added, n.Same} {
			row = append(row, strconv.Itoa(count))
		}
		return row
	}
	rows = nil
	for _, a := range r.Accounts[:min(len(r.Accounts), maxChangesShown)] {
		rows = append(rows, counts(a.Account, a.Counts))
	}
	c.table("", []string{"account", "prevented", "earlier", "later", "new", "unchanged"}, append(rows, counts("in total", r.Total)))
	c.say(fmt.Sprintf("\n%d commits replayed, of %d apps", r.Commits, r.Apps))
	return nil
}
