package rpc

import (
	"sync"
	"testing"
)

// TestAccountsTakeTurns: what one account has waiting keeps no other's request from its place.
func TestAccountsTakeTurns(t *testing.T) {
	q := newTurns()
	hold := make(chan struct{})
	var done sync.WaitGroup
	enter := func(account string, size int, do func()) bool {
		done.Add(1)
		taken := q.enter(account, size, func() { defer done.Done(); do() })
		if !taken {
			done.Done()
		}
		return taken
	}
	for i := range maxOfAccount + maxWaitingOfAccount {
		if !enter("loud", 0, func() { <-hold }) {
			t.Fatalf("request %d of one account is refused", i)
		}
	}
	if enter("loud", 0, func() {}) {
		t.Error("one account may have any number waiting")
	}
	if waiting, underWay := q.counts(); waiting != maxWaitingOfAccount || underWay != maxOfAccount {
		t.Errorf("%d wait and %d are under way", waiting, underWay)
	}
	answered := make(chan struct{})
	if !enter("quiet", 0, func() { close(answered) }) {
		t.Fatal("another account's request is refused")
	}
	<-answered
	if !enter("large", maxWaitingBytesOfAccount, func() { <-hold }) {
		t.Error("a request as large as may wait is refused")
	}
	close(hold)
	done.Wait()
	for waiting, underWay := q.counts(); waiting+underWay > 0; waiting, underWay = q.counts() {
	}
	if len(q.lines) > 0 {
		t.Errorf("%d accounts are remembered that have nothing", len(q.lines))
	}
}

// TestTurnsAreInOrder: where there is no place for all, accounts begin by turns.
func TestTurnsAreInOrder(t *testing.T) {
	q := newTurns()
	q.underWay = maxUnderWay - 1 // one place
	var order []string
	var done sync.WaitGroup
	hold := make(chan struct{})
	done.Add(7)
	q.enter("x", 0, func() { defer done.Done(); <-hold })
	for _, account := range []string{"a", "a", "a", "b", "b", "c"} {
		q.enter(account, 0, func() { defer done.Done(); order = append(order, account) })
	}
	close(hold)
	done.Wait()
	want := []string{"a", "b", "c", "a", "b", "a"}
	for i := range want {
		if order[i] != want[i] {
			t.Fatalf("began in the order %v, want %v", order, want)
		}
	}
}
