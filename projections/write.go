package projections

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// writer writes batches through one connection.
type writer struct {
	*conn
	begin, commit, rollback *stmt
	checkpointed            *stmt
	base                    uint64                  // that of the checkpoint
	statements              statements              // of the projections
	inserters               map[insertion]*inserter // likewise
	owner                   *stmt                   // of the app whose row stands under a key
	later                   map[appOf]int64         // the keys of the apps that came later to their number
}

func newWriter(c *conn, projections []projection) (*writer, error) {
	w := &writer{conn: c, statements: statements{}, inserters: map[insertion]*inserter{}, later: map[appOf]int64{}}
	err := c.prepareAll(
		prepared{&w.begin, `BEGIN IMMEDIATE`}, prepared{&w.commit, `COMMIT`}, prepared{&w.rollback, `ROLLBACK`},
		prepared{&w.checkpointed, `UPDATE checkpoint SET position = ?, hash = ?, base = ?`},
	)
	if err != nil {
		return nil, err
	}
	for _, p := range projections {
		if err := w.statements.prepare(c, p.writes); err != nil {
			return nil, err
		}
		for _, i := range p.inserts {
			if w.inserters[i], err = c.inserter(i); err != nil {
				return nil, err
			}
		}
	}
	return w, w.readLater()
}

// write commits a batch: all of its rows and the checkpoint, or nothing.
func (w *writer) write(b *batch) error {
	if err := w.begin.run(); err != nil {
		return fmt.Errorf("projections: beginning a batch: %w", err)
	}
	err := w.writeRows(b)
	if err == nil {
		err = w.commit.run()
	}
	if err != nil {
		if !w.c.AutoCommit() {
			err = errors.Join(err, w.rollback.run())
		}
		return fmt.Errorf("projections: writing a batch that ends at %d: %w", b.position, err)
	}
	return nil
}

func (w *writer) writeRows(b *batch) error {
	for _, r := range b.rows {
		if err := r.write(w); err != nil {
			return err
		}
	}
	return w.checkpointed.set(int64(b.position), b.hash[:], int64(w.base)).run()
}

// insert inserts n rows; fill sets the arguments of each.
func (w *writer) insert(into insertion, n int, fill func(row int, args []driver.NamedValue)) error {
	return w.inserters[into].insert(n, fill)
}

func isConstraint(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrConstraint
}

// insertion is a statement that inserts rows.
type insertion struct {
	head    string // INSERT INTO ... (...)
	tail    string // what comes behind VALUES ..., with a space before it
	columns int
}

// sizes are the numbers of rows that one statement inserts, largest first. The calls cost as much as the rows, so
// many rows a call pay off; 64 of the widest are 448 arguments, and more gain nothing.
var sizes = [...]int{64, 8, 1}

// inserter inserts any number of rows.
type inserter struct {
	columns int
	stmts   [len(sizes)]*stmt
}

func (c *conn) inserter(of insertion) (*inserter, error) {
	i := &inserter{columns: of.columns}
	row := "(?" + strings.Repeat(",?", of.columns-1) + ")"
	for at, size := range sizes {
		s, err := c.prepare(of.head + " VALUES " + row + strings.Repeat(","+row, size-1) + of.tail)
		if err != nil {
			return nil, err
		}
		i.stmts[at] = s
	}
	return i, nil
}

// insert inserts n rows; fill sets the arguments of each.
func (i *inserter) insert(n int, fill func(row int, args []driver.NamedValue)) error {
	row := 0
	for at, size := range sizes {
		s := i.stmts[at]
		for ; n-row >= size; row += size {
			for k := range size {
				fill(row+k, s.args[k*i.columns:(k+1)*i.columns])
			}
			if err := s.run(); err != nil {
				return err
			}
		}
	}
	return nil
}
