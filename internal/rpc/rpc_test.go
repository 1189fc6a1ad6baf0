package rpc_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"

	"sundial/internal/api"
	"sundial/internal/auth"
	"sundial/internal/ingest"
	"sundial/internal/query"
	"sundial/internal/rpc"
	"sundial/internal/testing/enginetest"
	"sundial/scheduler"
)

// harness is the service with the API behind it, and that API over HTTP beside it.
type harness struct {
	t       *testing.T
	conn    *nats.Conn
	http    *httptest.Server
	secrets map[string]string
}

func start(t *testing.T) *harness {
	t.Helper()
	server := enginetest.Start(t)
	node := server.Node(t, t.TempDir(), true)
	sched, err := scheduler.New(t.Context(), scheduler.Config{
		Engine: node.Engine, Store: node.Store, Clock: scheduler.System{}, JetStream: server.JetStream,
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := auth.Open(t.Context(), server.JetStream, auth.Config{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tokens.Close)
	intake, err := ingest.Open(t.Context(), ingest.Config{JetStream: server.JetStream, Engine: node.Engine, Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(intake.Close)
	reader, err := query.New(node.Log, node.Store)
	if err != nil {
		t.Fatal(err)
	}
	door, err := api.New(api.Config{
		Past: node.Past(t, node.Time), Query: reader, Engine: node.Engine, Store: node.Store, Scheduler: sched, Tokens: tokens, Intake: intake, Head: node.Log.Head, Secrets: server.Custody(t, node.Engine, node.Store),
		Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &harness{t: t, conn: server.Conn, http: httptest.NewServer(door), secrets: map[string]string{"": "", "nonsense": "nonsense"}}
	t.Cleanup(w.http.Close)
	for _, role := range auth.Roles() {
		account := ""
		if role.OfOneAccount() {
			account = "acme"
		}
		if _, w.secrets[string(role)], err = tokens.Create(t.Context(), auth.NewToken{Role: role, Account: account, Name: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, w.secrets["stranger"], err = tokens.Create(t.Context(), auth.NewToken{Role: auth.Owner, Account: "globex", Name: "test"}); err != nil {
		t.Fatal(err)
	}
	service, err := rpc.Start(rpc.Config{
		Conn: server.Conn, Commands: api.CommandNames(),
		Do: func(ctx context.Context, r rpc.Request) rpc.Reply { return rpc.Reply(door.Command(ctx, api.Call(r))) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := service.Stop(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// answer is what came back, over NATS or HTTP.
type answer struct {
	Status int
	Body   string
	Key    string
	header nats.Header
}

func (w *harness) nats(who, subject, body string, headers ...string) answer {
	w.t.Helper()
	msg := nats.NewMsg(subject)
	msg.Data = []byte(body)
	if who != "" {
		msg.Header.Set("Authorization", "Bearer "+w.secrets[who])
	}
	for i := 0; i < len(headers); i += 2 {
		msg.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.conn.RequestMsg(msg, 10*time.Second)
	if err != nil {
		w.t.Fatalf("%s: %v", subject, err)
	}
	status, err := strconv.Atoi(res.Header.Get(rpc.HeaderStatus))
	if err != nil {
		w.t.Fatalf("%s: no status in %v", subject, res.Header)
	}
	if failed := res.Header.Get(micro.ErrorCodeHeader); (status >= 400) != (failed == strconv.Itoa(status)) {
		w.t.Errorf("%s: status %d with %s %q", subject, status, micro.ErrorCodeHeader, failed)
	}
	return answer{status, string(res.Data), res.Header.Get("Idempotency-Key"), res.Header}
}

func (w *harness) overHTTP(who, method, path, body, key string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.http.URL+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+w.secrets[who])
	}
	r.Header.Set("Idempotency-Key", key)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{res.StatusCode, string(text), res.Header.Get("Idempotency-Key"), nil}
}

// TestAnswersAreThoseOfHTTP gives each command over HTTP and, with the same key, over NATS: what was done is answered
// the same, and so is what is refused.
func TestAnswersAreThoseOfHTTP(t *testing.T) {
	w := start(t)
	made := w.overHTTP("owner", "POST", "/v1/accounts/acme/apps", `{"name":"shop"}`, "first")
	const path = "/v1/apps/1400000001"
	const money = `"amount":{"currency":"CNY","minor":1}`
	if made.Status != 201 {
		t.Fatal(made.Body)
	}
	for i, c := range []struct{ who, method, path, name, body string }{
		{"owner", "POST", "/v1/accounts/acme/apps", "create_app", `{"name":"two","reason":"r"}`},
		{"operator", "POST", "/v1/accounts/acme/apps/import", "import_app", `{"app":1500000001,"name":"rtc","created_at":"2020-01-01T00:00:00Z","edition":"trtc_trial"}`},
		{"operator", "PUT", "/v1/accounts/acme/quota", "set_quota", `{"apps":7}`},
		{"operator", "PUT", "/v1/accounts/acme/policy", "set_policy", `{"grace":"336h","editions":{"pro":{"notices":[]}},"reason":"r"}`},
		{"owner", "PATCH", path, "edit_app_info", `{"name":"renamed"}`},
		{"owner", "POST", path + "/stop", "stop_app", `{}`},
		{"owner", "POST", path + "/start", "start_app", ``},
		{"billing", "POST", path + "/upgrade", "upgrade_edition", `{"order":{"id":"o-1","edition":"pro",` + money + `}}`},
		{"billing", "POST", path + "/renew", "renew_plan", `{"order":{"id":"o-2","edition":"pro",` + money + `}}`},
		{"billing", "POST", path + "/arrears", "mark_arrears", `{"invoice":"i","version":1,"effective_at":"2021-01-01T00:00:00Z",` + money + `}`},
		{"billing", "POST", path + "/arrears/settle", "settle_arrears", `{"invoice":"i","version":2,"effective_at":"2021-01-01T00:00:00Z"}`},
		{"billing", "POST", path + "/arrears/void", "void_invoice", `{"invoice":"i","version":3,"effective_at":"2021-01-01T00:00:00Z"}`},
		{"billing", "POST", path + "/refund", "refund", `{"order":"o-1","effective_at":"2021-01-01T00:00:00Z"}`},
		{"billing", "POST", path + "/refund", "refund", `{"order":"o-1","refund":"r-1","ends":false,"effective_at":"2021-01-01T00:00:00Z"}`},
		{"operator", "POST", "/v1/apps/1500000001/trtc/stopped", "note_trtc_stopped", `{}`},
		{"operator", "POST", "/v1/apps/1500000001/trtc/started", "note_trtc_started", `{"reason":"r"}`},
		{"operator", "POST", path + "/rejudge", "rejudge", `{"reason":"r"}`},
		// refused
		{"owner", "DELETE", path, "delete_app", ``},
		{"auditor", "POST", path + "/stop", "stop_app", `{}`},
		{"stranger", "POST", path + "/stop", "stop_app", `{}`},
		{"nonsense", "POST", path + "/stop", "stop_app", `{}`},
		{"", "POST", path + "/stop", "stop_app", `{}`},
		{"owner", "POST", path + "/start", "start_app", `{"reason":7,"bogus":1}`},
		{"owner", "PATCH", path, "edit_app_info", `{"name":"a","name":"b"}`},
		{"owner", "PATCH", path, "edit_app_info", `{"name":""}`},
		{"billing", "POST", path + "/refund", "refund", `{`},
		{"operator", "PUT", "/v1/accounts/acme/quota", "set_quota", `{"apps":0}`},
		{"operator", "PUT", "/v1/accounts/acme/policy", "set_policy", `{"grace":"0s"}`},
		{"owner", "PUT", "/v1/accounts/acme/policy", "set_policy", `{}`},
	} {
		key := fmt.Sprint("k-", i)
		want := w.overHTTP(c.who, c.method, c.path, c.body, key)
		body := c.body
		if number, onApp := strings.CutPrefix(c.path, "/v1/apps/"); onApp && body != "{" {
			rest := strings.TrimPrefix(body, "{")
			if rest != "" && rest != "}" {
				rest = "," + rest
			}
			body = `{"app":` + number[:10] + strings.TrimSuffix(rest, "}") + "}"
		}
		got := w.nats(c.who, "command.acme."+c.name, body, "Idempotency-Key", key)
		got.header = nil
		// Of another tenant's app HTTP says that there is none, NATS the same of the account, which its subject names.
		if c.who == "stranger" {
			if got.Status != 404 || want.Status != 404 {
				t.Errorf("%s by a stranger: %d over NATS, %d over HTTP", c.name, got.Status, want.Status)
			}
			continue
		}
		if d := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); d != "" {
			t.Errorf("%s by %s with %s (-HTTP +NATS):\n%s", c.name, c.who, body, d)
		}
	}
}

// TestBadRequests sends over NATS what HTTP has no form of.
func TestBadRequests(t *testing.T) {
	w := start(t)
	if got := w.nats("owner", "command.acme.create_app", `{"name":"shop"}`); got.Status != 201 || got.Key == "" || got.header["ETag"][0] != `"1"` || got.header.Get("Sundial-Position") == "" {
		t.Fatalf("%d %s %v", got.Status, got.Body, got.header)
	}
	for _, c := range []struct {
		who, subject, body string
		headers            []string
		status             int
		code               string
	}{
		{"owner", "command.acme.stop_app", `{}`, nil, 422, "invalid"},
		{"owner", "command.acme.stop_app", ``, nil, 422, "invalid"},
		{"owner", "command.acme.stop_app", `{"app":0}`, nil, 422, "invalid"},
		{"owner", "command.acme.stop_app", `{"app":"1400000001"}`, nil, 422, "invalid"},
		{"owner", "command.acme.stop_app", `{"app":1400000002}`, nil, 404, "app_not_found"},
		{"operator", "command.globex.stop_app", `{"app":1400000001,"reason":"x"}`, nil, 404, "app_not_found"},
		{"operator", "command.ACME.create_app", `{"name":"x"}`, nil, 422, "invalid"},
		{"owner", "command.ACME.create_app", `{"name":"x"}`, nil, 404, "account_not_found"},
		{"owner", "command.acme.explode", `{}`, nil, 404, "command_not_found"},
		{"owner", "command.acme.unknown", `{}`, nil, 404, "command_not_found"},
		{"", "command.acme.explode", `{}`, nil, 401, "no_token"},
		{"owner", "command.acme.create_app", `{"name":"x"}`, []string{"Idempotency-Key", "fact/x"}, 422, "invalid"},
		{"owner", "command.acme.edit_app_info", `{"app":1400000001,"name":"x"}`, []string{"If-Match", `"9"`}, 412, "stale_version"},
		{"owner", "command.acme.edit_app_info", `{"app":1400000001,"name":"x"}`, []string{"if-match", `"9"`}, 412, "stale_version"},
		{"owner", "command.acme.create_app", strings.Repeat(" ", 1<<20+1), nil, 413, "too_large"},
	} {
		got := w.nats(c.who, c.subject, c.body, c.headers...)
		var problem struct{ Code string }
		if err := json.Unmarshal([]byte(got.Body), &problem); err != nil {
			t.Errorf("%s: %s: %v", c.subject, got.Body, err)
		}
		if got.Status != c.status || problem.Code != c.code || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s as %s with %.40s: %d %s, want %d %s", c.subject, c.who, c.body, got.Status, problem.Code, c.status, c.code)
		}
	}
}

// TestDiscovery finds the service as micro's tools do.
func TestDiscovery(t *testing.T) {
	w := start(t)
	w.nats("owner", "command.acme.create_app", `{}`)
	var info micro.Info
	w.ask("$SRV.INFO.sundial", &info)
	subjects := map[string]string{}
	for _, e := range info.Endpoints {
		subjects[e.Name] = e.Subject
	}
	for _, name := range api.CommandNames() {
		if subjects[name] != "command.*."+name {
			t.Errorf("%s is found on %q", name, subjects[name])
		}
	}
	var stats micro.Stats
	w.ask("$SRV.STATS.sundial", &stats)
	for _, e := range stats.Endpoints {
		if e.Name == "create_app" && (e.NumRequests != 1 || !strings.Contains(string(e.Data), `"problems":1`)) {
			t.Errorf("statistics of create_app: %d requests, %s", e.NumRequests, e.Data)
		}
	}
}

func (w *harness) ask(subject string, into any) {
	w.t.Helper()
	res, err := w.conn.Request(subject, nil, 5*time.Second)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(res.Data, into); err != nil {
		w.t.Fatal(err)
	}
}

// TestCommandsRunAtOnce shows that requests do not wait for each other, that one cannot take too many places, and that
// Stop waits for what is under way.
func TestCommandsRunAtOnce(t *testing.T) {
	server := enginetest.Start(t)
	const many = 100
	var running atomic.Int64
	release := make(chan struct{})
	all := make(chan struct{})
	service, err := rpc.Start(rpc.Config{
		Conn: server.Conn, Commands: []string{"wait"},
		Do: func(context.Context, rpc.Request) rpc.Reply {
			if running.Add(1) == many {
				close(all)
			}
			<-release
			return rpc.Reply{Status: 200, Body: []byte("done")}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var waiting sync.WaitGroup
	for i := range many { // of some accounts: one has a part of the places
		waiting.Go(func() {
			res, err := server.Conn.Request(fmt.Sprintf("command.acme-%d.wait", i%5), nil, 20*time.Second)
			if err != nil || string(res.Data) != "done" {
				t.Errorf("%v %v", res, err)
			}
		})
	}
	select {
	case <-all:
	case <-time.After(20 * time.Second):
		t.Fatalf("only %d of %d run at once", running.Load(), many)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- service.Stop() }()
	select {
	case err := <-stopped:
		t.Fatalf("stopped before the commands were done: %v", err)
	default:
	}
	close(release)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	waiting.Wait()
	if _, err := server.Conn.Request("command.acme.wait", nil, 5*time.Second); err == nil {
		t.Error("answered after Stop")
	}
}

// TestAnotherAccountsAppIsUnknown: the subject names the account, the body the app. Whatever state an app of another
// account is in, a command that carries or makes secrets learns nothing of it, and leaves nothing with it.
func TestAnotherAccountsAppIsUnknown(t *testing.T) {
	w := start(t)
	create := func(key, name string) string {
		t.Helper()
		made := w.overHTTP("stranger", "POST", "/v1/accounts/globex/apps", `{"name":"`+name+`"}`, key)
		var app struct {
			App json.Number `json:"app"`
		}
		if err := json.Unmarshal([]byte(made.Body), &app); err != nil || made.Status != 201 {
			t.Fatalf("%d %s: %v", made.Status, made.Body, err)
		}
		return app.App.String()
	}
	living, deleted := create("make-1", "theirs"), create("make-2", "gone")
	w.overHTTP("stranger", "POST", "/v1/apps/"+deleted+"/stop", `{}`, "stop-2")
	if gone := w.overHTTP("stranger", "DELETE", "/v1/apps/"+deleted+"?confirm=gone", "", "delete-2"); gone.Status != 200 {
		t.Fatalf("deleting: %d %s", gone.Status, gone.Body)
	}
	const vivo = `"platform":"vivo","fields":{"app_key":"k","app_id":"1","app_secret":"s","click_action":{"type":"open_app"}}`
	w.overHTTP("stranger", "POST", "/v1/apps/"+living+"/certificates", "{"+vivo+"}", "certificate-1")
	for _, app := range []string{living, deleted, "1499999999"} {
		for command, body := range map[string]string{
			"add_certificate":       vivo,
			"edit_certificate":      `"certificate":1000001,"fields":{"app_id":"2","no_such":"x"}`,
			"delete_certificate":    `"certificate":1000001`,
			"rotate_key":            `"overlap":"0s"`,
			"upgrade_key_algorithm": `"reason":"x"`,
			"retire_key":            `"reason":"x"`,
			"add_admins":            `"names":["a"]`,
		} {
			got := w.nats("owner", "command.acme."+command, `{"app":`+app+`,`+body+`}`)
			if got.Status != 404 || !strings.Contains(got.Body, `"app_not_found"`) {
				t.Errorf("%s on %s: %d %s", command, app, got.Status, got.Body)
			}
		}
	}
}
