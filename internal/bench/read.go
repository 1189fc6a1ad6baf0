package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"sundial/internal/api"
	"sundial/internal/auth"
	"sundial/internal/engine"
)

const (
	// readTenants is how many accounts have apps that are read, more than any cache of the projections holds.
	readTenants = 4000

	// connections is how many clients ask at once, each on a connection that it keeps.
	connections = 64
)

// read holds an app read over HTTP against a bare handler of a like server that answers with as many bytes.
func read(ctx context.Context, r *run) (result Result, err error) {
	err = during(ctx, nodeConfig(r.dir), func(n *node) error {
		all := tenants(r.many(readTenants))
		if err := n.seed(ctx, len(all), n.Engine.Now(), func(i int) iter.Seq[engine.Request] { return history(i, n.Engine.Now()) }); err != nil {
			return err
		}
		s, err := n.serve(ctx)
		if err != nil {
			return err
		}
		apps := len(all) * appsEach
		path := func() string { return "/v1/apps/" + strconv.Itoa(int(firstApp)+rand.IntN(apps)) }
		sample, err := s.get(ctx, path())
		if err != nil {
			return err
		}
		bare, stop, err := serveBare(sample, s.token)
		if err != nil {
			return err
		}
		defer stop()
		result, err = r.compare(ctx, r.turns, s.asking(path), bare.asking(func() string { return barePath }))
		return err
	})
	return result, err
}

// barePath is what the bare handler is asked for.
const barePath = "/bare"

// served is where clients ask, with what token.
type served struct{ address, token string }

// serve gives a token for the node's API.
func (n *node) serve(ctx context.Context) (*served, error) {
	_, token, err := n.Tokens.Create(ctx, auth.NewToken{Role: auth.Auditor, Name: "bench"})
	if err != nil {
		return nil, err
	}
	return &served{address: strings.TrimPrefix(n.server.HTTPURL(), "http://"), token: token}, nil
}

// serveBare answers every request with a body, through an HTTP server like the node's. Its clients send a token, which it does not look at.
func serveBare(body []byte, token string) (_ *served, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, fmt.Errorf("listening: %w", err)
	}
	bare := api.Server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body) // a client that is gone is no error of ours
	}), nil, nil)
	var serving sync.WaitGroup
	serving.Go(func() { _ = bare.Serve(listener) }) // it ends with ErrServerClosed
	return &served{address: listener.Addr().String(), token: token}, func() {
		_ = bare.Close() // closes connections of ours
		serving.Wait()
	}, nil
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
