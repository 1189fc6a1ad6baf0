package projections

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sundial/domain"
)

const day = 24 * time.Hour

// fill appends a little of everything: three accounts, six apps, one of them deleted, two with dues.
func (w *harness) fill() {
	w.do("acme", domain.SetQuota{Apps: 120})
	for _, account := range []string{"acme", "bolt", "acme", "cord"} {
		w.do(account, domain.CreateApp{AppName: "shop " + account})
	}
	month := w.order("o-1", domain.Pro, w.now, w.now.Add(30*day))
	w.do("acme", domain.CreateApp{AppName: "Chat", Order: &month})
	w.do("bolt", domain.CreateApp{AppName: "100%_sure"})
	w.now = w.now.Add(day)
	chat := domain.FirstApp + 4
	w.do("acme", domain.MarkArrears{App: chat, Invoice: "i-1", Version: 1, EffectiveAt: w.now, Amount: domain.Money{Currency: "CNY", Minor: 5}})
	w.do("bolt", domain.StopApp{App: domain.FirstApp + 1, Reason: "abuse"})
	w.do("bolt", domain.DeleteApp{App: domain.FirstApp + 1, Confirm: "shop bolt"})
}

// same holds what is projected against what was decided.
func (w *harness) same(s *Store) {
	w.t.Helper()
	for id, want := range w.accounts {
		got, found, err := s.LoadAccount(w.t.Context(), id)
		if err != nil || !found {
			w.t.Fatalf("%s: %t, %v", id, found, err)
		}
		if diff := cmp.Diff(*want, got); diff != "" {
			w.t.Errorf("%s (-decided +projected):\n%s", id, diff)
		}
		for number, want := range want.Account.Apps {
			if owner, _, err := s.AccountOf(w.t.Context(), number); owner != id || err != nil {
				w.t.Errorf("account of %d: %s, %v; want %s", number, owner, err, id)
			}
			app, found, err := s.App(w.t.Context(), number)
			if diff := cmp.Diff(want, app); diff != "" || !found || err != nil {
				w.t.Errorf("app %d: %t, %v (-decided +projected):\n%s", number, found, err, diff)
			}
		}
	}
}

// clean holds the serving file against a fresh fold.
func (w *harness) clean() {
	w.t.Helper()
	differences, err := Check(w.t.Context(), w.config(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, d := range differences {
		w.t.Error(d)
	}
}

func TestFollow(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := w.serve()
	w.wait(s)
	w.same(s)
	// One commit more is seen at once.
	w.do("acme", domain.SetQuota{Apps: 130})
	w.wait(s)
	if acme, _, err := s.Account(t.Context(), "acme"); err != nil || acme.Quota != 130 || len(acme.Apps) > 0 {
		t.Errorf("account: %+v, %v", acme, err)
	}
	if _, found, err := s.LoadAccount(t.Context(), "nobody"); found || err != nil {
		t.Errorf("an account without commits: %t, %v", found, err)
	}
}

// TestRecent reads an app all the time while it changes: once its commit can be seen, no read gives what was before.
func TestRecent(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := w.serve()
	w.wait(s)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for last := uint64(0); ctx.Err() == nil; {
				reached := s.Position()
				app, found, err := s.App(t.Context(), domain.FirstApp)
				if err != nil || !found {
					t.Errorf("reading: %t, %v", found, err)
					return
				}
				if app.Position < last || app.Position < reached && reached > 10 {
					t.Errorf("the app as of %d, after %d was seen and %d reached", app.Position, last, reached)
				}
				last = app.Position
				app.Name = "the reader's own"
			}
		})
	}
	for i := range 300 {
		name := fmt.Sprint("name ", i)
		w.do("acme", domain.EditAppInfo{App: domain.FirstApp, AppName: &name}) // nothing else is written: each commit is its
		w.wait(s)
		if app, _, err := s.App(t.Context(), domain.FirstApp); err != nil || app.Name != name {
			t.Fatalf("%q, %v; want %q", app.Name, err, name)
		}
	}
	stop()
	group.Wait()
	for id := range domain.AppID(recentApps + 10) {
		s.recent.put(&domain.App{ID: id}, s.recent.batch)
	}
	if n := len(s.recent.apps); n != recentApps {
		t.Errorf("%d apps are kept, want %d", n, recentApps)
	}
}
