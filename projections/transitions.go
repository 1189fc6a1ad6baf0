package projections

import (
	"context"
	"database/sql/driver"

	"sundial/domain"
)

// Transition is something that time will do to an app.
type Transition struct {
	App     domain.AppID
	Account string
	From    string // the app's status now, or "edition:" and its edition where the edition will change
	domain.Due
}

// dueColumns come with the app's present state: what a transition leads from is not kept with its due time, as it
// changes while that does not.
const dueColumns = `d.at, d.account, d.app, d.kind, d.goal, d.cause, d.episode, a.status, a.edition
	FROM dues d JOIN apps a ON a.id = d.app`

const dueWidth = 9

func transitionOf(row []driver.Value) Transition {
	t := Transition{
		App: domain.AppID(integer(row[2])), Account: text(row[1]), From: text(row[7]),
		Due: domain.Due{
			At: domain.Instant(integer(row[0])), To: text(row[4]), Cause: domain.Cause(text(row[5])),
			Episode: uint64(integer(row[6])),
		},
	}
	if k := integer(row[3]); k >= 0 && k < int64(len(kinds)) {
		t.Kind = kinds[k]
	}
	const edition = "edition:"
	if len(t.To) > len(edition) && t.To[:len(edition)] == edition {
		t.From = edition + text(row[8])
	}
	return t
}

// Due lists what is due at an instant (at or before it), in due order: by time, account, app, and kind. It gives at
// most limit transitions.
func (s *Store) Due(ctx context.Context, now domain.Instant, limit int) ([]Transition, error) {
	var due []Transition
	err := s.read(ctx, func(r *reader) error {
		row := r.row[:dueWidth]
		return r.due.each(context.Background(), row, func() (bool, error) {
			due = append(due, transitionOf(row))
			return true, nil
		}, int64(now), int64(limit))
	})
	return due, err
}

// Backlog tells how many transitions are due at an instant, and since when the first of them (0 if none is).
func (s *Store) Backlog(ctx context.Context, now domain.Instant) (count int, oldest domain.Instant, err error) {
	err = s.read(ctx, func(r *reader) error {
		_, err := r.backlog.one(r.row[:2], int64(now))
		count, oldest = int(integer(r.row[0])), domain.Instant(integer(r.row[1]))
		return err
	})
	return count, oldest, err
}

// DueFilter narrows a list of transitions; what is empty does not.
type DueFilter struct {
	Account string
	Before  domain.Instant // only what is due before it
}

// dueKey is a place in the due order.
type dueKey struct {
	At      int64        `json:"at"` // milliseconds
	Account string       `json:"account"`
	App     domain.AppID `json:"app"`
	Kind    int64        `json:"kind"`
}

// Transitions lists what time will do, soonest first.
func (s *Store) Transitions(ctx context.Context, filter DueFilter, page Page) ([]Transition, string, error) {
	query, args := `SELECT `+dueColumns+` WHERE true`, []any(nil)
	if page.Cursor != "" {
		var after dueKey
		if err := parseCursor("transitions", page.Cursor, &after); err != nil {
			return nil, "", err
		}
		query += ` AND (d.at, d.account, d.app, d.kind) > (?, ?, ?, ?)`
		args = append(args, after.At, after.Account, int64(after.App), after.Kind)
	}
	if filter.Before != 0 {
		query += ` AND d.at < ?`
		args = append(args, int64(filter.Before))
	}
	if filter.Account != "" {
		query += ` AND d.account = ?`
		args = append(args, filter.Account)
	}
	query += ` ORDER BY d.at, d.account, d.app, d.kind LIMIT ?`
	args = append(args, int64(page.limit()+1))
	var found []Transition
	err := s.read(ctx, func(r *reader) error {
		return r.list(ctx, query, args, dueWidth, func(row []driver.Value) error {
			found = append(found, transitionOf(row))
			return nil
		})
	})
	if err != nil {
		return nil, "", err
	}
	if len(found) <= page.limit() {
		return found, "", nil
	}
	found = found[:page.limit()]
	last := found[len(found)-1]
	next, err := cursor("transitions", dueKey{int64(last.At), last.Account, last.App, kindNumber(last.Kind)})
	return found, next, err
}
