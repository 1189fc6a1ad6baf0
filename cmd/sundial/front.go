package main

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"sundial/internal/api"
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
		api.Unserved(w, r, why)
		return
	}
	defer l.under.Done()
	if l.readOnly.Load() && r.Method != http.MethodGet && r.Method != http.MethodHead {
		api.Frozen(w, r)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	l.handler.ServeHTTP(w, r.WithContext(ctx))
}
