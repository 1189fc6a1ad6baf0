package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/go-json-experiment/json"
)

// front stands before whatever life of the engine serves, so that HTTP goes on answering while one ends and the next
// begins.
type front struct {
	mu     sync.RWMutex
	serves *life  // nil: nobody
	why    string // said while nobody serves
}

// life is what front knows of a life of the engine.
type life struct {
	handler http.Handler
	ctx     context.Context // ends when the life does, and with it every request it still has
	cancel  context.CancelFunc
	under   sync.WaitGroup // requests under way
}

// serve hands requests to a handler from now on.
func (f *front) serve(h http.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serves = &life{handler: h, ctx: ctx, cancel: cancel}
}

// pause hands no more requests on, ends those under way and waits for them.
func (f *front) pause(why string) {
	f.mu.Lock()
	l := f.serves
	f.serves, f.why = nil, why
	f.mu.Unlock()
	if l != nil {
		l.cancel()
		l.under.Wait()
	}
}

// ServeHTTP answers through the life that serves, and 503 while there is none.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.RLock()
	l, why := f.serves, f.why
	if l != nil {
		l.under.Add(1)
	}
	f.mu.RUnlock()
	if l == nil {
		unserved(w, r, why)
		return
	}
	defer l.under.Done()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	l.handler.ServeHTTP(w, r.WithContext(ctx))
}

// unserved is the answer between two lives. The process is alive, and not ready.
func unserved(w http.ResponseWriter, r *http.Request, why string) {
	if r.URL.Path == "/livez" {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, `{"live":true}`)
		return
	}
	body, err := json.Marshal(map[string]any{
		"type": "urn:sundial:problem:unavailable", "title": "Unavailable", "status": http.StatusServiceUnavailable,
		"code": "unavailable", "detail": why, "fix": "Send it again with the same Idempotency-Key.",
	}, json.Deterministic(true))
	if err != nil {
		body = []byte(`{"status":503,"code":"unavailable"}`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "1")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write(append(body, '\n')) // the client is gone if it fails
}
