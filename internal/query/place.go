package query

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"sundial/eventstore"
	"sundial/internal/cloudevent"
)

// Place is where a reader of the feed stands: behind a whole commit, or behind one of its events. The zero place is
// before the first commit.
type Place struct {
	Position uint64 // of the commit; 0: before the first
	Index    int    // of the event within it; -1: behind all of them
	Epoch    string // in which the commit was made; empty where only a number was given
}

// Behind is the place behind a whole commit, whatever its epoch.
func Behind(position uint64) Place { return Place{Position: position, Index: -1} }

// ErrPlace says that a text names no place.
var ErrPlace = errors.New("want a position, such as 1234, the id of an event, such as 1234.0, or what a page gave as after")

// maxPlace is the longest text of a place.
const maxPlace = len("9223372036854775807.999999@999999-k7qfxz4m")

// ParsePlace reads what String gives: a position, the same with an epoch, or the id of an event.
func ParsePlace(s string) (Place, error) {
	if len(s) > maxPlace {
		return Place{}, ErrPlace
	}
	at, epoch, named := strings.Cut(s, cloudevent.EpochMark)
	position, index, inside := strings.Cut(at, ".")
	p, err := number(position, math.MaxInt64)
	if err != nil || named && (p == 0 || !eventstore.ValidEpoch(epoch)) {
		return Place{}, ErrPlace
	}
	if !inside {
		return Place{p, -1, epoch}, nil
	}
	i, err := number(index, 999_999)
	if err != nil || p == 0 || epoch == eventstore.FirstEpoch { // an event of the first epoch has no epoch in its id
		return Place{}, ErrPlace
	}
	if !named {
		epoch = eventstore.FirstEpoch
	}
	return Place{p, int(i), epoch}, nil
}

// number reads digits without a sign or a leading zero, so that a place has one text.
func number(s string, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > most || s[0] == '+' || len(s) > 1 && s[0] == '0' {
		return 0, ErrPlace
	}
	return n, nil
}

// String is the position, the same with its epoch (1234@1), or the id of the event.
func (p Place) String() string {
	switch {
	case p.Position == 0:
		return "0"
	case p.Index >= 0:
		return cloudevent.ID(p.Epoch, p.Position, p.Index)
	case p.Epoch == "":
		return strconv.FormatUint(p.Position, 10)
	}
	return strconv.FormatUint(p.Position, 10) + cloudevent.EpochMark + p.Epoch
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
