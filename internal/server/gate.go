package server

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"

	"sundial/internal/api"
)

// gate stands before whatever instance of the engine serves, so that HTTP goes on answering while one ends and the next
// begins.
type gate struct {
	mu     sync.RWMutex
	serves *backend // nil: nobody
	why    string   // said while nobody serves
}

// backend is what gate knows of an instance of the engine.
type backend struct {
	handler http.Handler
	ctx     context.Context // ends when the instance does, and with it every request it still has
	cancel  context.CancelFunc
	under   sync.WaitGroup // requests under way

	readOnly atomic.Bool // commands are refused until a person has looked
}

// serve hands requests to a handler from now on.
func (g *gate) serve(h http.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	g.mu.Lock()
	defer g.mu.Unlock()
	g.serves = &backend{handler: h, ctx: ctx, cancel: cancel}
}

// freeze refuses everything but reads from now on.
func (g *gate) freeze() {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.serves != nil {
		g.serves.readOnly.Store(true)
	}
}

// pause hands no more requests on, ends those under way and waits for them.
func (g *gate) pause(why string) {
	g.mu.Lock()
	b := g.serves
	g.serves, g.why = nil, why
	g.mu.Unlock()
	if b != nil {
		b.cancel()
		b.under.Wait()
	}
}

// ServeHTTP answers through the instance that serves, and 503 while there is none.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.RLock()
	b, why := g.serves, g.why
	if b != nil {
		b.under.Add(1)
	}
	g.mu.RUnlock()
	if b == nil {
		api.Unserved(w, r, why)
		return
	}
	defer b.under.Done()
	if b.readOnly.Load() && r.Method != http.MethodGet && r.Method != http.MethodHead {
		api.Frozen(w, r)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	b.handler.ServeHTTP(w, r.WithContext(ctx))
}
