package engine

import (
	"container/list"
	"context"
	"sync"
)

// cache keeps accounts, each with a lock of its own, and evicts the least recently used. It is bounded by the apps in
// its accounts and their orders and invoices, since these are what takes the memory.
type cache struct {
	mu      sync.Mutex
	byID    map[string]*slot
	order   *list.List // of *slot, most recently used first; only those that nobody holds
	weight  int
	maximum int
}

type slot struct {
	account
	lock   chan struct{} // holds one token while somebody has the account
	users  int           // holders and waiters
	weight int
	place  *list.Element // in order, nil while used
}

func newCache(maximum int) *cache {
	return &cache{byID: map[string]*slot{}, order: list.New(), maximum: maximum}
}

// acquire locks an account and gives it, loaded or not.
func (c *cache) acquire(ctx context.Context, id string) (*account, error) {
	c.mu.Lock()
	s := c.byID[id]
	if s == nil {
		s = &slot{account: account{id: id}, lock: make(chan struct{}, 1)}
		c.byID[id] = s
	}
	if s.place != nil {
		c.order.Remove(s.place)
		s.place = nil
	}
	s.users++
	c.mu.Unlock()

	select {
	case s.lock <- struct{}{}:
		return &s.account, nil
	case <-ctx.Done():
		c.leave(s)
		return nil, ctx.Err()
	}
}

// release unlocks an account that acquire gave.
func (c *cache) release(acc *account) {
	c.mu.Lock()
	s := c.byID[acc.id]
	c.mu.Unlock()
	weight := 1
	if acc.state != nil {
		weight += len(acc.state.Apps) + acc.extra
	}
	<-s.lock
	c.mu.Lock()
	c.weight += weight - s.weight
	s.weight = weight
	c.mu.Unlock()
	c.leave(s)
}

func (c *cache) leave(s *slot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.users--
	if s.users > 0 {
		return
	}
	s.place = c.order.PushFront(s)
	for c.weight > c.maximum && c.order.Len() > 1 {
		oldest := c.order.Remove(c.order.Back()).(*slot) //nolint:forcetypeassert // the list holds nothing else
		c.weight -= oldest.weight
		delete(c.byID, oldest.id)
	}
}
