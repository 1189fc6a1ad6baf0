package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/natsd"
)

// TestBatchWithCulprits appends on 200 accounts at once, some of them with an expectation that is not met: those get
// a conflict each, and nobody else does.
func TestBatchWithCulprits(t *testing.T) {
	t.Parallel()
	for _, culprits := range [][]int{{0}, {199}, {57}, {3, 4, 150}, every(200)} {
		t.Run(fmt.Sprint(len(culprits), " from ", culprits[0]), func(t *testing.T) {
			l, _, _ := newLog(t)
			expected := make([]uint64, 200)
			for _, c := range culprits {
				expected[c] = 77
			}
			errs := make([]error, 200)
			var wg sync.WaitGroup
			for i := range errs {
				a := fmt.Sprintf("acct-%d", i)
				p := encode(t, commit(a, "x", eventstore.Hash{}))
				wg.Go(func() { _, errs[i] = l.Append(t.Context(), a, expected[i], p, nil) })
			}
			wg.Wait()
			for i, err := range errs {
				var conflict *eventstore.ConflictError
				switch {
				case expected[i] == 0 && err != nil:
					t.Errorf("account %d: %v", i, err)
				case expected[i] > 0 && (!errors.As(err, &conflict) || conflict.Account != fmt.Sprintf("acct-%d", i)):
					t.Errorf("culprit %d: %v, want its conflict", i, err)
				}
			}
			if head, err := l.Head(t.Context()); err != nil || head != uint64(200-len(culprits)) {
				t.Errorf("head %d, %v; want %d", head, err, 200-len(culprits))
			}
		})
	}
}

func every(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// TestHotAccount: of 100 appends at once on one account that expect the same, one is written.
func TestHotAccount(t *testing.T) {
	l, _, _ := newLog(t)
	for round := range 5 {
		var expected uint64
		if m, found, err := l.Last(t.Context(), "hot"); err != nil {
			t.Fatal(err)
		} else if found {
			expected = m.Sequence
		}
		var written, conflicts int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i := range 100 {
			p := encode(t, commit("hot", fmt.Sprintf("%d-%d", round, i), eventstore.Hash{}))
			wg.Go(func() {
				_, err := l.Append(t.Context(), "hot", expected, p, nil)
				var conflict *eventstore.ConflictError
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					written++
				case errors.As(err, &conflict):
					conflicts++
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if written != 1 || conflicts != 99 {
			t.Fatalf("round %d: %d written, %d conflicts; want 1 and 99", round, written, conflicts)
		}
	}
}

func TestSequencesOfABatch(t *testing.T) {
	t.Parallel()
	l, _, _ := newLog(t)
	type result struct {
		account string
		seq     uint64
		hash    eventstore.Hash
	}
	results := make(chan result, 2000)
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			w := writer{log: l, account: fmt.Sprintf("acct-%d", i)}
			for range 4 {
				if err := w.append(t.Context()); err != nil {
					t.Error(err)
					return
				}
				results <- result{w.account, w.last, w.previous}
			}
		})
	}
	wg.Wait()
	close(results)
	for r := range results {
		m, err := l.Get(t.Context(), r.seq)
		if err != nil || m.Account != r.account || m.Hash() != r.hash {
			t.Errorf("at %d: %s, %v; want %s", r.seq, m.Account, err, r.account)
		}
	}
}

func TestHeaders(t *testing.T) {
	l, _, nc := newLog(t)
	c := commit("acme", `a b"%续`, eventstore.Hash{})
	header := c.Header()
	var wg sync.WaitGroup
	for i := range 60 { // some singly, some in batches
		wg.Go(func() {
			a := fmt.Sprintf("acct-%d", i)
			if _, err := l.Append(t.Context(), a, 0, encode(t, commit(a, "x", eventstore.Hash{})), header); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(header) != 4 {
		t.Errorf("the caller's header became %v", header)
	}
	want := map[string]string{
		"ce-specversion": "1.0", "ce-id": "a%20b%22%25%E7%BB%AD", "ce-source": "/accounts/acme", "ce-type": "sundial.create_app",
	}
	js, err := jetstream.New(nc)
	must(t, err)
	stream, err := js.Stream(t.Context(), "SUNDIAL_EVENTS")
	must(t, err)
	for seq := range uint64(60) {
		m, err := stream.GetMsg(t.Context(), seq+1)
		must(t, err)
		for name, value := range want {
			if got := m.Header.Get(name); got != value {
				t.Errorf("at %d %s is %q, want %q", seq+1, name, got, value)
			}
		}
	}
}

func TestAppendRefusesAtOnce(t *testing.T) {
	l, _, _ := newLog(t)
	if _, err := l.Append(t.Context(), "a.b", 0, []byte("x"), nil); err == nil || !strings.Contains(err.Error(), "account id") {
		t.Errorf("a bad account: %v", err)
	}
	if _, err := l.Append(t.Context(), "a", 0, make([]byte, eventstore.MaxPayload+1), nil); !errors.Is(err, eventstore.ErrTooLarge) {
		t.Errorf("a large payload: %v, want ErrTooLarge", err)
	}
	if _, err := l.Append(t.Context(), "a", 0, []byte("x"), nats.Header{"long": {strings.Repeat("x", 20<<10)}}); !errors.Is(err, eventstore.ErrTooLarge) {
		t.Errorf("a large header: %v, want ErrTooLarge", err)
	}
	long := nats.Header{"long": {strings.Repeat("x", 14<<10)}}
	if _, err := l.Append(t.Context(), "a", 0, make([]byte, eventstore.MaxPayload), long); err != nil {
		t.Errorf("the largest payload: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Append(cancelled, "b", 0, []byte("x"), nil)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
}

// TestBatchWithAnUnsendable: a header that cannot be sent costs nobody else anything.
func TestBatchWithAnUnsendable(t *testing.T) {
	l, _, _ := newLog(t)
	errs := make([]error, 100)
	var wg sync.WaitGroup
	for i := range errs {
		a := fmt.Sprintf("acct-%d", i)
		p := encode(t, commit(a, "x", eventstore.Hash{}))
		var header nats.Header
		if i%10 == 3 {
			header = nats.Header{"no\nname": {"x"}}
		}
		wg.Go(func() { _, errs[i] = l.Append(t.Context(), a, 0, p, header) })
	}
	wg.Wait()
	for i, err := range errs {
		if bad := i%10 == 3; bad != (err != nil) || bad && !errors.Is(err, nats.ErrBadHeaderMsg) {
			t.Errorf("account %d: %v", i, err)
		}
	}
	if head, err := l.Head(t.Context()); err != nil || head != 90 {
		t.Errorf("head %d, %v; want 90", head, err)
	}
}

func TestClose(t *testing.T) {
	l, s, nc := newLog(t)
	results := make(chan error, 300)
	for i := range 300 {
		a := fmt.Sprintf("acct-%d", i)
		p := encode(t, commit(a, "x", eventstore.Hash{}))
		go func() {
			_, err := l.Append(context.Background(), a, 0, p, nil)
			results <- err
		}()
	}
	must(t, l.Close(t.Context()))
	written := 0
	for range 300 {
		select {
		case err := <-results:
			if err == nil {
				written++
			} else if !errors.Is(err, eventstore.ErrUnavailable) {
				t.Errorf("%v, want ErrUnavailable", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("an append was never answered")
		}
	}
	if _, err := l.Append(t.Context(), "late", 0, []byte("x"), nil); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("after closing: %v, want ErrUnavailable", err)
	}
	must(t, l.Close(t.Context()))
	again, err := eventstore.Open(t.Context(), nc, eventstore.Config{Failed: s.Failed})
	must(t, err)
	closeLater(t, again)
	if head, err := again.Head(t.Context()); err != nil || head != uint64(written) {
		t.Errorf("head %d, %v; %d were acknowledged", head, err, written)
	}
}

func TestSpaceIsAskedBeforeWriting(t *testing.T) {
	s := server(t, natsd.Config{})
	nc := connect(t, s)
	var full error
	var mu sync.Mutex
	l, err := eventstore.Create(t.Context(), nc, eventstore.Config{Space: func() error {
		mu.Lock()
		defer mu.Unlock()
		return full
	}})
	must(t, err)
	closeLater(t, l)
	set := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		full = err
	}
	w := &writer{log: l, account: "acme"}
	must(t, w.append(t.Context()))
	set(errors.New("the disk is full"))
	if err := w.append(t.Context()); !errors.Is(err, eventstore.ErrUnavailable) || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("%v, want ErrUnavailable with its reason", err)
	}
	if err := l.Probe(t.Context()); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("probe: %v, want ErrUnavailable", err)
	}
	set(nil)
	must(t, w.append(t.Context()))
	must(t, l.Probe(t.Context()))
}
