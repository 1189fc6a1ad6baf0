package api

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"sundial/domain"
	"sundial/internal/auth"
	"sundial/internal/engine"
	"sundial/internal/ingest"
	"sundial/internal/query"
	"sundial/internal/testing/enginetest"
	"sundial/scheduler"
)

// harness is the API over real parts: an embedded NATS server, projections on disk, HTTP on a port of its own. Its clock
// is a sandbox's.
type harness struct {
	t       testing.TB
	node    *enginetest.Node
	engine  *engine.Engine
	api     *API
	tokens  *auth.Store
	sandbox *scheduler.Sandbox
	url     string
	secrets map[string]string // by role; those of one account are acme's
}

// start starts a world; change may change the API's configuration.
func start(t testing.TB, change func(*Config)) *harness {
	t.Helper()
	server := enginetest.Start(t)
	w := &harness{t: t, node: server.Node(t, t.TempDir(), true), secrets: map[string]string{}}
	var err error
	if w.sandbox, err = scheduler.OpenSandbox(filepath.Join(t.TempDir(), "clock"), enginetest.Began); err != nil {
		t.Fatal(err)
	}
	if w.engine, err = engine.New(engine.Config{
		Log: w.node.Log, Store: w.node.Store, JetStream: server.JetStream, Policy: domain.DefaultPolicy(), Alone: true,
		Node: "api", Now: w.sandbox.Now,
	}); err != nil {
		t.Fatal(err)
	}
	sched, err := scheduler.New(t.Context(), scheduler.Config{
		Engine: w.engine, Store: w.node.Store, Clock: w.sandbox, JetStream: server.JetStream,
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.tokens, err = auth.Open(t.Context(), server.JetStream, auth.Config{Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.tokens.Close)
	for _, role := range auth.Roles() {
		w.secrets[string(role)] = w.token(role, "acme")
	}
	w.secrets["stranger"] = w.token(auth.Owner, "globex")

	intake, err := ingest.Open(t.Context(), ingest.Config{JetStream: server.JetStream, Engine: w.engine, Alone: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(intake.Close)
	reader, err := query.New(w.node.Log, w.node.Store)
	if err != nil {
		t.Fatal(err)
	}
	config := Config{
		Secrets: server.Custody(t, w.engine, w.node.Store),
		Past:    w.node.Past(t, w.sandbox.Now), Query: reader,
		Engine: w.engine, Store: w.node.Store, Scheduler: sched, Tokens: w.tokens, Head: w.node.Log.Head,
		Intake: intake, Metrics: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&config)
	}
	if w.api, err = New(config); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.url = "http://" + listener.Addr().String()
	httpServer := Server(w.api, nil, slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() { defer close(done); httpServer.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := httpServer.Shutdown(ctx); err != nil {
			t.Errorf("stopping the server: %v", err)
		}
		<-done
	})
	return w
}

// token makes a token; one of a role that is not for one account leaves the account out.
func (w *harness) token(role auth.Role, account string) string {
	w.t.Helper()
	if !role.OfOneAccount() {
		account = ""
	}
	_, secret, err := w.tokens.Create(w.t.Context(), auth.NewToken{Role: role, Account: account, Name: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	app    App // read from a body that is an app

	certificate *Certificate // that came with it
	warnings    []Warning    // that came with it
	no          Problem      // read from a body that is a problem
}

// ask sends a request as somebody: a role, or "" for nobody. Headers come in pairs.
func (w *harness) ask(who, method, path, body string, headers ...string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+w.secrets[who])
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, body: string(text)}
	switch {
	case res.Header.Get("Content-Type") == problemType:
		if err := json.Unmarshal(text, &a.no, json.RejectUnknownMembers(true)); err != nil {
			w.t.Fatalf("%s %s: a problem that is none: %s: %v", method, path, text, err)
		}
		if a.no.Status != res.StatusCode || a.no.Code == "" || a.no.Title == "" || a.no.Detail == "" || a.no.Type == "" {
			w.t.Errorf("%s %s: status %d with the problem %s", method, path, res.StatusCode, text)
		}
	case res.StatusCode >= 400 && method != http.MethodHead && path != "/readyz":
		w.t.Errorf("%s %s: status %d without a problem: %s %s", method, path, res.StatusCode, res.Header.Get("Content-Type"), text)
	case strings.HasPrefix(a.body, `{"app":`):
		var read struct {
			AppWithCertificate
			Warnings []Warning `json:"warnings,omitzero"`
		}
		if err := json.Unmarshal(text, &read, json.RejectUnknownMembers(true)); err != nil {
			w.t.Fatalf("%s %s: an app that is none: %s: %v", method, path, text, err)
		}
		a.app, a.certificate, a.warnings = read.App, read.Certificate, read.Warnings
	}
	return a
}

// must asks and fails the test if the status is another.
func (w *harness) must(status int, who, method, path, body string, headers ...string) answer {
	w.t.Helper()
	a := w.ask(who, method, path, body, headers...)
	if a.status != status {
		w.t.Fatalf("%s %s as %q: status %d, want %d: %s", method, path, who, a.status, status, a.body)
	}
	return a
}

// create makes an app of acme and gives its path.
func (w *harness) create(body string) (path string) {
	w.t.Helper()
	a := w.must(201, "owner", "POST", "/v1/accounts/acme/apps", body)
	return "/v1/apps/" + number(a.app.App)
}

func number(app domain.AppID) string { return string(marshal(app)) }

// fields lists the fields that a problem names, with their codes.
func (a answer) fields() []string {
	var named []string
	for _, e := range a.no.Errors {
		named = append(named, e.Field+" "+e.Code)
	}
	slices.Sort(named)
	return named
}

func diff(t testing.TB, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
