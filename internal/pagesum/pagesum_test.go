package pagesum_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mattn/go-sqlite3"

	"sundial/internal/pagesum"
)

// open opens a database whose pages are not kept in memory between statements that matter here.
func open(t *testing.T, path string) *sqlite3.SQLiteConn {
	t.Helper()
	if err := pagesum.Register(); err != nil {
		t.Fatal(err)
	}
	c, err := (&sqlite3.SQLiteDriver{}).Open("file:" + path + "?vfs=" + pagesum.FS)
	if err != nil {
		t.Fatal(err)
	}
	conn := c.(*sqlite3.SQLiteConn) //nolint:forcetypeassert // the driver opens nothing else
	t.Cleanup(func() { conn.Close() })
	return conn
}

func exec(t *testing.T, c *sqlite3.SQLiteConn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := c.Exec(s, nil); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// database makes one with rows in many pages, some of them of several pages, in a write-ahead log that is brought home.
func database(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	c := open(t, path)
	if err := c.SetFileControlInt("", sqlite3.SQLITE_FCNTL_RESERVE_BYTES, pagesum.Reserved); err != nil {
		t.Fatal(err)
	}
	exec(t, c, "PRAGMA page_size = 4096", "CREATE TABLE a (id INTEGER PRIMARY KEY, v BLOB)", "PRAGMA journal_mode = WAL",
		"CREATE INDEX by_v ON a (substr(v, 1, 20))",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) INSERT INTO a SELECT i, randomblob(i * 80) FROM n",
		"DELETE FROM a WHERE id % 3 = 0", "UPDATE a SET v = randomblob(9000) WHERE id % 7 = 1")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// read reads every row, over the table and over the index.
func read(t *testing.T, path string) error {
	t.Helper()
	c, err := (&sqlite3.SQLiteDriver{}).Open("file:" + path + "?mode=ro&vfs=" + pagesum.FS)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.(*sqlite3.SQLiteConn).Exec("SELECT sum(length(hex(v))) FROM a; SELECT count(*) FROM a INDEXED BY by_v WHERE substr(v, 1, 20) > x'00'", nil) //nolint:forcetypeassert // the driver opens nothing else
	return err
}

// TestEveryPageIsChecked flips a bit in one page after another, cuts the file and exchanges pages: a read says so, and so does
// what looks at the file without SQLite.
func TestEveryPageIsChecked(t *testing.T) {
	path := database(t)
	if err := read(t, path); err != nil {
		t.Fatalf("a database that is whole: %v", err)
	}
	if pages, err := pagesum.Damaged(path, 10); err != nil || len(pages) > 0 {
		t.Fatalf("a database that is whole: pages %v, %v", pages, err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	spoil := func(b []byte) error {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return read(t, path)
	}
	unread := 0
	for page := range len(whole) / pagesum.PageSize {
		b := slices.Clone(whole)
		b[page*pagesum.PageSize+random.IntN(pagesum.PageSize)] ^= 1 << random.IntN(8)
		err := spoil(b)
		var told sqlite3.Error
		switch {
		case err == nil:
			unread++ // it is free
		case !errors.As(err, &told) || told.Code != sqlite3.ErrIoErr && told.Code != sqlite3.ErrNotADB && told.Code != sqlite3.ErrCorrupt:
			t.Errorf("page %d: %v", page+1, err)
		}
		if pages, err := pagesum.Damaged(path, 10); err != nil || !slices.Equal(pages, []uint64{uint64(page) + 1}) {
			t.Errorf("page %d: without SQLite %v, %v", page+1, pages, err)
		}
	}
	// The header says how many pages are free.
	if free := int(binary.BigEndian.Uint32(whole[36:])); unread > free {
		t.Errorf("%d pages of %d were not read, %d are free", unread, len(whole)/pagesum.PageSize, free)
	}

	if spoil(whole[:len(whole)-pagesum.PageSize]) == nil || spoil(whole[:len(whole)-100]) == nil {
		t.Error("a file that was cut is read")
	}
	const size = pagesum.PageSize
	exchanged := slices.Concat(whole[:size], whole[2*size:3*size], whole[size:2*size], whole[3*size:])
	if spoil(exchanged) == nil {
		t.Error("a page is read in another's place")
	}
	emptied := slices.Clone(whole)
	clear(emptied[size : 2*size])
	if spoil(emptied) == nil {
		t.Error("a page of zeros is read")
	}
}

// TestNoOtherDatabase shows that nothing is written that has no room for checksums.
func TestNoOtherDatabase(t *testing.T) {
	c := open(t, filepath.Join(t.TempDir(), "db"))
	if _, err := c.Exec("CREATE TABLE a (id INTEGER PRIMARY KEY)", nil); err == nil {
		t.Error("a database without room for checksums was made")
	}
}
