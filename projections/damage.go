package projections

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/mattn/go-sqlite3"

	"sundial/internal/pagesum"
)

// ErrDamaged says that a read met a page of the file that is not what was written. The projections are being made anew
// from the log; until that is done whatever rests on the page cannot be read.
var ErrDamaged = errors.New("projections: a part of them is damaged, and is being made anew from the log: try again soon")

// errTorn says that the file and its write-ahead log do not belong together.
var errTorn = errors.New("projections: the file and its write-ahead log do not belong together")

// errPage is SQLITE_IOERR_DATA: the page that was read has not got its checksum.
var errPage = sqlite3.ErrIoErr.Extend(32)

// damaged tells whether an error says that the file is not what was written. SQLite says so itself where it notices: of a
// file that was cut, for instance.
func damaged(err error) bool {
	var e sqlite3.Error
	if errors.As(err, &e) {
		return e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB || e.ExtendedCode == errPage
	}
	return errors.Is(err, errTorn)
}

// mending tells of damage that was found, and owns what mends it.
type mending struct {
	mu    sync.Mutex
	ended bool
	found error // what is being mended; nil: nothing is
	times int   // how often something was
	last  time.Time
	why   error // of the last time
	work  sync.WaitGroup
}

// begin takes note of damage, and does the work in the background, unless that is going on already; nil: the caller works.
func (m *mending) begin(found error, work func()) (begun bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended || m.found != nil {
		return false
	}
	m.found = found
	if work != nil {
		m.work.Go(work)
	}
	return true
}

func (m *mending) done() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.times++
	m.last, m.why, m.found = time.Now(), m.found, nil //nolint:forbidigo // for people, of this machine
}

// end waits for the work, which ends with the store, and lets none begin.
func (m *mending) end() {
	m.mu.Lock()
	m.ended = true
	m.mu.Unlock()
	m.work.Wait()
}

// count is how often damage was mended.
func (m *mending) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.times
}

// Damage tells of damage that was found in the file since the store was opened, "" if there was none: that it is being
// mended, or was.
func (s *Store) Damage() string {
	m := &s.mending
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.found != nil:
		return fmt.Sprintf("they are damaged, and are being made anew from the log; what rests on the damaged part is answered 503 until then (%v)", m.found)
	case m.times > 0:
		return fmt.Sprintf("they were damaged, and were made anew from the log at %s: look at the disk (%v)", m.last.UTC().Format(time.RFC3339), m.why)
	}
	return ""
}

// mend makes the projections anew in the background, beside those that serve, and puts them in their place.
func (s *Store) mend(found error) {
	if !s.mending.begin(found, s.mendNow) {
		return
	}
	s.config.Logger.Error("the projections are damaged: they are made anew from the log; what rests on the damaged part is refused until then",
		"file", s.path, "error", found)
}

func (s *Store) mendNow() {
	for pause := retryFirst; ; pause = min(2*pause, retryLast) {
		err := s.Rebuild(s.background, nil)
		if s.background.Err() != nil {
			return
		}
		if err == nil {
			s.mending.done()
			s.config.Logger.Warn("the projections that were damaged have been made anew from the log: look at the disk", "file", s.path, "position", s.Position())
			return
		}
		s.config.Logger.Error("the damaged projections could not be made anew, trying again", "error", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-s.background.Done():
			return
		}
	}
}

// standing is where a file stands by itself, where it has a write-ahead log beside it.
type standing struct {
	logged   bool // it has
	position uint64
	base     uint64
}

// standsAt looks at a file as it is without its write-ahead log. Nobody may have it open.
func standsAt(path string) (standing, error) {
	log, err := os.Stat(path + walSuffix)
	if errors.Is(err, fs.ErrNotExist) || err == nil && log.Size() == 0 {
		return standing{}, nil
	}
	if err != nil {
		return standing{}, fmt.Errorf("projections: %w", err)
	}
	c, err := connectAlone(path)
	if err != nil {
		return standing{}, err
	}
	at, err := c.checkpoint()
	if err := errors.Join(err, c.close()); err != nil {
		return standing{}, err
	}
	return standing{true, at.position, at.base}, nil
}

// fits is errTorn if the file is not one that the write-ahead log goes on from: it has more than can be read with the log, which
// then lost its end after that had been brought home, or less than it had when the log was begun. The pages of both would be
// mixed, each of them whole.
func (s standing) fits(with checkpoint) error {
	if s.logged && (s.position > with.position || s.position < with.base) {
		return fmt.Errorf("%w: alone it stands at %d, with it at %d, begun at %d", errTorn, s.position, with.position, with.base)
	}
	return nil
}

// home brings the write-ahead log home, and tells where the file stands. What is written from then on rests on a base that the
// file has by itself; where it cannot be brought home, on the one before.
func (c *conn) home(path string) (checkpoint, error) {
	at, err := c.checkpoint()
	if err != nil {
		return at, err
	}
	if err := c.exec("PRAGMA wal_checkpoint(TRUNCATE)"); err != nil && damaged(err) {
		return at, err
	}
	log, err := os.Stat(path + walSuffix)
	if errors.Is(err, fs.ErrNotExist) || err == nil && log.Size() == 0 {
		at.base = at.position
	}
	return at, nil
}

// damagedPages lists the pages of the serving file in a directory that are not what was written, at most limit of them. A file
// that is not there has none.
func damagedPages(dir string, limit int) ([]uint64, error) {
	path := filepath.Join(dir, fileName)
	if found, err := exists(path); err != nil || !found {
		return nil, err
	}
	return pagesum.Damaged(path, limit)
}
