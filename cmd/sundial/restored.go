package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/go-json-experiment/json"

	"sundial/internal/server"
)

type restoredCmd struct {
	Data string `help:"The data directory, from which no engine serves." default:"data" env:"SUNDIAL_DATA" placeholder:"DIR"`
	JSON bool   `help:"Print JSON." name:"json"`
	outsideFlags
}

// Help tells what for.
func (*restoredCmd) Help() string {
	return `Give it once after a data directory, or the streams of a cluster, were restored from a backup, before the engine is started: what was recorded after the backup is gone, and its positions will be used again. A new epoch begins, so that no new event has the id of one that was lost, and whoever has read lost events is told so (409 position_unknown). Also what to do where a start refuses a stream that is older than the others, if there is no newer copy of it.

Examples:

    sundial restored
    sundial restored --data /var/lib/sundial
    sundial restored --nats nats://n1:4222,nats://n2:4222,nats://n3:4222 --nats-creds sundial.creds --nats-syncs-always`
}

// Run begins the epoch, and tells what is left to do.
func (v *restoredCmd) Run(ctx context.Context, c *console) error {
	if err := holdsData(v.Data); err != nil {
		return err
	}
	outside, replicas, err := v.outside()
	if err != nil {
		return err
	}
	b := newBar(c.err, "rebuilding")
	begun, err := server.Restored(ctx, server.Config{
		Dir: v.Data, Outside: outside, Replicas: replicas, Version: version, Logger: newLogger(c.err, slog.LevelWarn, "text"),
		Rehearsal: c.rehearsal(),
	}, b.set)
	b.close()
	if err != nil {
		return err
	}
	c.after = "the epoch " + begun.Name + " has begun"
	if v.JSON {
		text, err := json.Marshal(begun, json.Deterministic(true))
		if err != nil {
			return err
		}
		c.say(string(text))
		return nil
	}
	c.say(fmt.Sprintf(`epoch %s begins at position %d
next: 1. start the engine
      2. have the billing system send again what it has sent since the backup: what is known already counts once
      3. whoever follows the feed and has read what was lost gets 409 position_unknown: docs/events.md tells how to go on`, begun.Name, begun.From))
	return nil
}
