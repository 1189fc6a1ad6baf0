package server

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"sundial/domain"
	"sundial/internal/auth"
)

// start starts a whole server on free ports, in a sandbox that stands at 2021, but for what is given.
func start(t testing.TB, but ...func(*Config)) *Server {
	t.Helper()
	config := Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", NATSListen: "127.0.0.1:0",
		Sandbox: true, SandboxStart: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC),
		Policy: domain.DefaultPolicy(), Replicas: 1, Logger: slog.New(slog.DiscardHandler),
	}
	for _, change := range but {
		change(&config)
	}
	s := New(config)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client speaks to a server over HTTP.
type client struct {
	t          testing.TB
	url, token string
}

// operatorOf is the client that has the token of the data directory.
func operatorOf(t testing.TB, s *Server) *client {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(s.Config.Dir, auth.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	return &client{t, s.HTTPURL(), strings.TrimSpace(string(token))}
}

// send sends a request, with a body of JSON unless that is empty, and gives the answer's status and body.
func (c *client) send(method, path, body string) (int, []byte) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, resp.Body); err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, text.Bytes()
}

// must is send for what has to succeed; it reads the answer into something, unless that is nil.
func (c *client) must(method, path, body string, into any) {
	c.t.Helper()
	status, text := c.send(method, path, body)
	if status < 200 || status > 299 {
		c.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		c.t.Fatalf("%s %s: %v: %s", method, path, err, text)
	}
}

// appView is what the tests read of an app.
type appView struct {
	App     uint64 `json:"app"`
	Account string `json:"account"`
	Edition string `json:"edition"`
}

// create makes an app and gives its number.
func (c *client) create(account, name string) uint64 {
	c.t.Helper()
	var app appView
	c.must(http.MethodPost, "/v1/accounts/"+account+"/apps", fmt.Sprintf(`{"name":%q}`, name), &app)
	return app.App
}

// until waits for a state.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}
