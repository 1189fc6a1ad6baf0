// Package archive keeps a copy of the log's commits in a file of this node, to be read one at a time by position: the
// commits of one app lie scattered over the whole log, and the NATS server reads 8 MB of it for each one that it has not
// in memory. The copy is a cache: what is not in it yet, or not whole, is read from the log.
package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"sundial/eventstore"
	"sundial/internal/pause"
)

// The files. The first holds the commits one after another behind a header that names the log; the second holds for each
// position where its commit begins in the first.
const (
	dataFile  = "archive-v1.log"
	indexFile = "archive-v1.idx"
)

// A commit is stored behind its length and a checksum, which covers its position as well.
const (
	headerSize = 64 // of the file of commits
	prefixSize = 8
	entrySize  = 8 // of the index
	readAhead  = 1 << 10
	maxCommit  = eventstore.MaxPayload
)

const (
	// batch is how many commits are written at once while catching up.
	batch = 1000

	// patience is how long commits are gathered once the archive has caught up: nobody waits for it, and few large writes
	// leave the processor to those who commit.
	patience = 100 * time.Millisecond

	// retryAfter is the pause after a fault, of the disk or of the log: until then reads go to the log.
	retryAfter = 5 * time.Second
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Config says where the archive is, and of which log.
type Config struct {
	Dir    string // made if absent
	Log    *eventstore.Log
	Logger *slog.Logger // nil discards
}

// Archive is the copy, open. Its methods are safe for concurrent use; Run is called once.
type Archive struct {
	config      Config
	data, index *os.File
	end         int64  // of the data; belongs to Run
	last        uint64 // the last commit in the files; belongs to Run
	position    atomic.Uint64
}

// Open opens the archive in a directory, or begins one. What a crash left unfinished at its end is written again. Nothing
// is read from it until Run has compared it with the log.
func Open(config Config) (*Archive, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Archive{config: config}
	err := os.MkdirAll(config.Dir, 0o700)
	if err == nil {
		a.data, err = os.OpenFile(filepath.Join(config.Dir, dataFile), os.O_RDWR|os.O_CREATE, 0o600)
	}
	if err == nil {
		a.index, err = os.OpenFile(filepath.Join(config.Dir, indexFile), os.O_RDWR|os.O_CREATE, 0o600)
	}
	if err == nil {
		err = a.resume()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("archive: opening: %w", err), a.Close())
	}
	return a, nil
}

// header names the log that the file is a copy of.
func (a *Archive) header() []byte {
	h := make([]byte, headerSize)
	copy(h, "sundial archive 1 "+a.config.Log.Identity())
	return h
}

// resume finds the last commit that is whole and of this log; the archive goes on behind it.
func (a *Archive) resume() error {
	found := make([]byte, headerSize)
	if _, err := a.data.ReadAt(found, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(found) != string(a.header()) {
		return a.reset()
	}
	size, err := a.index.Stat()
	if err != nil {
		return err
	}
	for last := uint64(size.Size()) / entrySize; ; last-- { //nolint:gosec // a size is not negative
		a.end = headerSize
		if last > 0 {
			payload, at, err := a.get(last)
			if err != nil {
				continue
			}
			a.end = at + prefixSize + int64(len(payload))
		}
		a.last = last
		return a.index.Truncate(int64(last) * entrySize) //nolint:gosec // it fits in the file
	}
}

// reset empties the archive. It waits for the disk, so that no crash brings back what was there.
func (a *Archive) reset() error {
	a.position.Store(0)
	a.last, a.end = 0, headerSize
	if err := errors.Join(a.index.Truncate(0), a.data.Truncate(0)); err != nil {
		return err
	}
	_, err := a.data.WriteAt(a.header(), 0)
	return errors.Join(err, a.index.Sync(), a.data.Sync())
}

// confirm compares the last commit with the log's, and begins anew if they differ: a log that was restored from a backup
// is the same log to its name, and may have been written on since. Time and the hash of the commit before are in each
// commit, so that no later one is in both histories.
func (a *Archive) confirm(ctx context.Context) error {
	if a.last == 0 {
		return nil
	}
	kept, _, err := a.get(a.last)
	if err == nil {
		m, missing := a.config.Log.Get(ctx, a.last)
		if missing != nil && !errors.Is(missing, eventstore.ErrNotFound) {
			return fmt.Errorf("archive: comparing with the log: %w", missing)
		}
		if missing == nil && bytes.Equal(kept, m.Payload) {
			a.position.Store(a.last)
			return nil
		}
	}
	a.config.Logger.Warn("the archive has commits that the log has not, as after a restore from a backup: it is made anew", "position", a.last)
	if err := a.reset(); err != nil {
		return fmt.Errorf("archive: emptying: %w", err)
	}
	return nil
}

// Close closes the files; Run must have ended.
func (a *Archive) Close() error {
	var errs []error
	for _, f := range []*os.File{a.data, a.index} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Position is that of the last commit that is read from the archive.
func (a *Archive) Position() uint64 { return a.position.Load() }

// Get gives the stored bytes of the commit at a position, which must not be changed: from the archive, or from the log
// where that has it not. eventstore.ErrNotFound if the log does not reach it.
func (a *Archive) Get(ctx context.Context, position uint64) ([]byte, error) {
	if position > 0 && position <= a.Position() {
		if payload, _, err := a.get(position); err == nil {
			return payload, nil
		}
	}
	m, err := a.config.Log.Get(ctx, position)
	return m.Payload, err
}

// errTorn says that what stands in the archive is not what was written there.
var errTorn = errors.New("archive: a commit is not whole")

// get reads a commit and where it begins.
func (a *Archive) get(position uint64) (payload []byte, at int64, err error) {
	var entry [entrySize]byte
	if _, err := a.index.ReadAt(entry[:], int64(position-1)*entrySize); err != nil { //nolint:gosec // a position is a count
		return nil, 0, err
	}
	at = int64(binary.LittleEndian.Uint64(entry[:])) //nolint:gosec // checked next
	if at < headerSize {
		return nil, 0, errTorn
	}
	b := make([]byte, readAhead)
	n, err := a.data.ReadAt(b, at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, err
	}
	if n < prefixSize {
		return nil, 0, errTorn
	}
	length := int(binary.LittleEndian.Uint32(b))
	if length > maxCommit {
		return nil, 0, errTorn
	}
	if rest := prefixSize + length - n; rest > 0 {
		b = append(b[:n], make([]byte, rest)...)
		if _, err := a.data.ReadAt(b[n:], at+int64(n)); err != nil {
			return nil, 0, err
		}
	}
	payload = b[prefixSize : prefixSize+length]
	if binary.LittleEndian.Uint32(b[4:]) != sum(position, payload) {
		return nil, 0, errTorn
	}
	return payload, at, nil
}

func sum(position uint64, payload []byte) uint32 {
	var p [8]byte
	binary.LittleEndian.PutUint64(p[:], position)
	return crc32.Update(crc32.Checksum(p[:], castagnoli), castagnoli, payload)
}

// Run copies the log as it grows until ctx ends. A fault is logged, and tried again later: nothing depends on the copy.
func (a *Archive) Run(ctx context.Context) error {
	for {
		err := a.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		a.config.Logger.Error("commits could not be copied to the archive; the past is read from the log itself, which is slower", "error", err)
		pause.For(ctx, retryAfter)
	}
}

func (a *Archive) follow(ctx context.Context) error {
	if err := a.confirm(ctx); err != nil {
		return err
	}
	follower, err := a.config.Log.Follow(ctx, a.last)
	if err != nil {
		return err
	}
	defer follower.Close()
	for {
		messages, err := follower.Next(ctx, batch)
		if err == nil {
			err = a.append(messages)
		}
		if err != nil {
			return err
		}
		if len(messages) < batch {
			pause.For(ctx, patience)
		}
	}
}

// append writes commits, which follow the last one. It waits for no disk: what a crash takes is copied again.
func (a *Archive) append(messages []eventstore.Message) error {
	var data, index []byte
	for i := range messages {
		m := &messages[i]
		index = binary.LittleEndian.AppendUint64(index, uint64(a.end)+uint64(len(data))) //nolint:gosec // sizes
		data = binary.LittleEndian.AppendUint32(data, uint32(len(m.Payload)))            //nolint:gosec // at most maxCommit
		data = binary.LittleEndian.AppendUint32(data, sum(m.Sequence, m.Payload))
		data = append(data, m.Payload...)
	}
	if _, err := a.data.WriteAt(data, a.end); err != nil {
		return fmt.Errorf("archive: writing: %w", err)
	}
	if _, err := a.index.WriteAt(index, int64(a.last)*entrySize); err != nil { //nolint:gosec // a count
		return fmt.Errorf("archive: writing: %w", err)
	}
	a.end += int64(len(data))
	a.last = messages[len(messages)-1].Sequence
	a.position.Store(a.last)
	return nil
}
