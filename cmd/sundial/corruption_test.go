package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestCorruptionStopsCommandsAndNotReads puts something into the log that no engine wrote.
func TestCorruptionStopsCommandsAndNotReads(t *testing.T) {
	p := start(t, nil)
	c, err := (&remote{Server: p.HTTPURL(), Data: p.Config.Dir}).client()
	if err != nil {
		t.Fatal(err)
	}
	app := c.create(t, "acme", "shop chat")
	js, err := jetstream.New(p.control.attended().nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "events.acme", []byte(`{"not":"a commit"}`)); err != nil {
		t.Fatal(err)
	}

	until(t, "readiness says what is wrong", func() bool {
		a, _ := c.do(t.Context(), request{method: http.MethodGet, path: "/readyz"})
		return a.status == http.StatusServiceUnavailable && strings.Contains(string(a.body), "corrupt")
	})
	until(t, "commands are refused", func() bool {
		a, _ := c.do(t.Context(), request{method: http.MethodPost, path: "/v1/accounts/globex/apps", body: map[string]string{"name": "x"}})
		return a.status == http.StatusServiceUnavailable && strings.Contains(string(a.body), `"code":"corrupt"`)
	})
	if _, err := c.do(t.Context(), request{method: http.MethodGet, path: route("/v1/apps/%v", app)}); err != nil {
		t.Errorf("a read: %v", err)
	}
}

// TestALogThatWasSetBackIsRefused starts on a log from before what the projections have seen.
func TestALogThatWasSetBackIsRefused(t *testing.T) {
	dir, backup := t.TempDir(), t.TempDir()
	p := spawn(t, dir)
	c := p.client(t)
	c.create(t, "acme", "one")
	p.kill(t)
	if err := os.CopyFS(backup, os.DirFS(filepath.Join(dir, natsDir))); err != nil {
		t.Fatal(err)
	}
	p = spawn(t, dir)
	p.client(t).create(t, "acme", "two")
	p.kill(t)
	if err := os.RemoveAll(filepath.Join(dir, natsDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, natsDir), os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	code, said := fails(t, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	if code != exitFailed || !strings.Contains(said, "the log is corrupt") || !strings.Contains(said, "rebuild") {
		t.Errorf("exit code %d, %s", code, said)
	}
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
