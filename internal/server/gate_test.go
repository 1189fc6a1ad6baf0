package server

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"sundial/internal/api"
)

func ask(t testing.TB, g *gate, method, path string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	r.Header.Set("Idempotency-Key", "k-1")
	api.Server(g, nil, nil).Handler.ServeHTTP(w, r)
	return w.Result()
}

func TestBetweenTwoInstancesEverythingIsRefusedWithAProblem(t *testing.T) {
	g := &gate{why: "The engine is being started anew."}
	for _, row := range []struct {
		method, path string
		status       int
		contains     string
	}{
		{"GET", "/livez", http.StatusOK, `{"status":"ok"}`},
		{"GET", "/readyz", http.StatusServiceUnavailable, `"code":"unavailable"`},
		{"GET", "/v1/apps", http.StatusServiceUnavailable, `"code":"unavailable"`},
		{"POST", "/v1/accounts/acme/apps", http.StatusServiceUnavailable, "being started anew"},
	} {
		resp := ask(t, g, row.method, row.path)
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != row.status || !strings.Contains(string(body), row.contains) {
			t.Errorf("%s %s: %d %s", row.method, row.path, resp.StatusCode, body)
		}
		if row.status == http.StatusServiceUnavailable {
			if resp.Header.Get("Retry-After") == "" || resp.Header.Get("Idempotency-Key") != "k-1" ||
				resp.Header.Get("Content-Type") != "application/problem+json" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: headers %v", row.method, row.path, resp.Header)
			}
		}
	}
}

func TestAfterCorruptionOnlyReadsGoOn(t *testing.T) {
	g := &gate{}
	g.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	g.freeze()
	if resp := ask(t, g, "GET", "/v1/apps/1"); resp.StatusCode != http.StatusNoContent {
		t.Errorf("a read was answered %d", resp.StatusCode)
	}
	resp := ask(t, g, "DELETE", "/v1/apps/1")
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), `"code":"corrupt"`) {
		t.Errorf("a command was answered %d %s", resp.StatusCode, body)
	}
}

func TestPauseEndsRequestsUnderWayAndWaitsForThem(t *testing.T) {
	g := &gate{}
	began, ended := make(chan struct{}), make(chan struct{})
	g.serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	}))
	go ask(t, g, "GET", "/slow")
	<-began
	g.pause("over")
	select {
	case <-ended:
	default:
		t.Error("pause came back while a request was under way")
	}
}
