package oracle

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// grace is the policy under which the example feed's expectations were made: 168 hours.
const grace = 168 * hour

const (
	second = int64(1000)
	hour   = 3600 * second
	day    = 24 * hour
)

func upstream[T any](t testing.TB, file string, read func(io.Reader) ([]T, error)) []T {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "examples", "upstream-2021", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := read(f)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return all
}

// expectation reduces a view to what expected.jsonl holds.
func expectation(view View, now int64) Expected {
	expected := Expected{Now: now, App: view.App, Edition: view.Edition, Status: view.Status}
	if view.Arrears != nil {
		expected.ArrearsSince = view.Arrears.Since
		for _, invoice := range view.Arrears.Invoices {
			expected.Invoices = append(expected.Invoices, invoice.ID)
		}
	}
	if view.Lapse != nil {
		expected.LapseCause, expected.LapseSince = view.Lapse.Cause, view.Lapse.Since
	}
	return expected
}

func TestUpstream2021(t *testing.T) {
	apps := upstream(t, "apps.jsonl", ReadApps)
	deliveries := upstream(t, "deliveries.jsonl", ReadDeliveries)
	states := upstream(t, "expected.jsonl", ReadExpected)
	if len(states) != 3720 {
		t.Fatalf("%d states expected by the feed, want 3720", len(states))
	}
	byID := map[uint64]App{}
	for _, app := range apps {
		byID[app.ID] = app
	}
	arrived := map[int64][]Fact{}
	for _, want := range states {
		facts, known := arrived[want.Now]
		if !known {
			var parked []Parked
			facts, parked = Arrived(apps, deliveries, want.Now)
			if len(parked) > 0 {
				t.Fatalf("parked of a feed without faults: %s", parked[0].Event)
			}
			arrived[want.Now] = facts
		}
		got := expectation(State(byID[want.App], facts, want.Now, grace), want.Now)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("app %d at %s (-want +got):\n%s", want.App, formatInstant(want.Now), diff)
		}
	}
}
