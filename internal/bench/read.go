package bench

import (
	"bufio"
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sundial/internal/api"
	"sundial/internal/archive"
	"sundial/internal/auth"
	"sundial/internal/engine"
	"sundial/internal/ingest"
	"sundial/internal/query"
	"sundial/internal/secrets"
	"sundial/internal/timetravel"
	"sundial/internal/vault"
	"sundial/scheduler"
)

const (
	// readTenants is how many accounts have apps that are read, more than any cache of the projections holds.
	readTenants = 4000

	// connections is how many clients ask at once, each on a connection that it keeps.
	connections = 64
)

// read holds an app read over HTTP against a bare handler of the same server that answers with as many bytes.
func read(ctx context.Context, r *run) (result Result, err error) {
	err = during(ctx, r.dir, wall, func(n *node) error {
		all := tenants(r.many(readTenants))
		if err := n.seed(ctx, len(all), n.engine.Now(), func(i int) iter.Seq[engine.Request] { return history(i, n.engine.Now()) }); err != nil {
			return err
		}
		s, err := n.serve(ctx, r)
		if err != nil {
			return err
		}
		defer s.close()
		apps := len(all) * appsEach
		path := func() string { return "/v1/apps/" + strconv.Itoa(int(firstApp)+rand.IntN(apps)) }
		sample, err := s.get(ctx, path())
		if err != nil {
			return err
		}
		s.body = sample
		result, err = r.compare(ctx, r.turns, s.asking(path), s.asking(func() string { return barePath }))
		return err
	})
	return result, err
}

// barePath is where the bare handler is.
const barePath = "/bare"

// served is a node behind HTTP.
type served struct {
	server  *http.Server
	address string
	token   string
	body    []byte // of the bare handler
	archive *archive.Archive
	closers []func()
}

// serve puts the API of the program before a node, and the bare handler beside it.
func (n *node) serve(ctx context.Context, r *run) (_ *served, err error) {
	s := &served{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	tokens, err := auth.Open(ctx, n.js, auth.Config{Now: wall})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, tokens.Close)
	if _, s.token, err = tokens.Create(ctx, auth.NewToken{Role: auth.Auditor, Name: "bench"}); err != nil {
		return nil, err
	}
	intake, err := ingest.Open(ctx, ingest.Config{JetStream: n.js, Engine: n.engine, Alone: true})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, intake.Close)
	sweeps, err := scheduler.New(ctx, scheduler.Config{Engine: n.engine, Store: n.store, Clock: scheduler.System{}, JetStream: n.js})
	if err != nil {
		return nil, err
	}
	root, err := vault.CreateRootFile(filepath.Join(r.dir, "root.key"))
	if err != nil {
		return nil, err
	}
	keys, err := vault.Open(ctx, vault.Config{JetStream: n.js, Roots: []vault.Root{root}})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, keys.Close)
	copied, err := archive.Open(archive.Config{Dir: filepath.Join(n.dir, "archive"), Log: n.log})
	if err != nil {
		return nil, err
	}
	s.archive = copied
	copying, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() { _ = copied.Run(copying) }) // it ends with its context
	s.closers = append(s.closers, func() {
		stop()
		work.Wait()
		_ = copied.Close() // it is thrown away
	})
	past, err := timetravel.New(timetravel.Config{
		Log: n.log, Archive: copied, Store: n.store, Policy: n.engine.Policy(), Now: wall,
	})
	if err != nil {
		return nil, err
	}
	reader, err := query.New(n.log, n.store)
	if err != nil {
		return nil, err
	}
	handler, err := api.New(api.Config{
		Secrets: secrets.New(secrets.Config{Engine: n.engine, Store: n.store, Vault: keys, Random: cryptorand.Reader}),
		Past:    past, Query: reader,
		Engine: n.engine, Store: n.store, Intake: intake, Scheduler: sweeps, Tokens: tokens, Head: n.log.Head,
		Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		return nil, err
	}
	var before http.Handler = handler
	if r.Front != nil {
		before = r.Front(handler)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	s.address = listener.Addr().String()
	s.server = api.Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == barePath {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(s.body) // a client that is gone is no error of ours
			return
		}
		before.ServeHTTP(w, r)
	}), nil, nil)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.server.Serve(listener) }) // it ends with ErrServerClosed
	s.closers = append(s.closers, func() {
		_ = s.server.Close() // closes connections of ours
		serving.Wait()
	})
	return s, nil
}

func (s *served) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
}

// get reads a path once.
func (s *served) get(ctx context.Context, path string) ([]byte, error) {
	c, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	if err := c.get(path); err != nil {
		return nil, err
	}
	return bytes.Clone(c.body), nil
}

// asking is a client on each connection that asks for one path after another.
func (s *served) asking(path func() string) side {
	return func(ctx context.Context, slot time.Duration) (_ float64, err error) {
		clients := make([]*client, connections)
		for i := range clients {
			if clients[i], err = s.dial(ctx); err != nil {
				return 0, err
			}
			defer clients[i].conn.Close()
		}
		return load(ctx, connections, slot, func(_ context.Context, writer int) error { return clients[writer].get(path()) })
	}
}

// client is a client of HTTP that does little more than to read: it shares the processors with the server, and what it
// takes is missing on both sides of the ratio.
type client struct {
	conn    net.Conn
	reader  *bufio.Reader
	request []byte
	rest    string // of a request behind the path
	body    []byte
}

func (s *served) dial(ctx context.Context) (*client, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return &client{
		conn: conn, reader: bufio.NewReaderSize(conn, 16<<10),
		rest: " HTTP/1.1\r\nHost: " + s.address + "\r\nAuthorization: Bearer " + s.token + "\r\nAccept: application/json\r\n\r\n",
	}, nil
}

// get asks for a path and reads the answer.
func (c *client) get(path string) error {
	c.request = append(append(append(c.request[:0], "GET "...), path...), c.rest...)
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	length, line := 0, 0
	for ; ; line++ {
		header, err := c.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		if line == 0 && !bytes.HasPrefix(header, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("GET %s was answered %q", path, header)
		}
		if len(header) == 2 {
			break
		}
		if name, value, _ := bytes.Cut(header, []byte(": ")); string(name) == "Content-Length" {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if length == 0 {
		return errors.New("an answer without a length")
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	_, err := io.ReadFull(c.reader, c.body)
	return err
}
