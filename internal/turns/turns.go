// Package turns lets a few work at once, by turns of those who ask.
package turns

import (
	"context"
	"sync"
)

// Turns lets so many work at once, by turns of the accounts that ask, and within one of its tokens: whoever sends a thousand
// requests waits for itself. It is safe for concurrent use.
type Turns struct {
	mu       sync.Mutex
	free     int
	most     int // places that one account may have at once
	accounts map[string]*accountTurns
	waiting  []*accountTurns // those with somebody who waits, the next one first
}

// accountTurns is what one account has and waits for.
type accountTurns struct {
	name    string
	working int
	tokens  map[string]*tokenTurns
	waiting []*tokenTurns // those with somebody who waits, the next one first
}

type tokenTurns struct {
	name  string
	queue []*turn
}

// turn is one that waits.
type turn struct {
	come chan struct{} // closed when it is its turn
	left bool          // it waits no longer
}

// New makes turns with so many places, of which one account has at most a part.
func New(places, most int) *Turns {
	return &Turns{free: places, most: most, accounts: map[string]*accountTurns{}}
}

// Enter waits for a place until the context ends.
func (t *Turns) Enter(ctx context.Context, account, token string) (leave func(), err error) {
	t.mu.Lock()
	a := t.accounts[account]
	if a == nil {
		a = &accountTurns{name: account, tokens: map[string]*tokenTurns{}}
		t.accounts[account] = a
	}
	leave = func() { t.leave(a) }
	// Where a place is free nobody waits who may have it.
	if t.free > 0 && a.working < t.most {
		t.free--
		a.working++
		t.mu.Unlock()
		return leave, nil
	}
	one := &turn{come: make(chan struct{})}
	line := a.tokens[token]
	if line == nil {
		line = &tokenTurns{name: token}
		a.tokens[token] = line
		a.waiting = append(a.waiting, line)
		if len(a.waiting) == 1 {
			t.waiting = append(t.waiting, a)
		}
	}
	line.queue = append(line.queue, one)
	t.mu.Unlock()
	select {
	case <-one.come:
		return leave, nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	select {
	case <-one.come: // just now
		t.mu.Unlock()
		leave()
	default:
		one.left = true
		t.mu.Unlock()
	}
	return nil, context.Cause(ctx)
}

// leave gives a place back, and to whoever is next.
func (t *Turns) leave(a *accountTurns) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free++
	a.working--
	for t.free > 0 && t.next() {
	}
	t.forget(a)
}

// next gives a place to the next one that may have it; false if there is none.
func (t *Turns) next() bool {
	for range len(t.waiting) {
		a := t.waiting[0]
		t.waiting = t.waiting[1:]
		if a.working >= t.most {
			t.waiting = append(t.waiting, a)
			continue
		}
		one := a.next()
		if len(a.waiting) > 0 {
			t.waiting = append(t.waiting, a)
		}
		if one == nil {
			t.forget(a)
			continue
		}
		t.free--
		a.working++
		close(one.come)
		return true
	}
	return false
}

// next takes the next one that waits out of the account's queues; nil if all have left.
func (a *accountTurns) next() *turn {
	for len(a.waiting) > 0 {
		line := a.waiting[0]
		a.waiting = a.waiting[1:]
		one := line.queue[0]
		line.queue[0] = nil
		line.queue = line.queue[1:]
		if len(line.queue) > 0 {
			a.waiting = append(a.waiting, line)
		} else {
			delete(a.tokens, line.name)
		}
		if !one.left {
			return one
		}
	}
	return nil
}

// forget drops an account that has nothing and waits for nothing.
func (t *Turns) forget(a *accountTurns) {
	if a.working == 0 && len(a.tokens) == 0 && t.accounts[a.name] == a {
		delete(t.accounts, a.name)
	}
}
