package natsd_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sundial/internal/natsd"
)

// abused is whether the trials run in full, as `make abuse` runs them; else each runs in small.
func abused() bool { return os.Getenv("SUNDIAL_ABUSE") != "" }

func size(small, full int) int {
	if abused() {
		return full
	}
	return small
}

// held is the memory that the process holds, clients of the trial included, in bytes.
func held() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse) //nolint:gosec // of this machine's memory
}

// raw opens a connection that shows a token and says something; the server has taken it all in when it returns, or has
// closed the connection, which is an error.
func raw(t testing.TB, s *natsd.Server, token, says string) (net.Conn, error) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.ClientURL(), "nats://"))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(conn, "CONNECT {\"auth_token\":%q,\"verbose\":false}\r\n%sPING\r\n", token, says); err != nil {
		return nil, err
	}
	for lines := bufio.NewReaderSize(conn, 512); ; {
		line, err := lines.ReadString('\n')
		switch {
		case err != nil:
			return nil, err
		case strings.HasPrefix(line, "-ERR"):
			return nil, fmt.Errorf("told %q", line)
		case line == "PONG\r\n":
			return conn, nil
		}
	}
}

func abusable(t testing.TB) *natsd.Server {
	return start(t, natsd.Config{
		Listen: "127.0.0.1:0", Authenticate: everybody, NoSync: true,
		Limits: natsd.Limits{ConnectionsPerToken: 64},
		Doors:  natsd.Doors{Answered: []string{"command.>", "billing.>"}, Heard: []string{"lifecycle.>"}},
	})
}

// TestAbuseConnections: one token and any number of strangers open all connections that they can get, and whoever has
// another token gets in.
func TestAbuseConnections(t *testing.T) {
	s := abusable(t)
	before := held()
	var taken atomic.Int64
	var trying sync.WaitGroup
	const together = 64 // what is refused is refused without haste
	for range together {
		trying.Go(func() {
			for range size(128, 4096) / together {
				if _, err := raw(t, s, "reader", ""); err == nil {
					taken.Add(1)
				}
			}
		})
	}
	trying.Wait()
	if taken.Load() != 64 {
		t.Errorf("one token has %d connections", taken.Load())
	}
	silent := size(600, 4095)
	for range silent {
		if _, err := stranger(t, s); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	if _, err := raw(t, s, "other", ""); err != nil {
		t.Fatalf("another token: %v", err)
	}
	t.Logf("beside %d connections of one token and %d that said nothing, another token got in after %s; they hold %d MB",
		taken.Load(), silent, time.Since(began).Round(time.Microsecond), (held()-before)>>20)
}

// TestAbuseSubscriptions: connections with as many subscriptions as they can get.
func TestAbuseSubscriptions(t *testing.T) {
	s := abusable(t)
	before := held()
	connected := 0
	for range 20 {
		var says strings.Builder
		for i := range 4000 {
			fmt.Fprintf(&says, "SUB lifecycle.acme.%d %d\r\n", i, i)
		}
		if _, err := raw(t, s, "reader", says.String()); err == nil {
			connected++
		}
	}
	if connected > 0 {
		t.Errorf("%d connections have 4,000 subscriptions", connected)
	}
	var says strings.Builder
	for i := range 16 {
		fmt.Fprintf(&says, "SUB lifecycle.acme.%d.%s %d\r\n", i, strings.Repeat("x", 3000), i)
	}
	for range 20 {
		if _, err := raw(t, s, "reader", says.String()); err != nil {
			t.Fatal(err)
		}
	}
	grown := (held() - before) >> 20
	t.Logf("20 connections that tried 4,000 subscriptions, and 20 with 16 as long as may be, hold %d MB", grown)
	if grown > 40 {
		t.Errorf("they hold %d MB", grown)
	}
}

// TestAbuseUnread: subscribers that never read, of several tokens, while much is told.
func TestAbuseUnread(t *testing.T) {
	s := abusable(t)
	own := connect(t, s)
	before := held()
	connections := size(64, 300)
	for i := range connections {
		conn, err := raw(t, s, fmt.Sprintf("reader-%d", i/64), "SUB lifecycle.> 1\r\nSUB lifecycle.*.* 2\r\n")
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
	}
	reader, err := nats.Connect(s.ClientURL(), nats.Token("good"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	heard, err := reader.SubscribeSync("lifecycle.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Flush(); err != nil {
		t.Fatal(err)
	}
	most := int64(0)
	events := size(1000, 10_000)
	began := time.Now()
	for i := range events {
		if err := own.Publish("lifecycle.acme.7", make([]byte, 10_000)); err != nil {
			t.Fatal(err)
		}
		if i%100 == 99 {
			if err := own.Flush(); err != nil {
				t.Fatal(err)
			}
			most = max(most, held()-before)
		}
		if _, err := heard.NextMsg(10 * time.Second); err != nil {
			t.Fatalf("the one that reads, event %d: %v", i, err)
		}
	}
	t.Logf("%d subscribers that do not read, %d events of 10 kB in %s: at most %d MB were held", connections, events, time.Since(began).Round(time.Millisecond), most>>20)
	if most > 300<<20 {
		t.Errorf("%d MB were held", most>>20)
	}
}

// TestAbuseLargeMessages: messages as large as may be, of which the end never comes.
func TestAbuseLargeMessages(t *testing.T) {
	s := abusable(t)
	before := held()
	connections := size(64, 2000)
	for i := range connections {
		conn, err := raw(t, s, fmt.Sprintf("sender-%d", i/64), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "PUB command.acme.x 1000000\r\n%s", strings.Repeat("x", 1000)); err != nil {
			t.Fatal(err)
		}
	}
	other, err := nats.Connect(s.ClientURL(), nats.Token("good"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Publish("command.acme.x", make([]byte, 1_000_000)); err != nil {
		t.Fatal(err)
	}
	if err := other.FlushTimeout(10 * time.Second); err != nil {
		t.Errorf("another's message: %v", err)
	}
	grown := (held() - before) >> 20
	t.Logf("%d connections that began a message of 1 MB hold %d MB", connections, grown)
	if most := int64(40 + connections/6); grown > most {
		t.Errorf("they hold %d MB, want %d at the most", grown, most)
	}
}

// TestAbuseTokens: what it costs that very many tokens come, each with a room of its own.
func TestAbuseTokens(t *testing.T) {
	s := abusable(t)
	before := held()
	tokens := size(200, 2000)
	began := time.Now()
	for i := range tokens {
		if _, err := raw(t, s, fmt.Sprintf("token-%d", i), "SUB _INBOX.x.* 1\r\nSUB lifecycle.acme.> 2\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	t.Logf("%d tokens with a connection each: %s to connect, %d kB each, both ends", tokens,
		(took / time.Duration(tokens)).Round(time.Microsecond), (held()-before)/int64(tokens)>>10)
}
