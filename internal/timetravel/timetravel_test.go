package timetravel_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"sundial/domain"
	"sundial/internal/archive"
	"sundial/internal/engine"
	"sundial/internal/testing/enginetest"
	"sundial/internal/timetravel"
	"sundial/projections"
)

// harness is an engine with what reads its past.
type harness struct {
	*enginetest.Node
	past *timetravel.Past
}

func newWorld(t *testing.T) *harness {
	t.Helper()
	n := enginetest.Start(t).Node(t, t.TempDir(), true)
	return &harness{n, n.Past(t, n.Time)}
}

// owing makes an app that is in arrears.
func (w *harness) owing(t *testing.T, account string) domain.AppID {
	t.Helper()
	order := &domain.OrderTerms{ID: "o", Edition: domain.Pro, Amount: domain.Money{Currency: "CNY", Minor: 1}}
	n := w.Commits(t, account)
	app := w.Must(t, account, fmt.Sprint("create-", n), domain.Owner, domain.CreateApp{AppName: "shop", Order: order}).App.ID
	w.Must(t, account, fmt.Sprint("owe-", n), domain.Billing, domain.MarkArrears{
		App: app, Invoice: "i", Version: 1, EffectiveAt: w.Now(), Amount: domain.Money{Currency: "CNY", Minor: 5},
	})
	return app
}

// TestALongHistory is read over several pages of it, and bounded.
func TestALongHistory(t *testing.T) {
	w := newWorld(t)
	app := w.owing(t, "acme")
	const edits = projections.MaxLimit + 20
	made, _, err := w.Store.App(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	for i := range edits {
		w.Move(time.Second)
		name := fmt.Sprint("name ", i)
		if _, err := w.Execute(t.Context(), engine.Request{
			Account: "acme", ID: fmt.Sprint("edit-", i), Command: domain.EditAppInfo{App: app, AppName: &name}, Role: domain.Owner, Durable: true,
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	began := domain.InstantOf(enginetest.Began)
	for _, edit := range []int{0, 7, edits - 1} {
		at := began.Add(time.Duration(edit+1) * time.Second)
		for _, clocks := range []timetravel.Clocks{{AsOf: at, KnownAt: at}, {AsOf: at, KnownAt: w.Now()}} {
			got, found, err := w.past.App(t.Context(), app, clocks)
			if err != nil || !found || got.Name != fmt.Sprint("name ", edit) || got.Position != uint64(edit+3) || got.Version != made.Version+uint64(edit+1) {
				t.Errorf("%+v: %+v, %t, %v; want the name of edit %d", clocks, got, found, err, edit)
			}
		}
	}
	other := w.owing(t, "acme")
	w.past.Bound(edits + 2)
	now := timetravel.Clocks{AsOf: w.Now() - 1, KnownAt: w.Now()}
	if _, _, err := w.past.App(t.Context(), app, now); err != nil {
		t.Errorf("just as much as may be: %v", err)
	}
	if _, _, err := w.past.Account(t.Context(), "acme", now); !errors.Is(err, timetravel.ErrTooLong) {
		t.Errorf("an account with more: %v, want ErrTooLong", err)
	}
	var listed []domain.AppID
	pages, cursor := 0, ""
	for more := true; more; more = cursor != "" {
		apps, next, err := w.past.Apps(t.Context(), projections.AppFilter{Account: "acme", Edition: domain.Flagship}, projections.Page{Limit: 1, Cursor: cursor}, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range apps {
			listed = append(listed, a.ID)
		}
		cursor = next
		pages++
	}
	if len(listed) != 0 || pages != 2 {
		t.Errorf("apps of an edition that none has: %v on %d pages, want none, and a second page where the first took too much", listed, pages)
	}
	w.past.Bound(edits)
	if _, _, err := w.past.App(t.Context(), app, now); !errors.Is(err, timetravel.ErrTooLong) {
		t.Errorf("an app with more: %v, want ErrTooLong", err)
	}
	if _, found, err := w.past.App(t.Context(), other, now); err != nil || found {
		t.Errorf("another app, before it was: found %t, %v", found, err)
	}
	if _, err := w.past.Resolve(timetravel.Clocks{KnownAt: w.Now() + 1}); !errors.Is(err, timetravel.ErrAhead) {
		t.Errorf("known ahead of the clock: %v, want ErrAhead", err)
	}
}

// TestTheArchiveOfALostHistory is not believed: it has other commits at the positions that the projections know.
func TestTheArchiveOfALostHistory(t *testing.T) {
	lost, w := newWorld(t), newWorld(t)
	lost.Move(time.Minute)
	lost.owing(t, "acme")
	lost.owing(t, "other")
	app := w.owing(t, "acme")
	w.Move(time.Hour)
	w.owing(t, "acme")

	copied, err := archive.Open(archive.Config{Dir: t.TempDir(), Log: lost.Log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- copied.Run(ctx) }()
	defer func() {
		cancel()
		if err := errors.Join(<-ended, copied.Close()); err != nil {
			t.Error(err)
		}
	}()
	for copied.Position() < 4 {
		if t.Context().Err() != nil {
			t.Fatal("the commits are not copied")
		}
		runtime.Gosched()
	}
	past, err := timetravel.New(timetravel.Config{Log: w.Log, Archive: copied, Store: w.Store, Policy: w.Policy(), Now: w.Time})
	if err != nil {
		t.Fatal(err)
	}
	clocks := timetravel.Clocks{AsOf: w.Now() - 1, KnownAt: w.Now()}
	want, _, err := w.past.App(t.Context(), app, clocks)
	if err != nil || want == nil {
		t.Fatal(want, err)
	}
	got, _, err := past.App(t.Context(), app, clocks)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, got, gocmp.Exporter(func(reflect.Type) bool { return true })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wantWhy, _, err := w.past.Why(t.Context(), app, domain.FieldStatus)
	if err != nil {
		t.Fatal(err)
	}
	gotWhy, _, err := past.Why(t.Context(), app, domain.FieldStatus)
	if diff := gocmp.Diff(wantWhy, gotWhy); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestQuestionsWaitForOthers until their own time is over.
func TestQuestionsWaitForOthers(t *testing.T) {
	w := newWorld(t)
	app := w.owing(t, "acme")
	release, err := w.past.Occupy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := timetravel.Clocks{AsOf: w.Now(), KnownAt: w.Now()}
	questions := map[string]func(context.Context) error{
		"an app":     func(ctx context.Context) error { _, _, err := w.past.App(ctx, app, now); return err },
		"an account": func(ctx context.Context) error { _, _, err := w.past.Account(ctx, "acme", now); return err },
		"apps": func(ctx context.Context) error {
			_, _, err := w.past.Apps(ctx, projections.AppFilter{Account: "acme"}, projections.Page{Limit: 1}, now)
			return err
		},
		"why": func(ctx context.Context) error { _, _, err := w.past.Why(ctx, app, domain.FieldStatus); return err },
	}
	for name, ask := range questions {
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan error, 1)
		go func() { answered <- ask(ctx) }()
		cancel()
		if err := <-answered; !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "waiting for other questions") {
			t.Errorf("%s: %v, want that it was waiting", name, err)
		}
	}
	release()
	for name, ask := range questions {
		for range 10 { // each gives its place back
			if err := ask(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestWhatIfInSeveralPasses: however few apps are replayed at once, the answer is the same.
func TestWhatIfInSeveralPasses(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		w.owing(t, fmt.Sprint("account-", i%5))
		w.Move(time.Hour)
	}
	q := timetravel.Question{Log: w.Log, Policy: w.Policy(), Grace: time.Hour, Until: w.Now().Add(1000 * time.Hour)}
	whole, err := timetravel.WhatIf(t.Context(), q, nil)
	if err != nil {
		t.Fatal(err)
	}
	if whole.Total != (timetravel.Counts{Earlier: 12}) || whole.Apps != 12 || whole.Commits != 24 || len(whole.Accounts) != 5 {
		t.Errorf("%+v", whole)
	}
	for _, held := range []int{1, 3, 100} {
		q.Hold(held)
		told, of := uint64(0), uint64(0)
		parts, err := timetravel.WhatIf(t.Context(), q, func(done, total uint64) { told, of = done, total })
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(whole, parts); diff != "" {
			t.Errorf("%d apps at once (-all at once +in passes):\n%s", held, diff)
		}
		if told != of || told < 24 {
			t.Errorf("%d apps at once: %d of %d commits done in the end", held, told, of)
		}
	}
	q.Hold(0)
	for _, listed := range []int{1, 5, 11, 12, 13} {
		q.List(listed)
		want := *whole
		want.Changes = whole.Changes[:min(listed, 12)]
		want.More = 12 - len(want.Changes)
		part, err := timetravel.WhatIf(t.Context(), q, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(&want, part); diff != "" {
			t.Errorf("%d changes listed (-want +got):\n%s", listed, diff)
		}
	}
}

// TestTheAccountsPolicyCounts: in the past, ahead and under another policy, an account's own grace counts from when it was
// set, and moves no due that was set before.
func TestTheAccountsPolicyCounts(t *testing.T) {
	w := newWorld(t)
	began := w.Now()
	long := domain.AccountPolicy{PolicyPart: domain.PolicyPart{Grace: domain.Span(336 * time.Hour)}}
	before := w.owing(t, "acme")
	w.Move(time.Hour)
	w.Must(t, "acme", "policy", domain.Operator, domain.SetPolicy{Policy: long})
	w.Move(time.Hour)
	after := w.owing(t, "acme")
	w.Move(time.Hour)
	w.Must(t, "acme", "clear", domain.Operator, domain.SetPolicy{})
	w.Move(time.Hour)
	cleared := w.owing(t, "acme")
	w.Move(time.Hour)

	for _, c := range []struct {
		app  domain.AppID
		made domain.Instant
		due  time.Duration
	}{{before, began, 168 * time.Hour}, {after, began.Add(2 * time.Hour), 336 * time.Hour}, {cleared, began.Add(4 * time.Hour), 168 * time.Hour}} {
		for _, clocks := range []timetravel.Clocks{{AsOf: c.made, KnownAt: w.Now()}, {AsOf: w.Now() - 1, KnownAt: w.Now()}, {AsOf: w.Now(), KnownAt: w.Now()}} {
			app, found, err := w.past.App(t.Context(), c.app, clocks)
			if err != nil || !found {
				t.Fatal(found, err)
			}
			if want := c.made.Add(c.due); app.Arrears.StopDue != want {
				t.Errorf("app %d by %+v: the stop is due %s, want %s", c.app, clocks, app.Arrears.StopDue, want)
			}
		}
		for at, status := range map[domain.Instant]domain.Status{c.made.Add(c.due) - 1: domain.Active, c.made.Add(c.due): domain.Stopped} {
			app, _, err := w.past.App(t.Context(), c.app, timetravel.Clocks{AsOf: at, KnownAt: w.Now()})
			if err != nil || app.Status() != status {
				t.Errorf("app %d will be %s at %s, want %s (%v)", c.app, app.Status(), at, status, err)
			}
		}
	}

	report, err := timetravel.WhatIf(t.Context(), timetravel.Question{Log: w.Log, Policy: w.Policy(), Grace: time.Hour, Until: w.Now().Add(1000 * time.Hour)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := (timetravel.Counts{Earlier: 2, Same: 1}); report.Total != want {
		t.Errorf("under another grace of the engine's: %+v, want %+v: an account keeps its own", report.Total, want)
	}
}
