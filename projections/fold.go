package projections

import (
	"cmp"
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
	rows     source
	position uint64
	hash     eventstore.Hash // of the commit at position

	accounts map[string]*list.Element // of *folded
	order    list.List                // the account used last in front
	apps     int                      // how many are kept
	limit    int                      // how many may be

	// all says that no account was ever left out of memory: one that is not there has no rows either.
	all bool

	batch   batch
	written atomic.Uint64 // number of the last batch that was committed; set by the writer
	spare   chan *rows    // that have been written, to be filled again
}

// source gives the rows of what is not in memory, as of the last batch that was committed or later.
type source interface {
	loadAccount(id string) (Row, bool, error) // without apps
	loadApp(id domain.AppID) (*domain.App, bool, error)
}

// folded is an account in memory, with those of its apps that were needed.
type folded struct {
	Row
	whole bool   // all of its apps are in memory
	batch uint64 // that changed it last
}

// batch is what some commits changed, each row once.
type batch struct {
	number   uint64
	commits  []commitRow
	accounts []*folded
	apps     []changed
	index    map[domain.AppID]int // into apps
}

// changed is an app that a batch changes, with what its rows hold before it.
type changed struct {
	account *folded
	id      domain.AppID
	created bool
	was     listing
	dues    []domain.Due

	certificates map[domain.CertificateID]domain.Instant // and when each ends; nil for most apps
	came         []domain.CertificateID                  // within the batch; some may have gone again
	asked        bool                                    // its deletion was asked for
}

// listing is what lists filter by.
type listing struct {
	status  domain.Status
	edition domain.Edition
	name    string
}

func listingOf(a *domain.App) listing { return listing{a.Status(), a.Edition, a.Name} }

func newFolder(from source, at checkpoint, limit int) *folder {
	return &folder{
		rows: from, position: at.position, hash: at.hash, accounts: map[string]*list.Element{}, limit: limit,
		all: at.position == 0, batch: batch{number: 1, index: map[domain.AppID]int{}}, spare: make(chan *rows, 2),
	}
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
	row := commitRow{position: m.Sequence, key: d.key, recordedAt: domain.Instant(d.commit.RecordedAt)}
	for _, e := range d.events {
		id := e.Subject()
		if id == 0 {
			continue
		}
		app, err := f.change(acc, id)
		if err != nil {
			return err
		}
		if added, is := e.(domain.CertificateAdded); is {
			c := &f.batch.apps[f.batch.index[id]]
			c.came = append(c.came, added.Certificate.ID)
		}
		if row.app == 0 {
			row.app = id
			if app != nil {
				row.previous = app.Position
			}
		}
	}
	known := len(acc.Account.Apps)
	acc.Account.Apply(domain.Recorded{At: domain.Instant(d.commit.RecordedAt), Position: m.Sequence}, d.events...)
	f.apps += len(acc.Account.Apps) - known
	if acc.batch != f.batch.number {
		acc.batch = f.batch.number
		f.batch.accounts = append(f.batch.accounts, acc)
	}
	acc.Sequence, acc.Hash = m.Sequence, d.hash
	f.batch.commits = append(f.batch.commits, row)
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
		row, found, err := f.rows.loadAccount(id)
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
	if at, noted := f.batch.index[id]; noted {
		if f.batch.apps[at].account != acc {
			return nil, appTaken(f.position + 1)
		}
		return app, nil
	}
	if app == nil && !acc.whole {
		loaded, found, err := f.rows.loadApp(id)
		if err != nil {
			return nil, fmt.Errorf("projections: loading app %d: %w", id, err)
		}
		if found && loaded.Account == acc.Account.ID {
			app = loaded
			acc.Account.Apps[id] = app
			f.apps++
		}
	}
	c := changed{account: acc, id: id, created: app == nil}
	if app != nil {
		c.was, c.dues = listingOf(app), app.Dues()
		c.asked = app.Deletion.State == domain.RequestOpen
		c.certificates = endsOf(app)
	}
	f.batch.index[id] = len(f.batch.apps)
	f.batch.apps = append(f.batch.apps, c)
	return app, nil
}

// endsOf gives when each of an app's certificates ends.
func endsOf(app *domain.App) map[domain.CertificateID]domain.Instant {
	if len(app.Certificates) == 0 {
		return nil
	}
	ends := make(map[domain.CertificateID]domain.Instant, len(app.Certificates))
	for i := range app.Certificates {
		ends[app.Certificates[i].ID] = app.Certificates[i].NotAfter
	}
	return ends
}

// evict makes room by dropping the accounts that were not used for longest. What a batch changed that is not
// committed yet stays: its rows cannot be read back.
func (f *folder) evict() {
	for f.apps >= f.limit {
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
		f.all = false
	}
}

// done takes back rows that have been written.
func (f *folder) done(r *rows) {
	f.written.Store(r.batch)
	select {
	case f.spare <- r:
	default:
	}
}

// drain gives the rows of the batch and begins the next one.
func (f *folder) drain() (*rows, error) {
	b := &f.batch
	slices.SortFunc(b.apps, func(x, y changed) int { return cmp.Compare(x.id, y.id) })
	slices.SortFunc(b.accounts, func(x, y *folded) int { return strings.Compare(x.Account.ID, y.Account.ID) })
	var r *rows
	select {
	case r = <-f.spare:
	default:
		r = new(rows)
	}
	commits := r.commits[:0]
	r.reset()
	r.batch, r.commits, r.position, r.hash = b.number, b.commits, f.position, f.hash
	for _, acc := range b.accounts {
		if err := r.account(&acc.Row); err != nil {
			return nil, err
		}
	}
	for i := range b.apps {
		if err := r.app(&b.apps[i]); err != nil {
			return nil, err
		}
	}
	clear(b.index)
	clear(b.accounts)
	clear(b.apps)
	f.batch = batch{number: b.number + 1, commits: commits, accounts: b.accounts[:0], apps: b.apps[:0], index: b.index}
	return r, nil
}
