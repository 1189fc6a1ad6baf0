package projections

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"

	"sundial/domain"
	"sundial/internal/search"
)

// appProjection holds each app's state apart from the columns that lists filter by: a search over all apps then reads
// tens of bytes of each, and an event that changes no such column does not touch them. The name there is folded, as searches compare it.
var appProjection = projection{
	tables: []table{{
		create: `CREATE TABLE apps (
		id INTEGER PRIMARY KEY, account TEXT NOT NULL, status TEXT NOT NULL, edition TEXT NOT NULL, name TEXT NOT NULL) STRICT`,
		kind: "app", query: `SELECT id, account, status, edition, name FROM apps ORDER BY id`, keys: 1,
		fields: []string{"id", "account", "status", "edition", "name"},
	}, {
		create: `CREATE TABLE app_states (
		id INTEGER PRIMARY KEY, crowded INTEGER NOT NULL, state BLOB NOT NULL) STRICT`,
		kind: "app", query: `SELECT id, crowded, state FROM app_states ORDER BY id`, keys: 1, fields: []string{"id", "crowded", "state"},
	}, {
		create: `CREATE TABLE app_facts (
		app INTEGER NOT NULL, kind INTEGER NOT NULL, id TEXT NOT NULL, state BLOB NOT NULL, PRIMARY KEY (app, kind, id)) STRICT, WITHOUT ROWID`,
		kind: "fact", query: `SELECT app, kind, id, state FROM app_facts ORDER BY app, kind, id`, keys: 3,
		fields: []string{"app", "kind", "id", "state"},
	}},
	indexes: []string{`CREATE INDEX IF NOT EXISTS apps_by_account ON apps (account)`},
	reads:   []string{appOwner, highestApp},
	inserts: []insertion{insertApps, relistApps, insertAppStates, insertFacts},
	rows:    func(b *batch) rows { return &appRows{batch: b} },
}

const (
	appOwner   = `SELECT account FROM apps WHERE id = ?`
	highestApp = `SELECT id FROM apps WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1`
)

var (
	insertApps = insertion{head: `INSERT INTO apps (id, account, status, edition, name)`, columns: 5}
	relistApps = insertion{
		insertApps.head, ` ON CONFLICT (id) DO UPDATE SET status = excluded.status, edition = excluded.edition, name = excluded.name`, 5,
	}
	insertAppStates = insertion{head: `INSERT OR REPLACE INTO app_states (id, crowded, state)`, columns: 3}
	insertFacts     = insertion{head: `INSERT OR REPLACE INTO app_facts (app, kind, id, state)`, columns: 4}
)

// inlineFacts is how many orders and invoices of an app stand in its state. Few apps have more; of one that does each
// stands in a row of its own, so that a fact writes one of them and not all.
const inlineFacts = 16

func crowded(a *domain.App) bool { return a.Facts() > inlineFacts }

// The kinds of facts are stored.
const (
	orderFact   = 0
	invoiceFact = 1
)

// appState is what decodeApp reads: an app's state, and its orders and invoices where they stand in rows of their own. It is
// part of one statement, since what two statements read need not fit together. The state is called s.
const (
	appState = `s.state,
		CASE WHEN s.crowded THEN (SELECT CAST(group_concat(state, ',') AS BLOB) FROM app_facts WHERE app = s.id AND kind = 0) END,
		CASE WHEN s.crowded THEN (SELECT CAST(group_concat(state, ',') AS BLOB) FROM app_facts WHERE app = s.id AND kind = 1) END`
	appWidth = 3
)

// decodeApp reads an app from the columns of appState.
func decodeApp(row []driver.Value) (*domain.App, error) {
	app := new(domain.App)
	if err := decodeState(blob(row[0]), app); err != nil {
		return nil, err
	}
	if list := blob(row[1]); list != nil {
		if err := decodeList(list, &app.Orders); err != nil {
			return nil, err
		}
	}
	if list := blob(row[2]); list != nil {
		if err := decodeList(list, &app.Invoices); err != nil {
			return nil, err
		}
	}
	return app, nil
}

func decodeList(list []byte, into any) error {
	return decodeState(append(append([]byte{'['}, list...), ']'), into)
}

type appRows struct {
	unconcerned
	batch    *batch
	was      []formerly // by note
	created  []appRow
	relisted []appRow
	states   []stateRow
	facts    []factRow
}

// formerly is what there was of an app before the batch; nothing of a new one.
type formerly struct {
	listing
	orders   domain.Orders // in rows of their own
	invoices domain.Invoices
}

// listing is what lists filter by.
type listing struct {
	status  domain.Status
	edition domain.Edition
	name    string
}

func listingOf(a *domain.App) listing { return listing{a.Status(), a.Edition, a.Name} }

type appRow struct {
	id      domain.AppID
	account string
	listing
}

type stateRow struct {
	account string
	id      domain.AppID
	crowded bool
	state   span
}

type factRow struct {
	account string
	app     domain.AppID
	kind    int64
	id      string
	state   span
}

func (r *appRows) before(app *domain.App) {
	var was formerly
	if app != nil {
		was.listing = listingOf(app)
		if crowded(app) {
			was.orders, was.invoices = app.Orders, app.Invoices
		}
	}
	r.was = append(r.was, was)
}

func (r *appRows) app(nth int, app *domain.App) (err error) {
	b := r.batch
	from := len(b.states)
	if b.states, err = appendApp(b.states, app); err != nil {
		return unwritable(fmt.Sprint("app ", app.ID), app.Position, err)
	}
	r.states = append(r.states, stateRow{app.Account, app.ID, crowded(app), span{from, len(b.states)}})
	if crowded(app) {
		if err := r.changedFacts(app, &r.was[nth]); err != nil {
			return unwritable(fmt.Sprint("app ", app.ID), app.Position, err)
		}
	}
	row := appRow{app.ID, app.Account, listingOf(app)}
	switch r.was[nth].listing {
	case listing{}:
		r.created = append(r.created, row)
	case row.listing:
	default:
		r.relisted = append(r.relisted, row)
	}
	return nil
}

// changedFacts makes rows of the orders and invoices that are other than they were.
func (r *appRows) changedFacts(app *domain.App, was *formerly) error {
	b := r.batch
	var err error
	made := func(kind int64, id string, from int) bool {
		r.facts = append(r.facts, factRow{app.Account, app.ID, kind, id, span{from, len(b.states)}})
		return err == nil
	}
	for o := range app.Orders.Since(was.orders) {
		from := len(b.states)
		if b.states, err = appendOrder(b.states, &o); !made(orderFact, o.ID, from) {
			return err
		}
	}
	for i := range app.Invoices.Since(was.invoices) {
		from := len(b.states)
		if b.states, err = appendInvoice(b.states, &i); !made(invoiceFact, i.ID, from) {
			return err
		}
	}
	return nil
}

func (r *appRows) write(w *writer) error {
	listed := func(rows []appRow) func(int, []driver.NamedValue) {
		return func(i int, args []driver.NamedValue) {
			a := &rows[i]
			args[0].Value, args[1].Value = w.key(a.account, a.id), a.account
			args[2].Value, args[3].Value, args[4].Value = string(a.status), string(a.edition), search.Fold(a.name)
		}
	}
	if err := w.insert(insertApps, len(r.created), listed(r.created)); err != nil {
		if !isConstraint(err) {
			return err
		}
		if err := r.writeLater(w); err != nil {
			return err
		}
	}
	if err := w.insert(relistApps, len(r.relisted), listed(r.relisted)); err != nil {
		return err
	}
	err := w.insert(insertAppStates, len(r.states), func(i int, args []driver.NamedValue) {
		s := &r.states[i]
		args[0].Value, args[1].Value, args[2].Value = w.key(s.account, s.id), int64(0), r.batch.state(s.state)
		if s.crowded {
			args[1].Value = int64(1)
		}
	})
	if err != nil {
		return err
	}
	return w.insert(insertFacts, len(r.facts), func(i int, args []driver.NamedValue) {
		f := &r.facts[i]
		args[0].Value, args[1].Value, args[2].Value, args[3].Value = w.key(f.account, f.app), f.kind, f.id, r.batch.state(f.state)
	})
}

// writeLater writes the rows of the new apps one by one, since a number that is among them was another app's before.
func (r *appRows) writeLater(w *writer) error {
	for i := range r.created {
		a := &r.created[i]
		key, there, err := w.firstKey(a.account, a.id)
		if err == nil && !there {
			err = w.insert(insertApps, 1, func(_ int, args []driver.NamedValue) {
				args[0].Value, args[1].Value = key, a.account
				args[2].Value, args[3].Value, args[4].Value = string(a.status), string(a.edition), search.Fold(a.name)
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *appRows) reset() {
	clear(r.was) // lets go of what it holds
	r.was, r.created, r.relisted, r.states, r.facts = r.was[:0], r.created[:0], r.relisted[:0], r.states[:0], r.facts[:0]
}

// loadApp reads an app's state.
func (l *lookup) loadApp(id domain.AppID) (*domain.App, bool, error) {
	defer clear(l.row)
	found, err := l.app.one(l.row[:appWidth], int64(id))
	if err != nil || !found {
		return nil, false, err
	}
	app, err := decodeApp(l.row[:appWidth])
	if err != nil {
		return nil, false, fmt.Errorf("app %d: %w", id, err)
	}
	return app, true, nil
}

// App gives an app, false if there is none with that number. What it gives is the caller's.
func (s *Store) App(ctx context.Context, id domain.AppID) (*domain.App, bool, error) {
	app, found, err := s.SharedApp(ctx, id)
	if !found {
		return nil, false, err
	}
	return app.Clone(), true, nil
}

// SharedApp is App without the copy, for who only looks: others get the same app, so nobody may change it.
func (s *Store) SharedApp(ctx context.Context, id domain.AppID) (*domain.App, bool, error) {
	app, ticket := s.recent.get(id)
	if app != nil {
		return app, true, nil
	}
	found := false
	err := s.read(ctx, func(r *reader) (err error) {
		app, found, err = r.loadApp(id)
		return err
	})
	if found {
		s.recent.put(app, ticket)
	}
	return app, found, err
}

// AccountOf gives the account that an app belongs to, false if there is no such app. Where two have the number it is that of
// the one that had it first; so it is with App.
func (s *Store) AccountOf(ctx context.Context, app domain.AppID) (string, bool, error) {
	account := s.recent.account(app)
	if account != "" {
		return account, true, nil
	}
	found := false
	err := s.read(ctx, func(r *reader) (err error) {
		if found, err = r.statements[appOwner].one(r.row[:1], int64(app)); found {
			account = text(r.row[0])
		}
		return err
	})
	return account, found, err
}

// HighestApp gives the highest number of an app within [from, to), deleted ones included, false if there is none.
func (s *Store) HighestApp(ctx context.Context, from, to domain.AppID) (domain.AppID, bool, error) {
	var app domain.AppID
	found := false
	err := s.read(ctx, func(r *reader) (err error) {
		if found, err = r.statements[highestApp].one(r.row[:1], int64(from), int64(to)); found {
			app = domain.AppID(integer(r.row[0]))
		}
		return err
	})
	return app, found, err
}

// AppFilter narrows a list of apps; what is empty does not.
type AppFilter struct {
	Account string
	Status  domain.Status
	Edition domain.Edition
	Query   string // part of the name, in either case (search.Fold), or the first digits of the number
}

// Apps lists apps by their number, deleted ones included, and gives the cursor of the next page, "" after the last.
func (s *Store) Apps(ctx context.Context, filter AppFilter, page Page) ([]*domain.App, string, error) {
	after := domain.AppID(0)
	if page.Cursor != "" {
		if err := parseCursor("apps", page.Cursor, &after); err != nil {
			return nil, "", err
		}
	}
	if len(filter.Query) > maxQuery {
		return nil, "", nil
	}
	query, args := filter.query(after, page.limit()+1)
	read := s.read
	if filter.Account == "" {
		read = s.search
	}
	var apps []*domain.App
	var keys []domain.AppID
	err := read(ctx, func(r *reader) error {
		return r.list(ctx, query, args, appWidth+1, func(row []driver.Value) error {
			app, err := decodeApp(row)
			apps, keys = append(apps, app), append(keys, domain.AppID(integer(row[appWidth])))
			return err
		})
	})
	if err != nil {
		return nil, "", err
	}
	if len(apps) <= page.limit() {
		return apps, "", nil
	}
	apps = apps[:page.limit()]
	next, err := cursor("apps", keys[len(apps)-1])
	return apps, next, err
}

// maxQuery is more bytes than any name has.
const maxQuery = 1024

func (f AppFilter) query(after domain.AppID, limit int) (string, []any) {
	where, args := f.conditions()
	where, args = append(where, "a.id > ?"), append(args, int64(after))
	return `SELECT ` + appState + `, a.id FROM apps a JOIN app_states s ON s.id = a.id WHERE ` + strings.Join(where, " AND ") +
		` ORDER BY a.id LIMIT ` + strconv.Itoa(limit), args
}

// conditions are those on an app, called a in the query.
func (f AppFilter) conditions() (where []string, args []any) {
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if f.Account != "" {
		add("a.account = ?", f.Account)
	}
	if f.Status != "" {
		add("a.status = ?", string(f.Status))
	}
	if f.Edition != "" {
		add("a.edition = ?", string(f.Edition))
	}
	if f.Query != "" {
		part := search.Fold(f.Query)
		if from, to, ok := numbers(f.Query); ok {
			add(`(instr(a.name, ?) > 0 OR a.id & 17179869183 BETWEEN ? AND ?)`, part, int64(from), int64(to))
		} else {
			add(`instr(a.name, ?) > 0`, part)
		}
	}
	return where, args
}

// numbers gives the range of the numbers of apps, which have ten digits, that begin with the given ones.
func numbers(digits string) (from, to domain.AppID, ok bool) {
	const length = 10
	if len(digits) > length || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	size := uint64(1)
	for range length - len(digits) {
		size *= 10
	}
	return domain.AppID(n * size), domain.AppID(n*size + size - 1), true
}
