package oracle

import (
	"testing"
	"time"
)

// The worked examples of docs/lifecycle.md, line by line. Whoever changes one changes the other.

// moment is a line of an example: what arrives (if anything), when, and what the app is from then on.
type moment struct {
	at     string // "01-02 15:04", or with seconds
	arrive *Fact
	want   string // edition, status, and why it is stopped or expired
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
	var facts []Fact
	for _, m := range moments {
		if m.arrive != nil {
			facts = append(facts, *m.arrive)
		}
		view := State(testApp, facts, on(m.at), grace)
		got := view.Edition + " " + view.Status
		switch {
		case view.Stop != nil:
			got += " " + view.Stop.Cause
		case view.Lapse != nil:
			got += " " + view.Lapse.Cause
		case view.Arrears != nil:
			got += " due " + time.UnixMilli(view.Arrears.StopDue).UTC().Format("01-02 15:04")
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
