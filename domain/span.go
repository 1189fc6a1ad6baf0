package domain

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Span is a length of time of a policy. In JSON and in text it is a number of hours, minutes and seconds without zeros at
// the end: "168h", "1h30m", "0s".
type Span time.Duration

var errSpan = errors.New("want a length of time in hours, minutes and seconds, such as 168h or 1h30m")

// Duration is the span as the library has it.
func (s Span) Duration() time.Duration { return time.Duration(s) }

// String is the span without zeros at the end.
func (s Span) String() string {
	b, _ := s.AppendText(nil)
	return string(b)
}

// AppendText appends what String gives; it cannot fail. Every event that sets a due has some of these, nearly all of them
// whole hours.
func (s Span) AppendText(b []byte) ([]byte, error) {
	if s > 0 && time.Duration(s)%time.Hour == 0 {
		return append(strconv.AppendInt(b, int64(time.Duration(s)/time.Hour), 10), 'h'), nil
	}
	long := time.Duration(s).String() // 1h30m0s
	for _, unit := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(long, unit) {
			long = long[:len(long)-len("0s")]
		}
	}
	return append(b, long...), nil
}

// MarshalText gives what String gives.
func (s Span) MarshalText() ([]byte, error) { return s.AppendText(nil) }

// UnmarshalText reads what time.ParseDuration reads, but for what is negative or finer than the milliseconds in which due
// times are counted.
func (s *Span) UnmarshalText(b []byte) error {
	d, err := time.ParseDuration(string(b))
	if err != nil || d < 0 || d%time.Millisecond != 0 || d == math.MaxInt64 {
		return errSpan
	}
	*s = Span(d)
	return nil
}
