package natsd

import (
	"bufio"
	"bytes"
	"cmp"
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"sundial/internal/pause"
)

const (
	// authTimeout is the time that a connection has to say who it is.
	authTimeout = 5 * time.Second

	// refusalDelay is how long a connection waits to be told that its token is not let in.
	refusalDelay = 200 * time.Millisecond

	// connectOperations is as how many operations it counts to connect, so that nobody keeps the server busy with that.
	connectOperations = 5

	// readAhead is what is read of a client at once, and counted.
	readAhead = 8 << 10

	// messagePatience is how long a message may take from its beginning to its end.
	messagePatience = time.Minute

	// bytesAnOperation is how large a message may be to count as one operation; a larger one counts as several.
	bytesAnOperation = 4 << 10
)

// visit is one connection.
type visit struct {
	front   *front
	address netip.Prefix
	waiting *list.Element // among the strangers, nil once it is known

	socket  net.Conn // to the client
	conn    net.Conn // over it: itself, or TLS
	backlog *backlog // what waits to be sent to it

	ctx    context.Context // ends with the visit
	cancel context.CancelFunc

	mu    sync.Mutex // guards what follows
	inner net.Conn   // to the server, once there is one

	guest       *guest
	room        *room
	permissions Permissions
	ticket      string // the name under which it was announced
}

// end closes both sides; whatever works for the visit then ends.
func (v *visit) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.cancel()
	v.socket.Close()
	if v.inner != nil {
		v.inner.Close()
	}
}

// cut ends a visit at once: what the system still holds for the client is thrown away.
func (v *visit) cut() {
	if socket, ok := v.socket.(*net.TCPConn); ok {
		_ = socket.SetLinger(0) // it fails only on a connection that is gone
	}
	v.end()
}

// reach keeps the connection to the server; false if the visit has ended.
func (v *visit) reach(inner net.Conn) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ctx.Err() != nil {
		inner.Close()
		return false
	}
	v.inner = inner
	return true
}

// say tells a client to which nothing was sent by the server why it is not let in.
func (v *visit) say(why string) {
	_ = v.conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = v.conn.Write([]byte("-ERR '" + why + "'\r\n")) // who has gone need not be told
}

// serve goes with a connection from its beginning to its end.
func (v *visit) serve() {
	defer v.front.leave(v)
	defer v.end()
	defer context.AfterFunc(v.ctx, v.end)()
	_ = v.conn.SetDeadline(time.Now().Add(authTimeout))
	input, shown, err := v.greet()
	if err != nil {
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			v.say(refusedLate)
		}
		return
	}
	if why := v.introduce(shown); why != "" {
		// Not at once, so that who only comes again and again does so less often.
		if pause.For(v.ctx, refusalDelay) {
			v.say(why)
		}
		return
	}
	defer func() { v.room.leave(time.Now()) }()
	if err := v.conn.SetDeadline(time.Time{}); err != nil {
		return
	}
	v.carry(input)
}

// shown is what a client says of itself when it connects: who it is, and how it wants to be spoken to. The rest, such as
// its name, is for nobody.
type shown struct {
	User  string `json:"user,omitzero"`
	Pass  string `json:"pass,omitzero"`
	Token string `json:"auth_token,omitzero"`

	Verbose      bool  `json:"verbose"`
	Pedantic     bool  `json:"pedantic"`
	Protocol     int   `json:"protocol"`
	Echo         *bool `json:"echo,omitzero"` // absent is true
	Headers      bool  `json:"headers"`
	NoResponders bool  `json:"no_responders"`
}

var errProtocol = errors.New("natsd: a client does not speak NATS")

// greet says what the server is, and hears who the client is.
func (v *visit) greet() (*bufio.Reader, shown, error) {
	server, err := v.front.server.await(v.ctx)
	if err != nil {
		return nil, shown{}, err
	}
	if _, err := v.conn.Write(server.greeting); err != nil {
		return nil, shown{}, err
	}
	if v.front.config.TLS != nil {
		secured := tls.Server(v.socket, v.front.config.TLS)
		if err := secured.HandshakeContext(v.ctx); err != nil {
			return nil, shown{}, err
		}
		v.conn = secured
	}
	input := bufio.NewReaderSize(v.conn, readAhead)
	line, err := input.ReadSlice('\n')
	if err != nil {
		return nil, shown{}, err
	}
	who, err := introduction(line)
	return input, who, err
}

// introduction reads the line by which a client says who it is.
func introduction(line []byte) (shown, error) {
	verb, said, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
	if len(line) > maxConnect || !bytes.EqualFold(verb, []byte("CONNECT")) {
		return shown{}, errProtocol
	}
	var s shown
	if err := json.Unmarshal(said, &s, json.MatchCaseInsensitiveNames(true)); err != nil {
		return shown{}, errProtocol
	}
	return s, nil
}

// introduce asks whether the client may come in, and opens its connection to the server.
func (v *visit) introduce(s shown) (why string) {
	f := v.front
	judge := func() (Permissions, bool) {
		if f.config.Authenticate == nil {
			return Permissions{}, false
		}
		return f.config.Authenticate(Credentials{
			User: s.User, Password: s.Pass, Token: s.Token, Address: v.conn.RemoteAddr().String(),
		})
	}
	permissions, ok := judge()
	if !ok {
		return refusedToken
	}
	permissions.User = cmp.Or(permissions.User, s.User)
	if why := f.admit(v, permissions); why != "" {
		return why
	}
	if !v.turn() {
		return refusedLate
	}
	// Once more: a token that was revoked a moment ago was not among those whose connections were ended then.
	if _, ok := judge(); !ok {
		return refusedToken
	}
	s.User, s.Pass, s.Token = "", "", ""
	server, err := f.server.await(v.ctx)
	if err == nil {
		err = server.receive(v, s)
	}
	if err != nil {
		f.log.Warn("NATS: a client could not be let in", "error", err)
		return refusedConnections
	}
	return ""
}

// carry takes what the client sends to the server, and what the server sends to the client, until one of them ends.
func (v *visit) carry(input *bufio.Reader) {
	var both sync.WaitGroup
	both.Go(func() {
		v.backlog.send(v.conn, func(n int) {
			pause.For(v.ctx, v.guest.told.ReserveN(time.Now(), n).Delay())
		}, func(n int64) { v.front.shrink(v, n) })
		v.end()
	})
	both.Go(v.outward)
	v.inward(input)
	both.Wait()
}

// outward takes what the server sends. It always reads on, so that nothing waits within the server.
func (v *visit) outward() {
	defer v.backlog.end()
	buffer := make([]byte, 4<<10)
	for {
		n, err := v.inner.Read(buffer)
		if err != nil {
			return
		}
		if slow := v.front.grow(v, v.backlog.put(buffer[:n])); slow != nil {
			slow.cut()
		}
	}
}

// inward takes what the client sends, no faster than its token may send.
func (v *visit) inward(input *bufio.Reader) {
	var m meter
	var began int64 // bytes of the message that has begun
	defer func() { v.release(began) }()
	for {
		_, err := input.Peek(1)
		if said, _ := input.Peek(input.Buffered()); len(said) > 0 { // never more than there is
			before := m.payloads
			if !v.pause(m.count(said) + len(said)/bytesAnOperation) {
				return
			}
			if m.payload == 0 || m.payloads > before {
				v.release(began)
				began = 0
			}
			if m.payload > 0 && m.payloads > before {
				if began = int64(m.whole); !v.reserve(began) {
					began = 0
					return
				}
			}
			if _, err := v.inner.Write(said); err != nil {
				<-v.ctx.Done() // what the server said last is still to be sent
				return
			}
			_, _ = input.Discard(len(said)) // it is there
		}
		if err != nil {
			v.end() // who does not send any more does not listen either: clients of NATS close both
			return
		}
	}
}

// reserve waits until a message of so many bytes may begin, which then has to end within messagePatience; false if the
// visit ends before.
func (v *visit) reserve(bytes int64) bool {
	if bytes > maxTokenMessages {
		return true // more than a message may have: the server ends the connection
	}
	if v.guest.messages.Acquire(v.ctx, bytes) != nil {
		return false
	}
	if v.front.messages.Acquire(v.ctx, bytes) != nil {
		v.guest.messages.Release(bytes)
		return false
	}
	_ = v.conn.SetReadDeadline(time.Now().Add(messagePatience)) // it fails only on a connection that is gone
	return true
}

// release lets others begin messages of so many bytes.
func (v *visit) release(bytes int64) {
	if bytes == 0 || bytes > maxTokenMessages {
		return
	}
	v.guest.messages.Release(bytes)
	v.front.messages.Release(bytes)
	_ = v.conn.SetReadDeadline(time.Time{}) // likewise
}

// turn waits until the token may connect once more; false if that takes longer than a client waits, or the visit ends.
func (v *visit) turn() bool {
	reserved := v.guest.rate.ReserveN(time.Now(), min(connectOperations, v.guest.rate.Burst()))
	if reserved.Delay() > authTimeout {
		reserved.Cancel()
		return false
	}
	return pause.For(v.ctx, reserved.Delay())
}

// pause waits until the token may send so many operations; false if the visit ends before.
func (v *visit) pause(operations int) bool {
	for operations > 0 {
		n := min(operations, v.guest.rate.Burst())
		operations -= n
		reserved := v.guest.rate.ReserveN(time.Now(), n)
		if !pause.For(v.ctx, reserved.Delay()) {
			reserved.Cancel()
			return false
		}
	}
	return true
}
