package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/natskeys"
	"sundial/internal/vault"
)

// natsNode is a NATS server as a process of its own, with a configuration file: what the container would run.
func natsNode() {
	o, err := server.ProcessConfigFile(os.Args[1])
	if err == nil {
		var s *server.Server
		if s, err = server.NewServer(o); err == nil {
			s.ConfigureLogger()
			err = server.Run(s)
			s.WaitForShutdown()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// cluster is three NATS nodes with the deployed configuration, but for names, ports and folders.
type cluster struct {
	keys  string
	root  string // the root key's file
	nodes []*exec.Cmd
	urls  []string
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	dir := t.TempDir()
	c := &cluster{keys: filepath.Join(dir, "keys"), root: filepath.Join(dir, "root.key")}
	if err := natskeys.Write(c.keys); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.CreateRootFile(c.root); err != nil {
		t.Fatal(err)
	}
	deployed, err := os.ReadFile("../../deploy/nats/nats.conf")
	if err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 9)
	for i := range 3 {
		name := fmt.Sprintf("nats-%d", i+1)
		conf := strings.NewReplacer(
			"$NATS_NAME", name,
			"0.0.0.0:4222", fmt.Sprintf("127.0.0.1:%d", ports[i]),
			"0.0.0.0:8222", fmt.Sprintf("127.0.0.1:%d", ports[3+i]),
			"0.0.0.0:6222", fmt.Sprintf("127.0.0.1:%d", ports[6+i]),
			"nats-1:6222", fmt.Sprintf("127.0.0.1:%d", ports[6]),
			"nats-2:6222", fmt.Sprintf("127.0.0.1:%d", ports[7]),
			"nats-3:6222", fmt.Sprintf("127.0.0.1:%d", ports[8]),
			`"/data"`, fmt.Sprintf("%q", filepath.Join(dir, name)),
		).Replace(string(deployed))
		file := filepath.Join(dir, name+".conf")
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		program, err := exec.LookPath("nats-node")
		if err != nil {
			t.Fatal(err)
		}
		node := exec.Command(program, file)
		if err := node.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = node.Process.Kill()
			_ = node.Wait()
		})
		c.nodes, c.urls = append(c.nodes, node), append(c.urls, fmt.Sprintf("nats://127.0.0.1:%d", ports[i]))
	}
	return c
}

// spawn starts a Sundial node on the cluster.
func (c *cluster) spawn(t testing.TB, dir string) *process {
	t.Helper()
	return spawn(t, dir, "--root-key", "file:"+c.root, "--nats", strings.Join(c.urls, ","),
		"--nats-creds", filepath.Join(c.keys, natskeys.SundialCreds), "--nats-system-creds", filepath.Join(c.keys, natskeys.SystemCreds))
}

// TestCluster runs what docker-compose.yml describes as plain processes: three NATS nodes and two of Sundial.
func TestCluster(t *testing.T) {
	c := startCluster(t)
	one := c.spawn(t, t.TempDir())
	two := c.spawn(t, t.TempDir())
	// The first node made the operator's token; the second found an operator there.
	operator := one.client(t)
	onTwo := newClient(two.http, operator.token, http.DefaultTransport)

	// What one node wrote, the other reads once it has the position.
	a, err := operator.do(t.Context(), request{method: http.MethodPost, path: "/v1/accounts/acme/apps", body: map[string]string{"name": "shop"}})
	if err != nil {
		t.Fatalf("%v\n%s", err, one.logs)
	}
	var app appView
	if err := a.into(&app); err != nil {
		t.Fatal(err)
	}
	read := request{
		method: http.MethodGet, path: fmt.Sprintf("/v1/apps/%d", app.App),
		header: http.Header{"Sundial-Min-Position": {a.header.Get("Sundial-Position")}},
	}
	if _, err := onTwo.do(t.Context(), read); err != nil {
		t.Errorf("reading on the other node: %v\n%s", err, two.logs)
	}

	// What one node signs, the other verifies: both have the root key.
	path := fmt.Sprintf("/v1/apps/%d/usersigs", app.App)
	signed, err := operator.do(t.Context(), request{method: http.MethodPost, path: path, body: map[string]any{"user_id": "alice", "expire_seconds": 60}})
	var sig struct {
		UserSig string `json:"user_sig"`
	}
	if err := errors.Join(err, signed.into(&sig)); err != nil {
		t.Fatalf("%v\n%s", err, one.logs)
	}
	until(t, "the other node verifies it", func() bool {
		a, err := onTwo.do(t.Context(), request{method: http.MethodPost, path: path + "/verify", body: map[string]any{"user_id": "alice", "user_sig": sig.UserSig}})
		return err == nil && strings.HasPrefix(string(a.body), `{"valid":true,`)
	})

	// Both decide for one account at once, and the quota holds.
	var mu sync.Mutex
	created := 1
	var group sync.WaitGroup
	for i := range 110 {
		group.Go(func() {
			node := []*client{operator, onTwo}[i%2]
			a, _ := node.do(t.Context(), request{method: http.MethodPost, path: "/v1/accounts/acme/apps", body: map[string]string{"name": "shop"}})
			switch a.status {
			case http.StatusCreated:
				mu.Lock()
				created++
				mu.Unlock()
			case http.StatusConflict, http.StatusServiceUnavailable: // the quota; too many at once
			default:
				t.Errorf("answered %d %s", a.status, a.body)
			}
		})
	}
	group.Wait()
	if created > 100 {
		t.Errorf("%d apps were created, the quota is 100", created)
	}
	t.Logf("%d apps created by two nodes", created)

	// A bill that comes over the cluster is taken in, by whichever node has the lease.
	nc, err := nats.Connect(strings.Join(c.urls, ","), nats.UserCredentials(filepath.Join(c.keys, natskeys.BillingCreds)),
		nats.CustomInboxPrefix(natskeys.BillingInbox))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	bill := fmt.Sprintf(`{"specversion":"1.0","id":"1","source":"urn:b","type":"sundial.billing.order.paid","data":{"account":"acme","app":%d,"effective_at":"2021-01-01T01:00:00Z","order":"o","edition":"pro","amount":{"currency":"CNY","minor":1}}}`, app.App)
	if _, err := js.Publish(t.Context(), "billing.acme", []byte(bill)); err != nil {
		t.Fatal(err)
	}
	for _, node := range []*client{operator, onTwo} {
		until(t, "the bill is seen on each node", func() bool {
			a, err := node.do(t.Context(), request{method: http.MethodGet, path: fmt.Sprintf("/v1/apps/%d", app.App)})
			return err == nil && a.into(&app) == nil && app.Edition == "pro"
		})
	}

	// One NATS node dies, then a Sundial node: what is left goes on.
	if err := c.nodes[0].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "commands are taken with two of three NATS nodes", func() bool {
		a, _ := onTwo.do(t.Context(), request{method: http.MethodPost, path: "/v1/accounts/globex/apps", body: map[string]string{"name": "x"}})
		return a.status == http.StatusCreated
	})
	one.kill(t)
	until(t, "commands are taken with one Sundial node", func() bool {
		a, _ := onTwo.do(t.Context(), request{method: http.MethodPost, path: "/v1/accounts/globex/apps", body: map[string]string{"name": "x"}})
		return a.status == http.StatusCreated
	})
	until(t, "the node that is left is ready", func() bool {
		a, _ := onTwo.do(t.Context(), request{method: http.MethodGet, path: "/readyz"})
		return a.status == http.StatusOK
	})
}

// freePorts gives ports that were free a moment ago: the servers have to know each other's before they start.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
