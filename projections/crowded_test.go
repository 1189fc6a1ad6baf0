package projections

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"sundial/domain"
)

// TestCrowded gives an app more and more orders and invoices, and old ones another word, while the projections follow, are
// opened anew and go on: what they hold is what was decided and what a fresh fold makes, below, at and above the number at
// which each order and invoice stands in a row of its own.
func TestCrowded(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	w.do("acme", domain.CreateApp{AppName: "crowd"})
	w.do("acme", domain.CreateApp{AppName: "few"})
	crowd, money := domain.FirstApp, domain.Money{Currency: "CNY", Minor: 5}
	fact := func() domain.Command {
		w.now = w.now.Add(time.Hour)
		effective := w.now.Add(-time.Duration(random.IntN(300)) * time.Hour)
		invoice, order, version := fmt.Sprint("i-", random.IntN(30)), fmt.Sprint("o-", random.IntN(30)), random.Int64N(4)
		switch random.IntN(4) {
		case 0:
			return domain.MarkArrears{App: crowd, Invoice: invoice, Version: version, EffectiveAt: effective, Amount: money}
		case 1:
			return domain.SettleArrears{App: crowd, Invoice: invoice, Version: version, EffectiveAt: effective}
		case 2:
			return domain.Refund{App: crowd, Order: order, EffectiveAt: effective}
		}
		edition := []domain.Edition{domain.Pro, domain.Flagship}[random.IntN(2)]
		terms := w.order(order, edition, effective, effective.Add(time.Duration(random.IntN(20))*day))
		terms.Version = version
		return domain.RecordOrder{App: crowd, Order: terms}
	}
	few := 0
	for app := w.account("acme").Account.Apps[crowd]; app.Facts() < 3*inlineFacts; app = w.account("acme").Account.Apps[crowd] {
		s := w.open()
		stop := w.follow(s)
		for range 1 + random.IntN(inlineFacts) {
			w.do("acme", fact())
			if random.IntN(3) == 0 {
				w.wait(s) // a batch ends here
				w.same(s)
			}
		}
		name := fmt.Sprint("few ", few)
		few++
		w.do("acme", domain.EditAppInfo{App: crowd + 1, AppName: &name})
		w.wait(s)
		w.same(s)
		w.clean()
		listed, _, err := s.Apps(t.Context(), AppFilter{Account: "acme"}, Page{})
		if err != nil || len(listed) != 2 || !listed[0].Orders.Equal(w.account("acme").Account.Apps[crowd].Orders) {
			t.Errorf("listed: %d apps, %v; want both, with their orders", len(listed), err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCrowdedAppIsNotReadBack: once an app that has many facts was changed, a read finds it as the change left it, without
// reading its facts; and what is kept so is bounded by the facts.
func TestCrowdedAppIsNotReadBack(t *testing.T) {
	w := newWorld(t)
	w.do("acme", domain.CreateApp{AppName: "crowd"})
	s := w.serve()
	for i := range inlineFacts + 1 {
		w.do("acme", domain.RecordOrder{App: domain.FirstApp, Order: w.order(fmt.Sprint("o-", i), domain.Pro, w.now, w.now.Add(day))})
	}
	w.wait(s)
	if app, _ := s.recent.get(domain.FirstApp); app == nil || app.Orders.Len() != inlineFacts+1 {
		t.Errorf("kept is %+v", app)
	}
	half := make([]domain.Order, recentFacts/2)
	for i := range half {
		half[i].ID = fmt.Sprint(i)
	}
	orders := domain.OrdersOf(half...)
	for id := range domain.AppID(4) {
		s.recent.put(&domain.App{ID: id, Orders: orders}, s.recent.batch)
		facts := 0
		for _, app := range s.recent.apps {
			facts += app.Facts()
		}
		if facts != s.recent.facts || facts > recentFacts || s.recent.apps[id] == nil {
			t.Errorf("%d apps are kept with %d facts, counted as %d", len(s.recent.apps), facts, s.recent.facts)
		}
	}
}
