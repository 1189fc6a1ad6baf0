package domain

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sundial/internal/testing/oracle"
)

// The worked examples of docs/lifecycle.md, run through the domain. The page says when something happens and what the app
// is from then on; arrivals says what to give the domain there. The oracle is asked the same in a test of its own.

// arrivals are the facts of each example, by its heading and the time at which they arrive.
var arrivals = map[string]map[string]Command{
	"Paid in time, reported late": {
		"03-01 10:00": paid("ord-1", Pro, on("03-01 10:00"), 0),
		"03-10 09:04": overdue("inv-1", 1, on("03-10 09:00")),
		"03-18 14:00": settle("inv-1", 2, on("03-17 09:00")),
	},
	"A payment that bounces": {
		"03-01 10:00": paid("ord-1", Pro, on("03-01 10:00"), 0),
		"03-10 09:00": overdue("inv-1", 1, on("03-10 09:00")),
		"03-12 16:00": settle("inv-1", 2, on("03-12 16:00")),
		"03-20 11:00": overdue("inv-1", 3, on("03-20 11:00")),
		"03-21 08:00": settle("inv-1", 2, on("03-12 16:00")),
		"03-22 12:00": over(700, overdue("inv-1", 4, on("03-22 12:00"))),
		"03-29 10:00": voidOf("inv-1", 5, on("03-29 10:00")),
	},
	"An upgrade that is refunded, and then the end of the term": {
		"03-01 10:00": paid("ord-1", Pro, on("03-01 10:00"), on("06-01 10:00")),
		"03-15 12:00": paid("ord-2", Flagship, on("03-15 12:00"), on("08-15 12:00")),
		"04-03 09:00": refund("ord-2", on("04-01 18:30")),
		"06-05 15:00": refund("ord-1", on("06-01 10:00")),
		"06-20 17:00": paid("ord-3", Pro, on("06-20 17:00"), on("07-20 17:00")),
	},
	"Two reasons at one instant": {
		"04-01 00:00": paid("ord-1", Pro, on("04-01 00:00"), on("05-01 00:00")),
		"05-01 00:00": overdue("inv-1", 1, on("05-01 00:00")),
		"05-10 09:00": settle("inv-1", 2, on("05-10 09:00")),
		"05-11 09:00": paid("ord-2", Pro, on("05-11 09:00"), 0),
	},
	"A renewal paid ahead, without a gap": {
		"03-01 10:00": paid("ord-1", Pro, on("03-01 10:00"), on("04-01 10:00")),
		"03-05 09:00": paid("ord-2", Pro, on("04-01 10:00"), on("05-01 10:00")),
	},
	"A renewal paid ahead that leaves a gap": {
		"03-01 10:00": paid("ord-1", Pro, on("03-01 10:00"), on("04-01 10:00")),
		"03-05 09:00": paid("ord-2", Pro, on("04-03 10:00"), on("05-03 10:00")),
		"04-02 09:00": restated(paid("ord-2", Pro, on("04-08 10:00"), on("05-03 10:00")), 1),
	},
	"An upgrade ahead, a downgrade ahead, and a refund before the beginning": {
		"03-01 10:00": paid("ord-1", Pro, on("03-01 10:00"), on("05-01 10:00")),
		"03-02 09:00": paid("ord-2", Flagship, on("04-01 00:00"), on("05-01 10:00")),
		"04-10 12:00": paid("ord-3", Pro, on("05-01 10:00"), on("06-01 10:00")),
		"05-10 12:00": paid("ord-4", Flagship, on("06-01 10:00"), 0),
		"05-12 12:00": refund("ord-4", on("05-12 12:00")),
	},
	"Owing before the first order begins": {
		"03-01 10:00": paid("ord-1", Pro, on("04-01 00:00"), 0),
		"03-10 09:00": overdue("inv-1", 1, on("03-10 09:00")),
	},
	"A credit note": {
		"03-01 10:00": paid("ord-1", Pro, on("03-01 10:00"), 0),
		"03-10 09:00": overdue("inv-1", 1, on("03-10 09:00")),
		"03-14 10:00": over(0, overdue("inv-1", 2, on("03-14 10:00"))),
		"03-20 11:00": over(300, overdue("inv-1", 3, on("03-20 11:00"))),
	},
	"Goodwill, and a refund in two parts": {
		"03-01 10:00": paid("ord-1", Pro, on("03-01 10:00"), on("06-01 10:00")),
		"03-15 12:00": Refund{App: testApp, Order: "ord-1", Refund: "rf-1", EffectiveAt: on("03-15 12:00"), Goodwill: true},
		"04-10 12:00": Refund{App: testApp, Order: "ord-1", Refund: "rf-2", EffectiveAt: on("04-10 12:00")},
		"04-12 12:00": Refund{App: testApp, Order: "ord-1", Refund: "rf-3", EffectiveAt: on("04-11 12:00")},
	},
	"Two weeks for the flagship": {
		"03-01 10:00": paid("ord-1", Pro, on("03-01 10:00"), 0),
		"03-05 10:00": paid("ord-2", Flagship, on("03-05 10:00"), on("03-12 10:00")),
		"03-10 09:00": overdue("inv-1", 1, on("03-10 09:00")),
		"03-15 09:00": refund("ord-2", on("03-08 18:00")),
	},
}

// over is an overdue invoice of another amount.
func over(minor int64, c MarkArrears) MarkArrears {
	c.Amount.Minor = minor
	return c
}

// on is a time of the page: all are in 2021.
func on(text string) Instant {
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if at, err := time.Parse(layout, "2021-"+text); err == nil {
			return InstantOf(at)
		}
	}
	panic("no time: " + text)
}

// What a row of the page says, beside its status, that can be held against the domain.
var (
	rowTime    = regexp.MustCompile(`^\d\d-\d\d \d\d:\d\d(?::\d\d)?`)
	saysDue    = regexp.MustCompile(`stop due (\d\d-\d\d \d\d:\d\d)`)
	saysHold   = regexp.MustCompile("hold `(\\w+)`")
	saysLapse  = regexp.MustCompile("lapse `(\\w+)`")
	saysLifted = regexp.MustCompile("reinstated by `(\\w+)`(?:, (not late|`late`))?")
	saysNext   = regexp.MustCompile("next is `([\\w:]+)` (\\d\\d-\\d\\d \\d\\d:\\d\\d)")
)

func TestWorkedExamples(t *testing.T) {
	page, err := os.ReadFile("../docs/lifecycle.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "\n## Worked examples\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	told := strings.Split(section, "\n### ")[1:]
	if len(told) != len(arrivals) {
		t.Errorf("the page tells %d examples, the test knows %d", len(told), len(arrivals))
	}
	for _, example := range told {
		title, text, _ := strings.Cut(example, "\n")
		t.Run(title, func(t *testing.T) {
			facts, known := arrivals[title]
			if !known {
				t.Fatal("the page has an example that the test does not know: add what arrives in it")
			}
			playOut(t, title, text, facts)
		})
	}
}

// playOut lives through an example row by row, with a sweep of the scheduler at each.
func playOut(t *testing.T, title, text string, facts map[string]Command) {
	t.Helper()
	w := newWorld(DefaultPolicy())
	w.bring(t, on("01-01 00:00"), oracle.App{Account: acme, ID: uint64(testApp), Name: "shop", CreatedAt: int64(on("01-01 00:00"))}, nil)
	if title == "Two weeks for the flagship" {
		two := PolicyPart{Grace: Span(336 * time.Hour)}
		if _, err := w.run(t, acme, on("01-01 00:00"), Operator, SetPolicy{AccountPolicy{Editions: EditionsPolicy{Flagship: &two}}}); err != nil {
			t.Fatal(err)
		}
	}
	arrived := 0
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !rowTime.MatchString(strings.TrimSpace(cells[1])) {
			continue
		}
		what, status := strings.TrimSpace(cells[1]), strings.ReplaceAll(strings.TrimSpace(cells[2]), "*", "")
		stamp := rowTime.FindString(what)
		now := on(stamp)
		w.untilJustBefore(t, now)
		before := len(w.log[acme])
		if fact := facts[stamp]; fact != nil {
			arrived++
			if _, err := w.run(t, acme, now, Billing, fact); err != nil {
				t.Fatalf("%s: %v", stamp, err)
			}
		}
		w.sweep(t, now)
		var events []Event
		for _, c := range w.log[acme][before:] {
			events = append(events, c.events...)
		}
		checkRow(t, stamp, what+" | "+cells[3], status, w.account(acme).Apps[testApp], events)
	}
	if arrived != len(facts) {
		t.Errorf("%d of %d facts arrived: the page has no row at the time of the others", arrived, len(facts))
	}
	w.checkReplay(t)
}

// checkRow holds the app, and the events that led to it, against what a row says.
func checkRow(t *testing.T, stamp, says, status string, app *App, events []Event) {
	t.Helper()
	got := string(app.Status())
	if strings.Contains(status, ", ") {
		got = string(app.Edition) + ", " + got
	}
	if got != status {
		t.Errorf("%s: the app is %s, the page says %s", stamp, got, status)
	}
	if m := saysDue.FindStringSubmatch(says); m != nil && app.Arrears.StopDue != on(m[1]) && app.Lapse.StopDue != on(m[1]) {
		t.Errorf("%s: the stop is due at %s or %s, the page says %s", stamp, app.Arrears.StopDue, app.Lapse.StopDue, m[1])
	}
	if stop, _ := app.Stop(); !agrees(saysHold, says, string(stop.Cause)) {
		t.Errorf("%s: stopped by %q; the page says: %s", stamp, stop.Cause, says)
	}
	if !agrees(saysLapse, says, string(app.Lapse.Cause)) {
		t.Errorf("%s: lapsed by %q; the page says: %s", stamp, app.Lapse.Cause, says)
	}
	if m := saysNext.FindStringSubmatch(says); m != nil {
		if next, _ := app.NextTransition(); next.To != m[1] || next.At != on(m[2]) {
			t.Errorf("%s: next is %s at %s, the page says %s at %s", stamp, next.To, next.At, m[1], m[2])
		}
	}
	m := saysLifted.FindStringSubmatch(says)
	at := slices.IndexFunc(events, func(e Event) bool { _, is := e.(AppReinstated); return is })
	switch {
	case m == nil:
	case at < 0:
		t.Errorf("%s: nothing reinstated the app; the page says: %s", stamp, says)
	default:
		e := events[at].(AppReinstated) //nolint:forcetypeassert // so it was found
		if string(e.By) != m[1] || m[2] != "" && e.Late != (m[2] == "`late`") {
			t.Errorf("%s: reinstated by %s, late: %t; the page says: %s", stamp, e.By, e.Late, says)
		}
	}
}

// agrees says whether what a row says of something, if it does, is so.
func agrees(said *regexp.Regexp, row, got string) bool {
	m := said.FindStringSubmatch(row)
	return m == nil || m[1] == got
}
