package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/testing/enginetest"
	"sundial/scheduler"
)

const grace = 168 * time.Hour

// nodeClock lets a scheduler see the clock of its node.
type nodeClock struct{ *enginetest.Node }

func (c nodeClock) Now() time.Time { return c.Time() }

// still is an unsettable clock that stands still: every move of the node's clock is a jump to it.
func still() time.Duration { return 0 }

func start(t *testing.T, s *enginetest.Server, n *enginetest.Node, change func(*scheduler.Config)) *scheduler.Scheduler {
	t.Helper()
	config := scheduler.Config{Engine: n.Engine, Store: n.Store, Clock: nodeClock{n}, JetStream: s.JetStream}
	if change != nil {
		change(&config)
	}
	sched, err := scheduler.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return sched
}

// owing makes an account with an app that is in arrears since the given time, so that it is to be stopped seven days
// later.
func owing(t *testing.T, n *enginetest.Node, account string, since time.Time) domain.AppID {
	t.Helper()
	began := domain.InstantOf(enginetest.Began)
	app := n.Must(t, account, "create-"+since.String(), domain.Owner, domain.CreateApp{AppName: "app", Order: &domain.OrderTerms{
		ID: "o-1", Edition: domain.Pro, EffectiveAt: began - 1000, Amount: domain.Money{Currency: "CNY", Minor: 100},
	}}).App.ID
	n.Must(t, account, "owe-"+since.String(), domain.Billing, domain.MarkArrears{
		App: app, Invoice: "i-1", Version: 1, EffectiveAt: domain.InstantOf(since), Amount: domain.Money{Currency: "CNY", Minor: 5},
	})
	return app
}

func stops(events []domain.Event) (stops []domain.AppStopped) {
	for _, e := range events {
		if stop, ok := e.(domain.AppStopped); ok {
			stops = append(stops, stop)
		}
	}
	return stops
}

func TestStopsFireAtTheirDueNotBefore(t *testing.T) {
	s := enginetest.Start(t)
	n := s.Node(t, t.TempDir(), true)
	sched := start(t, s, n, nil)
	app := owing(t, n, "acme", enginetest.Began)

	n.Move(grace - time.Millisecond)
	if err := sched.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := stops(n.Events(t, "acme")); len(got) != 0 {
		t.Fatalf("one millisecond before its due: %+v", got)
	}
	n.Move(time.Millisecond)
	for range 2 {
		if err := sched.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := []domain.AppStopped{{About: domain.About{App: app}, Cause: domain.CauseArrears, EffectiveAt: domain.InstantOf(enginetest.Began.Add(grace))}}
	if diff := cmp.Diff(want, stops(n.Events(t, "acme"))); diff != "" {
		t.Errorf("at its due, after two sweeps (-want +got):\n%s", diff)
	}
}

func TestAnOutageKeepsTheDueTimesAndTheirOrder(t *testing.T) {
	s := enginetest.Start(t)
	n := s.Node(t, t.TempDir(), true)
	sched := start(t, s, n, nil)
	began := domain.InstantOf(enginetest.Began)
	app := n.Must(t, "acme", "c", domain.Owner, domain.CreateApp{AppName: "app", Order: &domain.OrderTerms{
		ID: "o-1", Edition: domain.Pro, PaidUntil: began.Add(240 * time.Hour), Amount: domain.Money{Currency: "CNY", Minor: 100},
	}}).App.ID
	n.Must(t, "acme", "u", domain.Owner, domain.UpgradeEdition{App: app, Order: domain.OrderTerms{
		ID: "o-2", Edition: domain.Flagship, PaidUntil: began.Add(120 * time.Hour), Amount: domain.Money{Currency: "CNY", Minor: 100},
	}})
	before := len(n.Events(t, "acme"))
	n.Move(1000 * time.Hour)
	if err := sched.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	about := domain.About{App: app}
	expired, stopped := began.Add(240*time.Hour), began.Add(240*time.Hour+grace)
	want := []domain.Event{
		domain.EditionChanged{About: about, From: domain.Flagship, To: domain.Pro, By: "time", EffectiveAt: began.Add(120 * time.Hour)},
		domain.TermScheduled{About: about, Due: expired, Cause: domain.CausePlanExpired, Expiries: []domain.ScheduledExpiry{
			{At: expired, Cause: domain.CausePlanExpired, Edition: domain.Pro, NoticeAt: expired.Add(-168 * time.Hour), Notices: domain.DefaultPolicy().Notices},
		}},
		domain.Lapsed{About: about, Cause: domain.CausePlanExpired, Grace: domain.Grace{Since: expired, StopDue: stopped, Edition: domain.Pro}},
		domain.TermScheduled{About: about},
		domain.AppStopped{About: about, Cause: domain.CausePlanExpired, EffectiveAt: stopped},
	}
	if diff := cmp.Diff(want, n.Events(t, "acme")[before:]); diff != "" {
		t.Errorf("after six weeks without a tick (-want +got):\n%s", diff)
	}
}

func TestTwoSchedulersFireOnce(t *testing.T) {
	s := enginetest.Start(t)
	nodes := []*enginetest.Node{s.Node(t, t.TempDir(), false), s.Node(t, t.TempDir(), false)}
	const accounts = 40
	for i := range accounts {
		owing(t, nodes[i%2], "acct-"+strconv.Itoa(i), enginetest.Began)
	}
	var both sync.WaitGroup
	for _, n := range nodes {
		n.Move(grace)
		sched := start(t, s, n, nil)
		both.Go(func() {
			for range 3 {
				if err := sched.Sweep(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	for i := range accounts {
		if got := stops(nodes[0].Events(t, "acct-"+strconv.Itoa(i))); len(got) != 1 {
			t.Errorf("account %d was stopped %d times, want once", i, len(got))
		}
	}
}

func TestUpstreamIsTakenInFirst(t *testing.T) {
	s := enginetest.Start(t)
	n := s.Node(t, t.TempDir(), true)
	paying, stuck, owes := owing(t, n, "paying", enginetest.Began), owing(t, n, "stuck", enginetest.Began), owing(t, n, "owes", enginetest.Began)
	broken := errors.New("the upstream cannot be reached")
	var drained error
	sched := start(t, s, n, func(c *scheduler.Config) {
		c.Drain = func(context.Context) (map[string]error, error) {
			if drained == nil {
				n.Must(t, "paying", "pay", domain.Billing, domain.SettleArrears{
					App: paying, Invoice: "i-1", Version: 2, EffectiveAt: domain.InstantOf(enginetest.Began.Add(grace)),
				})
			}
			return map[string]error{"stuck": errors.New("its facts are refused by the log")}, drained
		}
	})
	n.Move(grace + time.Minute)
	drained = broken
	if err := sched.Sweep(t.Context()); !errors.Is(err, broken) {
		t.Errorf("a sweep without the upstream: %v, want %v", err, broken)
	}
	drained = nil
	if err := sched.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for account, want := range map[string]domain.Status{"paying": domain.Active, "stuck": domain.Active, "owes": domain.Stopped} {
		app, _, err := n.Store.App(t.Context(), map[string]domain.AppID{"paying": paying, "stuck": stuck, "owes": owes}[account])
		if err != nil || app.Status() != want {
			t.Errorf("%s: %v %v, want %s", account, app.Status(), err, want)
		}
	}
}

func TestAJumpOfTheClockHoldsUntilConfirmedOrReturned(t *testing.T) {
	for _, c := range []struct {
		name    string
		restart bool
		release func(t *testing.T, n *enginetest.Node, sched *scheduler.Scheduler)
		stopped bool
	}{
		{"confirmed", false, func(t *testing.T, _ *enginetest.Node, sched *scheduler.Scheduler) { confirm(t, sched) }, true},
		{"confirmed after a restart", true, func(t *testing.T, _ *enginetest.Node, sched *scheduler.Scheduler) { confirm(t, sched) }, true},
		{"the clock returned", false, func(_ *testing.T, n *enginetest.Node, _ *scheduler.Scheduler) { n.Move(-grace) }, false},
		{"the clock returned after a restart", true, func(_ *testing.T, n *enginetest.Node, _ *scheduler.Scheduler) { n.Move(-grace) }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := enginetest.Start(t)
			n := s.Node(t, t.TempDir(), true)
			app := owing(t, n, "acme", enginetest.Began)
			unsettable := func(c *scheduler.Config) { c.Elapsed = still }
			sched := start(t, s, n, unsettable)
			tick := func() {
				t.Helper()
				if err := sched.Tick(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			held := func(want bool) {
				t.Helper()
				if _, got, err := sched.Held(t.Context()); err != nil || got != want {
					t.Fatalf("held %t %v, want %t", got, err, want)
				}
			}
			tick()
			n.Move(time.Hour)
			tick()
			held(false) // an hour is not too much
			n.Move(grace - time.Hour)
			tick()
			held(true)
			if c.restart {
				sched = start(t, s, n, unsettable)
				tick()
				held(true)
			}
			if got := stops(n.Events(t, "acme")); len(got) != 0 {
				t.Fatalf("stopped during the hold: %+v", got)
			}
			c.release(t, n, sched)
			tick()
			held(false)
			tick()
			if got, _, err := n.Store.App(t.Context(), app); err != nil || (got.Status() == domain.Stopped) != c.stopped {
				t.Errorf("after the hold: %s %v, want stopped %t", got.Status(), err, c.stopped)
			}
		})
	}
}

func confirm(t *testing.T, sched *scheduler.Scheduler) {
	t.Helper()
	if err := sched.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAClockThatKeepsPaceIsNoJump(t *testing.T) {
	s := enginetest.Start(t)
	n := s.Node(t, t.TempDir(), true)
	var elapsed time.Duration
	sched := start(t, s, n, func(c *scheduler.Config) { c.Elapsed = func() time.Duration { return elapsed } })
	for range 3 {
		if err := sched.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.Move(5 * time.Hour) // the process was stopped for as long
		elapsed += 5 * time.Hour
	}
	if _, held, err := sched.Held(t.Context()); held || err != nil {
		t.Errorf("held %t %v after a wait, want none", held, err)
	}
}

func TestSandbox(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.clock")
	clock, err := scheduler.OpenSandbox(path, enginetest.Began)
	if err != nil {
		t.Fatal(err)
	}
	s := enginetest.Start(t)
	n := s.Node(t, t.TempDir(), true)
	app := owing(t, n, "acme", enginetest.Began)
	sched := start(t, s, n, func(c *scheduler.Config) { c.Clock = clock })
	n.Move(grace) // the engine of this test has a clock of its own
	due := domain.InstantOf(enginetest.Began.Add(grace))
	for _, step := range []struct {
		to      domain.Instant
		err     error
		stopped bool
	}{
		{due - 1, nil, false}, {due - 2, scheduler.ErrBackwards, false}, {due, nil, true}, {due, nil, true},
	} {
		if err := sched.Advance(t.Context(), step.to); !errors.Is(err, step.err) {
			t.Errorf("advancing to %s: %v, want %v", step.to, err, step.err)
		}
		if got, _, err := n.Store.App(t.Context(), app); err != nil || (got.Status() == domain.Stopped) != step.stopped {
			t.Errorf("at %s: %s %v, want stopped %t", step.to, got.Status(), err, step.stopped)
		}
	}
	again, err := scheduler.OpenSandbox(path, enginetest.Began)
	if err != nil || domain.InstantOf(again.Now()) != due {
		t.Errorf("opened again the clock stands at %s %v, want %s", again.Now(), err, due)
	}
}

// TestTheSandboxsClockIsWhole flips each bit of either of the clock's files, cuts them, takes them away and brings them back from an
// older copy: no other time comes of it. A time alone is taken as well.
func TestTheSandboxsClockIsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sandbox.clock")
	if err := os.WriteFile(path, []byte("2021-03-04T05:06:07.000Z"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)
	for range 2 { // as an earlier program wrote it, and as it was written over
		if clock, err := scheduler.OpenSandbox(path, enginetest.Began); err != nil || !clock.Now().Equal(want) {
			t.Fatalf("%v, %v", clock, err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	older := path + ".older"
	if _, err := scheduler.OpenSandbox(older, enginetest.Began); err != nil {
		t.Fatal(err)
	}
	earlier, err := os.ReadFile(older)
	if err != nil {
		t.Fatal(err)
	}
	spoiled := [][]byte{nil, earlier} // gone, and brought back from an older copy
	for bit := 0; bit < 8*len(whole); bit += 11 {
		flipped := slices.Clone(whole)
		flipped[bit/8] ^= 1 << (bit % 8)
		spoiled = append(spoiled, flipped)
	}
	for length := 0; length < len(whole); length += 6 {
		spoiled = append(spoiled, whole[:length])
	}
	copied := path + ".copy"
	put := func(name string, text []byte) {
		t.Helper()
		err := os.WriteFile(name, text, 0o600)
		if text == nil {
			err = os.Remove(name)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, text := range spoiled {
		name := []string{path, copied}[i/2%2] // either; each of the first two once
		put(name, text)
		clock, err := scheduler.OpenSandbox(path, enginetest.Began)
		if err != nil || !clock.Now().Equal(want) {
			t.Fatalf("%s holds %q: %v, %v", name, text, clock, err)
		}
		if mended, err := os.ReadFile(name); err != nil || !slices.Equal(mended, whole) {
			t.Fatalf("%s is not mended: %q, %v", name, mended, err)
		}
	}
	for _, name := range []string{path, copied} {
		put(name, earlier)
		if clock, err := scheduler.OpenSandbox(path, enginetest.Began); err != nil || !clock.Now().Equal(want) {
			t.Errorf("%s from before: %v, %v", name, clock, err)
		}
		put(name, nil)
		if clock, err := scheduler.OpenSandbox(path, enginetest.Began); err != nil || !clock.Now().Equal(want) {
			t.Errorf("without %s: %v, %v", name, clock, err)
		}
	}
	put(path, whole[:30])
	put(copied, whole[:30])
	if clock, err := scheduler.OpenSandbox(path, enginetest.Began); !errors.Is(err, scheduler.ErrClockDamaged) {
		t.Errorf("both damaged: %v, %v", clock, err)
	}
}

// TestTwoNodesDecideForTheSameAccounts lets two engines, each with a scheduler, work on the same accounts at once: each
// stop fires once, each fact is recorded once, and both projections end the same.
func TestTwoNodesDecideForTheSameAccounts(t *testing.T) {
	s := enginetest.Start(t)
	nodes := []*enginetest.Node{s.Node(t, t.TempDir(), false), s.Node(t, t.TempDir(), false)}
	const accounts, invoices = 6, 20
	apps := make([]domain.AppID, accounts)
	for i := range apps {
		apps[i] = owing(t, nodes[0], fmt.Sprintf("acct-%d", i), enginetest.Began)
	}
	if err := nodes[1].Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for which, n := range nodes {
		n.Move(grace + time.Hour)
		sched := start(t, s, n, nil)
		all.Go(func() {
			for range 10 {
				if err := sched.Sweep(t.Context()); err != nil && !errors.Is(err, engine.ErrBusy) {
					t.Error(err)
				}
			}
		})
		for i, app := range apps {
			all.Go(func() {
				for k := range invoices {
					_, err := n.Do(t, fmt.Sprintf("acct-%d", i), fmt.Sprintf("fact/%d-%d", i, k), domain.Billing, domain.MarkArrears{
						App: app, Invoice: fmt.Sprintf("more-%d", k), Version: 1, EffectiveAt: domain.InstantOf(enginetest.Began) + 1,
						Amount: domain.Money{Currency: "CNY", Minor: int64(k)}, Report: &domain.Report{Source: "s", ID: strconv.Itoa(k)},
					})
					if err != nil {
						t.Errorf("node %d: %v", which, err)
					}
				}
			})
		}
	}
	all.Wait()
	for i, app := range apps {
		account := fmt.Sprintf("acct-%d", i)
		events, facts := nodes[0].Events(t, account), 0
		for _, e := range events {
			if _, ok := e.(domain.InvoiceOverdueRecorded); ok {
				facts++
			}
		}
		if got := stops(events); len(got) != 1 || facts != invoices+1 {
			t.Errorf("%s: %d stops and %d facts, want 1 and %d", account, len(got), facts, invoices+1)
		}
		var views []*domain.App
		for _, n := range nodes {
			if err := n.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			view, _, err := n.Store.App(t.Context(), app)
			if err != nil {
				t.Fatal(err)
			}
			views = append(views, view)
		}
		if diff := cmp.Diff(views[0], views[1]); diff != "" {
			t.Errorf("%s: the nodes' projections differ (-first +second):\n%s", account, diff)
		}
	}
}
