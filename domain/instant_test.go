package domain

import (
	"regexp"
	"strconv"
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
		"2021-01-01t00:00:00.000z":       "2021-01-01T00:00:00.000Z", // section 5.6: either case
		"2021-01-01t08:00:00+08:00":      "2021-01-01T00:00:00.000Z",
		"2021-01-01T00:00:00z":           "2021-01-01T00:00:00.000Z",
		"2021-01-01":                     "",
		"1609459200000":                  "",
		"":                               "",
		"2021-01-01T00:00:00.000Z ":      "",
		"02021-01-01T00:00:00.000Z":      "",
		"2021-01-01T00:00:00.000\u00a0Z": "",
		"2021-01-01T00:00:00.000+24:00":  "",
		"2021-01-01T00:00:00.000-24:00":  "",
		"2021-01-01t1:00:00z":            "",
		"2021-01-01T1:00:00+08:00":       "",
		"2021-01-01T00:00:00,5+08:00":    "",
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

// exactly are times as RFC 3339 writes them, each with the same time in UTC, and others, which nothing stands beside.
var exactly = map[string]string{
	"2021-01-01T00:00:00Z":                 "2021-01-01T00:00:00Z",
	"2021-01-01t00:00:00z":                 "2021-01-01T00:00:00Z",
	"2021-01-01T00:00:00.1Z":               "2021-01-01T00:00:00.1Z",
	"2021-01-01T00:00:00.123456789Z":       "2021-01-01T00:00:00.123456789Z",
	"2021-01-01T00:00:00.1234567899Z":      "2021-01-01T00:00:00.123456789Z", // cut off
	"2021-01-01T23:59:59.9999999999+23:59": "2021-01-01T00:00:59.999999999Z",
	"2021-01-01T00:00:00-23:59":            "2021-01-01T23:59:00Z",
	"2021-01-01T00:00:00-00:00":            "2021-01-01T00:00:00Z", // section 4.3: the zone is not known
	"0000-01-01T00:00:00Z":                 "0000-01-01T00:00:00Z",
	"1969-07-20T20:17:40Z":                 "1969-07-20T20:17:40Z",
	"1985-04-12T23:20:50.52Z":              "1985-04-12T23:20:50.52Z", // section 5.8
	"1996-12-19T16:39:57-08:00":            "1996-12-20T00:39:57Z",
	"1937-01-01T12:00:27.87+00:20":         "1937-01-01T11:40:27.87Z",
	"2000-02-29T00:00:00Z":                 "2000-02-29T00:00:00Z",
	"1900-02-29T00:00:00Z":                 "",
	"1990-12-31T23:59:60Z":                 "1991-01-01T00:00:00Z", // section 5.8: a leap second
	"1990-12-31T23:59:60.999Z":             "1991-01-01T00:00:00Z",
	"1990-12-31T15:59:60-08:00":            "1991-01-01T00:00:00Z",
	"2016-12-31t23:59:60z":                 "2017-01-01T00:00:00Z",
	"1990-12-31T23:58:60Z":                 "", // no leap second is there
	"1990-12-30T23:59:60Z":                 "",
	"1990-12-31T23:59:60-08:00":            "",
	"1990-12-31T23:59:61Z":                 "",
	"1990-12-31T23:59:60":                  "",
	"1990-12-31T23:59:60,5Z":               "",
	"2021-01-01T00:00:00,1Z":               "",
	"2021-01-01T00:00:00.Z":                "",
	"2021-01-01T00:00:00.1.1Z":             "",
	"2021-01-01T1:00:00Z":                  "",
	"2021-01-01T1:00:00.00Z":               "",
	"2021-1-01T00:00:00Z":                  "",
	"2021-01-1T00:00:00Z":                  "",
	"2021-01-01T24:00:00Z":                 "",
	"2021-01-01T00:60:00Z":                 "",
	"2021-01-01T00:00:00+24:00":            "",
	"2021-01-01T00:00:00+23:60":            "",
	"2021-01-01T00:00:00+0800":             "",
	"2021-01-01T00:00:00+08":               "",
	"2021-01-01T00:00:00UTC":               "",
	"2021-01-01T00:00:00":                  "",
	"2021-01-01T00:00Z":                    "",
	"2021-01-01 00:00:00Z":                 "",
	"20210101T000000Z":                     "",
	"12021-01-01T00:00:00Z":                "",
	"-021-01-01T00:00:00Z":                 "",
	"2021-01-01T00:00:00Z\n":               "",
	"":                                     "",
	"Z":                                    "",
	"t":                                    "",
}

func TestParseTime(t *testing.T) {
	for text, want := range exactly {
		got, err := ParseTime(text)
		if ok := want != ""; (err == nil) != ok || ok && got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q was read as %s (%v), want %q", text, got.UTC().Format(time.RFC3339Nano), err, want)
		}
	}
}

// dateTime is date-time of RFC 3339, section 5.6.
var dateTime = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(\.\d+)?([Zz]|([+-])(\d{2}):(\d{2}))$`)

// readDateTime reads by that grammar and the calendar, and gives the seconds since 1970.
func readDateTime(text string) (unix int, ok bool) {
	m := dateTime.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	number := func(i int) int { n, _ := strconv.Atoi(m[i]); return n }
	year, month, day, hour, minute, second := number(1), number(2), number(3), number(4), number(5), number(6)
	leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
	months := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	if leap {
		months[1]++
	}
	if month < 1 || month > 12 || day < 1 || day > months[month-1] || hour > 23 || minute > 59 || second > 60 ||
		number(10) > 23 || number(11) > 59 {
		return 0, false
	}
	const to1970 = 1970*365 + 1970/4 - 1970/100 + 1970/400 + 1 // days since 0000-01-01, itself in a leap year
	days := year*365 + day - 1 - to1970
	if year > 0 {
		days += 1 + (year-1)/4 - (year-1)/100 + (year-1)/400
	}
	for _, length := range months[:month-1] {
		days += length
	}
	zone := (number(10)*60 + number(11)) * 60
	if m[9] == "-" {
		zone = -zone
	}
	unix = ((days*24+hour)*60+minute)*60 + second - zone
	if second == 60 { // a leap second: in UTC the last one of a month
		return unix, unix%(24*60*60) == 0 && time.Unix(int64(unix), 0).UTC().Day() == 1
	}
	return unix, true
}

// FuzzParseTime: what is read is RFC 3339, all that is RFC 3339 is read, and it is read as the calendar has it.
func FuzzParseTime(f *testing.F) {
	for text := range exactly {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, ok := readDateTime(text)
		got, err := ParseTime(text)
		if (err == nil) != ok || ok && got.Unix() != int64(want) {
			t.Fatalf("%q was read as %d (%v), want %d, %t", text, got.Unix(), err, want, ok)
		}
	})
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
