package vault

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// cache holds unwrapped keys in memory for as long as the stream is followed, the most recently used ones.
type cache struct {
	mu        sync.Mutex
	keys      *simplelru.LRU[Holder, *keys]
	following bool
	drops     uint64 // counts what made a read that was under way stale
}

func newCache(size int) *cache {
	lru, err := simplelru.NewLRU[Holder, *keys](max(size, 1), nil)
	if err != nil {
		panic(err) // only a size below 1 is refused
	}
	return &cache{keys: lru}
}

// get gives the keys of a holder, or what put wants to know once they are read.
func (c *cache) get(h Holder) (*keys, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, _ := c.keys.Get(h)
	return k, c.drops
}

// put keeps keys that were read since get, unless something was dropped meanwhile: it may have been these.
func (c *cache) put(h Holder, k *keys, drops uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.following && drops == c.drops {
		c.keys.Add(h, k)
	}
}

// drop removes the keys of a holder, and those of all its items if it is an app.
func (c *cache) drop(h Holder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drops++
	c.keys.Remove(h)
	if h.Item != "" {
		return
	}
	for _, held := range c.keys.Keys() {
		if held.App == h.App {
			c.keys.Remove(held)
		}
	}
}

// follow says whether what happens to keys elsewhere is heard of from now on; if not, nothing is kept.
func (c *cache) follow(following bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drops++
	c.following = following
	c.keys.Purge()
}

func (c *cache) state() (held int, following bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keys.Len(), c.following
}
