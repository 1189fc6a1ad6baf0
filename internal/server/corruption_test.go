package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
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
