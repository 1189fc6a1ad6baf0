package projections

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/internal/natsd"
)

// begin is when the tests' time begins.
var begin = domain.InstantOf(time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC))

// harness is a log on a real server, and all that was appended to it, folded as it was decided.
type harness struct {
	t        testing.TB
	dir      string
	server   *natsd.Server
	nc       *nats.Conn
	log      *eventstore.Log
	codec    *eventstore.Codec[domain.Event]
	accounts map[string]*Row
	policy   domain.Policy
	now      domain.Instant
	next     domain.AppID
	held     map[domain.CertificateID]domain.AppID // every certificate that ever was, by the app that has or had it
	commands int
	head     uint64

	projections []projection // of the config
}

func newWorld(t testing.TB) *harness {
	t.Helper()
	w := &harness{
		t: t, dir: t.TempDir(), accounts: map[string]*Row{}, policy: domain.DefaultPolicy(), now: begin, next: domain.FirstApp,
		held: map[domain.CertificateID]domain.AppID{},
	}
	w.start()
	log, err := eventstore.Create(t.Context(), w.nc, eventstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w.use(log)
	codec, err := codec.New()
	if err != nil {
		t.Fatal(err)
	}
	w.codec = codec
	return w
}

func (w *harness) start() {
	w.t.Helper()
	server, nc, err := startServer(w.dir)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(server.Shutdown)
	w.t.Cleanup(nc.Close)
	w.server, w.nc = server, nc
}

// startServer starts a server that does not sync: no test here cuts the power.
func startServer(dir string) (*natsd.Server, *nats.Conn, error) {
	server, err := natsd.Start(natsd.Config{Dir: filepath.Join(dir, "nats"), NoSync: true})
	if err != nil {
		return nil, nil, err
	}
	nc, err := server.Connect()
	if err != nil {
		server.Shutdown()
	}
	return server, nc, err
}

func (w *harness) use(log *eventstore.Log) {
	w.log = log
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := log.Close(ctx); err != nil {
			w.t.Error(err)
		}
	})
}

func (w *harness) account(id string) *Row {
	row := w.accounts[id]
	if row == nil {
		row = &Row{Account: domain.NewAccount(id)}
		w.accounts[id] = row
	}
	return row
}

// do decides a command and appends what it leads to; it gives the position, 0 for silence and refusals.
func (w *harness) do(account string, cmd domain.Command) uint64 {
	w.t.Helper()
	w.commands++
	return w.doAs(account, fmt.Sprintf("command-%d", w.commands), cmd)
}

func (w *harness) doAs(account, id string, cmd domain.Command) uint64 {
	w.t.Helper()
	row := w.account(account)
	at := domain.Moment{Now: max(w.now, row.Account.RecordedAt), Policy: w.policy, NewApp: w.next, Role: domain.Operator}
	events, err := domain.Decide(row.Account, cmd, at)
	var refusal *domain.Refusal
	if errors.As(err, &refusal) || len(events) == 0 && err == nil {
		return 0
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if _, creates := cmd.(domain.CreateApp); creates {
		w.next++
	}
	for _, e := range events {
		if added, is := e.(domain.CertificateAdded); is {
			w.held[added.Certificate.ID] = added.App
		}
	}
	seq := w.append(w.commit(account, id, cmd.Name(), at.Now, events), row.Sequence)
	row.Account.Apply(domain.Recorded{At: at.Now, Position: seq}, events...)
	return seq
}

func (w *harness) commit(account, id, command string, at domain.Instant, events []domain.Event) eventstore.Commit {
	w.t.Helper()
	c := eventstore.Commit{
		Account: account, ID: id, Command: command, Actor: "tester", RecordedAt: int64(at), Previous: w.account(account).Hash,
	}
	for _, e := range events {
		stored, err := w.codec.Encode(e)
		if err != nil {
			w.t.Fatal(err)
		}
		c.Events = append(c.Events, stored)
	}
	return c
}

// append appends a commit behind what is expected, and remembers it as its account's last.
func (w *harness) append(c eventstore.Commit, expected uint64) uint64 {
	w.t.Helper()
	payload, err := c.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	seq, err := w.log.Append(context.Background(), c.Account, expected, payload, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	row := w.account(c.Account)
	row.Sequence, row.Hash = seq, eventstore.HashOf(payload)
	w.head = seq
	return seq
}

func (w *harness) config() Config {
	return Config{Dir: filepath.Join(w.dir, "projections"), Log: w.log, projections: w.projections}
}

// open opens the projections without following the log.
func (w *harness) open() *Store {
	w.t.Helper()
	s, err := Open(w.t.Context(), w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { s.Close() })
	return s
}

// follow runs a store until the function it gives is called; that function gives what Run returned.
func (w *harness) follow(s *Store) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stopped := false
	var err error
	stop = func() error {
		cancel()
		if !stopped {
			stopped = true
			err = <-done
		}
		return err
	}
	w.t.Cleanup(func() { stop() })
	return stop
}

// serve opens and follows.
func (w *harness) serve() *Store {
	w.t.Helper()
	s := w.open()
	w.follow(s)
	return s
}

// wait waits until the store has everything that was appended.
func (w *harness) wait(s *Store) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	if err := s.Wait(ctx, w.head); err != nil {
		w.t.Fatalf("waiting for %d at %d: %v", w.head, s.Position(), err)
	}
}

func (w *harness) order(id string, edition domain.Edition, from, until domain.Instant) domain.OrderTerms {
	return domain.OrderTerms{ID: id, Edition: edition, EffectiveAt: from, PaidUntil: until, Amount: domain.Money{Currency: "CNY", Minor: 100}}
}
