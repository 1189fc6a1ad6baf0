// Package enginetest starts real parts for tests: an embedded NATS server with a log, and nodes of an engine with
// projections of their own on it.
package enginetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/archive"
	"sundial/internal/codec"
	"sundial/internal/engine"
	"sundial/internal/natsd"
	"sundial/internal/secrets"
	"sundial/internal/timetravel"
	"sundial/internal/vault"
	"sundial/projections"
)

// Began is what the clock of a node says at first.
var Began = time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)

// Server is a NATS server with an empty log, on which nodes can be started.
type Server struct {
	Dir       string // of its files
	NATS      *natsd.Server
	Conn      *nats.Conn
	JetStream jetstream.JetStream
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartIn(t, t.TempDir())
}

// StartIn starts a server on what another has left in a directory, or in an empty one. It ends with the test, or with Stop.
func StartIn(t testing.TB, dir string) *Server {
	t.Helper()
	nd, err := natsd.Start(natsd.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nd.Shutdown)
	conn, err := nd.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	log, err := eventstore.Create(t.Context(), conn, eventstore.Config{})
	switch {
	case errors.Is(err, eventstore.ErrExists):
	case err != nil:
		t.Fatal(err)
	default:
		if err := log.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return &Server{dir, nd, conn, js}
}

// Stop ends the server; its nodes must have ended.
func (s *Server) Stop() {
	s.Conn.Close()
	s.NATS.Shutdown()
}

// Flip flips a bit of the commit that holds a text, in the files of a server that was stopped: a server that was stopped in
// order does not look at its messages again before it is asked for them.
func Flip(t testing.TB, dir, text string) {
	t.Helper()
	block := filepath.Join(dir, "jetstream", "$G", "streams", "SUNDIAL_EVENTS", "msgs", "1.blk")
	b, err := os.ReadFile(block)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(text))
	if at < 0 {
		t.Fatalf("%s is not in the log", text)
	}
	b[at] ^= 1
	if err := os.WriteFile(block, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Node is an engine with projections of its own and a clock that stands still.
type Node struct {
	*engine.Engine
	Log   *eventstore.Log
	Store *projections.Store
	stop  func()
	clock atomic.Int64 // milliseconds
}

// Node starts an engine with its projections in dir. It ends with the test, or with Stop. alone says that it is the
// only one on its server.
func (s *Server) Node(t testing.TB, dir string, alone bool) *Node {
	t.Helper()
	log, err := eventstore.Open(t.Context(), s.Conn, eventstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := projections.Open(t.Context(), projections.Config{Dir: dir, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{Log: log, Store: store}
	n.clock.Store(Began.UnixMilli())
	n.Engine, err = engine.New(engine.Config{
		Log: log, Store: store, JetStream: s.JetStream, Policy: domain.DefaultPolicy(), Alone: alone, Node: dir, Now: n.Time,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	following := make(chan error, 1)
	go func() { following <- store.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-following; err != nil {
			t.Errorf("following the log: %v", err)
		}
		if err := errors.Join(store.Close(), log.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(n.stop)
	return n
}

// Past gives what reads the node's past, by a clock. It ends with the test.
func (n *Node) Past(t testing.TB, now func() time.Time) *timetravel.Past {
	t.Helper()
	copied, err := archive.Open(archive.Config{Dir: t.TempDir(), Log: n.Log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = copied.Close() }) // it is thrown away
	past, err := timetravel.New(timetravel.Config{Log: n.Log, Archive: copied, Store: n.Store, Policy: n.Policy(), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return past
}

// Custody gives an engine somebody to keep its secrets, with a root key of its own. It ends with the test.
func (s *Server) Custody(t testing.TB, e *engine.Engine, store *projections.Store) *secrets.Keeper {
	t.Helper()
	root, err := vault.CreateRootFile(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(t.Context(), vault.Config{JetStream: s.JetStream, Roots: []vault.Root{root}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return secrets.New(secrets.Config{Engine: e, Store: store, Vault: v, Random: rand.Reader})
}

// Stop ends the node cleanly.
func (n *Node) Stop() { n.stop() }

// Time is the node's clock.
func (n *Node) Time() time.Time { return time.UnixMilli(n.clock.Load()) }

// Move moves the node's clock, forward or back.
func (n *Node) Move(d time.Duration) { n.clock.Add(d.Milliseconds()) }

// Do gives the engine a command.
func (n *Node) Do(t testing.TB, account, id string, role domain.Role, cmd domain.Command) (engine.Answer, error) {
	t.Helper()
	return n.Execute(t.Context(), engine.Request{Account: account, ID: id, Command: cmd, Role: role, Actor: string(role) + ":test"})
}

// Must gives the engine a command that must not fail.
func (n *Node) Must(t testing.TB, account, id string, role domain.Role, cmd domain.Command) engine.Answer {
	t.Helper()
	answer, err := n.Do(t, account, id, role, cmd)
	if err != nil {
		t.Fatalf("%s: %v", cmd.Name(), err)
	}
	return answer
}

// Append writes events into the log past the engine, as the account's first commit: what an earlier program may have written.
func (n *Node) Append(t testing.TB, account, id, command string, events ...domain.Event) {
	t.Helper()
	codec, err := codec.New()
	if err != nil {
		t.Fatal(err)
	}
	commit := eventstore.Commit{Account: account, ID: id, Command: command, Actor: "operator:test", RecordedAt: n.clock.Load()}
	for _, e := range events {
		stored, err := codec.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		commit.Events = append(commit.Events, stored)
	}
	payload, err := commit.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Log.Append(t.Context(), account, 0, payload, commit.Header()); err != nil {
		t.Fatal(err)
	}
}

// Events lists the events of an account in the log.
func (n *Node) Events(t testing.TB, account string) (events []domain.Event) {
	t.Helper()
	codec, err := codec.New()
	if err != nil {
		t.Fatal(err)
	}
	for m, err := range n.Log.Account(t.Context(), account, eventstore.Span{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, stored := range m.Commit.Events {
			event, err := codec.Decode(stored)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, event)
		}
	}
	return events
}

// Commits counts the commits of an account in the log.
func (n *Node) Commits(t testing.TB, account string) (count int) {
	t.Helper()
	for _, err := range n.Log.Account(t.Context(), account, eventstore.Span{}) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	return count
}

// Refusal is the code of a refusal, "" for any other outcome.
func Refusal(err error) string {
	var refused *domain.Refusal
	if errors.As(err, &refused) {
		return refused.Code.Code
	}
	return ""
}
