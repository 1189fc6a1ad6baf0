package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"sundial/internal/api"
	"sundial/internal/auth"
	"sundial/internal/engine"
	"sundial/internal/ingest"
	"sundial/internal/rpc"
	"sundial/scheduler"
)

// edges are what the API stands on.
type edges struct {
	engine    *engine.Engine
	intake    *ingest.Intake
	scheduler *scheduler.Scheduler
	tokens    *auth.Store
	metrics   *prometheus.Registry
}

// openEdges makes the API, and takes commands over NATS by it.
func (l *engineLife) openEdges(e edges) error {
	door, err := api.New(api.Config{
		Engine: e.engine, Store: l.store, Intake: e.intake, Scheduler: e.scheduler, Tokens: e.tokens,
		Head: l.log.Head,
		Checks: []api.Check{
			{Name: "log_writable", Look: func(ctx context.Context) (string, error) { return "", l.log.Probe(ctx) }},
			{Name: "log_synced", Look: func(context.Context) (string, error) { return l.config.syncs(), nil }},
		},
		Metrics: e.metrics, Logger: l.config.Logger,
	})
	if err != nil {
		return err
	}
	l.handler = door
	service, err := rpc.Start(rpc.Config{Conn: l.nc, Commands: commands(), Logger: l.config.Logger, Do: func(ctx context.Context, r rpc.Request) rpc.Reply {
		return rpc.Reply(door.Command(ctx, api.Call(r)))
	}})
	if err != nil {
		return err
	}
	l.onClose(func() {
		if err := service.Stop(); err != nil {
			l.config.Logger.Error("ending commands over NATS", "error", err)
		}
	})
	return nil
}

// commands are the names of what can be asked for over NATS.
func commands() []string {
	var names []string
	for _, rule := range auth.Table() {
		if strings.HasPrefix(rule.Subject, "command.") {
			names = append(names, string(rule.Action))
		}
	}
	return names
}

// syncs says how it is known that what is acknowledged is on disk.
func (c *Config) syncs() string {
	switch {
	case c.Outside == nil:
		return "the embedded server syncs before it acknowledges"
	case c.Outside.SystemCreds != "":
		return "seen at the start: the servers sync before they acknowledge"
	}
	return fmt.Sprintf("vouched for (--nats-syncs-always), not seen: the servers of %s sync before they acknowledge", hosts(c.Outside.URL))
}

// hosts leaves credentials out of addresses.
func hosts(urls string) string {
	var names []string
	for address := range strings.SplitSeq(urls, ",") {
		if _, host, ok := strings.Cut(address, "@"); ok {
			address = host
		}
		names = append(names, strings.TrimPrefix(address, "nats://"))
	}
	return strings.Join(names, ", ")
}
