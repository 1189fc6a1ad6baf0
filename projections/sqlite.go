package projections

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/mattn/go-sqlite3"

	"sundial/internal/pagesum"
)

// conn is one connection to a SQLite file. The driver is used directly: database/sql takes longer for a call than
// SQLite for the row. A connection and its statements belong to one goroutine at a time.
type conn struct {
	c     *sqlite3.SQLiteConn
	stmts []*stmt
}

// connect opens a file, making it if absent, and sets pragmas. A read-only connection cannot make the file.
func connect(path string, readOnly bool, pragmas []string) (*conn, error) {
	// Connections are never shared between goroutines, so SQLite's own lock around each is left away. Writers do not
	// compete; the timeout is for the moments in which another process recovers or checkpoints.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?_mutex=no&_busy_timeout=10000&vfs=" + pagesum.FS
	if readOnly {
		dsn += "&mode=ro"
	}
	return connectTo(dsn, path, pragmas)
}

// connectAlone opens a file as it stands, without its write-ahead log, which nobody may be bringing home.
func connectAlone(path string) (*conn, error) {
	return connectTo("file:"+(&url.URL{Path: path}).EscapedPath()+"?_mutex=no&mode=ro&immutable=1&vfs="+pagesum.FS, path, nil)
}

func connectTo(dsn, path string, pragmas []string) (*conn, error) {
	if err := pagesum.Register(); err != nil {
		return nil, fmt.Errorf("projections: opening %s: %w", path, err)
	}
	opened, err := (&sqlite3.SQLiteDriver{}).Open(dsn)
	if err != nil {
		return nil, fmt.Errorf("projections: opening %s: %w", path, err)
	}
	c := &conn{c: opened.(*sqlite3.SQLiteConn)} //nolint:forcetypeassert // the driver opens nothing else
	for _, p := range pragmas {
		if err := c.exec("PRAGMA " + p); err != nil {
			_ = c.close() // why it cannot be used says more
			return nil, fmt.Errorf("projections: opening %s: pragma %s: %w", path, p, err)
		}
	}
	return c, nil
}

func (c *conn) exec(query string) error {
	_, err := c.c.Exec(query, nil)
	return err
}

// close finalizes the statements first: the last connection that is really closed brings the write-ahead log home.
func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.s.Close())
	}
	c.stmts = nil
	return errors.Join(append(errs, c.c.Close())...)
}

// stmt is a prepared statement with room for its arguments.
type stmt struct {
	s    *sqlite3.SQLiteStmt
	args []driver.NamedValue
}

func (c *conn) prepare(query string) (*stmt, error) {
	s, err := c.c.Prepare(query)
	if err != nil {
		return nil, fmt.Errorf("projections: preparing %q: %w", query, err)
	}
	prepared := &stmt{s: s.(*sqlite3.SQLiteStmt)} //nolint:forcetypeassert // the driver prepares nothing else
	prepared.args = make([]driver.NamedValue, prepared.s.NumInput())
	for i := range prepared.args {
		prepared.args[i].Ordinal = i + 1
	}
	c.stmts = append(c.stmts, prepared)
	return prepared, nil
}

// prepareAll prepares several statements, each into its variable.
func (c *conn) prepareAll(queries ...prepared) error {
	for _, q := range queries {
		s, err := c.prepare(q.query)
		if err != nil {
			return err
		}
		*q.into = s
	}
	return nil
}

type prepared struct {
	into  **stmt
	query string
}

// statements are a connection's prepared statements by their text.
type statements map[string]*stmt

func (s statements) prepare(c *conn, queries []string) error {
	for _, q := range queries {
		prepared, err := c.prepare(q)
		if err != nil {
			return err
		}
		s[q] = prepared
	}
	return nil
}

// set sets all arguments.
func (s *stmt) set(args ...any) *stmt {
	for i, a := range args {
		s.args[i].Value = a
	}
	return s
}

// run executes the statement with the arguments set in s.args and expects no rows. It goes through the driver's Query:
// that binds all arguments and takes the first step, which is the whole of a statement without rows, in one crossing
// into C, where Exec crosses for each argument.
func (s *stmt) run() error {
	rows, err := s.s.QueryContext(context.Background(), s.args)
	if err != nil {
		return err
	}
	return rows.Close()
}

// each calls take with every row, in a slice of as many values as dest has, which is used again; take returns false
// to end. A context that can end costs a little on every step; point reads do without.
func (s *stmt) each(ctx context.Context, dest []driver.Value, take func() (bool, error), args ...any) error {
	rows, err := s.set(args...).s.QueryContext(ctx, s.args)
	if err != nil {
		return err
	}
	defer rows.Close()
	for {
		err := rows.Next(dest)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if more, err := take(); !more || err != nil {
			return err
		}
	}
}

// one reads the first row into dest; false if there is none.
func (s *stmt) one(dest []driver.Value, args ...any) (bool, error) {
	found := false
	err := s.each(context.Background(), dest, func() (bool, error) {
		found = true
		return false, nil
	}, args...)
	return found, err
}

// integer, text and blob read a column; what a column does not hold by its table's declaration reads as zero.
func integer(v driver.Value) int64 { n, _ := v.(int64); return n }
func text(v driver.Value) string   { s, _ := v.(string); return s }
func blob(v driver.Value) []byte   { b, _ := v.([]byte); return b }
