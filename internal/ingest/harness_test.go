package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sundial/domain"
	"sundial/internal/atomicbatch"
	"sundial/internal/engine"
	"sundial/internal/testing/enginetest"
)

// harness is a NATS server with a log, on which nodes can be started.
type harness struct {
	t testing.TB
	*enginetest.Server
}

func newWorld(t testing.TB) *harness {
	t.Helper()
	return &harness{t, enginetest.Start(t)}
}

// node is an engine with an intake.
type node struct {
	*Intake
	world    *harness
	engine   *enginetest.Node
	commands int
	cancel   context.CancelFunc
	runs     sync.WaitGroup
	stop     func()
}

// node starts an engine and an intake that does not run yet; change may alter its configuration.
func (w *harness) node(change ...func(*Config)) *node {
	w.t.Helper()
	n := &node{world: w, engine: w.Node(w.t, w.t.TempDir(), false)}
	config := Config{JetStream: w.JetStream, Engine: n.engine.Engine, Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil))}
	for _, c := range change {
		c(&config)
	}
	var err error
	if n.Intake, err = Open(w.t.Context(), config); err != nil {
		w.t.Fatal(err)
	}
	n.stop = sync.OnceFunc(func() {
		n.halt()
		n.Close()
		n.engine.Stop()
	})
	w.t.Cleanup(n.stop)
	return n
}

// run takes in from NATS until halt.
func (n *node) run() {
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.runs.Go(func() {
		if err := n.Run(ctx); err != nil {
			n.world.t.Errorf("Run: %v", err)
		}
	})
}

func (n *node) halt() {
	if n.cancel != nil {
		n.cancel()
	}
	n.runs.Wait()
}

// drained waits until everything was taken in, and wants no account stuck.
func (n *node) drained() {
	n.world.t.Helper()
	ctx, cancel := context.WithTimeout(n.world.t.Context(), 30*time.Second)
	defer cancel()
	stuck, err := n.Drain(ctx)
	if err != nil || len(stuck) > 0 {
		n.world.t.Fatalf("drain: stuck %v, %v", stuck, err)
	}
}

// do gives a command.
func (n *node) do(account string, role domain.Role, command domain.Command) engine.Answer {
	n.world.t.Helper()
	n.commands++
	answer, err := n.engine.Execute(n.world.t.Context(), engine.Request{
		Account: account, ID: fmt.Sprint("test-", n.commands), Role: role, Actor: string(role) + ":test", Command: command,
	})
	if err != nil {
		n.world.t.Fatal(err)
	}
	return answer
}

// app imports an app with an open-ended order, so that what is owed for it counts.
func (n *node) app(account string, app domain.AppID) {
	n.world.t.Helper()
	_, err := n.engine.Execute(n.world.t.Context(), engine.Request{
		Account: account, ID: fmt.Sprint("import-", app), Role: domain.Operator, Actor: "operator:test",
		Command: domain.ImportApp{App: app, AppName: "shop", CreatedAt: domain.InstantOf(enginetest.Began.AddDate(-1, 0, 0)), Edition: domain.Pro},
	})
	if err != nil {
		n.world.t.Fatal(err)
	}
}

// look reads an app as the log has it.
func (n *node) look(account string, app domain.AppID) *domain.App {
	n.world.t.Helper()
	acc := domain.NewAccount(account)
	acc.Apply(domain.Recorded{}, n.engine.Events(n.world.t, account)...)
	return acc.Apps[app]
}

// publish sends events over NATS, and wants each stored.
func (w *harness) publish(subject string, events ...string) {
	w.t.Helper()
	for _, e := range events {
		if _, err := w.JetStream.Publish(w.t.Context(), subject, []byte(e)); err != nil {
			w.t.Fatalf("%s: %v", subject, err)
		}
	}
}

// overdue is an event that says that an invoice is owed.
func overdue(id, account string, app domain.AppID, invoice string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"urn:test","type":"sundial.billing.invoice.overdue","data":{"account":%q,"app":%d,"effective_at":"2020-12-31T00:00:00Z","invoice":%q,"version":1,"amount":{"currency":"CNY","minor":100}}}`,
		id, account, app, invoice)
}

// open lists what is parked, by the event's id.
func (n *node) open() map[string]Parked {
	n.world.t.Helper()
	out := map[string]Parked{}
	cursor := ""
	for {
		items, next, err := n.Parked(n.world.t.Context(), ParkedFilter{}, cursor, 7)
		if err != nil {
			n.world.t.Fatal(err)
		}
		for _, p := range items {
			out[p.EventID] = p
		}
		if next == "" {
			return out
		}
		cursor = next
	}
}

// until waits for a state.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// fill puts events into the billing stream, a thousand with one sync.
func (w *harness) fill(count int, event func(n int) (subject, body string)) {
	w.t.Helper()
	ids := atomicbatch.NewIDs()
	for n := 0; n < count; {
		id := ids.Next()
		size := min(atomicbatch.MaxMessages, count-n)
		for k := 1; k <= size; k++ {
			subject, body := event(n)
			n++
			m := nats.NewMsg(subject)
			m.Data = []byte(body)
			atomicbatch.Mark(m.Header, id, k, k == size)
			if k < size {
				if err := w.Conn.PublishMsg(m); err != nil {
					w.t.Fatal(err)
				}
				continue
			}
			reply, err := w.Conn.RequestMsg(m, 30*time.Second)
			if err != nil {
				w.t.Fatal(err)
			}
			if ack := string(reply.Data); ack == "" || ack[:9] == `{"error":` {
				w.t.Fatalf("filling the stream: %s", ack)
			}
		}
	}
}
