package oracle

import (
	"strings"
	"testing"
	"time"
)

// The worked examples of docs/lifecycle.md, line by line. Whoever changes one changes the other.

// moment is a line of an example: what arrives (if anything), when, and what the app is from then on.
type moment struct {
	at     string // "01-02 15:04", or with seconds
	arrive *Fact
	want   string // edition, status, and why it is stopped or expired; where an example tells of it, what is next
}

func on(text string) int64 {
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05"} {
		if at, err := time.Parse(layout, "2021-"+text); err == nil {
			return at.UnixMilli()
		}
	}
	panic("no time: " + text)
}

func playOut(t *testing.T, moments []moment) {
	t.Helper()
	playOutUnder(t, Always(grace), moments)
}

func playOutUnder(t *testing.T, policy ByEdition, moments []moment) {
	t.Helper()
	stamp := func(at int64) string { return time.UnixMilli(at).UTC().Format("01-02 15:04") }
	var facts []Fact
	for _, m := range moments {
		if m.arrive != nil {
			facts = append(facts, *m.arrive)
		}
		view := State(testApp, facts, on(m.at), policy)
		got := view.Edition + " " + view.Status
		switch {
		case view.Stop != nil:
			got += " " + view.Stop.Cause
		case view.Lapse != nil:
			got += " " + view.Lapse.Cause
		case view.Arrears != nil:
			got += " due " + stamp(view.Arrears.StopDue)
		}
		if strings.Contains(m.want, ", next ") {
			got += ", next none"
			if len(view.Next) > 0 {
				got = strings.TrimSuffix(got, "none") + view.Next[0].To + " " + stamp(view.Next[0].Due) + " " + view.Next[0].Cause
			}
		}
		if got != m.want {
			t.Errorf("%s:\n got %s\nwant %s", m.at, got, m.want)
		}
	}
}

func that(fact Fact) *Fact { return &fact }

func TestPaidInTimeReportedLate(t *testing.T) {
	playOut(t, []moment{
		{"03-01 10:00", that(paid("ord-1", Pro, on("03-01 10:00"), 0)), "pro active"},
		{"03-10 09:04", that(overdue("inv-1", 1, on("03-10 09:00"), 500)), "pro active due 03-17 09:00"},
		{"03-17 08:59:59", nil, "pro active due 03-17 09:00"},
		{"03-17 09:00", nil, "pro stopped arrears"},
		{"03-18 14:00", that(settled("inv-1", 2, on("03-17 09:00"))), "pro active"},
	})
}

func TestPaymentBounces(t *testing.T) {
	playOut(t, []moment{
		{"03-01 10:00", that(paid("ord-1", Pro, on("03-01 10:00"), 0)), "pro active"},
		{"03-10 09:00", that(overdue("inv-1", 1, on("03-10 09:00"), 500)), "pro active due 03-17 09:00"},
		{"03-12 16:00", that(settled("inv-1", 2, on("03-12 16:00"))), "pro active"},
		{"03-20 11:00", that(overdue("inv-1", 3, on("03-20 11:00"), 500)), "pro active due 03-27 11:00"},
		{"03-21 08:00", that(settled("inv-1", 2, on("03-12 16:00"))), "pro active due 03-27 11:00"},
		{"03-22 12:00", that(overdue("inv-1", 4, on("03-22 12:00"), 700)), "pro active due 03-27 11:00"},
		{"03-27 11:00", nil, "pro stopped arrears"},
		{"03-29 10:00", that(voided("inv-1", 5, on("03-29 10:00"))), "pro active"},
	})
}

func TestUpgradeRefunded(t *testing.T) {
	playOut(t, []moment{
		{"03-01 10:00", that(paid("ord-1", Pro, on("03-01 10:00"), on("06-01 10:00"))), "pro active"},
		{"03-15 12:00", that(paid("ord-2", Flagship, on("03-15 12:00"), on("08-15 12:00"))), "flagship active"},
		{"04-03 09:00", that(refund("ord-2", on("04-01 18:30"))), "pro active"},
		{"06-01 10:00", nil, "pro expired plan_expired"},
		{"06-05 15:00", that(refund("ord-1", on("06-01 10:00"))), "pro expired refund"},
		{"06-08 10:00", nil, "pro stopped refund"},
		{"06-20 17:00", that(paid("ord-3", Pro, on("06-20 17:00"), on("07-20 17:00"))), "pro active"},
	})
}

func TestTwoReasonsAtOneInstant(t *testing.T) {
	playOut(t, []moment{
		{"04-01 00:00", that(paid("ord-1", Pro, on("04-01 00:00"), on("05-01 00:00"))), "pro active"},
		{"05-01 00:00", that(overdue("inv-1", 1, on("05-01 00:00"), 500)), "pro expired plan_expired"},
		{"05-08 00:00", nil, "pro stopped arrears"},
		{"05-10 09:00", that(settled("inv-1", 2, on("05-10 09:00"))), "pro stopped plan_expired"},
		{"05-11 09:00", that(paid("ord-2", Pro, on("05-11 09:00"), 0)), "pro active"},
	})
}

func TestRenewalAhead(t *testing.T) {
	playOut(t, []moment{
		{"03-01 10:00", that(paid("ord-1", Pro, on("03-01 10:00"), on("04-01 10:00"))), "pro active, next expired 04-01 10:00 plan_expired"},
		{"03-05 09:00", that(paid("ord-2", Pro, on("04-01 10:00"), on("05-01 10:00"))), "pro active, next expired 05-01 10:00 plan_expired"},
		{"04-01 10:00", nil, "pro active, next expired 05-01 10:00 plan_expired"},
		{"05-01 10:00", nil, "pro expired plan_expired, next stopped 05-08 10:00 plan_expired"},
	})
}

func TestRenewalAheadWithAGap(t *testing.T) {
	playOut(t, []moment{
		{"03-01 10:00", that(paid("ord-1", Pro, on("03-01 10:00"), on("04-01 10:00"))), "pro active"},
		{"03-05 09:00", that(paid("ord-2", Pro, on("04-03 10:00"), on("05-03 10:00"))), "pro active, next expired 04-01 10:00 plan_expired"},
		{"04-01 10:00", nil, "pro expired plan_expired, next active 04-03 10:00 order"},
		{"04-02 09:00", that(paid("ord-2", Pro, on("04-08 10:00"), on("05-03 10:00"), version(1))), "pro expired plan_expired, next active 04-08 10:00 order"},
		{"04-03 10:00", nil, "pro expired plan_expired"},
		{"04-08 10:00", nil, "pro active"},
	})
}

func TestUpgradeAndDowngradeAhead(t *testing.T) {
	playOut(t, []moment{
		{"03-01 10:00", that(paid("ord-1", Pro, on("03-01 10:00"), on("05-01 10:00"))), "pro active"},
		{"03-02 09:00", that(paid("ord-2", Flagship, on("04-01 00:00"), on("05-01 10:00"))), "pro active, next edition:flagship 04-01 00:00 order"},
		{"04-01 00:00", nil, "flagship active"},
		{"04-10 12:00", that(paid("ord-3", Pro, on("05-01 10:00"), on("06-01 10:00"))), "flagship active, next edition:pro 05-01 10:00 order"},
		{"05-01 10:00", nil, "pro active"},
		{"05-10 12:00", that(paid("ord-4", Flagship, on("06-01 10:00"), 0)), "pro active, next edition:flagship 06-01 10:00 order"},
		{"05-12 12:00", that(refund("ord-4", on("05-12 12:00"))), "pro active, next expired 06-01 10:00 plan_expired"},
		{"06-01 10:00", nil, "pro expired plan_expired"},
	})
}

func TestOwingBeforeTheFirstOrderBegins(t *testing.T) {
	playOut(t, []moment{
		{"03-01 10:00", that(paid("ord-1", Pro, on("04-01 00:00"), 0)), "trial active"},
		{"03-10 09:00", that(overdue("inv-1", 1, on("03-10 09:00"), 500)), "trial active"},
		{"04-01 00:00", nil, "pro active due 04-08 00:00"},
		{"04-08 00:00", nil, "pro stopped arrears"},
	})
}

func TestCreditNote(t *testing.T) {
	playOut(t, []moment{
		{"03-01 10:00", that(paid("ord-1", Pro, on("03-01 10:00"), 0)), "pro active"},
		{"03-10 09:00", that(overdue("inv-1", 1, on("03-10 09:00"), 500)), "pro active due 03-17 09:00"},
		{"03-14 10:00", that(overdue("inv-1", 2, on("03-14 10:00"), 0)), "pro active"},
		{"03-17 09:00", nil, "pro active"},
		{"03-20 11:00", that(overdue("inv-1", 3, on("03-20 11:00"), 300)), "pro active due 03-27 11:00"},
	})
}

func TestGoodwillAndARefundInParts(t *testing.T) {
	playOut(t, []moment{
		{"03-01 10:00", that(paid("ord-1", Pro, on("03-01 10:00"), on("06-01 10:00"))), "pro active"},
		{"03-15 12:00", that(refund("ord-1", on("03-15 12:00"), part("rf-1"), goodwill)), "pro active"},
		{"04-10 12:00", that(refund("ord-1", on("04-10 12:00"), part("rf-2"))), "pro expired refund, next stopped 04-17 12:00 refund"},
		{"04-12 12:00", that(refund("ord-1", on("04-11 12:00"), part("rf-3"))), "pro expired refund, next stopped 04-17 12:00 refund"},
	})
}

func TestTwoWeeksForTheFlagship(t *testing.T) {
	playOutUnder(t, graceOf(168*hour, 336*hour), []moment{
		{"03-01 10:00", that(paid("ord-1", Pro, on("03-01 10:00"), 0)), "pro active"},
		{"03-05 10:00", that(paid("ord-2", Flagship, on("03-05 10:00"), on("03-12 10:00"))), "flagship active"},
		{"03-10 09:00", that(overdue("inv-1", 1, on("03-10 09:00"), 500)), "flagship active due 03-24 09:00"},
		{"03-12 10:00", nil, "pro active due 03-24 09:00"},
		{"03-15 09:00", that(refund("ord-2", on("03-08 18:00"))), "pro active due 03-17 09:00"},
		{"03-17 09:00", nil, "pro stopped arrears"},
	})
}
