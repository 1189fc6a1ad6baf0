package main

import (
	"errors"
	"net/http"
	"testing"

	"github.com/nats-io/nats.go"
)

// TestANewLifeServesWhatTheOldOneAcknowledged ends a life of the engine below its clients, as a stuck server does.
func TestANewLifeServesWhatTheOldOneAcknowledged(t *testing.T) {
	p := start(t, nil)
	c, err := (&remote{Server: p.HTTPURL(), Data: p.Config.Dir}).client()
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(p.NATSURL(), nats.Token(c.token), nats.MaxReconnects(-1), nats.ReconnectWait(1))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	back := nc.StatusChanged(nats.CONNECTED)

	for round := range 3 {
		app := c.create(t, "acme", "shop chat")
		first := p.control.attended()
		first.faults <- errors.New("stuck, says the test")
		until(t, "another life serves", func() bool {
			l := p.control.attended()
			return l != nil && l != first
		})
		if _, err := c.do(t.Context(), request{method: http.MethodGet, path: route("/v1/apps/%v", app)}); err != nil {
			t.Errorf("life %d: %v", round+2, err)
		}
	}
	c.create(t, "acme", "shop chat")
	<-back // the NATS address is the same
}
