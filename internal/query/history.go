package query

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/cloudevent"
	"sundial/projections"
)

// History says what part of a history is wanted; what is absent narrows nothing.
type History struct {
	Types  []string // only commits with an event of these names, as ParseTypes gives them
	Actor  string   // only what this actor did (owner:tok_..., scheduler), or whoever did it in this capacity (owner, system)
	Window Window   // of recorded time
	Before uint64   // only commits before this position, which a page gave; 0: from the latest on
	Limit  int      // commits at most
}

// Commit is what one command led to.
type Commit struct {
	Position    uint64
	RecordedAt  domain.Instant
	Command     string
	CommandID   string
	Actor       string
	Reason      string // may be empty
	Correlation string // may be empty
	Events      []HistoryEvent
}

// HistoryEvent is an event of a commit.
type HistoryEvent struct {
	cloudevent.Event
	EffectiveAt domain.Instant // since when it is so in the world; absent: since it was recorded
}

// HistoryPage is a piece of a history, latest first.
type HistoryPage struct {
	Commits []Commit
	Before  uint64 // where to go on; 0: the beginning was reached
}

// maxLook bounds the commits that one page of a history looks through: they are read one by one or nearly so, some
// tenths of a second in all.
const maxLook = 1_000

// AppHistory gives what was done to an app, latest first.
func (a *Reader) AppHistory(ctx context.Context, app domain.AppID, h History) (HistoryPage, error) {
	return a.history(ctx, h, a.appBackwards(ctx, app, h))
}

// AccountHistory gives what was done to an account and its apps, latest first.
func (a *Reader) AccountHistory(ctx context.Context, account string, h History) (HistoryPage, error) {
	return a.history(ctx, h, a.accountBackwards(ctx, account, h.Before))
}

// history takes from commits, latest first, those that are wanted.
func (a *Reader) history(ctx context.Context, h History, commits iter.Seq2[eventstore.Chained, error]) (HistoryPage, error) {
	leave, err := a.enter(ctx)
	if err != nil {
		return HistoryPage{}, err
	}
	defer leave()
	page, looked, last := HistoryPage{}, 0, uint64(0)
	for m, err := range commits {
		if err != nil {
			return HistoryPage{}, err
		}
		if len(page.Commits) == h.Limit || looked == maxLook {
			page.Before = last
			break
		}
		looked, last = looked+1, m.Sequence
		commit := &m.Commit
		recorded := domain.Instant(commit.RecordedAt)
		if recorded < h.Window.From {
			break // what is earlier was recorded earlier
		}
		if h.Window.To != 0 && recorded >= h.Window.To || !wanted(commit, h.Types) || !by(commit.Actor, h.Actor) {
			continue
		}
		shown, err := a.shown(commit, m.Sequence)
		if err != nil {
			return HistoryPage{}, err
		}
		page.Commits = append(page.Commits, shown)
	}
	return page, nil
}

// by tells whether an actor is the one wanted, or acted in the capacity wanted: who has none before a colon is a part of
// the system.
func by(actor, want string) bool {
	capacity, _, has := strings.Cut(actor, ":")
	if !has {
		capacity = "system"
	}
	return want == "" || want == actor || want == capacity
}

func (a *Reader) shown(commit *eventstore.Commit, position uint64) (Commit, error) {
	events, err := a.events.Events(commit, position)
	if err != nil {
		return Commit{}, err
	}
	out := Commit{
		Position: position, RecordedAt: domain.Instant(commit.RecordedAt), Command: commit.Command, CommandID: commit.ID,
		Actor: commit.Actor, Reason: commit.Reason, Correlation: commit.Correlation, Events: make([]HistoryEvent, len(events)),
	}
	for i, e := range events {
		out.Events[i] = HistoryEvent{e, effectiveAt(e.Data)}
	}
	return out, nil
}

// effectiveAt finds in an event's data since when it is so in the world; absent where the event does not say.
func effectiveAt(data jsontext.Value) domain.Instant {
	var said struct {
		EffectiveAt domain.Instant `json:"effective_at"`
		Since       domain.Instant `json:"since"`
		Order       jsontext.Value `json:"order"` // an object with the terms, or an id
	}
	if json.Unmarshal(data, &said) != nil {
		return 0
	}
	if said.Order.Kind() == '{' {
		return effectiveAt(said.Order)
	}
	if said.EffectiveAt != 0 {
		return said.EffectiveAt
	}
	return said.Since
}

// appBackwards gives an app's commits, latest first: their positions are a chain in the projections.
func (a *Reader) appBackwards(ctx context.Context, app domain.AppID, h History) iter.Seq2[eventstore.Chained, error] {
	return func(yield func(eventstore.Chained, error) bool) {
		for before, more := h.Before, true; more; {
			entries, err := a.store.History(ctx, app, before, chainPiece)
			if err != nil {
				yield(eventstore.Chained{}, err)
				return
			}
			for _, entry := range entries {
				before = entry.Position
				if h.Window.To != 0 && entry.RecordedAt >= h.Window.To {
					continue // it need not be read
				}
				m, err := a.entry(ctx, entry)
				if !yield(m, err) || err != nil {
					return
				}
			}
			more = len(entries) == chainPiece
		}
	}
}

// entry reads a commit that the projections list.
func (a *Reader) entry(ctx context.Context, at projections.Entry) (eventstore.Chained, error) {
	m, err := a.log.Known(ctx, at.Position)
	if err != nil {
		return eventstore.Chained{}, failed(ctx, err)
	}
	commit, err := eventstore.DecodeCommit(m.Payload)
	if err == nil && (commit.Account != m.Account || domain.Instant(commit.RecordedAt) != at.RecordedAt) {
		err = errors.New("the commit is not the one that was projected")
	}
	if err != nil {
		return eventstore.Chained{}, eventstore.Changed(at.Position, err)
	}
	return eventstore.Chained{Message: m, Commit: commit}, nil
}

// chainPiece is how many positions of an app's commits are read at a time.
const chainPiece = 100

const (
	// firstSpan is the piece of the log that is looked through first for an account's latest commits.
	firstSpan = 4096

	// A piece with fewer than fewCommits of the account's makes the next one wider, by widen: an account of which there
	// is little is found in a few steps, one of which there is much in small ones.
	fewCommits = 128
	widen      = 8

	// maxHeld and maxHeldBytes bound what is held of a piece, of which the later half is kept then. A commit takes some
	// hundred bytes as a rule, and a megabyte at most.
	maxHeld      = 1024
	maxHeldBytes = 16 << 20
)

// accountBackwards gives an account's commits, latest first. The log can be read forward only, so it is read in pieces,
// each forward, the last piece first.
func (a *Reader) accountBackwards(ctx context.Context, id string, before uint64) iter.Seq2[eventstore.Chained, error] {
	return func(yield func(eventstore.Chained, error) bool) {
		end, last, err := a.lastBefore(ctx, id, before)
		if err != nil {
			yield(eventstore.Chained{}, err)
			return
		}
		for span := uint64(firstSpan); !last.IsZero(); {
			begin := end - min(end, span)
			piece, dropped, err := a.latest(ctx, id, begin, end)
			switch {
			case err != nil:
			case len(piece) > 0 && piece[len(piece)-1].Hash() != last, len(piece) == 0 && begin == 0:
				err = failed(ctx, a.log.Lost(ctx, id, begin, end))
			}
			if err != nil {
				yield(eventstore.Chained{}, err)
				return
			}
			for _, m := range slices.Backward(piece) {
				if !yield(m, nil) {
					return
				}
			}
			if end = begin; dropped {
				end = piece[0].Sequence - 1
			}
			if len(piece) > 0 {
				last = piece[0].Commit.Previous // zero: it was the first of all
			}
			if len(piece) < fewCommits {
				span *= widen
			}
		}
	}
}

// lastBefore tells where an account's commits before a position end, 0 for no position: no later than at end, with one of
// this hash; zero if there are none.
func (a *Reader) lastBefore(ctx context.Context, id string, before uint64) (end uint64, last eventstore.Hash, err error) {
	tip, found, err := a.store.Tip(ctx, id)
	if err != nil || !found {
		return 0, last, err
	}
	if before == 0 || before > tip.Sequence {
		return tip.Sequence, tip.Hash, nil
	}
	// It is a commit of the account, unless somebody made it up.
	m, found, err := a.log.Successor(ctx, id, before)
	if err == nil && !found {
		err = a.log.Lost(ctx, id, before-1, tip.Sequence)
	}
	if err != nil {
		return 0, last, failed(ctx, err)
	}
	commit, err := eventstore.DecodeCommit(m.Payload)
	if err != nil {
		return 0, last, eventstore.Changed(m.Sequence, err)
	}
	return before - 1, commit.Previous, nil
}

// latest gives the latest of an account's commits in (begin, end], in their order, and tells whether there are more.
func (a *Reader) latest(ctx context.Context, account string, begin, end uint64) (piece []eventstore.Chained, dropped bool, err error) {
	held := 0
	if end == 0 {
		return nil, false, nil
	}
	for m, err := range a.log.Account(ctx, account, eventstore.Span{After: begin, UpTo: end, Unanchored: true}) {
		if err != nil {
			return nil, false, failed(ctx, err)
		}
		piece, held = append(piece, m), held+len(m.Payload)
		if half := len(piece) / 2; half > 0 && (len(piece) > maxHeld || held > maxHeldBytes) {
			for _, gone := range piece[:half] {
				held -= len(gone.Payload)
			}
			piece, dropped = append(piece[:0], piece[half:]...), true
		}
	}
	return piece, dropped, nil
}
