package scheduler

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strings"
	"sync"
	"time"

	"sundial/domain"
	"sundial/internal/wholefile"
)

// Clock tells the time to the engine and the scheduler.
type Clock interface{ Now() time.Time }

// System is the machine's clock.
type System struct{}

// Now is the machine's time.
func (System) Now() time.Time { return time.Now() } //nolint:forbidigo // this is the clock that is injected

// ErrBackwards is a sandbox's clock that should be set to a time before its own.
var ErrBackwards = errors.New("the clock of a sandbox moves forward only: name a time that is not before its present one")

// Sandbox is a clock that moves only when it is told to, forward. It is kept in a file and goes on from there.
type Sandbox struct {
	path string
	mu   sync.RWMutex
	now  domain.Instant
}

// ErrClockDamaged says that a sandbox's clock is not what was written: every transition that is due would go by it.
var ErrClockDamaged = errors.New("the sandbox's clock is damaged")

// copySuffix names the second copy of a clock's file.
const copySuffix = ".copy"

// OpenSandbox reads the clock's file; where there is none the clock stands at start. The time is kept twice: of two files
// that are whole the later time counts, since the clock moves forward only, so that one that was lost, damaged or put back
// is made anew from the other. ErrClockDamaged if neither is whole. A time alone, without a checksum, is what earlier programs
// wrote, and what people write: it counts before the copy.
func OpenSandbox(path string, start time.Time) (*Sandbox, error) {
	s := &Sandbox{path: path, now: domain.InstantOf(start)}
	kept, summed, err := readSandbox(path)
	if err == nil && !summed {
		s.now = kept
		return s, s.keep(s.now)
	}
	copied, copySummed, wrong := readSandbox(path + copySuffix)
	switch {
	case err == nil && wrong == nil:
		s.now = max(kept, copied)
		if kept == copied && copySummed {
			return s, nil
		}
	case err == nil:
		s.now = kept
	case wrong == nil:
		s.now = copied
	case !errors.Is(err, os.ErrNotExist):
		return nil, err
	case !errors.Is(wrong, os.ErrNotExist):
		return nil, wrong
	}
	return s, s.keep(s.now)
}

// readSandbox reads the time in a clock's file, and tells whether it has a checksum. ErrClockDamaged if it is not whole.
func readSandbox(path string) (now domain.Instant, summed bool, err error) {
	kept, err := os.ReadFile(path)
	if err != nil {
		return 0, false, fmt.Errorf("the sandbox's clock: %w", err)
	}
	said, sum, summed := strings.Cut(strings.TrimSuffix(string(kept), "\n"), " ")
	err = now.UnmarshalText([]byte(said))
	if summed && sum != sumOf(said) {
		err = errors.New("its checksum does not hold")
	}
	if err != nil {
		err = fmt.Errorf("%w: %w\n  fix: write a time such as 2021-01-01T00:00:00.000Z into %s, not before the latest that the log has", ErrClockDamaged, err, path)
	}
	return now, summed, err
}

// sumOf is the checksum that stands behind a time in the file.
func sumOf(said string) string {
	return fmt.Sprintf("crc32c:%08x", crc32.Checksum([]byte(said), crc32.MakeTable(crc32.Castagnoli)))
}

// Now is the time that the clock stands at.
func (s *Sandbox) Now() time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.now.Time()
}

// set moves the clock to a time that is not before its own, and keeps it.
func (s *Sandbox) set(to domain.Instant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to < s.now {
		return ErrBackwards
	}
	if to == s.now {
		return nil
	}
	if err := s.keep(to); err != nil {
		return err
	}
	s.now = to
	return nil
}

// keep replaces the clock's files, each whole, so that a crash or a power cut leaves the old one or the new one.
func (s *Sandbox) keep(now domain.Instant) error {
	text := []byte(now.String() + " " + sumOf(now.String()) + "\n")
	for _, name := range []string{s.path, s.path + copySuffix} {
		if err := wholefile.Replace(name, text); err != nil {
			return fmt.Errorf("keeping the sandbox's clock: %w", err)
		}
	}
	return nil
}
