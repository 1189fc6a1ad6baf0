package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// abuseCount is how much is sent where somebody sends as much as he likes: what SUNDIAL_ABUSE says, or little.
func abuseCount(t *testing.T, little int) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("SUNDIAL_ABUSE"))
	if err != nil || n < 1 {
		return little
	}
	return little * n
}

// Rubbish for which there is no room, of more accounts than may be stuck for other reasons, holds nobody's bills: before the
// parking place had shares, 1,005 such messages ended all intake. Discarding by filter makes room, and nothing is lost.
func TestAbuseParkingFull(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	count := abuseCount(t, 1305)
	places := count / 4
	n.parking.limits = limits{open: places, bytes: 1 << 30, all: maxParked, account: places, token: places, reserved: 0}
	n.app("globex", shop)
	begun := time.Now()
	w.fill(count, func(k int) (string, string) {
		account := fmt.Sprint("acct-", k)
		return "billing." + account, fmt.Sprintf(`{"id":"rubbish-%d"}`, k)
	})
	w.publish("billing.globex", overdue("e-1", "globex", shop, "inv-1"))
	n.run()
	until(t, "the bill of another", func() bool { return n.look("globex", shop).Invoices.Len() == 1 })
	t.Logf("%d rubbish messages of as many accounts, room for %d: another's bill was taken in after %s (before: never)", count, places, time.Since(begun))

	note, err := n.Look(t.Context())
	if err != nil || note == "" {
		t.Errorf("readiness: %q, %v", note, err)
	}
	// Another node learns of every stuck account, however many there are.
	other := w.node()
	var stuck map[string]error
	until(t, "everything but what is stuck", func() bool {
		if stuck, err = other.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		return len(stuck) == count-places
	})
	if _, isThere := stuck["globex"]; isThere {
		t.Error("an account is stuck for what others sent")
	}

	// An operator discards what has one thing in common, as long as there is any.
	discarded, rounds := 0, 0
	until(t, "all rubbish is discarded", func() bool {
		for cursor := ""; ; {
			var swept []Swept
			if swept, cursor, err = n.DiscardAll(t.Context(), ParkedFilter{Actor: NATSActor}, cursor, 500, "operator:ann"); err != nil {
				t.Fatal(err)
			}
			discarded += len(swept)
			if cursor == "" {
				break
			}
		}
		rounds++
		if discarded < count {
			time.Sleep(50 * time.Millisecond) // lanes are looked through once a second
		}
		return discarded == count
	})
	n.drained()
	until(t, "purging", func() bool {
		info, err := n.stream.Info(t.Context())
		return err == nil && info.State.Msgs == 0
	})
	t.Logf("discarded %d in %d rounds", discarded, rounds)
}

// What one account may have parked is bounded, and others have room all the same: also where all is full, the first of each.
func TestAbuseParkingShares(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.parking.limits = limits{open: 20, bytes: 1 << 20, all: 1000, account: 10, token: 16, reserved: 2}
	take := func(actor, account string, ids ...int) error {
		var batch []jsontext.Value
		for _, id := range ids {
			batch = append(batch, jsontext.Value(overdue(fmt.Sprintf("%s-%d", account, id), account, shop, "inv")))
		}
		_, err := n.Take(t.Context(), batch, actor)
		return err
	}
	upTo := func(from, to int) (ids []int) {
		for id := from; id < to; id++ {
			ids = append(ids, id)
		}
		return ids
	}
	shareOf := func(err error) string {
		var s *ShareError
		if errors.As(err, &s) {
			return s.Of
		}
		return fmt.Sprint(err)
	}
	for _, step := range []struct {
		what   string
		err    error
		is     string
		places []int
	}{
		{"as much as an account may", take("billing:a", "acme", upTo(0, 10)...), "<nil>", nil},
		{"and more of it", take("billing:a", "acme", 10, 11), "account", []int{0, 1}},
		{"as much as a token may", take("billing:a", "globex", upTo(0, 6)...), "<nil>", nil},
		{"and more of it", take("billing:a", "globex", 6), "token", []int{0}},
		{"the first of an account, by the same", take("billing:a", "umbrella", 0, 1, 2), "token", []int{2}},
		{"another token, as much as there is", take("billing:b", "hooli", 0, 1, 2), "whole", []int{2}},
		{"the first of another account", take("billing:b", "initech", 0, 1), "<nil>", nil},
	} {
		var out *LeftOutError
		errors.As(step.err, &out)
		is := shareOf(step.err)
		if out != nil && !errors.As(step.err, new(*ShareError)) {
			is = "whole"
		}
		var places []int
		if out != nil {
			places = out.Places
		}
		if is != step.is || !slices.Equal(places, step.places) || step.err != nil && !errors.Is(step.err, ErrParkedFull) {
			t.Errorf("%s: %v, places %v; want %s, %v", step.what, step.err, places, step.is, step.places)
		}
	}
	if open := n.open(); len(open) != 22 {
		t.Errorf("%d are parked, want 22", len(open))
	}
	// A filter finds what has things in common; what is closed makes room.
	for _, f := range []struct {
		filter ParkedFilter
		want   int
	}{
		{ParkedFilter{Account: "acme"}, 10},
		{ParkedFilter{Actor: "billing:b"}, 4},
		{ParkedFilter{Actor: "billing:b", Account: "acme"}, 0},
		{ParkedFilter{Code: "app_not_found"}, 22},
		{ParkedFilter{Code: "missing_field"}, 0},
		{ParkedFilter{Before: 1}, 0},
	} {
		items, _, err := n.Parked(t.Context(), f.filter, "", 100)
		if err != nil || len(items) != f.want {
			t.Errorf("%+v lets %d through, %v; want %d", f.filter, len(items), err, f.want)
		}
	}
	if swept, next, err := n.DiscardAll(t.Context(), ParkedFilter{Account: "acme"}, "", 7, "operator:ann"); err != nil || len(swept) != 7 || next == "" {
		t.Errorf("discarded %d, %q, %v", len(swept), next, err)
	}
	if err := take("billing:b", "acme", 10); err != nil {
		t.Errorf("there is no room after a discard: %v", err)
	}
	if err := take("billing:b", "acme", 0); err != nil { // it was discarded, and is answered as parked
		t.Error(err)
	}
	// What can be taken in now is, the others say why not.
	n.app("globex", shop)
	until(t, "what waited is taken in", func() bool { return len(n.open()) < 17 })
	swept, _, err := n.ReplayAll(t.Context(), ParkedFilter{Code: "app_not_found", Account: "hooli"}, "", 500, "operator:ann")
	if err != nil || len(swept) != 2 || swept[0].Code != "app_not_found" {
		t.Errorf("replayed %+v, %v", swept, err)
	}
}

// Events of one source and id that say something else each time cost as much as others: each read all that came before.
func TestAbuseOneID(t *testing.T) {
	n := newWorld(t).node()
	count := abuseCount(t, 600)
	took := func(batch int, id func(k int) string) time.Duration {
		begun := time.Now()
		for from := 0; from < count; from += 200 {
			var events []jsontext.Value
			for k := from; k < min(from+200, count); k++ {
				events = append(events, jsontext.Value(overdue(id(k), "acme", shop, fmt.Sprint("inv-", batch, "-", k))))
			}
			if _, err := n.Take(context.WithoutCancel(t.Context()), events, "billing:test"); err != nil {
				t.Fatal(err)
			}
		}
		return time.Since(begun)
	}
	apart := took(0, func(k int) string { return fmt.Sprint("e-", k) })
	same := took(1, func(int) string { return "always" })
	t.Logf("%d events with ids of their own took %s, with one id %s (before: 600 took 0.6 s, and 11.8 s; 2,000 took 2.2 s, and 164 s)", count, apart, same)
	if same > 8*apart+time.Second {
		t.Errorf("%d events of one id took %s, those with ids of their own %s", count, same, apart)
	}
}
