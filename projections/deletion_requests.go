package projections

import (
	"context"
	"database/sql/driver"

	"sundial/domain"
)

// requestProjection holds the deletion requests that are open.
var requestProjection = projection{
	tables: []table{{
		create: `CREATE TABLE deletion_requests (
			app INTEGER PRIMARY KEY, account TEXT NOT NULL, requested_at INTEGER NOT NULL) STRICT`,
		kind: "deletion_request", query: `SELECT app, account, requested_at FROM deletion_requests ORDER BY app`, keys: 1,
		fields: []string{"app", "account", "requested_at"},
	}},
	writes:  []string{deleteRequest},
	inserts: []insertion{insertRequests},
	rows:    func(*batch) rows { return new(requestRows) },
}

const deleteRequest = `DELETE FROM deletion_requests WHERE app = ?`

var insertRequests = insertion{head: `INSERT OR REPLACE INTO deletion_requests (app, account, requested_at)`, columns: 3}

type requestRows struct {
	unconcerned
	was      []bool // open before the batch, by note
	asked    []requestRow
	answered []appOf // whose request is open no more
}

type requestRow struct {
	app     domain.AppID
	account string
	at      domain.Instant
}

func (r *requestRows) before(app *domain.App) {
	r.was = append(r.was, app != nil && app.Deletion.State == domain.RequestOpen)
}

func (r *requestRows) app(nth int, app *domain.App) error {
	switch open := app.DeletedAt == 0 && app.Deletion.State == domain.RequestOpen; {
	case open:
		r.asked = append(r.asked, requestRow{app.ID, app.Account, app.Deletion.RequestedAt})
	case r.was[nth]:
		r.answered = append(r.answered, appOf{app.Account, app.ID})
	}
	return nil
}

func (r *requestRows) write(w *writer) error {
	remove := w.statements[deleteRequest]
	for _, app := range r.answered {
		if err := remove.set(w.key(app.account, app.app)).run(); err != nil {
			return err
		}
	}
	return w.insert(insertRequests, len(r.asked), func(i int, args []driver.NamedValue) {
		q := &r.asked[i]
		args[0].Value, args[1].Value, args[2].Value = w.key(q.account, q.app), q.account, int64(q.at)
	})
}

func (r *requestRows) reset() {
	r.was, r.asked, r.answered = r.was[:0], r.asked[:0], r.answered[:0]
}

// requestKey is a place in the list of deletion requests.
type requestKey struct {
	At  int64        `json:"at"`
	App domain.AppID `json:"app"`
}

// DeletionRequests lists the apps whose deletion is asked for and not answered, the longest waiting first; of one
// account or, where it is empty, of all.
func (s *Store) DeletionRequests(ctx context.Context, account string, page Page) ([]*domain.App, string, error) {
	var after requestKey
	if page.Cursor != "" {
		if err := parseCursor("deletion_requests", page.Cursor, &after); err != nil {
			return nil, "", err
		}
	}
	const query = `SELECT ` + appState + `, q.app FROM deletion_requests q JOIN app_states s ON s.id = q.app
		WHERE (q.requested_at, q.app) > (?1, ?2) AND (?3 = '' OR q.account = ?3) ORDER BY q.requested_at, q.app LIMIT ?4`
	args := []any{after.At, int64(after.App), account, int64(page.limit() + 1)}
	var found []*domain.App
	var keys []domain.AppID
	err := s.read(ctx, func(r *reader) error {
		return r.list(ctx, query, args, appWidth+1, func(row []driver.Value) error {
			app, err := decodeApp(row)
			found, keys = append(found, app), append(keys, domain.AppID(integer(row[appWidth])))
			return err
		})
	})
	if err != nil || len(found) <= page.limit() {
		return found, "", err
	}
	found = found[:page.limit()]
	last := found[len(found)-1]
	next, err := cursor("deletion_requests", requestKey{int64(last.Deletion.RequestedAt), keys[len(found)-1]})
	return found, next, err
}
