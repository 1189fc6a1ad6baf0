package natsd

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"sundial/internal/pause"
)

const (
	// maxConnections is how many clients may be connected: far above what a node's billing systems and consoles need,
	// far below what would exhaust its memory. One takes some 60 kB.
	maxConnections = 4096

	// maxStrangers bounds the connections that have not said yet who they are. The one that has hesitated longest
	// makes room for the next: who has a token shows it within milliseconds.
	maxStrangers = 512

	// closePatience is how long clients may take to read what was said last.
	closePatience = time.Second

	// maxRefusals bounds the connections beyond a limit that are told so at once, for at most refusalPatience each; the
	// others are closed without a word.
	maxRefusals     = 32
	refusalPatience = 500 * time.Millisecond

	// maxConnect bounds the line by which a client says who it is. The server's own limit on lines is the same.
	maxConnect = 4 << 10

	// DefaultRate is how many operations a second a token may send where Permissions do not say: more than the engine
	// takes, so that a loop gone wild is held back and nobody else.
	DefaultRate = 50_000

	// maxTokenMessages and maxMessages bound the messages that a token's connections, and all, have begun and not ended:
	// the server takes the memory for one when it begins. Further ones wait until others have ended.
	maxTokenMessages = 4 << 20
	maxMessages      = 128 << 20

	// systemBuffer is what the system may hold for a connection, each way, before the program reads or after it wrote; by
	// itself it would take megabytes. It is enough for some megabytes a second to the other end of the world.
	systemBuffer = 256 << 10

	// bytesForOperation is how much a token may be told for each operation that it may send: events of its own account
	// are fewer than its commands, and what goes beyond is the same told many times over. It waits, and counts as unread.
	bytesForOperation = 40 << 10
)

// Limits keep a client from taking connections from others; 0 is no limit.
type Limits struct {
	// ConnectionsPerAddress is how many there may be from one address, whoever they are: an IPv4 address, or the /64 of an
	// IPv6 address, which is what one customer of a network has.
	ConnectionsPerAddress int

	// ConnectionsPerToken is how many there may be that show the same token.
	ConnectionsPerToken int
}

// What a client is told before its connection is closed; libraries know these texts.
const (
	refusedConnections = "maximum connections exceeded"
	refusedOfToken     = "maximum account active connections exceeded"
	refusedToken       = "Authorization Violation"
	refusedLate        = "Authentication Timeout"
)

// front takes the connections of clients, and gives the server those that have shown a token: nobody else reaches it.
//
// The server's own listener would let anybody take all connections that it has, since it counts those that have not
// said who they are, and would hold as much for a client that does not read as for the program itself.
type front struct {
	server   *Server
	listener net.Listener
	config   *Config
	log      *slog.Logger

	ctx    context.Context // ends with the front
	cancel context.CancelFunc
	work   sync.WaitGroup

	refusals chan struct{} // a place for each connection that is being refused
	backlogs atomic.Int64  // bytes that wait for all clients
	messages *semaphore.Weighted

	mu        sync.Mutex // guards what follows
	addresses map[netip.Prefix]int
	strangers *list.List // of *visit, the oldest first
	guests    map[string]*guest
	admitted  int
	tickets   map[string]*visit // by the user name under which it is announced to the server
	cuts      int               // slow readers since this was last told
	told      time.Time         // when
}

// guest is everybody who showed the same token.
type guest struct {
	token   string
	visits  map[*visit]struct{}
	rate    *rate.Limiter
	backlog atomic.Int64

	messages *semaphore.Weighted
	told     *rate.Limiter // bytes
}

// listen opens the listener; whoever comes waits there until accept is called.
func listen(s *Server, address string) (*front, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("natsd: address to listen on: %w", err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("natsd: listening for clients: %w", err)
	}
	f := &front{
		server: s, listener: listener, config: &s.config, log: cmp.Or(s.config.Logger, slog.New(slog.DiscardHandler)),
		refusals: make(chan struct{}, maxRefusals), messages: semaphore.NewWeighted(maxMessages), addresses: map[netip.Prefix]int{}, strangers: list.New(), guests: map[string]*guest{}, tickets: map[string]*visit{},
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f, nil
}

// address is where it listens, with the port that it really has.
func (f *front) address() string {
	if got, ok := f.listener.Addr().(*net.TCPAddr); ok {
		return withPort(f.config.Listen, got)
	}
	return f.config.Listen
}

// close ends all connections and waits for that. Where the server has ended before, what it said last is still sent.
func (f *front) close() {
	f.listener.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		f.work.Wait()
	}()
	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	select {
	case <-sent:
	case <-patience.C:
	}
	f.cancel()
	<-sent
}

func (f *front) accept() {
	for {
		conn, err := f.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			// Out of files, say: what others give back is waited for.
			f.log.Warn("NATS: a client could not be taken", "error", err)
			pause.For(f.ctx, 100*time.Millisecond)
			continue
		}
		v := f.visit(conn)
		pushed, fine := f.enter(v)
		if !fine {
			f.refuse(v)
			continue
		}
		if pushed != nil {
			pushed.end()
		}
		if socket, ok := conn.(*net.TCPConn); ok { // what cannot be set stays as the system has it
			_ = socket.SetReadBuffer(systemBuffer)
			_ = socket.SetWriteBuffer(systemBuffer)
		}
		f.work.Go(v.serve)
	}
}

func (f *front) visit(conn net.Conn) *visit {
	v := &visit{front: f, socket: conn, conn: conn, address: prefixOf(conn.RemoteAddr()), backlog: newBacklog()}
	v.ctx, v.cancel = context.WithCancel(f.ctx)
	return v
}

// refuse tells a connection beyond the limit of its address so, and closes it.
func (f *front) refuse(v *visit) {
	select {
	case f.refusals <- struct{}{}:
	default:
		v.cut()
		return
	}
	f.work.Go(func() {
		defer func() { <-f.refusals }()
		defer v.end()
		defer context.AfterFunc(v.ctx, v.end)()
		if server := f.server.present(); server != nil {
			_, _ = v.conn.Write(server.greeting) // without it libraries do not understand the rest
		}
		v.say(refusedConnections)
		// Closed while it still sends, it would never read this.
		_ = v.conn.SetReadDeadline(time.Now().Add(refusalPatience))
		_, _ = io.Copy(io.Discard, io.LimitReader(v.conn, maxConnect))
	})
}

// prefixOf is what is counted of an address.
func prefixOf(a net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := at.Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits) // the number of bits is one that there is
	return prefix
}

// enter counts a stranger in, and gives the one that has to make room for it.
func (f *front) enter(v *visit) (pushed *visit, fine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if most := f.config.Limits.ConnectionsPerAddress; most > 0 && f.addresses[v.address] >= most {
		return nil, false
	}
	if f.strangers.Len() >= maxStrangers {
		oldest := f.strangers.Front()
		pushed = oldest.Value.(*visit)
		f.strangers.Remove(oldest)
		pushed.waiting = nil
	}
	f.addresses[v.address]++
	v.waiting = f.strangers.PushBack(v)
	return pushed, true
}

// leave counts a connection out.
func (f *front) leave(v *visit) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.addresses[v.address]--; f.addresses[v.address] == 0 {
		delete(f.addresses, v.address)
	}
	if v.waiting != nil {
		f.strangers.Remove(v.waiting)
		v.waiting = nil
	}
	delete(f.tickets, v.ticket)
	if g := v.guest; g != nil {
		f.admitted--
		if delete(g.visits, v); len(g.visits) == 0 {
			delete(f.guests, g.token)
		}
	}
}

// admit makes a stranger a guest; why it may not be is what the client is told.
func (f *front) admit(v *visit, p Permissions) (why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if v.waiting == nil {
		return refusedLate // it had to make room
	}
	g := f.guests[p.User]
	if most := f.config.Limits.ConnectionsPerToken; g != nil && most > 0 && len(g.visits) >= most {
		return refusedOfToken
	}
	if f.admitted >= maxConnections {
		return refusedConnections
	}
	if g == nil {
		perSecond := cmp.Or(p.Rate, DefaultRate)
		// A second's worth at once: clients send in bursts.
		g = &guest{
			token: p.User, visits: map[*visit]struct{}{},
			rate:     rate.NewLimiter(rate.Limit(perSecond), perSecond),
			messages: semaphore.NewWeighted(maxTokenMessages),
			told:     rate.NewLimiter(rate.Limit(perSecond*bytesForOperation), max(perSecond*bytesForOperation, blocksAtOnce*blockSize)),
		}
		f.guests[p.User] = g
	}
	f.strangers.Remove(v.waiting)
	v.waiting = nil
	f.admitted++
	g.visits[v] = struct{}{}
	v.guest, v.permissions = g, p
	return ""
}

// disconnect ends the connections of a token and gives how many there were.
func (f *front) disconnect(token string) int {
	f.mu.Lock()
	var all []*visit
	if g := f.guests[token]; g != nil {
		for v := range g.visits {
			all = append(all, v)
		}
	}
	f.mu.Unlock()
	for _, v := range all {
		v.cut()
	}
	return len(all)
}

// announce keeps a visit for the moment at which it comes to the server, under a name that nobody else knows.
func (f *front) announce(v *visit, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v.ticket = name
	f.tickets[name] = v
}

// announced gives the visit that comes under this name, once.
func (f *front) announced(name string) *visit {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := f.tickets[name]
	delete(f.tickets, name)
	return v
}

// grow counts memory that is held for a guest that has not read yet. Where it is too much, the connection that holds
// most of it is given: of this guest, or if all of them together hold too much, of the one that holds most.
func (f *front) grow(v *visit, n int64) (slow *visit) {
	own, all := v.guest.backlog.Add(n), f.backlogs.Add(n)
	if n == 0 || (v.backlog.held.Load() <= maxBacklog && own <= maxTokenBacklog && all <= maxBacklogs) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	g := v.guest
	if own <= maxTokenBacklog && all > maxBacklogs {
		for _, other := range f.guests {
			if other.backlog.Load() > g.backlog.Load() {
				g = other
			}
		}
	}
	for other := range g.visits {
		if slow == nil || other.backlog.held.Load() > slow.backlog.held.Load() {
			slow = other
		}
	}
	const seldom = 10 * time.Second
	f.cuts++
	if now := time.Now(); now.Sub(f.told) > seldom {
		f.log.Warn("NATS: a client that does not read what it subscribed to was disconnected", "token", g.token, "clients", f.cuts)
		f.cuts, f.told = 0, now
	}
	return slow
}

func (f *front) shrink(v *visit, n int64) {
	v.guest.backlog.Add(-n)
	f.backlogs.Add(-n)
}
