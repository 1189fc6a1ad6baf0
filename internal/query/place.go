package query

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Place is where a reader of the feed stands: behind a whole commit, or behind one of its events. The zero place is
// before the first commit.
type Place struct {
	Position uint64 // of the commit; 0: before the first
	Index    int    // of the event within it; -1: behind all of them
}

// Behind is the place behind a whole commit.
func Behind(position uint64) Place { return Place{position, -1} }

// ErrPlace says that a text names no place.
var ErrPlace = errors.New("want a position, such as 1234, or the id of an event, such as 1234.0")

// maxPlace is the longest text of a place.
const maxPlace = len("9223372036854775807.999999")

// ParsePlace reads what String gives: a position, or the id of an event.
func ParsePlace(s string) (Place, error) {
	if len(s) > maxPlace {
		return Place{}, ErrPlace
	}
	position, index, inside := strings.Cut(s, ".")
	p, err := number(position, math.MaxInt64)
	if err != nil {
		return Place{}, err
	}
	if !inside {
		return Behind(p), nil
	}
	i, err := number(index, 999_999)
	if err != nil || p == 0 {
		return Place{}, ErrPlace
	}
	return Place{p, int(i)}, nil
}

// number reads digits without a sign or a leading zero, so that a place has one text.
func number(s string, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > most || s[0] == '+' || len(s) > 1 && s[0] == '0' {
		return 0, ErrPlace
	}
	return n, nil
}

// String is the position, or the id of the event.
func (p Place) String() string {
	if p.Index < 0 || p.Position == 0 {
		return strconv.FormatUint(p.Position, 10)
	}
	return strconv.FormatUint(p.Position, 10) + "." + strconv.Itoa(p.Index)
}

// before tells whether an event stands behind the place.
func (p Place) before(position uint64, index int) bool {
	return position > p.Position || position == p.Position && p.Index >= 0 && index > p.Index
}

// read is the position behind which the log is to be read, so that nothing behind the place is missed.
func (p Place) read() uint64 {
	if p.Index >= 0 && p.Position > 0 {
		return p.Position - 1
	}
	return p.Position
}
