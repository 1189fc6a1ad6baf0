package main

import (
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
	"sundial/internal/vault"
)

const (
	// shutdownGrace is how long requests under way may still take once the program was asked to end.
	shutdownGrace = 10 * time.Second

	// clusterPatience is how long a cluster may take to answer at the start: three nodes that start at the same time agree
	// within some seconds.
	clusterPatience = time.Minute

	// spaceEvery is how often it is looked whether a full disk has room again: serving goes on within 10 s of that.
	spaceEvery = 500 * time.Millisecond

	// Between two tries to begin a new life; each is logged.
	minBackoff = time.Second
	maxBackoff = 15 * time.Second
)

// Program is the engine as a process runs it: one data directory, one HTTP listener, and behind them one life of the
// engine after another. A life ends with the program, or when its NATS server got stuck on a full disk, which it does
// not come back from by itself; HTTP goes on answering meanwhile.
type Program struct {
	Config Config

	dir      *directory
	listener net.Listener
	server   *http.Server
	front    front
	control  *control
	natsURL  string // of the first life; the later ones listen there too

	stop       context.CancelFunc
	background sync.WaitGroup
	ended      chan error // a reason to end that came from inside
}

// NewProgram prepares a program; nothing is touched before Start.
func NewProgram(config Config) *Program {
	return &Program{Config: config, ended: make(chan error, 1)}
}

// Start starts everything, and returns once it serves. The context bounds the start alone.
func (p *Program) Start(ctx context.Context) (err error) {
	if err := p.Config.check(); err != nil {
		return err
	}
	if p.Config.Logger == nil {
		p.Config.Logger = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if p.dir, err = openDirectory(p.Config.Dir); err != nil {
		return err
	}
	// Taken before the engine is started, so that a port in use is told at once.
	if p.listener, err = net.Listen("tcp", p.Config.Listen); err != nil {
		return fmt.Errorf("%w\n  fix: free the port, or name another with --listen (port 0 for any free one)", err)
	}
	first, err := p.first(ctx)
	if err != nil {
		return err
	}
	if p.natsURL = first.natsURL; first.natsListen != "" {
		p.Config.NATSListen = first.natsListen
	}
	p.front.serve(first.handler)

	p.server = api.Server(&p.front, p.Config.TLS, p.Config.Logger)
	p.background.Go(func() {
		var err error
		if p.Config.TLS != nil {
			err = p.server.ServeTLS(p.listener, "", "")
		} else {
			err = p.server.Serve(p.listener)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			p.end(fmt.Errorf("serving HTTP: %w", err))
		}
	})
	p.control = p.openControl()
	p.control.attend(first)

	lives, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.background.Go(func() { p.live(lives, first) })
	return nil
}

// first begins the first life. A cluster that starts at the same time is waited for.
func (p *Program) first(ctx context.Context) (*engineLife, error) {
	for deadline := time.Now().Add(clusterPatience); ; {
		l, err := openEngine(ctx, &p.Config, p.dir)
		if err == nil || p.Config.Outside == nil || !away(err) || time.Now().After(deadline) || ctx.Err() != nil {
			return l, err
		}
		p.Config.Logger.Warn("the NATS cluster does not answer yet; trying again", "error", err, "in", minBackoff)
		sleep(ctx, minBackoff)
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
func (p *Program) HTTPURL() string { return p.Config.httpURL(p.listener) }

// NATSURL is where NATS clients connect, with the port it really has.
func (p *Program) NATSURL() string { return p.natsURL }

// Ended gives a reason for which the program cannot go on, if there comes to be one.
func (p *Program) Ended() <-chan error { return p.ended }

func (p *Program) end(err error) {
	select {
	case p.ended <- err:
	default: // one reason is enough
	}
}

// Close takes no more requests, lets those under way finish, ends the engine's parts one after another and gives the
// directory up.
func (p *Program) Close() error {
	var err error
	if p.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace)
		defer cancel()
		if err = p.server.Shutdown(ctx); err != nil {
			err = errors.Join(fmt.Errorf("requests were still under way after %s: %w", shutdownGrace, err), p.server.Close())
		}
	} else if p.listener != nil {
		p.listener.Close()
	}
	p.control.Close()
	if p.stop != nil {
		p.stop()
	}
	p.background.Wait()
	if p.dir != nil {
		p.dir.Close()
	}
	return err
}

// live sees to it that there is a life of the engine until the context ends, and then ends it.
func (p *Program) live(ctx context.Context, l *engineLife) {
	for {
		why := l.watch(ctx)
		if why == nil { // the program ends
			p.retire(l, "The server is being stopped.")
			return
		}
		if l.store.Err() != nil {
			// What is projected stays readable; a new life would only meet the same.
			p.Config.Logger.Error("what is stored does not fit together: commands are refused until a person has looked, reads go on", "error", why)
			p.front.freeze()
			l.stopWriting()
			<-ctx.Done()
			p.retire(l, "The server is being stopped.")
			return
		}
		p.Config.Logger.Error("the engine is started anew inside the process", "because", why)
		if l = p.renew(ctx, l); l == nil {
			return
		}
	}
}

// retire ends a life after its requests.
func (p *Program) retire(l *engineLife, why string) {
	p.control.attend(nil)
	p.front.pause(why)
	l.close()
}

// renew ends a life and begins another, however often that takes; nil when the context ended first.
func (p *Program) renew(ctx context.Context, old *engineLife) *engineLife {
	// While the disk is full the old life still reads; what it cannot write it refuses at once.
	for old.space() != nil && sleep(ctx, spaceEvery) {
	}
	acknowledged := old.log.Acknowledged()
	p.retire(old, "The engine is being started anew; nothing was written.")
	for backoff := minBackoff; ctx.Err() == nil; backoff = min(2*backoff, maxBackoff) {
		l, err := p.open(ctx, acknowledged)
		if err == nil {
			p.front.serve(l.handler)
			p.control.attend(l)
			p.Config.Logger.Info("the engine serves again")
			return l
		}
		if corrupt(err) {
			p.end(err)
			return nil
		}
		p.Config.Logger.Error("the engine cannot start; trying again", "error", err, "in", backoff)
		sleep(ctx, backoff)
	}
	return nil
}

// corrupt tells whether a person has to look before anything is started on this log again.
func corrupt(err error) bool {
	var c *eventstore.CorruptError
	return errors.As(err, &c) || errors.Is(err, eventstore.ErrMissing)
}

// open begins a life on a log that must not be shorter than what this process has acknowledged.
func (p *Program) open(ctx context.Context, acknowledged uint64) (*engineLife, error) {
	l, err := openEngine(ctx, &p.Config, p.dir)
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

// sleep tells whether it slept through.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
