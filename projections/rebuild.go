package projections

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
)

// Limits of a build, where nobody waits for a batch: a row that many commits change is written once for all commits
// of one batch, so it is larger than while serving, but not so large that the writer has nothing to do meanwhile. In
// memory it holds some 200 MB. Where memory is short, they are shared out (share).
const (
	buildWorth = 10_000
	buildBatch = 50_000
	buildApps  = 200_000
	buildCache = 128 << 10 // of SQLite, in KB
)

// closeEnough is how many commits a rebuild may lag when it swaps: while it catches up with them, reads see nothing
// new, for some tens of milliseconds.
const closeEnough = 2000

// Rebuild builds the projections from the log, into a new file beside the serving one, and puts it in that one's
// place. The directory must not be open in a Store (ErrInUse): a running server uses Store.Rebuild. Progress is told
// in commits, and may be nil.
func Rebuild(ctx context.Context, config Config, progress func(done, total uint64)) error {
	codec, err := codec.New()
	if err != nil {
		return err
	}
	held, err := lock(config.Dir, servingLock, ErrInUse)
	if err != nil {
		return err
	}
	defer held.Close()
	return rebuild(ctx, config, codec, progress)
}

func rebuild(ctx context.Context, config Config, codec *eventstore.Codec[domain.Event], progress func(done, total uint64)) error {
	b, err := newBuilder(config, codec, newFile(config))
	if err != nil {
		return err
	}
	head, err := config.Log.Head(ctx)
	if err == nil {
		err = b.build(ctx, head, progress)
	}
	if err := errors.Join(err, b.close()); err != nil {
		return errors.Join(err, remove(newFile(config)))
	}
	return replace(filepath.Join(config.Dir, fileName), newFile(config))
}

func newFile(config Config) string { return filepath.Join(config.Dir, fileName+".new") }

// errSwapped ends a turn of Run: another file has taken the place of the one that it wrote.
var errSwapped = errors.New("projections: rebuilt")

// Rebuild builds the projections anew while they go on serving, and swaps when the new file has caught up. For the
// moment of the swap reads wait. One rebuild runs at a time; another waits for it. It goes as far as the serving ones
// do, not beyond: what stopped those stays to be seen (Err).
func (s *Store) Rebuild(ctx context.Context, progress func(done, total uint64)) error {
	s.rebuilding.Lock()
	defer s.rebuilding.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.background, func() { cancel(ErrClosed) })()

	b, err := newBuilder(s.config, s.codec, newFile(s.config))
	if err != nil {
		return err
	}
	for lag := uint64(closeEnough); err == nil && lag >= closeEnough; {
		position := s.Position()
		lag = position - b.at.position
		err = b.build(ctx, position, progress)
	}
	if s.background.Err() != nil {
		err = ErrClosed
	}
	if err != nil {
		return errors.Join(err, b.close(), remove(newFile(s.config)))
	}
	defer s.pause(errSwapped)()
	if err := errors.Join(context.Cause(ctx), b.build(ctx, s.at.position, nil), b.close()); err != nil {
		return errors.Join(err, remove(newFile(s.config)))
	}
	if err := s.swap(); err != nil {
		err = fmt.Errorf("projections: swapping in what was rebuilt: %w; restart the server", err)
		s.fail(err)
		return err
	}
	return nil
}

// swap puts the new file, which stands where the serving one does, in that one's place; running is held.
func (s *Store) swap() error {
	old := s.db.Load()
	if old == nil {
		return ErrClosed
	}
	if err := old.close(); err != nil && !damaged(err) {
		return err
	}
	if err := replace(s.path, newFile(s.config)); err != nil {
		return err
	}
	db, err := openDatabase(s.path, s.config.registered())
	if err != nil {
		return err
	}
	s.recent.forget()
	s.db.Store(db)
	close(old.gone)
	return nil
}

// builder writes the projections into a file that nobody else sees. It has one connection: what the folder reads
// back, it reads through the one that writes, between two batches.
type builder struct {
	config Config
	codec  *eventstore.Codec[domain.Event]
	at     checkpoint
	batch  int // commits in a batch
	apps   int // apps kept in memory

	mu     sync.Mutex // guards the rest
	writer *writer
	lookup lookup
}

// newBuilder begins a new file; what an earlier build left there goes.
func newBuilder(config Config, codec *eventstore.Codec[domain.Event], path string) (*builder, error) {
	if err := remove(path); err != nil {
		return nil, err
	}
	c, err := create(path, config.Log.Identity(), config.registered())
	if err != nil {
		return nil, err
	}
	b := &builder{config: config, codec: codec, batch: share(buildBatch), apps: share(buildApps)}
	if b.writer, err = newWriter(c, config.registered()); err == nil {
		b.lookup, err = newLookup(c)
	}
	if err == nil {
		b.at, err = c.checkpoint()
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return b, nil
}

// build goes on from where the file stands up to a position, and then makes the indexes that are not there yet.
func (b *builder) build(ctx context.Context, upTo uint64, progress func(done, total uint64)) error {
	if upTo > b.at.position {
		p := &pipeline{
			log: b.config.Log, codec: b.codec, batch: b.batch, worth: share(buildWorth), upTo: upTo,
			folder: newFolder(b, b.at, b.apps, b.config.registered()),
		}
		p.write = func(written *batch) error {
			if err := b.write(written); err != nil {
				return err
			}
			b.at.position, b.at.hash = written.position, written.hash
			if progress != nil {
				progress(written.position, upTo)
			}
			return nil
		}
		if err := p.run(ctx); err != nil {
			return fmt.Errorf("projections: building: %w", err)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, projection := range b.config.registered() {
		for _, i := range projection.indexes {
			if err := b.writer.exec(i); err != nil {
				return fmt.Errorf("projections: making indexes: %w", err)
			}
		}
	}
	return nil
}

func (b *builder) write(written *batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writer.write(written)
}

func (b *builder) loadAccount(id string) (Row, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lookup.loadAccount(id)
}

func (b *builder) loadApp(id domain.AppID) (*domain.App, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lookup.loadApp(id)
}

func (b *builder) loadLater(account string, id domain.AppID) (*domain.App, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lookup.loadLater(account, id)
}

func (b *builder) close() error { return b.writer.close() }

func remove(path string) error {
	for _, p := range []string{path, path + walSuffix, path + shmSuffix, path + "-journal"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("projections: removing what an earlier build left: %w", err)
		}
	}
	return nil
}
