package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"sundial/internal/api"
	"sundial/internal/archive"
	"sundial/internal/query"
	"sundial/internal/rpc"
	"sundial/internal/timetravel"
)

// openPast opens what reads the past, with the copy of the log that it reads from.
func (l *instance) openPast() (*timetravel.Past, error) {
	var err error
	l.archive, err = archive.Open(archive.Config{Dir: l.dir.file(archiveDir), Log: l.log, Logger: l.config.Logger})
	if err != nil {
		return nil, err
	}
	l.onClose(func() {
		if err := l.archive.Close(); err != nil {
			l.config.Logger.Error("closing the archive", "error", err)
		}
	})
	l.work("the archive", l.archive.Run)
	return timetravel.New(timetravel.Config{Log: l.log, Archive: l.archive, Store: l.store, Policy: l.config.Policy, Now: l.clock.Now})
}

// probeKept is how long it is believed that the log can be written: a load balancer asks every few seconds, and a probe is synced.
const probeKept = time.Second

// openEdges makes the API, and takes commands over NATS by it.
func (l *instance) openEdges() error {
	past, err := l.openPast()
	if err != nil {
		return err
	}
	l.past = past
	reader, err := query.New(l.log, l.store)
	if err != nil {
		return err
	}
	door, err := api.New(api.Config{
		Engine: l.engine, Store: l.store, Intake: l.intake, Scheduler: l.scheduler, Tokens: l.access, Secrets: l.openKeeper(), Past: past, Query: reader,
		Head: l.log.Head,
		Checks: []api.Check{
			{Name: "log_writable", Look: api.Kept(func(ctx context.Context) (string, error) { return "", l.log.Probe(ctx) }, probeKept)},
			{Name: "intake", Look: l.intake.Look},
			{Name: "secrets", Look: l.secretsCheck},
			{Name: "log_synced", Look: func(context.Context) (string, error) { return l.config.syncs(), nil }},
		},
		Metrics: l.metrics, Logger: l.config.Logger,
	})
	if err != nil {
		return err
	}
	l.handler = door
	conn, err := l.connectForCommands()
	if err != nil {
		return err
	}
	service, err := rpc.Start(rpc.Config{Conn: conn, Commands: api.CommandNames(), Logger: l.config.Logger, Do: func(ctx context.Context, r rpc.Request) rpc.Reply {
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

// connectForCommands gives a connection on which nothing but commands comes: what clients send must not stand before what
// the log is told. On a cluster it is the program's one connection, since there are no limits of ours there anyway.
func (l *instance) connectForCommands() (*nats.Conn, error) {
	if l.server == nil {
		return l.nc, nil
	}
	conn, err := l.server.Connect(nats.Name("sundial: commands"))
	if err != nil {
		return nil, err
	}
	l.onClose(conn.Close)
	return conn, nil
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
