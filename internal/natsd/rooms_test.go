package natsd_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"

	"sundial/internal/natsd"
)

// TestAnswersStayOutside: a client cannot have an answer written where it may not write itself.
func TestAnswersStayOutside(t *testing.T) {
	s := start(t, natsd.Config{
		Listen: "127.0.0.1:0",
		Doors: natsd.Doors{
			Answered: []string{"billing.>", "command.>", "$SRV.>"},
			Heard:    []string{"lifecycle.>"},
		},
		Authenticate: func(natsd.Credentials) (natsd.Permissions, bool) {
			return natsd.Permissions{
				User:      "client",
				Publish:   natsd.Subjects{Allow: []string{">"}},
				Subscribe: natsd.Subjects{Allow: []string{">"}},
			}, true
		},
	})
	own := connect(t, s)
	js, err := jetstream.New(own)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	messages := map[string]func() uint64{}
	for name, subject := range map[string]string{"LOG": "events.>", "BILLS": "billing.>", "TOLD": "lifecycle.>"} {
		stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{subject}})
		if err != nil {
			t.Fatal(err)
		}
		messages[name] = func() uint64 {
			info, err := stream.Info(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return info.State.Msgs
		}
	}
	service, err := micro.AddService(own, micro.Config{Name: "sundial", Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := service.AddEndpoint("stop", micro.HandlerFunc(func(r micro.Request) {
		if err := r.Respond([]byte("stopped")); err != nil {
			t.Error(err)
		}
	}), micro.WithEndpointSubject("command.*.stop_app")); err != nil {
		t.Fatal(err)
	}
	if err := own.Flush(); err != nil {
		t.Fatal(err)
	}

	client, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answers, err := client.SubscribeSync("events.acme")
	if err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"billing.acme", "command.acme.stop_app"} {
		if err := client.PublishRequest(subject, "events.acme", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if _, err := answers.NextMsg(10 * time.Second); err != nil {
			t.Errorf("the answer of %s: %v", subject, err)
		}
	}
	for _, subject := range []string{"events.acme", "lifecycle.acme.1", "$JS.API.STREAM.DELETE.BILLS"} {
		if err := client.Publish(subject, []byte("forged")); err != nil {
			t.Fatal(err)
		}
	}

	// The doors that there are lead in and back.
	if answer, err := client.Request("command.acme.stop_app", nil, 10*time.Second); err != nil || string(answer.Data) != "stopped" {
		t.Errorf("a command: %v, %v", answer, err)
	}
	if answer, err := client.Request("$SRV.PING", nil, 10*time.Second); err != nil || !strings.Contains(string(answer.Data), "sundial") {
		t.Errorf("discovery: %v, %v", answer, err)
	}
	outside, err := jetstream.New(client)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := outside.Publish(ctx, "billing.acme", []byte("{}")); err != nil {
		t.Errorf("a bill: %v", err)
	}
	told, err := client.SubscribeSync("lifecycle.acme.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, "lifecycle.acme.7", []byte("stopped")); err != nil {
		t.Fatal(err)
	}
	if m, err := told.NextMsg(10 * time.Second); err != nil || string(m.Data) != "stopped" {
		t.Errorf("what the program tells: %v, %v", m, err)
	}
	for name, want := range map[string]uint64{"LOG": 0, "BILLS": 2, "TOLD": 1} {
		if got := messages[name](); got != want {
			t.Errorf("%s holds %d messages, want %d", name, got, want)
		}
	}
}

// TestRestartLetsClientsBackIn: one that connects while the server starts waits, rather than being refused for good.
func TestRestartLetsClientsBackIn(t *testing.T) {
	s := start(t, natsd.Config{
		Listen: "127.0.0.1:0",
		Doors:  natsd.Doors{Answered: []string{"command.>"}},
		Authenticate: func(natsd.Credentials) (natsd.Permissions, bool) {
			return natsd.Permissions{
				User:      "client",
				Publish:   natsd.Subjects{Allow: []string{"command.>"}},
				Subscribe: natsd.Subjects{Allow: []string{"_INBOX.>"}},
			}, true
		},
	})
	own := connect(t, s)
	if _, err := own.Subscribe("command.acme.stop_app", func(m *nats.Msg) { _ = m.Respond(nil) }); err != nil {
		t.Fatal(err)
	}
	client, err := nats.Connect(s.ClientURL(), nats.ReconnectWait(time.Millisecond), nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for range 3 {
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); ; {
			if _, err := client.Request("command.acme.stop_app", nil, time.Second); err == nil {
				break
			} else if client.IsClosed() || time.Now().After(deadline) {
				t.Fatalf("after a restart: %v, closed %t", err, client.IsClosed())
			}
		}
	}
}
