package domain

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestOrdersAreAskedAsIfWalked holds what is asked of the orders of an app against what a walk through all of them says,
// with one order after another told and told anew.
func TestOrdersAreAskedAsIfWalked(t *testing.T) {
	const days = 12
	order := rapid.Custom(func(t *rapid.T) Order {
		o := Order{ID: fmt.Sprint("o", rapid.IntRange(0, 9).Draw(t, "id"))}
		at := func(label string) Instant { return day(rapid.IntRange(0, days).Draw(t, label)) }
		if rapid.IntRange(0, 9).Draw(t, "paid") > 0 {
			o.Terms = OrderTerms{
				ID: o.ID, EffectiveAt: at("begins"),
				Edition: rapid.SampledFrom([]Edition{Pro, Pro, Flagship, ""}).Draw(t, "edition"),
				Addons:  rapid.SampledFrom([][]string{nil, {"push"}, {"a", TPNSAddon}}).Draw(t, "add-ons"),
			}
			if rapid.IntRange(0, 3).Draw(t, "ends") > 0 {
				o.Terms.PaidUntil = at("until")
			}
		}
		if rapid.IntRange(0, 2).Draw(t, "refunded") == 0 {
			o.Refunds = []KnownRefund{{EffectiveAt: at("refund"), Goodwill: rapid.Bool().Draw(t, "goodwill")}}
		}
		return o
	})
	rapid.Check(t, func(t *rapid.T) {
		app := &App{Base: TRTCTrial}
		earlier, news := app.Orders, map[string]bool{}
		var all walked
		for range rapid.IntRange(1, 14).Draw(t, "orders") {
			o := order.Draw(t, "order")
			if rapid.IntRange(0, 4).Draw(t, "look") == 0 {
				earlier, news = app.Orders, map[string]bool{}
			}
			app.Orders, news[o.ID] = app.Orders.with(o), true
			if at := slices.IndexFunc(all, func(w Order) bool { return w.ID == o.ID }); at >= 0 {
				all[at] = o
			} else {
				all = append(all, o)
			}
		}
		slices.SortFunc(all, func(a, b Order) int { return cmp.Compare(a.ID, b.ID) })
		if at := OrdersOf(slices.Clone(all)...); !at.Equal(app.Orders) || !reflect.DeepEqual(at, app.Orders) {
			t.Fatalf("another shape, made at once: %+v", all)
		}
		if got := walked(slices.Collect(app.Orders.All())); !slices.EqualFunc(got, all, Order.same) {
			t.Fatalf("all are %+v, want %+v", got, all)
		}
		same := func(what string, got, want any) {
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s is %v, want %v, of %+v", what, got, want, all)
			}
		}
		for o := range app.Orders.Since(earlier) {
			if now, _ := app.Orders.Get(o.ID); !news[o.ID] || !now.same(o) {
				t.Fatalf("order %+v is no news, of %+v", o, all)
			}
			delete(news, o.ID)
		}
		same("news that are not told", news, map[string]bool{})
		same("paid until", app.PaidUntil(), all.paidUntil())
		same("billed since", app.billedSince(), all.billedSince())
		same("the order for push", app.tpnsOrder(), all.tpnsOrder())
		for d := -1; d <= days+1; d++ {
			for _, at := range [2]Instant{day(d), day(d) - 1} {
				same(fmt.Sprint("coverage at ", at), app.coverageAt(at), all.coverageAt(at, app.Base))
				same(fmt.Sprint("what begins after ", at), app.beginsAfter(at), all.beginsAfter(at))
				next, expiries := app.ahead(at, app.coverageAt(at))
				wantNext, wantExpiries := all.ahead(at, app.Base)
				same(fmt.Sprint("the next change after ", at), next, wantNext)
				same(fmt.Sprint("expiries after ", at), expiries, wantExpiries)
			}
		}
	})
}

// walked answers by a walk through all orders, as the lifecycle has the words.
type walked []Order

func (all walked) paidUntil() (latest Instant) {
	for _, o := range all {
		switch {
		case !o.buysEdition() || o.refundedAt() != 0:
		case o.Terms.PaidUntil == 0:
			return 0
		default:
			latest = max(latest, o.Terms.PaidUntil, o.Terms.EffectiveAt)
		}
	}
	return latest
}

func (all walked) billedSince() (since Instant) {
	for _, o := range all {
		if o.buysEdition() && (since == 0 || o.Terms.EffectiveAt < since) {
			since = o.Terms.EffectiveAt
		}
	}
	return since
}

func (all walked) tpnsOrder() string {
	for _, o := range all {
		if o.Terms.EffectiveAt != 0 && o.refundedAt() == 0 && slices.Contains(o.Terms.Addons, TPNSAddon) {
			return o.ID
		}
	}
	return ""
}

func (all walked) beginsAfter(t Instant) (first Instant) {
	for _, o := range all {
		begins := o.Terms.EffectiveAt
		if end, _ := o.end(); o.buysEdition() && begins > t && end > begins && (first == 0 || begins < first) {
			first = begins
		}
	}
	return first
}

func (all walked) coverageAt(t Instant, base Edition) coverage {
	covering := Edition("")
	var ended, empty coverage
	end := func(c *coverage, edition Edition, at Instant, cause Cause) {
		switch {
		case at > c.since:
			*c = coverage{edition, at, cause}
		case at == c.since:
			if edition.Rank() > c.edition.Rank() {
				c.edition = edition
			}
			if cause == CauseRefund {
				c.cause = CauseRefund
			}
		}
	}
	for _, o := range all {
		if !o.buysEdition() || o.Terms.EffectiveAt > t {
			continue
		}
		switch ends, cause := o.end(); {
		case ends > t:
			if o.Terms.Edition.Rank() > covering.Rank() {
				covering = o.Terms.Edition
			}
		case ends == o.Terms.EffectiveAt:
			end(&empty, o.Terms.Edition, ends, cause)
		default:
			end(&ended, o.Terms.Edition, ends, cause)
		}
	}
	switch {
	case covering != "":
		return coverage{edition: covering}
	case ended.since != 0:
		return ended
	case empty.since != 0:
		return empty
	}
	return coverage{edition: base}
}

func (all walked) ahead(after Instant, base Edition) (next Term, expiries []Expiry) {
	var times []Instant
	for _, o := range all {
		if end, _ := o.end(); o.buysEdition() {
			times = append(times, o.Terms.EffectiveAt, end)
		}
	}
	slices.Sort(times)
	is := all.coverageAt(after, base)
	was := is
	for _, at := range slices.Compact(times) {
		if at <= after || at >= noEnd {
			continue
		}
		will := all.coverageAt(at, base)
		if next.Due == 0 && will != is {
			next = all.termAt(at, will)
		}
		if will.since == at && was.since == 0 && len(expiries) < MaxExpiries {
			expiries = append(expiries, Expiry{At: at, Cause: will.cause, Edition: will.edition})
		}
		was = will
	}
	return next, expiries
}

func (all walked) termAt(due Instant, will coverage) Term {
	if will.since != 0 {
		return Term{Due: due, Cause: will.cause}
	}
	term := Term{Due: due, To: will.edition, Cause: CausePlanExpired}
	for _, o := range all {
		if !o.buysEdition() {
			continue
		}
		end, cause := o.end()
		if o.Terms.EffectiveAt == due && end > due {
			term.Cause = CauseOrder
			break
		}
		if end == due && cause == CauseRefund && o.Terms.Edition.Rank() > will.edition.Rank() {
			term.Cause = CauseRefund
		}
	}
	return term
}

// TestInvoicesAreAskedAsIfWalked does the same for invoices.
func TestInvoicesAreAskedAsIfWalked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		app := &App{Arrears: Arrears{Since: 1}}
		app.Orders = OrdersOf(Order{ID: "o", Terms: OrderTerms{EffectiveAt: day(rapid.IntRange(0, 9).Draw(t, "billed")), Edition: Pro}})
		all := map[string]Invoice{}
		for range rapid.IntRange(1, 20).Draw(t, "facts") {
			id := fmt.Sprint("i", rapid.IntRange(0, 9).Draw(t, "id"))
			version, at := rapid.Int64Range(0, 3).Draw(t, "version"), day(rapid.IntRange(1, 9).Draw(t, "at"))
			tell := func(i *Invoice) { i.owe(Statement{version, at, debt}) }
			if rapid.IntRange(0, 2).Draw(t, "closes") == 0 {
				tell = func(i *Invoice) { i.close(Closing{version, at, bySettlement}) }
			}
			app.changeInvoice(id, tell)
			i := all[id]
			i.ID = id
			tell(&i)
			all[id] = i
		}
		var want []OpenInvoice
		first := Instant(0)
		for id, i := range all {
			if got, _ := app.Invoices.Get(id); !got.same(i) {
				t.Fatalf("invoice %+v, want %+v", got, i)
			}
			if late := i.lateSince(); late != 0 {
				if first == 0 || late < first {
					first = late
				}
				want = append(want, OpenInvoice{id, i.Latest().Amount, max(late, app.billedSince()), i.Latest().Version})
			}
		}
		slices.SortFunc(want, func(a, b OpenInvoice) int { return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.ID, b.ID)) })
		if got := app.lateSince(); got != first {
			t.Fatalf("late since %s, want %s", got, first)
		}
		if app.Invoices.Len() != len(all) || app.OpenInvoiceCount() != len(want) {
			t.Fatalf("%d invoices, %d open, want %d and %d", app.Invoices.Len(), app.OpenInvoiceCount(), len(all), len(want))
		}
		if again := InvoicesOf(slices.Collect(app.Invoices.All())...); !again.Equal(app.Invoices) || !reflect.DeepEqual(again, app.Invoices) {
			t.Fatalf("another shape, made at once")
		}
		if got := slices.Collect(app.OpenInvoices(0, "")); !slices.Equal(got, want) {
			t.Fatalf("open %v, want %v", got, want)
		}
		for n, i := range want {
			if got := slices.Collect(app.OpenInvoices(i.Since, i.ID)); !slices.Equal(got, want[n+1:]) {
				t.Fatalf("behind %v: %v, want %v", i, got, want[n+1:])
			}
		}
	})
}
