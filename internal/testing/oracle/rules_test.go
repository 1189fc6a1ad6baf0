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

func byOwner(f *Fact) { f.OwnersWord = true }

func refund(order string, at int64, changes ...func(*Fact)) Fact {
	fact := Fact{Kind: OrderRefunded, Order: order, Effective: at}
	for _, change := range changes {
		change(&fact)
	}
	return about(fact)
}

// part names one of several refunds of an order.
func part(id string) func(*Fact) { return func(f *Fact) { f.Refund = id } }

func goodwill(f *Fact) { f.Goodwill = true }

func of(minor int64) func(*Fact) { return func(f *Fact) { f.Amount = yuan(minor) } }

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

// check holds one sentence of the text: what the facts make of the app at an instant, in the words of show.
func check(t *testing.T, rule string, now int64, want string, facts ...Fact) {
	t.Helper()
	checkApp(t, testApp, rule, now, want, facts...)
}

func checkApp(t *testing.T, app App, rule string, now int64, want string, facts ...Fact) {
	t.Helper()
	t.Run(rule, func(t *testing.T) {
		if diff := cmp.Diff(want, show(State(app, facts, now, Always(grace)))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOrderMerging(t *testing.T) {
	check(t, "the highest version wins, wherever it stands", d(1),
		"pro active; paid until 60; next expired 60 plan_expired",
		paid("o", Pro, d(0), d(60), version(2)), paid("o", Flagship, d(0), d(30), version(1)))
	check(t, "a version left out is 0", d(1),
		"flagship active; paid until 30; next expired 30 plan_expired",
		paid("o", Pro, d(0), d(60)), paid("o", Flagship, d(0), d(30), version(1)))
	check(t, "a higher version of the owner's goes before billing's word", d(1),
		"pro active; paid until 30; next expired 30 plan_expired",
		paid("o", Pro, d(0), d(60)), paid("o", Pro, d(0), d(30), version(1), byOwner))
	check(t, "at one version billing's word wins, though it begins later", d(1),
		"pro active; paid until 60; next expired 60 plan_expired",
		paid("o", Pro, d(0), d(30), byOwner), paid("o", Pro, d(1), d(60)))
	check(t, "then the earlier effective_at, though its term is longer", d(1),
		"pro active; paid until 60; next expired 60 plan_expired",
		paid("o", Pro, d(1), d(30)), paid("o", Pro, d(0), d(60)))
	check(t, "then the shorter term, though its edition is higher", d(1),
		"flagship active; paid until 30; next expired 30 plan_expired",
		paid("o", Pro, d(0), d(60)), paid("o", Flagship, d(0), d(30)))
	check(t, "an open-ended term is the longest", d(1),
		"pro active; paid until 30; next expired 30 plan_expired",
		paid("o", Pro, d(0), 0), paid("o", Pro, d(0), d(30)))
	check(t, "then the lower edition", d(1),
		"pro active; paid until 30; next expired 30 plan_expired",
		paid("o", Flagship, d(0), d(30)), paid("o", Pro, d(0), d(30)))
	check(t, "add-ons alone rank below every edition", d(1),
		"trial active",
		paid("o", Pro, d(0), d(30)), paid("o", "", d(0), d(30)))
	check(t, "an order restated as add-ons alone covers and bills no more", d(1),
		"trial active",
		paid("o", Pro, d(0), d(30)), paid("o", "", d(0), 0, version(1)), overdue("i", 1, d(1), 5))
	check(t, "a refund may arrive before its order: alone it does nothing", d(6),
		"trial active",
		refund("o", d(5)))
	check(t, "of several refunds the earliest effective counts", d(6),
		"pro expired; lapse refund 5 due 12; next stopped 12 refund",
		paid("o", Pro, d(0), d(30)), refund("o", d(9)), refund("o", d(5)), refund("o", d(7)))
	check(t, "a refund ends every version of its order", d(5),
		"pro expired; lapse refund 5 due 12; next stopped 12 refund",
		refund("o", d(5)), paid("o", Pro, d(0), d(30)), paid("o", Pro, d(0), d(60), version(3)))
	check(t, "facts of other apps and of other accounts are not its own", d(1),
		"trial active",
		Fact{Kind: OrderPaid, Order: "o", Edition: Pro, Account: "acme", App: 1400000002},
		Fact{Kind: OrderPaid, Order: "o", Edition: Pro, Account: "evil", App: 1400000001})
}

func TestCoverage(t *testing.T) {
	check(t, "with neither a term nor a refund an order has no end", d(5000),
		"pro active",
		paid("o", Pro, d(0), 0))
	check(t, "it covers until one millisecond before its end", d(30)-1,
		"pro active; paid until 30; next expired 30 plan_expired",
		paid("o", Pro, d(0), d(30)))
	check(t, "and no more at its end", d(30),
		"pro expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired",
		paid("o", Pro, d(0), d(30)))
	check(t, "it does not cover before it begins", d(1)-1,
		"trial active; paid until 30; next edition:pro 1 order",
		paid("o", Pro, d(1), d(30)))
	check(t, "but at the instant of its beginning", d(1),
		"pro active; paid until 30; next expired 30 plan_expired",
		paid("o", Pro, d(1), d(30)))
	check(t, "its end is the refund, if that is earlier than the term", d(30),
		"pro expired; lapse refund 30-1ms due 37-1ms; next stopped 37-1ms refund",
		paid("o", Pro, d(0), d(30)), refund("o", d(30)-1))
	check(t, "a tie is the refund's", d(30),
		"pro expired; lapse refund 30 due 37; next stopped 37 refund",
		paid("o", Pro, d(0), d(30)), refund("o", d(30)))
	check(t, "its end is the term, if the refund is later", d(30),
		"pro expired; lapse plan_expired 30 due 37; next stopped 37 plan_expired",
		paid("o", Pro, d(0), d(30)), refund("o", d(30)+1))
	check(t, "a refund ends an open-ended order", d(3),
		"pro expired; lapse refund 3 due 10; next stopped 10 refund",
		paid("o", Pro, d(0), 0), refund("o", d(3)))
	check(t, "the end is never before the order's own effective_at", d(6),
		"pro expired; lapse refund 5 due 12; next stopped 12 refund",
		paid("o", Pro, d(5), d(30)), refund("o", d(2)))
	check(t, "a refund that takes effect later still covers until then", d(2)-1,
		"pro active; next expired 2 refund",
		paid("o", Pro, d(0), d(30)), refund("o", d(2)))
	check(t, "add-ons alone cover nothing", d(1),
		"trial active",
		paid("o", "", d(0), 0))
	check(t, "nor do they keep a lapse away", d(4),
		"pro expired; paid until 3; lapse plan_expired 3 due 10; next stopped 10 plan_expired",
		paid("o", Pro, d(0), d(3)), paid("a", "", d(0), 0))
	check(t, "a term of no length ends where it begins", d(3),
		"pro expired; paid until 3; lapse plan_expired 3 due 10; next stopped 10 plan_expired",
		paid("o", Pro, d(3), d(3)))
}

func TestEdition(t *testing.T) {
	check(t, "with no order, what the app was created with", d(0),
		"trial active")
	check(t, "the highest among the orders that cover now", d(30),
		"flagship active; paid until 60; next edition:pro 40 plan_expired",
		paid("a", Pro, d(0), d(60)), paid("b", Flagship, d(10), d(40)), paid("c", Pro, d(20), d(50)))
	check(t, "an upgrade's term that ends does so by time", d(40),
		"pro active; paid until 60; next expired 60 plan_expired",
		paid("a", Pro, d(0), d(60)), paid("b", Flagship, d(10), d(40)))
	check(t, "a refunded upgrade falls back to what is still paid for", d(21),
		"pro active; paid until 60; next expired 60 plan_expired",
		paid("a", Pro, d(0), d(60)), paid("b", Flagship, d(10), 0), refund("b", d(20)))
	check(t, "a refund to come is a transition to come, with its cause", d(20)-1,
		"flagship active; paid until 60; next edition:pro 20 refund",
		paid("a", Pro, d(0), d(60)), paid("b", Flagship, d(10), 0), refund("b", d(20)))
	check(t, "if none covers, that of the order that ended last, though a higher one ended before", d(33),
		"pro expired; paid until 31; lapse plan_expired 31 due 38; next stopped 38 plan_expired",
		paid("a", Flagship, d(0), d(30)), paid("b", Pro, d(0), d(31)))
	check(t, "of several that ended at that instant the highest", d(33),
		"flagship expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired",
		paid("a", Flagship, d(0), d(30)), paid("b", Pro, d(0), d(30)))
	check(t, "the end of a lower order beside it changes nothing", d(20),
		"flagship active; paid until 60; next expired 60 plan_expired",
		paid("a", Flagship, d(0), d(60)), paid("b", Pro, d(0), d(30)))
	check(t, "only what carried the old edition caused its end", d(20),
		"flagship active; paid until 60; next edition:pro 30 plan_expired",
		paid("a", Flagship, d(0), d(30)), paid("b", Pro, d(0), d(60)), paid("c", Pro, d(0), 0), refund("c", d(30)))
	check(t, "of two that carried it, the refund caused it", d(20),
		"flagship active; paid until 60; next edition:pro 30 refund",
		paid("a", Flagship, d(0), d(30)), paid("b", Pro, d(0), d(60)), paid("c", Flagship, d(0), 0), refund("c", d(30)))
	check(t, "paid_until is null if one order that was not refunded has no end", d(20),
		"pro active",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(0), 0))
	check(t, "paid_until does not see the orders that were refunded, though they ended by their terms", d(20),
		"pro active; paid until 30; next expired 60 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(0), d(60)), refund("b", d(70)))
}

// TestOrdersThatBeginLater holds coverage as a function of time: what begins, begins by itself.
func TestOrdersThatBeginLater(t *testing.T) {
	check(t, "a renewal paid ahead goes on where the term ends, without a transition", d(20),
		"pro active; paid until 60; next expired 60 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(30), d(60)))
	check(t, "at that very instant too", d(30),
		"pro active; paid until 60; next expired 60 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(30), d(60)))
	check(t, "with a gap the app expires", d(20),
		"pro active; paid until 60; next expired 30 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(35), d(60)))
	check(t, "and is in service again by time; the stop in between will not come", d(30),
		"pro expired; paid until 60; lapse plan_expired 30 due 37; next active 35 order",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(35), d(60)))
	check(t, "a gap of a millisecond is one", d(30),
		"pro expired; paid until 60; lapse plan_expired 30 due 37; next active 30+1ms order",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(30)+1, d(60)))
	check(t, "a gap longer than the grace is a stop", d(30),
		"pro expired; paid until 60; lapse plan_expired 30 due 37; next stopped 37 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(40), d(60)))
	check(t, "that ends when the order begins", d(37),
		"pro stopped; paid until 60; lapse plan_expired 30 due 37; stop plan_expired 37; next active 40 order",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(40), d(60)))
	check(t, "a stop that falls due in the instant in which an order begins does not happen", d(37)-1,
		"pro expired; paid until 60; lapse plan_expired 30 due 37; next active 37 order",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(37), d(60)))
	check(t, "nor is it there then", d(37),
		"pro active; paid until 60; next expired 60 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(37), d(60)))
	check(t, "one that begins a millisecond later is too late", d(37),
		"pro stopped; paid until 60; lapse plan_expired 30 due 37; stop plan_expired 37; next active 37+1ms order",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(37)+1, d(60)))
	check(t, "an upgrade bought ahead", d(5),
		"pro active; paid until 30; next edition:flagship 10 order",
		paid("a", Pro, d(0), d(30)), paid("b", Flagship, d(10), d(20)))
	check(t, "ends by time as well", d(10),
		"flagship active; paid until 30; next edition:pro 20 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Flagship, d(10), d(20)))
	check(t, "a downgrade ahead: one transition where one order ends and another begins", d(20),
		"flagship active; paid until 60; next edition:pro 30 order",
		paid("a", Flagship, d(0), d(30)), paid("b", Pro, d(30), d(60)))
	check(t, "one that begins before the higher ends changes nothing then", d(10),
		"flagship active; paid until 60; next edition:pro 30 plan_expired",
		paid("a", Flagship, d(0), d(30)), paid("b", Pro, d(20), d(60)))
	check(t, "several ahead", d(10),
		"pro active; paid until 90; next expired 80 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(30), d(60)), paid("c", Pro, d(60), d(80)), paid("e", Pro, d(85), d(90)))
	check(t, "restated to another beginning, it begins then", d(10),
		"pro active; paid until 60; next expired 30 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(30), d(60)), paid("b", Pro, d(33), d(60), version(1)))
	check(t, "refunded before it begins, it never was, but the app was billed", d(20),
		"pro active; paid until 30; next expired 30 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(30), d(60)), refund("b", d(15)))
	check(t, "nor does it name the lapse", d(30),
		"pro expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Flagship, d(30), d(60)), refund("b", d(15)))
	check(t, "or move it", d(36),
		"pro expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Flagship, d(35), d(60)), refund("b", d(15)))
	check(t, "where nothing else has begun, it lapses at its beginning", d(5),
		"trial active; next expired 10 refund",
		paid("a", Pro, d(10), d(30)), refund("a", d(2)))
	check(t, "and counts for the edition", d(10),
		"pro expired; lapse refund 10 due 17; next stopped 17 refund",
		paid("a", Pro, d(10), d(30)), refund("a", d(2)))
	check(t, "a term that had run out before it begins is as empty", d(10),
		"pro expired; paid until 10; lapse plan_expired 10 due 17; next stopped 17 plan_expired",
		paid("a", Pro, d(10), d(8)))
	check(t, "of several such the last one's beginning is the latest end", d(18),
		"flagship expired; paid until 12; lapse refund 18 due 25; next stopped 25 refund",
		paid("a", Pro, d(12), d(12)), paid("b", Flagship, d(18), d(30)), refund("b", d(2)))
	check(t, "a stop that this moves ahead ends by time", d(20),
		"pro stopped; lapse refund 10 due 17; stop refund 17; next expired 21 refund",
		paid("a", Pro, d(10), 0), refund("a", d(2)), paid("b", Pro, d(21), 0), refund("b", d(2)))
	check(t, "an order that covers ends their say", d(20),
		"pro active; paid until 30; next expired 30 plan_expired",
		paid("a", Flagship, d(10), 0), refund("a", d(2)), paid("b", Pro, d(15), d(30)))
	check(t, "a beginning behind another stop that leaves the edition is no transition", d(12),
		"pro stopped; paid until 60; arrears 3 due 10; i v1 3 of 5; lapse plan_expired 5 due 12; stop arrears 10",
		paid("a", Pro, d(0), d(5)), paid("b", Pro, d(20), d(60)), overdue("i", 1, d(3), 5))
	check(t, "one that changes it is", d(12),
		"pro stopped; paid until 60; arrears 3 due 10; i v1 3 of 5; lapse plan_expired 5 due 12; stop arrears 10; "+
			"next edition:flagship 20 order",
		paid("a", Pro, d(0), d(5)), paid("b", Flagship, d(20), d(60)), overdue("i", 1, d(3), 5))
	check(t, "a beginning and a stop by arrears at one instant are two transitions", d(6),
		"pro expired; paid until 60; arrears 3 due 10; i v1 3 of 5; lapse plan_expired 5 due 12; "+
			"next active 10 order; next stopped 10 arrears",
		paid("a", Pro, d(0), d(5)), paid("b", Pro, d(10), d(60)), overdue("i", 1, d(3), 5))
	check(t, "paid_until knows what has not begun", d(5),
		"pro active; next expired 30 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(40), 0))

	fromRealTimeSide, imported := testApp, testApp
	fromRealTimeSide.Edition, imported.Edition = TRTCTrial, Pro
	checkApp(t, fromRealTimeSide, "before the first order begins, the trial that the app was imported as", d(0),
		"trtc_trial active; paid until 30; next edition:pro 10 order",
		paid("o", Pro, d(10), d(30)))
	checkApp(t, imported, "never a paid edition that no order gives: the order named import may begin later", d(0),
		"trial active; paid until 30; next edition:pro 10 order",
		paid("import", Pro, d(10), d(30)))
}

func TestSeveralRefunds(t *testing.T) {
	term := paid("o", Pro, d(0), d(30))
	check(t, "goodwill ends nothing", d(9),
		"pro active; paid until 30; next expired 30 plan_expired",
		term, refund("o", d(5), goodwill))
	check(t, "the order ends with the earliest of those that end it", d(9),
		"pro expired; lapse refund 7 due 14; next stopped 14 refund",
		term, refund("o", d(5), part("1"), goodwill), refund("o", d(9), part("2")), refund("o", d(7), part("3")))
	check(t, "none given is an id like any other", d(9),
		"pro expired; lapse refund 7 due 14; next stopped 14 refund",
		term, refund("o", d(5), goodwill), refund("o", d(7), part("2")))
	check(t, "under one id the earliest counts, though it ends nothing", d(9),
		"pro active; paid until 30; next expired 30 plan_expired",
		term, refund("o", d(7), part("1")), refund("o", d(5), part("1"), goodwill))
	check(t, "then the one that ends the order", d(9),
		"pro expired; lapse refund 5 due 12; next stopped 12 refund",
		term, refund("o", d(5), part("1"), goodwill, of(900)), refund("o", d(5), part("1")))
	check(t, "one that comes before its order is kept for it", d(9),
		"pro expired; lapse refund 5 due 12; next stopped 12 refund",
		refund("o", d(5), part("1")), term)
	for _, row := range []struct {
		rule  string
		facts []Fact
		want  string
	}{
		{"each id counts, in its order", []Fact{refund("o", d(5), part("b"), of(2)), refund("o", d(7), part("a"), of(1)), refund("o", d(8))}, "0 1 2"},
		{"under one id the earliest, though smaller", []Fact{refund("o", d(5), of(2)), refund("o", d(4), of(1))}, "1"},
		{"then the one that ends the order, though smaller", []Fact{refund("o", d(5), of(2), goodwill), refund("o", d(5), of(1))}, "1"},
		{"then the larger", []Fact{refund("o", d(5), of(1)), refund("o", d(5), of(2))}, "2"},
		{"none is the least", []Fact{refund("o", d(5)), refund("o", d(5), of(1))}, "1"},
	} {
		t.Run(row.rule, func(t *testing.T) {
			var got []string
			for _, f := range Refunds(row.facts) {
				got = append(got, fmt.Sprint(f.Amount.Minor))
			}
			if strings.Join(got, " ") != row.want {
				t.Errorf("refunds of %s, want %s", got, row.want)
			}
		})
	}
}

func TestInvoiceStands(t *testing.T) {
	for _, row := range []struct {
		rule, want string
		facts      []Fact
	}{
		{"of nothing nothing is known", "", nil},
		{"overdue", InvoiceOverdue, []Fact{settled("i", 1, d(3)), overdue("i", 2, d(2), 5)}},
		{"closing wins", InvoiceSettled, []Fact{settled("i", 2, d(3)), overdue("i", 2, d(2), 5)}},
		{"of closings at one version voided", InvoiceVoided, []Fact{voided("i", 2, d(3)), settled("i", 2, d(4))}},
		{"an amount of nothing is as voided", InvoiceVoided, []Fact{settled("i", 2, d(4)), overdue("i", 2, d(2), 0)}},
		{"the highest closing", InvoiceSettled, []Fact{voided("i", 2, d(3)), settled("i", 3, d(1))}},
	} {
		t.Run(row.rule, func(t *testing.T) {
			if got := InvoiceStands(row.facts); got != row.want {
				t.Errorf("stands as %q, want %q", got, row.want)
			}
		})
	}
}

func TestPaidAppsWithoutOrders(t *testing.T) {
	imported := testApp
	imported.Edition = Flagship
	checkApp(t, imported, "a paid edition counts as an open-ended order from creation on", d(-99),
		"flagship active; arrears -100 due -93; i v1 -100 of 5; next stopped -93 arrears",
		overdue("i", 1, d(-200), 5))
	checkApp(t, imported, "whose name is import, so that it can be refunded", d(2),
		"flagship expired; lapse refund 1 due 8; next stopped 8 refund",
		refund("import", d(1)))
	checkApp(t, imported, "and restated by billing", d(2),
		"pro active; paid until 30; next expired 30 plan_expired",
		paid("import", Pro, d(0), d(30)))

	fromRealTimeSide := testApp
	fromRealTimeSide.Edition = TRTCTrial
	checkApp(t, fromRealTimeSide, "an app keeps the trial that it was created with", d(0),
		"trtc_trial active")
}

func TestLapse(t *testing.T) {
	check(t, "since the latest end", d(31),
		"pro expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(10), d(20)))
	check(t, "refund, if several end then", d(31),
		"pro expired; paid until 30; lapse refund 30 due 37; next stopped 37 refund",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(10), 0), refund("b", d(30)))
	check(t, "the refund of an order that ended before does not rename it", d(31),
		"pro expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(10), 0), refund("b", d(29)))
	check(t, "one millisecond before the due it is not a hold", d(37)-1,
		"pro expired; paid until 30; lapse plan_expired 30 due 37; next stopped 37 plan_expired",
		paid("a", Pro, d(0), d(30)))
	check(t, "at the due it is", d(37),
		"pro stopped; paid until 30; lapse plan_expired 30 due 37; stop plan_expired 37",
		paid("a", Pro, d(0), d(30)))
	check(t, "the hold is effective at the due, however much later it is seen", d(90),
		"pro stopped; lapse refund 3 due 10; stop refund 10",
		paid("a", Pro, d(0), 0), refund("a", d(3)))
	check(t, "an order that covers now ends the lapse, also after a stop", d(41),
		"pro active; paid until 70; next expired 70 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(40), d(70)))
	check(t, "an order that covers a gap afterwards moves since", d(41),
		"pro expired; paid until 41; lapse plan_expired 41 due 48; next stopped 48 plan_expired",
		paid("a", Pro, d(0), d(30)), paid("b", Pro, d(40), d(41)))
}

func TestInvoices(t *testing.T) {
	bill := paid("o", Pro, d(0), 0)
	check(t, "the highest version says that it is settled, whichever came last", d(3),
		"pro active",
		bill, settled("i", 2, d(3)), overdue("i", 1, d(2), 5))
	check(t, "or voided", d(3),
		"pro active",
		bill, overdue("i", 1, d(2), 5), voided("i", 2, d(3)))
	check(t, "closed counts even with an effective time before it was overdue", d(3),
		"pro active",
		bill, overdue("i", 1, d(2), 5), settled("i", 2, d(1)))
	check(t, "at one version closing wins", d(3),
		"pro active",
		bill, settled("i", 1, d(2)), overdue("i", 1, d(3), 5))
	check(t, "a closing of a lower version is of the past", d(3),
		"pro active; arrears 2 due 9; i v2 2 of 5; next stopped 9 arrears",
		bill, overdue("i", 2, d(2), 5), settled("i", 1, d(3)))
	check(t, "stating it again does not restart the clock", d(5),
		"pro active; arrears 2 due 9; i v2 2 of 6; next stopped 9 arrears",
		bill, overdue("i", 1, d(2), 5), overdue("i", 2, d(4), 6))
	check(t, "a restatement that goes back in time does set it back", d(5),
		"pro active; arrears 2 due 9; i v2 2 of 6; next stopped 9 arrears",
		bill, overdue("i", 1, d(4), 5), overdue("i", 2, d(2), 6))
	check(t, "owed again after it was closed, it counts anew", d(6),
		"pro active; arrears 6 due 13; i v3 6 of 5; next stopped 13 arrears",
		bill, overdue("i", 1, d(2), 5), settled("i", 2, d(4)), overdue("i", 3, d(6), 5))
	check(t, "only the last closing counts", d(6),
		"pro active; arrears 5 due 12; i v6 5 of 5; next stopped 12 arrears",
		bill, overdue("i", 1, d(1), 5), settled("i", 2, d(2)), overdue("i", 3, d(3), 5), voided("i", 4, d(4)),
		overdue("i", 6, d(6), 5), overdue("i", 5, d(5), 5))
	check(t, "at one version the amount is the later effective_at's, since the earlier's", d(3),
		"pro active; arrears 2 due 9; i v1 2 of 5; next stopped 9 arrears",
		bill, overdue("i", 1, d(3), 5), overdue("i", 1, d(2), 9))
	check(t, "then the amount is the larger", d(3),
		"pro active; arrears 2 due 9; i v1 2 of 9; next stopped 9 arrears",
		bill, overdue("i", 1, d(2), 5), overdue("i", 1, d(2), 9), overdue("i", 1, d(2), 7))
	check(t, "owing nothing is no debt", d(3),
		"pro active",
		bill, overdue("i", 1, d(2), 0))
	check(t, "an invoice restated to nothing by a credit note is closed", d(10),
		"pro active",
		bill, overdue("i", 1, d(2), 5), overdue("i", 2, d(4), 0))
	check(t, "at its version, whatever else is said at it", d(10),
		"pro active",
		bill, overdue("i", 1, d(2), 5), overdue("i", 2, d(4), 0), overdue("i", 2, d(5), 9))
	check(t, "a version below is of the past", d(5),
		"pro active; arrears 4 due 11; i v2 4 of 5; next stopped 11 arrears",
		bill, overdue("i", 1, d(2), 0), overdue("i", 2, d(4), 5))
	check(t, "owed again after it was nothing, it counts anew", d(7),
		"pro active; arrears 6 due 13; i v3 6 of 5; next stopped 13 arrears",
		bill, overdue("i", 1, d(2), 5), overdue("i", 2, d(4), 0), overdue("i", 3, d(6), 5))
}

func TestArrears(t *testing.T) {
	bill := paid("o", Pro, d(0), 0)
	check(t, "overdue invoices of an app never billed have no effect", d(100),
		"trial active",
		overdue("i", 1, d(2), 5))
	check(t, "nor do add-ons alone bill it", d(100),
		"trial active",
		paid("o", "", d(0), 0), overdue("i", 1, d(2), 5))
	check(t, "they are kept: since is not before it is billed", d(21),
		"pro active; arrears 20 due 27; i v1 20 of 5; next stopped 27 arrears",
		overdue("i", 1, d(2), 5), paid("o", Pro, d(20), 0))
	check(t, "billed from its first order with an edition, though that was refunded at once", d(7),
		"pro expired; arrears 2 due 9; i v1 2 of 5; lapse refund 1 due 8; next stopped 8 refund",
		overdue("i", 1, d(2), 5), paid("o", Pro, d(20), 0), paid("p", Pro, d(1), 0), refund("p", d(1)))
	check(t, "before its first order begins an app is not billed, though that is known", d(20)-1,
		"trial active; next edition:pro 20 order",
		overdue("i", 1, d(2), 5), paid("o", Pro, d(20), 0))
	check(t, "what was overdue before counts from the beginning, by time", d(20),
		"pro active; arrears 20 due 27; i v1 20 of 5; j v1 20 of 6; next stopped 27 arrears",
		overdue("i", 1, d(2), 5), overdue("j", 1, d(3), 6), paid("o", Pro, d(20), 0))
	check(t, "what is overdue only then, from then", d(20),
		"pro active; arrears 20 due 27; i v1 20 of 5; j v1 25 of 6; next stopped 27 arrears",
		overdue("i", 1, d(2), 5), overdue("j", 1, d(25), 6), paid("o", Pro, d(20), 0))
	check(t, "since the earliest of the overdue invoices", d(5),
		"pro active; arrears 2 due 9; i v1 4 of 6; j v1 2 of 5; next stopped 9 arrears",
		bill, overdue("j", 1, d(2), 5), overdue("i", 1, d(4), 6))
	check(t, "when the oldest is closed, since moves to the next oldest", d(10),
		"pro active; arrears 4 due 11; i v1 4 of 6; next stopped 11 arrears",
		bill, overdue("j", 1, d(2), 5), overdue("i", 1, d(4), 6), settled("j", 2, d(5)))
	check(t, "also after the stop, whose new due has passed too", d(12),
		"pro stopped; arrears 4 due 11; i v1 4 of 6; stop arrears 11",
		bill, overdue("j", 1, d(2), 5), overdue("i", 1, d(4), 6), settled("j", 2, d(10)))
	check(t, "or is still ahead", d(12),
		"pro active; arrears 9 due 16; i v1 9 of 6; next stopped 16 arrears",
		bill, overdue("j", 1, d(2), 5), overdue("i", 1, d(9), 6), settled("j", 2, d(10)))
	check(t, "one millisecond before the due it is in service", d(9)-1,
		"pro active; arrears 2 due 9; i v1 2 of 5; next stopped 9 arrears",
		bill, overdue("i", 1, d(2), 5))
	check(t, "at the due it is stopped", d(9),
		"pro stopped; arrears 2 due 9; i v1 2 of 5; stop arrears 9",
		bill, overdue("i", 1, d(2), 5))
	check(t, "a payment reported after the stop reinstates", d(30),
		"pro active",
		bill, overdue("i", 1, d(2), 5), settled("i", 2, d(9)))
	check(t, "also one made after the due", d(30),
		"pro active",
		bill, overdue("i", 1, d(2), 5), settled("i", 2, d(9)+1))
	check(t, "arrears outlive the coverage: the app was billed", d(8),
		"pro expired; paid until 5; arrears 8 due 15; i v1 8 of 5; lapse plan_expired 5 due 12; next stopped 12 plan_expired",
		paid("o", Pro, d(0), d(5)), overdue("i", 1, d(8), 5))
}

func TestHolds(t *testing.T) {
	check(t, "the stop shown is the one effective first: here the lapse's", d(20),
		"pro stopped; paid until 5; arrears 8 due 15; i v1 8 of 5; lapse plan_expired 5 due 12; stop plan_expired 12",
		paid("o", Pro, d(0), d(5)), overdue("i", 1, d(8), 5))
	check(t, "here that of the arrears", d(20),
		"pro stopped; paid until 5; arrears 3 due 10; i v1 3 of 5; lapse plan_expired 5 due 12; stop arrears 10",
		paid("o", Pro, d(0), d(5)), overdue("i", 1, d(3), 5))
	check(t, "at one instant arrears go before a refund", d(12),
		"pro stopped; arrears 5 due 12; i v1 5 of 5; lapse refund 5 due 12; stop arrears 12",
		paid("o", Pro, d(0), 0), refund("o", d(5)), overdue("i", 1, d(5), 5))
	check(t, "and before a plan that expired; both are told beforehand", d(12)-1,
		"pro expired; paid until 5; arrears 5 due 12; i v1 5 of 5; lapse plan_expired 5 due 12; "+
			"next stopped 12 arrears; next stopped 12 plan_expired",
		paid("o", Pro, d(0), d(5)), overdue("i", 1, d(5), 5))
	check(t, "when one ends, the other stays in force", d(20),
		"pro stopped; paid until 5; lapse plan_expired 5 due 12; stop plan_expired 12",
		paid("o", Pro, d(0), d(5)), overdue("i", 1, d(3), 5), settled("i", 2, d(20)))
	check(t, "a second hold is still to come while the first is in force", d(10),
		"pro stopped; paid until 5; arrears 3 due 10; i v1 3 of 5; lapse plan_expired 5 due 12; stop arrears 10; "+
			"next stopped 12 plan_expired",
		paid("o", Pro, d(0), d(5)), overdue("i", 1, d(3), 5))
	check(t, "an end of coverage leaves it stopped, and is no transition", d(10),
		"pro stopped; paid until 50; arrears 3 due 10; i v1 3 of 5; stop arrears 10",
		paid("o", Pro, d(0), d(50)), overdue("i", 1, d(3), 5))
	check(t, "an expiry and a stop may come at one instant", d(9),
		"pro active; paid until 10; arrears 3 due 10; i v1 3 of 5; next stopped 10 arrears; next expired 10 plan_expired",
		paid("o", Pro, d(0), d(10)), overdue("i", 1, d(3), 5))
}

// TestGraceIsAParameter includes none at all: what lapses is stopped at once.
func TestGraceIsAParameter(t *testing.T) {
	facts := []Fact{paid("o", Pro, d(0), d(5))}
	for grace, want := range map[int64]string{
		0:       "pro stopped; paid until 5; lapse plan_expired 5 due 5; stop plan_expired 5",
		2 * day: "pro expired; paid until 5; lapse plan_expired 5 due 7; next stopped 7 plan_expired",
	} {
		if got := show(State(testApp, facts, d(5), Always(grace))); got != want {
			t.Errorf("grace %d:\n got %s\nwant %s", grace, got, want)
		}
	}
}

// TestGraceByEdition holds "the edition that the app has at since": by the facts, whenever they came.
func TestGraceByEdition(t *testing.T) {
	twoWeeks := graceOf(7*day, 14*day)
	for _, row := range []struct {
		rule  string
		now   int64
		want  string
		facts []Fact
	}{
		{
			"a lapse has the grace of the edition that ended last", d(6),
			"flagship expired; paid until 5; lapse plan_expired 5 due 19; next stopped 19 plan_expired",
			[]Fact{paid("o", Flagship, d(0), d(5))},
		},
		{
			"arrears that of the edition at their since, though it is another now", d(6),
			"pro active; paid until 50; arrears 3 due 17; i v1 3 of 5; next stopped 17 arrears",
			[]Fact{paid("o", Pro, d(0), d(50)), paid("u", Flagship, d(1), d(5)), overdue("i", 1, d(3), 5), refund("u", d(5))},
		},
		{
			"a fact that came later makes it another", d(6),
			"pro active; paid until 50; arrears 3 due 10; i v1 3 of 5; next stopped 10 arrears",
			[]Fact{paid("o", Pro, d(0), d(50)), paid("u", Flagship, d(1), d(5)), overdue("i", 1, d(3), 5), refund("u", d(2))},
		},
		{
			"an order that begins at since counts there", d(6),
			"flagship active; arrears 3 due 17; i v1 3 of 5; next stopped 17 arrears",
			[]Fact{paid("o", Pro, d(0), 0), paid("u", Flagship, d(3), 0), overdue("i", 1, d(3), 5)},
		},
		{
			"one that ends there does not", d(6),
			"pro active; arrears 3 due 10; i v1 3 of 5; next stopped 10 arrears",
			[]Fact{paid("o", Pro, d(0), 0), paid("u", Flagship, d(1), d(3)), overdue("i", 1, d(3), 5)},
		},
	} {
		t.Run(row.rule, func(t *testing.T) {
			if diff := cmp.Diff(row.want, show(State(testApp, row.facts, row.now, twoWeeks))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDuesStand changes the policy on the way: it moves no due but those computed anew.
func TestDuesStand(t *testing.T) {
	facts := []Fact{paid("o", Pro, d(0), 0), overdue("i", 1, d(2), 5), overdue("j", 1, d(3), 6)}
	var standing Standing
	for _, step := range []struct {
		what   string
		now    int64
		grace  int64
		arrive []Fact
		want   int64 // the stop due, in days
	}{
		{"the policy of then", d(3), 7, nil, 9},
		{"a later change does not move it", d(4), 20, nil, 9},
		{"a since that moves takes the policy of now", d(5), 20, []Fact{settled("i", 2, d(5))}, 23},
		{"one that stays does not", d(6), 1, []Fact{overdue("j", 2, d(6), 7)}, 23},
		{"another edition at since does", d(6), 10, []Fact{paid("u", Flagship, d(3), 0)}, 13},
	} {
		facts = append(facts, step.arrive...)
		view := standing.State(testApp, facts, step.now, Always(step.grace*day))
		if view.Arrears == nil || view.Arrears.StopDue != d(step.want) {
			t.Errorf("%s: %s, want due %d", step.what, show(view), step.want)
		}
	}
}
