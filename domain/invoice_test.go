package domain

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// statement is a fact about one invoice: owed, or closed.
type statement struct {
	closes  By // absent: it is owed
	version int64
	at      Instant
	amount  Money
}

func (s statement) tell(i *Invoice) {
	if s.closes == "" {
		i.owe(Statement{s.version, s.at, s.amount})
		return
	}
	i.close(Closing{s.version, s.at, s.closes})
}

// TestInvoiceKeepsWhatMatters: what an invoice keeps of what was said about it answers as all of it would, whatever the
// order and however often it was said. The answers expected are read off the text over the whole set.
func TestInvoiceKeepsWhatMatters(t *testing.T) {
	said := rapid.Custom(func(t *rapid.T) statement {
		return statement{
			closes:  rapid.SampledFrom([]By{"", "", "", bySettlement, byVoiding}).Draw(t, "closes"),
			version: rapid.Int64Range(0, 15).Draw(t, "version"),
			at:      day(rapid.IntRange(0, 15).Draw(t, "at")),
			amount:  Money{rapid.SampledFrom([]string{"CNY", "USD"}).Draw(t, "currency"), rapid.Int64Range(0, 2).Draw(t, "minor")},
		}
	})
	rapid.Check(t, func(t *rapid.T) { // an amount of nothing closes, too
		all := rapid.SliceOfN(said, 1, 60).Draw(t, "said")
		kept := Invoice{ID: "i1"}
		for i, s := range all {
			s.tell(&kept)
			told := kept
			if s.tell(&told); !told.same(kept) {
				t.Fatalf("after %+v: said again, the last is news", all[:i+1])
			}
			if len(kept.Heard) > MaxHeard {
				t.Fatalf("after %+v: %d are kept that count no more", all[:i+1], len(kept.Heard))
			}
			since, shown := judged(all[:i+1])
			if got := kept.lateSince(); got != since {
				t.Fatalf("after %+v: late since %s, want %s", all[:i+1], got, since)
			}
			if since == 0 {
				continue
			}
			if got := (statement{"", kept.Latest().Version, kept.Latest().EffectiveAt, kept.Latest().Amount}); got != shown {
				t.Fatalf("after %+v: shown %+v, want %+v", all[:i+1], got, shown)
			}
		}
		again := Invoice{ID: "i1"}
		for _, s := range rapid.Permutation(all).Draw(t, "in another order") {
			s.tell(&again)
		}
		// What is kept for the sake of silence alone depends on what was said last.
		kept.Heard, again.Heard = nil, nil
		if diff := gocmp.Diff(kept, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("in another order something else was kept:\n%s", diff)
		}
	})
}

// judged reads the text over all statements: late since the earliest above the last version that closed it, shown the
// highest version's, at one version the later effective, then the larger. A statement over nothing closes its version.
func judged(all []statement) (since Instant, shown statement) {
	closed := int64(-1)
	for _, s := range all {
		if s.closes != "" || s.amount.Minor == 0 {
			closed = max(closed, s.version)
		}
	}
	owed := slices.DeleteFunc(slices.Clone(all), func(s statement) bool { return s.closes != "" || s.version <= closed })
	if len(owed) == 0 {
		return 0, statement{}
	}
	since = slices.MinFunc(owed, func(a, b statement) int { return cmp.Compare(a.at, b.at) }).at
	shown = slices.MaxFunc(owed, func(a, b statement) int {
		return cmp.Or(
			cmp.Compare(a.version, b.version), cmp.Compare(a.at, b.at),
			cmp.Compare(a.amount.Minor, b.amount.Minor), cmp.Compare(a.amount.Currency, b.amount.Currency),
		)
	})
	return since, shown
}

func open(w *harness) []OpenInvoice {
	return slices.Collect(w.account(acme).Apps[testApp].OpenInvoices(0, ""))
}

// TestOpenInvoices: what keeps an app in arrears, the earliest first, each from when it counts; the amount shown is the latest word's.
func TestOpenInvoices(t *testing.T) {
	dearer := overdue("i1", 2, day(4))
	dearer.Amount = Money{"CNY", 700}
	w := newWorld(DefaultPolicy())
	for _, s := range []step{
		created(), did(day(5), Billing, overdue("i2", 1, day(2)), overdue("i1", 1, day(4)), dearer, settle("i3", 1, day(1))),
	} {
		s(t, w)
	}
	if got := open(w); got != nil {
		t.Errorf("an app never billed has open invoices: %v", got)
	}
	did(day(5), Billing, paid("o1", Pro, day(3), 0))(t, w)
	want := []OpenInvoice{{"i2", debt, day(3), 1}, {"i1", Money{"CNY", 700}, day(4), 2}}
	if diff := gocmp.Diff(want, open(w)); diff != "" {
		t.Error(diff)
	}
}
