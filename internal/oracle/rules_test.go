package oracle

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The rows below count in days from 2021-01-01: d(30) is the thirtieth day after it. Grace is seven days. What an app
// must be is written as show writes it.

var dayZero = time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()

func d(days int64) int64 { return dayZero + days*day }

var testApp = App{Account: "acme", ID: 1400000001, Name: "shop chat", CreatedAt: d(-100)}

func paid(order, edition string, from, until int64, changes ...func(*Fact)) Fact {
	fact := Fact{Kind: OrderPaid, Order: order, Edition: edition, Effective: from, PaidUntil: until}
	for _, change := range changes {
		change(&fact)
	}
	return about(fact)
}

func version(number int64) func(*Fact) { return func(f *Fact) { f.Version = number } }

func ownersWordOnly(f *Fact) { f.OwnersWord = true }

func refund(order string, at int64) Fact {
	return about(Fact{Kind: OrderRefunded, Order: order, Effective: at})
}

func overdue(invoice string, version, at, minor int64) Fact {
	return about(Fact{Kind: InvoiceOverdue, Invoice: invoice, Version: version, Effective: at, Amount: yuan(minor)})
}

func settled(invoice string, version, at int64) Fact {
	return about(Fact{Kind: InvoiceSettled, Invoice: invoice, Version: version, Effective: at})
}

func voided(invoice string, version, at int64) Fact {
	return about(Fact{Kind: InvoiceVoided, Invoice: invoice, Version: version, Effective: at})
}

func about(fact Fact) Fact {
	fact.Account, fact.App = testApp.Account, testApp.ID
	return fact
}

// show writes a view in a line, with days from 2021-01-01 for instants.
func show(v View) string {
	var parts []string
	add := func(format string, values ...any) { parts = append(parts, fmt.Sprintf(format, values...)) }
	add("%s %s", v.Edition, v.Status)
	if v.PaidUntil != 0 {
		add("paid until %s", showDay(v.PaidUntil))
	}
	if v.Arrears != nil {
		add("arrears %s due %s", showDay(v.Arrears.Since), showDay(v.Arrears.StopDue))
		for _, i := range v.Arrears.Invoices {
			add("%s v%d %s of %d%s", i.ID, i.Version, showDay(i.Since), i.Amount.Minor, strings.TrimPrefix(i.Amount.Currency, "CNY"))
		}
	}
	if v.Lapse != nil {
		add("lapse %s %s due %s", v.Lapse.Cause, showDay(v.Lapse.Since), showDay(v.Lapse.StopDue))
	}
	if v.Stop != nil {
		add("stop %s %s", v.Stop.Cause, showDay(v.Stop.EffectiveAt))
	}
	for _, n := range v.Next {
		add("next %s %s %s", n.To, showDay(n.Due), n.Cause)
	}
	return strings.Join(parts, "; ")
}

func showDay(instant int64) string {
	days := int64(math.Round(float64(instant-dayZero) / float64(day)))
	if rest := instant - d(days); rest != 0 {
		return fmt.Sprintf("%d%+dms", days, rest)
	}
	return fmt.Sprint(days)
}

type row struct {
	rule  string
	facts []Fact
	now   int64
	want  string
}

func check(t *testing.T, rows []row) {
	t.Helper()
	for _, row := range rows {
		t.Run(row.rule, func(t *testing.T) {
			if diff := cmp.Diff(row.want, show(State(testApp, row.facts, row.now, grace))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOrderMerging(t *testing.T) {
	check(t, []row{
		{"the highest version wins, wherever it stands",
			[]Fact{paid("o", Pro, d(0), d(60), version(2)), paid("o", Flagship, d(0), d(30), version(1))}, d(1),
			"pro active; paid until 60; next expired 60 plan_expired"},
		{"a version left out is 0",
			[]Fact{paid("o", Pro, d(0), d(60)), paid("o", Flagship, d(0), d(30), version(1))}, d(1),
			"flagship active; paid until 30; next expired 30 plan_expired"},
		{"a higher version of the owner's goes before billing's word",
			[]Fact{paid("o", Pro, d(0), d(60)), paid("o", Pro, d(0), d(30), version(1), ownersWordOnly)}, d(1),
			"pro active; paid until 30; next expired 30 plan_expired"},
		{"at one version billing's word wins, though it begins later",
			[]Fact{paid("o", Pro, d(0), d(30), ownersWordOnly), paid("o", Pro, d(1), d(60))}, d(1),
			"pro active; paid until 60; next expired 60 plan_expired"},
		{"then the earlier effective_at, though its term is longer",
			[]Fact{paid("o", Pro, d(1), d(30)), paid("o", Pro, d(0), d(60))}, d(1),
			"pro active; paid until 60; next expired 60 plan_expired"},
		{"then the shorter term, though its edition is higher",
			[]Fact{paid("o", Pro, d(0), d(60)), paid("o", Flagship, d(0), d(30))}, d(1),
			"flagship active; paid until 30; next expired 30 plan_expired"},
		{"an open-ended term is the longest",
			[]Fact{paid("o", Pro, d(0), 0), paid("o", Pro, d(0), d(30))}, d(1),
			"pro active; paid until 30; next expired 30 plan_expired"},
		{"then the lower edition",
			[]Fact{paid("o", Flagship, d(0), d(30)), paid("o", Pro, d(0), d(30))}, d(1),
			"pro active; paid until 30; next expired 30 plan_expired"},
		{"add-ons alone rank below every edition",
			[]Fact{paid("o", Pro, d(0), d(30)), paid("o", "", d(0), d(30))}, d(1),
			"trial active"},
		{"an order restated as add-ons alone covers and bills no more",
			[]Fact{paid("o", Pro, d(0), d(30)), paid("o", "", d(0), 0, version(1)), overdue("i", 1, d(1), 5)}, d(1),
			"trial active"},
		{"a refund may arrive before its order: alone it does nothing",
			[]Fact{refund("o", d(5))}, d(6),
			"trial active"},
		{"of several refunds the earliest effective counts",
			[]Fact{paid("o", Pro, d(0), d(30)), refund("o", d(9)), refund("o", d(5)), refund("o", d(7))}, d(6),
			"pro expired; lapse refund 5 due 12; next stopped 12 refund"},
		{"a refund ends every version of its order",
			[]Fact{refund("o", d(5)), paid("o", Pro, d(0), d(30)), paid("o", Pro, d(0), d(60), version(3))}, d(5),
			"pro expired; lapse refund 5 due 12; next stopped 12 refund"},
		{"facts of other apps and of other accounts are not its own",
			[]Fact{
				{Kind: OrderPaid, Order: "o", Edition: Pro, Account: "acme", App: 1400000002},
				{Kind: OrderPaid, Order: "o", Edition: Pro, Account: "evil", App: 1400000001},
			}, d(1),
			"trial active"},
	})
}

func TestCoverage(t *testing.T) {
	check(t, []row{
		{"with neither a term nor a refund an order has no end",
			[]Fact{paid("o", Pro, d(0), 0)}, d(5000),
			"pro active"},
		{"it covers until one millisecond before its end",
			[]Fact{paid("o", Pro, d(0), d(30))}, d(30) - 1,
			"pro active; paid until 30; next expired 30 plan_expired"},
		{"and no more at its end",
			[]Fact{paid("o", Pro, d(0), d(30))}, d(30),
			"pro expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired"},
		{"it covers before it takes effect",
			[]Fact{paid("o", Pro, d(1), d(30))}, d(0),
			"pro active; paid until 30; next expired 30 plan_expired"},
		{"its end is the refund, if that is earlier than the term",
			[]Fact{paid("o", Pro, d(0), d(30)), refund("o", d(30)-1)}, d(30),
			"pro expired; lapse refund 30-1ms due 37-1ms; next stopped 37-1ms refund"},
		{"a tie is the refund's",
			[]Fact{paid("o", Pro, d(0), d(30)), refund("o", d(30))}, d(30),
			"pro expired; lapse refund 30 due 37; next stopped 37 refund"},
		{"its end is the term, if the refund is later",
			[]Fact{paid("o", Pro, d(0), d(30)), refund("o", d(30)+1)}, d(30),
			"pro expired; lapse plan_expired 30 due 37; next stopped 37 plan_expired"},
		{"a refund ends an open-ended order",
			[]Fact{paid("o", Pro, d(0), 0), refund("o", d(3))}, d(3),
			"pro expired; lapse refund 3 due 10; next stopped 10 refund"},
		{"the end is never before the order's own effective_at",
			[]Fact{paid("o", Pro, d(5), d(30)), refund("o", d(2))}, d(6),
			"pro expired; lapse refund 5 due 12; next stopped 12 refund"},
		{"a refund that takes effect later still covers until then",
			[]Fact{paid("o", Pro, d(0), d(30)), refund("o", d(2))}, d(2) - 1,
			"pro active; next expired 2 refund"},
		{"add-ons alone cover nothing",
			[]Fact{paid("o", "", d(0), 0)}, d(1),
			"trial active"},
		{"nor do they keep a lapse away",
			[]Fact{paid("o", Pro, d(0), d(3)), paid("a", "", d(0), 0)}, d(4),
			"pro expired; paid until 3; lapse plan_expired 3 due 10; next stopped 10 plan_expired"},
		{"a term of no length ends where it begins",
			[]Fact{paid("o", Pro, d(3), d(3))}, d(3),
			"pro expired; paid until 3; lapse plan_expired 3 due 10; next stopped 10 plan_expired"},
	})
}

func TestEdition(t *testing.T) {
	check(t, []row{
		{"with no order, what the app was created with", nil, d(0),
			"trial active"},
		{"the highest among the orders that cover now",
			[]Fact{paid("a", Pro, d(0), d(60)), paid("b", Flagship, d(10), d(40)), paid("c", Pro, d(20), d(50))}, d(30),
			"flagship active; paid until 60; next edition:pro 40 plan_expired"},
		{"an upgrade's term that ends does so by time",
			[]Fact{paid("a", Pro, d(0), d(60)), paid("b", Flagship, d(10), d(40))}, d(40),
			"pro active; paid until 60; next expired 60 plan_expired"},
		{"a refunded upgrade falls back to what is still paid for",
			[]Fact{paid("a", Pro, d(0), d(60)), paid("b", Flagship, d(10), 0), refund("b", d(20))}, d(21),
			"pro active; paid until 60; next expired 60 plan_expired"},
		{"a refund to come is a transition to come, with its cause",
			[]Fact{paid("a", Pro, d(0), d(60)), paid("b", Flagship, d(10), 0), refund("b", d(20))}, d(20) - 1,
			"flagship active; paid until 60; next edition:pro 20 refund"},
		{"if none covers, that of the order that ended last, though a higher one ended before",
			[]Fact{paid("a", Flagship, d(0), d(30)), paid("b", Pro, d(0), d(31))}, d(33),
			"pro expired; paid until 31; lapse plan_expired 31 due 38; next stopped 38 plan_expired"},
		{"of several that ended at that instant the highest",
			[]Fact{paid("a", Flagship, d(0), d(30)), paid("b", Pro, d(0), d(30))}, d(33),
			"flagship expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired"},
		{"the end of a lower order beside it changes nothing",
			[]Fact{paid("a", Flagship, d(0), d(60)), paid("b", Pro, d(0), d(30))}, d(20),
			"flagship active; paid until 60; next expired 60 plan_expired"},
		{"only what carried the old edition caused its end",
			[]Fact{
				paid("a", Flagship, d(0), d(30)), paid("b", Pro, d(0), d(60)), paid("c", Pro, d(0), 0), refund("c", d(30)),
			}, d(20),
			"flagship active; paid until 60; next edition:pro 30 plan_expired"},
		{"of two that carried it, the refund caused it",
			[]Fact{
				paid("a", Flagship, d(0), d(30)), paid("b", Pro, d(0), d(60)), paid("c", Flagship, d(0), 0), refund("c", d(30)),
			}, d(20),
			"flagship active; paid until 60; next edition:pro 30 refund"},
		{"paid_until is null if one order that was not refunded has no end",
			[]Fact{paid("a", Pro, d(0), d(30)), paid("b", Pro, d(0), 0)}, d(20),
			"pro active"},
		{"paid_until does not see the orders that were refunded, though they ended by their terms",
			[]Fact{paid("a", Pro, d(0), d(30)), paid("b", Pro, d(0), d(60)), refund("b", d(70))}, d(20),
			"pro active; paid until 30; next expired 60 plan_expired"},
	})
}

func TestPaidAppsWithoutOrders(t *testing.T) {
	imported := testApp
	imported.Edition = Flagship
	for _, row := range []row{
		{"a paid edition counts as an open-ended order from creation on",
			[]Fact{overdue("i", 1, d(-200), 5)}, d(-99),
			"flagship active; arrears -100 due -93; i v1 -100 of 5; next stopped -93 arrears"},
		{"whose name is import, so that it can be refunded",
			[]Fact{refund("import", d(1))}, d(2),
			"flagship expired; lapse refund 1 due 8; next stopped 8 refund"},
		{"and restated by billing",
			[]Fact{paid("import", Pro, d(0), d(30))}, d(2),
			"pro active; paid until 30; next expired 30 plan_expired"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			if diff := cmp.Diff(row.want, show(State(imported, row.facts, row.now, grace))); diff != "" {
				t.Error(diff)
			}
		})
	}
	created := testApp
	created.Edition = TRTCTrial
	if got := show(State(created, nil, d(0), grace)); got != "trtc_trial active" {
		t.Errorf("an app from the real-time side: %s", got)
	}
}

func TestLapse(t *testing.T) {
	check(t, []row{
		{"since the latest end",
			[]Fact{paid("a", Pro, d(0), d(30)), paid("b", Pro, d(10), d(20))}, d(31),
			"pro expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired"},
		{"refund, if several end then",
			[]Fact{paid("a", Pro, d(0), d(30)), paid("b", Pro, d(10), 0), refund("b", d(30))}, d(31),
			"pro expired; paid until 30; lapse refund 30 due 37; next stopped 37 refund"},
		{"the refund of an order that ended before does not rename it",
			[]Fact{paid("a", Pro, d(0), d(30)), paid("b", Pro, d(10), 0), refund("b", d(29))}, d(31),
			"pro expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired"},
		{"one millisecond before the due it is not a hold",
			[]Fact{paid("a", Pro, d(0), d(30))}, d(37) - 1,
			"pro expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired"},
		{"at the due it is",
			[]Fact{paid("a", Pro, d(0), d(30))}, d(37),
			"pro stopped; paid until 30; lapse plan_expired 30 due 37; stop plan_expired 37"},
		{"the hold is effective at the due, however much later it is seen",
			[]Fact{paid("a", Pro, d(0), 0), refund("a", d(3))}, d(90),
			"pro stopped; lapse refund 3 due 10; stop refund 10"},
		{"an order that covers now ends the lapse, also after a stop",
			[]Fact{paid("a", Pro, d(0), d(30)), paid("b", Pro, d(40), d(70))}, d(41),
			"pro active; paid until 70; next expired 70 plan_expired"},
		{"an order that covers a gap afterwards moves since",
			[]Fact{paid("a", Pro, d(0), d(30)), paid("b", Pro, d(40), d(41))}, d(41),
			"pro expired; paid until 41; lapse plan_expired 41 due 48; next stopped 48 plan_expired"},
	})
}

func TestInvoices(t *testing.T) {
	bill := paid("o", Pro, d(0), 0)
	check(t, []row{
		{"the highest version says that it is settled, whichever came last",
			[]Fact{bill, settled("i", 2, d(3)), overdue("i", 1, d(2), 5)}, d(3),
			"pro active"},
		{"or voided",
			[]Fact{bill, overdue("i", 1, d(2), 5), voided("i", 2, d(3))}, d(3),
			"pro active"},
		{"closed counts even with an effective time before it was overdue",
			[]Fact{bill, overdue("i", 1, d(2), 5), settled("i", 2, d(1))}, d(3),
			"pro active"},
		{"at one version closing wins",
			[]Fact{bill, settled("i", 1, d(2)), overdue("i", 1, d(3), 5)}, d(3),
			"pro active"},
		{"a closing of a lower version is of the past",
			[]Fact{bill, overdue("i", 2, d(2), 5), settled("i", 1, d(3))}, d(3),
			"pro active; arrears 2 due 9; i v2 2 of 5; next stopped 9 arrears"},
		{"stating it again does not restart the clock",
			[]Fact{bill, overdue("i", 1, d(2), 5), overdue("i", 2, d(4), 6)}, d(5),
			"pro active; arrears 2 due 9; i v2 2 of 6; next stopped 9 arrears"},
		{"a restatement that goes back in time does set it back",
			[]Fact{bill, overdue("i", 1, d(4), 5), overdue("i", 2, d(2), 6)}, d(5),
			"pro active; arrears 2 due 9; i v2 2 of 6; next stopped 9 arrears"},
		{"owed again after it was closed, it counts anew",
			[]Fact{bill, overdue("i", 1, d(2), 5), settled("i", 2, d(4)), overdue("i", 3, d(6), 5)}, d(6),
			"pro active; arrears 6 due 13; i v3 6 of 5; next stopped 13 arrears"},
		{"only the last closing counts",
			[]Fact{
				bill, overdue("i", 1, d(1), 5), settled("i", 2, d(2)), overdue("i", 3, d(3), 5), voided("i", 4, d(4)),
				overdue("i", 6, d(6), 5), overdue("i", 5, d(5), 5),
			}, d(6),
			"pro active; arrears 5 due 12; i v6 5 of 5; next stopped 12 arrears"},
		{"at one version the amount is the later effective_at's, since the earlier's",
			[]Fact{bill, overdue("i", 1, d(3), 5), overdue("i", 1, d(2), 9)}, d(3),
			"pro active; arrears 2 due 9; i v1 2 of 5; next stopped 9 arrears"},
		{"then the amount is the larger",
			[]Fact{bill, overdue("i", 1, d(2), 5), overdue("i", 1, d(2), 9), overdue("i", 1, d(2), 7)}, d(3),
			"pro active; arrears 2 due 9; i v1 2 of 9; next stopped 9 arrears"},
		{"owing nothing is overdue all the same",
			[]Fact{bill, overdue("i", 1, d(2), 0)}, d(3),
			"pro active; arrears 2 due 9; i v1 2 of 0; next stopped 9 arrears"},
	})
}

func TestArrears(t *testing.T) {
	bill := paid("o", Pro, d(0), 0)
	check(t, []row{
		{"overdue invoices of an app never billed have no effect",
			[]Fact{overdue("i", 1, d(2), 5)}, d(100),
			"trial active"},
		{"nor do add-ons alone bill it",
			[]Fact{paid("o", "", d(0), 0), overdue("i", 1, d(2), 5)}, d(100),
			"trial active"},
		{"they are kept: since is not before it is billed",
			[]Fact{overdue("i", 1, d(2), 5), paid("o", Pro, d(20), 0)}, d(21),
			"pro active; arrears 20 due 27; i v1 20 of 5; next stopped 27 arrears"},
		{"billed from its first order with an edition, though that was refunded",
			[]Fact{overdue("i", 1, d(2), 5), paid("o", Pro, d(20), 0), paid("p", Pro, d(1), 0), refund("p", d(1))}, d(8),
			"pro active; arrears 2 due 9; i v1 2 of 5; next stopped 9 arrears"},
		{"since the earliest of the overdue invoices",
			[]Fact{bill, overdue("j", 1, d(2), 5), overdue("i", 1, d(4), 6)}, d(5),
			"pro active; arrears 2 due 9; i v1 4 of 6; j v1 2 of 5; next stopped 9 arrears"},
		{"when the oldest is closed, since moves to the next oldest",
			[]Fact{bill, overdue("j", 1, d(2), 5), overdue("i", 1, d(4), 6), settled("j", 2, d(5))}, d(10),
			"pro active; arrears 4 due 11; i v1 4 of 6; next stopped 11 arrears"},
		{"also after the stop, whose new due has passed too",
			[]Fact{bill, overdue("j", 1, d(2), 5), overdue("i", 1, d(4), 6), settled("j", 2, d(10))}, d(12),
			"pro stopped; arrears 4 due 11; i v1 4 of 6; stop arrears 11"},
		{"or is still ahead",
			[]Fact{bill, overdue("j", 1, d(2), 5), overdue("i", 1, d(9), 6), settled("j", 2, d(10))}, d(12),
			"pro active; arrears 9 due 16; i v1 9 of 6; next stopped 16 arrears"},
		{"one millisecond before the due it is in service",
			[]Fact{bill, overdue("i", 1, d(2), 5)}, d(9) - 1,
			"pro active; arrears 2 due 9; i v1 2 of 5; next stopped 9 arrears"},
		{"at the due it is stopped",
			[]Fact{bill, overdue("i", 1, d(2), 5)}, d(9),
			"pro stopped; arrears 2 due 9; i v1 2 of 5; stop arrears 9"},
		{"a payment reported after the stop reinstates",
			[]Fact{bill, overdue("i", 1, d(2), 5), settled("i", 2, d(9))}, d(30),
			"pro active"},
		{"also one made after the due",
			[]Fact{bill, overdue("i", 1, d(2), 5), settled("i", 2, d(9)+1)}, d(30),
			"pro active"},
		{"arrears outlive the coverage: the app was billed",
			[]Fact{paid("o", Pro, d(0), d(5)), overdue("i", 1, d(8), 5)}, d(8),
			"pro expired; paid until 5; arrears 8 due 15; i v1 8 of 5; lapse plan_expired 5 due 12; next stopped 12 plan_expired"},
	})
}

func TestHolds(t *testing.T) {
	check(t, []row{
		{"the stop shown is the one effective first: here the lapse's",
			[]Fact{paid("o", Pro, d(0), d(5)), overdue("i", 1, d(8), 5)}, d(20),
			"pro stopped; paid until 5; arrears 8 due 15; i v1 8 of 5; lapse plan_expired 5 due 12; stop plan_expired 12"},
		{"here that of the arrears",
			[]Fact{paid("o", Pro, d(0), d(5)), overdue("i", 1, d(3), 5)}, d(20),
			"pro stopped; paid until 5; arrears 3 due 10; i v1 3 of 5; lapse plan_expired 5 due 12; stop arrears 10"},
		{"at one instant arrears go before a refund",
			[]Fact{paid("o", Pro, d(0), 0), refund("o", d(5)), overdue("i", 1, d(5), 5)}, d(12),
			"pro stopped; arrears 5 due 12; i v1 5 of 5; lapse refund 5 due 12; stop arrears 12"},
		{"and before a plan that expired; both are told beforehand",
			[]Fact{paid("o", Pro, d(0), d(5)), overdue("i", 1, d(5), 5)}, d(12) - 1,
			"pro expired; paid until 5; arrears 5 due 12; i v1 5 of 5; lapse plan_expired 5 due 12; " +
				"next stopped 12 arrears; next stopped 12 plan_expired"},
		{"when one ends, the other stays in force",
			[]Fact{paid("o", Pro, d(0), d(5)), overdue("i", 1, d(3), 5), settled("i", 2, d(20))}, d(20),
			"pro stopped; paid until 5; lapse plan_expired 5 due 12; stop plan_expired 12"},
		{"a second hold is still to come while the first is in force",
			[]Fact{paid("o", Pro, d(0), d(5)), overdue("i", 1, d(3), 5)}, d(10),
			"pro stopped; paid until 5; arrears 3 due 10; i v1 3 of 5; lapse plan_expired 5 due 12; stop arrears 10; " +
				"next stopped 12 plan_expired"},
		{"so is an end of coverage",
			[]Fact{paid("o", Pro, d(0), d(50)), overdue("i", 1, d(3), 5)}, d(10),
			"pro stopped; paid until 50; arrears 3 due 10; i v1 3 of 5; stop arrears 10; next expired 50 plan_expired"},
		{"an expiry and a stop may come at one instant",
			[]Fact{paid("o", Pro, d(0), d(10)), overdue("i", 1, d(3), 5)}, d(9),
			"pro active; paid until 10; arrears 3 due 10; i v1 3 of 5; next stopped 10 arrears; next expired 10 plan_expired"},
	})
}

// TestGraceIsAParameter includes none at all: what lapses is stopped at once.
func TestGraceIsAParameter(t *testing.T) {
	facts := []Fact{paid("o", Pro, d(0), d(5))}
	for grace, want := range map[int64]string{
		0:       "pro stopped; paid until 5; lapse plan_expired 5 due 5; stop plan_expired 5",
		2 * day: "pro expired; paid until 5; lapse plan_expired 5 due 7; next stopped 7 plan_expired",
	} {
		if got := show(State(testApp, facts, d(5), grace)); got != want {
			t.Errorf("grace %d:\n got %s\nwant %s", grace, got, want)
		}
	}
}
