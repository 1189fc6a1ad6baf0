package query_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/query"
)

func TestPlaces(t *testing.T) {
	for text, want := range map[string]query.Place{
		"0": query.Behind(0), "1234": query.Behind(1234), "1234.0": {Position: 1234, Epoch: "1"}, "7.999": {Position: 7, Index: 999, Epoch: "1"},
		"9223372036854775807": query.Behind(1<<63 - 1), "1234@1": {Position: 1234, Index: -1, Epoch: "1"},
		"1234.0@2-k7qfxz4m": {Position: 1234, Epoch: "2-k7qfxz4m"}, "1234@12-k7qfxz4m": {Position: 1234, Index: -1, Epoch: "12-k7qfxz4m"},
	} {
		got, err := query.ParsePlace(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v, written %s", text, got, err, got)
		}
	}
	if zero := (query.Place{}).String(); zero != "0" {
		t.Errorf("the zero place is written %s", zero)
	}
	for _, text := range []string{"", "-1", "+1", "01", "1.", ".1", "1.01", "0.0", "1.0.0", "1e3", " 1", "9223372036854775808", "1.1000000", "0@1", "1@", "1@2", "1.0@1", "1@01-k7qfxz4m", "1@2-K7QFXZ4M", "1@2-k7qfxz4", "1@2-k7qfxz4m@1", "@1", strings.Repeat("1", 100)} {
		if got, err := query.ParsePlace(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

func FuzzPlace(f *testing.F) {
	for _, s := range []string{"0", "1234", "1234.0", "1.01", ".", "9223372036854775807.999999", "7@1", "7.1@2-k7qfxz4m", "7.1@1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := query.ParsePlace(s); err == nil && p.String() != s {
			t.Errorf("%q is read as %+v, written %s", s, p, p)
		}
	})
}

func FuzzTypes(f *testing.F) {
	for _, s := range []string{"", "app.stopped", "sundial.app.stopped,app.stopped", "app.stopped,", "sundial.sundial.app.stopped"} {
		f.Add(s)
	}
	reader := newWorld(f).reader
	f.Fuzz(func(t *testing.T, s string) {
		names, err := reader.ParseTypes(s)
		again, wrong := reader.ParseTypes(strings.Join(names, ","))
		if err == nil && (wrong != nil || !slices.Equal(names, again) || len(names) == 0) {
			t.Errorf("%q is read as %q, that as %q, %v", s, names, again, wrong)
		}
	})
}

// TestAPageLooksThroughSoMuchAndNoMore looks for what is not there in more commits than a page looks through.
func TestAPageLooksThroughSoMuchAndNoMore(t *testing.T) {
	w := newWorld(t)
	w.fill(60, 100)
	f := query.Feed{Types: []string{"app.deleted"}, Limit: 10}
	var stops []string
	for more := true; more; {
		page, err := w.reader.Feed(t.Context(), f)
		if err != nil || len(page.Events) > 0 {
			t.Fatalf("%+v, %v", page, err)
		}
		f.After, more = page.After, page.More
		stops = append(stops, page.After.String())
	}
	if got := fmt.Sprint(stops); got != "[5000@1 6000@1]" {
		t.Errorf("the pages ended at %s", got)
	}
	// A page is bounded in bytes as well.
	reason := strings.Repeat("x", 200<<10)
	for n := range 8 {
		_, err := w.Execute(t.Context(), engine.Request{
			Account: "large", ID: fmt.Sprint(n), Command: domain.SetQuota{Apps: 200 + n}, Role: domain.Operator, Actor: "operator:test", Reason: reason,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	page, err := w.reader.Feed(t.Context(), query.Feed{Account: "large", Limit: 500})
	if err != nil || len(page.Events) != 6 || !page.More || page.Told != "6006.0" {
		t.Errorf("%d events, more %t, after %s, %v", len(page.Events), page.More, page.After, err)
	}
}

// BenchmarkAsking asks of a log of 50,000 commits; more accounts or commits make it a larger one.
func BenchmarkAsking(b *testing.B) {
	w := newWorld(b)
	const accounts, each = 500, 100
	w.fill(accounts, each)
	for name, f := range map[string]query.Feed{
		"feed/first":   {Limit: 50},
		"feed/last":    {Limit: 50, After: query.Behind(accounts*each - 100)},
		"feed/account": {Limit: 50, After: query.Behind(accounts * each / 4), Account: "a7"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if page, err := w.reader.Feed(b.Context(), f); err != nil || len(page.Events) != f.Limit {
					b.Fatalf("%d events, %v", len(page.Events), err)
				}
			}
		})
	}
	b.Run("history", func(b *testing.B) {
		for b.Loop() {
			if page, err := w.reader.AccountHistory(b.Context(), "a7", query.History{Limit: 50}); err != nil || len(page.Commits) != 50 {
				b.Fatalf("%d commits, %v", len(page.Commits), err)
			}
		}
	})
	b.Run("statement", func(b *testing.B) {
		for b.Loop() {
			if _, err := w.reader.Statement(b.Context(), "a7", 0, query.Window{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
