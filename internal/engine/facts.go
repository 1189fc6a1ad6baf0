package engine

import (
	"context"
	"sync"
)

// factLocks makes the ids of billing facts unique across accounts: one command with an id is under way at a time, and
// those committed are known here until the projections have them.
type factLocks struct {
	mu       sync.Mutex
	underWay map[string]chan struct{}
	recent   map[string]uint64 // position by id
	pruneAt  int
}

// maxRecentFacts is how many committed facts may be remembered before those are dropped that the projections have.
const maxRecentFacts = 20_000

func newFactLocks() *factLocks {
	return &factLocks{underWay: map[string]chan struct{}{}, recent: map[string]uint64{}, pruneAt: maxRecentFacts}
}

func (f *factLocks) lock(ctx context.Context, id string) (unlock func(), err error) {
	for {
		f.mu.Lock()
		other, taken := f.underWay[id]
		if !taken {
			mine := make(chan struct{})
			f.underWay[id] = mine
			f.mu.Unlock()
			return func() {
				f.mu.Lock()
				delete(f.underWay, id)
				f.mu.Unlock()
				close(mine)
			}, nil
		}
		f.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *factLocks) seen(id string) (position uint64, known bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	position, known = f.recent[id]
	return position, known
}

func (f *factLocks) remember(id string, position, projected uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.recent) >= f.pruneAt {
		for old, at := range f.recent {
			if at <= projected {
				delete(f.recent, old)
			}
		}
		f.pruneAt = max(maxRecentFacts, 2*len(f.recent))
	}
	f.recent[id] = position
}
