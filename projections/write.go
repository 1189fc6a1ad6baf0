package projections

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mattn/go-sqlite3"

	"sundial/domain"
	"sundial/eventstore"
)

// rows is what one transaction writes.
type rows struct {
	batch    uint64
	position uint64
	hash     eventstore.Hash

	commits  []commitRow
	accounts []accountRow
	created  []appRow
	relisted []appRow
	states   []stateRow
	gone     []dueRow
	due      []dueRow
	held     []certificateRow
	asked    []requestRow
	answered []domain.AppID // whose request is open no more
	json     []byte         // the states of accounts and apps
}

// reset empties the rows and keeps their memory.
func (r *rows) reset() {
	*r = rows{
		commits: r.commits[:0], accounts: r.accounts[:0], created: r.created[:0], relisted: r.relisted[:0],
		states: r.states[:0], gone: r.gone[:0], due: r.due[:0],
		held: r.held[:0], asked: r.asked[:0], answered: r.answered[:0], json: r.json[:0],
	}
}

type commitRow struct {
	position, previous uint64
	key                uint64
	app                domain.AppID
	recordedAt         domain.Instant
}

// span is a part of rows.json.
type span struct{ from, to int }

type accountRow struct {
	id       string
	position uint64
	hash     eventstore.Hash
	state    span
}

type appRow struct {
	id      domain.AppID
	account string
	listing
}

type stateRow struct {
	id    domain.AppID
	state span
}

// certificateRow is a push certificate that is or was an app's: ids are never reused.
type certificateRow struct {
	id      domain.CertificateID
	app     domain.AppID
	account string
	ends    domain.Instant // 0: it does not expire, or it is gone
}

// requestRow is a deletion request that is open.
type requestRow struct {
	app     domain.AppID
	account string
	at      domain.Instant
}

type dueRow struct {
	account string
	app     domain.AppID
	domain.Due
}

func (r *rows) account(row *Row) (err error) {
	from := len(r.json)
	r.json, err = appendAccount(r.json, row.Account)
	if err != nil {
		return unwritable("account "+row.Account.ID, row.Sequence, err)
	}
	r.accounts = append(r.accounts, accountRow{row.Account.ID, row.Sequence, row.Hash, span{from, len(r.json)}})
	return nil
}

// unwritable says that the log made something that has no state: an app that was never created, for instance.
func unwritable(what string, sequence uint64, err error) error {
	return &eventstore.CorruptError{Sequence: sequence, Problem: fmt.Sprintf("what it makes of %s is not whole: %v", what, err), Advice: adviceUnreadable}
}

func (r *rows) app(c *changed) (err error) {
	app := c.account.Account.Apps[c.id]
	if app == nil {
		return nil // no event made it
	}
	from := len(r.json)
	if r.json, err = appendApp(r.json, app); err != nil {
		return unwritable(fmt.Sprint("app ", c.id), app.Position, err)
	}
	state := span{from, len(r.json)}
	r.states = append(r.states, stateRow{c.id, state})
	listed := appRow{c.id, c.account.Account.ID, listingOf(app)}
	if c.created {
		r.created = append(r.created, listed)
	} else if listed.listing != c.was {
		r.relisted = append(r.relisted, listed)
	}
	dues := app.Dues()
	for _, d := range dues {
		if !slices.Contains(c.dues, d) {
			r.due = append(r.due, dueRow{c.account.Account.ID, c.id, d})
		}
	}
	for _, was := range c.dues {
		if !slices.ContainsFunc(dues, func(d domain.Due) bool { return d.At == was.At && d.Kind == was.Kind }) {
			r.gone = append(r.gone, dueRow{c.account.Account.ID, c.id, was})
		}
	}
	r.holdings(c, app)
	return nil
}

// holdings notes which of an app's certificates came, went or end at another time, and whether its deletion is asked for.
// What went keeps a row: its id is never used again.
func (r *rows) holdings(c *changed, app *domain.App) {
	account := c.account.Account.ID
	for i := range app.Certificates {
		k := &app.Certificates[i]
		if was, had := c.certificates[k.ID]; !had || was != k.NotAfter {
			r.held = append(r.held, certificateRow{k.ID, app.ID, account, k.NotAfter})
		}
	}
	gone := func(id domain.CertificateID) {
		if app.Certificate(id) == nil {
			r.held = append(r.held, certificateRow{id, app.ID, account, 0})
		}
	}
	for id := range c.certificates {
		gone(id)
	}
	for _, id := range c.came {
		gone(id)
	}
	switch open := app.DeletedAt == 0 && app.Deletion.State == domain.RequestOpen; {
	case open:
		r.asked = append(r.asked, requestRow{app.ID, account, app.Deletion.RequestedAt})
	case c.asked:
		r.answered = append(r.answered, app.ID)
	}
}

// kinds are stored by their place.
var kinds = domain.Kinds()

func kindNumber(k domain.DueKind) int64 { return int64(slices.Index(kinds, k)) }

// writer writes rows through one connection.
type writer struct {
	*conn
	begin, commit, rollback *stmt
	checkpointed            *stmt
	commits, accounts       *inserter
	created, relisted       *inserter
	states, due             *inserter
	gone, answered          *stmt
	held, asked             *inserter
}

func newWriter(c *conn) (*writer, error) {
	w := &writer{conn: c}
	err := c.prepareAll(
		prepared{&w.begin, `BEGIN IMMEDIATE`}, prepared{&w.commit, `COMMIT`}, prepared{&w.rollback, `ROLLBACK`},
		prepared{&w.checkpointed, `UPDATE checkpoint SET position = ?, hash = ?`},
		prepared{&w.answered, `DELETE FROM deletion_requests WHERE app = ?`},
		prepared{&w.gone, `DELETE FROM dues WHERE at = ? AND account = ? AND app = ? AND kind = ?`},
	)
	if err != nil {
		return nil, err
	}
	for _, i := range []struct {
		into       **inserter
		head, tail string
		columns    int
	}{
		{&w.commits, `INSERT INTO commits (position, key, app, recorded_at, previous)`, ``, 5},
		{&w.accounts, `INSERT OR REPLACE INTO accounts (id, position, hash, state)`, ``, 4},
		{&w.created, `INSERT INTO apps (id, account, status, edition, name)`, ``, 5},
		{
			&w.relisted, `INSERT INTO apps (id, account, status, edition, name)`,
			` ON CONFLICT (id) DO UPDATE SET status = excluded.status, edition = excluded.edition, name = excluded.name`, 5,
		},
		{&w.states, `INSERT OR REPLACE INTO app_states (id, state)`, ``, 2},
		{&w.due, `INSERT OR REPLACE INTO dues (at, account, app, kind, goal, cause, episode)`, ``, 7},
		{&w.held, `INSERT OR REPLACE INTO certificates (id, app, account, ends)`, ``, 4},
		{&w.asked, `INSERT OR REPLACE INTO deletion_requests (app, account, requested_at)`, ``, 3},
	} {
		if *i.into, err = c.inserter(i.head, i.tail, i.columns); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// write commits a batch: all of its rows and the checkpoint, or nothing.
func (w *writer) write(r *rows) error {
	if err := w.begin.run(); err != nil {
		return fmt.Errorf("projections: beginning a batch: %w", err)
	}
	err := w.rows(r)
	if err == nil {
		err = w.commit.run()
	}
	if err != nil {
		if !w.c.AutoCommit() {
			err = errors.Join(err, w.rollback.run())
		}
		return fmt.Errorf("projections: writing a batch that ends at %d: %w", r.position, err)
	}
	return nil
}

func (w *writer) rows(r *rows) error {
	state := func(s span) []byte { return r.json[s.from:s.to] }
	app := func(rows []appRow) func(int, []driver.NamedValue) {
		return func(i int, args []driver.NamedValue) {
			a := &rows[i]
			args[0].Value, args[1].Value = int64(a.id), a.account
			args[2].Value, args[3].Value, args[4].Value = string(a.status), string(a.edition), a.name
		}
	}
	if err := w.created.insert(len(r.created), app(r.created)); err != nil {
		if isConstraint(err) {
			err = appTaken(0)
		}
		return err
	}
	if err := w.relisted.insert(len(r.relisted), app(r.relisted)); err != nil {
		return err
	}
	err := w.states.insert(len(r.states), func(i int, args []driver.NamedValue) {
		args[0].Value, args[1].Value = int64(r.states[i].id), state(r.states[i].state)
	})
	if err != nil {
		return err
	}
	err = w.accounts.insert(len(r.accounts), func(i int, args []driver.NamedValue) {
		a := &r.accounts[i]
		args[0].Value, args[1].Value, args[2].Value, args[3].Value = a.id, int64(a.position), a.hash[:], state(a.state)
	})
	if err != nil {
		return err
	}
	for i := range r.gone {
		d := &r.gone[i]
		if err := w.gone.set(int64(d.At), d.account, int64(d.app), kindNumber(d.Kind)).run(); err != nil {
			return err
		}
	}
	err = w.due.insert(len(r.due), func(i int, args []driver.NamedValue) {
		d := &r.due[i]
		args[0].Value, args[1].Value, args[2].Value, args[3].Value = int64(d.At), d.account, int64(d.app), kindNumber(d.Kind)
		args[4].Value, args[5].Value, args[6].Value = d.To, string(d.Cause), int64(d.Episode)
	})
	if err != nil {
		return err
	}
	if err := w.holdings(r); err != nil {
		return err
	}
	err = w.commits.insert(len(r.commits), func(i int, args []driver.NamedValue) {
		c := &r.commits[i]
		args[0].Value, args[1].Value, args[2].Value = int64(c.position), int64(c.key), int64(c.app)
		args[3].Value, args[4].Value = int64(c.recordedAt), int64(c.previous)
	})
	if err != nil {
		return err
	}
	return w.checkpointed.set(int64(r.position), r.hash[:]).run()
}

func (w *writer) holdings(r *rows) error {
	err := w.held.insert(len(r.held), func(i int, args []driver.NamedValue) {
		k := &r.held[i]
		args[0].Value, args[1].Value, args[2].Value, args[3].Value = int64(k.id), int64(k.app), k.account, int64(k.ends)
	})
	if err != nil {
		return err
	}
	for _, app := range r.answered {
		if err := w.answered.set(int64(app)).run(); err != nil {
			return err
		}
	}
	return w.asked.insert(len(r.asked), func(i int, args []driver.NamedValue) {
		q := &r.asked[i]
		args[0].Value, args[1].Value, args[2].Value = int64(q.app), q.account, int64(q.at)
	})
}

// appTaken says what it means when the row of a new app exists already. The sequence is 0 where it is not known.
func appTaken(sequence uint64) error {
	return &eventstore.CorruptError{
		Sequence: sequence,
		Problem:  "two accounts have an app with the same number",
		Advice:   "find out how the number was given out twice; the projections cannot hold both",
	}
}

func isConstraint(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrConstraint
}

// sizes are the numbers of rows that one statement inserts, largest first. The calls cost as much as the rows, so
// many rows a call pay off; 64 of the widest are 448 arguments, and more gain nothing.
var sizes = [...]int{64, 8, 1}

// inserter inserts any number of rows.
type inserter struct {
	columns int
	stmts   [len(sizes)]*stmt
}

func (c *conn) inserter(head, tail string, columns int) (*inserter, error) {
	i := &inserter{columns: columns}
	row := "(?" + strings.Repeat(",?", columns-1) + ")"
	for at, size := range sizes {
		s, err := c.prepare(head + " VALUES " + row + strings.Repeat(","+row, size-1) + tail)
		if err != nil {
			return nil, err
		}
		i.stmts[at] = s
	}
	return i, nil
}

// insert inserts n rows; fill sets the arguments of each.
func (i *inserter) insert(n int, fill func(row int, args []driver.NamedValue)) error {
	row := 0
	for at, size := range sizes {
		s := i.stmts[at]
		for ; n-row >= size; row += size {
			for k := range size {
				fill(row+k, s.args[k*i.columns:(k+1)*i.columns])
			}
			if err := s.run(); err != nil {
				return err
			}
		}
	}
	return nil
}
