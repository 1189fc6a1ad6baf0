package domain

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// Instant is a moment in milliseconds since 1970-01-01T00:00:00Z. Zero means absent. In JSON and in text it is RFC 3339
// in UTC with exactly three digits of a second: "2021-01-01T00:00:00.000Z".
type Instant int64

// MaxInstant is the last instant that RFC 3339 can write: the last millisecond of the year 9999.
const MaxInstant = Instant(253402300799999)

var errTime = errors.New("want a time as RFC 3339 with a zone, such as 2021-01-01T00:00:00.000Z")

var errInstant = errors.New("want a time as RFC 3339 with a zone, between 1970-01-01T00:00:00.001Z and the year 9999, such as 2021-01-01T00:00:00.000Z")

// InstantOf gives the millisecond in which t lies. The zero time gives zero.
func InstantOf(t time.Time) Instant {
	if t.IsZero() {
		return 0
	}
	return Instant(t.UnixMilli())
}

// ParseInstant reads a time as ParseTime does; digits beyond the millisecond are cut off. Any other form, and a time
// that an Instant cannot hold, is an error.
func ParseInstant(s string) (Instant, error) {
	t, err := ParseTime(s)
	if err != nil {
		return 0, errInstant
	}
	i := InstantOf(t)
	if i <= 0 || i > MaxInstant {
		return 0, errInstant
	}
	return i, nil
}

// ParseTime reads a date-time of RFC 3339 (section 5.6) and nothing else: with a zone, T and Z also in small letters, of
// the years 0 to 9999 in its own zone. Digits beyond the nanosecond are cut off. A leap second, 23:59:60 at the end of a month in
// UTC, is the first instant of the next minute with all of its parts: clocks that count no leap seconds are there then, and
// nothing that came later is earlier for it.
func ParseTime(s string) (time.Time, error) {
	const second = len("2006-01-02T15:04:")
	upper := strings.ToUpper(s) // a copy only where there is something to change
	if len(upper) > second+2 && upper[second:second+2] == "60" {
		t, err := ParseTime(upper[:second] + "59" + upper[second+2:])
		t = t.Truncate(time.Second).Add(time.Second)
		if next := t.UTC(); err != nil || next.Day() != 1 || next.Hour() != 0 || next.Minute() != 0 {
			return time.Time{}, errTime
		}
		return t, nil
	}
	t, err := time.Parse(time.RFC3339Nano, upper)
	if err != nil || !strict(upper) {
		return time.Time{}, errTime
	}
	return t, nil
}

// strict refuses what time.Parse reads beyond RFC 3339 (go.dev/issue/54580): an hour of one digit, a comma before the
// fraction, a zone of a day and more.
func strict(s string) bool {
	const hour, second = len("2006-01-02T15"), len("2006-01-02T15:04:05")
	if s[hour] != ':' || s[second] == ',' {
		return false
	}
	zone := s[len(s)-len("00:00"):]
	return s[len(s)-1] == 'Z' || zone[:2] < "24" && zone[3:] < "60"
}

// Time is the instant as a time in UTC; the zero time where it is absent.
func (i Instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(i)).UTC()
}

// Add moves the instant by d, cut to milliseconds, and stays within what can be written.
func (i Instant) Add(d time.Duration) Instant {
	return min(i+Instant(d.Milliseconds()), MaxInstant)
}

// Sub is how long it is from another instant to this one.
func (i Instant) Sub(from Instant) time.Duration { return time.Duration(i-from) * time.Millisecond }

// String is the instant in RFC 3339, "" where it is absent, and the bare number where it cannot be written.
func (i Instant) String() string {
	if i == 0 {
		return ""
	}
	b, err := i.AppendText(nil)
	if err != nil {
		return strconv.FormatInt(int64(i), 10)
	}
	return string(b)
}

// AppendText appends the instant in RFC 3339. An absent one, and one that could not be read again, is an error: a field
// that may be absent is left away (omitzero).
func (i Instant) AppendText(b []byte) ([]byte, error) {
	if i <= 0 || i > MaxInstant {
		return b, errInstant
	}
	t := i.Time()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	b = append(digits(digits(b, year/100), year%100), '-')
	b = append(digits(b, int(month)), '-')
	b = append(digits(b, day), 'T')
	b = append(digits(b, hour), ':')
	b = append(digits(b, minute), ':')
	b = append(digits(b, second), '.')
	ms := int(i % 1000)
	return append(digits(b, ms/10), byte('0'+ms%10), 'Z'), nil
}

// digits appends a number of two digits.
func digits(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }

// MarshalText gives the instant in RFC 3339.
func (i Instant) MarshalText() ([]byte, error) { return i.AppendText(nil) }

// UnmarshalText reads what ParseInstant reads.
func (i *Instant) UnmarshalText(b []byte) error {
	v, ok := parseCanonical(b)
	if !ok {
		var err error
		if v, err = ParseInstant(string(b)); err != nil {
			return err
		}
	}
	*i = v
	return nil
}

// parseCanonical reads the one form that this engine writes, which is nearly all that a replay meets.
func parseCanonical(b []byte) (Instant, bool) {
	const form = "0000-00-00T00:00:00.000Z"
	if len(b) != len(form) {
		return 0, false
	}
	var n [len(form)]int
	for at, c := range []byte(form) {
		if c != '0' {
			if b[at] != c {
				return 0, false
			}
			continue
		}
		if b[at] < '0' || b[at] > '9' {
			return 0, false
		}
		n[at] = int(b[at] - '0')
	}
	year := n[0]*1000 + n[1]*100 + n[2]*10 + n[3]
	month, day := n[5]*10+n[6], n[8]*10+n[9]
	hour, minute, second := n[11]*10+n[12], n[14]*10+n[15], n[17]*10+n[18]
	if year < 1970 || month < 1 || month > 12 || day < 1 || day > 28 || hour > 23 || minute > 59 || second > 59 {
		return 0, false // days 29 to 31 are left to the library, which knows the months
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC).UnixMilli()
	t += int64(n[20]*100 + n[21]*10 + n[22])
	return Instant(t), t > 0
}
