package natskeys_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/natskeys"
)

// startCluster starts three servers with the configuration that is deployed, but for ports, names and folders.
func startCluster(t *testing.T, keys string) []*server.Server {
	t.Helper()
	conf, err := os.ReadFile("../../deploy/nats/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	etc := t.TempDir()
	if err := os.Symlink(keys, filepath.Join(etc, "keys")); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(etc, "nats.conf")
	if err := os.WriteFile(name, conf, 0o600); err != nil {
		t.Fatal(err)
	}
	var servers []*server.Server
	var ports []int
	var routes []*url.URL
	for range 3 {
		ports = append(ports, freePort(t))
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", ports[len(ports)-1])})
	}
	for i := range 3 {
		t.Setenv("NATS_NAME", fmt.Sprintf("nats-%d", i+1))
		o, err := server.ProcessConfigFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !o.SyncAlways || len(o.Routes) != 3 || o.ServerName != fmt.Sprintf("nats-%d", i+1) {
			t.Errorf("node %s syncs always: %t, has routes %v", o.ServerName, o.SyncAlways, o.Routes)
		}
		o.Host, o.Port, o.HTTPHost, o.HTTPPort = "127.0.0.1", server.RANDOM_PORT, "127.0.0.1", server.RANDOM_PORT
		o.Cluster.Host, o.Cluster.Port = "127.0.0.1", ports[i]
		o.StoreDir, o.NoSigs, o.NoLog = filepath.Join(etc, o.ServerName), true, true
		o.Routes = routes
		srv, err := server.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		srv.Start()
		t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
		servers = append(servers, srv)
	}
	for _, srv := range servers {
		if !srv.ReadyForConnections(20 * time.Second) {
			t.Fatalf("%s is not ready", srv.Name())
		}
	}
	return servers
}

// freePort gives a port that was free a moment ago: the servers have to know each other's before they start.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func connect(t *testing.T, srv *server.Server, creds string, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(srv.ClientURL(), append(options, nats.UserCredentials(creds))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// TestDeployedCluster runs three servers with the deployed configuration and the keys that are made for it, and does
// what each of the credentials is for.
func TestDeployedCluster(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	if err := natskeys.Write(keys); err != nil {
		t.Fatal(err)
	}
	for _, account := range []string{"acme", "globex"} {
		if err := natskeys.AddTenant(keys, account); err != nil {
			t.Fatal(err)
		}
	}
	servers := startCluster(t, keys)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	own := connect(t, servers[0], filepath.Join(keys, natskeys.SundialCreds))
	js, err := jetstream.New(own)
	if err != nil {
		t.Fatal(err)
	}
	streams := map[string]jetstream.Stream{}
	for name, subject := range map[string]string{"LOG": "events.*", "BILLS": "billing.*"} {
		for {
			try, done := context.WithTimeout(ctx, time.Second) // without a leader there is no answer
			s, err := js.CreateStream(try, jetstream.StreamConfig{Name: name, Subjects: []string{subject}, Replicas: 3})
			done()
			if err == nil {
				streams[name] = s
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("the cluster makes no stream: %v", err)
			}
		}
	}
	if ack, err := js.Publish(ctx, "events.acme", []byte("{}")); err != nil || ack.Sequence != 1 {
		t.Errorf("appending: %+v, %v", ack, err)
	}

	system := connect(t, servers[1], filepath.Join(keys, natskeys.SystemCreds))
	answer, err := system.RequestWithContext(ctx, "$SYS.REQ.SERVER.PING.VARZ", nil)
	if err != nil || !strings.Contains(string(answer.Data), `"sync_always":true`) {
		t.Errorf("a server does not say that it syncs always: %v, %s", err, text(answer))
	}

	denied := make(chan error, 100)
	billing := connect(t, servers[2], filepath.Join(keys, natskeys.BillingCreds),
		nats.CustomInboxPrefix(natskeys.BillingInbox),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }))
	outside, err := jetstream.New(billing)
	if err != nil {
		t.Fatal(err)
	}
	if ack, err := outside.Publish(ctx, "billing.acme", []byte("{}")); err != nil || ack.Sequence != 1 {
		t.Errorf("a bill: %+v, %v", ack, err)
	}
	// An answer that is asked for on the log's subject does not get there, nor does a message.
	if err := billing.PublishRequest("billing.acme", "events.acme", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := billing.Publish("events.acme", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-denied:
		if !errors.Is(err, nats.ErrPermissionViolation) {
			t.Errorf("publishing to the log: %v", err)
		}
	case <-ctx.Done():
		t.Error("publishing to the log was not denied")
	}
	if _, err := outside.Publish(ctx, "billing.acme", []byte("{}")); err != nil {
		t.Errorf("a bill after that: %v", err)
	}
	tenantsAreApart(ctx, t, servers, keys, own)
	for name, want := range map[string]uint64{"LOG": 1, "BILLS": 5} {
		info, err := streams[name].Info(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if info.State.Msgs != want {
			t.Errorf("%s holds %d messages, want %d", name, info.State.Msgs, want)
		}
	}
}

// tenantsAreApart: a customer's clients give their commands and hear what happens to their apps, and nobody can have
// anything written where another listens.
func tenantsAreApart(ctx context.Context, t *testing.T, servers []*server.Server, keys string, own *nats.Conn) {
	t.Helper()
	if _, err := own.Subscribe("command.*.stop_app", func(m *nats.Msg) { _ = m.Respond([]byte("forged")) }); err != nil {
		t.Fatal(err)
	}
	if err := own.FlushWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	acme := connect(t, servers[0], filepath.Join(keys, natskeys.TenantCreds("acme")))
	globex := connect(t, servers[1], filepath.Join(keys, natskeys.TenantCreds("globex")))
	heard, err := globex.SubscribeSync("lifecycle.globex.>")
	if err != nil {
		t.Fatal(err)
	}
	if err := globex.FlushWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	for { // until the other servers know of the service
		if _, err := acme.Request("command.acme.stop_app", nil, time.Second); err == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("a customer's command is not answered")
		}
	}
	billing := connect(t, servers[2], filepath.Join(keys, natskeys.BillingCreds), nats.CustomInboxPrefix(natskeys.BillingInbox))
	for nc, subject := range map[*nats.Conn]string{acme: "command.acme.stop_app", billing: "billing.acme"} {
		if err := nc.PublishRequest(subject, "lifecycle.globex.7", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		if _, err := nc.RequestWithContext(ctx, subject, []byte("{}")); err != nil { // answered behind it
			t.Fatal(err)
		}
	}
	for { // until the program's server knows who listens
		if err := own.Publish("lifecycle.globex.7", []byte("told")); err != nil {
			t.Fatal(err)
		}
		m, err := heard.NextMsg(time.Second)
		if err == nil {
			if string(m.Data) != "told" {
				t.Errorf("a customer hears %s", m.Data)
			}
			return
		}
		if ctx.Err() != nil {
			t.Fatal("a customer does not hear what is told")
		}
	}
}

func text(m *nats.Msg) string {
	if m == nil {
		return ""
	}
	return string(m.Data)
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := natskeys.Write(dir); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, natskeys.Resolver))
	if err != nil {
		t.Fatal(err)
	}
	if err := natskeys.Write(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("writing again: %v, want that they exist", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, natskeys.Resolver))
	if err != nil || string(after) != string(before) {
		t.Errorf("the keys were replaced: %v", err)
	}
	for _, name := range []string{natskeys.SundialCreds, natskeys.SystemCreds, natskeys.BillingCreds, natskeys.Seeds} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want mode 0600", name, info, err)
		}
	}
	if strings.Contains(string(before), "SEED") || strings.Contains(string(before), "\nSO") {
		t.Error("the servers' file holds a seed")
	}
}

func TestAddTenant(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := natskeys.AddTenant(dir, "acme"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without keys: %v", err)
	}
	if err := natskeys.Write(dir); err != nil {
		t.Fatal(err)
	}
	if err := natskeys.AddTenant(dir, "acme"); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, natskeys.Resolver))
	if err != nil {
		t.Fatal(err)
	}
	if err := natskeys.AddTenant(dir, "acme"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("again: %v, want that it exists", err)
	}
	for _, name := range []string{"", "Acme", "a.b", "../x", "a>"} {
		if err := natskeys.AddTenant(dir, name); err == nil {
			t.Errorf("%q is taken for an account", name)
		}
	}
	after, err := os.ReadFile(filepath.Join(dir, natskeys.Resolver))
	if err != nil || string(after) != string(before) {
		t.Errorf("the accounts were changed: %v", err)
	}
	if info, err := os.Stat(filepath.Join(dir, natskeys.TenantCreds("acme"))); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("credentials: %v, %v, want mode 0600", info, err)
	}
	if err := os.Remove(filepath.Join(dir, natskeys.Seeds)); err != nil {
		t.Fatal(err)
	}
	if err := natskeys.AddTenant(dir, "globex"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the seeds: %v", err)
	}
}
