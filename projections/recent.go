package projections

import (
	"sync"

	"sundial/domain"
)

// What was read lately and is kept is bounded by apps, some 1 KB each, and by their orders and invoices, some 400 bytes each,
// which the projections' own memory shares where it has them too.
const (
	recentApps  = 16_384
	recentFacts = 500_000
)

// recent holds apps that were read lately, as reads see them. Decoding an app takes several times as long as finding
// it, and most reads are of few apps.
type recent struct {
	mu      sync.RWMutex
	apps    map[domain.AppID]*domain.App
	facts   int    // orders and invoices of these
	writing bool   // a batch is being committed
	batch   uint64 // batches committed
}

// get gives an app, which others may have got too, and otherwise the ticket with which to put it once it has been read.
func (c *recent) get(id domain.AppID) (app *domain.App, ticket uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.apps[id], c.batch
}

// account is the account of an app that is kept, "" if it is not.
func (c *recent) account(id domain.AppID) string {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if kept := c.apps[id]; kept != nil {
		return kept.Account
	}
	return ""
}

// put keeps an app that was read after the ticket was given, unless a batch came in between: then nobody
// knows whether it was read before that or after.
func (c *recent) put(app *domain.App, ticket uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing || ticket != c.batch {
		return
	}
	c.keep(app)
}

func (c *recent) keep(app *domain.App) {
	if c.apps == nil {
		c.apps = make(map[domain.AppID]*domain.App)
	}
	c.drop(app.ID)
	for id := range c.apps { // the map's order is as good as drawing one
		if len(c.apps) < recentApps && c.facts+app.Facts() <= recentFacts {
			break
		}
		c.drop(id)
	}
	c.apps[app.ID] = app
	c.facts += app.Facts()
}

func (c *recent) drop(id domain.AppID) {
	if app := c.apps[id]; app != nil {
		delete(c.apps, id)
		c.facts -= app.Facts()
	}
}

// begin drops the apps that a batch is about to change; until end nothing is kept anew.
func (c *recent) begin(changed []domain.AppID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = true
	for _, id := range changed {
		c.drop(id)
	}
}

// end comes after the batch is committed, or not. Of what was, it keeps the apps that have many facts, since these take
// long to read.
func (c *recent) end(crowded []*domain.App) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = false
	c.batch++
	for _, app := range crowded {
		c.keep(app)
	}
}

// forget drops everything: the file is another.
func (c *recent) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.apps)
	c.facts = 0
	c.batch++
}
