package projections

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mattn/go-sqlite3"

	"sundial/eventstore"
	"sundial/internal/pagesum"
)

// fileName is the serving file; SQLite keeps its write-ahead log and the index of that beside it.
var fileName = fileOf(version)

func fileOf(version int) string { return fmt.Sprintf("projections-v%d.db", version) }

const (
	walSuffix = "-wal"
	shmSuffix = "-shm"
)

// pageSize: a batch writes whole pages for single rows, so small pages write less; larger ones hold more per read.
const pageSize = pagesum.PageSize

// checkpointTable says how far a file has followed which log; it has one row. Base is a position that the file had itself,
// without its write-ahead log, when what writes it was opened: a file from before that does not belong to that log. The table is
// the first, so its page is among the first that are brought home from the write-ahead log.
const checkpointTable = `CREATE TABLE checkpoint (
		one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, log TEXT NOT NULL,
		position INTEGER NOT NULL, hash BLOB NOT NULL, base INTEGER NOT NULL) STRICT`

// servingPragmas are for the connection that writes the serving file.
//
// WAL: readers go on while a batch is written. synchronous NORMAL: a commit waits for no fsync, and a power cut loses
// at most the last batches, which are read again from the log; the checkpoints of the WAL are synced, so that the
// file is whole after a power cut (with OFF it could be torn without a sign of it). 16,384 pages of WAL (64 MB)
// between checkpoints: pages that are written again and again are copied once, and synced rarely.
var servingPragmas = []string{
	"journal_mode = WAL", "synchronous = NORMAL", "wal_autocheckpoint = 16384", "journal_size_limit = 67108864",
	"cache_size = -32768", "temp_store = MEMORY",
}

// readingPragmas are for the pool of readers. Every batch empties a reader's cache, so a large one would only cost
// memory; mmap_size stays 0, as mapped pages count as the process's memory.
var readingPragmas = []string{"query_only = 1", "cache_size = -2048", "temp_store = MEMORY"}

// buildingPragmas are for a file that nobody else sees until it is done: no journal and no syncs. It is synced as a
// whole before it is put in its place.
var buildingPragmas = []string{
	"journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "temp_store = FILE",
}

// create makes an empty file of projections of a log.
func create(path, log string, projections []projection) (*conn, error) {
	c, err := connect(path, false, append([]string{fmt.Sprintf("page_size = %d", pageSize), fmt.Sprintf("cache_size = -%d", share(buildCache))}, buildingPragmas...))
	if err != nil {
		return nil, err
	}
	if err := c.c.SetFileControlInt("", sqlite3.SQLITE_FCNTL_RESERVE_BYTES, pagesum.Reserved); err != nil {
		return nil, errors.Join(fmt.Errorf("projections: reserving room for checksums: %w", err), c.close())
	}
	statements := []string{checkpointTable}
	for _, p := range projections {
		for _, t := range p.tables {
			statements = append(statements, t.create)
		}
	}
	for _, s := range statements {
		if err := c.exec(s); err != nil {
			return nil, errors.Join(fmt.Errorf("projections: making tables: %w", err), c.close())
		}
	}
	start, err := c.prepare(`INSERT INTO checkpoint VALUES (1, ?, ?, 0, ?, 0)`)
	if err == nil {
		start.set(int64(version), log, make([]byte, len(eventstore.Hash{})))
		err = start.run()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("projections: making tables: %w", err), c.close())
	}
	return c, nil
}

// checkpoint is how far a file has followed which log.
type checkpoint struct {
	version  int
	log      string
	position uint64
	hash     eventstore.Hash // of the commit at position
	base     uint64
}

// errNotOurs says that a file is not a projection, or not whole.
var errNotOurs = errors.New("projections: the file is not a projection")

func (c *conn) checkpoint() (checkpoint, error) {
	query, err := c.prepare(`SELECT version, log, position, hash, base FROM checkpoint`)
	if err != nil {
		return checkpoint{}, notOurs(err)
	}
	row := make([]driver.Value, 5)
	found, err := query.one(row)
	if err != nil {
		return checkpoint{}, notOurs(fmt.Errorf("projections: reading the checkpoint: %w", err))
	}
	if !found {
		return checkpoint{}, errNotOurs
	}
	p := checkpoint{version: int(integer(row[0])), log: text(row[1]), position: uint64(integer(row[2])), base: uint64(integer(row[4]))}
	copy(p.hash[:], blob(row[3]))
	return p, nil
}

// notOurs makes errNotOurs of an error that says so.
func notOurs(err error) error {
	var e sqlite3.Error
	if errors.As(err, &e) && e.Code == sqlite3.ErrError {
		return fmt.Errorf("%w: %w", errNotOurs, err)
	}
	return err
}

// exists tells whether there is a file at path.
func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// replace puts a finished file in the serving one's place. The serving one must be closed. It is removed before its
// write-ahead log, and both before the new file gets the name: SQLite would apply a log left over by name to whatever
// file has it. A crash in between leaves no serving file, and another is built.
func replace(serving, finished string) error {
	for _, old := range []string{serving, serving + walSuffix, serving + shmSuffix} {
		if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("projections: replacing %s: %w", serving, err)
		}
	}
	if err := syncFile(finished); err != nil {
		return err
	}
	if err := os.Rename(finished, serving); err != nil {
		return fmt.Errorf("projections: replacing %s: %w", serving, err)
	}
	return syncFile(filepath.Dir(serving))
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("projections: syncing: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("projections: syncing %s: %w", path, err)
	}
	return nil
}
