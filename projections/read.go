package projections

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"sundial/domain"
	"sundial/eventstore"
)

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
		dest := r.row[:3]
		return r.accountWithApps.each(context.Background(), dest, func() (bool, error) {
			if dest[0] != nil {
				var err error
				row, err = accountOf(dest)
				return true, err
			}
			if row.Account == nil {
				return false, errors.New("apps without their account: run rebuild")
			}
			app := new(domain.App)
			if err := decodeState(blob(dest[2]), app); err != nil {
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

// lookup reads single rows by their keys.
type lookup struct {
	app, account *stmt
	row          []driver.Value
}

func newLookup(c *conn) (lookup, error) {
	l := lookup{row: make([]driver.Value, 3)}
	err := c.prepareAll(
		prepared{&l.app, `SELECT state FROM app_states WHERE id = ?`},
		prepared{&l.account, `SELECT position, hash, state FROM accounts WHERE id = ?`},
	)
	return l, err
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

// loadApp reads an app's state.
func (l *lookup) loadApp(id domain.AppID) (*domain.App, bool, error) {
	found, err := l.app.one(l.row[:1], int64(id))
	if err != nil || !found {
		return nil, false, err
	}
	app := new(domain.App)
	if err := decodeState(blob(l.row[0]), app); err != nil {
		return nil, false, fmt.Errorf("app %d: %w", id, err)
	}
	return app, true, nil
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

// AccountOf gives the account that an app belongs to, false if there is no such app.
func (s *Store) AccountOf(ctx context.Context, app domain.AppID) (string, bool, error) {
	account := s.recent.account(app)
	if account != "" {
		return account, true, nil
	}
	found := false
	err := s.read(ctx, func(r *reader) (err error) {
		if found, err = r.owner.one(r.row[:1], int64(app)); found {
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
		if found, err = r.highest.one(r.row[:1], int64(from), int64(to)); found {
			app = domain.AppID(integer(r.row[0]))
		}
		return err
	})
	return app, found, err
}

// Entry is a commit in an app's history.
type Entry struct {
	Position   uint64
	RecordedAt domain.Instant
}

// History lists the commits that changed an app, latest first, at most limit of them (as Page has it): those before
// the given position, which must be one that History gave, or from the last one where it is 0.
func (s *Store) History(ctx context.Context, app domain.AppID, before uint64, limit int) ([]Entry, error) {
	var entries []Entry
	limit = Page{Limit: limit}.limit()
	err := s.read(ctx, func(r *reader) error {
		at := before
		if before == 0 {
			state, found, err := r.loadApp(app)
			if err != nil || !found {
				return err
			}
			at = state.Position
		}
		for at != 0 && len(entries) < limit {
			found, err := r.history.one(r.row[:3], int64(at))
			if err != nil {
				return err
			}
			if !found || domain.AppID(integer(r.row[2])) != app {
				return fmt.Errorf("commit %d is not one of app %d: %w", at, app, ErrCursor)
			}
			if at != before {
				entries = append(entries, Entry{at, domain.Instant(integer(r.row[1]))})
			}
			at = uint64(integer(r.row[0]))
		}
		return nil
	})
	return entries, err
}
