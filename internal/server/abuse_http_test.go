package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sundial/domain"
)

// abused is a server with two customers, one of which is in the other's way over HTTP as far as it can.
type abused struct {
	t           *testing.T
	server      *Server
	logged      atomic.Int64 // bytes
	connections int
	url         string
	loud, quiet customer
}

// customer is an account with apps and two tokens.
type customer struct {
	account, owner, reader string
	app                    uint64
}

func startAbused(t *testing.T, connections int) *abused {
	t.Helper()
	a := &abused{t: t, connections: connections}
	a.server = New(Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", NATSListen: "127.0.0.1:0",
		Sandbox: true, SandboxStart: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC),
		Policy: domain.DefaultPolicy(), Replicas: 1, Logger: slog.New(slog.NewTextHandler(counter{&a.logged}, nil)),
	})
	if err := a.server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.server.Close(); err != nil {
			t.Error(err)
		}
	})
	a.url = a.server.HTTPURL()
	operator := operatorOf(t, a.server)
	customerOf := func(account string, apps int) customer {
		c := customer{account: account}
		for n := range apps {
			c.app = operator.create(account, fmt.Sprintf("app %d", n))
			operator.must(http.MethodPost, fmt.Sprintf("/v1/apps/%d/upgrade", c.app),
				`{"order":{"id":"o","edition":"pro","paid_until":"2021-06-01T00:00:00Z","amount":{"currency":"CNY","minor":1}}}`, nil)
		}
		for role, into := range map[string]*string{"owner": &c.owner, "reader": &c.reader} {
			var made struct {
				Token string `json:"token"`
			}
			operator.must(http.MethodPost, "/v1/tokens", fmt.Sprintf(`{"role":%q,"account":%q,"name":"x"}`, role, account), &made)
			*into = made.Token
		}
		return c
	}
	a.quiet, a.loud = customerOf("quiet", 3), customerOf("loud", 60)
	return a
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(b []byte) (int, error) {
	c.n.Add(int64(len(b)))
	return len(b), nil
}

// ask sends a request and gives the status; 0 if there was no answer.
func (a *abused) ask(ctx context.Context, client *http.Client, token, method, path, body string) int {
	r, err := http.NewRequestWithContext(ctx, method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Error(err)
		return 0
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode
}

// one asks as the quiet customer does, reading and changing, and says how long the answer took.
func (a *abused) one(client *http.Client, n int) time.Duration {
	a.t.Helper()
	c := &a.quiet
	method, path, body := http.MethodGet, fmt.Sprintf("/v1/apps/%d", c.app), ""
	switch n % 4 {
	case 1:
		path = "/v1/accounts/quiet/apps"
	case 2:
		path = "/v1/transitions"
	case 3:
		method, body = http.MethodPatch, fmt.Sprintf(`{"introduction":"%d"}`, time.Now().UnixNano())
	}
	begun := time.Now()
	if status := a.ask(a.t.Context(), client, c.owner, method, path, body); status != http.StatusOK {
		a.t.Errorf("%s %s: status %d", method, path, status)
	}
	return time.Since(begun)
}

func (a *abused) p99(client *http.Client, long time.Duration, least int) (p99, median time.Duration, count int) {
	a.t.Helper()
	var all []time.Duration
	for end := time.Now().Add(long); time.Now().Before(end) || len(all) < least; {
		all = append(all, a.one(client, len(all)))
	}
	slices.Sort(all)
	at := func(q float64) time.Duration {
		return all[min(int(q*float64(len(all))), len(all)-1)].Round(100 * time.Microsecond)
	}
	return at(0.99), at(0.5), len(all)
}

// each runs something on every connection that the loud customer has, until the context ends.
func (a *abused) each(ctx context.Context, do func(client *http.Client, n int)) {
	var working sync.WaitGroup
	for range a.connections {
		working.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for n := 0; ctx.Err() == nil; n++ {
				do(client, n)
			}
		})
	}
	working.Wait()
}

// reads are what a reader of an account may ask for, the most expensive of each kind.
func (a *abused) reads() []string {
	app := fmt.Sprintf("/v1/apps/%d", a.loud.app)
	return []string{
		"/v1/accounts/loud/apps?limit=500", "/v1/transitions?limit=500", "/v1/events?limit=500", "/v1/transitions/days?before=2021-12-01T00:00:00Z",
		"/v1/accounts/loud/history?limit=500", "/v1/accounts/loud/statement", app + "/history", app + "/why", app,
		"/v1/accounts/loud/apps?limit=500&as_of=2021-03-01T00:00:00Z", "/v1/certificates", "/v1/deletion-requests",
	}
}

// mostMemory is what the process may take of the system with both customers in it.
const mostMemory = 1500 << 20

// taken is what the process has taken of the system, the clients of the test included.
func taken() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys - m.HeapReleased
}

// TestAbuseOverHTTP: one customer sends as fast as it can by every route that its roles have, and otherwise; what another waits for
// its answers stays within the larger of twice what it waits alone and 50 ms.
func TestAbuseOverHTTP(t *testing.T) {
	// In short only that nobody is starved: what else runs on the machine at that time keeps answers waiting as well.
	trial, least, connections := 100*time.Millisecond, 20*time.Second, 8
	if os.Getenv("SUNDIAL_ABUSE") != "" {
		trial, least, connections = 8*time.Second, 50*time.Millisecond, 64
	}
	a := startAbused(t, connections)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	a.p99(client, trial/4, 40) // the first of all warm up
	before, median, _ := a.p99(client, trial, 40)
	limit := max(2*before, least)
	t.Logf("alone: p99 %s, median %s", before, median)
	patch := fmt.Sprintf("/v1/apps/%d", a.loud.app)
	var unknown strings.Builder
	for n := range 80_000 {
		fmt.Fprintf(&unknown, `"m%d":1,`, n)
	}
	crowded := `{` + unknown.String() + `"name":"x"}`
	for _, abuse := range []struct {
		name string
		do   func(ctx context.Context)
	}{
		{"reads of all kinds", func(ctx context.Context) {
			reads := a.reads()
			a.each(ctx, func(c *http.Client, n int) { a.ask(ctx, c, a.loud.reader, http.MethodGet, reads[n%len(reads)], "") })
		}},
		{"forecasts", func(ctx context.Context) {
			a.each(ctx, func(c *http.Client, _ int) {
				a.ask(ctx, c, a.loud.reader, http.MethodGet, "/v1/transitions?limit=500", "")
			})
		}},
		{"pages of events", func(ctx context.Context) {
			a.each(ctx, func(c *http.Client, _ int) { a.ask(ctx, c, a.loud.reader, http.MethodGet, "/v1/events?limit=500", "") })
		}},
		{"commands", func(ctx context.Context) {
			a.each(ctx, func(c *http.Client, n int) {
				a.ask(ctx, c, a.loud.owner, http.MethodPatch, patch, fmt.Sprintf(`{"introduction":"%d"}`, n))
			})
		}},
		{"bodies of 1 MB, refused", func(ctx context.Context) {
			a.each(ctx, func(c *http.Client, _ int) { a.ask(ctx, c, a.loud.owner, http.MethodPatch, patch, crowded) })
		}},
		{"what it may not do", func(ctx context.Context) {
			a.each(ctx, func(c *http.Client, _ int) { a.ask(ctx, c, a.loud.reader, http.MethodPost, "/v1/tokens", `{}`) })
		}},
		{"without a token", func(ctx context.Context) {
			paths := []string{"/readyz", "/v1/apps", "/nothing", "/openapi.json"}
			a.each(ctx, func(c *http.Client, n int) { a.ask(ctx, c, "", http.MethodGet, paths[n%len(paths)], "") })
		}},
		{"connecting", func(ctx context.Context) {
			a.each(ctx, func(c *http.Client, _ int) {
				a.ask(ctx, c, a.loud.reader, http.MethodGet, "/v1/clock", "")
				c.CloseIdleConnections()
			})
		}},
	} {
		t.Run(abuse.name, func(t *testing.T) {
			logged := a.logged.Load()
			ctx, cancel := context.WithCancel(t.Context())
			var working sync.WaitGroup
			working.Go(func() { abuse.do(ctx) })
			p99, median, count := a.p99(client, trial, 12)
			cancel()
			working.Wait()
			t.Logf("beside %s on %d connections: p99 %s, median %s of %d; the log grew by %d kB; the process has %d MB",
				abuse.name, connections, p99, median, count, (a.logged.Load()-logged)>>10, taken()>>20)
			if now := taken(); now > mostMemory {
				t.Errorf("beside %s: the process has %d MB", abuse.name, now>>20)
			}
			if p99 > limit {
				t.Errorf("beside %s: p99 %s, alone %s; want %s at the most", abuse.name, p99, before, limit)
			}
		})
	}
}

// TestAbuseSlowBodies: bodies that are promised and come slowly take the memory of what has come, one token has a part of what there
// is, and others are served.
func TestAbuseSlowBodies(t *testing.T) {
	count, sent := 100, 64<<10
	if os.Getenv("SUNDIAL_ABUSE") != "" {
		count, sent = 2000, 512<<10
	}
	a := startAbused(t, 0)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	address := strings.TrimPrefix(a.url, "http://")
	head := fmt.Sprintf("PATCH /v1/apps/%d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", a.loud.app, a.loud.owner, 1<<20)
	part := []byte(`{"introduction":"` + strings.Repeat("x", sent))
	var held, refused atomic.Int64
	conns := make(chan io.Closer, count)
	var opening sync.WaitGroup
	slots := make(chan struct{}, 32)
	for range count {
		slots <- struct{}{}
		opening.Go(func() {
			defer func() { <-slots }()
			dialer := &net.Dialer{}
			conn, err := dialer.DialContext(t.Context(), "tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			conns <- conn
			_, err = io.WriteString(conn, head)
			for rest := part; err == nil && len(rest) > 0; rest = rest[min(len(rest), 16<<10):] {
				_, err = conn.Write(rest[:min(len(rest), 16<<10)])
			}
			_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			if line, _ := bufio.NewReader(conn).ReadString('\n'); strings.Contains(line, " 429 ") || err != nil {
				refused.Add(1)
				return
			}
			held.Add(1)
		})
	}
	opening.Wait()
	grown := int64(heap()) - int64(before) //nolint:gosec // sizes of a heap
	t.Logf("%d bodies of 1 MB, %d kB of each sent: %d are held, %d refused; the heap grew by %d MB (before: 2,000 of which some bytes were sent took 2.3 GB)",
		count, sent>>10, held.Load(), refused.Load(), grown>>20)
	if most := int64(128 << 20); grown > most {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for n := range 8 {
		if took := a.one(client, n); took > 10*time.Second {
			t.Errorf("another waited %s", took)
		}
	}
	close(conns)
	for conn := range conns {
		conn.Close()
	}
}

// TestAbuseConnections: an address and a token have so many connections; who has too many is told so, and others get in.
func TestAbuseConnections(t *testing.T) {
	s := New(Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Sandbox: true, SandboxStart: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC),
		Policy: domain.DefaultPolicy(), Replicas: 1, ConnectionsPerAddress: 12, ConnectionsPerToken: 5,
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	operator := operatorOf(t, s)
	var made struct {
		Token string `json:"token"`
	}
	operator.must(http.MethodPost, "/v1/tokens", `{"role":"reader","account":"acme","name":"x"}`, &made)
	http.DefaultClient.CloseIdleConnections()

	open := map[net.Conn]*bufio.Reader{}
	connect := func() net.Conn {
		dialer := &net.Dialer{}
		conn, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(s.HTTPURL(), "http://"))
		if err != nil {
			t.Fatal(err)
		}
		open[conn] = bufio.NewReader(conn)
		return conn
	}
	ask := func(conn net.Conn, token string) string {
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprintf(conn, "GET /v1/clock HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", token)
		resp, err := http.ReadResponse(open[conn], nil)
		if err != nil {
			return "closed"
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return "closed"
		}
		if strings.Contains(string(text), `"code":"too_many_connections"`) {
			if resp.Header.Get("Retry-After") == "" || !resp.Close {
				t.Errorf("too many connections are answered with %v", resp.Header)
			}
			return "too many"
		}
		return resp.Status[:3]
	}
	shown := make([]net.Conn, 5)
	for n := range shown {
		if shown[n] = connect(); ask(shown[n], made.Token) != "200" {
			t.Fatalf("connection %d of a token that may have 5 is refused", n)
		}
	}
	if said := ask(connect(), made.Token); said != "too many" {
		t.Errorf("the sixth connection of a token: %s", said)
	}
	other := connect()
	if said := ask(other, operator.token); said != "200" {
		t.Errorf("another token: %s", said)
	}
	// A connection counts for the token that it showed last.
	if said := ask(shown[0], operator.token); said != "200" {
		t.Errorf("another token on the same connection: %s", said)
	}
	if said := ask(connect(), made.Token); said != "200" {
		t.Errorf("there is no room where a connection went over to another token: %s", said)
	}
	for len(open) < 13 { // two were closed by the server, or will be
		connect()
	}
	until(t, "an address that has too many is told so", func() bool { return ask(connect(), operator.token) == "too many" })
	for conn := range open {
		conn.Close()
	}
	until(t, "there is room again", func() bool {
		conn := connect()
		defer conn.Close()
		return ask(conn, operator.token) == "200"
	})
}

// TestAbuseRefusals: requests that are refused write some lines a second, and a probe that anybody may ask for is no sync each.
func TestAbuseRefusals(t *testing.T) {
	trial := 300 * time.Millisecond
	if os.Getenv("SUNDIAL_ABUSE") != "" {
		trial = 5 * time.Second
	}
	a := startAbused(t, 16)
	secret := a.loud.owner
	for name, do := range map[string]func(ctx context.Context, c *http.Client){
		"refused": func(ctx context.Context, c *http.Client) {
			a.ask(ctx, c, a.loud.reader, http.MethodPost, "/v1/tokens", "{}")
		},
		"not found":   func(ctx context.Context, c *http.Client) { a.ask(ctx, c, "", http.MethodGet, "/v1/"+secret, "") },
		"not a token": func(ctx context.Context, c *http.Client) { a.ask(ctx, c, "x", http.MethodGet, "/v1/apps", "") },
		"ready":       func(ctx context.Context, c *http.Client) { a.ask(ctx, c, "", http.MethodGet, "/readyz", "") },
	} {
		logged := a.logged.Load()
		ctx, cancel := context.WithTimeout(t.Context(), trial)
		var requests atomic.Int64
		a.each(ctx, func(c *http.Client, _ int) {
			do(ctx, c)
			requests.Add(1)
		})
		cancel()
		grew := a.logged.Load() - logged
		t.Logf("%s: %d requests in %s, the log grew by %d kB (before: 242,000 in 5 s wrote 60 MB)", name, requests.Load(), trial, grew>>10)
		if most := int64(trial/time.Second+2) * 40 << 10; grew > most {
			t.Errorf("%s: the log grew by %d kB", name, grew>>10)
		}
	}
}
