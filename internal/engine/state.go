package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/projections"
)

// account is a cached account. Whoever holds its lock may use it.
type account struct {
	id       string
	state    *domain.Account // nil: to be loaded
	sequence uint64          // of its last commit; 0 before the first
	hash     eventstore.Hash // of that commit
	extra    int             // what its apps weigh beyond their number
	latest   bool            // the state came from the log or from an append of ours, not only from a projection that may lag
	recent   []recent        // commands that the projections may not have yet
	pruneAt  int             // how many of them are looked through next
}

// recent is a command that was committed.
type recent struct {
	id       string
	position uint64
	content  eventstore.Hash
}

// pruneRecent is how many remembered commands an account may have before those are dropped that the projections have.
const pruneRecent = 8

func (a *account) apply(at domain.Recorded, events []domain.Event) {
	subjects := make([]domain.AppID, 0, 1) // of nearly all commits there is one
	for _, e := range events {
		if !slices.Contains(subjects, e.Subject()) {
			subjects = append(subjects, e.Subject())
			a.extra -= a.extraOf(e.Subject())
		}
	}
	a.state.Apply(at, events...)
	for _, app := range subjects {
		a.extra += a.extraOf(app)
	}
}

func (a *account) extraOf(app domain.AppID) int {
	if app := a.state.Apps[app]; app != nil {
		return app.Extra()
	}
	return 0
}

func (a *account) remember(r recent, projected uint64) {
	if len(a.recent) >= max(a.pruneAt, pruneRecent) {
		kept := a.recent[:0]
		for _, old := range a.recent {
			if old.position > projected {
				kept = append(kept, old)
			}
		}
		a.recent, a.pruneAt = kept, 2*len(kept) // so that a lagging projection does not make each command look at all
	}
	a.recent = append(a.recent, r)
}

// forget drops a state that may be wrong; the next command loads it again.
func (a *account) forget() {
	a.state, a.sequence, a.hash, a.extra, a.latest, a.recent, a.pruneAt = nil, 0, eventstore.Hash{}, 0, false, nil, 0
}

// load brings the account in from the projections, unless the cache has it.
func (e *Engine) load(ctx context.Context, acc *account) error {
	if acc.state != nil {
		return nil
	}
	row, found, err := e.config.Store.LoadAccount(ctx, acc.id)
	if err != nil {
		return unprojected("loading an account", err)
	}
	if !found {
		acc.state = domain.NewAccount(acc.id)
		return nil
	}
	acc.state, acc.sequence, acc.hash, acc.extra = row.Account, row.Sequence, row.Hash, 0
	for _, app := range acc.state.Apps {
		acc.extra += app.Extra()
	}
	return nil
}

// catchUp folds what the log has of the account beyond the state.
func (e *Engine) catchUp(ctx context.Context, acc *account) error {
	for m, err := range e.config.Log.Account(ctx, acc.id, eventstore.Span{After: acc.sequence, Before: acc.hash}) {
		if err != nil {
			if errors.As(err, new(*eventstore.CorruptError)) {
				acc.forget()
			}
			return e.unreadable(err)
		}
		events, err := e.events(&m.Commit)
		if err != nil {
			acc.forget()
			return err
		}
		acc.apply(domain.Recorded{At: domain.Instant(m.Commit.RecordedAt), Position: m.Sequence}, events)
		acc.sequence, acc.hash = m.Sequence, m.Hash()
		acc.remember(recent{m.Commit.ID, m.Sequence, m.Commit.Content}, e.config.Store.Position())
	}
	acc.latest = true
	return nil
}

// overtaken asks the log whether the account has moved beyond the state, and catches up if it has.
func (e *Engine) overtaken(ctx context.Context, acc *account) (bool, error) {
	if acc.latest && e.config.Alone {
		return false, nil
	}
	last, found, err := e.config.Log.Last(ctx, acc.id)
	switch {
	case err != nil:
		return false, e.unreadable(err)
	case !found || last.Sequence <= acc.sequence:
		acc.latest = true
		return false, nil
	}
	return true, e.catchUp(ctx, acc)
}

// find looks for the commit of a command id.
func (e *Engine) find(ctx context.Context, acc *account, id string) (recent, bool, error) {
	for _, r := range acc.recent {
		if r.id == id {
			return r, true, nil
		}
	}
	candidates, err := e.config.Store.Seen(ctx, acc.id, id)
	if err != nil {
		return recent{}, false, unprojected("looking a command id up", err)
	}
	if at, known := e.facts.seen(id); known {
		candidates = append(candidates, at)
	}
	for _, position := range candidates {
		m, err := e.config.Log.Known(ctx, position)
		if err != nil {
			return recent{}, false, e.unreadable(err)
		}
		commit, err := eventstore.DecodeCommit(m.Payload)
		if err != nil {
			return recent{}, false, err
		}
		if commit.ID == id && (commit.Account == acc.id || strings.HasPrefix(id, FactPrefix)) {
			return recent{id, position, commit.Content}, true, nil
		}
	}
	return recent{}, false, nil
}

func (e *Engine) decode(m *eventstore.Message) (eventstore.Commit, []domain.Event, error) {
	commit, err := eventstore.DecodeCommit(m.Payload)
	if err != nil {
		return commit, nil, err
	}
	events, err := e.events(&commit)
	return commit, events, err
}

func (e *Engine) events(commit *eventstore.Commit) (events []domain.Event, err error) {
	events = make([]domain.Event, len(commit.Events))
	for i, stored := range commit.Events {
		if events[i], err = e.codec.Decode(stored); err != nil {
			return nil, err
		}
	}
	return events, nil
}

// unprojected is what cannot be read from the projections: the command can be sent again where they are being mended.
func unprojected(doing string, err error) error {
	if errors.Is(err, projections.ErrDamaged) {
		return fmt.Errorf("%w (%w)", ErrUnavailable, err)
	}
	return fmt.Errorf("engine: %s: %w", doing, err)
}

// unreadable is a log that does not answer: the command can be sent again. Corruption stays what it is.
func (e *Engine) unreadable(err error) error {
	var corrupt *eventstore.CorruptError
	if errors.As(err, &corrupt) {
		return err
	}
	return fmt.Errorf("%w (%w)", ErrUnavailable, err)
}
