package server

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/auth"
)

// TestOverNATS does what the README tells users of NATS to do: give a command, publish a bill, hear what happened. What a
// billing system may not do it cannot.
func TestOverNATS(t *testing.T) {
	s := start(t)
	operator := operatorOf(t, s)
	connect := func(secret string, options ...nats.Option) *nats.Conn {
		nc, err := nats.Connect(s.NATSURL(), append(options, nats.Token(secret), nats.CustomInboxPrefix(auth.InboxPrefix(secret)))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}

	nc := connect(operator.token)
	heard, err := nc.SubscribeSync("lifecycle.acme.>")
	if err != nil {
		t.Fatal(err)
	}
	order := nats.NewMsg("command.acme.create_app")
	order.Data = []byte(`{"name":"shop chat"}`)
	order.Header.Set("Authorization", "Bearer "+operator.token)
	order.Header.Set("Idempotency-Key", "k-1")
	said, err := nc.RequestMsg(order, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var app appView
	if err := json.Unmarshal(said.Data, &app); err != nil || app.Account != "acme" {
		t.Fatalf("%v: %s", err, said.Data)
	}
	m, err := heard.NextMsg(5 * time.Second)
	if err != nil || !strings.Contains(string(m.Data), "app.created") || m.Subject != fmt.Sprintf("lifecycle.acme.%d", app.App) {
		t.Errorf("heard %v, %+v", err, m)
	}

	var token struct {
		ID    string `json:"id"`
		Token string `json:"token"`
	}
	operator.must(http.MethodPost, "/v1/tokens", `{"role":"billing","name":"billing system"}`, &token)
	denied := make(chan error, 8)
	biller := connect(token.Token, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	js, err := jetstream.New(biller)
	if err != nil {
		t.Fatal(err)
	}
	bill := fmt.Sprintf(`{"specversion":"1.0","id":"1","source":"urn:b","type":"sundial.billing.order.paid","data":{"account":"acme","app":%d,"effective_at":"2020-12-31T01:00:00Z","order":"o","edition":"pro","amount":{"currency":"CNY","minor":1}}}`, app.App)
	if _, err := js.Publish(t.Context(), "billing.acme", []byte(bill)); err != nil {
		t.Fatal(err)
	}
	until(t, "the bill is taken in", func() bool {
		status, said := operator.send(http.MethodGet, fmt.Sprintf("/v1/apps/%d", app.App), "")
		return status == http.StatusOK && json.Unmarshal(said, &app) == nil && app.Edition == "pro"
	})

	for _, subject := range []string{"events.acme", "lifecycle.acme.1", "command.acme.stop_app", "$JS.API.STREAM.DELETE.SUNDIAL_EVENTS"} {
		if err := biller.Publish(subject, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-denied:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", subject, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("a billing system may publish on %s", subject)
		}
	}

	// A token that is revoked loses its connection.
	gone := biller.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	operator.must(http.MethodDelete, "/v1/tokens/"+token.ID, "", nil)
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Error("still connected with a token that was revoked")
	}
}
