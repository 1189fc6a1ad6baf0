package query

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"sundial/domain"
	"sundial/internal/testing/oracle"
)

// recorded is a fact with when it was recorded.
type recorded struct {
	at   domain.Instant
	fact oracle.Fact
}

// eventOf is the event that a fact becomes.
func eventOf(f oracle.Fact) domain.Event {
	about, at, amount := domain.About{App: domain.AppID(f.App)}, domain.Instant(f.Effective), domain.Money(f.Amount)
	switch f.Kind {
	case oracle.OrderPaid:
		by := domain.Billing
		if f.OwnersWord {
			by = domain.Owner
		}
		terms := domain.OrderTerms{
			ID: f.Order, Edition: domain.Edition(f.Edition), EffectiveAt: at, PaidUntil: domain.Instant(f.PaidUntil), Version: f.Version, Amount: amount,
		}
		if f.Edition == "" {
			terms.Addons = []string{"push"}
		}
		return domain.OrderRecorded{About: about, Order: terms, By: by}
	case oracle.OrderRefunded:
		return domain.RefundRecorded{About: about, Order: f.Order, Refund: f.Refund, EffectiveAt: at, Amount: amount, Goodwill: f.Goodwill}
	case oracle.InvoiceOverdue:
		return domain.InvoiceOverdueRecorded{About: about, Invoice: f.Invoice, Version: f.Version, EffectiveAt: at, Amount: amount}
	case oracle.InvoiceSettled:
		return domain.InvoiceSettledRecorded{About: about, Invoice: f.Invoice, Version: f.Version, EffectiveAt: at}
	}
	return domain.InvoiceVoidedRecorded{About: about, Invoice: f.Invoice, Version: f.Version, EffectiveAt: at}
}

// state makes the statement of a window of what was recorded.
func state(t failer, all []recorded, app domain.AppID, w Window) *Statement {
	t.Helper()
	b := newBook("acme", app, w)
	for i, r := range all {
		if w.To != 0 && r.at >= w.To {
			break
		}
		if err := b.enter(uint64(i+1), 0, r.at, eventOf(r.fact)); err != nil {
			t.Fatalf("fact %d: %v", i, err)
		}
	}
	s, err := b.close()
	if err != nil {
		t.Fatalf("closing: %v", err)
	}
	return s
}

// of gives the sums of a currency, to be added to.
func of(sums map[string]*Sums, currency string) *Sums {
	if sums[currency] == nil {
		sums[currency] = &Sums{Currency: currency}
	}
	return sums[currency]
}

// ordered gives the sums by currency.
func ordered(sums map[string]*Sums) []Sums {
	var all []Sums
	for _, currency := range slices.Sorted(maps.Keys(sums)) {
		all = append(all, *sums[currency])
	}
	return all
}

type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// worth adds up a set of facts with no regard to their order and no code of the ledger's or the domain's: for each order
// and invoice it picks what counts, by the text of the lifecycle.
func worth(facts []oracle.Fact) map[string]Sums {
	sums := map[string]Sums{}
	add := func(m oracle.Money, charged, refunded, owed int64) {
		if m.Currency == "" {
			return
		}
		s := sums[m.Currency]
		s.Currency = m.Currency
		s.Charged, s.Refunded, s.Owed = s.Charged+charged*m.Minor, s.Refunded+refunded*m.Minor, s.Owed+owed*m.Minor
		sums[m.Currency] = s
	}
	byDocument := map[string][]oracle.Fact{}
	for _, f := range facts {
		key := fmt.Sprint(f.App, " order ", f.Order)
		if f.Invoice != "" {
			key = fmt.Sprint(f.App, " invoice ", f.Invoice)
		}
		byDocument[key] = append(byDocument[key], f)
	}
	for _, about := range byDocument {
		of := func(kinds ...string) (some []oracle.Fact) {
			for _, f := range about {
				if slices.Contains(kinds, f.Kind) {
					some = append(some, f)
				}
			}
			return some
		}
		if about[0].Invoice != "" {
			addInvoice(of, add)
			continue
		}
		paid := oracle.Money{}
		if orders := of(oracle.OrderPaid); len(orders) > 0 {
			paid = slices.MinFunc(orders, byOrderRules).Amount
			add(paid, 1, 0, 0)
		}
		for _, r := range oracle.Refunds(about) {
			add(cmp.Or(r.Amount, paid), 0, 1, 0)
		}
	}
	return sums
}

// byOrderRules puts the report of an order first that wins.
func byOrderRules(a, b oracle.Fact) int {
	flag := func(b bool) int64 {
		if b {
			return 1
		}
		return 0
	}
	open := func(f oracle.Fact) int64 { return cmp.Or(f.PaidUntil, 1<<62) }
	rank := map[string]int64{"": 0, oracle.Pro: 1, oracle.Flagship: 2}
	return cmp.Or(
		cmp.Compare(b.Version, a.Version), cmp.Compare(flag(a.OwnersWord), flag(b.OwnersWord)), cmp.Compare(a.Effective, b.Effective),
		cmp.Compare(open(a), open(b)), cmp.Compare(rank[a.Edition], rank[b.Edition]),
		// Alike but for the amount: the smaller JSON, in which numbers are text.
		cmp.Compare(fmt.Sprintf(`%q,"minor":%d}`, a.Amount.Currency, a.Amount.Minor), fmt.Sprintf(`%q,"minor":%d}`, b.Amount.Currency, b.Amount.Minor)),
	)
}

func addInvoice(of func(...string) []oracle.Fact, add func(m oracle.Money, charged, refunded, owed int64)) {
	overdue := of(oracle.InvoiceOverdue)
	if len(overdue) == 0 {
		return // what it is about is not known
	}
	shown := slices.MaxFunc(overdue, func(a, b oracle.Fact) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Effective, b.Effective), cmp.Compare(a.Amount.Minor, b.Amount.Minor), cmp.Compare(a.Amount.Currency, b.Amount.Currency))
	})
	switch oracle.InvoiceStands(of(oracle.InvoiceOverdue, oracle.InvoiceSettled, oracle.InvoiceVoided)) {
	case oracle.InvoiceOverdue:
		add(shown.Amount, 0, 0, 1)
	case oracle.InvoiceSettled:
		add(shown.Amount, 1, 0, 0)
	}
}

// present leaves out the currencies in which nothing is left.
func present(sums []Sums) map[string]Sums {
	m := map[string]Sums{}
	for _, s := range sums {
		if s != (Sums{Currency: s.Currency}) {
			m[s.Currency] = s
		}
	}
	return m
}

// check holds statements of what was recorded against the sum of the facts, and against each other for every way to
// cut at the given instants.
func check(t failer, all []recorded, app domain.AppID, cuts []domain.Instant) {
	t.Helper()
	whole := state(t, all, app, Window{})
	var facts []oracle.Fact
	for _, r := range all {
		if app == 0 || uint64(app) == r.fact.App {
			facts = append(facts, r.fact)
		}
	}
	if len(whole.Lines) != len(facts) {
		t.Fatalf("%d lines for %d facts", len(whole.Lines), len(facts))
	}
	running := map[string]*Sums{}
	for i, line := range whole.Lines {
		for _, e := range line.Effect {
			s := of(running, e.Currency)
			s.Charged, s.Refunded, s.Owed = s.Charged+e.Charged, s.Refunded+e.Refunded, s.Owed+e.Owed
		}
		if d := gocmp.Diff(present(slices.Collect(mapValues(worth(facts[:i+1])))), present(ordered(running))); d != "" {
			t.Fatalf("after line %d, %+v, the effects come to another sum than the facts (-facts +effects):\n%s", i, line, d)
		}
		for _, s := range line.Sums {
			if s != *of(running, s.Currency) {
				t.Fatalf("line %d has the sums %+v, want %+v", i, s, *of(running, s.Currency))
			}
		}
	}
	if d := gocmp.Diff(present(ordered(running)), present(whole.Closing)); d != "" || len(whole.Opening) > 0 {
		t.Fatalf("closing (-running +closing), opening %v:\n%s", whole.Opening, d)
	}
	slices.Sort(cuts)
	var lines []Line
	last := &Statement{}
	for i := range len(cuts) + 1 {
		w := Window{}
		if i > 0 {
			w.From = cuts[i-1]
		}
		if i < len(cuts) {
			w.To = cuts[i]
		}
		s := state(t, all, app, w)
		if d := gocmp.Diff(present(last.Closing), present(s.Opening)); d != "" {
			t.Fatalf("cut at %s (-closing +opening):\n%s", w.From, d)
		}
		lines, last = append(lines, s.Lines...), s
	}
	if d := gocmp.Diff(whole.Lines, lines); d != "" {
		t.Fatalf("cut at %v, the lines are others (-whole +pieces):\n%s", cuts, d)
	}
	if d := gocmp.Diff(whole.Closing, last.Closing); d != "" {
		t.Fatalf("cut at %v, the end is another (-whole +pieces):\n%s", cuts, d)
	}
}

func mapValues(m map[string]Sums) func(func(Sums) bool) {
	return func(yield func(Sums) bool) {
		for _, s := range m {
			if !yield(s) {
				return
			}
		}
	}
}

// TestStatementsAddUp takes generated feeds as they arrive, duplicates and all.
func TestStatementsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		feed := oracle.Generate(rapid.Uint64().Draw(t, "seed"), oracle.Options{
			Accounts: 1, AppsPerAccount: rapid.IntRange(1, 3).Draw(t, "apps"), DuePairs: 1, Arrivals: 1, Midnights: 1,
		})
		var all []recorded
		for _, d := range feed.Deliveries {
			all = append(all, recorded{domain.Instant(d.ArrivesAt), d.Fact})
		}
		if len(all) == 0 {
			t.Skip("a feed in which nothing happens")
		}
		cuts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) domain.Instant {
			r := rapid.SampledFrom(all).Draw(t, "at")
			return r.at + domain.Instant(rapid.IntRange(-1, 1).Draw(t, "beside"))
		}), 0, 4).Draw(t, "cuts")
		check(t, all, 0, cuts)
		check(t, all, domain.AppID(feed.Apps[0].ID), cuts)
	})
}

// TestCrowdedStatementsAddUp takes made-up facts about few orders and invoices, in which restatements, ties, several
// refunds and changes of currency happen all the time.
func TestCrowdedStatementsAddUp(t *testing.T) {
	money := rapid.Custom(func(t *rapid.T) oracle.Money {
		return oracle.Money{Currency: rapid.SampledFrom([]string{"CNY", "CNY", "USD"}).Draw(t, "currency"), Minor: rapid.Int64Range(0, 12).Draw(t, "minor")}
	})
	crowded := rapid.Custom(func(t *rapid.T) oracle.Fact {
		f := oracle.Fact{App: 1400000001 + rapid.Uint64Range(0, 1).Draw(t, "app"), Effective: rapid.Int64Range(1, 4).Draw(t, "effective")}
		f.Kind = rapid.SampledFrom([]string{oracle.OrderPaid, oracle.OrderPaid, oracle.OrderRefunded, oracle.InvoiceOverdue, oracle.InvoiceOverdue, oracle.InvoiceSettled, oracle.InvoiceVoided}).Draw(t, "kind")
		f.Version = rapid.Int64Range(0, 3).Draw(t, "version")
		document := rapid.SampledFrom([]string{"1", "2"}).Draw(t, "document")
		switch f.Kind {
		case oracle.OrderPaid:
			f.Order, f.Amount = document, money.Draw(t, "amount")
			f.Edition = rapid.SampledFrom([]string{"", oracle.Pro, oracle.Flagship}).Draw(t, "edition")
			f.OwnersWord = rapid.Bool().Draw(t, "owner's word")
			f.PaidUntil = rapid.SampledFrom([]int64{0, 50, 60}).Draw(t, "paid until")
		case oracle.OrderRefunded:
			f.Order, f.Version = document, 0
			if rapid.Bool().Draw(t, "in part") {
				f.Amount = money.Draw(t, "amount")
			}
		case oracle.InvoiceOverdue:
			f.Invoice, f.Amount = document, money.Draw(t, "amount")
		default:
			f.Invoice = document
		}
		return f
	})
	rapid.Check(t, func(t *rapid.T) {
		var all []recorded
		at := domain.Instant(100)
		for _, f := range rapid.SliceOfN(crowded, 0, 25).Draw(t, "facts") {
			at += domain.Instant(rapid.IntRange(0, 3).Draw(t, "later"))
			all = append(all, recorded{at, f})
		}
		var cuts []domain.Instant
		for range rapid.IntRange(0, 4).Draw(t, "cuts") {
			cuts = append(cuts, domain.Instant(rapid.Int64Range(99, int64(at)+1).Draw(t, "cut")))
		}
		check(t, all, 0, cuts)
		check(t, all, 1400000001, cuts)
	})
}

func TestSumsOverflow(t *testing.T) {
	order := func(id string, minor int64) domain.Event {
		return eventOf(oracle.Fact{Kind: oracle.OrderPaid, App: 1400000001, Order: id, Effective: 1, Amount: oracle.Money{Currency: "CNY", Minor: minor}})
	}
	invoice := func(kind, id string, version, minor int64) domain.Event {
		return eventOf(oracle.Fact{Kind: kind, App: 1400000001, Invoice: id, Version: version, Effective: 1, Amount: oracle.Money{Currency: "CNY", Minor: minor}})
	}
	const most = domain.MaxMinor
	for _, row := range []struct {
		name    string
		events  []domain.Event
		want    error
		closing Sums
		untold  []int // lines without their sums
	}{
		{
			"as much as can be shown, and refunded",
			[]domain.Event{order("1", most), order("2", 0), eventOf(oracle.Fact{Kind: oracle.OrderRefunded, App: 1400000001, Order: "1", Effective: 1})},
			nil, Sums{"CNY", most, most, 0}, nil,
		},
		{"one more", []domain.Event{order("1", most), order("3", 1)}, ErrOverflow, Sums{}, nil},
		{
			"a large invoice that was voided",
			[]domain.Event{invoice(oracle.InvoiceOverdue, "a", 1, 500), invoice(oracle.InvoiceOverdue, "b", 1, most), invoice(oracle.InvoiceVoided, "b", 2, 0)},
			nil, Sums{"CNY", 0, 0, 500}, []int{1},
		},
		{
			"a large invoice that was restated",
			[]domain.Event{invoice(oracle.InvoiceOverdue, "a", 1, most), invoice(oracle.InvoiceOverdue, "b", 1, most), invoice(oracle.InvoiceOverdue, "b", 2, 0)},
			nil, Sums{"CNY", 0, 0, most}, []int{1},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBook("acme", 0, Window{})
			after := newBook("acme", 0, Window{From: 100})
			for i, event := range row.events {
				for _, book := range []*book{b, after} {
					if err := book.enter(uint64(i+1), 0, 1, event); err != nil {
						t.Fatalf("fact %d: %v", i, err)
					}
				}
			}
			for _, book := range []*book{b, after} {
				s, err := book.close()
				if !errors.Is(err, row.want) {
					t.Fatalf("%v, want %v", err, row.want)
				}
				if err != nil {
					continue
				}
				if d := gocmp.Diff([]Sums{row.closing}, s.Closing); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
				for i, line := range s.Lines {
					if told := len(line.Sums) > 0; told == slices.Contains(row.untold, i) {
						t.Errorf("line %d: sums %v", i, line.Sums)
					}
				}
			}
		})
	}
}

// TestTotalsLoseNothingOnTheWay goes further than a machine word.
func TestTotalsLoseNothingOnTheWay(t *testing.T) {
	var sum total
	for range 5000 {
		sum.add(domain.MaxMinor)
	}
	if n, fine := sum.tell(); fine {
		t.Errorf("told as %d", n)
	}
	for range 5001 {
		sum.add(-domain.MaxMinor)
	}
	if n, fine := sum.tell(); !fine || n != -domain.MaxMinor {
		t.Errorf("%d, %t", n, fine)
	}
	sum.add(-1)
	if n, fine := sum.tell(); fine {
		t.Errorf("beyond, told as %d", n)
	}
}

func TestAStatementIsNotEndless(t *testing.T) {
	facts := func(n int) []recorded {
		all := make([]recorded, n)
		for i := range all {
			all[i] = recorded{domain.Instant(i + 1), oracle.Fact{Kind: oracle.InvoiceVoided, App: 1400000001, Invoice: fmt.Sprint(i), Effective: 1}}
		}
		return all
	}
	if s := state(t, facts(maxLines), 0, Window{}); len(s.Lines) != maxLines {
		t.Errorf("%d lines", len(s.Lines))
	}
	b, long := newBook("acme", 0, Window{}), error(nil)
	for i, r := range facts(maxLines + 1) {
		long = b.enter(uint64(i+1), 0, r.at, eventOf(r.fact))
	}
	if !errors.Is(long, ErrTooLong) {
		t.Errorf("one more: %v", long)
	}
	if s := state(t, facts(maxLines+1), 0, Window{From: 2}); len(s.Lines) != maxLines {
		t.Errorf("in a shorter window: %d lines", len(s.Lines))
	}
}
