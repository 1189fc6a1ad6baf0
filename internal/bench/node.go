package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/server"
)

// node is a server that stands alone, with the settings of serve, or only the log of one.
type node struct {
	server.Parts
	server *server.Server // nil: only the log

	bare *eventstore.Log // another one on the same NATS server, to hold the first against; nil until it is wanted
	end  func() error    // closes the rest
}

// nodeConfig is that of a node in a folder. What works by itself is run when it is measured.
func nodeConfig(dir string) server.Config {
	return server.Config{Dir: dir, Listen: "127.0.0.1:0", Policy: domain.DefaultPolicy(), Replicas: 1, Manual: true}
}

// openLog opens the log of a folder, and makes one if there is none.
func openLog(ctx context.Context, dir string) (*node, error) {
	idle, err := server.OpenIdle(ctx, nodeConfig(dir))
	if err != nil {
		return nil, err
	}
	return &node{Parts: idle.Parts(), end: func() error { idle.Close(); return nil }}, nil
}

// open starts a node.
func open(ctx context.Context, config server.Config) (*node, error) {
	s := server.New(config)
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	parts, ok := s.Parts()
	if !ok {
		return nil, errors.Join(errors.New("the server ended as soon as it had started"), s.Close())
	}
	return &node{Parts: parts, server: s, end: s.Close}, nil
}

// wall is the machine's clock.
func wall() time.Time { return time.Now() } //nolint:forbidigo // the clock of a server that is in no sandbox

// settle waits until the projections have everything that is in the log, so that what follows does not pay for it.
func (n *node) settle(ctx context.Context) error {
	if n.Store == nil {
		return nil
	}
	head, err := n.Log.Head(ctx)
	if err != nil {
		return err
	}
	return n.Store.Wait(ctx, head)
}

// close stops what was started.
func (n *node) close() error {
	var err error
	if n.bare != nil {
		err = n.bare.Close(context.Background())
	}
	return errors.Join(err, n.end())
}

// during runs a node for as long as a function takes.
func during(ctx context.Context, config server.Config, f func(*node) error) error {
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return fmt.Errorf("making a folder for a node: %w", err)
	}
	n, err := open(ctx, config)
	if err != nil {
		return err
	}
	return closed(n, f(n))
}

// closed stops a node after what was done with it, and joins what went wrong.
func closed(n *node, err error) error { return errors.Join(err, n.close()) }

// stream is the name that a log has where nothing else is said.
const stream = "SUNDIAL_EVENTS"
