package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

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

	readOnly atomic.Bool // commands are refused until a person has looked
}

// serve hands requests to a handler from now on.
func (f *front) serve(h http.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serves = &life{handler: h, ctx: ctx, cancel: cancel}
}

// freeze refuses everything but reads from now on.
func (f *front) freeze() {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.serves != nil {
		f.serves.readOnly.Store(true)
	}
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
		unserved(w, r, paused(why))
		return
	}
	defer l.under.Done()
	if l.readOnly.Load() && r.Method != http.MethodGet && r.Method != http.MethodHead {
		unserved(w, r, frozen)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	l.handler.ServeHTTP(w, r.WithContext(ctx))
}

// outage is why a request is not served.
type outage struct{ code, detail, fix string }

func paused(why string) outage {
	return outage{"unavailable", why, "Send it again with the same Idempotency-Key."}
}

var frozen = outage{
	"corrupt", "What is stored does not fit together, so nothing is written until an operator has looked; reads go on.",
	"Ask the operator: /readyz and the server's log say what is wrong and what to do.",
}

// unserved is the answer in the place of an engine's. The process is alive, and not ready.
func unserved(w http.ResponseWriter, r *http.Request, o outage) {
	if r.URL.Path == "/livez" {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, `{"live":true}`)
		return
	}
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
		Fix    string `json:"fix"`
	}{"urn:sundial:problem:" + o.code, "Unavailable", http.StatusServiceUnavailable, o.detail, o.code, o.fix}, json.Deterministic(true))
	if err != nil { // the texts are ours
		body = []byte(`{"status":503,"code":"unavailable"}`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "1")
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		w.Header().Set("Idempotency-Key", key)
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write(append(body, '\n')) // the client is gone if it fails
}
