package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
)

// Config says where the projections are, and of which log.
type Config struct {
	Dir        string // the file is in it; made if absent
	Log        *eventstore.Log
	Logger     *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil: no metrics

	// Building, if given, is told how far it is in commits while Open builds the projections.
	Building func(done, total uint64)

	projections []projection // nil: registered; tests have others
}

// registered is the list of projections.
func (c Config) registered() []projection {
	if c.projections == nil {
		return registered
	}
	return c.projections
}

// Store is the projections, open. Its methods are safe for concurrent use.
type Store struct {
	config Config
	path   string
	codec  *eventstore.Codec[domain.Event]
	lock   *os.File
	built  bool

	db       atomic.Pointer[database] // nil once closed
	progress progress
	at       checkpoint // where the file stands; belongs to who holds running
	seen     seen
	recent   recent
	searches chan struct{} // holds a token for each that runs
	lookInto int           // MaxLookedInto, unless a test says otherwise
	metrics  *metrics
	failed   atomic.Pointer[error]
	mending  mending

	running    sync.Mutex // held by Run while it follows the log, by a swap, and by Close
	turn       sync.Mutex // held by who is about to take running: a swap comes before the next turn of Run
	interrupt  context.CancelCauseFunc
	rebuilding sync.Mutex

	background context.Context // ends with Close
	stop       context.CancelCauseFunc
	work       sync.WaitGroup // what goes on in the background: filling the filter
}

// Open opens the projections of a log. Where there are none, or those of another version or another log, they are
// built first, which takes some seconds for every hundred thousand commits. *eventstore.CorruptError if the log is
// shorter than what was projected, or another at that place.
func Open(ctx context.Context, config Config) (*Store, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	codec, err := codec.New()
	if err != nil {
		return nil, err
	}
	s := &Store{config: config, path: filepath.Join(config.Dir, fileName), codec: codec, lookInto: MaxLookedInto}
	s.progress.asked = make(chan struct{}, 1)
	s.searches = make(chan struct{}, readerCount/2)
	s.background, s.stop = context.WithCancelCause(context.Background())
	if s.lock, err = lock(config.Dir, servingLock, ErrInUse); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		s.lock.Close()
		return nil, err
	}
	if s.metrics, err = newMetrics(s); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.growSeen()
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	if err := s.tidy(); err != nil {
		return err
	}
	usable, err := s.usable()
	var db *database
	if err == nil && usable {
		db, err = openDatabase(s.path, s.config.registered())
	}
	broken := damaged(err)
	if err != nil && !broken {
		return err
	}
	if broken {
		s.mending.begin(err, nil)
		s.config.Logger.Error("the projections are damaged: they are made anew from the log", "file", s.path, "error", err)
	}
	if db == nil {
		if err := rebuild(ctx, s.config, s.codec, s.config.Building); err != nil {
			return err
		}
		if db, err = openDatabase(s.path, s.config.registered()); err != nil {
			return err
		}
		s.built = !broken
	}
	if broken {
		s.mending.done()
	}
	s.at = db.at
	if err := s.config.Log.CheckAt(ctx, s.at.position, s.at.hash); err != nil {
		return errors.Join(err, db.close())
	}
	s.db.Store(db)
	s.progress.reach(s.at.position)
	return nil
}

// tidy removes what a rebuild that was killed left, and the files of older versions; the directory is locked.
func (s *Store) tidy() error {
	err := remove(newFile(s.config))
	for old := range version {
		err = errors.Join(err, remove(filepath.Join(s.config.Dir, fileOf(old))))
	}
	return err
}

// usable tells whether the serving file is there and one of this version and this log.
func (s *Store) usable() (bool, error) {
	found, err := exists(s.path)
	if err != nil {
		return false, fmt.Errorf("projections: looking for %s: %w", s.path, err)
	}
	log := s.config.Logger
	if !found {
		log.Info("there are no projections of this version yet, building them", "file", s.path)
		return false, nil
	}
	at, err := lookInto(s.path)
	switch {
	case errors.Is(err, errNotOurs):
		log.Warn("the file is not a projection, building another", "file", s.path, "error", err)
		return false, nil
	case err != nil:
		return false, err
	case at.version != version:
		log.Warn("the projections are of another version, building them anew", "found", at.version, "wanted", version)
		return false, nil
	case at.log != s.config.Log.Identity():
		log.Warn("the projections are of another log, building them anew; is this the right data directory, or NATS cluster?",
			"found", at.log, "wanted", s.config.Log.Identity())
		return false, nil
	}
	return true, nil
}

// lookInto reads the checkpoint of a file, once it is known to fit to its write-ahead log.
func lookInto(path string) (at checkpoint, err error) {
	alone, err := standsAt(path)
	if err != nil {
		return at, err
	}
	// Not read-only: after a kill the write-ahead log may have to be recovered.
	c, err := connect(path, false, nil)
	if err != nil {
		return at, err
	}
	defer c.close() //nolint:errcheck // it was only read
	if at, err = c.checkpoint(); err != nil {
		return at, err
	}
	return at, alone.fits(at)
}

// Built tells whether there were no projections of this version when the store was opened, so that they were built from the
// log: an earlier version of the program may have written it.
func (s *Store) Built() bool { return s.built }

// Position is the sequence of the last commit that reads can see.
func (s *Store) Position() uint64 { return s.progress.position.Load() }

// Wait waits until reads can see the commit at a position. It gives the context's error, or why nothing more will
// come (Err, ErrClosed).
func (s *Store) Wait(ctx context.Context, position uint64) error {
	return s.progress.wait(ctx, position)
}

// Err tells what is wrong with the log, nil while nothing is known to be. It stays until the process ends.
func (s *Store) Err() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// Close ends reads, Run and a rebuild, waits for them, and closes the file.
func (s *Store) Close() error {
	s.stop(ErrClosed)
	s.mending.end()
	s.rebuilding.Lock()
	defer s.rebuilding.Unlock()
	defer s.pause(ErrClosed)()
	s.work.Wait()
	db := s.db.Swap(nil)
	if db == nil {
		return nil
	}
	s.progress.end(ErrClosed)
	close(db.gone)
	s.recent.forget()
	err := db.close()
	s.metrics.unregister(s.config.Registerer)
	return errors.Join(err, s.lock.Close())
}

// pause keeps Run from following the log until the function it gives is called.
func (s *Store) pause(why error) (resume func()) {
	s.turn.Lock()
	if s.interrupt != nil {
		s.interrupt(why)
	}
	s.running.Lock()
	return func() {
		s.running.Unlock()
		s.turn.Unlock()
	}
}
