package timetravel_test

import (
	"fmt"
	"slices"
	"testing"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/projections"
)

// wrote appends to an account what an older program made of a fact.
func (w *harness) wrote(t *testing.T, account string, events ...domain.Event) {
	t.Helper()
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	last, _, err := w.Store.LoadAccount(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	c := eventstore.Commit{
		Account: account, ID: fmt.Sprint("old-", last.Sequence), Command: "mark_arrears", Actor: "billing:test",
		RecordedAt: int64(w.Now()), Previous: last.Hash,
	}
	codec, err := codec.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		stored, err := codec.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		c.Events = append(c.Events, stored)
	}
	payload, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	at, err := w.Log.Append(t.Context(), account, last.Sequence, payload, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Store.Wait(t.Context(), at); err != nil {
		t.Fatal(err)
	}
}

// owingNothing makes an app that an older program had in arrears for an invoice over nothing.
func (w *harness) owingNothing(t *testing.T, account string) domain.AppID {
	t.Helper()
	order := &domain.OrderTerms{ID: "o", Edition: domain.Pro, Amount: domain.Money{Currency: "CNY", Minor: 1}}
	n := w.Commits(t, account)
	app := w.Must(t, account, fmt.Sprint("create-", n), domain.Owner, domain.CreateApp{AppName: "shop", Order: order}).App.ID
	about, since := domain.About{App: app}, w.Now()
	w.wrote(t, account,
		domain.InvoiceOverdueRecorded{About: about, Invoice: "i", Version: 1, EffectiveAt: since, Amount: domain.Money{Currency: "CNY"}},
		domain.ArrearsStarted{About: about, Grace: domain.Grace{Since: since, StopDue: since.Add(domain.DefaultPolicy().Grace)}},
	)
	return app
}

// TestRejudgements lists what is judged otherwise in pages, of an account or all, and looks at no more apps for one page than
// it may: such a page is short, and has a cursor.
func TestRejudgements(t *testing.T) {
	w := newWorld(t)
	var want []domain.AppID
	for i, account := range []string{"acme", "globex", "acme", "acme", "globex", "acme"} {
		if i%2 == 0 {
			want = append(want, w.owingNothing(t, account))
		} else {
			w.owing(t, account)
		}
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	walk := func(account string, limit int) (found []domain.AppID, pages int) {
		page := projections.Page{Limit: limit}
		for {
			all, next, err := w.past.Rejudgements(t.Context(), account, page)
			if err != nil || limit > 0 && len(all) > limit {
				t.Fatalf("%d apps with a limit of %d: %v", len(all), limit, err)
			}
			for _, r := range all {
				if !slices.Equal(r.Differs, []domain.Field{domain.FieldArrears, domain.FieldNext}) || r.Is.Arrears.Since == 0 || r.WouldBe.Arrears.Since != 0 ||
					r.WouldBe.Version != r.Is.Version {
					t.Errorf("%s: is %+v, would be %+v", r.Differs, r.Is, r.WouldBe)
				}
				found = append(found, r.Is.ID)
			}
			pages++
			if page.Cursor = next; next == "" {
				return found, pages
			}
		}
	}
	for _, limit := range []int{0, 1, 2} {
		if got, _ := walk("", limit); !slices.Equal(got, want) {
			t.Errorf("with a limit of %d: %d, want %d", limit, got, want)
		}
	}
	if got, _ := walk("globex", 0); !slices.Equal(got, want[2:]) {
		t.Errorf("of globex: %d, want %d", got, want[2:])
	}
	w.past.BoundRejudged(2)
	if got, pages := walk("", 2); !slices.Equal(got, want) || pages < 3 {
		t.Errorf("looking at two apps a page: %d in %d pages, want %d in three at least", got, pages, want)
	}
	if _, _, err := w.past.Rejudgements(t.Context(), "", projections.Page{Cursor: "?"}); err == nil {
		t.Error("a cursor that is none was taken")
	}

	w.Must(t, "acme", "rejudge", domain.Operator, domain.Rejudge{App: want[0]})
	if got, _ := walk("", 0); !slices.Equal(got, want[1:]) {
		t.Errorf("after one was rejudged: %d, want %d", got, want[1:])
	}
	if events := w.Events(t, "acme"); events[len(events)-1].Type() != "app.arrears_ended.v1" {
		t.Errorf("the log ends with %s", events[len(events)-1].Type())
	}
}
