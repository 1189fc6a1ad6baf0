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

var example = filepath.Join("..", "..", "examples", "upstream-2021")

func readAll[T any](t testing.TB, file string, read func(io.Reader) ([]T, error)) []T {
	t.Helper()
	f, err := os.Open(file)
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

func TestUpstream2021(t *testing.T) {
	apps := readAll(t, filepath.Join(example, "apps.jsonl"), ReadApps)
	deliveries := readAll(t, filepath.Join(example, "deliveries.jsonl"), ReadDeliveries)
	states := readAll(t, filepath.Join(example, "expected.jsonl"), ReadExpected)
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
		got := State(byID[want.App], facts, want.Now, grace).expected(want.Now)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("app %d at %s (-want +got):\n%s", want.App, formatInstant(want.Now), diff)
		}
	}
}
