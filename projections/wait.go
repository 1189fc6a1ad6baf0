package projections

import (
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
)

// progress is the position of a store, and those who wait for it. A waiter is woken once, when its own position is
// reached: hundreds of writers wait at any time, and waking all of them for each batch would cost more than the batch.
type progress struct {
	position atomic.Uint64
	asked    chan struct{} // holds a token once somebody has begun to wait

	mu      sync.Mutex
	waiting waiters
	ended   error // why nothing more will come
}

type waiter struct {
	position uint64
	at       int // its place in the heap, -1 once it has left
	woken    chan struct{}
}

var waiterPool = sync.Pool{New: func() any { return &waiter{woken: make(chan struct{}, 1)} }}

func (p *progress) wait(ctx context.Context, position uint64) error {
	if p.position.Load() >= position {
		return nil
	}
	p.mu.Lock()
	if p.position.Load() >= position || p.ended != nil {
		defer p.mu.Unlock()
		if p.position.Load() >= position {
			return nil
		}
		return p.ended
	}
	w := waiterPool.Get().(*waiter) //nolint:forcetypeassert // the pool holds nothing else
	w.position = position
	heap.Push(&p.waiting, w)
	p.mu.Unlock()
	select {
	case p.asked <- struct{}{}:
	default:
	}
	select {
	case <-w.woken:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.at >= 0 {
		heap.Remove(&p.waiting, w.at)
	}
	select {
	case <-w.woken: // woken while its context ended
	default:
	}
	waiterPool.Put(w)
	if p.position.Load() >= position {
		return nil
	}
	if p.ended != nil {
		return p.ended
	}
	return context.Cause(ctx)
}

// wanted tells whether somebody waits for a position up to this one.
func (p *progress) wanted(position uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting) > 0 && p.waiting[0].position <= position
}

// reach sets the position and wakes who waited for it.
func (p *progress) reach(position uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.position.Store(position)
	for len(p.waiting) > 0 && p.waiting[0].position <= position {
		p.wake()
	}
}

// end wakes everybody: nothing more will come.
func (p *progress) end(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		p.ended = why
	}
	for len(p.waiting) > 0 {
		p.wake()
	}
}

func (p *progress) wake() {
	w := heap.Pop(&p.waiting).(*waiter) //nolint:forcetypeassert // the heap holds nothing else
	w.woken <- struct{}{}
}

// waiters is a heap, lowest position first.
type waiters []*waiter

func (h waiters) Len() int           { return len(h) }
func (h waiters) Less(i, j int) bool { return h[i].position < h[j].position }

func (h waiters) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push is heap's.
func (h *waiters) Push(x any) {
	w := x.(*waiter) //nolint:forcetypeassert // the heap holds nothing else
	w.at = len(*h)
	*h = append(*h, w)
}

// Pop is heap's.
func (h *waiters) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	w.at = -1
	return w
}
