package server

import (
	"context"
	"errors"
	"time"

	"sundial/eventstore"
	"sundial/internal/datadir"
	"sundial/internal/pause"
)

const (
	// marksSoon is how long what is written waits to be marked, together with what comes at the same time; between two marks of
	// what is written on and on there is ever more time, up to marksHold. A mark is the replacing of a small file: half a percent of what
	// the disk does under load.
	marksSoon = 20 * time.Millisecond
	marksHold = 2 * time.Second

	// marksEvery is how often the streams are looked at if nobody was heard to write.
	marksEvery = 10 * time.Second

	// marksPatience is how long an orderly end waits for the last marks: those before stay, which are not wrong.
	marksPatience = 2 * time.Second
)

// nowhereElse are the streams of which nothing else in the directory knows what was in them: what an older copy lacks would be
// missing without a word. (Tokens have a ledger, and what is told downstream comes from the log.) Bills are acknowledged by the NATS
// server itself: the intake marks those that wait when it comes to the first of them.
var nowhereElse = []string{"PARKED", "SUNDIAL_KEYS"}

// openMarks reads the marks of the streams and holds the streams against them.
func (s *storage) openMarks(ctx context.Context, restoring bool) (err error) {
	s.marks, err = datadir.OpenMarks(datadir.MarksConfig{
		Path: s.dir.file(datadir.MarksFile), Servers: []datadir.Server{{Name: s.serverName(), JetStream: s.js}},
		Log: s.log, Logger: s.config.Logger,
		Now: time.Now, //nolint:forbidigo // for people who compare backups; a sandbox's time says nothing of them
	})
	if err != nil || restoring {
		return err
	}
	if err := s.marks.Check(ctx); err != nil {
		return err
	}
	s.onClose(func() { // when nothing writes any more
		ctx, cancel := context.WithTimeout(context.Background(), marksPatience)
		defer cancel()
		if err := s.marks.Take(ctx); err != nil {
			s.config.Logger.Warn("how far the streams have come could not be written down; the marks from before stay", "error", err)
		}
	})
	return nil
}

// reached makes durable how far a stream has come.
func (s *storage) reached(ctx context.Context, stream string, sequence uint64) error {
	return s.marks.Reach(ctx, s.serverName(), stream, sequence)
}

// keepMarks takes marks until the context ends: soon after something was written.
func (l *instance) keepMarks(ctx context.Context) error {
	failing, hold := false, marksSoon
	for ctx.Err() == nil {
		began := time.Now() //nolint:forbidigo // measures a duration
		err := l.markOnce(ctx)
		hold = min(2*hold, marksHold)
		if time.Since(began) > marksHold { //nolint:forbidigo // measures a duration
			hold = marksSoon
		}
		switch {
		case errors.Is(err, datadir.ErrEpoch):
			return err
		case err == nil:
			failing = false
		case ctx.Err() == nil && !failing: // said once: a full disk lasts
			failing = true
			l.config.Logger.Warn("how far the streams have come could not be written down; trying again", "error", err)
		}
		pause.For(ctx, hold)
	}
	return nil
}

// markOnce marks what was written by now, and what is written next.
func (l *instance) markOnce(ctx context.Context) error {
	written, stop, err := l.marks.Written(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := l.marks.Tend(ctx); err != nil {
		return err
	}
	wait := time.NewTimer(marksEvery)
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-wait.C:
	case <-written:
		pause.For(ctx, marksSoon)
	}
	return l.marks.Tend(ctx)
}

// serverName is what records and marks call the NATS server.
func (s *storage) serverName() string {
	if s.config.Outside != nil {
		return datadir.Outside
	}
	return datadir.Embedded
}

// record is what the directory says of itself now.
func (s *storage) record(log *eventstore.Log) datadir.Record {
	return datadir.Record{
		Format: datadir.Format, Log: log.Identity(), Server: s.serverName(), Stream: log.Stream(),
		Epochs: log.Epochs(), Writer: s.config.Version,
	}
}
