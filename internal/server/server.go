// Package server is the running program: it opens every part in order on a data directory, serves, and closes the parts
// in reverse. The verbs serve and demo start it, and so do bench and the tests.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/api"
	"sundial/internal/datadir"
	"sundial/internal/natsd"
	"sundial/internal/pause"
	"sundial/internal/vault"
	"sundial/scheduler"
)

const (
	// shutdownGrace is how long requests under way may still take once the server was asked to end.
	shutdownGrace = 10 * time.Second

	// clusterPatience is how long a cluster may take to answer at the start: three nodes that start at the same time agree
	// within some seconds.
	clusterPatience = time.Minute

	// spaceEvery is how often it is looked whether a full disk has room again, or a read-only one can be written: serving
	// goes on within 10 s of that.
	spaceEvery = 500 * time.Millisecond

	// Between two tries to open a new instance; each is logged.
	minBackoff = time.Second
	maxBackoff = 15 * time.Second
)

// Server is the engine as a process runs it: one data directory, one HTTP listener, and behind them one instance of the
// engine after another. An instance ends with the server, or when its NATS server got stuck on a full disk, which it does
// not come back from by itself; HTTP goes on answering meanwhile.
type Server struct {
	Config Config

	dir      *directory
	listener net.Listener
	http     *http.Server
	gate     gate
	socket   *maintenance
	natsURL  string // of the first instance; the later ones listen there too

	stop       context.CancelFunc
	background sync.WaitGroup
	ended      chan error // a reason to end that came from inside
}

// New prepares a server; nothing is touched before Start. The Config is one that its maker has checked.
func New(config Config) *Server {
	return &Server{Config: config, ended: make(chan error, 1)}
}

// Start starts everything, and returns once it serves. The context bounds the start alone.
func (s *Server) Start(ctx context.Context) (err error) {
	if s.Config.Logger == nil {
		s.Config.Logger = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.dir, err = openDirectory(s.Config.Dir, s.Config.Logger); err != nil {
		return err
	}
	// Taken before the engine is started, so that a port in use is reported at once.
	if s.listener, err = net.Listen("tcp", s.Config.Listen); err != nil {
		return fmt.Errorf("%w\n  fix: free the port, or name another with --listen (port 0 for any free one)", err)
	}
	first, err := s.first(ctx)
	if err != nil {
		return err
	}
	if s.natsURL = first.natsURL; first.natsListen != "" {
		s.Config.NATSListen = first.natsListen
	}
	s.gate.serve(first.handler)

	s.http = api.Server(&s.gate, s.Config.TLS, s.Config.Logger)
	listener := api.NewConnections(s.Config.ConnectionsPerAddress, s.Config.ConnectionsPerToken).Listen(s.listener)
	s.background.Go(func() {
		var err error
		if s.Config.TLS != nil {
			err = s.http.ServeTLS(listener, "", "")
		} else {
			err = s.http.Serve(listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			s.end(fmt.Errorf("serving HTTP: %w", err))
		}
	})
	s.socket = s.openMaintenance()
	s.socket.attend(first)

	running, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.background.Go(func() { s.keepServing(running, first) })
	return nil
}

// first opens the first instance. A cluster that starts at the same time is waited for.
func (s *Server) first(ctx context.Context) (*instance, error) {
	for deadline := time.Now().Add(clusterPatience); ; { //nolint:forbidigo // measures a duration
		l, err := openInstance(ctx, &s.Config, s.dir)
		if err == nil || s.Config.Outside == nil || !away(err) || time.Now().After(deadline) || ctx.Err() != nil { //nolint:forbidigo // measures a duration
			return l, err
		}
		s.Config.Logger.Warn("the NATS cluster does not answer yet; trying again", "error", err, "in", minBackoff)
		pause.For(ctx, minBackoff)
	}
}

// away tells whether an error only says that a cluster does not answer, or not yet.
func away(err error) bool {
	var answer *jetstream.APIError
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, eventstore.ErrSystemConnection) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, vault.ErrUnavailable) || errors.As(err, &answer) && answer.Code == http.StatusServiceUnavailable
}

// HTTPURL is where the API is reached, with the port it really has.
func (s *Server) HTTPURL() string { return s.Config.httpURL(s.listener) }

// NATSURL is where NATS clients connect, with the port it really has.
func (s *Server) NATSURL() string { return s.natsURL }

// Ended gives a reason for which the server cannot go on, if there comes to be one.
func (s *Server) Ended() <-chan error { return s.ended }

func (s *Server) end(err error) {
	select {
	case s.ended <- err:
	default: // one reason is enough
	}
}

// Close takes no more requests, lets those under way finish, ends the engine's parts one after another and gives the
// directory up.
func (s *Server) Close() error {
	var err error
	if s.http != nil {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
		defer cancel()
		if err = s.http.Shutdown(ctx); err != nil {
			err = errors.Join(fmt.Errorf("requests were still under way after %s: %w", shutdownGrace, err), s.http.Close())
		}
	} else if s.listener != nil {
		s.listener.Close()
	}
	s.socket.Close()
	if s.stop != nil {
		s.stop()
	}
	s.background.Wait()
	if s.dir != nil {
		s.dir.Close()
	}
	return err
}

// keepServing sees to it that there is an instance of the engine until the context ends, and then closes it.
func (s *Server) keepServing(ctx context.Context, l *instance) {
	for {
		why := l.watch(ctx)
		if why == nil { // the server ends
			s.retire(l, "The server is being stopped.")
			return
		}
		if l.store.Err() != nil {
			// What is projected stays readable; a new instance would only meet the same.
			s.Config.Logger.Error("what is stored does not fit together: commands are refused until a person has looked, reads go on", "error", why)
			s.gate.freeze()
			l.stopWriting()
			<-ctx.Done()
			s.retire(l, "The server is being stopped.")
			return
		}
		s.Config.Logger.Error("the engine is started anew inside the process", "because", why)
		if l = s.renew(ctx, l); l == nil {
			return
		}
	}
}

// retire closes an instance after its requests.
func (s *Server) retire(l *instance, why string) {
	s.socket.attend(nil)
	s.gate.pause(why)
	l.close()
}

// renew closes an instance and opens another, however often that takes; nil when the context ended first.
func (s *Server) renew(ctx context.Context, old *instance) *instance {
	// While nothing can be written the old instance still reads; what it cannot write it refuses at once.
	for said := false; ; said = true {
		err := cmp.Or(old.space(), s.dir.unwritable())
		if err == nil {
			break
		}
		if !said {
			s.Config.Logger.Error("commands are refused until it can be written again, reads go on", "error", err)
		}
		if !pause.For(ctx, spaceEvery) {
			break
		}
	}
	acknowledged := old.log.Acknowledged()
	s.retire(old, "The engine is being started anew; nothing was written.")
	for backoff := minBackoff; ctx.Err() == nil; backoff = min(2*backoff, maxBackoff) {
		l, err := s.open(ctx, acknowledged)
		if err == nil {
			s.gate.serve(l.handler)
			s.socket.attend(l)
			s.Config.Logger.Info("the engine serves again")
			return l
		}
		if Damaged(err) {
			s.end(err)
			return nil
		}
		s.Config.Logger.Error("the engine cannot start; trying again", "error", err, "in", backoff)
		pause.For(ctx, backoff)
	}
	return nil
}

// Damaged tells whether what is kept is not whole: a person has to look before anything is started on this log again.
func Damaged(err error) bool {
	return errors.As(err, new(*eventstore.CorruptError)) || errors.As(err, new(*eventstore.GapError)) || errors.Is(err, eventstore.ErrMissing) ||
		errors.As(err, new(*datadir.DamageError)) || errors.As(err, new(*natsd.RecoveryError)) || errors.As(err, new(*WaitError)) ||
		errors.Is(err, scheduler.ErrClockDamaged)
}

// open opens an instance on a log that must not be shorter than what this process has acknowledged.
func (s *Server) open(ctx context.Context, acknowledged uint64) (*instance, error) {
	l, err := openInstance(ctx, &s.Config, s.dir)
	if err != nil {
		return nil, err
	}
	head, err := l.log.Head(ctx)
	if err == nil && head < acknowledged {
		err = &eventstore.CorruptError{
			Problem: fmt.Sprintf("it ends at sequence %d, but %d was acknowledged", head, acknowledged),
			Advice:  "stop, keep a copy of the data directory, restore the log from the latest backup",
		}
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}
