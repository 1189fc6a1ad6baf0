package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/internal/testing/spoken"
)

// TestALogWithANumberTwiceIsServed: the number means the earlier app, the start names the other, and that gets another.
func TestALogWithANumberTwiceIsServed(t *testing.T) {
	s := start(t)
	c := operatorOf(t, s)
	app := c.create("acme", "first")
	parts, _ := s.Parts()
	codec, err := codec.New()
	if err != nil {
		t.Fatal(err)
	}
	created, err := codec.Encode(domain.AppCreated{
		About: domain.About{App: domain.AppID(app)}, Name: "later", AppType: "other", CreatedAt: domain.InstantOf(s.Config.SandboxStart),
	})
	if err != nil {
		t.Fatal(err)
	}
	commit := eventstore.Commit{
		Account: "globex", ID: "k-1", Command: "create_app", Actor: "operator:test", RecordedAt: s.Config.SandboxStart.UnixMilli(),
		Events: []eventstore.Event{created},
	}
	payload, err := commit.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parts.JetStream.PublishMsg(t.Context(), &nats.Msg{Subject: "events.globex", Header: commit.Header(), Data: payload}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	logged := &spoken.Text{}
	s.Config.Logger = slog.New(slog.NewTextHandler(logged, nil))
	s = New(s.Config)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	c = operatorOf(t, s)
	verb := fmt.Sprintf("sundial account renumber globex %d", app)
	until(t, "the start names the app", func() bool { return strings.Contains(logged.String(), verb) })
	var is appView
	c.must(http.MethodGet, fmt.Sprintf("/v1/apps/%d", app), "", &is)
	if is.Account != "acme" {
		t.Errorf("the number means the app of %s, want acme's", is.Account)
	}
	c.must(http.MethodPost, fmt.Sprintf("/v1/accounts/globex/apps/%d/renumber", app), `{"reason":"given out twice"}`, &is)
	if is.App == app || is.Account != "globex" {
		t.Errorf("renumbered: %+v", is)
	}
	c.must(http.MethodGet, fmt.Sprintf("/v1/apps/%d", is.App), "", &is)
	if is.Account != "globex" {
		t.Errorf("the new number means the app of %s, want globex's", is.Account)
	}
}
