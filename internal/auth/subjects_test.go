package auth

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/natsd"
)

// startWithTokens starts a server that lets in by tokens, as the program does.
func startWithTokens(t *testing.T) (*natsd.Server, *Store) {
	t.Helper()
	return startWithClock(t, newClock().Now)
}

func startWithClock(t *testing.T, now func() time.Time) (*natsd.Server, *Store) {
	t.Helper()
	var store *Store
	var srv *natsd.Server
	ready := make(chan struct{})
	answered, heard := Doors()
	srv = startServer(t, natsd.Config{
		Listen: "127.0.0.1:0",
		Doors:  natsd.Doors{Answered: answered, Heard: heard},
		Authenticate: func(c natsd.Credentials) (natsd.Permissions, bool) {
			<-ready
			p, err := store.Authenticate(c.Token)
			if err != nil {
				return natsd.Permissions{}, false
			}
			g := GrantsOf(p)
			return natsd.Permissions{
				User:      p.TokenID,
				Publish:   natsd.Subjects{Allow: g.Publish},
				Subscribe: natsd.Subjects{Allow: g.Subscribe},
				Rate:      g.Rate,
			}, true
		},
	})
	store = openStore(t, srv, Config{Now: now, Ended: func(id string) { srv.Disconnect(id) }})
	close(ready)
	return srv, store
}

func connectWith(t *testing.T, srv *natsd.Server, secret string) (*nats.Conn, *denials) {
	t.Helper()
	d := &denials{}
	nc, err := nats.Connect(srv.ClientURL(), nats.Token(secret), nats.CustomInboxPrefix(InboxPrefix(secret)),
		nats.ErrorHandler(d.handle))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc, d
}

// denials collects what the server denied to a connection.
type denials struct {
	mu  sync.Mutex
	all []string
}

func (d *denials) handle(_ *nats.Conn, _ *nats.Subscription, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, err.Error())
}

func (d *denials) of(text string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.all {
		if strings.Contains(e, text) {
			return true
		}
	}
	return false
}

// TestSubjects tries every role on every kind of subject against a real server.
func TestSubjects(t *testing.T) {
	srv, store := startWithTokens(t)
	tokens := map[Role]NewToken{
		Operator: {Role: Operator, Name: "x"},
		Owner:    {Role: Owner, Account: "acme", Name: "x"},
		Billing:  {Role: Billing, Name: "x"},
		Auditor:  {Role: Auditor, Name: "x"},
		Reader:   {Role: Reader, Account: "acme", Name: "x"},
	}
	for _, row := range []struct {
		does, subject string
		roles         []Role // who may
	}{
		{"publish", "command.acme.stop_app", []Role{Operator, Owner}},
		{"publish", "command.globex.stop_app", []Role{Operator}},
		{"publish", "billing.acme", []Role{Operator, Billing}},
		{"publish", "billing.globex", []Role{Operator, Billing}},
		{"publish", "$SRV.PING", []Role{Operator, Auditor}},
		{"publish", "lifecycle.acme.1400000001", nil},
		{"publish", "events.acme", nil},
		{"publish", "$JS.API.STREAM.DELETE.SUNDIAL_EVENTS", nil},
		{"publish", "$JS.API.CONSUMER.CREATE.SUNDIAL_EVENTS", nil},
		{"publish", "$KV.SUNDIAL_TOKENS.tok_x", nil},
		{"publish", "_INBOX.tok_x.y", nil},
		{"subscribe", "lifecycle.>", []Role{Operator, Auditor}},
		{"subscribe", "lifecycle.acme.>", []Role{Operator, Auditor, Owner, Reader}},
		{"subscribe", "lifecycle.globex.>", []Role{Operator, Auditor}},
		{"subscribe", "billing.>", nil},
		{"subscribe", "command.>", nil},
		{"subscribe", "events.>", nil},
		{"subscribe", "$KV.>", nil},
		{"subscribe", "_INBOX.>", Roles()},
		{"subscribe", ">", nil},
	} {
		for _, role := range Roles() {
			may := false
			for _, r := range row.roles {
				may = may || r == role
			}
			_, secret := create(t, store, tokens[role])
			nc, denied := connectWith(t, srv, secret)
			var err error
			if row.does == "publish" {
				err = nc.Publish(row.subject, []byte("{}"))
			} else {
				_, err = nc.SubscribeSync(row.subject)
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := nc.FlushTimeout(10 * time.Second); err != nil {
				t.Fatal(err)
			}
			if !may {
				await(t, string(role)+" is denied to "+row.does+" "+row.subject, func() bool { return denied.of(row.subject) })
			} else if err := nc.LastError(); err != nil {
				t.Errorf("%s, %s %s: %v", role, row.does, row.subject, err)
			}
			nc.Close()
		}
	}
}

// TestBillingHearsItsAcknowledgement, which comes to its own inbox and to no other.
func TestBillingHearsItsAcknowledgement(t *testing.T) {
	srv, store := startWithTokens(t)
	own, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	inside, err := jetstream.New(own)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inside.CreateStream(t.Context(), jetstream.StreamConfig{Name: "BILLING", Subjects: []string{"billing.*"}}); err != nil {
		t.Fatal(err)
	}
	token, secret := create(t, store, NewToken{Role: Billing, Name: "billing"})
	nc, _ := connectWith(t, srv, secret)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if ack, err := js.Publish(ctx, "billing.acme", []byte("{}")); err != nil || ack.Sequence != 1 {
		t.Errorf("a bill: %+v, %v", ack, err)
	}

	// Revoking closes what was opened with the token, and it does not come back.
	if err := store.Revoke(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	await(t, "the connection is closed", func() bool { return !nc.IsConnected() })
	if _, err := nats.Connect(srv.ClientURL(), nats.Token(secret)); !errors.Is(err, nats.ErrAuthorization) {
		t.Errorf("connecting with a revoked token: %v", err)
	}
}

// TestConnectionsEndWithTheirToken, at the moment at which it expires.
func TestConnectionsEndWithTheirToken(t *testing.T) {
	srv, store := startWithClock(t, time.Now)
	token, secret := create(t, store, NewToken{Role: Reader, Account: "acme", Name: "x", ExpiresAt: time.Now().Add(500 * time.Millisecond)})
	ended := make(chan time.Time, 1)
	nc, err := nats.Connect(srv.ClientURL(), nats.Token(secret), nats.DisconnectErrHandler(func(*nats.Conn, error) { ended <- time.Now() }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	select {
	case at := <-ended:
		if late := at.Sub(token.ExpiresAt); late < 0 || late > 5*time.Second {
			t.Errorf("ended %s after its token", late)
		}
	case <-time.After(20 * time.Second):
		t.Error("it goes on 20 s after its token")
	}
}

func TestNobodyIsGrantedNothing(t *testing.T) {
	for _, p := range []Principal{{}, {Role: Operator}, {TokenID: "tok_x", Role: "root"}} {
		if g := GrantsOf(p); len(g.Publish) > 0 || len(g.Subscribe) > 1 {
			t.Errorf("GrantsOf(%+v) = %+v", p, g)
		}
	}
}
