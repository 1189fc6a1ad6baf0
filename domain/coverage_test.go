package domain

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

func TestCoverage(t *testing.T) {
	upgraded := and(pro(day(30)), did(day(5), Billing, paid("o2", Flagship, day(5), day(20))))
	check(t, []row{
		{
			name:  "an order with a term gives its edition, and says when that ends",
			given: []step{created()},
			as:    Billing, at: day(1), when: paid("o1", Pro, day(1), day(30)),
			then: events(recorded(paid("o1", Pro, day(1), day(30))), EditionChanged{about, Trial, Pro, byOrder, day(1)}, TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)}),
		},
		{
			name:  "an open-ended order has no end",
			given: []step{created()},
			as:    Billing, at: day(1), when: paid("o1", Pro, day(1), 0),
			then: events(recorded(paid("o1", Pro, day(1), 0)), EditionChanged{about, Trial, Pro, byOrder, day(1)}),
		},
		{
			name:  "an order that begins tomorrow covers from then on",
			given: []step{created()},
			as:    Billing, at: day(1), when: paid("o1", Pro, day(2), 0),
			then: events(recorded(paid("o1", Pro, day(2), 0)), TermScheduled{about, day(2), Pro, CauseOrder, nil}),
		},
		{
			name:  "the highest edition among the orders that cover is the app's, and the end of its term falls back by time",
			given: pro(day(30)),
			as:    Billing, at: day(5), when: paid("o2", Flagship, day(5), day(20)),
			then: events(
				recorded(paid("o2", Flagship, day(5), day(20))), EditionChanged{about, Pro, Flagship, byOrder, day(5)},
				TermScheduled{about, day(20), Pro, CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)},
			),
		},
		{
			name:  "an upgrade that ends with what is below it expires",
			given: pro(day(30)),
			as:    Billing, at: day(5), when: paid("o2", Flagship, day(5), day(30)),
			then: events(recorded(paid("o2", Flagship, day(5), day(30))), EditionChanged{about, Pro, Flagship, byOrder, day(5)},
				TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Flagship)}),
		},
		{
			name:  "the end of a lower order below an upgrade is no change",
			given: pro(day(10)),
			as:    Billing, at: day(5), when: paid("o2", Flagship, day(5), day(30)),
			then: events(
				recorded(paid("o2", Flagship, day(5), day(30))), EditionChanged{about, Pro, Flagship, byOrder, day(5)},
				TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Flagship)},
			),
		},
		{
			name:  "a renewal that is paid long before it begins moves the end",
			given: pro(day(30)),
			as:    Billing, at: day(20), when: paid("o2", Pro, day(30), day(60)),
			then: events(recorded(paid("o2", Pro, day(30), day(60))), TermScheduled{about, day(60), "", CausePlanExpired, expiry(day(60), CausePlanExpired, Pro)}),
		},
		{
			name:  "three years ahead is the most",
			given: pro(0),
			as:    Billing, at: day(5), when: paid("o2", Pro, day(5).Add(26280*time.Hour+time.Millisecond), 0),
			then: refused(EffectiveTooFar),
		},
		{
			name:  "a gap between what ends and what begins is an expiry like another",
			given: pro(day(30)),
			as:    Billing, at: day(20), when: paid("o2", Pro, day(33), day(60)),
			then: events(recorded(paid("o2", Pro, day(33), day(60))), TermScheduled{about, day(30), "", CausePlanExpired, []ScheduledExpiry{
				{At: day(30), Cause: CausePlanExpired, Edition: Pro}, {At: day(60), Cause: CausePlanExpired, Edition: Pro},
			}}),
		},
		{
			name:  "at its end time makes the app expired, and knows what begins next",
			given: and(pro(day(30)), did(day(20), Billing, paid("o2", Pro, day(33), day(60)))),
			as:    Operator, at: day(30), when: FireTransition{testApp, DueTerm, 4},
			then: events(Lapsed{about, CausePlanExpired, stopsFor(day(30), day(37), Pro)},
				TermScheduled{about, day(33), Pro, CauseOrder, expiry(day(60), CausePlanExpired, Pro)}),
		},
		{
			name:  "and time brings it back into service when that begins",
			given: and(pro(day(30)), did(day(20), Billing, paid("o2", Pro, day(33), day(60))), ticked(day(30))),
			as:    Operator, at: day(33), when: FireTransition{testApp, DueTerm, 8},
			then: events(LapseEnded{about, byOrder, day(33)}, TermScheduled{about, day(60), "", CausePlanExpired, expiry(day(60), CausePlanExpired, Pro)}),
		},
		{
			name:  "an order that begins as the grace is over prevents the stop",
			given: and(pro(day(30)), did(day(20), Billing, paid("o2", Pro, day(37), 0)), ticked(day(30)), ticked(day(37))),
			as:    Operator, at: day(37), when: FireTransition{testApp, DueLapse, 6},
			then: silence,
		},
		{
			name:  "one that begins later reinstates the app, by the order and from its beginning",
			given: and(pro(day(30)), did(day(20), Billing, paid("o2", Pro, day(40), 0)), ticked(day(30)), ticked(day(37))),
			as:    Operator, at: day(41), when: FireTransition{testApp, DueTerm, 7},
			then: events(AppReinstated{about, CausePlanExpired, byOrder, day(40), false}, LapseEnded{about, byOrder, day(40)}, TermScheduled{About: about}),
		},
		{
			name:  "an upgrade bought ahead",
			given: pro(0),
			as:    Billing, at: day(5), when: paid("o2", Flagship, day(10), day(20)),
			then: events(recorded(paid("o2", Flagship, day(10), day(20))), TermScheduled{about, day(10), Flagship, CauseOrder, nil}),
		},
		{
			name:  "a downgrade ahead: where one order ends and another begins there is one change",
			given: and([]step{created()}, did(day(1), Billing, paid("o1", Flagship, day(1), day(30)))),
			as:    Billing, at: day(5), when: paid("o2", Pro, day(30), 0),
			then: events(recorded(paid("o2", Pro, day(30), 0)), TermScheduled{about, day(30), Pro, CauseOrder, nil}),
		},
		{
			name:  "a refund before the beginning: the order never covers anything",
			given: and(pro(day(30)), did(day(5), Billing, paid("o2", Pro, day(30), day(60)))),
			as:    Billing, at: day(20), when: refund("o2", day(20)),
			then: events(refundRecorded("o2", day(20)), TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)}),
		},
		{
			name:  "of an app's only order, the app lapses as it would have begun",
			given: and([]step{created()}, did(day(1), Billing, paid("o1", Pro, day(10), 0))),
			as:    Billing, at: day(5), when: refund("o1", day(5)),
			then: events(refundRecorded("o1", day(5)), TermScheduled{about, day(10), "", CauseRefund, expiry(day(10), CauseRefund, Pro)}),
		},
		{
			name:  "restated to another beginning",
			given: and([]step{created()}, did(day(1), Billing, paid("o1", Pro, day(10), 0))),
			as:    Billing, at: day(5), when: restated(paid("o1", Pro, day(12), 0), 1),
			then: events(recorded(restated(paid("o1", Pro, day(12), 0), 1)), TermScheduled{about, day(12), Pro, CauseOrder, nil}),
		},
		{
			name:  "invoices that are late before the first order begins have no effect until then",
			given: and([]step{created()}, did(day(1), Billing, overdue("i1", 1, day(1)))),
			as:    Billing, at: day(2), when: paid("o1", Pro, day(10), 0),
			then: events(recorded(paid("o1", Pro, day(10), 0)), TermScheduled{about, day(10), Pro, CauseOrder, nil}),
		},
		{
			name:  "and count from its beginning, by time",
			given: and([]step{created()}, did(day(1), Billing, overdue("i1", 1, day(1)), paid("o1", Pro, day(10), 0))),
			as:    Operator, at: day(10), when: FireTransition{testApp, DueTerm, 4},
			then: events(EditionChanged{about, Trial, Pro, byOrder, day(10)}, TermScheduled{About: about}, ArrearsStarted{about, stopsFor(day(10), day(17), Pro)}),
		},
		{
			name:  "a renewal that begins within a day moves the end",
			given: pro(day(30)),
			as:    Billing, at: day(29), when: paid("o2", Pro, day(30), day(60)),
			then: events(recorded(paid("o2", Pro, day(30), day(60))), TermScheduled{about, day(60), "", CausePlanExpired, expiry(day(60), CausePlanExpired, Pro)}),
		},
		{
			name:  "the end of an upgrade by refund at the same instant is the refund's",
			given: upgraded,
			as:    Billing, at: day(19), when: refund("o2", day(20)),
			then: events(refundRecorded("o2", day(20)), TermScheduled{about, day(20), Pro, CauseRefund, expiry(day(30), CausePlanExpired, Pro)}),
		},
		{
			name:  "a refund of a lower order at that instant does not name the end of the upgrade",
			given: and(upgraded, did(day(19), Billing, paid("o3", Pro, day(19), day(20)))),
			as:    Billing, at: day(19), when: refund("o3", day(20)),
			then: events(refundRecorded("o3", day(20))),
		},
		{
			name:  "of orders that all end at one instant, a refund names the expiry",
			given: and(pro(day(20)), did(day(19), Billing, paid("o2", Flagship, day(19), day(20)))),
			as:    Billing, at: day(19), when: refund("o1", day(20)),
			then: events(refundRecorded("o1", day(20)), TermScheduled{about, day(20), "", CauseRefund, expiry(day(20), CauseRefund, Flagship)}),
		},
		{
			name:  "add-ons alone cover nothing",
			given: []step{created()},
			as:    Billing, at: day(1), when: RecordOrder{App: testApp, Order: OrderTerms{ID: "a1", EffectiveAt: day(1), PaidUntil: day(9), Addons: []string{"push"}, Amount: price}},
			then: events(OrderRecorded{about, OrderTerms{ID: "a1", EffectiveAt: day(1), PaidUntil: day(9), Addons: []string{"push"}, Amount: price}, Billing, nil}),
		},
		{
			name:  "an order whose term ends before it begins ends where it begins",
			given: []step{created()},
			as:    Billing, at: day(8), when: paid("o1", Pro, day(6), day(4)),
			then: events(recorded(paid("o1", Pro, day(6), day(4))), EditionChanged{about, Trial, Pro, byOrder, day(6)}, Lapsed{about, CausePlanExpired, stopsFor(day(6), day(13), Pro)}),
		},
		{
			name:  "an app with a manual hold may be paid for: the hold stays",
			given: []step{created(), did(day(1), Owner, StopApp{App: testApp})},
			as:    Billing, at: day(2), when: paid("o1", Pro, day(2), 0),
			then: events(recorded(paid("o1", Pro, day(2), 0)), EditionChanged{about, Trial, Pro, byOrder, day(2)}),
		},
		{
			name:  "an order for an app of the TRTC side gives its edition",
			given: []step{trtc()},
			as:    Billing, at: day(2), when: paid("o1", Pro, day(2), 0),
			then: events(recorded(paid("o1", Pro, day(2), 0)), EditionChanged{about, TRTCTrial, Pro, byOrder, day(2)}),
		},
	})
}

// TestPaidUntil: the latest end among the orders not refunded.
func TestPaidUntil(t *testing.T) {
	for _, c := range []struct {
		name   string
		orders []Command
		want   Instant
	}{
		{"no order", nil, 0},
		{"the latest end", []Command{paid("o1", Pro, day(1), day(9)), paid("o2", Flagship, day(2), day(5))}, day(9)},
		{"one without an end", []Command{paid("o1", Pro, day(1), day(9)), paid("o2", Pro, day(1), 0)}, 0},
		{"one refunded, even after its end", []Command{paid("o1", Pro, day(1), day(9)), paid("o2", Pro, day(1), day(12)), refund("o2", day(13))}, day(9)},
		{"all refunded", []Command{paid("o1", Pro, day(1), day(9)), refund("o1", day(3))}, 0},
		{"one that ends before it begins", []Command{paid("o1", Pro, day(5), day(3))}, day(5)},
		{"add-ons", []Command{RecordOrder{App: testApp, Order: OrderTerms{ID: "a1", EffectiveAt: day(1), PaidUntil: day(9), Addons: []string{"push"}, Amount: price}}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(DefaultPolicy())
			created()(t, w)
			did(day(20), Billing, c.orders...)(t, w)
			if got := w.account(acme).Apps[testApp].PaidUntil(); got != c.want {
				t.Errorf("paid until %s, want %s", got, c.want)
			}
		})
	}
}

func TestGaps(t *testing.T) {
	for _, c := range []struct {
		name  string
		given []step
		want  []Gap
	}{
		{"a term that ends, and nothing behind it", pro(day(30)), nil},
		{"an order that begins as another ends", and(pro(day(30)), did(day(20), Billing, paid("o2", Pro, day(30), day(60)))), nil},
		{"an order that begins later", and(pro(day(30)), did(day(20), Billing, paid("o2", Pro, day(31), day(60)))), []Gap{{day(30), day(31)}}},
		{
			"two gaps", and(pro(day(30)), did(day(20), Billing, paid("o3", Pro, day(70), 0), paid("o2", Flagship, day(31), day(60)))),
			[]Gap{{day(30), day(31)}, {day(60), day(70)}},
		},
		{"an order that fills it", and(pro(day(30)), did(day(20), Billing, paid("o2", Pro, day(31), day(60)), paid("o3", Pro, day(29), day(31)))), nil},
		{"one that ends as it begins fills nothing", and(pro(day(30)), did(day(20), Billing, paid("o2", Pro, day(31), day(31)))), nil},
		{"an order of an app that has lapsed", and(pro(day(30)), did(day(31), Billing, paid("o2", Pro, day(40), 0))), []Gap{{day(30), day(40)}}},
		{"the first order, which begins later: a trial covers until then", []step{created(), did(day(1), Billing, paid("o1", Pro, day(5), 0))}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(DefaultPolicy())
			for _, s := range c.given {
				s(t, w)
			}
			if diff := gocmp.Diff(c.want, w.account(acme).Apps[testApp].Gaps()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
