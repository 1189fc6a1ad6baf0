package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/auth"
	"sundial/internal/natsd"
	"sundial/projections"
)

const (
	// connectTimeout bounds the first connection to an outside cluster.
	connectTimeout = 5 * time.Second

	// tokensPatience is how long a NATS client that connects while the program starts is kept waiting for the tokens to
	// be read; the server itself waits not much longer.
	tokensPatience = 2 * time.Second
)

// logLife is an open log with the NATS server that holds it, embedded or not.
type logLife struct {
	config *Config
	dir    *directory

	server     *natsd.Server // nil: outside
	natsURL    string
	natsListen string // where the embedded server listens, with the port it really has

	nc  *nats.Conn
	js  jetstream.JetStream
	log *eventstore.Log

	tokens atomic.Pointer[auth.Store] // judges NATS clients, once it is there
	known  chan struct{}              // closed when it is

	ending []func() // what was opened, to be closed in reverse
}

// openLog starts or reaches the NATS server and opens the directory's log.
func openLog(ctx context.Context, config *Config, dir *directory) (_ *logLife, err error) {
	l := &logLife{config: config, dir: dir, known: make(chan struct{})}
	defer func() {
		if err != nil {
			l.close()
		}
	}()
	logConfig := eventstore.Config{Replicas: config.Replicas}
	if config.Outside == nil {
		if err := l.embed(); err != nil {
			return nil, err
		}
		logConfig.Space, logConfig.Failed = l.server.Space, l.server.Failed
	} else if err := l.reach(ctx); err != nil {
		return nil, err
	}
	l.onClose(l.nc.Close)
	if l.js, err = jetstream.New(l.nc); err != nil {
		return nil, fmt.Errorf("JetStream: %w", err)
	}
	if l.log, err = dir.openLog(ctx, l.nc, logConfig); err != nil {
		return nil, err
	}
	l.onClose(func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
		defer cancel()
		if err := l.log.Close(ctx); err != nil {
			config.Logger.Error("closing the log", "error", err)
		}
	})
	return l, nil
}

// embed starts the embedded server. What was sent to it is on disk when it is acknowledged.
func (l *logLife) embed() (err error) {
	answered, discovered, heard := auth.Doors()
	l.server, err = natsd.Start(natsd.Config{
		Dir: l.dir.file(natsDir), Listen: l.config.NATSListen, TLS: l.config.TLS,
		Authenticate: l.authenticate,
		Doors:        natsd.Doors{Answered: answered, Discovered: discovered, Heard: heard},
		Reserved:     []string{"events.>", "$KV.>"},
		Logger:       l.config.Logger,
	})
	if err != nil {
		return err
	}
	l.onClose(l.server.Shutdown)
	if l.natsURL = l.server.ClientURL(); l.natsURL != "" {
		_, l.natsListen, _ = strings.Cut(l.natsURL, "://")
	}
	l.nc, err = l.server.Connect(nats.Name("sundial"))
	return err
}

// authenticate judges a NATS client by its token, shown as a token or as a password.
func (l *logLife) authenticate(c natsd.Credentials) (natsd.Permissions, bool) {
	select {
	case <-l.known:
	case <-time.After(tokensPatience):
		return natsd.Permissions{}, false
	}
	secret := c.Token
	if secret == "" {
		secret = c.Password
	}
	who, err := l.tokens.Load().Authenticate(secret)
	if err != nil {
		return natsd.Permissions{}, false
	}
	grants := auth.GrantsOf(who)
	return natsd.Permissions{
		User:      who.TokenID,
		Publish:   natsd.Subjects{Allow: grants.Publish},
		Subscribe: natsd.Subjects{Allow: grants.Subscribe},
	}, true
}

// admit lets NATS clients in by these tokens.
func (l *logLife) admit(tokens *auth.Store) {
	l.tokens.Store(tokens)
	close(l.known)
}

// disconnect ends the NATS connections of a token that has stopped to work.
func (l *logLife) disconnect(tokenID string) {
	if l.server == nil {
		return
	}
	if _, err := l.server.Disconnect(tokenID); err != nil {
		l.config.Logger.Error("a token's connections could not be closed", "token", tokenID, "error", err)
	}
}

// reach connects to an outside cluster, whose servers must sync.
func (l *logLife) reach(ctx context.Context) (err error) {
	o := l.config.Outside
	l.natsURL = o.URL
	options := []nats.Option{
		nats.Name("sundial"), nats.Timeout(connectTimeout), nats.MaxReconnects(-1),
		// An outcome that is not known must not be made worse by publishing again behind the caller's back.
		nats.ReconnectBufSize(-1),
	}
	with := func(creds string) []nats.Option {
		if creds == "" {
			return options
		}
		return append(options[:len(options):len(options)], nats.UserCredentials(creds))
	}
	if o.SystemCreds != "" {
		system, err := nats.Connect(o.URL, with(o.SystemCreds)...)
		if err != nil {
			return fmt.Errorf("connecting to %s with --nats-system-creds: %w", hosts(o.URL), err)
		}
		defer system.Close()
		if err := eventstore.CheckSyncAlways(ctx, system); err != nil {
			return err
		}
	}
	if l.nc, err = nats.Connect(o.URL, with(o.Creds)...); err != nil {
		return fmt.Errorf("connecting to %s: %w", hosts(o.URL), err)
	}
	return nil
}

// projections says where those of this log are.
func (l *logLife) projections() projections.Config {
	return projections.Config{Dir: l.dir.path, Log: l.log, Logger: l.config.Logger}
}

// check compares what is served with the whole log.
func (l *logLife) check(ctx context.Context, progress func(done, total uint64)) ([]projections.Difference, error) {
	return projections.Check(ctx, l.projections(), progress)
}

// node names this node in leases: the same after a restart, another for another directory.
func (l *logLife) node() string {
	host, err := os.Hostname()
	if err != nil {
		host = "sundial"
	}
	sum := sha256.Sum256([]byte(l.dir.path))
	return host + "-" + hex.EncodeToString(sum[:4])
}

func (l *logLife) onClose(f func()) { l.ending = append(l.ending, f) }

// close closes what was opened, in reverse.
func (l *logLife) close() { l.closeTo(0) }

// closeTo closes what was opened after the first so many things.
func (l *logLife) closeTo(mark int) {
	for len(l.ending) > mark {
		last := len(l.ending) - 1
		f := l.ending[last]
		l.ending = l.ending[:last]
		f()
	}
}

// space is nil while the disk has room, and where it is not ours to watch.
func (l *logLife) space() error {
	if l.server == nil {
		return nil
	}
	return l.server.Space()
}

// failed is closed once the embedded server cannot write any more; nil where there is none.
func (l *logLife) failed() <-chan struct{} {
	if l.server == nil {
		return nil
	}
	return l.server.Failed()
}

// failure says why.
func (l *logLife) failure() error {
	if err := l.server.Failure(); err != nil {
		return err
	}
	return errors.New("the NATS server cannot write")
}
