package server

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"sundial/internal/testing/enginetest"
)

// TestCorruptionStopsCommandsAndNotReads puts something into the log that no engine wrote.
func TestCorruptionStopsCommandsAndNotReads(t *testing.T) {
	s := start(t)
	c := operatorOf(t, s)
	app := c.create("acme", "shop chat")
	parts, _ := s.Parts()
	if _, err := parts.JetStream.Publish(t.Context(), "events.acme", []byte(`{"not":"a commit"}`)); err != nil {
		t.Fatal(err)
	}

	until(t, "readiness says what is wrong", func() bool {
		status, said := c.send(http.MethodGet, "/readyz", "")
		return status == http.StatusServiceUnavailable && strings.Contains(string(said), "corrupt")
	})
	until(t, "commands are refused", func() bool {
		status, said := c.send(http.MethodPost, "/v1/accounts/globex/apps", `{"name":"x"}`)
		return status == http.StatusServiceUnavailable && strings.Contains(string(said), `"code":"corrupt"`)
	})
	c.must(http.MethodGet, fmt.Sprintf("/v1/apps/%d", app), "", nil)
}

// TestADamagedCommitIsAnsweredAsCorrupt flips a bit in a commit that nobody looks at until it is read: who asks for what rests
// on it learns its position, and everything else is answered.
func TestADamagedCommitIsAnsweredAsCorrupt(t *testing.T) {
	s := start(t)
	c := operatorOf(t, s)
	app, other := c.create("acme", "shop chat"), c.create("globex", "other")
	c.must(http.MethodPatch, fmt.Sprintf("/v1/apps/%d", app), `{"introduction":"flipped"}`, nil)
	c.must(http.MethodPatch, fmt.Sprintf("/v1/apps/%d", app), `{"introduction":"whole"}`, nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	enginetest.Flip(t, filepath.Join(s.Config.Dir, NATSDir), "flipped")
	s = New(s.Config)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c.url = s.HTTPURL()

	for _, path := range []string{
		"/v1/accounts/acme/statement", "/v1/accounts/acme/history", fmt.Sprintf("/v1/apps/%d/history", app),
		"/v1/events?account=acme", "/v1/events?account=acme&after=2", "/v1/events?account=acme&after=1.0", "/v1/events",
	} {
		status, said := c.send(http.MethodGet, path, "")
		if status != http.StatusServiceUnavailable || !strings.Contains(string(said), `"code":"corrupt"`) || !strings.Contains(string(said), "position 3") {
			t.Errorf("%s: %d %s", path, status, said)
		}
	}
	for _, path := range []string{
		"/v1/accounts/globex/statement", "/v1/accounts/globex/history", fmt.Sprintf("/v1/apps/%d/history", other),
		"/v1/events?account=globex", "/v1/events?after=3", fmt.Sprintf("/v1/apps/%d", app),
	} {
		c.must(http.MethodGet, path, "", nil)
	}
}
