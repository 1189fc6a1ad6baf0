package turns

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// Whoever waits comes in turns of the accounts, and within one of its tokens, however many another has sent.
func TestTurns(t *testing.T) {
	q := New(1, 1)
	first, err := q.Enter(t.Context(), "a", "a1")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var order []string
	var asking sync.WaitGroup
	ask := func(account, token string) {
		q.mu.Lock()
		before := waitingFor(q)
		q.mu.Unlock()
		asking.Go(func() {
			leave, err := q.Enter(t.Context(), account, token)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, token)
			mu.Unlock()
			leave()
		})
		for queued := false; !queued; {
			q.mu.Lock()
			queued = waitingFor(q) > before
			q.mu.Unlock()
		}
	}
	for range 3 {
		ask("a", "a1")
	}
	ask("a", "a2")
	ask("b", "b1")
	ask("b", "b1")
	ask("c", "c1")
	first()
	asking.Wait()
	if want := []string{"a1", "b1", "c1", "a2", "b1", "a1", "a1"}; !slices.Equal(order, want) {
		t.Errorf("they came as %v, want %v", order, want)
	}
	if len(q.accounts) != 0 || q.free != 1 {
		t.Errorf("left over: %d accounts, %d places", len(q.accounts), q.free)
	}
}

func waitingFor(q *Turns) (n int) {
	for _, a := range q.accounts {
		for _, line := range a.tokens {
			n += len(line.queue)
		}
	}
	return n
}

// No place is lost or given twice, also where those who wait leave; no account has more than its part.
func TestTurnsUnderLoad(t *testing.T) {
	const places, most = 4, 3
	q := New(places, most)
	var inside atomic.Int64
	var working sync.WaitGroup
	left := atomic.Int64{}
	for account := range 5 {
		of := &atomic.Int64{}
		for token := range 8 {
			working.Go(func() {
				for range 200 {
					ctx, cancel := context.WithCancelCause(t.Context())
					if rand.IntN(3) == 0 {
						go cancel(errors.New("left"))
					}
					leave, err := q.Enter(ctx, fmt.Sprint(account), fmt.Sprint(token))
					if err != nil {
						left.Add(1)
						cancel(nil)
						continue
					}
					if inside.Add(1) > places || of.Add(1) > most {
						t.Error("more than there are places")
					}
					inside.Add(-1)
					of.Add(-1)
					leave()
					cancel(nil)
				}
			})
		}
	}
	working.Wait()
	if q.free != places || waitingFor(q) != 0 && len(q.waiting) == 0 {
		t.Errorf("%d places are free, %d wait", q.free, waitingFor(q))
	}
	t.Logf("%d left before their turn", left.Load())
	all := make([]func(), 0, places)
	for n := range places { // each of another account
		leave, err := q.Enter(t.Context(), fmt.Sprint("then-", n), "t")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, leave)
	}
	for _, leave := range all {
		leave()
	}
	if len(q.accounts) != 0 {
		t.Errorf("%d accounts are left over", len(q.accounts))
	}
}
