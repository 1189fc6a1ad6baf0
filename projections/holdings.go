package projections

import (
	"context"
	"database/sql/driver"

	"sundial/domain"
)

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
	const query = `SELECT c.id, c.ends, s.state FROM certificates c JOIN app_states s ON s.id = c.app
		WHERE c.ends > 0 AND c.ends < ?1 AND (c.ends, c.id) > (?2, ?3) AND (?4 = '' OR c.account = ?4) ORDER BY c.ends, c.id LIMIT ?5`
	args := []any{int64(before), after.Ends, int64(after.ID), account, int64(page.limit() + 1)}
	var found []ExpiringCertificate
	var keys []endKey
	err := s.search(ctx, func(r *reader) error {
		return r.list(ctx, query, args, 3, func(row []driver.Value) error {
			app := new(domain.App)
			if err := decodeState(blob(row[2]), app); err != nil {
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
			app, found = domain.AppID(integer(row[0])), true
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
	const query = `SELECT s.state FROM deletion_requests q JOIN app_states s ON s.id = q.app
		WHERE (q.requested_at, q.app) > (?1, ?2) AND (?3 = '' OR q.account = ?3) ORDER BY q.requested_at, q.app LIMIT ?4`
	args := []any{after.At, int64(after.App), account, int64(page.limit() + 1)}
	var found []*domain.App
	err := s.read(ctx, func(r *reader) error {
		return r.list(ctx, query, args, 1, func(row []driver.Value) error {
			app := new(domain.App)
			found = append(found, app)
			return decodeState(blob(row[0]), app)
		})
	})
	if err != nil || len(found) <= page.limit() {
		return found, "", err
	}
	found = found[:page.limit()]
	last := found[len(found)-1]
	next, err := cursor("deletion_requests", requestKey{int64(last.Deletion.RequestedAt), last.ID})
	return found, next, err
}
