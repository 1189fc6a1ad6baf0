package projections

import (
	"context"
	"database/sql/driver"

	"sundial/domain"
)

// certificateProjection holds the push certificates of apps, and those that were: their ids are never used again.
var certificateProjection = projection{
	tables: []table{{
		create: `CREATE TABLE certificates (
			id INTEGER PRIMARY KEY, app INTEGER NOT NULL, account TEXT NOT NULL, ends INTEGER NOT NULL) STRICT`,
		kind: "certificate", query: `SELECT id, app, account, ends FROM certificates ORDER BY id`, keys: 1,
		fields: []string{"id", "app", "account", "ends"},
	}},
	indexes: []string{`CREATE INDEX IF NOT EXISTS certificates_by_end ON certificates (ends, id) WHERE ends > 0`},
	inserts: []insertion{insertCertificates},
	rows:    func(*batch) rows { return &certificateRows{came: map[appOf][]domain.CertificateID{}} },
}

var insertCertificates = insertion{head: `INSERT OR REPLACE INTO certificates (id, app, account, ends)`, columns: 4}

type certificateRows struct {
	unconcerned
	was  []map[domain.CertificateID]domain.Instant // when each ended before the batch, by note; nil for most apps
	came map[appOf][]domain.CertificateID          // within the batch; some may have gone again
	list []certificateRow
}

type certificateRow struct {
	id      domain.CertificateID
	app     domain.AppID
	account string
	ends    domain.Instant // 0: it does not expire, or it is gone
}

func (r *certificateRows) commit(d *decoded, _ domain.AppID, _ *domain.App) {
	for _, e := range d.events {
		if added, is := e.(domain.CertificateAdded); is {
			of := appOf{d.message.Account, added.App}
			r.came[of] = append(r.came[of], added.Certificate.ID)
		}
	}
}

func (r *certificateRows) before(app *domain.App) {
	var was map[domain.CertificateID]domain.Instant
	if app != nil && len(app.Certificates) > 0 {
		was = make(map[domain.CertificateID]domain.Instant, len(app.Certificates))
		for i := range app.Certificates {
			was[app.Certificates[i].ID] = app.Certificates[i].NotAfter
		}
	}
	r.was = append(r.was, was)
}

// app notes which of an app's certificates came, went or end at another time.
func (r *certificateRows) app(nth int, app *domain.App) error {
	before := r.was[nth]
	for i := range app.Certificates {
		k := &app.Certificates[i]
		if was, had := before[k.ID]; !had || was != k.NotAfter {
			r.list = append(r.list, certificateRow{k.ID, app.ID, app.Account, k.NotAfter})
		}
	}
	gone := func(id domain.CertificateID) {
		if app.Certificate(id) == nil {
			r.list = append(r.list, certificateRow{id, app.ID, app.Account, 0})
		}
	}
	for id := range before {
		gone(id)
	}
	for _, id := range r.came[appOf{app.Account, app.ID}] {
		gone(id)
	}
	return nil
}

func (r *certificateRows) write(w *writer) error {
	return w.insert(insertCertificates, len(r.list), func(i int, args []driver.NamedValue) {
		k := &r.list[i]
		args[0].Value, args[1].Value, args[2].Value, args[3].Value = int64(k.id), w.key(k.account, k.app), k.account, int64(k.ends)
	})
}

func (r *certificateRows) reset() {
	clear(r.was)
	clear(r.came)
	r.was, r.list = r.was[:0], r.list[:0]
}

// ExpiringCertificate is a push certificate with the app that has it.
type ExpiringCertificate struct {
	App         *domain.App
	Certificate *domain.Certificate // one of the app's
}

// endKey is a place in the list of certificates by their end.
type endKey struct {
	Ends int64                `json:"ends"`
	ID   domain.CertificateID `json:"id"`
}

// Certificates lists the certificates that end before an instant, soonest first, expired ones among them; of one account
// or, where it is empty, of all.
func (s *Store) Certificates(ctx context.Context, account string, before domain.Instant, page Page) ([]ExpiringCertificate, string, error) {
	var after endKey
	if page.Cursor != "" {
		if err := parseCursor("certificates", page.Cursor, &after); err != nil {
			return nil, "", err
		}
	}
	const query = `SELECT c.id, c.ends, ` + appState + ` FROM certificates c JOIN app_states s ON s.id = c.app
		WHERE c.ends > 0 AND c.ends < ?1 AND (c.ends, c.id) > (?2, ?3) AND (?4 = '' OR c.account = ?4) ORDER BY c.ends, c.id LIMIT ?5`
	args := []any{int64(before), after.Ends, int64(after.ID), account, int64(page.limit() + 1)}
	var found []ExpiringCertificate
	var keys []endKey
	err := s.search(ctx, func(r *reader) error {
		return r.list(ctx, query, args, 2+appWidth, func(row []driver.Value) error {
			app, err := decodeApp(row[2:])
			if err != nil {
				return err
			}
			key := endKey{integer(row[1]), domain.CertificateID(integer(row[0]))}
			if c := app.Certificate(key.ID); c != nil {
				found, keys = append(found, ExpiringCertificate{app, c}), append(keys, key)
			}
			return nil
		})
	})
	if err != nil || len(found) <= page.limit() {
		return found, "", err
	}
	found = found[:page.limit()]
	next, err := cursor("certificates", keys[len(found)-1])
	return found, next, err
}

// CertificateOwner gives the app that has or had a certificate, false if there never was one with this id.
func (s *Store) CertificateOwner(ctx context.Context, id domain.CertificateID) (domain.AppID, bool, error) {
	var app domain.AppID
	found := false
	err := s.read(ctx, func(r *reader) error {
		return r.list(ctx, `SELECT app FROM certificates WHERE id = ?`, []any{int64(id)}, 1, func(row []driver.Value) error {
			app, found = numberOf(integer(row[0])), true
			return nil
		})
	})
	return app, found, err
}

// HighestCertificate gives the highest id of a certificate within [from, to), deleted ones included, false if there is
// none.
func (s *Store) HighestCertificate(ctx context.Context, from, to domain.CertificateID) (domain.CertificateID, bool, error) {
	var id domain.CertificateID
	found := false
	err := s.read(ctx, func(r *reader) error {
		const query = `SELECT id FROM certificates WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1`
		return r.list(ctx, query, []any{int64(from), int64(to)}, 1, func(row []driver.Value) error {
			id, found = domain.CertificateID(integer(row[0])), true
			return nil
		})
	})
	return id, found, err
}
