package projections

import (
	"container/list"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"sundial/domain"
	"sundial/eventstore"
)

// decoded is a commit as the fold takes it.
type decoded struct {
	message eventstore.Message
	commit  eventstore.Commit
	events  []domain.Event
	hash    eventstore.Hash
	key     uint64
}

// folder folds commits in the order of the log into accounts that it keeps in memory, and collects what a batch of
// them changes. It belongs to one goroutine.
type folder struct {
	from     source
	position uint64
	hash     eventstore.Hash // of the commit at position

	accounts map[string]*list.Element // of *folded
	order    list.List                // the account used last in front
	apps     int                      // how many are kept
	extra    int                      // what these weigh beyond that
	limit    int                      // how much may be kept

	// all says that no account was ever left out of memory: one that is not there has no rows either.
	all bool

	projections []projection
	noted       noted
	batch       *batch        // being filled
	written     atomic.Uint64 // number of the last batch that was committed; set by the writer
	spare       chan *batch   // that have been written, to be filled again
}

// source gives the rows of what is not in memory, as of the last batch that was committed or later.
type source interface {
	loadAccount(id string) (Row, bool, error) // without apps
	loadApp(id domain.AppID) (*domain.App, bool, error)
	loadLater(account string, id domain.AppID) (*domain.App, bool, error)
}

// folded is an account in memory, with those of its apps that were needed.
type folded struct {
	Row
	whole bool   // all of its apps are in memory
	extra int    // what its apps in memory weigh beyond their number
	batch uint64 // that changed it last
}

// noted is which rows the batch that is being filled changes, each once.
type noted struct {
	accounts []*folded
	apps     []changed
	index    map[domain.AppID]int // into apps
	others   map[numbered]int     // likewise, of apps whose number another one in index has
}

// changed is an app that a batch changes.
type changed struct {
	account *folded
	id      domain.AppID
	nth     int // note that the projections made of it
}

// batch is what one transaction writes.
type batch struct {
	number   uint64
	position uint64          // of its last commit
	hash     eventstore.Hash // likewise

	keys    []uint64       // of the commands of its commits
	changed []domain.AppID // set when it is handed on, as are states and crowded
	crowded []*domain.App  // those changed that have many facts, as the batch leaves them
	rows    []rows         // of each projection

	// states are those of accounts and apps, one after another: by far the most of a batch, so the memory for them
	// goes from a batch that has been written to the one that is handed on next, not to the one that is being filled.
	states []byte
}

// span is a part of a batch's states.
type span struct{ from, to int }

func (b *batch) state(s span) []byte { return b.states[s.from:s.to] }

func newFolder(from source, at checkpoint, limit int, projections []projection) *folder {
	f := &folder{
		from: from, position: at.position, hash: at.hash, accounts: map[string]*list.Element{}, limit: limit,
		all: at.position == 0, projections: projections, noted: noted{index: map[domain.AppID]int{}}, spare: make(chan *batch, 2),
	}
	f.batch = f.empty(1)
	return f
}

// fold takes the next commit in; one that it has had already changes nothing.
func (f *folder) fold(d *decoded) error {
	m := &d.message
	if m.Sequence <= f.position {
		return nil
	}
	if m.Sequence != f.position+1 {
		return &eventstore.GapError{Want: f.position + 1, Got: m.Sequence}
	}
	acc, err := f.account(m.Account)
	if err != nil {
		return err
	}
	if err := eventstore.CheckLink(m, &d.commit, acc.Hash); err != nil {
		return err
	}
	var first domain.AppID
	var state *domain.App // of the first
	for _, e := range d.events {
		id := e.Subject()
		if id == 0 {
			continue
		}
		app, err := f.change(acc, id)
		if err != nil {
			return err
		}
		if first == 0 {
			first, state = id, app
		}
	}
	for _, r := range f.batch.rows {
		r.commit(d, first, state)
	}
	known, extra := len(acc.Account.Apps), 0
	if state != nil {
		extra = state.Extra()
	}
	acc.Account.Apply(domain.Recorded{At: domain.Instant(d.commit.RecordedAt), Position: m.Sequence}, d.events...)
	f.apps += len(acc.Account.Apps) - known
	if app := acc.Account.Apps[first]; app != nil {
		f.weigh(acc, app.Extra()-extra)
	}
	if acc.batch != f.batch.number {
		acc.batch = f.batch.number
		f.noted.accounts = append(f.noted.accounts, acc)
	}
	acc.Sequence, acc.Hash = m.Sequence, d.hash
	f.batch.keys = append(f.batch.keys, d.key)
	f.position, f.hash = m.Sequence, d.hash
	return nil
}

// account gives an account, from memory or from its row, or a new one.
func (f *folder) account(id string) (*folded, error) {
	if e, ok := f.accounts[id]; ok {
		f.order.MoveToFront(e)
		return e.Value.(*folded), nil //nolint:forcetypeassert // the list holds nothing else
	}
	acc := &folded{whole: true}
	if !f.all {
		row, found, err := f.from.loadAccount(id)
		if err != nil {
			return nil, fmt.Errorf("projections: loading account %s: %w", id, err)
		}
		acc.Row, acc.whole = row, !found
	}
	if acc.whole {
		acc.Account = domain.NewAccount(id)
	}
	f.evict()
	f.accounts[id] = f.order.PushFront(acc)
	f.apps++ // an account costs about as much as an app
	return acc, nil
}

// change notes that the batch changes an app, and gives it as it is before: nil if it does not exist yet.
func (f *folder) change(acc *folded, id domain.AppID) (*domain.App, error) {
	app := acc.Account.Apps[id]
	if f.noted.noteOf(acc, id) {
		return app, nil
	}
	if app == nil && !acc.whole {
		loaded, found, err := f.from.loadApp(id)
		if err != nil {
			return nil, fmt.Errorf("projections: loading app %d: %w", id, err)
		}
		if found && loaded.Account != acc.Account.ID {
			if loaded, found, err = f.from.loadLater(acc.Account.ID, id); err != nil {
				return nil, fmt.Errorf("projections: loading app %d of %s: %w", id, acc.Account.ID, err)
			}
		}
		if found {
			app = loaded
			acc.Account.Apps[id] = app
			f.apps++
			f.weigh(acc, app.Extra())
		}
	}
	f.noted.note(acc, id)
	for _, r := range f.batch.rows {
		r.before(app)
	}
	return app, nil
}

// weigh counts what an account's apps weigh more than before.
func (f *folder) weigh(acc *folded, more int) {
	acc.extra += more
	f.extra += more
}

// evict makes room by dropping the accounts that were not used for longest. What a batch changed that is not
// committed yet stays: its rows cannot be read back.
func (f *folder) evict() {
	for f.apps+f.extra >= f.limit {
		e := f.order.Back()
		if e == nil {
			return
		}
		acc := e.Value.(*folded) //nolint:forcetypeassert // the list holds nothing else
		if acc.batch > f.written.Load() {
			return
		}
		f.order.Remove(e)
		delete(f.accounts, acc.Account.ID)
		f.apps -= len(acc.Account.Apps) + 1
		f.extra -= acc.extra
		f.all = false
	}
}

// done takes back a batch that has been written.
func (f *folder) done(b *batch) {
	f.written.Store(b.number)
	select {
	case f.spare <- b:
	default:
	}
}

// empty gives a batch to be filled.
func (f *folder) empty(number uint64) *batch {
	var b *batch
	select {
	case b = <-f.spare:
		clear(b.crowded)
		b.keys, b.changed, b.crowded = b.keys[:0], b.changed[:0], b.crowded[:0]
		for _, r := range b.rows {
			r.reset()
		}
	default:
		b = new(batch)
		for _, p := range f.projections {
			b.rows = append(b.rows, p.rows(b))
		}
	}
	b.number = number
	return b
}

// drain hands on the batch with its rows, and begins the next one.
func (f *folder) drain() (*batch, error) {
	b, n := f.batch, &f.noted
	f.batch = f.empty(b.number + 1)
	b.states, f.batch.states = f.batch.states[:0], nil
	b.position, b.hash = f.position, f.hash
	slices.SortFunc(n.apps, byNumber)
	slices.SortFunc(n.accounts, func(x, y *folded) int { return strings.Compare(x.Account.ID, y.Account.ID) })
	for _, acc := range n.accounts {
		for _, r := range b.rows {
			if err := r.account(&acc.Row); err != nil {
				return nil, err
			}
		}
	}
	for _, c := range n.apps {
		app := c.account.Account.Apps[c.id]
		if app == nil {
			continue // no event made it
		}
		b.changed = append(b.changed, c.id)
		if crowded(app) {
			b.crowded = append(b.crowded, app.Clone())
		}
		for _, r := range b.rows {
			if err := r.app(c.nth, app); err != nil {
				return nil, err
			}
		}
	}
	clear(n.index)
	clear(n.others)
	clear(n.accounts)
	clear(n.apps)
	n.accounts, n.apps = n.accounts[:0], n.apps[:0]
	return b, nil
}

// unwritable says that the log made something that has no state: an app that was never created, for instance.
func unwritable(what string, sequence uint64, err error) error {
	return &eventstore.CorruptError{Sequence: sequence, Problem: fmt.Sprintf("what it makes of %s is not whole: %v", what, err), Advice: adviceUnreadable}
}
