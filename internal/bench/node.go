package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/engine"
	"sundial/internal/natsd"
	"sundial/projections"
)

// node is a program that stands alone, put together from the same parts and with the same settings as serve does it.
type node struct {
	dir    string
	nats   *natsd.Server
	conn   *nats.Conn
	js     jetstream.JetStream
	log    *eventstore.Log
	store  *projections.Store
	engine *engine.Engine

	bare      *eventstore.Log // another one on the same server, to hold the first against; nil until it is wanted
	following chan error      // what following the log ended with
	unfollow  context.CancelFunc
}

// logConfig ties a log to the embedded server.
func logConfig(server *natsd.Server) eventstore.Config {
	return eventstore.Config{Space: server.Space, Failed: server.Failed}
}

// openLog starts a server in a folder, and makes a log if there is none.
func openLog(ctx context.Context, dir string) (n *node, err error) {
	n = &node{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if n.nats, err = natsd.Start(natsd.Config{Dir: filepath.Join(dir, "nats")}); err != nil {
		return n, err
	}
	if n.conn, err = n.nats.Connect(); err != nil {
		return n, err
	}
	if n.js, err = jetstream.New(n.conn); err != nil {
		return n, fmt.Errorf("opening JetStream: %w", err)
	}
	n.log, err = eventstore.Open(ctx, n.conn, logConfig(n.nats))
	if errors.Is(err, eventstore.ErrMissing) {
		n.log, err = eventstore.Create(ctx, n.conn, logConfig(n.nats))
	}
	return n, err
}

// open starts a node in a folder. The clock is the engine's.
func open(ctx context.Context, dir string, clock func() time.Time) (n *node, err error) {
	if n, err = openLog(ctx, dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if n.store, err = projections.Open(ctx, projections.Config{Dir: dir, Log: n.log}); err != nil {
		return n, err
	}
	following, unfollow := context.WithCancel(context.WithoutCancel(ctx))
	n.following, n.unfollow = make(chan error, 1), unfollow
	go func() { n.following <- n.store.Run(following) }()
	n.engine, err = engine.New(engine.Config{
		Log: n.log, Store: n.store, JetStream: n.js, Policy: domain.DefaultPolicy(), Now: clock, Node: "bench", Alone: true,
	})
	return n, err
}

// wall is the machine's clock, which is the engine's where nothing else is wanted.
func wall() time.Time { return time.Now() } //nolint:forbidigo // the clock that serve hands down, too

// settle waits until the projections have everything that is in the log, so that what follows does not pay for it.
func (n *node) settle(ctx context.Context) error {
	if n.store == nil {
		return nil
	}
	head, err := n.log.Head(ctx)
	if err != nil {
		return err
	}
	return n.store.Wait(ctx, head)
}

// close stops what was started.
func (n *node) close() error {
	var errs []error
	if n.unfollow != nil {
		n.unfollow()
		errs = append(errs, <-n.following)
	}
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	for _, log := range []*eventstore.Log{n.log, n.bare} {
		if log != nil {
			errs = append(errs, log.Close(context.Background()))
		}
	}
	if n.conn != nil {
		n.conn.Close()
	}
	if n.nats != nil {
		n.nats.Shutdown()
	}
	return errors.Join(errs...)
}

// during runs a node for as long as a function takes.
func during(ctx context.Context, dir string, clock func() time.Time, f func(*node) error) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making a folder for a node: %w", err)
	}
	n, err := open(ctx, dir, clock)
	if err != nil {
		return err
	}
	return closed(n, f(n))
}

// closed stops a node after what was done with it, and joins what went wrong.
func closed(n *node, err error) error { return errors.Join(err, n.close()) }

// stream is the name that a log has where nothing else is said.
const stream = "SUNDIAL_EVENTS"
