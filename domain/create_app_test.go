package domain

import (
	"strings"
	"testing"
	"time"
)

func TestCreateApp(t *testing.T) {
	second := About{testApp + 1}
	full := []step{created(), decreed(func(p *Policy) { p.Quota = 1 })}
	order := func(e Edition, until Instant, addons ...string) *OrderTerms {
		return &OrderTerms{ID: "o1", Edition: e, PaidUntil: until, Addons: addons, Amount: price}
	}
	began := terms("o1", Pro, day(1), day(30))
	check(t, []row{
		{
			name: "an owner creates an app, a trial; a second time it is another app",
			as:   Owner, at: day(1), when: CreateApp{AppName: "shop", AppType: "e-commerce", Introduction: "Sells.\nCheap."},
			then:  events(AppCreated{about, "shop", "e-commerce", "Sells.\nCheap.", day(1)}),
			again: events(AppCreated{second, "shop", "e-commerce", "Sells.\nCheap.", day(1)}),
		},
		{
			name: "without a type it is of the type other",
			as:   Owner, at: day(1), when: CreateApp{AppName: "shop"},
			then:  events(AppCreated{about, "shop", "other", "", day(1)}),
			again: events(AppCreated{second, "shop", "other", "", day(1)}),
		},
		{
			name: "with an order it has that edition from the start",
			as:   Owner, at: day(1), when: CreateApp{AppName: "shop", Order: order(Pro, day(30))},
			then: events(
				AppCreated{about, "shop", "other", "", day(1)}, OrderRecorded{about, began, Owner, nil},
				EditionChanged{about, Trial, Pro, byOrder, day(1)}, TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)},
			),
			again: events(
				AppCreated{second, "shop", "other", "", day(1)}, OrderRecorded{second, began, Owner, nil},
				EditionChanged{second, Trial, Pro, byOrder, day(1)}, TermScheduled{second, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)},
			),
		},
		{
			name:  "the last place of the quota can be taken, and none after it",
			given: []step{decreed(func(p *Policy) { p.Quota = 1 })},
			as:    Owner, at: day(1), when: CreateApp{AppName: "shop"},
			then:  events(AppCreated{about, "shop", "other", "", day(1)}),
			again: refused(QuotaExhausted),
		},
		{
			name:  "beyond the quota it is refused",
			given: full,
			as:    Owner, at: day(1), when: CreateApp{AppName: "shop"},
			then: refused(QuotaExhausted),
		},
		{
			name:  "for an operator too",
			given: full,
			as:    Operator, at: day(1), when: CreateApp{AppName: "shop"},
			then: refused(QuotaExhausted),
		},
		{
			name:  "the account's own quota goes before the policy's",
			given: and(full, did(day(1), Operator, SetQuota{2})),
			as:    Owner, at: day(1), when: CreateApp{AppName: "chat"},
			then:  events(AppCreated{second, "chat", "other", "", day(1)}),
			again: refused(QuotaExhausted),
		},
		{
			name:  "an app deleted leaves its place",
			given: and(deletedTrial(), decreed(func(p *Policy) { p.Quota = 1 })),
			as:    Owner, at: day(2), when: CreateApp{AppName: "chat"},
			then:  events(AppCreated{second, "chat", "other", "", day(2)}),
			again: refused(QuotaExhausted),
		},
		{
			name: "an order of a trial",
			as:   Owner, at: day(1), when: CreateApp{AppName: "shop", Order: order(Trial, 0)},
			then: refused(NoReturnToTrial),
		},
		{
			name: "an order of add-ons alone",
			as:   Owner, at: day(1), when: CreateApp{AppName: "shop", Order: order("", 0, "push")},
			then: refused(AddonsNeedPaid),
		},
		{
			name: "an order from too far ahead",
			as:   Owner, at: day(1), when: CreateApp{AppName: "shop", Order: &OrderTerms{ID: "o1", Edition: Pro, EffectiveAt: day(1).Add(26280*time.Hour + ms), Amount: price}},
			then: refused(EffectiveTooFar),
		},
		{
			name: "fields that make no sense, the order's too",
			as:   Owner, at: day(1), when: CreateApp{AppType: "warfare", Introduction: "\x00", Order: &OrderTerms{PaidUntil: day(1)}},
			then: invalid(
				"name invalid_name", "introduction invalid_introduction", "type unknown_type",
				"order.id invalid_id", "order.edition nothing_ordered", "order.amount.currency unknown_currency", "order.paid_until out_of_range",
			),
		},
		{
			name: "a name of 64 characters beyond ASCII, and an introduction of 300",
			as:   Owner, at: day(1), when: CreateApp{AppName: strings.Repeat("\u5e97", 64), Introduction: strings.Repeat("\u5e97", 300)},
			then:  events(AppCreated{about, strings.Repeat("\u5e97", 64), "other", strings.Repeat("\u5e97", 300), day(1)}),
			again: events(AppCreated{second, strings.Repeat("\u5e97", 64), "other", strings.Repeat("\u5e97", 300), day(1)}),
		},
		{
			name: "one character more",
			as:   Owner, at: day(1), when: CreateApp{AppName: strings.Repeat("\u5e97", 65), Introduction: strings.Repeat("\u5e97", 301)},
			then: invalid("name invalid_name", "introduction invalid_introduction"),
		},
		{
			name: "control characters in a name",
			as:   Owner, at: day(1), when: CreateApp{AppName: "shop\n"},
			then: invalid("name invalid_name"),
		},
		{
			name: "a line separator in a name",
			as:   Owner, at: day(1), when: CreateApp{AppName: "shop\u2028"},
			then: invalid("name invalid_name"),
		},
		{
			name: "bytes that are no text",
			as:   Owner, at: day(1), when: CreateApp{AppName: "sh\xffp"},
			then: invalid("name invalid_name"),
		},
		{
			name: "a blank name",
			as:   Owner, at: day(1), when: CreateApp{AppName: "  "},
			then: invalid("name invalid_name"),
		},
		{
			name: "a name of blanks of other scripts and of no width",
			as:   Owner, at: day(1), when: CreateApp{AppName: "\u3000\u00a0\u200b\ufeff\u200d\u2060\u00ad\u3164\u115f\ufe0f\u2800\U000e0020\u034f"},
			then: invalid("name invalid_name"),
		},
		{
			name: "a name that joins what it shows",
			as:   Owner, at: day(1), when: CreateApp{AppName: "\U0001f468\u200d\U0001f469", AppType: "other"},
			then:  events(AppCreated{about, "\U0001f468\u200d\U0001f469", "other", "", day(1)}),
			again: events(AppCreated{second, "\U0001f468\u200d\U0001f469", "other", "", day(1)}),
		},
		{
			name:  "how long and of what type is policy",
			given: []step{decreed(func(p *Policy) { p.NameRunes, p.IntroRunes, p.Types = 3, 2, []string{"games"} })},
			as:    Owner, at: day(1), when: CreateApp{AppName: "shop", Introduction: "abc"},
			then: invalid("name invalid_name", "introduction invalid_introduction", "type unknown_type"),
		},
	})
}

// TestNumbersAreNeverReused: the engine hands out numbers; should it ever hand out one that the account has, also of a
// deleted app, the app that has it must not be lost.
func TestNumbersAreNeverReused(t *testing.T) {
	w := newWorld(DefaultPolicy())
	for _, s := range deletedTrial() {
		s(t, w)
	}
	_, err := Decide(w.account(acme), CreateApp{AppName: "chat"}, Moment{Now: day(2), Policy: w.policy, Role: Owner, NewApp: testApp})
	if err == nil || err.Error() != refuse(AppTaken).Error() {
		t.Errorf("%v, want %s", err, AppTaken.Code)
	}
}
