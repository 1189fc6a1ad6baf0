package api

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sundial/domain"
	"sundial/examples/upstream-2021"
	"sundial/internal/engine"
	"sundial/internal/testing/oracle"
)

// TestShuffledUpstream sends the example feed over HTTP in another order than it arrived in: what arrived between two
// instants of the clock, with every state that is then expected; and all of it at the end, to apps of other numbers
// beside the first ones, with the states of the last instant.
func TestShuffledUpstream(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	apps := readFeed(t, "apps.jsonl", oracle.ReadApps)
	deliveries := readFeed(t, "deliveries.jsonl", oracle.ReadDeliveries)
	expected := readFeed(t, "expected.jsonl", oracle.ReadExpected)
	w := start(t, nil)
	began := domain.Instant(deliveries[0].ArrivesAt)
	w.advance(began)
	w.bring(apps, asGiven)

	states, waiting := 0, deliveries
	for look := range slices.Chunk(expected, len(apps)) {
		now := domain.Instant(look[0].Now)
		arrived := 0
		for arrived < len(waiting) && domain.Instant(waiting[arrived].ArrivesAt) <= now {
			arrived++
		}
		w.advance(now)
		w.deliver(random, waiting[:arrived], asGiven)
		waiting = waiting[arrived:]
		w.advance(now) // what was due meanwhile
		states += w.compare(look, asGiven)
	}
	if states != 3720 {
		t.Errorf("%d states as expected, want 3720", states)
	}

	w.bring(apps, renamed)
	w.deliver(random, deliveries, renamed)
	last := expected[len(expected)-len(apps):]
	w.advance(domain.Instant(last[0].Now))
	if states := w.compare(last, renamed); states != len(apps) || states != 120 {
		t.Errorf("all at the end: %d states as expected, want 120", states)
	}
}

// names is how the accounts, the apps and the events of the feed are called.
type names struct{ *strings.Replacer }

var (
	asGiven = names{strings.NewReplacer()}
	renamed = names{strings.NewReplacer("acct-1-", "acct-2-", "1400110", "1400120", `"up-1-`, `"up-2-`)}
)

func (n names) app(id uint64) domain.AppID {
	var app domain.AppID
	if _, err := fmt.Sscan(n.Replace(fmt.Sprint(id)), &app); err != nil {
		panic(err)
	}
	return app
}

func (w *harness) advance(to domain.Instant) {
	w.t.Helper()
	w.must(http.StatusOK, "operator", "POST", "/v1/clock/advance", `{"to":"`+to.String()+`"}`)
}

// bring imports the apps of the feed.
func (w *harness) bring(apps []oracle.App, called names) {
	w.t.Helper()
	for _, app := range apps {
		id := called.app(app.ID)
		if _, err := w.engine.Execute(w.t.Context(), engine.Request{
			Account: called.Replace(app.Account), ID: fmt.Sprint("import-", id), Role: domain.Operator, Actor: "operator:test",
			Command: domain.ImportApp{App: id, AppName: app.Name, CreatedAt: domain.Instant(app.CreatedAt), Edition: domain.Edition(app.Edition)},
		}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// deliver sends deliveries as one batch, in a random order. None of them is to be parked.
func (w *harness) deliver(random *rand.Rand, deliveries []oracle.Delivery, called names) {
	w.t.Helper()
	if len(deliveries) == 0 {
		return
	}
	events := make([]string, len(deliveries))
	for to, from := range random.Perm(len(deliveries)) {
		events[to] = called.Replace(string(deliveries[from].Event))
	}
	a := w.must(http.StatusOK, "billing", "POST", "/v1/billing/events", "["+strings.Join(events, ",")+"]",
		"Content-Type", "application/cloudevents-batch+json")
	if strings.Contains(a.body, `"outcome":"parked"`) {
		w.t.Errorf("parked: %s", a.body)
	}
}

// compare counts the apps that are what the feed expects, and tells of the others.
func (w *harness) compare(expected []oracle.Expected, called names) (same int) {
	w.t.Helper()
	for _, want := range expected {
		app, found, err := w.node.Store.App(w.t.Context(), called.app(want.App))
		if err != nil || !found {
			w.t.Fatalf("app %d: found %t, %v", want.App, found, err)
		}
		got := oracle.Expected{
			Now: want.Now, App: want.App, Edition: string(app.Edition), Status: string(app.Status()),
			ArrearsSince: int64(app.Arrears.Since), LapseCause: string(app.Lapse.Cause), LapseSince: int64(app.Lapse.Since),
		}
		for i := range app.OpenInvoices(0, "") {
			got.Invoices = append(got.Invoices, i.ID)
		}
		slices.Sort(got.Invoices)
		for i := range want.Invoices {
			want.Invoices[i] = called.Replace(want.Invoices[i])
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			w.t.Errorf("app %d at %s (-want +got):\n%s", want.App, domain.Instant(want.Now), d)
			continue
		}
		same++
	}
	return same
}

func readFeed[T any](t *testing.T, name string, read func(io.Reader) ([]T, error)) []T {
	t.Helper()
	f, err := upstream2021.Files.Open(name)
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
