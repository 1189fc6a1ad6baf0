package oracle

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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

var example = filepath.Join("..", "..", "..", "examples", "upstream-2021")

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

type upstream struct {
	apps       []App
	deliveries []Delivery
	states     []Expected // by instant, and at each the apps
}

func readUpstream(t testing.TB) upstream {
	t.Helper()
	u := upstream{
		apps:       readAll(t, filepath.Join(example, "apps.jsonl"), ReadApps),
		deliveries: readAll(t, filepath.Join(example, "deliveries.jsonl"), ReadDeliveries),
		states:     readAll(t, filepath.Join(example, "expected.jsonl"), ReadExpected),
	}
	if len(u.states) != 3720 || len(u.deliveries) != 953 {
		t.Fatalf("%d states expected by the feed after %d deliveries, want 3720 and 953", len(u.states), len(u.deliveries))
	}
	return u
}

// check holds every app at one instant against what the feed expects, with these deliveries and no others.
func (u upstream) check(t *testing.T, states []Expected, deliveries []Delivery) {
	t.Helper()
	now := states[0].Now
	facts, parked := Arrived(u.apps, deliveries, now)
	if len(parked) > 0 {
		t.Fatalf("parked of a feed without faults (%s): %s", parked[0].Reason, parked[0].Event)
	}
	byID := map[uint64]App{}
	for _, app := range u.apps {
		byID[app.ID] = app
	}
	for _, want := range states {
		got := State(byID[want.App], facts, now, Always(grace)).expected(now)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("app %d at %s (-want +got):\n%s", want.App, formatInstant(now), diff)
		}
	}
}

// TestUpstream2021 takes what arrives when it arrives.
func TestUpstream2021(t *testing.T) {
	u := readUpstream(t)
	for states := range slices.Chunk(u.states, len(u.apps)) {
		u.check(t, states, u.deliveries)
	}
}

// TestUpstream2021Shuffled takes all that arrives between two instants at the second of them, in any order.
func TestUpstream2021Shuffled(t *testing.T) {
	u := readUpstream(t)
	rng := rand.New(rand.NewPCG(2021, 7))
	waiting, arrived := u.deliveries, []Delivery(nil)
	for states := range slices.Chunk(u.states, len(u.apps)) {
		now := states[0].Now
		between := len(arrived)
		for len(waiting) > 0 && waiting[0].ArrivesAt <= now {
			arrived = append(arrived, sentAt(now, waiting[0]))
			waiting = waiting[1:]
		}
		shuffle(rng, arrived[between:])
		u.check(t, states, arrived)
	}
}

// TestUpstream2021AtTheEnd takes everything at the last instant, in any order.
func TestUpstream2021AtTheEnd(t *testing.T) {
	u := readUpstream(t)
	last := u.states[len(u.states)-len(u.apps):]
	var all []Delivery
	for _, delivery := range u.deliveries {
		all = append(all, sentAt(last[0].Now, delivery))
	}
	shuffle(rand.New(rand.NewPCG(2021, 8)), all)
	u.check(t, last, all)
}

func sentAt(now int64, delivery Delivery) Delivery {
	delivery.ArrivesAt = now
	return delivery
}

func shuffle(rng *rand.Rand, deliveries []Delivery) {
	rng.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })
}
