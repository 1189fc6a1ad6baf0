package projections

import (
	"container/heap"
	"context"
	"database/sql/driver"
	"errors"

	"sundial/domain"
)

// MaxLookedInto is how many apps one question about all accounts looks into for what comes behind their next
// transitions: those whose next ones come soonest. Each takes some 20 us, and a page should take less than 50 ms however
// many apps there are. Of further apps only what is set already is listed.
const MaxLookedInto = 1000

// lookedInto is an app with what lies ahead of it.
type lookedInto struct {
	place   dueKey // of its next due
	account string
	app     *domain.App
	ahead   []domain.Foreseen
}

// transitions are those after a place in the due order, and before an instant.
func (l *lookedInto) transitions(after dueKey, before domain.Instant) []Transition {
	var listed []Transition
	for _, f := range l.ahead {
		t := Transition{App: l.app.ID, Account: l.account, From: f.From, Due: f.Due, Prevention: f.Prevention, row: l.place.App}
		if t.At < before && t.key().compare(after) > 0 {
			listed = append(listed, t)
		}
	}
	return listed
}

// lookInto looks into apps in the order of their next dues, as long as these come before an instant and take returns
// true. If there are more than so many it tells where it ended and into which it looked.
func (r *reader) lookInto(ctx context.Context, most int, filter DueFilter, take func(*lookedInto) bool) (looked map[domain.AppID]bool, rest *dueKey, err error) {
	// What begins or ends unseen counts as well: an arrears may begin with it.
	const query = `SELECT d.at, d.account, d.app, d.kind, ` + appState + ` FROM dues d JOIN app_states s ON s.id = d.app
		WHERE d.at < ? AND d.kind < ? ORDER BY d.at, d.account, d.app, d.kind`
	looked = map[domain.AppID]bool{}
	accounts := map[string]*domain.Account{}
	err = r.list(ctx, query, []any{int64(filter.end()), lifecycleKinds}, 4+appWidth, func(row []driver.Value) error {
		l := lookedInto{dueKey{integer(row[0]), text(row[1]), domain.AppID(integer(row[2])), integer(row[3])}, text(row[1]), nil, nil}
		if looked[l.place.App] {
			return nil
		}
		if len(looked) == most {
			rest = &l.place
			return errEnough
		}
		looked[l.place.App] = true
		account := accounts[l.account]
		if account == nil {
			found, exists, err := r.loadAccount(l.account)
			if err != nil {
				return err
			}
			if !exists {
				return errors.New("an app without its account: run rebuild")
			}
			account = found.Account
			accounts[l.account] = account
		}
		var err error
		if l.app, err = decodeApp(row[4:]); err != nil {
			return err
		}
		account.Apps = map[domain.AppID]*domain.App{l.app.ID: l.app}
		l.ahead = account.Foresee(l.app.ID, filter.Policy)
		if !take(&l) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return looked, rest, err
}

// allTransitions lists those of all accounts.
func (s *Store) allTransitions(ctx context.Context, filter DueFilter, after dueKey, limit int) ([]Transition, error) {
	var found []Transition
	err := s.search(ctx, func(r *reader) error {
		return r.atOnce(func() (err error) {
			found, err = r.allTransitions(ctx, s.lookInto, filter, after, limit)
			return err
		})
	})
	return found, err
}

func (r *reader) allTransitions(ctx context.Context, lookInto int, filter DueFilter, after dueKey, limit int) ([]Transition, error) {
	var found []Transition
	var ahead soonestFirst
	until := func(place dueKey) (more bool) {
		for len(found) < limit && len(ahead) > 0 && ahead[0].key().compare(place) < 0 {
			found = append(found, heap.Pop(&ahead).(Transition))
		}
		return len(found) < limit
	}
	looked, rest, err := r.lookInto(ctx, lookInto, filter, func(l *lookedInto) bool {
		if !until(l.place) {
			return false
		}
		for _, t := range l.transitions(after, filter.end()) {
			heap.Push(&ahead, t)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if rest != nil {
		if err := r.setTransitions(ctx, filter, later(after, *rest), func(t Transition) bool {
			if looked[t.row] {
				return true
			}
			if !until(t.key()) {
				return false
			}
			found = append(found, t)
			return len(found) < limit
		}); err != nil {
			return nil, err
		}
	}
	until(dueKey{At: int64(filter.end())})
	return found, nil
}

// later is a place from which on both what is behind the one and what is not before the other is found.
func later(after, from dueKey) dueKey {
	from.Kind--
	if after.compare(from) > 0 {
		return after
	}
	return from
}

// setTransitions gives what is set in the dues, after a place, until take returns false.
func (r *reader) setTransitions(ctx context.Context, filter DueFilter, after dueKey, take func(Transition) bool) error {
	// What prevents a stop for arrears stands in the app's state, which is read for these alone.
	const query = `SELECT ` + listedColumns + ` WHERE (d.at, d.account, d.app, d.kind) > (?, ?, ?, ?) AND d.at < ? AND d.kind < ? AND d.goal <> ''
		ORDER BY d.at, d.account, d.app, d.kind`
	args := []any{after.At, after.Account, int64(after.App), after.Kind, int64(filter.end()), lifecycleKinds}
	err := r.list(ctx, query, args, dueWidth+appWidth, func(row []driver.Value) error {
		t := transitionOf(row)
		app := &domain.App{Edition: domain.Edition(text(row[8]))}
		if row[dueWidth] != nil {
			var err error
			if app, err = decodeApp(row[dueWidth:]); err != nil {
				return err
			}
		}
		t.Prevention = app.Prevention(t.Due)
		if !take(t) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// atOnce lets several reads see one state.
func (r *reader) atOnce(read func() error) error {
	if err := r.exec("BEGIN"); err != nil {
		return err
	}
	return errors.Join(read(), r.exec("COMMIT"))
}

// soonestFirst is a heap, the first to come on top.
type soonestFirst []Transition

func (h soonestFirst) Len() int           { return len(h) }
func (h soonestFirst) Less(i, j int) bool { return h[i].key().compare(h[j].key()) < 0 }
func (h soonestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *soonestFirst) Push(t any)        { *h = append(*h, t.(Transition)) }
func (h *soonestFirst) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
