package auth

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
)

// TestNobodyForgesEvents: whatever is answered to one token, on whatever subject it wants the answer, no other token
// hears it.
func TestNobodyForgesEvents(t *testing.T) {
	srv, store := startWithTokens(t)
	own, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	js, err := jetstream.New(own)
	if err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]string{"BILLING": "billing.*", "LIFECYCLE": "lifecycle.>"} {
		if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	service, err := micro.AddService(own, micro.Config{Name: "sundial", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := service.AddEndpoint("stop_app", micro.HandlerFunc(func(r micro.Request) {
		if err := r.Respond([]byte("forged")); err != nil {
			t.Error(err)
		}
	}), micro.WithEndpointSubject("command.*.stop_app")); err != nil {
		t.Fatal(err)
	}
	if err := own.Flush(); err != nil {
		t.Fatal(err)
	}

	// Whoever may hear of globex listens to all that it may.
	heard := map[string]*nats.Subscription{}
	for who, n := range map[string]NewToken{
		"owner": {Role: Owner, Account: "globex", Name: "x"}, "reader": {Role: Reader, Account: "globex", Name: "x"},
		"auditor": {Role: Auditor, Name: "x"}, "operator": {Role: Operator, Name: "x"},
	} {
		_, secret := create(t, store, n)
		nc, _ := connectWith(t, srv, secret)
		subject := "lifecycle.globex.>"
		if n.Account == "" {
			subject = "lifecycle.>"
		}
		if heard[who], err = nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
	}

	for _, row := range []struct {
		name, subject string
		by            NewToken
	}{
		{"the answer to a command", "command.acme.stop_app", NewToken{Role: Owner, Account: "acme", Name: "x"}},
		{"the acknowledgement of a bill", "billing.alpha", NewToken{Role: Billing, Name: "x"}},
		{"the answer to a discovery", "$SRV.PING", NewToken{Role: Auditor, Name: "x"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, secret := create(t, store, row.by)
			nc, _ := connectWith(t, srv, secret)
			if err := nc.PublishRequest(row.subject, "lifecycle.globex.1400000001", []byte("{}")); err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			// It is answered: what is asked for properly after it has its answer, and the service and the stream keep order.
			if _, err := nc.Request(row.subject, []byte("{}"), 10*time.Second); err != nil {
				t.Fatal(err)
			}
			// What the program tells comes after it.
			if _, err := js.Publish(t.Context(), "lifecycle.globex.7", []byte("told")); err != nil {
				t.Fatal(err)
			}
			for who, subscription := range heard {
				for {
					m, err := subscription.NextMsg(10 * time.Second)
					if err != nil {
						t.Fatalf("the %s of globex: %v", who, err)
					}
					if string(m.Data) == "told" {
						break
					}
					t.Errorf("the %s of globex hears %s %s", who, m.Subject, m.Data)
				}
			}
		})
	}
}
