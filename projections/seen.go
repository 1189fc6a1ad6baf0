package projections

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"
	"sync/atomic"
)

// seen is the filter over the keys of all commits.
type seen struct {
	// current answers; nil until the keys on disk have been read once.
	current atomic.Pointer[filter]

	// mu is held from before the keys of a batch are added until the batch is committed. So whoever makes another
	// filter the next one, under it, finds on disk afterwards what was not added to that filter.
	mu   sync.Mutex
	next *filter // being filled

	filling atomic.Bool
}

// add takes in the keys of a batch that is about to be committed; mu is held.
func (s *seen) add(keys []uint64) {
	for _, f := range []*filter{s.current.Load(), s.next} {
		if f == nil {
			continue
		}
		for _, key := range keys {
			f.add(key)
		}
	}
}

// growSeen makes the filter anew, in the background, when there are more keys than it was made for.
func (s *Store) growSeen() {
	if f := s.seen.current.Load(); f != nil && s.Position() <= f.capacity || !s.seen.filling.CompareAndSwap(false, true) {
		return
	}
	s.work.Go(func() {
		defer s.seen.filling.Store(false)
		if err := s.fillSeen(s.background); err != nil && s.background.Err() == nil {
			s.config.Logger.Error("the filter of commands seen could not be filled; look-ups go to the file", "error", err)
		}
	})
}

// fillChunk is how many keys are read in one go: a read that lasts keeps the write-ahead log from being reused.
const fillChunk = 65536

// fillSeen makes a filter with room for twice the commits there are, and lets it answer once it holds them all.
func (s *Store) fillSeen(ctx context.Context) error {
	s.seen.mu.Lock()
	upTo := s.Position()
	f := newFilter(max(2*upTo, fillChunk))
	s.seen.next = f
	s.seen.mu.Unlock()
	row := make([]driver.Value, 2)
	for at := uint64(0); at < upTo; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		before := at
		err := s.read(ctx, func(r *reader) error {
			return r.statements[commitKeys].each(context.Background(), row, func() (bool, error) {
				at = uint64(integer(row[0]))
				f.add(uint64(integer(row[1])))
				return true, nil
			}, int64(at), int64(fillChunk))
		})
		if err != nil {
			return fmt.Errorf("projections: reading the keys of commands: %w", err)
		}
		if at == before {
			break // rows are missing: Check says so; the filter would answer no for them anyway
		}
	}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	s.seen.current.Store(f)
	s.seen.next = nil
	return nil
}

// filter is a Bloom filter in blocks of 256 bits (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom
// Filters): a key sets one bit in each of eight words of one block, so that a look costs one line of the
// processor's cache. With 12 bits for a key about one key in 200 is taken for known by mistake. Safe for concurrent
// use.
type filter struct {
	blocks   [][8]uint32
	capacity uint64 // keys for which it was made
}

// odd multipliers spread one half of a key over the eight words (those of the Parquet format).
var odd = [8]uint32{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31}

func newFilter(capacity uint64) *filter {
	const bitsForKey, bitsOfBlock = 12, 256
	return &filter{blocks: make([][8]uint32, capacity*bitsForKey/bitsOfBlock+1), capacity: capacity}
}

func (f *filter) block(key uint64) *[8]uint32 {
	return &f.blocks[(key>>32)*uint64(len(f.blocks))>>32]
}

func (f *filter) add(key uint64) {
	b := f.block(key)
	for i := range b {
		bit := uint32(1) << (uint32(key) * odd[i] >> 27)
		if atomic.LoadUint32(&b[i])&bit == 0 {
			atomic.OrUint32(&b[i], bit)
		}
	}
}

func (f *filter) has(key uint64) bool {
	b := f.block(key)
	for i := range b {
		if atomic.LoadUint32(&b[i])&(1<<(uint32(key)*odd[i]>>27)) == 0 {
			return false
		}
	}
	return true
}
