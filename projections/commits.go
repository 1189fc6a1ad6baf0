package projections

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"strings"

	"sundial/domain"
)

// commitProjection holds where each command is in the log, by a key of 64 bits, and the history of each app: previous
// is the position of the app's commit before, so that a history is a chain through the table, which needs no index.
var commitProjection = projection{
	tables: []table{{
		create: `CREATE TABLE commits (
			position INTEGER PRIMARY KEY, key INTEGER NOT NULL, app INTEGER NOT NULL, recorded_at INTEGER NOT NULL,
			previous INTEGER NOT NULL) STRICT`,
		kind: "commit", query: `SELECT position, key, app, recorded_at, previous FROM commits ORDER BY position`, keys: 1,
		fields: []string{"position", "command_key", "app", "recorded_at", "previous"},
	}},
	indexes: []string{`CREATE INDEX IF NOT EXISTS commits_by_key ON commits (key)`},
	reads:   []string{commitsByKey, commitKeys, commitAt},
	inserts: []insertion{insertCommits},
	rows:    func(*batch) rows { return new(commitRows) },
}

const (
	commitsByKey = `SELECT position FROM commits WHERE key = ? ORDER BY position`
	commitKeys   = `SELECT position, key FROM commits WHERE position > ? ORDER BY position LIMIT ?`
	commitAt     = `SELECT previous, recorded_at, app FROM commits WHERE position = ?`
)

var insertCommits = insertion{head: `INSERT INTO commits (position, key, app, recorded_at, previous)`, columns: 5}

type commitRows struct {
	unconcerned
	list []commitRow
}

type commitRow struct {
	position, previous uint64
	key                uint64
	app                domain.AppID
	recordedAt         domain.Instant
}

func (r *commitRows) commit(d *decoded, app domain.AppID, state *domain.App) {
	row := commitRow{position: d.message.Sequence, key: d.key, app: app, recordedAt: domain.Instant(d.commit.RecordedAt)}
	if state != nil {
		row.previous = state.Position
	}
	r.list = append(r.list, row)
}

func (r *commitRows) write(w *writer) error {
	return w.insert(insertCommits, len(r.list), func(i int, args []driver.NamedValue) {
		c := &r.list[i]
		args[0].Value, args[1].Value, args[2].Value = int64(c.position), int64(c.key), int64(c.app)
		args[3].Value, args[4].Value = int64(c.recordedAt), int64(c.previous)
	})
}

func (r *commitRows) reset() { r.list = r.list[:0] }

// factPrefix begins the ids of commands made from billing facts, which are unique everywhere, not only within their
// account.
const factPrefix = "fact/"

// commandKey is what the table of commits holds of a command's id: 64 bits of a hash that nobody can steer. Two ids
// may share a key, once in some billions of commits, so whoever looks a key up compares the ids in the log.
func commandKey(account, id string) uint64 {
	var room [512]byte
	b := room[:0]
	if !strings.HasPrefix(id, factPrefix) {
		b = append(b, account...)
	}
	b = append(b, '\n')
	b = append(b, id...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

// Seen gives the positions of the commits that may carry this command id, oldest first: the caller compares the id
// (and, for ids that begin with fact/, finds them whichever account they are in). It knows every commit up to the
// position that the store had when it was called. Nearly always the answer is none, from memory alone.
func (s *Store) Seen(ctx context.Context, account, commandID string) ([]uint64, error) {
	key := commandKey(account, commandID)
	if f := s.seen.current.Load(); f != nil && !f.has(key) {
		return nil, nil
	}
	var positions []uint64
	err := s.read(ctx, func(r *reader) error {
		row := r.row[:1]
		return r.statements[commitsByKey].each(context.Background(), row, func() (bool, error) {
			positions = append(positions, uint64(integer(row[0])))
			return true, nil
		}, int64(key))
	})
	return positions, err
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
			state := new(domain.App) // without what stands in rows of its own
			err := r.list(ctx, `SELECT state FROM app_states WHERE id = ?`, []any{int64(app)}, 1, func(row []driver.Value) error {
				return decodeState(blob(row[0]), state)
			})
			if err != nil || state.ID == 0 {
				return err
			}
			at = state.Position
		}
		for at != 0 && len(entries) < limit {
			found, err := r.statements[commitAt].one(r.row[:3], int64(at))
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
