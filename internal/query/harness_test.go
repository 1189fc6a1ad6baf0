package query_test

import (
	"fmt"
	"sync"
	"testing"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/query"
	"sundial/internal/testing/enginetest"
)

// harness is a reader over real parts.
type harness struct {
	*enginetest.Node
	t      testing.TB
	reader *query.Reader
}

func newWorld(t testing.TB) *harness {
	t.Helper()
	w := &harness{Node: enginetest.Start(t).Node(t, t.TempDir(), true), t: t}
	var err error
	if w.reader, err = query.New(w.Log, w.Store); err != nil {
		t.Fatal(err)
	}
	return w
}

// fill makes commits, of one event each, of accounts a0, a1 and so on at the same time.
func (w *harness) fill(accounts, each int) {
	w.t.Helper()
	var writers sync.WaitGroup
	for i := range accounts {
		writers.Go(func() {
			for n := range each {
				w.quota(fmt.Sprint("a", i), n)
			}
		})
	}
	writers.Wait()
	if err := w.Store.Wait(w.t.Context(), uint64(accounts*each)); err != nil {
		w.t.Fatal(err)
	}
}

// quota makes a commit, the nth of its account.
func (w *harness) quota(account string, n int) {
	_, err := w.Execute(w.t.Context(), engine.Request{
		Account: account, ID: fmt.Sprint(n), Command: domain.SetQuota{Apps: 200 + n}, Role: domain.Operator, Actor: "operator:test",
	})
	if err != nil {
		w.t.Error(err)
	}
}

// began is when the world's clock began, in milliseconds.
func (w *harness) began() int64 { return enginetest.Began.UnixMilli() }
