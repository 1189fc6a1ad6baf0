package projections

import (
	"context"
	"errors"
	"time"

	"github.com/mattn/go-sqlite3"

	"sundial/eventstore"
)

// cachedApps bounds the apps and accounts that the folder keeps while serving: some 1 KB each. What is not kept is
// read back from its row.
const cachedApps = 50_000

// Pauses between attempts after an error that may pass: a full disk, a server that is away.
const (
	retryFirst = 100 * time.Millisecond
	retryLast  = 5 * time.Second
)

// Run follows the log until the context ends, and then returns nil. Corruption ends it too: it is returned, and stays
// in Err. What may pass (a full disk, a server that is away) is logged and tried again.
func (s *Store) Run(ctx context.Context) error {
	pause := retryFirst
	for {
		before := s.Position()
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errSwapped) {
			continue
		}
		if errors.Is(err, ErrClosed) {
			return err
		}
		if final(err) {
			s.fail(err)
			s.config.Logger.Error("the projections have stopped", "position", s.Position(), "error", err)
			return err
		}
		if damaged(err) {
			s.mend(err)
		}
		if s.Position() > before {
			pause = retryFirst
		}
		s.config.Logger.Warn("following the log failed, trying again", "position", s.Position(), "error", err, "pause", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, retryLast)
	}
}

func (s *Store) fail(err error) {
	s.failed.CompareAndSwap(nil, &err)
	s.progress.end(err)
}

// final tells whether an error stays however often it is tried again.
func final(err error) bool {
	var corrupt *eventstore.CorruptError
	var gap *eventstore.GapError
	var unknown *eventstore.UnknownTypeError
	var inFile sqlite3.Error
	if errors.As(err, &inFile) {
		switch inFile.Code {
		case sqlite3.ErrConstraint, sqlite3.ErrSchema, sqlite3.ErrMismatch:
			return true
		}
	}
	return errors.As(err, &corrupt) || errors.As(err, &gap) || errors.As(err, &unknown) || errors.Is(err, eventstore.ErrMissing)
}

// follow runs the pipeline until it fails or the context ends.
func (s *Store) follow(ctx context.Context) error {
	s.turn.Lock()
	s.running.Lock()
	defer s.running.Unlock()
	ctx, s.interrupt = context.WithCancelCause(ctx)
	defer s.interrupt(nil)
	s.turn.Unlock()
	db := s.db.Load()
	if db == nil {
		return ErrClosed
	}
	p := &pipeline{
		log: s.config.Log, codec: s.codec, batch: batchLimit, waits: &s.progress,
		write:  func(b *batch) error { return s.commit(db, b) },
		folder: newFolder(db.own, s.at, cachedApps, s.config.registered()),
	}
	err := p.run(ctx)
	if ctx.Err() != nil && !final(err) {
		return context.Cause(ctx)
	}
	return err
}

// commit writes a batch and lets it be seen.
func (s *Store) commit(db *database, b *batch) error {
	began := time.Now() //nolint:forbidigo // measures a duration
	s.recent.begin(b.changed)
	err := s.commitSeen(db, b)
	if err != nil {
		s.recent.end(nil)
		return err
	}
	s.recent.end(db.writer.first(b.crowded))
	s.metrics.batch(len(b.keys), time.Since(began)) //nolint:forbidigo // measures a duration
	s.at.position, s.at.hash = b.position, b.hash
	s.progress.reach(b.position) // last, so that who waited for it sees the rest too
	s.growSeen()
	return nil
}

// commitSeen holds the filter of commands still from the moment it knows the batch's keys until they are on disk.
func (s *Store) commitSeen(db *database, b *batch) error {
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	s.seen.add(b.keys)
	return db.writer.write(b)
}
