package projections

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"sundial/domain"
	"sundial/eventstore"
)

// TestRebuildEqualsLive appends any history, follows it live with stops and starts anywhere, builds it anew with
// memory for very little, and finds the same rows in both, and what was decided in them.
func TestRebuildEqualsLive(t *testing.T) {
	base := newWorld(t)
	histories := 0
	rapid.Check(t, func(rt *rapid.T) {
		histories++
		w := &harness{policy: domain.DefaultPolicy(),
			t: t, dir: t.TempDir(), server: base.server, nc: base.nc, codec: base.codec,
			accounts: map[string]*Row{}, now: begin, next: domain.FirstApp, held: map[domain.CertificateID]domain.AppID{},
		}
		name := fmt.Sprintf("HISTORY_%d", histories)
		log, err := eventstore.Create(t.Context(), base.nc, eventstore.Config{Stream: name, Subject: name})
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close(t.Context())
		w.log = log
		s, err := Open(t.Context(), w.config())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { s.Close() }()
		stop := w.follow(s)
		for range rapid.IntRange(1, 60).Draw(rt, "commands") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 100).Draw(rt, "hours")) * time.Hour)
			account := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "account")
			w.do(account, anyCommand(rt, w, account))
			switch rapid.IntRange(0, 9).Draw(rt, "then") {
			case 0:
				stop()
				stop = w.follow(s)
			case 1:
				w.wait(s)
				w.sameDues(rt, s)
				w.sameHoldings(rt, s)
			case 2:
				stop()
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = Open(t.Context(), w.config()); err != nil {
					t.Fatal(err)
				}
				stop = w.follow(s)
			case 3:
				if err := s.Rebuild(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.wait(s)
		w.same(s)
		w.sameDues(rt, s)
		w.sameHoldings(rt, s)
		w.clean()
		stop()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		w.little(rt)
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// little replaces the serving file by one that was built with memory for two apps and batches of three commits, in
// several goes, and checks it.
func (w *harness) little(rt *rapid.T) {
	b, err := newBuilder(w.config(), w.codec, newFile(w.config()))
	if err != nil {
		w.t.Fatal(err)
	}
	b.batch, b.apps = 3, 2
	for _, upTo := range []uint64{w.head / 3, w.head} {
		if err := b.build(w.t.Context(), upTo, nil); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := b.close(); err != nil {
		w.t.Fatal(err)
	}
	if err := replace(filepath.Join(w.config().Dir, fileName), newFile(w.config())); err != nil {
		w.t.Fatal(err)
	}
	w.clean()
}

// sameDues holds the due rows against the apps that were decided, both in full and as a scheduler asks.
func (w *harness) sameDues(rt *rapid.T, s *Store) {
	want := map[string]bool{}
	now := map[string]bool{}
	for id, row := range w.accounts {
		for _, app := range row.Account.Apps {
			for _, d := range app.Dues() {
				stale := func(at domain.Instant) bool {
					return d.Kind == domain.DueNotice && d.To <= domain.NoticeOf+at.String()
				}
				if !stale(domain.MaxInstant) {
					want[fmt.Sprint(id, app.ID, d)] = true
				}
				if d.At <= w.now && !stale(w.now) {
					now[fmt.Sprint(id, app.ID, d)] = true
				}
			}
		}
	}
	due, err := s.Due(w.t.Context(), domain.MaxInstant, 10_000)
	if err != nil {
		w.t.Fatal(err)
	}
	got := map[string]bool{}
	for i, d := range due {
		got[fmt.Sprint(d.Account, d.App, d.Due)] = true
		if i > 0 && !inDueOrder(due[i-1], d) {
			rt.Errorf("%v comes before %v", due[i-1], d)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		rt.Errorf("dues (-decided +projected):\n%s", diff)
	}
	late, err := s.Due(w.t.Context(), w.now, 10_000)
	if err != nil {
		w.t.Fatal(err)
	}
	gotNow := map[string]bool{}
	for _, d := range late {
		gotNow[fmt.Sprint(d.Account, d.App, d.Due)] = true
	}
	if diff := cmp.Diff(now, gotNow); diff != "" {
		rt.Errorf("due now (-decided +projected):\n%s", diff)
	}
	var listed []Transition
	for id, row := range w.accounts {
		for app := range row.Account.Apps {
			for _, f := range row.Account.Foresee(app, w.policy) {
				listed = append(listed, Transition{App: app, Account: id, From: f.From, Due: f.Due, Prevention: f.Prevention})
			}
		}
	}
	slices.SortFunc(listed, func(a, b Transition) int { return a.key().compare(b.key()) })
	rowless := cmpopts.IgnoreUnexported(Transition{})
	all, _, err := s.Transitions(w.t.Context(), DueFilter{Policy: w.policy}, Page{Limit: MaxLimit})
	if diff := cmp.Diff(listed[:min(len(listed), MaxLimit)], all, cmpopts.EquateEmpty(), rowless); diff != "" || err != nil {
		rt.Errorf("transitions: %v (-decided +projected):\n%s", err, diff)
	}
	for id := range w.accounts {
		own, next, err := s.Transitions(w.t.Context(), DueFilter{Account: id, Policy: w.policy}, Page{Limit: MaxLimit})
		of := slices.DeleteFunc(slices.Clone(listed), func(d Transition) bool { return d.Account != id })
		if diff := cmp.Diff(of, own, cmpopts.EquateEmpty(), rowless); diff != "" || next != "" || err != nil {
			rt.Errorf("transitions of %s: %v (-of all +its own):\n%s", id, err, diff)
		}
	}
	if count, oldest, err := s.Backlog(w.t.Context(), w.now); err != nil || count != len(late) || count > 0 && oldest != late[0].At {
		rt.Errorf("backlog %d since %v, %v; want %d", count, oldest, err, len(late))
	}
}

func inDueOrder(a, b Transition) bool {
	switch {
	case a.At != b.At:
		return a.At < b.At
	case a.Account != b.Account:
		return a.Account < b.Account
	case a.App != b.App:
		return a.App < b.App
	}
	return kindNumber(a.Kind) < kindNumber(b.Kind)
}

// anyCommand draws a command that may do something, on one of the account's apps if it is about one.
func anyCommand(rt *rapid.T, w *harness, account string) domain.Command {
	var apps []domain.AppID
	for app := domain.FirstApp; app < w.next; app++ {
		if w.account(account).Account.Apps[app] != nil {
			apps = append(apps, app)
		}
	}
	number := func(name string, most int) int { return rapid.IntRange(1, most).Draw(rt, name) }
	effective := w.now.Add(-time.Duration(number("hours ago", 300)) * time.Hour)
	edition := rapid.SampledFrom([]domain.Edition{domain.Pro, domain.Flagship}).Draw(rt, "edition")
	order := w.order(fmt.Sprint("order-", number("order", 3)), edition, effective, effective.Add(time.Duration(number("days", 20))*day))
	kind := rapid.IntRange(0, 15).Draw(rt, "kind")
	if len(apps) == 0 || kind == 0 {
		create := domain.CreateApp{AppName: rapid.SampledFrom([]string{"chat", "商店", "100%_\\"}).Draw(rt, "name")}
		if order.EffectiveAt > 0 && rapid.Bool().Draw(rt, "ordered") {
			create.Order = &order
		}
		return create
	}
	app := rapid.SampledFrom(apps).Draw(rt, "app")
	if kind > 9 {
		return holdingsCommand(rt, w, w.account(account).Account.Apps[app])
	}
	invoice, version := fmt.Sprint("invoice-", number("invoice", 2)), int64(number("version", 3))
	switch kind {
	case 1:
		return domain.SetQuota{Apps: 100 + number("quota", 3)}
	case 2:
		name := fmt.Sprint("name ", number("name", 3))
		return domain.EditAppInfo{App: app, AppName: &name}
	case 3:
		return domain.StopApp{App: app, Reason: "tested"}
	case 4:
		return domain.DeleteApp{App: app, Confirm: w.account(account).Account.Apps[app].Name}
	case 5:
		return domain.MarkArrears{App: app, Invoice: invoice, Version: version, EffectiveAt: effective, Amount: domain.Money{Currency: "CNY", Minor: 5}}
	case 6:
		return domain.SettleArrears{App: app, Invoice: invoice, Version: version, EffectiveAt: effective}
	case 7:
		return domain.Refund{App: app, Order: order.ID, EffectiveAt: effective}
	case 8:
		if dues := w.account(account).Account.Apps[app].Dues(); len(dues) > 0 {
			w.now = max(w.now, dues[0].At)
			return domain.FireTransition{App: app, Kind: dues[0].Kind, Episode: dues[0].Episode}
		}
	}
	return domain.RecordOrder{App: app, Order: order}
}
