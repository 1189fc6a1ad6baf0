package api

import (
	"context"
	"net"
	"sync"
)

const (
	// maxConnections bounds all connections: with its buffers, and TLS, one takes some 50 kB.
	maxConnections = 8192

	// overflow is how many connections beyond its limit an address may have for a moment, so that it is told what is wrong
	// by an answer. What comes on top is closed at once.
	overflow = 16
)

// Connections bounds the connections of clients: of an address before anything is known of them, and of a token by those that show
// it. Behind a proxy all have one address, and a connection counts for the token that it showed last.
type Connections struct {
	perAddress, perToken int

	mu        sync.Mutex
	all       int
	addresses map[string]int
	tokens    map[string]int
}

// NewConnections makes the counts of a server; 0 is no limit.
func NewConnections(perAddress, perToken int) *Connections {
	return &Connections{perAddress: perAddress, perToken: perToken, addresses: map[string]int{}, tokens: map[string]int{}}
}

// Listen gives a listener whose connections are counted. Those beyond the limit of their address are closed.
func (c *Connections) Listen(l net.Listener) net.Listener { return &counted{l, c} }

type counted struct {
	net.Listener
	count *Connections
}

// Accept gives the next connection for which there is room.
func (l *counted) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if one := l.count.opened(raw); one != nil {
			return one, nil
		}
		raw.Close()
	}
}

// connection is one that is counted.
type connection struct {
	net.Conn
	count   *Connections
	address string
	over    bool // its address has too many: it is told so and ends
	token   string
	closing sync.Once
}

// opened counts a connection in; nil if there is no room for it.
func (c *Connections) opened(raw net.Conn) *connection {
	address := hostOf(raw.RemoteAddr().String())
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.addresses[address]
	if c.all >= maxConnections || c.perAddress > 0 && n >= c.perAddress+overflow {
		return nil
	}
	c.all++
	c.addresses[address]++
	return &connection{Conn: raw, count: c, address: address, over: c.perAddress > 0 && n >= c.perAddress}
}

// Close counts the connection out.
func (one *connection) Close() error {
	one.closing.Do(func() {
		c := one.count
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all--
		less(c.addresses, one.address)
		if one.token != "" {
			less(c.tokens, one.token)
		}
		one.token = ""
	})
	return one.Conn.Close()
}

// CloseWrite says that nothing more will be written, so that what was is read before the connection ends.
func (one *connection) CloseWrite() error {
	if half, is := one.Conn.(interface{ CloseWrite() error }); is {
		return half.CloseWrite()
	}
	return nil
}

// shows counts the connection for a token from now on; false if that has too many.
func (one *connection) shows(token string) bool {
	c := one.count
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case one.token == token:
		return true
	case c.perToken > 0 && c.tokens[token] >= c.perToken:
		return false
	}
	if one.token != "" {
		less(c.tokens, one.token)
	}
	c.tokens[token]++
	one.token = token
	return true
}

func less(counts map[string]int, name string) {
	if counts[name]--; counts[name] <= 0 {
		delete(counts, name)
	}
}

// hostOf leaves the port out of an address.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return host
}

// connectionKey is where a request's context holds its connection.
type connectionKey struct{}

// counting puts connections where their requests find them.
func counting(ctx context.Context, conn net.Conn) context.Context {
	if secured, is := conn.(interface{ NetConn() net.Conn }); is { // TLS
		conn = secured.NetConn()
	}
	if one, is := conn.(*connection); is {
		return context.WithValue(ctx, connectionKey{}, one)
	}
	return ctx
}

// showsToken counts a request's connection for a token; false if that has too many.
func showsToken(ctx context.Context, token string) bool {
	one, is := ctx.Value(connectionKey{}).(*connection)
	return !is || one.shows(token)
}

// overConnected tells whether a request came on a connection that its address may not have.
func (x *call) overConnected() bool {
	one, is := x.r.Context().Value(connectionKey{}).(*connection)
	return is && one.over
}
