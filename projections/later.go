package projections

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"

	"sundial/domain"
	"sundial/eventstore"
)

// An SDKAppID is one app's. Should the log have it twice, since the engine had lost count of its numbers, it means the app
// that had it first. A later one is another account's, whose state is whole with it; what is not kept by account has it
// under a key that no number can be: the number, and above it how many had the number before.

const (
	numberBits = 34 // more than any number takes
	numberMask = 1<<numberBits - 1

	// maxLater bounds how many may have a number before another: whoever gives out one number more often needs a person.
	maxLater = 1 << 20
)

// numberOf gives the number of the app whose rows stand under a key.
func numberOf(key int64) domain.AppID { return domain.AppID(key & numberMask) }

// appOf names an app where its number alone does not.
type appOf struct {
	account string
	app     domain.AppID
}

const (
	laterApps  = `SELECT id, account FROM apps WHERE id > ? ORDER BY id`
	laterState = `SELECT ` + appState + ` FROM apps a JOIN app_states s ON s.id = a.id
		WHERE a.id > 17179869183 AND a.account = ? AND (a.id & 17179869183) = ?`
	laterKey = `SELECT id FROM apps WHERE id > 17179869183 AND account = ? AND (id & 17179869183) = ?`
)

// readLater reads which apps came later to a number.
func (w *writer) readLater() error {
	query, err := w.prepare(laterApps)
	if err != nil {
		return err
	}
	if w.owner, err = w.prepare(appOwner); err != nil {
		return err
	}
	row := make([]driver.Value, 2)
	return query.each(context.Background(), row, func() (bool, error) {
		w.later[appOf{text(row[1]), numberOf(integer(row[0]))}] = integer(row[0])
		return true, nil
	}, int64(numberMask))
}

// key gives the key under which the rows of an app stand.
func (w *writer) key(account string, app domain.AppID) int64 {
	if len(w.later) > 0 {
		if key, is := w.later[appOf{account, app}]; is {
			return key
		}
	}
	return int64(app)
}

// firstKey finds the key of an app that has no rows yet; there says that it has some by now.
func (w *writer) firstKey(account string, app domain.AppID) (key int64, there bool, err error) {
	row := make([]driver.Value, 1)
	for n := range int64(maxLater) {
		key := int64(app) | n<<numberBits
		found, err := w.owner.one(row, key)
		switch {
		case err != nil:
			return 0, false, err
		case !found && n > 0:
			w.later[appOf{account, app}] = key
			return key, false, nil
		case !found, text(row[0]) == account:
			return key, found, nil
		}
	}
	return 0, false, &eventstore.CorruptError{
		Problem: fmt.Sprintf("the number %d was given to more than %d apps", app, maxLater), Advice: adviceUnreadable,
	}
}

// loadLater reads an app that came later to its number.
func (l *lookup) loadLater(account string, id domain.AppID) (*domain.App, bool, error) {
	defer clear(l.row)
	found, err := l.later.one(l.row[:appWidth], account, int64(id))
	if err != nil || !found {
		return nil, false, err
	}
	app, err := decodeApp(l.row[:appWidth])
	return app, err == nil, err
}

// Later tells whether an account's app has a number that another account's app had before it: the number means that one.
func (s *Store) Later(ctx context.Context, account string, app domain.AppID) (bool, error) {
	later := false
	err := s.read(ctx, func(r *reader) error {
		return r.list(ctx, laterKey, []any{account, int64(app)}, 1, func([]driver.Value) error {
			later = true
			return nil
		})
	})
	return later, err
}

// Shared is a number that two accounts' apps have.
type Shared struct {
	App   domain.AppID
	First string // the account that the number means
	Later string // the account whose app waits for another number
}

// SharedNumbers lists the apps that need another number, at most limit of them: those that came later to theirs, and are
// neither deleted nor renumbered.
func (s *Store) SharedNumbers(ctx context.Context, limit int) ([]Shared, error) {
	var shared []Shared
	err := s.read(ctx, func(r *reader) error {
		const query = `SELECT l.id, l.account, f.account FROM apps l JOIN apps f ON f.id = l.id & 17179869183
			WHERE l.id > 17179869183 AND l.status <> ? ORDER BY l.id LIMIT ?`
		return r.list(ctx, query, []any{string(domain.Deleted), int64(limit)}, 3, func(row []driver.Value) error {
			shared = append(shared, Shared{numberOf(integer(row[0])), text(row[2]), text(row[1])})
			return nil
		})
	})
	return shared, err
}

// numbered is an app that the batch changes and that shares its number with another that it changes.
type numbered struct {
	account *folded
	app     domain.AppID
}

// noteOf finds what was noted of an app: the projections' note of it, and whether there is one.
func (n *noted) noteOf(acc *folded, id domain.AppID) bool {
	at, is := n.index[id]
	if is && n.apps[at].account != acc {
		_, is = n.others[numbered{acc, id}]
	}
	return is
}

// note adds an app that is changed.
func (n *noted) note(acc *folded, id domain.AppID) {
	nth := len(n.apps)
	if _, is := n.index[id]; !is {
		n.index[id] = nth
	} else {
		if n.others == nil {
			n.others = map[numbered]int{}
		}
		n.others[numbered{acc, id}] = nth
	}
	n.apps = append(n.apps, changed{acc, id, nth})
}

// byNumber orders what a batch changes; of apps with one number, the one that the batch changed first comes first.
func byNumber(x, y changed) int { return cmp.Or(cmp.Compare(x.id, y.id), cmp.Compare(x.nth, y.nth)) }

// first leaves those apps that their number means.
func (w *writer) first(apps []*domain.App) []*domain.App {
	if len(w.later) == 0 {
		return apps
	}
	return slices.DeleteFunc(apps, func(a *domain.App) bool { return w.key(a.Account, a.ID) != int64(a.ID) })
}
