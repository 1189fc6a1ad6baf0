package projections

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sundial/domain"
)

const day = 24 * time.Hour

// fill appends a little of everything: three accounts, six apps, one of them deleted, two with dues.
func (w *world) fill() {
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
func (w *world) same(s *Store) {
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
func (w *world) clean() {
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
