package domain

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sundial/internal/testing/oracle"
)

// TestUpstream2021 lives through half a year of an upstream billing system, the example feed, and holds every app at
// every instant against what the feed expects: with a scheduler that is always there, and with one that was out and
// comes back when somebody looks.
func TestUpstream2021(t *testing.T) {
	apps := readFeed(t, "apps.jsonl", oracle.ReadApps)
	deliveries := readFeed(t, "deliveries.jsonl", oracle.ReadDeliveries)
	expected := readFeed(t, "expected.jsonl", oracle.ReadExpected)
	if len(expected) != 3720 {
		t.Fatalf("%d states expected by the feed, want 3720", len(expected))
	}
	for name, always := range map[string]bool{"a tick at every due": true, "a tick only when somebody looks": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(DefaultPolicy())
			for _, app := range apps {
				w.bring(t, Instant(deliveries[0].ArrivesAt), app, nil)
			}
			seen, waiting := map[string]bool{}, deliveries
			for look := range slices.Chunk(expected, len(apps)) {
				now := Instant(look[0].Now)
				for len(waiting) > 0 && Instant(waiting[0].ArrivesAt) <= now {
					d := waiting[0]
					waiting = waiting[1:]
					if always {
						w.untilJustBefore(t, Instant(d.ArrivesAt))
					}
					if id := d.Fact.Source + "\n" + d.Fact.ID; !seen[id] {
						seen[id] = true
						w.deliver(t, Instant(d.ArrivesAt), d.Fact)
					}
				}
				if always {
					w.untilJustBefore(t, now)
				}
				w.sweep(t, now)
				for _, want := range look {
					w.checkExpected(t, want)
				}
			}
			w.checkReplay(t)
		})
	}
}

// untilJustBefore ticks at every due instant before now.
func (w *harness) untilJustBefore(t failer, now Instant) {
	t.Helper()
	for due := w.due(now - 1); len(due) > 0; due = w.due(now - 1) {
		w.sweep(t, due[0].at)
	}
}

func (w *harness) checkExpected(t *testing.T, want oracle.Expected) {
	t.Helper()
	var app *App
	for _, acc := range w.accounts {
		if a := acc.Apps[AppID(want.App)]; a != nil {
			app = a
		}
	}
	got := oracle.Expected{
		Now: want.Now, App: want.App, Edition: string(app.Edition), Status: string(app.Status()),
		ArrearsSince: int64(app.Arrears.Since), LapseCause: string(app.Lapse.Cause), LapseSince: int64(app.Lapse.Since),
	}
	for i := range app.OpenInvoices(0, "") {
		got.Invoices = append(got.Invoices, i.ID)
	}
	slices.Sort(got.Invoices)
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("app %d at %s (-want +got):\n%s", want.App, Instant(want.Now), diff)
	}
}

func readFeed[T any](t *testing.T, name string, read func(io.Reader) ([]T, error)) []T {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "examples", "upstream-2021", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := read(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return all
}
