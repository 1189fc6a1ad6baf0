package api

import (
	"bytes"
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func TestClock(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop","order":{"id":"o-1","edition":"pro","paid_until":"2021-02-01T00:00:00.000Z","amount":{"currency":"CNY","minor":1}}}`)
	for _, c := range []struct {
		body, now, status string
	}{
		{`{"to":"2021-01-31T23:59:59.999Z"}`, "2021-01-31T23:59:59.999Z", "active"},
		{`{"by":"1ms"}`, "2021-02-01T00:00:00.000Z", "expired"},
		{`{"by":"0s"}`, "2021-02-01T00:00:00.000Z", "expired"},
		{`{"to":"2021-02-01T00:00:00.000Z","reason":"sweep"}`, "2021-02-01T00:00:00.000Z", "expired"},
		{`{"by":"168h"}`, "2021-02-08T00:00:00.000Z", "stopped"},
	} {
		got := w.must(200, "operator", "POST", "/v1/clock/advance", c.body)
		if now := member(t, got.body, "now"); now != c.now {
			t.Errorf("%s: %s, want %s", c.body, now, c.now)
		}
		if status := w.must(200, "owner", "GET", app, "").app.Status; string(status) != c.status {
			t.Errorf("%s: %s, want %s", c.body, status, c.status)
		}
	}
	for body, want := range map[string]string{
		`{"to":"2021-02-07T23:59:59.999Z"}`: "409 clock_backwards", `{"by":"-1ms"}`: "409 clock_backwards",
	} {
		if got := w.must(409, "operator", "POST", "/v1/clock/advance", body); "409 "+got.no.Code != want {
			t.Errorf("%s: %s", body, got.body)
		}
	}
	for body, want := range map[string][]string{
		`{}`: {"by one_of"},
		`{"by":"1h","to":"2022-01-01T00:00:00Z"}`: {"by one_of"},
		`{"by":""}`:             {"by invalid_duration"},
		`{"by":"7d"}`:           {"by invalid_duration"},
		`{"by":"1us"}`:          {"by invalid_duration"},
		`{"by":168}`:            {"by wrong_type"},
		`{"to":"2022-01-01"}`:   {"to invalid_time"},
		`{"by":"1h","hours":1}`: {"hours unknown_field"},
	} {
		diff(t, body, want, w.must(422, "operator", "POST", "/v1/clock/advance", body).fields())
	}
	w.must(400, "operator", "POST", "/v1/clock/advance", ``)
	w.must(200, "operator", "POST", "/v1/clock/confirm", ``)
	w.must(422, "operator", "POST", "/v1/clock/confirm", `{"x":1}`)
}

func TestReadiness(t *testing.T) {
	var broken error
	w := start(t, func(c *Config) {
		c.Checks = []Check{{"disk", func(context.Context) (string, error) { return "12 GB free", broken }}}
	})
	if got := w.must(200, "", "GET", "/readyz", ""); !strings.Contains(got.body, `"ready":true`) || !strings.Contains(got.body, "12 GB free") {
		t.Errorf("ready: %s", got.body)
	}
	broken = context.DeadlineExceeded
	got := w.must(503, "", "GET", "/readyz", "")
	if !strings.Contains(got.body, `{"name":"disk","fine":false,"detail":"context deadline exceeded"}`) || got.header.Get("Retry-After") == "" {
		t.Errorf("not ready: %s", got.body)
	}
	w.must(200, "", "GET", "/livez", "")
	if got := w.must(200, "", "GET", "/metrics", ""); !strings.Contains(got.body, `sundial_http_requests_total{route="readyz",status="503"} 1`) {
		t.Errorf("metrics: %s", got.body)
	}
	if got := w.must(200, "", "GET", "/openapi.json", ""); got.body != string(w.api.document) {
		t.Error("the document that is served is another than the one that is made")
	}
}

// lockedBuffer can be written and read at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAccessLogHoldsNoSecrets(t *testing.T) {
	log := &lockedBuffer{}
	w := start(t, func(c *Config) {
		c.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	app := w.create(`{"name":"hunter2"}`)
	w.ask("owner", "POST", "/v1/accounts/acme/apps", `{"name":"hunter2","x":1}`, headerRequest, "my-request.1")
	w.ask("owner", "DELETE", app+"?confirm=hunter2", "")
	w.ask("owner", "GET", app+"?token=hunter2", "")
	made := w.must(201, "operator", "POST", "/v1/tokens", `{"role":"auditor","name":"hunter2"}`)
	text := log.String()
	for _, never := range []string{"hunter2", member(t, made.body, "token"), w.secrets["owner"], "Bearer"} {
		if strings.Contains(text, never) {
			t.Errorf("the log holds %q: %s", never, text)
		}
	}
	for _, want := range []string{`"request":"my-request.1"`, `"code":"invalid"`, `"status":201`, `"path":"/v1/accounts/acme/apps"`, `"token":"tok_`} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %s: %s", want, text)
		}
	}
}

// TestAMistakeIsAProblem has a handler panic: the client gets a problem without a word of it, the log gets it whole.
func TestAMistakeIsAProblem(t *testing.T) {
	log := &lockedBuffer{}
	w := start(t, func(c *Config) { c.Logger = slog.New(slog.NewJSONHandler(log, nil)) })
	rt := &route{name: "panics", method: "GET", open: true, serve: func(*API, *call) reply { panic("hunter2") }}
	rt.measure = w.api.metrics.of(rt)
	recorder := httptest.NewRecorder()
	w.api.serve(rt, recorder, httptest.NewRequest("GET", "/", nil))
	if recorder.Code != 500 || strings.Contains(recorder.Body.String(), "hunter2") || !strings.Contains(recorder.Body.String(), `"code":"internal"`) {
		t.Errorf("%d %s", recorder.Code, recorder.Body)
	}
	if text := log.String(); !strings.Contains(text, "hunter2") || !strings.Contains(text, "operation_test.go") {
		t.Errorf("the log lacks what happened: %s", text)
	}
	if n := w.api.limits.underWay.Load(); n != 0 {
		t.Errorf("%d requests are still counted as under way", n)
	}
}
