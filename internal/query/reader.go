// Package query answers what only an engine that keeps every event can: what happened, in the order in which it did,
// to whoever may know. It reads the log; it writes nothing and keeps nothing.
package query

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/cloudevent"
	"sundial/internal/codec"
	"sundial/projections"
)

// Reader reads a log for those who ask. Its methods are safe for concurrent use.
//
// What it shows ends where the node's projections stand, as every other read does: who has read its own write there sees
// it here as well.
type Reader struct {
	log    *eventstore.Log
	store  *projections.Store
	events *cloudevent.Translator
	codec  *eventstore.Codec[domain.Event]
	long   chan struct{} // holds a token for each long read under way

	end atomic.Pointer[Place] // behind the last event of the latest commit that a page ended with
}

// longReads bounds the reads at once that may go through all that an account ever did: each keeps a core busy for as
// long as that takes.
const longReads = 4

// New makes a reader of a log and of its projections on this node.
func New(log *eventstore.Log, store *projections.Store) (*Reader, error) {
	events, err := cloudevent.New(log.Identity(), log.Epochs())
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	codec, err := codec.New()
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	return &Reader{log: log, store: store, events: events, codec: codec, long: make(chan struct{}, longReads)}, nil
}

// Head is the position up to which the reader can be read now.
func (a *Reader) Head() uint64 { return a.store.Position() }

// UnknownPlaceError says that the log never reached a place, or that a restore lost it.
type UnknownPlaceError struct{ Head uint64 } // the log's

func (e *UnknownPlaceError) Error() string {
	return fmt.Sprintf("query: the log, which ends at %d, never had this place, or lost it in a restore", e.Head)
}

// Reached tells whether the log has a place: *UnknownPlaceError if it has not. What this node does not have yet is asked of the
// log itself, since the node may lag behind.
func (a *Reader) Reached(ctx context.Context, at Place) error {
	head := a.Head()
	if at.Position > head {
		var err error
		if head, err = a.log.Head(ctx); err != nil {
			return failed(ctx, err)
		}
	}
	if at.Position > head || at.Position > 0 && at.Epoch != "" && at.Epoch != a.log.Epochs().At(at.Position) {
		return &UnknownPlaceError{head}
	}
	return nil
}

// behind is the place behind a whole commit of the log.
func (a *Reader) behind(position uint64) Place {
	if position == 0 {
		return Place{}
	}
	return Place{position, -1, a.log.Epochs().At(position)}
}

// ErrType says that a text names a type that no event has.
var ErrType = errors.New("want types of events, separated by commas, such as app.stopped,app.reinstated")

// ParseTypes reads a list of types of events, as CloudEvents have them or without sundial. in front, and gives the names
// without it, each once. All must be known, so that a slip does not look like silence.
func (a *Reader) ParseTypes(s string) ([]string, error) {
	known := a.events.Names()
	var names []string
	for name := range strings.SplitSeq(s, ",") {
		name = strings.TrimPrefix(name, cloudevent.TypePrefix)
		if !slices.Contains(known, name) {
			return nil, ErrType
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// ErrUnavailable says that the log could not be read now; trying again later is safe.
var ErrUnavailable = errors.New("query: the log cannot be read now")

// failed tells a log that cannot be read now from one that is not as it should be.
func failed(ctx context.Context, err error) error {
	var corrupt *eventstore.CorruptError
	var gap *eventstore.GapError
	var foreign *eventstore.UnknownTypeError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("query: %w", context.Cause(ctx))
	case errors.As(err, &corrupt) || errors.As(err, &gap) || errors.As(err, &foreign):
		return fmt.Errorf("query: %w", err)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// enter waits for its turn with a long read.
func (a *Reader) enter(ctx context.Context) (leave func(), err error) {
	select {
	case a.long <- struct{}{}:
		return func() { <-a.long }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("query: %w", context.Cause(ctx))
	}
}

// account reads a part of an account's commits, up to a position that the projections have, and misses none that these
// know of. An account in which nothing has happened since costs no reading of the log.
func (a *Reader) account(ctx context.Context, id string, span eventstore.Span) iter.Seq2[eventstore.Chained, error] {
	return func(yield func(eventstore.Chained, error) bool) {
		tip, found, err := a.store.Tip(ctx, id)
		if err != nil {
			yield(eventstore.Chained{}, err)
			return
		}
		if !found || min(span.UpTo, tip.Sequence) <= span.After {
			return
		}
		upTo := span.UpTo
		span.Tip, span.UpTo = tip, tip.Sequence // behind it there is nothing, up to where the projections stand
		for m, err := range a.log.Account(ctx, id, span) {
			if err != nil {
				yield(eventstore.Chained{}, failed(ctx, err))
				return
			}
			if m.Sequence <= upTo && !yield(m, nil) {
				return
			}
		}
	}
}
