package projections

import (
	"context"
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/search"
)

// accountProjection holds the row of an account once, whatever its number of apps.
var accountProjection = projection{
	tables: []table{{
		create: `CREATE TABLE accounts (
		id TEXT PRIMARY KEY, position INTEGER NOT NULL, hash BLOB NOT NULL, state BLOB NOT NULL) STRICT, WITHOUT ROWID`,
		kind: "account", query: `SELECT id, position, hash, state FROM accounts ORDER BY id`, keys: 1,
		fields: []string{"id", "position", "hash", "state"},
	}},
	reads:   []string{accountWithApps},
	inserts: []insertion{insertAccounts},
	rows:    func(b *batch) rows { return &accountRows{batch: b} },
}

// accountWithApps is one statement, and so one snapshot.
const accountWithApps = `SELECT position, hash, state, NULL, NULL FROM accounts WHERE id = ?1 UNION ALL
			SELECT NULL, NULL, ` + appState + ` FROM apps a JOIN app_states s ON s.id = a.id WHERE a.account = ?1`

var insertAccounts = insertion{head: `INSERT OR REPLACE INTO accounts (id, position, hash, state)`, columns: 4}

type accountRows struct {
	unconcerned
	batch *batch
	list  []accountRow
}

type accountRow struct {
	id       string
	position uint64
	hash     eventstore.Hash
	state    span
}

func (r *accountRows) account(row *Row) (err error) {
	b := r.batch
	from := len(b.states)
	if b.states, err = appendAccount(b.states, row.Account); err != nil {
		return unwritable("account "+row.Account.ID, row.Sequence, err)
	}
	r.list = append(r.list, accountRow{row.Account.ID, row.Sequence, row.Hash, span{from, len(b.states)}})
	return nil
}

func (r *accountRows) write(w *writer) error {
	return w.insert(insertAccounts, len(r.list), func(i int, args []driver.NamedValue) {
		a := &r.list[i]
		args[0].Value, args[1].Value, args[2].Value = a.id, int64(a.position), a.hash[:]
		args[3].Value = r.batch.state(a.state)
	})
}

func (r *accountRows) reset() { r.list = r.list[:0] }

// Row is an account as of its last commit.
type Row struct {
	Account  *domain.Account
	Sequence uint64          // of that commit
	Hash     eventstore.Hash // of that commit
}

// LoadAccount gives an account with all of its apps as of one moment, false if it has no commit yet. What it gives is
// the caller's.
func (s *Store) LoadAccount(ctx context.Context, id string) (Row, bool, error) {
	var row Row
	err := s.read(ctx, func(r *reader) error {
		dest := r.row[:2+appWidth]
		return r.statements[accountWithApps].each(context.Background(), dest, func() (bool, error) {
			if dest[0] != nil {
				var err error
				row, err = accountOf(dest)
				return true, err
			}
			if row.Account == nil {
				return false, errors.New("apps without their account: run rebuild")
			}
			app, err := decodeApp(dest[2:])
			if err != nil {
				return false, err
			}
			row.Account.Apps[app.ID] = app
			return true, nil
		}, id)
	})
	return row, err == nil && row.Account != nil, err
}

// accountOf reads position, hash and state.
func accountOf(row []driver.Value) (Row, error) {
	r := Row{Sequence: uint64(integer(row[0])), Account: domain.NewAccount("")}
	copy(r.Hash[:], blob(row[1]))
	if err := decodeState(blob(row[2]), r.Account); err != nil {
		return Row{}, err
	}
	return r, nil
}

// loadAccount reads an account's row, without its apps.
func (l *lookup) loadAccount(id string) (Row, bool, error) {
	defer clear(l.row)
	found, err := l.account.one(l.row, id)
	if err != nil || !found {
		return Row{}, false, err
	}
	row, err := accountOf(l.row)
	return row, err == nil, err
}

// Account gives an account without its apps (Apps is empty), false if it has no commit yet.
func (s *Store) Account(ctx context.Context, id string) (*domain.Account, bool, error) {
	var row Row
	found := false
	err := s.read(ctx, func(r *reader) (err error) {
		row, found, err = r.loadAccount(id)
		return err
	})
	return row.Account, found, err
}

// Tip gives the last commit of an account that reads can see, false if it has none yet.
func (s *Store) Tip(ctx context.Context, id string) (tip eventstore.Tip, found bool, err error) {
	err = s.read(ctx, func(r *reader) error {
		var row Row
		row, found, err = r.loadAccount(id)
		tip = eventstore.Tip{Sequence: row.Sequence, Hash: row.Hash}
		return err
	})
	return tip, found, err
}

// Accounts lists accounts by id, without their apps. A filter leaves those that have an app which it would list; its
// query also finds a part of the account's own id.
func (s *Store) Accounts(ctx context.Context, filter AppFilter, page Page) ([]*domain.Account, string, error) {
	after := ""
	if page.Cursor != "" {
		if err := parseCursor("accounts", page.Cursor, &after); err != nil {
			return nil, "", err
		}
	}
	if len(filter.Query) > maxQuery {
		return nil, "", nil
	}
	query, args := filter.accounts(after, page.limit()+1)
	read := s.read
	if filter != (AppFilter{}) {
		read = s.search
	}
	var accounts []*domain.Account
	err := read(ctx, func(r *reader) error {
		return r.list(ctx, query, args, 3, func(row []driver.Value) error {
			account, err := accountOf(row)
			accounts = append(accounts, account.Account)
			return err
		})
	})
	if err != nil {
		return nil, "", err
	}
	if len(accounts) <= page.limit() {
		return accounts, "", nil
	}
	accounts = accounts[:page.limit()]
	next, err := cursor("accounts", accounts[len(accounts)-1].ID)
	return accounts, next, err
}

// accounts is the query for the accounts that have an app such as is looked for.
func (f AppFilter) accounts(after string, limit int) (string, []any) {
	where, args := "id > ?", []any{after}
	if conditions, values := f.conditions(); len(conditions) > 0 {
		found := `EXISTS (SELECT 1 FROM apps a WHERE a.account = accounts.id AND ` + strings.Join(conditions, " AND ") + `)`
		args = append(args, values...)
		if f.Query != "" && f.Status == "" && f.Edition == "" {
			found = `(` + found + ` OR instr(id, ?) > 0)`
			args = append(args, search.Fold(f.Query))
		}
		where += " AND " + found
	}
	return `SELECT position, hash, state FROM accounts WHERE ` + where + ` ORDER BY id LIMIT ` + strconv.Itoa(limit), args
}
