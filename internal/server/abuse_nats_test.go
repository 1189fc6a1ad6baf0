package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// TestAbuseOverNATS: one tenant sends as fast as it can on every subject that its role has, and otherwise. What another
// one waits for its answers stays within the larger of twice what it waits alone and 50 ms.
func TestAbuseOverNATS(t *testing.T) {
	// In short only that nobody is starved: what else runs on the machine at that time keeps answers waiting as well.
	trial, alone, least, connections := 200*time.Millisecond, 50, 20*time.Second, 8
	if os.Getenv("SUNDIAL_ABUSE") != "" {
		trial, alone, least, connections = 20*time.Second, 2000, 50*time.Millisecond, 64
	}
	s := start(t, func(c *Config) { c.ConnectionsPerAddress, c.ConnectionsPerToken = 256, 64 })
	operator := operatorOf(t, s)
	token := func(role, account string) string {
		var made struct {
			Token string `json:"token"`
		}
		operator.must(http.MethodPost, "/v1/tokens", fmt.Sprintf(`{"role":%q,"account":%q,"name":"x"}`, role, account), &made)
		return made.Token
	}
	quiet := tenant{t: t, url: s.NATSURL(), account: "quiet", owner: token("owner", "quiet"), app: operator.create("quiet", "quiet app")}
	loud := tenant{t: t, connections: connections, url: s.NATSURL(), account: "loud", owner: token("owner", "loud"), app: operator.create("loud", "loud app")}
	nc, err := nats.Connect(quiet.url, nats.Token(quiet.owner))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	quiet.measure(nc, alone/4) // the first of all warm up
	before := quiet.measure(nc, alone)
	limit := max(2*before, least)
	t.Logf("alone: p99 %s", before)

	for _, abuse := range []struct {
		name string
		do   func(stop <-chan struct{}) (says string)
	}{
		{"commands", loud.commands},
		{"commands, heard 15 times by each connection", loud.listens},
		{"what it may not do", loud.refused},
		{"connecting", loud.connects},
		{"commands of 1 MB", loud.large},
	} {
		t.Run(abuse.name, func(t *testing.T) {
			loud.owner = token("owner", "loud") // one that has not sent too much before
			stop := make(chan struct{})
			said := make(chan string, 1)
			go func() { said <- abuse.do(stop) }()
			var all []time.Duration
			for end := time.Now().Add(trial); time.Now().Before(end) || len(all) < 10; {
				all = append(all, quiet.ask(nc))
			}
			close(stop)
			p99 := quantile(all, 0.99)
			t.Logf("beside %s: p99 %s of %d, median %s", <-said, p99, len(all), quantile(all, 0.5))
			if p99 > limit {
				t.Errorf("beside %s: p99 %s, alone %s; want %s at the most", abuse.name, p99, before, limit)
			}
		})
	}
}

func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[min(int(q*float64(len(all))), len(all)-1)].Round(time.Microsecond)
}

// tenant is a customer with an app and an owner's token.
type tenant struct {
	t              *testing.T
	url            string
	account, owner string
	app            uint64
	sent           atomic.Uint64
	connections    int // to abuse it with
}

// order is a command that changes the app.
func (o *tenant) order() *nats.Msg {
	m := nats.NewMsg("command." + o.account + ".edit_app_info")
	m.Header.Set("Authorization", "Bearer "+o.owner)
	m.Data = fmt.Appendf(nil, `{"app":%d,"introduction":"%d"}`, o.app, o.sent.Add(1))
	return m
}

// ask gives a command and says how long the answer took.
func (o *tenant) ask(nc *nats.Conn) time.Duration {
	o.t.Helper()
	began := time.Now()
	m, err := nc.RequestMsg(o.order(), time.Minute)
	if err != nil {
		o.t.Fatal(err)
	}
	if status := m.Header.Get("Sundial-Status"); status != "200" {
		o.t.Fatalf("%s %s", status, m.Data)
	}
	return time.Since(began)
}

func (o *tenant) measure(nc *nats.Conn, times int) time.Duration {
	o.t.Helper()
	all := make([]time.Duration, times)
	for i := range all {
		all[i] = o.ask(nc)
	}
	return quantile(all, 0.99)
}

// raw opens a connection past any library, so that nothing but the server holds the client back.
func (o *tenant) raw() (net.Conn, error) {
	conn, err := net.Dial("tcp", strings.TrimPrefix(o.url, "nats://"))
	if err != nil {
		return nil, err
	}
	// What the system holds for it is sent as well; it must not take the trial's whole time to fill that.
	if err := conn.(*net.TCPConn).SetWriteBuffer(64 << 10); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(conn, "CONNECT {\"auth_token\":%q,\"verbose\":false,\"headers\":true}\r\n", o.owner)
	return conn, err
}

// flood opens connections that send one thing over and over and read what comes, until they are stopped.
func (o *tenant) flood(stop <-chan struct{}, first string, next func() []byte) (sent uint64, received int64) {
	var times atomic.Uint64
	var bytes atomic.Int64
	var working sync.WaitGroup
	for range o.connections {
		conn, err := o.raw()
		if err != nil {
			o.t.Error(err)
			return 0, 0
		}
		working.Go(func() {
			n, _ := io.Copy(io.Discard, conn) // until the other half closes it
			bytes.Add(n)
		})
		working.Go(func() {
			defer conn.Close()
			said := []byte(first)
			for {
				select {
				case <-stop:
					return
				default:
				}
				_ = conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
				n, err := conn.Write(said)
				switch {
				case err == nil:
					times.Add(1)
					said = next()
				case n < len(said) && os.IsTimeout(err):
					said = said[n:]
				default:
					return
				}
			}
		})
	}
	<-stop
	working.Wait()
	return times.Load(), bytes.Load()
}

// written is a message as it goes over the wire, its answer wanted.
func written(m *nats.Msg) []byte {
	head := "NATS/1.0\r\nAuthorization: " + m.Header.Get("Authorization") + "\r\n\r\n"
	return fmt.Appendf(nil, "HPUB %s _INBOX.x %d %d\r\n%s%s\r\n", m.Subject, len(head), len(head)+len(m.Data), head, m.Data)
}

// orders gives commands that change the app, one after the other, without work of its own for each.
func (o *tenant) orders() func() []byte {
	var all [8][]byte
	for i := range all {
		all[i] = written(o.order())
	}
	var n atomic.Uint64
	return func() []byte { return all[n.Add(1)%uint64(len(all))] }
}

func (o *tenant) commands(stop <-chan struct{}) string {
	sent, _ := o.flood(stop, "SUB _INBOX.> 1\r\n", o.orders())
	return fmt.Sprintf("%d commands", sent)
}

func (o *tenant) listens(stop <-chan struct{}) string {
	subscribed := "SUB _INBOX.> 0\r\n"
	for i := range 15 {
		subscribed += fmt.Sprintf("SUB lifecycle.%s.> %d\r\n", o.account, i+1)
	}
	sent, received := o.flood(stop, subscribed, o.orders())
	return fmt.Sprintf("%d commands and %d kB heard", sent, received>>10)
}

func (o *tenant) refused(stop <-chan struct{}) string {
	said := []byte("PUB lifecycle.quiet.1 2\r\n{}\r\nSUB lifecycle.quiet.> 9\r\nPUB $JS.API.STREAM.DELETE.LIFECYCLE 0\r\n\r\nPING\r\nSUB _INBOX.x 1\r\nUNSUB 1\r\n")
	sent, _ := o.flood(stop, "", func() []byte { return said })
	return fmt.Sprintf("%d times six operations", sent)
}

func (o *tenant) large(stop <-chan struct{}) string {
	m := o.order()
	m.Data = fmt.Appendf(nil, `{"app":%d,"introduction":"%s"}`, o.app, strings.Repeat("x", 1<<20-200))
	said := written(m)
	sent, _ := o.flood(stop, "SUB _INBOX.> 1\r\n", func() []byte { return said })
	return fmt.Sprintf("%d commands of 1 MB", sent)
}

func (o *tenant) connects(stop <-chan struct{}) string {
	var times atomic.Uint64
	var working sync.WaitGroup
	for range o.connections / 4 {
		working.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := o.raw()
				if err != nil {
					continue
				}
				_, _ = conn.Write([]byte("PING\r\n"))
				_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				_, _ = conn.Read(make([]byte, 4096))
				conn.Close()
				times.Add(1)
			}
		})
	}
	working.Wait()
	return fmt.Sprintf("%d connections", times.Load())
}
