package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"sundial/domain"
	"sundial/internal/auth"
	"sundial/internal/server"
)

// demoCmd is the main job: a billing system's half year, taken in as it would arrive.
type demoCmd struct {
	Data       string `help:"A fresh data directory, kept in the end; without it one that is removed." placeholder:"DIR"`
	Feed       string `help:"A folder with apps.jsonl, deliveries.jsonl and expected.jsonl; without it the example inside the program." placeholder:"DIR"`
	Listen     string `help:"Where HTTP is served; by default 127.0.0.1:8080, or any free port if that is taken." placeholder:"HOST:PORT"`
	NATSListen string `help:"Where NATS clients connect; by default 127.0.0.1:4222, or any free port if that is taken." name:"nats-listen" placeholder:"HOST:PORT"`
	Exit       bool   `help:"End when the job is done, rather than serve on."`

	LogLevel slog.Level `help:"debug, info, warn or error." default:"warn" placeholder:"LEVEL"`
}

// Help tells what it does.
func (*demoCmd) Help() string {
	return `Starts an engine in the sandbox, imports the apps of the feed, publishes its deliveries over NATS in their order of arrival while the clock advances, shows what happens to the apps, and compares every state that is expected with what the API says. Then it serves on, for you to try things.

Exit code 1 if a state differs.`
}

// Run does the job and serves until it is interrupted.
func (v *demoCmd) Run(ctx context.Context, c *console) (err error) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP) // it ends with its terminal
	defer stop()
	f, err := openFeed(v.Feed)
	if err != nil {
		return err
	}
	dir := v.Data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "sundial-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return misused("--data %s: the demo takes a fresh directory, this one is not empty", dir)
	}
	all := f.instants()
	config := server.Config{
		Dir: dir, Listen: preferring(v.Listen, "127.0.0.1:8080"), NATSListen: preferring(v.NATSListen, "127.0.0.1:4222"),
		Sandbox: true, SandboxStart: all[0].at.Time().Truncate(24 * time.Hour),
		Policy: domain.DefaultPolicy(), Replicas: 1, Version: version, Logger: newLogger(c.err, v.LogLevel, "text"),
	}
	if err := check(&config); err != nil {
		return err
	}
	s := server.New(config)
	defer runtime.KeepAlive(tuneMemory(config.Logger))
	if err := s.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()

	began := time.Now()
	j := &job{console: c, server: s, feed: f, dir: dir}
	defer j.hangUp()
	if err := j.run(ctx, all); err != nil {
		return err
	}
	days := all[len(all)-1].at.Time().Sub(all[0].at.Time()).Hours() / 24
	c.say(fmt.Sprintf("\n%.0f days in %.1f s; this is what the apps are at the end of them:\n", days, time.Since(began).Seconds()))
	if err := j.end(ctx); err != nil {
		return err
	}
	if v.Exit {
		return nil
	}
	j.invite()
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.Ended():
		return err
	}
}

// preferring gives the address wanted, or else the usual one if it is free, or else any free port.
func preferring(wanted, usual string) string {
	if wanted != "" {
		return wanted
	}
	l, err := net.Listen("tcp", usual)
	if err != nil {
		return "127.0.0.1:0"
	}
	l.Close()
	return usual
}

// job is the main job under way.
type job struct {
	*console
	server *server.Server
	feed   *feed
	dir    string

	client   *client
	billing  jetstream.JetStream
	compared comparison
	width    int            // of the longest name, on the screen
	looked   func(*instant) // told of each instant at which something is expected, once it is compared; may be nil
}

// importers is how many imports are under way at once.
const importers = 16

func (j *job) run(ctx context.Context, all []*instant) error {
	operator, err := os.ReadFile(filepath.Join(j.dir, auth.TokenFile))
	if err != nil {
		return err
	}
	j.client = newClient(j.server.HTTPURL(), strings.TrimSpace(string(operator)), &http.Transport{MaxIdleConnsPerHost: importers})

	j.say(fmt.Sprintf("Sundial serves on %s and %s; the sandbox's clock stands at %s.",
		j.server.HTTPURL(), j.server.NATSURL(), domain.InstantOf(j.server.Config.SandboxStart)))
	if err := j.importApps(ctx); err != nil {
		return fmt.Errorf("importing the apps: %w", err)
	}
	for _, name := range j.feed.names {
		j.width = max(j.width, text.StringWidth(name))
	}
	accounts := map[string]bool{}
	for _, a := range j.feed.apps {
		accounts[a.account] = true
	}
	j.say(fmt.Sprintf("%d apps of %d accounts are imported; %d deliveries come over NATS, as they did between %s and %s.\n",
		len(j.feed.apps), len(accounts), len(j.feed.deliveries), day(all[0].at), day(all[len(all)-1].at)))

	secret, err := j.billingToken(ctx)
	if err != nil {
		return fmt.Errorf("making a billing token: %w", err)
	}
	nc, err := nats.Connect(j.server.NATSURL(), nats.Name("demo: billing system"), nats.Token(secret), nats.CustomInboxPrefix(auth.InboxPrefix(secret)))
	if err != nil {
		return err
	}
	defer nc.Close()
	if j.billing, err = jetstream.New(nc); err != nil {
		return err
	}
	return j.play(ctx, all)
}

// hangUp closes the connections to the program, which would wait for those never used.
func (j *job) hangUp() {
	if j.client != nil {
		j.client.http.CloseIdleConnections()
	}
}

func day(t domain.Instant) string { return t.Time().Format(time.DateOnly) }

func (j *job) importApps(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(importers)
	for _, app := range j.feed.apps {
		group.Go(func() error {
			_, err := j.client.importApp(ctx, app)
			return err
		})
	}
	return group.Wait()
}

func (j *job) billingToken(ctx context.Context) (string, error) {
	a, err := j.client.do(ctx, request{method: http.MethodPost, path: "/v1/tokens", body: map[string]string{
		"role": "billing", "name": "demo: billing system",
	}})
	if err != nil {
		return "", err
	}
	var t tokenView
	err = a.into(&t)
	return t.Token, err
}

// play lets the time of the feed pass: at each instant the clock moves there, what arrives then is published and taken in,
// and what is expected is compared.
func (j *job) play(ctx context.Context, all []*instant) error {
	b := newBar(j.out, "time passes")
	defer b.close()
	s, err := j.begin(ctx, b)
	if err != nil {
		return err
	}
	for n, i := range all {
		if err := j.reach(ctx, s, i); err != nil {
			return err
		}
		b.set(uint64(n+1), uint64(len(all))) //nolint:gosec // counts
	}
	return nil
}

func (j *job) reach(ctx context.Context, s *story, i *instant) error {
	due, err := s.due(ctx, i.at)
	if err != nil {
		return err
	}
	if err := j.advance(ctx, i.at); err != nil {
		return err
	}
	if err := s.fired(ctx, due); err != nil {
		return err
	}
	if len(i.arriving) > 0 {
		for _, d := range i.arriving {
			if _, err := j.billing.Publish(ctx, "billing."+d.account, d.Event); err != nil {
				return fmt.Errorf("publishing a delivery: %w", err)
			}
		}
		// Again, to the same time: that takes in what has arrived.
		if err := j.advance(ctx, i.at); err != nil {
			return err
		}
		if err := s.took(ctx, i.at, i.arriving); err != nil {
			return err
		}
	}
	if len(i.expected) == 0 {
		return nil
	}
	apps, err := j.client.states(ctx)
	if err != nil {
		return err
	}
	j.compared.compare(i.at, apps, i.expected)
	if j.looked != nil {
		j.looked(i)
	}
	return nil
}

func (j *job) advance(ctx context.Context, to domain.Instant) error {
	_, err := j.client.do(ctx, request{method: http.MethodPost, path: "/v1/clock/advance", body: map[string]string{"to": to.String()}})
	if err != nil {
		return fmt.Errorf("moving the clock to %s: %w", to, err)
	}
	return nil
}

// end shows what the apps are in the end, and how much of it is as it must be.
func (j *job) end(ctx context.Context) error {
	apps, err := j.client.states(ctx)
	if err != nil {
		return err
	}
	j.statuses(apps)
	j.say("")
	return j.compared.result(j.console)
}

// invite prints lines to be pasted into a shell.
func (j *job) invite() {
	url := j.server.HTTPURL()
	var first, account string
	for app := range j.feed.names {
		if text := fmt.Sprint(app); first == "" || text < first {
			first = text
		}
	}
	account = j.feed.apps[0].account
	j.say(fmt.Sprintf(`
It serves on; end it with Ctrl-C. Things to try in another shell:

export SUNDIAL_DATA=%[1]s SUNDIAL_SERVER=%[2]s
export TOKEN=$(cat "$SUNDIAL_DATA/operator.token")
curl -s -H "Authorization: Bearer $TOKEN" %[2]s/v1/apps/%[3]s; echo
curl -s -H "Authorization: Bearer $TOKEN" '%[2]s/v1/apps?status=stopped&limit=3'; echo
curl -s -H "Authorization: Bearer $TOKEN" '%[2]s/v1/transitions?limit=5'; echo
curl -s -H "Authorization: Bearer $TOKEN" '%[2]s/v1/apps/%[3]s/why?field=status'; echo
curl -s -H "Authorization: Bearer $TOKEN" '%[2]s/v1/apps/%[3]s?as_of=%[5]s'; echo
curl -s -H "Authorization: Bearer $TOKEN" '%[2]s/v1/events?types=app.notice_given,app.stopped&limit=3'; echo
curl -s -H "Authorization: Bearer $TOKEN" -d '{"user_id":"alice","expire_seconds":86400}' -H 'Content-Type: application/json' %[2]s/v1/apps/%[3]s/usersigs; echo
curl -s -H "Authorization: Bearer $TOKEN" -d '{"name":"\u5546\u57ce chat"}' -H 'Content-Type: application/json' %[2]s/v1/accounts/%[4]s/apps; echo
curl -s -H "Authorization: Bearer $TOKEN" -d '{"by":"168h"}' -H 'Content-Type: application/json' %[2]s/v1/clock/advance; echo
curl -s %[2]s/readyz; echo
`, shellQuote(j.dir), url, first, account, j.feed.deliveries[len(j.feed.deliveries)/2].ArrivesAt))
}

func shellQuote(path string) string {
	if strings.ContainsAny(path, " '\"$`\\") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
