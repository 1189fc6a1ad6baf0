package projections

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
)

// reader is a connection that reads.
type reader struct {
	*conn
	lookup
	statements statements     // of the projections
	row        []driver.Value // room for a row
}

// readerCount bounds the reads that run at once: on two cores more would only wait for each other, and each costs up
// to 2 MB of cache.
const readerCount = 6

// widest is the number of columns of the widest row that is read.
const widest = dueWidth + appWidth

func newReader(path string, projections []projection) (*reader, error) {
	c, err := connect(path, true, readingPragmas)
	if err != nil {
		return nil, err
	}
	r := &reader{conn: c, statements: statements{}, row: make([]driver.Value, widest)}
	if r.lookup, err = newLookup(c); err != nil {
		return nil, errors.Join(err, c.close())
	}
	for _, p := range projections {
		if err := r.statements.prepare(c, p.reads); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return r, nil
}

// lookup reads the rows that the folder goes on from.
type lookup struct {
	app, later, account *stmt
	row                 []driver.Value
}

func newLookup(c *conn) (lookup, error) {
	l := lookup{row: make([]driver.Value, max(3, appWidth))}
	err := c.prepareAll(
		prepared{&l.app, `SELECT ` + appState + ` FROM app_states s WHERE id = ?`},
		prepared{&l.later, laterState},
		prepared{&l.account, `SELECT position, hash, state FROM accounts WHERE id = ?`},
	)
	return l, err
}

// database is the serving file, open: the connection that writes, and the pool of those that read.
type database struct {
	at      checkpoint // where the file stood when it was opened
	writer  *writer
	readers chan *reader
	own     *reader       // the folder's
	gone    chan struct{} // closed when another has taken its place, or the store is closed
}

func openDatabase(path string, projections []projection) (*database, error) {
	c, err := connect(path, false, servingPragmas)
	if err != nil {
		return nil, err
	}
	w, err := newWriter(c, projections)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	at, err := c.home(path)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	w.base = at.base
	db := &database{at: at, writer: w, readers: make(chan *reader, readerCount), gone: make(chan struct{})}
	for range readerCount {
		r, err := newReader(path, projections)
		if err != nil {
			return nil, errors.Join(err, db.close())
		}
		db.readers <- r
	}
	if db.own, err = newReader(path, projections); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

// close waits for the reads that are going on. The writer comes last: it brings the write-ahead log home.
func (db *database) close() error {
	var errs []error
	if db.own != nil {
		errs = append(errs, db.own.close())
		for range readerCount {
			errs = append(errs, (<-db.readers).close())
		}
	} else { // it never was open whole
		for range len(db.readers) {
			errs = append(errs, (<-db.readers).close())
		}
	}
	return errors.Join(append(errs, db.writer.close())...)
}

// ErrClosed is what reads of a closed store get.
var ErrClosed = errors.New("projections: closed")

// lent lets a reader be used, and gives it back also where that panics: a store whose reader is missing never closes.
func (r *reader) lent(to *database, f func(*reader) error) error {
	defer func() {
		clear(r.row)
		to.readers <- r
	}()
	if err := f(r); err != nil {
		return fmt.Errorf("projections: reading: %w", err)
	}
	return nil
}

// told has a reading that met damage mended.
func (s *Store) told(err error) error {
	if !damaged(err) {
		return err
	}
	s.mend(err)
	return fmt.Errorf("%w (%w)", ErrDamaged, err)
}

// search is read for what may look at every app, which takes tenths of a second where there are a million: half of the
// readers stay free for what takes microseconds.
func (s *Store) search(ctx context.Context, f func(*reader) error) error {
	select {
	case s.searches <- struct{}{}:
		defer func() { <-s.searches }()
		return s.read(ctx, f)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// read lends a reader. While the file is being swapped it waits.
func (s *Store) read(ctx context.Context, f func(*reader) error) error {
	for {
		db := s.db.Load()
		if db == nil {
			return ErrClosed
		}
		select {
		case r := <-db.readers:
			return s.told(r.lent(db, f))
		case <-db.gone:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
