package projections

import (
	"context"
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
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
