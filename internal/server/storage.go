package server

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
	"sundial/internal/datadir"
	"sundial/internal/natsd"
	"sundial/projections"
)

const (
	// connectTimeout bounds the first connection to an outside cluster.
	connectTimeout = 5 * time.Second

	// tokensPatience is how long a NATS client that connects while the server starts is kept waiting for the tokens to
	// be read; the server itself waits not much longer.
	tokensPatience = 2 * time.Second
)

// storage is an open log with the NATS server that holds it, embedded or not.
type storage struct {
	config *Config
	dir    *directory

	server     *natsd.Server // nil: outside
	natsURL    string
	natsListen string // where the embedded server listens, with the port it really has

	nc  *nats.Conn
	js  jetstream.JetStream
	log *eventstore.Log

	logConfig eventstore.Config
	marks     *datadir.Marks

	tokens atomic.Pointer[auth.Store] // judges NATS clients, once it is there
	known  chan struct{}              // closed when it is

	ending []func() // what was opened, to be closed in reverse
}

// openStorage starts or reaches the NATS server, opens the directory's log, and holds every stream against what is known of it.
func openStorage(ctx context.Context, config *Config, dir *directory) (*storage, error) {
	return openStorageAs(ctx, config, dir, false)
}

// openStorageAs is openStorage; restoring takes the streams as they are.
func openStorageAs(ctx context.Context, config *Config, dir *directory, restoring bool) (*storage, error) {
	s, err := connect(ctx, config, dir)
	if err != nil {
		return nil, err
	}
	if s.log, err = dir.openLog(ctx, s, restoring); err == nil {
		err = s.heldToMarks(ctx, restoring)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// heldToMarks holds every stream against its mark, and keeps the log until the storage is closed. The last marks are taken when that is.
func (s *storage) heldToMarks(ctx context.Context, restoring bool) error {
	err := s.openMarks(ctx, restoring)
	s.js = datadir.Marking{
		JetStream: datadir.Stamping{JetStream: s.js, Epochs: s.log.Epochs()},
		Marks:     s.marks, Server: s.serverName(), Streams: nowhereElse, Logger: s.config.Logger,
	}
	s.onClose(func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
		defer cancel()
		if err := s.log.Close(ctx); err != nil {
			s.config.Logger.Error("closing the log", "error", err)
		}
	})
	return err
}

// connect starts or reaches the NATS server.
func connect(ctx context.Context, config *Config, dir *directory) (_ *storage, err error) {
	s := &storage{
		config: config, dir: dir, known: make(chan struct{}),
		logConfig: eventstore.Config{Replicas: config.Replicas},
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if config.Outside == nil {
		if err := s.embed(ctx); err != nil {
			return nil, s.advised(err)
		}
		s.logConfig.Space, s.logConfig.Failed = s.server.Space, s.server.Failed
	} else if err := s.reach(ctx); err != nil {
		return nil, err
	}
	s.onClose(s.nc.Close)
	if s.js, err = jetstream.New(s.nc); err != nil {
		return nil, fmt.Errorf("JetStream: %w", err)
	}
	return s, nil
}

// embed starts the embedded server. What was sent to it is on disk when it is acknowledged.
func (s *storage) embed(ctx context.Context) (err error) {
	if err := s.rehearse(ctx); err != nil {
		return err
	}
	answered, heard := auth.Doors()
	s.server, err = natsd.Start(natsd.Config{
		Dir: s.dir.file(NATSDir), Listen: s.config.NATSListen, TLS: s.config.TLS,
		Authenticate: s.authenticate,
		Doors:        natsd.Doors{Answered: answered, Heard: heard},
		Limits: natsd.Limits{
			ConnectionsPerAddress: s.config.ConnectionsPerAddress, ConnectionsPerToken: s.config.ConnectionsPerToken,
		},
		Reserved:  []string{"events.>", "$KV.>"},
		Worthless: worthless,
		Logger:    s.config.Logger,
	})
	if err != nil {
		return err
	}
	s.onClose(s.server.Shutdown)
	if s.natsURL = s.server.ClientURL(); s.natsURL != "" {
		_, s.natsListen, _ = strings.Cut(s.natsURL, "://")
	}
	s.nc, err = s.server.Connect(nats.Name("sundial"))
	return err
}

// authenticate judges a NATS client by its token, shown as a token or as a password.
func (s *storage) authenticate(c natsd.Credentials) (natsd.Permissions, bool) {
	select {
	case <-s.known:
	case <-time.After(tokensPatience):
		return natsd.Permissions{}, false
	}
	secret := c.Token
	if secret == "" {
		secret = c.Password
	}
	who, err := s.tokens.Load().Authenticate(secret)
	if err != nil {
		return natsd.Permissions{}, false
	}
	grants := auth.GrantsOf(who)
	return natsd.Permissions{
		User:      who.TokenID,
		Publish:   natsd.Subjects{Allow: grants.Publish},
		Subscribe: natsd.Subjects{Allow: grants.Subscribe},
		Rate:      grants.Rate,
	}, true
}

// admit lets NATS clients in by these tokens.
func (s *storage) admit(tokens *auth.Store) {
	s.tokens.Store(tokens)
	close(s.known)
}

// disconnect ends the NATS connections of a token that has stopped to work.
func (s *storage) disconnect(tokenID string) {
	if s.server != nil {
		s.server.Disconnect(tokenID)
	}
}

// reach connects to an outside cluster, whose servers must sync.
func (s *storage) reach(ctx context.Context) (err error) {
	o := s.config.Outside
	s.natsURL = o.URL
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
	if s.nc, err = nats.Connect(o.URL, with(o.Creds)...); err != nil {
		return fmt.Errorf("connecting to %s: %w", hosts(o.URL), err)
	}
	return nil
}

// projections says where those of this log are.
func (s *storage) projections() projections.Config {
	return projections.Config{Dir: s.dir.path, Log: s.log, Logger: s.config.Logger}
}

// check compares what is served with the whole log.
func (s *storage) check(ctx context.Context, progress func(done, total uint64)) ([]projections.Difference, error) {
	return projections.Check(ctx, s.projections(), progress)
}

// node names this node in leases: the same after a restart, another for another directory.
func (s *storage) node() string {
	host, err := os.Hostname()
	if err != nil {
		host = "sundial"
	}
	sum := sha256.Sum256([]byte(s.dir.path))
	return host + "-" + hex.EncodeToString(sum[:4])
}

func (s *storage) onClose(f func()) { s.ending = append(s.ending, f) }

// close closes what was opened, in reverse.
func (s *storage) close() { s.closeTo(0) }

// closeTo closes what was opened after the first so many things.
func (s *storage) closeTo(mark int) {
	for len(s.ending) > mark {
		last := len(s.ending) - 1
		f := s.ending[last]
		s.ending = s.ending[:last]
		f()
	}
}

// space is nil while the disk has room, and where it is not ours to watch.
func (s *storage) space() error {
	if s.server == nil {
		return nil
	}
	return s.server.Space()
}

// failed is closed once the embedded server cannot write any more; nil where there is none.
func (s *storage) failed() <-chan struct{} {
	if s.server == nil {
		return nil
	}
	return s.server.Failed()
}

// failure says why.
func (s *storage) failure() error {
	if err := s.server.Failure(); err != nil {
		return err
	}
	return errors.New("the NATS server cannot write")
}
