package projections

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"

	"sundial/domain"
)

// dueProjection holds what time will do to apps, and when.
var dueProjection = projection{
	tables: []table{{
		create: `CREATE TABLE dues (
			at INTEGER NOT NULL, account TEXT NOT NULL, app INTEGER NOT NULL, kind INTEGER NOT NULL,
			goal TEXT NOT NULL, cause TEXT NOT NULL, episode INTEGER NOT NULL,
			PRIMARY KEY (at, account, app, kind)) STRICT, WITHOUT ROWID`,
		kind: "due", query: `SELECT at, account, app, kind, goal, cause, episode FROM dues ORDER BY at, account, app, kind`, keys: 4,
		fields: []string{"at", "account", "app", "kind", "to", "cause", "episode"}, place: placeOfDue,
	}},
	reads:   []string{dueNow, backlog},
	writes:  []string{deleteDue},
	inserts: []insertion{insertDues},
	rows:    func(*batch) rows { return new(dueRows) },
}

const deleteDue = `DELETE FROM dues WHERE at = ? AND account = ? AND app = ? AND kind = ?`

var (
	dueNow  = `SELECT ` + dueColumns + ` WHERE d.at <= ?1 AND NOT ` + staleNotice + ` ORDER BY d.at, d.account, d.app, d.kind LIMIT ?3`
	backlog = `SELECT count(*), min(at) FROM dues d WHERE at <= ?1 AND NOT ` + staleNotice

	insertDues = insertion{head: `INSERT OR REPLACE INTO dues (at, account, app, kind, goal, cause, episode)`, columns: 7}
)

// placeOfDue is the key of a row, with its instant and its kind written out.
func placeOfDue(key []driver.Value) string {
	kind := show(key[3])
	if k := integer(key[3]); k >= 0 && k < int64(len(kinds)) {
		kind = string(kinds[k])
	}
	return strings.Join([]string{domain.Instant(integer(key[0])).String(), show(key[1]), show(key[2]), kind}, " ")
}

// kinds are stored by their place.
var kinds = domain.Kinds()

func kindNumber(k domain.DueKind) int64 { return int64(slices.Index(kinds, k)) }

type dueRows struct {
	unconcerned
	was  [][]domain.Due // before the batch, by note
	gone []dueRow
	due  []dueRow
}

type dueRow struct {
	account string
	app     domain.AppID
	domain.Due
}

func (r *dueRows) before(app *domain.App) {
	var was []domain.Due
	if app != nil {
		was = app.Dues()
	}
	r.was = append(r.was, was)
}

func (r *dueRows) app(nth int, app *domain.App) error {
	before, dues := r.was[nth], app.Dues()
	for _, d := range dues {
		if !slices.Contains(before, d) {
			r.due = append(r.due, dueRow{app.Account, app.ID, d})
		}
	}
	for _, was := range before {
		if !slices.ContainsFunc(dues, func(d domain.Due) bool { return d.At == was.At && d.Kind == was.Kind }) {
			r.gone = append(r.gone, dueRow{app.Account, app.ID, was})
		}
	}
	return nil
}

func (r *dueRows) write(w *writer) error {
	remove := w.statements[deleteDue]
	for i := range r.gone {
		d := &r.gone[i]
		if err := remove.set(int64(d.At), d.account, w.key(d.account, d.app), kindNumber(d.Kind)).run(); err != nil {
			return err
		}
	}
	return w.insert(insertDues, len(r.due), func(i int, args []driver.NamedValue) {
		d := &r.due[i]
		args[0].Value, args[1].Value, args[2].Value, args[3].Value = int64(d.At), d.account, w.key(d.account, d.app), kindNumber(d.Kind)
		args[4].Value, args[5].Value, args[6].Value = d.To, string(d.Cause), int64(d.Episode)
	})
}

func (r *dueRows) reset() {
	clear(r.was)
	r.was, r.gone, r.due = r.was[:0], r.gone[:0], r.due[:0]
}

// Transition is something that time will do to an app.
type Transition struct {
	App     domain.AppID
	Account string
	From    string // the app's status, or "edition:" and its edition where that will change; as of then in Transitions, else now
	domain.Due
	Prevention domain.Prevention // what would keep it from happening; only Transitions fills it in

	row domain.AppID // the key of the app's rows; 0: its number
}

// dueColumns come with the app's present state: what a transition leads from is not kept with its due time, as it
// changes while that does not.
const dueColumns = `d.at, d.account, d.app, d.kind, d.goal, d.cause, d.episode, a.status, a.edition
	FROM dues d JOIN apps a ON a.id = d.app`

const dueWidth = 9

// listedColumns are those with the state of an app that is to be stopped for arrears (its kind in kinds).
const listedColumns = `d.at, d.account, d.app, d.kind, d.goal, d.cause, d.episode, a.status, a.edition,
	` + appState + `
	FROM dues d JOIN apps a ON a.id = d.app LEFT JOIN app_states s ON d.kind = 1 AND s.id = d.app`

func transitionOf(row []driver.Value) Transition {
	t := Transition{
		App: numberOf(integer(row[2])), row: domain.AppID(integer(row[2])), Account: text(row[1]), From: from(text(row[4]), text(row[7]), text(row[8])),
		Due: domain.Due{
			At: domain.Instant(integer(row[0])), To: text(row[4]), Cause: domain.Cause(text(row[5])),
			Episode: uint64(integer(row[6])),
		},
	}
	if k := integer(row[3]); k >= 0 && k < int64(len(kinds)) {
		t.Kind = kinds[k]
	}
	return t
}

// from is what a transition leads from, in the same words as what it leads to.
func from(to, status, edition string) string {
	if strings.HasPrefix(to, editionGoal) {
		return editionGoal + edition
	}
	return status
}

// staleNotice is true of a notice that says nothing any more: what it warns of is due at the instant of the second
// argument, which is written as the goal of a notice is. Its row goes when that fires.
var staleNotice = fmt.Sprintf("(d.kind = %d AND d.goal <= ?2)", kindNumber(domain.DueNotice))

func staleAt(now domain.Instant) string { return domain.NoticeOf + now.String() }

// editionGoal begins what a change of edition leads to.
const editionGoal = "edition:"

// Due lists what is due at an instant (at or before it), in due order: by time, account, app, and kind. It gives at
// most limit transitions.
func (s *Store) Due(ctx context.Context, now domain.Instant, limit int) ([]Transition, error) {
	var due []Transition
	err := s.read(ctx, func(r *reader) error {
		row := r.row[:dueWidth]
		return r.statements[dueNow].each(context.Background(), row, func() (bool, error) {
			due = append(due, transitionOf(row))
			return true, nil
		}, int64(now), staleAt(now), int64(max(limit, 0)))
	})
	return due, err
}

// Backlog tells how many transitions are due at an instant, and since when the first of them (0 if none is).
func (s *Store) Backlog(ctx context.Context, now domain.Instant) (count int, oldest domain.Instant, err error) {
	err = s.read(ctx, func(r *reader) error {
		_, err := r.statements[backlog].one(r.row[:2], int64(now), staleAt(now))
		count, oldest = int(integer(r.row[0])), domain.Instant(integer(r.row[1]))
		return err
	})
	return count, oldest, err
}

// DueFilter narrows a list of transitions; what is empty does not.
type DueFilter struct {
	Account string
	After   domain.Instant // only what is due then or later
	Before  domain.Instant // only what is due before it

	// Policy is the engine's: stops behind lapses to come are reckoned with it and with what is set for the account.
	Policy domain.Policy
}

// end is the instant before which everything is.
func (f DueFilter) end() domain.Instant {
	if f.Before == 0 {
		return domain.MaxInstant + 1
	}
	return f.Before
}

// begin is the place in the due order after which the first one may be.
func (f DueFilter) begin() dueKey {
	const last = "~" // behind every account
	return dueKey{At: int64(f.After) - 1, Account: last}
}

// dueKey is a place in the due order.
type dueKey struct {
	At      int64        `json:"at"` // milliseconds
	Account string       `json:"account"`
	App     domain.AppID `json:"app"`
	Kind    int64        `json:"kind"`
}

func (t *Transition) key() dueKey {
	return dueKey{int64(t.At), t.Account, cmp.Or(t.row, t.App), kindNumber(t.Kind)}
}

func (k dueKey) compare(with dueKey) int {
	return cmp.Or(cmp.Compare(k.At, with.At), cmp.Compare(k.Account, with.Account), cmp.Compare(k.App, with.App), cmp.Compare(k.Kind, with.Kind))
}

// lifecycleKinds is how many kinds change a status or an edition; they are the first.
var lifecycleKinds = int64(len(slices.DeleteFunc(domain.Kinds(), func(k domain.DueKind) bool { return !k.Lifecycle() })))

// Transitions lists what time will do to the status and the edition of apps by what is known, soonest first: of each app
// as far as it is known ahead, but see MaxLookedInto.
func (s *Store) Transitions(ctx context.Context, filter DueFilter, page Page) ([]Transition, string, error) {
	after := filter.begin()
	if page.Cursor != "" {
		var at dueKey
		if err := parseCursor("transitions", page.Cursor, &at); err != nil {
			return nil, "", err
		}
		if at.compare(after) > 0 {
			after = at
		}
	}
	list := s.allTransitions
	if filter.Account != "" {
		list = s.transitionsOf
	}
	found, err := list(ctx, filter, after, page.limit()+1)
	if err != nil {
		return nil, "", err
	}
	if len(found) <= page.limit() {
		return found, "", nil
	}
	found = found[:page.limit()]
	next, err := cursor("transitions", found[len(found)-1].key())
	return found, next, err
}

// transitionsOf lists one account's. They follow from its apps: an index of dues by account would cost more, at every
// change of a due time, than reading an account now and then.
func (s *Store) transitionsOf(ctx context.Context, filter DueFilter, after dueKey, limit int) ([]Transition, error) {
	row, found, err := s.LoadAccount(ctx, filter.Account)
	if err != nil || !found {
		return nil, err
	}
	var all []Transition
	for id, app := range row.Account.Apps {
		l := lookedInto{account: filter.Account, app: app, ahead: row.Account.Foresee(id, filter.Policy)}
		all = append(all, l.transitions(after, filter.end())...)
	}
	slices.SortFunc(all, func(a, b Transition) int { return a.key().compare(b.key()) })
	return all[:min(limit, len(all))], nil
}
