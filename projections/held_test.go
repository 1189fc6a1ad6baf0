package projections

import (
	"context"
	"database/sql/driver"

	"sundial/domain"
)

// heldProjection is one that only tests have: the apps that an operator stopped. All there is to it is in this file.
var heldProjection = projection{
	tables: []table{{
		create: `CREATE TABLE held_apps (app INTEGER PRIMARY KEY, account TEXT NOT NULL, since INTEGER NOT NULL) STRICT`,
		kind:   "held_app", query: `SELECT app, account, since FROM held_apps ORDER BY app`, keys: 1,
		fields: []string{"app", "account", "since"},
	}},
	indexes: []string{`CREATE INDEX IF NOT EXISTS held_apps_by_account ON held_apps (account)`},
	reads:   []string{heldOf},
	writes:  []string{deleteHeld},
	inserts: []insertion{insertHeld},
	rows:    func(*batch) rows { return new(heldRows) },
}

const (
	heldOf     = `SELECT app FROM held_apps WHERE account = ? ORDER BY app`
	deleteHeld = `DELETE FROM held_apps WHERE app = ?`
)

var insertHeld = insertion{head: `INSERT OR REPLACE INTO held_apps (app, account, since)`, columns: 3}

type heldRows struct {
	unconcerned
	was  []domain.Hold // before the batch, by note
	held []*domain.App
	gone []domain.AppID
}

func (r *heldRows) before(app *domain.App) {
	var was domain.Hold
	if app != nil {
		was = app.Operator
	}
	r.was = append(r.was, was)
}

func (r *heldRows) app(nth int, app *domain.App) error {
	switch app.Operator {
	case r.was[nth]:
	case domain.Hold{}:
		r.gone = append(r.gone, app.ID)
	default:
		r.held = append(r.held, app.Clone())
	}
	return nil
}

func (r *heldRows) write(w *writer) error {
	for _, app := range r.gone {
		if err := w.statements[deleteHeld].set(int64(app)).run(); err != nil {
			return err
		}
	}
	return w.insert(insertHeld, len(r.held), func(i int, args []driver.NamedValue) {
		app := r.held[i]
		args[0].Value, args[1].Value, args[2].Value = int64(app.ID), app.Account, int64(app.Operator.EffectiveAt)
	})
}

func (r *heldRows) reset() { r.was, r.held, r.gone = r.was[:0], r.held[:0], r.gone[:0] }

// heldApps lists an account's.
func (s *Store) heldApps(ctx context.Context, account string) ([]domain.AppID, error) {
	var held []domain.AppID
	err := s.read(ctx, func(r *reader) error {
		row := r.row[:1]
		return r.statements[heldOf].each(context.Background(), row, func() (bool, error) {
			held = append(held, domain.AppID(integer(row[0])))
			return true, nil
		}, account)
	})
	return held, err
}
