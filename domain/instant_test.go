package domain

import (
	"testing"
	"time"
)

func TestParseInstant(t *testing.T) {
	for text, want := range map[string]string{
		"2021-01-01T00:00:00.000Z":       "2021-01-01T00:00:00.000Z",
		"2021-01-01T00:00:00Z":           "2021-01-01T00:00:00.000Z",
		"2021-01-01T08:00:00.5+08:00":    "2021-01-01T00:00:00.500Z",
		"2021-01-01T00:00:00.123999999Z": "2021-01-01T00:00:00.123Z", // cut off, not rounded
		"2024-02-29T23:59:59.999Z":       "2024-02-29T23:59:59.999Z",
		"1970-01-01T00:00:00.001Z":       "1970-01-01T00:00:00.001Z",
		"9999-12-31T23:59:59.999Z":       "9999-12-31T23:59:59.999Z",
		"1970-01-01T00:00:00.000Z":       "", // zero means absent
		"1969-12-31T23:59:59.999Z":       "",
		"9999-12-31T23:59:59.999-01:00":  "", // the year 10000 in UTC
		"2021-02-29T00:00:00.000Z":       "",
		"2021-04-31T00:00:00.000Z":       "",
		"2021-01-01T24:00:00.000Z":       "",
		"2021-01-01T00:00:60.000Z":       "",
		"2021-01-01T00:00:00.000":        "", // no zone
		"2021-01-01T00:00:00,000Z":       "", // another sign than RFC 3339 has
		"2021-01-01T1:00:00.000Z":        "",
		"2021-01-01 00:00:00.000Z":       "",
		"2021-01-01t00:00:00.000z":       "",
		"2021-01-01":                     "",
		"1609459200000":                  "",
		"":                               "",
		"2021-01-01T00:00:00.000Z ":      "",
		"02021-01-01T00:00:00.000Z":      "",
		"2021-01-01T00:00:00.000\u00a0Z": "",
		"2021-01-01T00:00:00.000+24:00":  "",
	} {
		got, err := ParseInstant(text)
		var again Instant
		textErr := again.UnmarshalText([]byte(text))
		if want == "" {
			if err == nil || textErr == nil {
				t.Errorf("%q was read as %s and %s", text, got, again)
			}
			continue
		}
		if err != nil || textErr != nil || got.String() != want || again != got {
			t.Errorf("%q was read as %s (%v) and %s (%v), want %s", text, got, err, again, textErr, want)
		}
	}
}

func TestInstant(t *testing.T) {
	if got := InstantOf(time.Time{}); got != 0 {
		t.Errorf("the zero time is %d, want absent", got)
	}
	if got := Instant(0).Time(); !got.IsZero() {
		t.Errorf("an absent instant is %s", got)
	}
	if got := InstantOf(day(1).Time()); got != day(1) {
		t.Errorf("%s, want %s", got, day(1))
	}
	if got := day(0).Add(1999 * time.Microsecond); got != day(0)+1 {
		t.Errorf("%s: what is finer than a millisecond is cut off", got)
	}
	if got := MaxInstant.Add(time.Hour); got != MaxInstant {
		t.Errorf("%s is beyond what can be written", got)
	}
	for _, i := range []Instant{0, -1, MaxInstant + 1} {
		if b, err := i.MarshalText(); err == nil {
			t.Errorf("%d was written as %s", int64(i), b)
		}
	}
	if got := Instant(0).String() + "," + Instant(-1).String(); got != ",-1" {
		t.Errorf("%q", got)
	}
}

// FuzzInstant: the quick reader and writer of the canonical form say what the library says, and both readers say again
// what they read.
func FuzzInstant(f *testing.F) {
	for _, text := range []string{
		"2021-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "2021-02-28T00:00:00.000Z", "1970-01-01T00:00:00.000Z",
		"9999-12-31T23:59:59.999Z", "2021-01-01T08:00:00+08:00", "2021-13-01T00:00:00.000Z", "2021-01-28T24:00:00.000Z",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		slow, err := ParseInstant(text)
		if quick, ok := parseCanonical([]byte(text)); ok && (err != nil || quick != slow) {
			t.Fatalf("%q is %s to the quick reader, %s (%v) to the library", text, quick, slow, err)
		}
		var read Instant
		if readErr := read.UnmarshalText([]byte(text)); (readErr == nil) != (err == nil) || read != slow {
			t.Fatalf("%q is %s (%v), and %s (%v) to the library", text, read, readErr, slow, err)
		}
		if err != nil {
			return
		}
		if want := slow.Time().Format("2006-01-02T15:04:05.000Z"); slow.String() != want {
			t.Fatalf("%q is written as %s, by the library as %s", text, slow, want)
		}
		if again, err := ParseInstant(slow.String()); err != nil || again != slow {
			t.Fatalf("%q is %s, which is %s (%v)", text, slow, again, err)
		}
		if canonical, ok := parseCanonical([]byte(slow.String())); ok && canonical != slow {
			t.Fatalf("%s is %s to the quick reader", slow, canonical)
		}
	})
}
