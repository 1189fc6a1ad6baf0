package projections

import (
	"context"
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"sundial/domain"
)

// Limits of a list's page: what a screen shows, and what one answer may cost.
const (
	DefaultLimit = 50
	MaxLimit     = 500
)

// Page says which part of a list is wanted.
type Page struct {
	Cursor string // where the last page ended, as it was given; "" for the beginning
	Limit  int    // at most so many; 0 means DefaultLimit, and more than MaxLimit means that
}

func (p Page) limit() int {
	if p.Limit <= 0 {
		return DefaultLimit
	}
	return min(p.Limit, MaxLimit)
}

// ErrCursor says that a cursor is not one that this list gave.
var ErrCursor = errors.New("projections: the cursor is not one of this list: begin without one")

// A cursor names the last item of its page, so that what is written between two pages neither repeats nor hides an
// item that was there all along. It is base64url of the list's name and a JSON value.
func cursor(list string, last any) (string, error) {
	b, err := json.Marshal(last, json.Deterministic(true))
	if err != nil {
		return "", fmt.Errorf("projections: making a cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(append([]byte(list+":"), b...)), nil
}

// maxCursor bounds what is decoded: the longest that is given has an account's id of 63 characters in it.
const maxCursor = 512

func parseCursor(list, given string, into any) error {
	if len(given) > maxCursor {
		return ErrCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(given)
	if err != nil {
		return ErrCursor
	}
	name, value, ok := strings.Cut(string(b), ":")
	if !ok || name != list || json.Unmarshal([]byte(value), into, json.RejectUnknownMembers(true)) != nil {
		return ErrCursor
	}
	return nil
}

// AppFilter narrows a list of apps; what is empty does not.
type AppFilter struct {
	Account string
	Status  domain.Status
	Edition domain.Edition
	Query   string // part of the name, ASCII letters in either case, or the first digits of the number
}

// Apps lists apps by their number, deleted ones included, and gives the cursor of the next page, "" after the last.
func (s *Store) Apps(ctx context.Context, filter AppFilter, page Page) ([]*domain.App, string, error) {
	after := domain.AppID(0)
	if page.Cursor != "" {
		if err := parseCursor("apps", page.Cursor, &after); err != nil {
			return nil, "", err
		}
	}
	if len(filter.Query) > maxQuery {
		return nil, "", nil
	}
	query, args := filter.query(after, page.limit()+1)
	read := s.read
	if filter.Account == "" {
		read = s.search
	}
	var apps []*domain.App
	err := read(ctx, func(r *reader) error {
		return r.list(ctx, query, args, 1, func(row []driver.Value) error {
			app := new(domain.App)
			apps = append(apps, app)
			return decodeState(blob(row[0]), app)
		})
	})
	if err != nil {
		return nil, "", err
	}
	if len(apps) <= page.limit() {
		return apps, "", nil
	}
	apps = apps[:page.limit()]
	next, err := cursor("apps", apps[len(apps)-1].ID)
	return apps, next, err
}

// maxQuery is more bytes than any name has; SQLite refuses patterns that are much longer.
const maxQuery = 1024

func (f AppFilter) query(after domain.AppID, limit int) (string, []any) {
	where, args := f.conditions()
	where, args = append(where, "a.id > ?"), append(args, int64(after))
	return `SELECT s.state FROM apps a JOIN app_states s ON s.id = a.id WHERE ` + strings.Join(where, " AND ") +
		` ORDER BY a.id LIMIT ` + strconv.Itoa(limit), args
}

// accounts is the query for the accounts that have an app such as is looked for.
func (f AppFilter) accounts(after string, limit int) (string, []any) {
	where, args := "id > ?", []any{after}
	if conditions, values := f.conditions(); len(conditions) > 0 {
		found := `EXISTS (SELECT 1 FROM apps a WHERE a.account = accounts.id AND ` + strings.Join(conditions, " AND ") + `)`
		args = append(args, values...)
		if f.Query != "" && f.Status == "" && f.Edition == "" {
			found = `(` + found + ` OR id LIKE ? ESCAPE '\')`
			args = append(args, likePart(f.Query))
		}
		where += " AND " + found
	}
	return `SELECT position, hash, state FROM accounts WHERE ` + where + ` ORDER BY id LIMIT ` + strconv.Itoa(limit), args
}

// conditions are those on an app, called a in the query.
func (f AppFilter) conditions() (where []string, args []any) {
	add := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if f.Account != "" {
		add("a.account = ?", f.Account)
	}
	if f.Status != "" {
		add("a.status = ?", string(f.Status))
	}
	if f.Edition != "" {
		add("a.edition = ?", string(f.Edition))
	}
	if f.Query != "" {
		part := likePart(f.Query)
		if from, to, ok := numbers(f.Query); ok {
			add(`(a.name LIKE ? ESCAPE '\' OR a.id BETWEEN ? AND ?)`, part, int64(from), int64(to))
		} else {
			add(`a.name LIKE ? ESCAPE '\'`, part)
		}
	}
	return where, args
}

// likePart is the pattern of texts that have this part.
func likePart(part string) string { return "%" + likeEscape.Replace(part) + "%" }

var likeEscape = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// numbers gives the range of the numbers of apps, which have ten digits, that begin with the given ones.
func numbers(digits string) (from, to domain.AppID, ok bool) {
	const length = 10
	if len(digits) > length || digits == "" || strings.Trim(digits, "0123456789") != "" {
		return 0, 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	size := uint64(1)
	for range length - len(digits) {
		size *= 10
	}
	return domain.AppID(n * size), domain.AppID(n*size + size - 1), true
}

// Accounts lists accounts by id, without their apps. A filter leaves those that have an app which it would list; its
// query also finds a part of the account's own id.
func (s *Store) Accounts(ctx context.Context, filter AppFilter, page Page) ([]*domain.Account, string, error) {
	after := ""
	if page.Cursor != "" {
		if err := parseCursor("accounts", page.Cursor, &after); err != nil {
			return nil, "", err
		}
	}
	if len(filter.Query) > maxQuery {
		return nil, "", nil
	}
	query, args := filter.accounts(after, page.limit()+1)
	read := s.read
	if filter != (AppFilter{}) {
		read = s.search
	}
	var accounts []*domain.Account
	err := read(ctx, func(r *reader) error {
		return r.list(ctx, query, args, 3, func(row []driver.Value) error {
			account, err := accountOf(row)
			accounts = append(accounts, account.Account)
			return err
		})
	})
	if err != nil {
		return nil, "", err
	}
	if len(accounts) <= page.limit() {
		return accounts, "", nil
	}
	accounts = accounts[:page.limit()]
	next, err := cursor("accounts", accounts[len(accounts)-1].ID)
	return accounts, next, err
}

// list runs a query that is prepared for this once; the context can end it.
func (c *conn) list(ctx context.Context, query string, args []any, columns int, take func([]driver.Value) error) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	defer func() {
		c.stmts = c.stmts[:len(c.stmts)-1]
		_ = s.s.Close() // gives again the error that the last step gave
	}()
	row := make([]driver.Value, columns)
	return s.each(ctx, row, func() (bool, error) { return true, take(row) }, args...)
}
