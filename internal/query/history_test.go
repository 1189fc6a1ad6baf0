package query_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/engine"
	"sundial/internal/ingest"
	"sundial/internal/query"
	"sundial/scheduler"
)

// pages walks a history to its beginning.
func pages(t *testing.T, limit int, read func(query.History) (query.HistoryPage, error)) (commits []query.Commit) {
	t.Helper()
	for h := (query.History{Limit: limit}); ; {
		page, err := read(h)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Commits) > limit {
			t.Fatalf("%d commits with limit %d", len(page.Commits), limit)
		}
		commits = append(commits, page.Commits...)
		if h.Before = page.Before; h.Before == 0 {
			return commits
		}
	}
}

// TestHistoryIsTheLogBackwards reads the histories of accounts with much at once, with little all along, with something at
// the beginning and at the end, and with one commit, in pages of several sizes.
func TestHistoryIsTheLogBackwards(t *testing.T) {
	w := newWorld(t)
	w.quota("once", 0)
	for n := range 5 {
		w.quota("seldom", n)
	}
	for n := range 1100 { // more than is held of a piece
		w.quota("busy", n)
	}
	var writers sync.WaitGroup
	for i := range 100 {
		writers.Go(func() {
			for n := range 60 {
				w.quota(fmt.Sprint("other-", i), n)
			}
		})
	}
	writers.Wait()
	for n := range 5 {
		w.quota("seldom", 5+n)
	}
	if err := w.Store.Wait(t.Context(), 1+10+6000+1100); err != nil {
		t.Fatal(err)
	}
	for account, limits := range map[string][]int{"once": {1, 500}, "seldom": {3, 10, 500}, "busy": {500, 333}, "other-7": {7, 500}, "nobody": {5}} {
		var want []uint64
		for m, err := range w.Log.Account(t.Context(), account, eventstore.Span{}) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, m.Sequence)
		}
		slices.Reverse(want)
		for _, limit := range limits {
			var got []uint64
			for _, c := range pages(t, limit, func(h query.History) (query.HistoryPage, error) {
				return w.reader.AccountHistory(t.Context(), account, h)
			}) {
				got = append(got, c.Position)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s in pages of %d: %d commits, want %d", account, limit, len(got), len(want))
			}
		}
	}
	// What is looked for in vain is looked for in pieces.
	rare := query.History{Limit: 10, Types: []string{"app.deleted"}}
	var stops int
	for ; ; stops++ {
		page, err := w.reader.AccountHistory(t.Context(), "busy", rare)
		if err != nil || len(page.Commits) > 0 {
			t.Fatalf("%+v, %v", page, err)
		}
		if rare.Before = page.Before; rare.Before == 0 {
			break
		}
	}
	if stops != 1 {
		t.Errorf("1,100 commits were looked through in %d pieces and the rest", stops)
	}
}

// TestHistoryFilters narrows the history of an app, and of its account.
func TestHistoryFilters(t *testing.T) {
	w := newWorld(t)
	do := func(id, actor string, role domain.Role, c domain.Command) domain.AppID {
		w.Move(time.Hour)
		answer, err := w.Execute(t.Context(), engine.Request{
			Account: "acme", ID: id, Command: c, Role: role, Actor: actor, Reason: "because of " + id, Correlation: "request of " + id,
		})
		if err != nil {
			t.Fatal(err)
		}
		if answer.App == nil {
			return 0
		}
		return answer.App.ID
	}
	hour := func(n int) domain.Instant { return domain.Instant(w.began()).Add(time.Duration(n) * time.Hour) }
	app := do("create", "owner:ann", domain.Owner, domain.CreateApp{AppName: "shop"})
	do("other", "owner:ann", domain.Owner, domain.CreateApp{AppName: "other"})
	do("order", "billing:nats", domain.Billing, domain.RecordOrder{App: app, Order: domain.OrderTerms{
		ID: "o-1", Edition: domain.Pro, EffectiveAt: hour(1), PaidUntil: hour(2), Amount: domain.Money{Currency: "CNY", Minor: 1},
	}})
	do("overdue", "billing:bob", domain.Billing, domain.MarkArrears{App: app, Invoice: "i-1", Version: 1, EffectiveAt: hour(2), Amount: domain.Money{Currency: "CNY", Minor: 1}})
	do("quota", "operator:eve", domain.Operator, domain.SetQuota{Apps: 7})
	for name, c := range map[string]struct {
		filter query.History
		app    string // ids of the commands in the app's history
		all    string // and in the account's
	}{
		"all":            {query.History{}, "[overdue order create]", "[quota overdue order other create]"},
		"a type":         {query.History{Types: []string{"app.created"}}, "[create]", "[other create]"},
		"two types":      {query.History{Types: []string{"app.arrears_started", "account.quota_set"}}, "[overdue]", "[quota overdue]"},
		"an actor":       {query.History{Actor: "billing:bob"}, "[overdue]", "[overdue]"},
		"a capacity":     {query.History{Actor: "billing"}, "[overdue order]", "[overdue order]"},
		"nobody":         {query.History{Actor: "bill"}, "[]", "[]"},
		"from":           {query.History{Window: query.Window{From: hour(3)}}, "[overdue order]", "[quota overdue order]"},
		"to":             {query.History{Window: query.Window{To: hour(3)}}, "[create]", "[other create]"},
		"from to":        {query.History{Window: query.Window{From: hour(2), To: hour(4)}}, "[order]", "[order other]"},
		"a type, before": {query.History{Types: []string{"app.created"}, Window: query.Window{To: hour(2)}}, "[create]", "[create]"},
	} {
		ids := func(page query.HistoryPage, err error) string {
			if err != nil || page.Before != 0 {
				t.Errorf("%s: before %d, %v", name, page.Before, err)
			}
			var ids []string
			for _, c := range page.Commits {
				ids = append(ids, c.CommandID)
			}
			return fmt.Sprint(ids)
		}
		c.filter.Limit = 10
		if got := ids(w.reader.AppHistory(t.Context(), app, c.filter)); got != c.app {
			t.Errorf("%s: of the app %s, want %s", name, got, c.app)
		}
		if got := ids(w.reader.AccountHistory(t.Context(), "acme", c.filter)); got != c.all {
			t.Errorf("%s: of the account %s, want %s", name, got, c.all)
		}
	}
	commits := pages(t, 1, func(h query.History) (query.HistoryPage, error) { return w.reader.AppHistory(t.Context(), app, h) })
	if len(commits) != 3 {
		t.Fatalf("%d commits in pages of one", len(commits))
	}
	order := commits[1]
	var effective []string
	for _, e := range order.Events {
		effective = append(effective, e.Type()+" "+e.EffectiveAt.String())
	}
	if got, want := fmt.Sprint(effective), fmt.Sprintf("[sundial.app.order_recorded %s sundial.app.edition_changed %[1]s sundial.app.lapsed %s]", hour(1), hour(2)); got != want ||
		order.RecordedAt != hour(3) {
		t.Errorf("the order, recorded %s: %s, want %s", order.RecordedAt, got, want)
	}
	if order.Actor != "billing:nats" || order.Reason != "because of order" || order.Correlation != "request of order" || order.Command != "record_order" {
		t.Errorf("the order: %+v", order)
	}
	if _, err := w.reader.AppHistory(t.Context(), app, query.History{Before: 2, Limit: 10}); err == nil {
		t.Error("another app's commit was taken for a place in the history")
	}
}

// TestWhatTimeDidIsFound finds what the scheduler did by its name in the log, and by the capacity that is named for it.
func TestWhatTimeDidIsFound(t *testing.T) {
	w := newWorld(t)
	for n, actor := range []string{"owner:ann", scheduler.Actor, ingest.NATSActor} {
		if _, err := w.Execute(t.Context(), engine.Request{
			Account: "acme", ID: actor, Command: domain.SetQuota{Apps: 200 + n}, Role: domain.Operator, Actor: actor,
		}); err != nil {
			t.Fatal(err)
		}
	}
	for want, ids := range map[string]string{
		"scheduler": "[scheduler]", "system": "[scheduler]", "billing": "[billing:nats]", "owner": "[owner:ann]", "system:scheduler": "[]",
	} {
		page, err := w.reader.AccountHistory(t.Context(), "acme", query.History{Actor: want, Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range page.Commits {
			got = append(got, c.CommandID)
		}
		if fmt.Sprint(got) != ids {
			t.Errorf("actor=%s: %v, want %s", want, got, ids)
		}
	}
}
