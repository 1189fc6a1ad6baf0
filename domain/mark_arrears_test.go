package domain

import (
	"strings"
	"testing"
	"time"
)

func TestMarkArrears(t *testing.T) {
	owing := and(pro(0), did(day(3), Billing, overdue("i1", 1, day(2))))
	message := overdue("i1", 1, day(2))
	message.Report = news
	kept := overdueRecorded("i1", 1, day(2))
	kept.Report = news
	check(t, []row{
		{
			name:  "stating an invoice again does not restart the clock",
			given: owing,
			as:    Billing, at: day(5), when: overdue("i1", 2, day(4)),
			then: events(overdueRecorded("i1", 2, day(4))),
		},
		{
			name:  "stating it again at the same version, but earlier, moves the clock back",
			given: owing,
			as:    Billing, at: day(5), when: overdue("i1", 1, day(1)),
			then: events(overdueRecorded("i1", 1, day(1)), ArrearsMoved{about, stopsFor(day(1), day(8), Pro)}),
		},
		{
			name:  "an older statement that arrives late moves the clock back",
			given: and(pro(0), did(day(5), Billing, overdue("i1", 2, day(4)))),
			as:    Billing, at: day(6), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2)), ArrearsMoved{about, stopsFor(day(2), day(9), Pro)}),
		},
		{
			name:  "an older statement that says nothing beyond a newer one is silence as a command",
			given: owing,
			as:    Billing, at: day(5), when: overdue("i1", 0, day(4)),
			then: silence,
		},
		{
			name:  "a message of the billing system is kept as evidence each time, even if it says nothing new",
			given: owing,
			as:    Billing, at: day(5), when: message,
			then: events(kept), again: events(kept),
		},
		{
			name:  "owed again after it was settled (the payment bounced), it counts anew",
			given: and(owing, did(day(4), Billing, settle("i1", 2, day(4)))),
			as:    Billing, at: day(8), when: overdue("i1", 3, day(7)),
			then: events(overdueRecorded("i1", 3, day(7)), ArrearsStarted{about, stopsFor(day(7), day(14), Pro)}),
		},
		{
			name:  "owed again at the version that closed it, it stays closed",
			given: and(owing, did(day(4), Billing, settle("i1", 2, day(4)))),
			as:    Billing, at: day(8), when: overdue("i1", 2, day(7)),
			then: events(overdueRecorded("i1", 2, day(7))),
		},
		{
			name:  "a statement below the version that closed it is history",
			given: and(pro(0), did(day(4), Billing, settle("i1", 2, day(4)))),
			as:    Billing, at: day(8), when: overdue("i1", 1, day(1)),
			then: events(overdueRecorded("i1", 1, day(1))),
		},
		{
			name:  "an effective time a day ahead of the clock is believed",
			given: pro(0),
			as:    Billing, at: day(3), when: overdue("i1", 1, day(4)),
			then: events(overdueRecorded("i1", 1, day(4)), ArrearsStarted{about, stopsFor(day(4), day(11), Pro)}),
		},
		{
			name:  "one millisecond more is refused",
			given: pro(0),
			as:    Billing, at: day(3), when: overdue("i1", 1, day(4).Add(ms)),
			then: refused(EffectiveTooFar),
		},
		{
			name:  "how far ahead is believed is policy",
			given: and(pro(0), decreed(func(p *Policy) { p.MaxAhead = time.Hour })),
			as:    Billing, at: day(3), when: overdue("i1", 1, day(3).Add(time.Hour+ms)),
			then: refused(EffectiveTooFar),
		},
		{
			name: "about an app that the account does not have",
			as:   Billing, at: day(3), when: overdue("i1", 1, day(2)),
			then: refused(AppNotFound),
		},
		{
			name:  "over nothing it is no debt",
			given: pro(0),
			as:    Billing, at: day(3), when: nothing("i1", 1, day(2)),
			then: events(nothingOwed("i1", 1, day(2))),
		},
		{
			name:  "restated to nothing by a credit note it closes the invoice, as a voiding does",
			given: and(pro(0), did(day(3), Billing, overdue("i1", 1, day(2))), ticked(day(9))),
			as:    Billing, at: day(10), when: nothing("i1", 2, day(9)),
			then: events(nothingOwed("i1", 2, day(9)), AppReinstated{about, CauseArrears, byVoiding, day(9), true}, ArrearsEnded{about, byVoiding, day(9)}),
		},
		{
			name:  "below a closing that is known it is kept where it changes the past",
			given: and(pro(0), did(day(6), Billing, settle("i1", 2, day(5)))),
			as:    Billing, at: day(6), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2))),
		},
		{
			name:  "about a deleted app",
			given: deletedTrial(),
			as:    Billing, at: day(3), when: overdue("i1", 1, day(2)),
			then: refused(AppDeletedAlready),
		},
		{
			name:  "also what was known before it was deleted",
			given: and([]step{created(), did(day(1), Billing, overdue("i1", 1, day(1)))}, gone(day(2))...),
			as:    Billing, at: day(3), when: overdue("i1", 1, day(1)),
			then: refused(AppDeletedAlready),
		},
		{
			name:  "every field that makes no sense is named",
			given: pro(0),
			as:    Billing, at: day(3), when: MarkArrears{App: testApp, Version: -1, Amount: Money{"cny", -1}},
			then: invalid("invoice invalid_id", "version out_of_range", "effective_at invalid_time", "amount.currency unknown_currency", "amount.minor out_of_range"),
		},
		{
			name:  "numbers beyond what JSON carries exactly",
			given: pro(0),
			as:    Billing, at: day(3), when: MarkArrears{App: testApp, Invoice: "i1", Version: 1 << 53, EffectiveAt: MaxInstant + 1, Amount: Money{"CNY", 1 << 53}},
			then: invalid("version out_of_range", "effective_at invalid_time", "amount.minor out_of_range"),
		},
		{
			name:  "the largest numbers that it does carry are fine",
			given: []step{created()},
			as:    Billing, at: MaxInstant, when: MarkArrears{App: testApp, Invoice: "i1", Version: MaxVersion, EffectiveAt: MaxInstant, Amount: Money{"CNY", MaxMinor}},
			then: events(InvoiceOverdueRecorded{About: about, Invoice: "i1", Version: MaxVersion, EffectiveAt: MaxInstant, Amount: Money{"CNY", MaxMinor}}),
		},
		{
			name:  "an id that is too long",
			given: pro(0),
			as:    Billing, at: day(3), when: overdue(strings.Repeat("i", MaxIDRunes+1), 1, day(2)),
			then: invalid("invoice invalid_id"),
		},
		{
			name:  "an id with a control character",
			given: pro(0),
			as:    Billing, at: day(3), when: overdue("i\n1", 1, day(2)),
			then: invalid("invoice invalid_id"),
		},
		{
			name:  "an id of 128 characters beyond ASCII is fine",
			given: []step{created()},
			as:    Billing, at: day(3), when: overdue(strings.Repeat("\u8d26", MaxIDRunes), 1, day(2)),
			then: events(overdueRecorded(strings.Repeat("\u8d26", MaxIDRunes), 1, day(2))),
		},
	})
}

// nothing states that nothing is owed of an invoice.
func nothing(invoice string, version int64, at Instant) MarkArrears {
	return MarkArrears{App: testApp, Invoice: invoice, Version: version, EffectiveAt: at, Amount: Money{Currency: "CNY"}}
}

func nothingOwed(invoice string, version int64, at Instant) InvoiceOverdueRecorded {
	return InvoiceOverdueRecorded{About: about, Invoice: invoice, Version: version, EffectiveAt: at, Amount: Money{Currency: "CNY"}}
}
