package natsd_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/natsd"
)

// everybody lets in whoever shows a token, as itself.
func everybody(c natsd.Credentials) (natsd.Permissions, bool) {
	return natsd.Permissions{
		User:      c.Token,
		Publish:   natsd.Subjects{Allow: []string{">"}},
		Subscribe: natsd.Subjects{Allow: []string{">"}},
	}, c.Token != ""
}

// told is a log that can be read while it is written.
type told struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *told) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *told) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// stranger opens a connection that says nothing; it fails where the server does not greet it.
func stranger(t testing.TB, s *natsd.Server) (net.Conn, error) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.ClientURL(), "nats://"))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	line, err := bufio.NewReaderSize(conn, 4<<10).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "INFO ") {
		err = fmt.Errorf("greeted by %q", line)
	}
	return conn, err
}

// closed waits until the other side has closed a connection.
func closed(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for buffer := make([]byte, 4<<10); ; {
		if _, err := conn.Read(buffer); err != nil {
			var late net.Error
			return !errors.As(err, &late) || !late.Timeout()
		}
	}
}

func TestConnectionsPerTokenAreLimited(t *testing.T) {
	s := start(t, natsd.Config{Listen: "127.0.0.1:0", Authenticate: everybody, Limits: natsd.Limits{ConnectionsPerToken: 3}})
	var all []*nats.Conn
	for range 3 {
		nc, err := nats.Connect(s.ClientURL(), nats.Token("a"))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		all = append(all, nc)
	}
	if _, err := nats.Connect(s.ClientURL(), nats.Token("a")); !errors.Is(err, nats.ErrMaxAccountConnectionsExceeded) {
		t.Errorf("a fourth connection: %v", err)
	}
	other, err := nats.Connect(s.ClientURL(), nats.Token("b"))
	if err != nil {
		t.Fatalf("of another token: %v", err)
	}
	defer other.Close()
	all[0].Close()
	until(t, "there is room again", func() bool {
		nc, err := nats.Connect(s.ClientURL(), nats.Token("a"))
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
}

func TestConnectionsPerAddressAreLimited(t *testing.T) {
	s := start(t, natsd.Config{Listen: "127.0.0.1:0", Authenticate: everybody, Limits: natsd.Limits{ConnectionsPerAddress: 3}})
	var first net.Conn
	for range 3 {
		conn, err := stranger(t, s)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = conn
		}
	}
	if _, err := nats.Connect(s.ClientURL(), nats.Token("a")); err == nil || !strings.Contains(err.Error(), "maximum connections exceeded") {
		t.Errorf("a fourth connection: %v", err)
	}
	first.Close()
	until(t, "there is room again", func() bool {
		nc, err := nats.Connect(s.ClientURL(), nats.Token("a"))
		if err == nil {
			nc.Close()
		}
		return err == nil
	})
}

func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in 20 s: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestStrangersMakeRoom: whoever has a token gets in, however many others say nothing.
func TestStrangersMakeRoom(t *testing.T) {
	s := start(t, natsd.Config{Listen: "127.0.0.1:0", Authenticate: everybody})
	first, err := stranger(t, s)
	if err != nil {
		t.Fatal(err)
	}
	for range 600 {
		if _, err := stranger(t, s); err != nil {
			t.Fatal(err)
		}
	}
	if !closed(first) {
		t.Error("the first of 601 connections that say nothing is still there")
	}
	nc, err := nats.Connect(s.ClientURL(), nats.Token("a"))
	if err != nil {
		t.Fatalf("a client with a token: %v", err)
	}
	nc.Close()
}

func TestWhoSpeaksSomethingElseIsClosed(t *testing.T) {
	s := start(t, natsd.Config{Listen: "127.0.0.1:0", Authenticate: everybody})
	for _, text := range []string{
		"GET / HTTP/1.1\r\n\r\n", "PING\r\n", "CONNECT {\r\n", "CONNECT\r\n", strings.Repeat("x", 10_000), "CONNECT {\"user\":\"" + strings.Repeat("x", 5000) + "\"}\r\n",
	} {
		conn, err := stranger(t, s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if !closed(conn) {
			t.Errorf("still connected after %.20q", text)
		}
	}
}

func TestOverTLS(t *testing.T) {
	certificate := httptest.NewUnstartedServer(nil)
	certificate.StartTLS()
	defer certificate.Close()
	s := start(t, natsd.Config{
		Listen: "127.0.0.1:0", Authenticate: everybody, TLS: &tls.Config{Certificates: certificate.TLS.Certificates, MinVersion: tls.VersionTLS12},
		Doors: natsd.Doors{Answered: []string{"command.>"}},
	})
	own := connect(t, s)
	if _, err := own.Subscribe("command.acme.stop_app", func(m *nats.Msg) { _ = m.Respond(m.Data) }); err != nil {
		t.Fatal(err)
	}
	known := x509.NewCertPool()
	known.AddCert(certificate.Certificate())
	nc, err := nats.Connect(s.ClientURL(), nats.Token("a"), nats.Secure(&tls.Config{RootCAs: known, ServerName: "example.com", MinVersion: tls.VersionTLS12}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	body := bytes.Repeat([]byte("x"), 1<<20)
	if m, err := nc.Request("command.acme.stop_app", body, 10*time.Second); err != nil || !bytes.Equal(m.Data, body) {
		t.Errorf("a megabyte there and back: %v", err)
	}
	if nc, err := nats.Connect("nats://"+strings.TrimPrefix(s.ClientURL(), "tls://"), nats.Token("a"), nats.TLSHandshakeFirst(), nats.Timeout(time.Second)); err == nil {
		nc.Close()
		t.Error("connected without knowing the server's certificate")
	}
}

func TestSubscriptionsAreLimited(t *testing.T) {
	s := start(t, natsd.Config{Listen: "127.0.0.1:0", Authenticate: everybody})
	refused := make(chan error, 10)
	nc, err := nats.Connect(s.ClientURL(), nats.Token("a"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for i := range 17 {
		if _, err := nc.SubscribeSync(fmt.Sprintf("lifecycle.acme.%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil && !nc.IsClosed() {
		t.Fatal(err)
	}
	select {
	case err := <-refused:
		if !strings.Contains(err.Error(), "maximum subscriptions exceeded") {
			t.Errorf("the 17th subscription: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a 17th subscription was taken")
	}
}

// TestSlowReadersAreCut: of a token's connections those that do not read, and of others none.
func TestSlowReadersAreCut(t *testing.T) {
	s := start(t, natsd.Config{Listen: "127.0.0.1:0", Authenticate: everybody, Doors: natsd.Doors{Heard: []string{"lifecycle.>"}}})
	own := connect(t, s)
	heard := make(chan int, 1000)
	reader, err := nats.Connect(s.ClientURL(), nats.Token("reader"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := reader.Subscribe("lifecycle.>", func(m *nats.Msg) { heard <- len(m.Data) }); err != nil {
		t.Fatal(err)
	}
	if err := reader.Flush(); err != nil {
		t.Fatal(err)
	}
	var slow []net.Conn
	for range 4 {
		conn, err := stranger(t, s)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte("CONNECT {\"auth_token\":\"slow\",\"verbose\":false}\r\nSUB lifecycle.> 1\r\nPING\r\n")); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "PONG\r\n" {
			t.Fatalf("%q, %v", line, err)
		}
		slow = append(slow, conn)
	}
	const events, size = 200, 100_000 // more than all buffers of the system hold for a connection
	for range events {
		if err := own.Publish("lifecycle.acme.1", make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := own.Flush(); err != nil {
			t.Fatal(err)
		}
		if n := <-heard; n != size {
			t.Fatalf("heard %d bytes", n)
		}
	}
	for _, conn := range slow {
		if !closed(conn) {
			t.Error("a client that does not read is still connected")
		}
	}
	if err := reader.Flush(); err != nil {
		t.Errorf("the client that reads: %v", err)
	}
}

func TestOperationsAreHeldBack(t *testing.T) {
	const perSecond = 200
	s := start(t, natsd.Config{Listen: "127.0.0.1:0", Authenticate: func(c natsd.Credentials) (natsd.Permissions, bool) {
		p, ok := everybody(c)
		if c.Token == "slow" {
			p.Rate = perSecond
		}
		return p, ok
	}})
	send := func(token string) time.Duration {
		nc, err := nats.Connect(s.ClientURL(), nats.Token(token))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		began := time.Now()
		for range perSecond + perSecond/2 {
			if err := nc.Publish("billing.acme", nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.FlushTimeout(20 * time.Second); err != nil {
			t.Fatal(err)
		}
		return time.Since(began)
	}
	// A second's worth is taken at once.
	if took := send("slow"); took < 300*time.Millisecond {
		t.Errorf("%d operations at %d a second took %s", perSecond+perSecond/2, perSecond, took)
	}
	if took := send("fast"); took > 300*time.Millisecond {
		t.Errorf("beside it they took %s", took)
	}
}

// TestClientsTextsAreNotLogged, whatever they contain: a token in the wrong place, or what the server itself says when it
// cannot write.
func TestClientsTextsAreNotLogged(t *testing.T) {
	var log told
	s := start(t, natsd.Config{
		Listen: "127.0.0.1:0", Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Authenticate: func(c natsd.Credentials) (natsd.Permissions, bool) { return publisher, c.Token != "" },
	})
	denied := make(chan error, 10)
	nc, err := nats.Connect(s.ClientURL(), nats.Token("sundial_shown"), nats.Name("sundial_name: Critical write error, disabling JetStream"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.Publish("command.sundial_subject", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.SubscribeSync("sundial_heard"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case <-denied:
		case <-time.After(10 * time.Second):
			t.Fatal("was allowed")
		}
	}
	if err := s.Failure(); err != nil {
		t.Errorf("a client's name is taken for a failure: %v", err)
	}
	nc.Close()
	s.Shutdown()
	if strings.Contains(log.String(), "sundial_") {
		t.Errorf("the log holds what clients said: %s", log.String())
	}
	if !strings.Contains(log.String(), "clients were refused something") {
		t.Error("the log does not say that something was refused")
	}
}

// TestAnswersOfOthersAreNotHeard: an answer to one who has left goes to a room that nobody else has.
func TestAnswersOfOthersAreNotHeard(t *testing.T) {
	s := start(t, natsd.Config{Listen: "127.0.0.1:0", Authenticate: everybody, Doors: natsd.Doors{Answered: []string{"command.>", "billing.>"}}})
	own := connect(t, s)
	js, err := jetstream.New(own)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "BILLS", Subjects: []string{"billing.>"}}); err != nil {
		t.Fatal(err)
	}
	asked := make(chan *nats.Msg, 1)
	if _, err := own.Subscribe("command.>", func(m *nats.Msg) { asked <- m }); err != nil {
		t.Fatal(err)
	}
	if err := own.Flush(); err != nil {
		t.Fatal(err)
	}
	victim, err := nats.Connect(s.ClientURL(), nats.Token("victim"))
	if err != nil {
		t.Fatal(err)
	}
	defer victim.Close()
	heard, err := victim.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Flush(); err != nil {
		t.Fatal(err)
	}
	thief, err := nats.Connect(s.ClientURL(), nats.Token("thief"))
	if err != nil {
		t.Fatal(err)
	}
	if err := thief.PublishRequest("command.acme.stop_app", "forged", nil); err != nil {
		t.Fatal(err)
	}
	if err := thief.PublishRequest("billing.acme", "forged", nil); err != nil {
		t.Fatal(err)
	}
	m := <-asked
	thief.Close()
	if err := m.Respond([]byte("forged")); err != nil {
		t.Fatal(err)
	}
	if err := own.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := victim.Flush(); err != nil {
		t.Fatal(err)
	}
	if m, err := heard.NextMsg(100 * time.Millisecond); err == nil {
		t.Errorf("heard %s %s", m.Subject, m.Data)
	}
	// What the server lets through by itself, past the doors, would be as bad.
	for _, reply := range []string{"$JS.ACK.BILLS.x.1.1.1.1.0", "_R_.x.y"} {
		refused := make(chan error, 1)
		nc, err := nats.Connect(s.ClientURL(), nats.Token("thief"), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			select {
			case refused <- err:
			default:
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		if err := nc.PublishRequest("billing.acme", reply, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case <-refused:
		case <-time.After(10 * time.Second):
			t.Errorf("an answer on %s was allowed", reply)
		}
		nc.Close()
	}
}
