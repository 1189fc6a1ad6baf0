package server

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/nats-io/nats.go"
)

// TestANewInstanceServesWhatTheOldOneAcknowledged ends an instance of the engine below its clients, as a stuck server does.
func TestANewInstanceServesWhatTheOldOneAcknowledged(t *testing.T) {
	s := start(t)
	c := operatorOf(t, s)
	nc, err := nats.Connect(s.NATSURL(), nats.Token(c.token), nats.MaxReconnects(-1), nats.ReconnectWait(1))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	back := nc.StatusChanged(nats.CONNECTED)

	for round := range 3 {
		app := c.create("acme", "shop chat")
		first := s.socket.attended()
		first.faults <- errors.New("stuck, says the test")
		until(t, "another instance serves", func() bool {
			l := s.socket.attended()
			return l != nil && l != first
		})
		if status, said := c.send(http.MethodGet, fmt.Sprintf("/v1/apps/%d", app), ""); status != http.StatusOK {
			t.Errorf("instance %d: %d %s", round+2, status, said)
		}
	}
	c.create("acme", "shop chat")
	<-back // the NATS address is the same
}
