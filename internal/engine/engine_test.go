package engine_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/testing/enginetest"
)

func TestACommandIsAnsweredTheSameForever(t *testing.T) {
	s, dir := enginetest.Start(t), t.TempDir()
	n := s.Node(t, dir, true)
	first := n.Must(t, "acme", "k-1", domain.Owner, domain.CreateApp{AppName: "shop"})
	edited := "shop two"
	n.Must(t, "acme", "k-2", domain.Owner, domain.EditAppInfo{App: first.App.ID, AppName: &edited})

	again := func(n *enginetest.Node) {
		t.Helper()
		answer := n.Must(t, "acme", "k-1", domain.Owner, domain.CreateApp{AppName: "shop"})
		if answer.Outcome != engine.Repeated || answer.Position != first.Position || answer.App.Name != "shop" || answer.App.Version != first.App.Version {
			t.Errorf("the same command again: %+v with app %+v; want the first answer, position %d", answer, answer.App, first.Position)
		}
		if _, err := n.Do(t, "acme", "k-1", domain.Owner, domain.CreateApp{AppName: "other"}); !errors.Is(err, engine.ErrIDReused) {
			t.Errorf("the same id with another content: %v, want ErrIDReused", err)
		}
	}
	again(n)
	n.Stop()
	again(s.Node(t, dir, true))         // with the projections of before
	again(s.Node(t, t.TempDir(), true)) // with projections that are just being built
	if other := s.Node(t, t.TempDir(), true).Must(t, "globex", "k-1", domain.Owner, domain.CreateApp{AppName: "shop"}); other.Outcome != engine.Appended {
		t.Errorf("the same id in another account: %s, want its own app", other.Outcome)
	}
}

func TestRefusalAndSilenceWriteNothing(t *testing.T) {
	n := enginetest.Start(t).Node(t, t.TempDir(), true)
	app := n.Must(t, "acme", "k-1", domain.Owner, domain.CreateApp{AppName: "shop"}).App.ID
	name := "shop"
	if got := n.Must(t, "acme", "k-2", domain.Owner, domain.EditAppInfo{App: app, AppName: &name}); got.Outcome != engine.Silent || got.App == nil || got.App.ID != app {
		t.Errorf("an edit that changes nothing: %+v", got)
	}
	if _, err := n.Do(t, "acme", "k-3", domain.Owner, domain.DeleteApp{App: app}); enginetest.Refusal(err) != "app_not_stopped" {
		t.Errorf("deleting an active app: %v", err)
	}
	// what was refused is judged afresh under the same id
	n.Must(t, "acme", "k-4", domain.Owner, domain.StopApp{App: app})
	if got := n.Must(t, "acme", "k-3", domain.Owner, domain.DeleteApp{App: app, Confirm: "shop"}); got.App.Status() != domain.Deleted {
		t.Errorf("deleting after the stop: %s", got.App.Status())
	}
	if got := n.Commits(t, "acme"); got != 3 {
		t.Errorf("%d commits, want 3", got)
	}
}

func TestStaleVersionIsRefusedUnlessTheIDIsKnown(t *testing.T) {
	n := enginetest.Start(t).Node(t, t.TempDir(), true)
	created := n.Must(t, "acme", "k-1", domain.Owner, domain.CreateApp{AppName: "shop"})
	edit := func(id, name string, version uint64) error {
		_, err := n.Execute(t.Context(), engine.Request{
			Account: "acme", ID: id, Role: domain.Owner, IfMatch: []uint64{version},
			Command: domain.EditAppInfo{App: created.App.ID, AppName: &name},
		})
		return err
	}
	if err := edit("k-2", "two", created.App.Version); err != nil {
		t.Fatal(err)
	}
	if err := edit("k-3", "three", created.App.Version); !errors.Is(err, engine.ErrStale) {
		t.Errorf("a stale version: %v, want ErrStale", err)
	}
	if err := edit("k-2", "two", created.App.Version); err != nil {
		t.Errorf("a known id with a version that is stale by now: %v", err)
	}
}

func TestQuotaHoldsUnderSimultaneousCommands(t *testing.T) {
	s := enginetest.Start(t)
	for _, two := range []bool{false, true} {
		account := fmt.Sprintf("acme-%t", two)
		nodes := []*enginetest.Node{s.Node(t, t.TempDir(), !two)}
		if two {
			nodes = append(nodes, s.Node(t, t.TempDir(), false))
		}
		for i := range 90 {
			nodes[0].Must(t, account, "fill-"+strconv.Itoa(i), domain.Owner, domain.CreateApp{AppName: "app"})
		}
		var created, refused atomic.Int32
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				_, err := nodes[i%len(nodes)].Do(t, account, "race-"+strconv.Itoa(i), domain.Owner, domain.CreateApp{AppName: "app"})
				switch {
				case err == nil:
					created.Add(1)
				case enginetest.Refusal(err) == "quota_exhausted":
					refused.Add(1)
				default:
					t.Errorf("create: %v", err)
				}
			})
		}
		all.Wait()
		if created.Load() != 10 || refused.Load() != 190 {
			t.Errorf("two nodes %t: %d created and %d refused, want 10 and 190", two, created.Load(), refused.Load())
		}
		if got := nodes[0].Commits(t, account); got != 100 {
			t.Errorf("two nodes %t: %d commits, want 100", two, got)
		}
		for _, n := range nodes {
			n.Stop()
		}
	}
}

func TestOneCommandSentManyTimesAtOnce(t *testing.T) {
	s := enginetest.Start(t)
	nodes := []*enginetest.Node{s.Node(t, t.TempDir(), false), s.Node(t, t.TempDir(), false)}
	var all sync.WaitGroup
	var first, repeated atomic.Int32
	positions := make([]uint64, 50)
	for i := range 50 {
		all.Go(func() {
			answer, err := nodes[i%2].Do(t, "acme", "the-one", domain.Owner, domain.CreateApp{AppName: "app"})
			switch {
			case err != nil:
				t.Errorf("create: %v", err)
			case answer.Outcome == engine.Appended:
				first.Add(1)
			case answer.Outcome == engine.Repeated:
				repeated.Add(1)
			}
			positions[i] = answer.Position
		})
	}
	all.Wait()
	if first.Load() != 1 || repeated.Load() != 49 {
		t.Errorf("%d appended and %d repeated, want 1 and 49", first.Load(), repeated.Load())
	}
	for _, p := range positions {
		if p != positions[0] {
			t.Fatalf("answers name positions %v, want one", positions)
		}
	}
	if got := nodes[0].Commits(t, "acme"); got != 1 {
		t.Errorf("%d commits, want 1", got)
	}
}

func TestFactIDsAreUniqueEverywhere(t *testing.T) {
	n := enginetest.Start(t).Node(t, t.TempDir(), true)
	a := n.Must(t, "acme", "k-1", domain.Owner, domain.CreateApp{AppName: "app"}).App.ID
	b := n.Must(t, "globex", "k-1", domain.Owner, domain.CreateApp{AppName: "app"}).App.ID
	fact := func(app domain.AppID) domain.Command {
		return domain.MarkArrears{
			App: app, Invoice: "inv", Version: 1, EffectiveAt: domain.InstantOf(enginetest.Began),
			Amount: domain.Money{Currency: "CNY", Minor: 1}, Report: &domain.Report{Source: "s", ID: "1"},
		}
	}
	n.Must(t, "acme", "fact/one", domain.Billing, fact(a))
	if got := n.Must(t, "acme", "fact/one", domain.Billing, fact(a)); got.Outcome != engine.Repeated {
		t.Errorf("the fact again: %s", got.Outcome)
	}
	if _, err := n.Do(t, "globex", "fact/one", domain.Billing, fact(b)); !errors.Is(err, engine.ErrIDReused) {
		t.Errorf("the fact's id in another account: %v, want ErrIDReused", err)
	}
}

func TestTimeNeverRunsBackwardsForAnAccount(t *testing.T) {
	n := enginetest.Start(t).Node(t, t.TempDir(), true)
	app := n.Must(t, "acme", "k-1", domain.Owner, domain.CreateApp{AppName: "app"}).App.ID
	n.Move(-time.Hour)
	if got := n.Must(t, "acme", "k-2", domain.Owner, domain.StopApp{App: app}); got.Account.RecordedAt != domain.InstantOf(enginetest.Began) {
		t.Errorf("recorded at %s after the clock was set back, want %s", got.Account.RecordedAt, enginetest.Began)
	}
}

func TestNumbersOfApps(t *testing.T) {
	s, dir := enginetest.Start(t), t.TempDir()
	n := s.Node(t, dir, true)
	create := func(n *enginetest.Node, id string) domain.AppID {
		t.Helper()
		return n.Must(t, "acme", id, domain.Owner, domain.CreateApp{AppName: "app"}).App.ID
	}
	imports := func(n *enginetest.Node, account, id string, app domain.AppID) error {
		_, err := n.Do(t, account, id, domain.Operator, domain.ImportApp{App: app, AppName: "old", CreatedAt: domain.InstantOf(enginetest.Began)})
		return err
	}
	if got := create(n, "c-1"); got != domain.FirstApp {
		t.Errorf("the first app is %d, want %d", got, domain.FirstApp)
	}
	for _, app := range []domain.AppID{domain.FirstApp + 1, domain.FirstApp + 2, domain.FirstApp + blockSize, 1_300_000_000} {
		if err := imports(n, "acme", fmt.Sprintf("i-%d", app), app); err != nil {
			t.Errorf("importing %d: %v", app, err)
		}
		if err := imports(n, "globex", fmt.Sprintf("i-%d", app), app); enginetest.Refusal(err) != "app_id_taken" {
			t.Errorf("importing %d into another account: %v, want app_id_taken", app, err)
		}
	}
	if err := imports(n, "globex", "i-used", domain.FirstApp); enginetest.Refusal(err) != "app_id_taken" {
		t.Errorf("importing a number that an app was created with: %v", err)
	}
	if got := create(n, "c-2"); got != domain.FirstApp+3 {
		t.Errorf("the second app is %d, want %d: imported numbers are skipped", got, domain.FirstApp+3)
	}
	n.Stop()
	n = s.Node(t, dir, true)
	if got := create(n, "c-3"); got != domain.FirstApp+4 {
		t.Errorf("after a restart the next app is %d, want %d", got, domain.FirstApp+4)
	}
	other := s.Node(t, t.TempDir(), false)
	if got := create(other, "c-4"); got != domain.FirstApp+blockSize+1 {
		t.Errorf("another node's first app is %d, want %d: a block of its own, imported numbers skipped", got, domain.FirstApp+blockSize+1)
	}
}

const blockSize = 500

func TestACommandWithoutARequiredTimeIsInvalid(t *testing.T) {
	n := enginetest.Start(t).Node(t, t.TempDir(), true)
	_, err := n.Do(t, "acme", "k-1", domain.Operator, domain.ImportApp{App: domain.FirstApp, AppName: "shop"})
	var invalid *domain.Invalid
	if !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Field != "created_at" {
		t.Errorf("an import without created_at: %v, want it named", err)
	}
}
