package natsd_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/natsd"
)

func start(t testing.TB, config natsd.Config) *natsd.Server {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	s, err := natsd.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	return s
}

func connect(t testing.TB, s *natsd.Server) *nats.Conn {
	t.Helper()
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func TestIdleStartIsFast(t *testing.T) {
	best := time.Hour // of several: the machine may be busy with something else
	for range 3 {
		begin := time.Now()
		s := start(t, natsd.Config{Listen: "127.0.0.1:0"})
		connect(t, s)
		best = min(best, time.Since(begin))
	}
	if best > time.Second {
		t.Errorf("an idle start took %s, want less than 1s", best)
	}
}

func TestPortZeroIsAnyFreePort(t *testing.T) {
	a := start(t, natsd.Config{Listen: "127.0.0.1:0"})
	b := start(t, natsd.Config{Listen: "127.0.0.1:0"})
	for _, s := range []*natsd.Server{a, b} {
		if url := s.ClientURL(); !strings.HasPrefix(url, "nats://127.0.0.1:") || strings.HasSuffix(url, ":0") || strings.HasSuffix(url, ":4222") {
			t.Errorf("client URL %q", url)
		}
	}
}

func TestWithoutListenerThereIsNoURL(t *testing.T) {
	s := start(t, natsd.Config{})
	if url := s.ClientURL(); url != "" {
		t.Errorf("client URL %q, want none", url)
	}
	if err := connect(t, s).FlushTimeout(5 * time.Second); err != nil {
		t.Error(err)
	}
}

func TestTakenPortIsReported(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: l.Addr().String()})
	if err == nil {
		s.Shutdown()
		t.Fatal("started on a taken port")
	}
	if !strings.Contains(err.Error(), "in use") {
		t.Errorf("error %q does not say that the address is in use", err)
	}
}

// publisher may publish bills and read its own inbox.
var publisher = natsd.Permissions{
	User:      "biller",
	Publish:   natsd.Subjects{Allow: []string{"billing.>"}},
	Subscribe: natsd.Subjects{Allow: []string{"_INBOX_biller.>"}},
}

func TestCredentials(t *testing.T) {
	everything := natsd.Permissions{User: "greedy", Publish: natsd.Subjects{Allow: []string{">"}}, Subscribe: natsd.Subjects{Allow: []string{">"}}}
	s := start(t, natsd.Config{
		Listen:   "127.0.0.1:0",
		Reserved: []string{"events.>"},
		Authenticate: func(c natsd.Credentials) (natsd.Permissions, bool) {
			switch {
			case c.Token == "bill":
				return publisher, true
			case c.User == "greedy" && c.Password == "secret":
				return everything, true
			case c.Token == "nothing":
				return natsd.Permissions{}, true
			}
			return natsd.Permissions{}, false
		},
	})
	own := connect(t, s)
	js, err := jetstream.New(own)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "LOG", Subjects: []string{"events.>"}, DenyDelete: true, DenyPurge: true}); err != nil {
		t.Fatal(err)
	}

	for _, row := range []struct {
		name    string
		options []nats.Option
	}{
		{"without credentials", nil},
		{"wrong token", []nats.Option{nats.Token("other")}},
		{"wrong password", []nats.Option{nats.UserInfo("greedy", "guess")}},
		{"the program's user without its password", []nats.Option{nats.UserInfo("sundial", "")}},
	} {
		if nc, err := nats.Connect(s.ClientURL(), row.options...); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v, want an authorization error", row.name, err)
			if nc != nil {
				nc.Close()
			}
		}
	}

	for _, row := range []struct {
		name, subject string
		options       []nats.Option
		allowed       bool
	}{
		{"bills", "billing.acme", []nats.Option{nats.Token("bill")}, true},
		{"bills", "command.acme.stop", []nats.Option{nats.Token("bill")}, false},
		{"bills", "events.acme", []nats.Option{nats.Token("bill")}, false},
		{"greedy", "anything", []nats.Option{nats.UserInfo("greedy", "secret")}, true},
		{"greedy", "events.acme", []nats.Option{nats.UserInfo("greedy", "secret")}, false},
		{"greedy", "$JS.API.STREAM.DELETE.LOG", []nats.Option{nats.UserInfo("greedy", "secret")}, false},
		{"greedy", "$JS.API.STREAM.UPDATE.LOG", []nats.Option{nats.UserInfo("greedy", "secret")}, false},
		{"greedy", "$JS.API.STREAM.PURGE.LOG", []nats.Option{nats.UserInfo("greedy", "secret")}, false},
		{"greedy", "$JS.API.STREAM.CREATE.LOG2", []nats.Option{nats.UserInfo("greedy", "secret")}, false},
		{"greedy", "$JS.API.STREAM.INFO.LOG", []nats.Option{nats.UserInfo("greedy", "secret")}, true},
		{"nothing", "billing.acme", []nats.Option{nats.Token("nothing")}, false},
	} {
		t.Run(fmt.Sprintf("%s publishes on %s", row.name, row.subject), func(t *testing.T) {
			denied := make(chan error, 1)
			nc, err := nats.Connect(s.ClientURL(), append(row.options, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
				select {
				case denied <- err:
				default:
				}
			}))...)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if err := nc.Publish(row.subject, []byte("{}")); err != nil {
				t.Fatal(err)
			}
			if err := nc.FlushTimeout(5 * time.Second); err != nil {
				t.Fatal(err)
			}
			// The error line precedes the answer to the flush, its handler runs beside it.
			if row.allowed {
				if err := nc.LastError(); err != nil {
					t.Errorf("denied: %v", err)
				}
				return
			}
			select {
			case err := <-denied:
				if !errors.Is(err, nats.ErrPermissionViolation) {
					t.Errorf("error %v, want a permissions violation", err)
				}
			case <-time.After(5 * time.Second):
				t.Error("was allowed")
			}
		})
	}

	info, err := js.Stream(ctx, "LOG")
	if err != nil {
		t.Fatal(err)
	}
	if n := info.CachedInfo().State.Msgs; n != 0 {
		t.Errorf("%d messages reached the log from outside", n)
	}
}

func TestDisconnectEndsARevokedUser(t *testing.T) {
	s := start(t, natsd.Config{Listen: "127.0.0.1:0", Authenticate: func(c natsd.Credentials) (natsd.Permissions, bool) {
		return publisher, c.Token == "bill"
	}})
	closed := make(chan struct{})
	nc, err := nats.Connect(s.ClientURL(), nats.Token("bill"), nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if n := s.Disconnect("biller"); n != 1 {
		t.Fatalf("Disconnect: %d, want 1", n)
	}
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Fatal("still connected")
	}
}

func TestRestartKeepsAddressConnectionAndData(t *testing.T) {
	s := start(t, natsd.Config{Listen: "127.0.0.1:0"})
	nc := connect(t, s)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "LOG", Subjects: []string{"events.>"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(ctx, "events.a", []byte("one")); err != nil {
		t.Fatal(err)
	}
	url := s.ClientURL()
	back := nc.StatusChanged(nats.CONNECTED)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if s.ClientURL() != url {
		t.Errorf("address %s, was %s", s.ClientURL(), url)
	}
	select {
	case <-back:
	case <-time.After(10 * time.Second):
		t.Fatal("not connected again")
	}
	stream, err := js.Stream(ctx, "LOG")
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.LastSeq; n != 1 {
		t.Errorf("last sequence %d, want 1", n)
	}
}

func TestSystemAccountTellsOfSyncing(t *testing.T) {
	s := start(t, natsd.Config{})
	nc, err := s.ConnectSystem()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	m, err := nc.Request("$SYS.REQ.SERVER.PING.JSZ", nil, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(m.Data), `"sync_always":true`) {
		t.Errorf("statistics without sync_always: %s", m.Data)
	}
}
