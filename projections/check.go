package projections

import (
	"bytes"
	"cmp"
	"context"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/internal/codec"
)

// Difference is something in which the serving projections are not what the log makes of them.
type Difference struct {
	Kind    string // that of the table, or file
	Key     string // which one: an id, a position, a place in the due order
	Field   string // "" where a whole row is missing, or there for no reason
	Serving string // "" where it is missing
	Rebuilt string // likewise
}

// String is the difference in a line.
func (d Difference) String() string {
	name := strings.TrimSpace(d.Kind + " " + d.Key)
	switch {
	case d.Kind == "file":
		return name + ": " + d.Serving
	case d.Field == "" && d.Serving == "":
		return name + ": is missing"
	case d.Field == "":
		return name + ": should not be there"
	}
	return fmt.Sprintf("%s: %s is %s, should be %s", name, d.Field, orNothing(d.Serving), orNothing(d.Rebuilt))
}

func orNothing(s string) string {
	if s == "" {
		return "absent"
	}
	return s
}

// File is the name of the file that serves, in the directory of the projections.
func File() string { return fileName }

// MaxDifferences is how many a check names before it ends: whoever reads a thousand rebuilds.
const MaxDifferences = 1000

// Check folds the whole log anew, verifying its chain, and compares the serving projections with what comes out, both
// as of the position of the serving ones. It only reads, so a server may be running on them; meanwhile that one's
// write-ahead log grows, by some kilobytes for each commit. Progress is told in commits of the fold, and may be nil.
func Check(ctx context.Context, config Config, progress func(done, total uint64)) ([]Difference, error) {
	codec, err := codec.New()
	if err != nil {
		return nil, err
	}
	held, err := lock(config.Dir, checkingLock, errChecking)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	serving, at, err := openToCheck(ctx, config)
	if damaged(err) {
		return []Difference{damageIn(config, err)}, nil
	}
	if err != nil {
		return nil, err
	}
	defer serving.close() //nolint:errcheck // it was only read

	path := filepath.Join(config.Dir, fileName+".check")
	rebuilt, err := newBuilder(config, codec, path)
	if err != nil {
		return nil, err
	}
	defer remove(path)    //nolint:errcheck // a file that stays is removed by the next check
	defer rebuilt.close() //nolint:errcheck // it is removed
	head, err := config.Log.Head(ctx)
	if err == nil {
		err = rebuilt.build(ctx, at.position, progress)
	}
	if err != nil {
		return nil, err
	}
	c := &comparison{serving: serving, rebuilt: rebuilt.writer.conn, projections: config.registered()}
	err = c.all(ctx)
	switch {
	case errors.Is(err, errEnough):
		err = nil
	case damaged(err):
		c.found, err = append(c.found, damageIn(config, err)), nil
	}
	if err == nil {
		err = rebuilt.build(ctx, max(head, at.position), nil) // the chain of what the serving ones do not have yet
	}
	return c.found, err
}

// damageIn names what is damaged of the serving file.
func damageIn(config Config, found error) Difference {
	const named = 10
	d := Difference{Kind: "file", Key: fileName, Serving: "is damaged: " + found.Error()}
	if pages, err := damagedPages(config.Dir, named); err == nil && len(pages) > 0 {
		d.Serving = "is damaged: not what was written are pages " + strings.Trim(fmt.Sprint(pages), "[]")
	}
	return d
}

// openToCheck opens the serving file and holds on to its present state.
func openToCheck(ctx context.Context, config Config) (*conn, checkpoint, error) {
	path := filepath.Join(config.Dir, fileName)
	found, err := exists(path)
	if err == nil && !found {
		err = fmt.Errorf("projections: there are none in %s to check: run rebuild", config.Dir)
	}
	if err != nil {
		return nil, checkpoint{}, err
	}
	c, err := connect(path, false, readingPragmas)
	if err != nil {
		return nil, checkpoint{}, err
	}
	var at checkpoint
	if err = c.exec("BEGIN"); err == nil {
		at, err = c.checkpoint()
	}
	switch {
	case err != nil:
	case at.version != version || at.log != config.Log.Identity():
		err = errors.New("projections: those in the directory are of another version, or of another log: run rebuild")
	default:
		err = config.Log.CheckAt(ctx, at.position, at.hash)
	}
	if err != nil {
		return nil, checkpoint{}, errors.Join(err, c.close())
	}
	return c, at, nil
}

// errEnough ends a comparison or a list early.
var errEnough = errors.New("enough")

// comparison compares two files, table by table, in the order of their keys.
type comparison struct {
	serving, rebuilt *conn
	projections      []projection
	found            []Difference
}

func (c *comparison) all(ctx context.Context) error {
	if err := c.file(ctx); err != nil {
		return err
	}
	for _, p := range c.projections {
		for _, t := range p.tables {
			if err := c.table(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *comparison) add(d Difference) error {
	const longest = 200 // bytes of a value; a line is to be read by a person
	d.Serving, d.Rebuilt = cut(d.Serving, longest), cut(d.Rebuilt, longest)
	if c.found = append(c.found, d); len(c.found) >= MaxDifferences {
		return errEnough
	}
	return nil
}

func cut(s string, longest int) string {
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}

// file asks SQLite whether the file is whole and its indexes agree with its tables.
func (c *comparison) file(ctx context.Context) error {
	var problems []string
	err := c.serving.list(ctx, `PRAGMA integrity_check(10)`, nil, 1, func(row []driver.Value) error {
		if line := text(row[0]); line != "ok" {
			problems = append(problems, line)
		}
		return nil
	})
	for _, p := range problems {
		err = errors.Join(err, c.add(Difference{Kind: "file", Serving: p}))
	}
	return err
}

func (c *comparison) table(ctx context.Context, t table) error {
	left, err := c.serving.open(ctx, t)
	if err != nil {
		return err
	}
	defer left.close()
	right, err := c.rebuilt.open(ctx, t)
	if err != nil {
		return err
	}
	defer right.close()
	if err := errors.Join(left.next(), right.next()); err != nil {
		return err
	}
	for left.row != nil || right.row != nil {
		order := left.compare(right)
		switch {
		case order < 0:
			err = c.add(Difference{Kind: t.kind, Key: t.key(left.row), Serving: "there"})
		case order > 0:
			err = c.add(Difference{Kind: t.kind, Key: t.key(right.row), Rebuilt: "there"})
		default:
			err = c.row(t, left.row, right.row)
		}
		if order <= 0 {
			err = errors.Join(err, left.next())
		}
		if order >= 0 {
			err = errors.Join(err, right.next())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) row(t table, serving, rebuilt []driver.Value) error {
	for i := t.keys; i < len(t.fields); i++ {
		if compareValues(serving[i], rebuilt[i]) == 0 {
			continue
		}
		d := Difference{Kind: t.kind, Key: t.key(serving), Field: t.fields[i], Serving: show(serving[i]), Rebuilt: show(rebuilt[i])}
		if d.Field == "state" {
			if err := c.state(d, blob(serving[i]), blob(rebuilt[i])); err != nil {
				return err
			}
			continue
		}
		if err := c.add(d); err != nil {
			return err
		}
	}
	return nil
}

// state names the members in which two states differ.
func (c *comparison) state(d Difference, serving, rebuilt []byte) error {
	var a, b map[string]jsontext.Value
	if json.Unmarshal(serving, &a) != nil || json.Unmarshal(rebuilt, &b) != nil {
		return c.add(d)
	}
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if bytes.Equal(a[name], b[name]) {
			continue
		}
		d.Field, d.Serving, d.Rebuilt = name, string(a[name]), string(b[name])
		if err := c.add(d); err != nil {
			return err
		}
	}
	return nil
}

func (t table) key(row []driver.Value) string {
	if t.place != nil {
		return t.place(row[:t.keys])
	}
	parts := make([]string, t.keys)
	for i := range parts {
		parts[i] = show(row[i])
	}
	return strings.Join(parts, " ")
}

func show(v driver.Value) string {
	switch v := v.(type) {
	case []byte:
		if json.Unmarshal(v, new(jsontext.Value)) == nil {
			return string(v)
		}
		return hex.EncodeToString(v)
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

func compareValues(a, b driver.Value) int {
	switch x := a.(type) {
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y)
		}
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y)
		}
	case []byte:
		if y, ok := b.([]byte); ok {
			return bytes.Compare(x, y)
		}
	}
	return -1
}

// ordered is a table being read; row is nil after its end.
type ordered struct {
	stmt *stmt
	rows driver.Rows
	keys int
	row  []driver.Value
}

func (c *conn) open(ctx context.Context, t table) (*ordered, error) {
	s, err := c.prepare(t.query)
	if err != nil {
		return nil, err
	}
	rows, err := s.s.QueryContext(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("projections: comparing: %w", err)
	}
	return &ordered{stmt: s, rows: rows, keys: t.keys, row: make([]driver.Value, len(t.fields))}, nil
}

func (o *ordered) next() error {
	err := o.rows.Next(o.row)
	if errors.Is(err, io.EOF) {
		o.row = nil
		return nil
	}
	if err != nil {
		return fmt.Errorf("projections: comparing: %w", err)
	}
	return nil
}

func (o *ordered) close() { o.rows.Close() }

// compare orders two rows by their keys; one that has ended comes last.
func (o *ordered) compare(with *ordered) int {
	switch {
	case o.row == nil:
		return 1
	case with.row == nil:
		return -1
	}
	for i := range o.keys {
		if order := compareValues(o.row[i], with.row[i]); order != 0 {
			return order
		}
	}
	return 0
}
