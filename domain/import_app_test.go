package domain

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestImportApp(t *testing.T) {
	bring := func(e Edition, orders ...OrderTerms) ImportApp {
		return ImportApp{App: testApp, AppName: "shop", CreatedAt: day(0), Edition: e, Orders: orders}
	}
	imported := func(e Edition) AppImported { return AppImported{about, "shop", "other", "", day(0), e} }
	order := func(terms OrderTerms) OrderRecorded { return OrderRecorded{about, terms, Operator, nil} }
	implied := OrderTerms{ID: ImportedOrder, Edition: Pro, EffectiveAt: day(0)}
	addons := OrderTerms{ID: "a1", EffectiveAt: day(1), Addons: []string{"push"}, Amount: price}
	o1, o2 := terms("o1", Pro, day(1), day(30)), terms("o2", Flagship, day(2), day(20))
	given := func(c ImportApp) []step { return []step{did(day(5), Operator, c)} }
	estate := ImportApp{
		App: testApp, AppName: "shop", CreatedAt: HMACSince.Add(-ms), Orders: []OrderTerms{o1},
		Keys:         []NewKey{{ECDSA, first.Public, first.Print, first.Sealed}, {HMAC, "", second.Print, second.Sealed}},
		Admins:       []string{FixedAdmin, "alice"},
		Certificates: []ImportedCertificate{{7, pushed(day(40))}},
		Invoices:     []ImportedInvoice{{"i1", 1, day(2), debt}},
		TRTC:         true, TPNS: true,
	}
	otherwise := estate
	otherwise.Keys = []NewKey{estate.Keys[1], estate.Keys[0]}
	crowded := ImportApp{
		App: testApp, AppName: "shop", CreatedAt: day(0), Keys: slices.Repeat([]NewKey{{Algorithm: HMAC}}, MaxKeys),
		Admins: []string{"a", "b", "c", "d", "e"}, Certificates: []ImportedCertificate{{0, pushed(0)}, {0, CertificateContent{}}},
		Invoices: []ImportedInvoice{{}},
	}
	crowded.Keys = append([]NewKey{{Algorithm: "RSA"}}, crowded.Keys...) // what is one too many is not looked at
	check(t, []row{
		{
			name: "an app moves in, with its number and creation time, a trial",
			as:   Operator, at: day(5), when: bring(""),
			then: events(imported(Trial)),
		},
		{
			name: "an app of the TRTC side",
			as:   Operator, at: day(5), when: bring(TRTCTrial),
			then: events(imported(TRTCTrial)),
		},
		{
			name: "a paid edition without orders counts as an open-ended order, effective at the app's creation",
			as:   Operator, at: day(5), when: bring(Pro),
			then: events(imported(Trial), order(implied), EditionChanged{about, Trial, Pro, byOrder, day(0)}),
		},
		{
			name: "add-ons alone do not make it paid: the order is implied beside them",
			as:   Operator, at: day(5), when: bring(Pro, addons),
			then: events(imported(Trial), order(addons), order(implied), EditionChanged{about, Trial, Pro, byOrder, day(0)}),
		},
		{
			name: "a paid edition with its orders is what they make of it",
			as:   Operator, at: day(5), when: bring(Flagship, o1, o2),
			then: events(imported(Trial), order(o1), order(o2), EditionChanged{about, Trial, Flagship, byOrder, day(0)}, TermScheduled{about, day(20), Pro, CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)}),
		},
		{
			name: "orders that are all over bring an expired app, whose stop is left to the tick",
			as:   Operator, at: day(40), when: bring(Pro, o1),
			then: events(imported(Trial), order(o1), EditionChanged{about, Trial, Pro, byOrder, day(0)}, Lapsed{about, CausePlanExpired, stopsFor(day(30), day(37), Pro)}),
		},
		{
			name:  "a refund of the implied order ends it",
			given: given(bring(Pro)),
			as:    Billing, at: day(9), when: refund(ImportedOrder, day(9)),
			then: events(refundRecorded(ImportedOrder, day(9)), Lapsed{about, CauseRefund, stopsFor(day(9), day(16), Pro)}),
		},
		{
			name:  "the quota counts it and does not refuse it",
			given: []step{decreed(func(p *Policy) { p.Quota = 1 }), did(day(1), Owner, CreateApp{AppName: "a"})},
			as:    Operator, at: day(5), when: ImportApp{App: testApp + 1, AppName: "shop", CreatedAt: day(0)},
			then: events(AppImported{About{testApp + 1}, "shop", "other", "", day(0), Trial}),
		},
		{
			name:  "what it counts is in use",
			given: []step{decreed(func(p *Policy) { p.Quota = 1 }), did(day(5), Operator, bring(""))},
			as:    Owner, at: day(5), when: CreateApp{AppName: "a"},
			then: refused(QuotaExhausted),
		},
		{
			name:  "the same app a second time is silence, also after billing went on and it was stopped",
			given: and(given(bring(Pro)), did(day(9), Billing, refund(ImportedOrder, day(9))), ticked(day(16))),
			as:    Operator, at: day(20), when: bring(Pro),
			then: silence,
		},
		{
			name:  "with its orders too, also after the billing system restated them",
			given: and(given(bring(Pro, o1)), did(day(6), Billing, paid("o1", Pro, day(1), day(60)))),
			as:    Operator, at: day(7), when: bring(Pro, o1),
			then: silence,
		},
		{
			name:  "the same app with another order is another app under a number that is taken",
			given: given(bring(Pro, o1)),
			as:    Operator, at: day(7), when: bring(Pro, terms("o1", Pro, day(1), day(31))),
			then: refused(AppTaken),
		},
		{
			name:  "with an order more",
			given: given(bring(Pro, o1)),
			as:    Operator, at: day(7), when: bring(Pro, o1, o2),
			then: refused(AppTaken),
		},
		{
			name:  "with another edition",
			given: given(bring(Pro)),
			as:    Operator, at: day(7), when: bring(Flagship),
			then: refused(AppTaken),
		},
		{
			name:  "without the edition that it came with",
			given: given(bring(Pro)),
			as:    Operator, at: day(7), when: bring(""),
			then: refused(AppTaken),
		},
		{
			name:  "an order of that name from the billing system is not of the import",
			given: and(given(bring("")), did(day(6), Billing, paid(ImportedOrder, Pro, day(6), 0))),
			as:    Operator, at: day(7), when: bring(""),
			then: silence,
		},
		{
			name:  "of the other side",
			given: given(bring("")),
			as:    Operator, at: day(7), when: bring(TRTCTrial),
			then: refused(AppTaken),
		},
		{
			name:  "with another name",
			given: given(bring("")),
			as:    Operator, at: day(7), when: ImportApp{App: testApp, AppName: "chat", CreatedAt: day(0)},
			then: refused(AppTaken),
		},
		{
			name:  "a number that was created here",
			given: []step{created()},
			as:    Operator, at: day(7), when: bring(""),
			then: refused(AppTaken),
		},
		{
			name:  "a number that was deleted here is never used again",
			given: deletedTrial(),
			as:    Operator, at: day(7), when: bring(""),
			then: refused(AppTaken),
		},
		{
			name: "an app that is created further ahead of the clock than is believed",
			as:   Operator, at: day(5), when: ImportApp{App: testApp, AppName: "shop", CreatedAt: day(6).Add(ms)},
			then: refused(EffectiveTooFar),
		},
		{
			name: "an edition that is not what the orders make of the app now",
			as:   Operator, at: day(5), when: bring(Pro, terms("o1", Pro, day(6), 0)),
			then: invalid("edition not_as_ordered"),
		},
		{
			name: "no id of an order is special",
			as:   Operator, at: day(5), when: bring(Trial, terms(ImportedOrder, Pro, day(5).Add(26280*time.Hour+ms), 0)),
			then: refused(EffectiveTooFar),
		},
		{
			name:  "what was imported and deleted is not imported again",
			given: []step{did(day(1), Operator, bring("")), did(day(2), Owner, StopApp{App: testApp}), did(day(2), Owner, DeleteApp{testApp, "shop"})},
			as:    Operator, at: day(5), when: bring(""),
			then: refused(AppTaken),
		},
		{
			name: "an order from too far ahead",
			as:   Operator, at: day(5), when: bring(Trial, terms("o1", Pro, day(5).Add(26280*time.Hour+ms), 0)),
			then: refused(EffectiveTooFar),
		},
		{
			name: "a name of blanks",
			as:   Operator, at: day(5), when: ImportApp{App: testApp, AppName: "\u3000\u200b", CreatedAt: day(0)},
			then: invalid("name invalid_name"),
		},
		{
			name: "fields that make no sense",
			as:   Operator, at: day(5), when: ImportApp{App: 999_999_999, Edition: "gold", Orders: []OrderTerms{{Edition: Trial, Version: -1}}},
			then: invalid(
				"app out_of_range", "name invalid_name", "created_at invalid_time", "edition unknown_edition",
				"orders.id invalid_id", "orders.version out_of_range", "orders.amount.currency unknown_currency",
				"orders.edition unknown_edition", "orders.effective_at invalid_time",
			),
		},
		{
			name: "eleven digits, and more orders than a commit carries",
			as:   Operator, at: day(5), when: ImportApp{App: 10_000_000_000, AppName: "shop", CreatedAt: day(0), Orders: manyOrders(MaxImportedOrders + 1)},
			then: invalid("app out_of_range", "orders too_many"),
		},
		{
			name: "with all that it holds",
			as:   Operator, at: day(5), when: estate,
			then: events(
				AppImported{about, "shop", "other", "", HMACSince.Add(-ms), Trial},
				order(o1),
				overdueRecorded("i1", 1, day(2)),
				EditionChanged{about, Trial, Pro, byOrder, HMACSince.Add(-ms)},
				TermScheduled{about, day(30), "", CausePlanExpired, expiry(day(30), CausePlanExpired, Pro)},
				ArrearsStarted{about, stopsFor(day(2), day(9), Pro)},
				KeyIssued{about, keyOf(1, ECDSA, HMACSince.Add(-ms), first)},
				KeyIssued{about, keyOf(2, HMAC, HMACSince.Add(-ms), second)},
				AdminsAdded{about, []string{"alice"}},
				CertificateAdded{about, KeptCertificate{7, "apns_p12", pushed(0).Fields, pushed(0).Prints, pushed(0).Sealed, day(40), day(10), "operator"}},
				TRTCEnabled{about},
				TPNSEnabled{about, ""},
			),
		},
		{
			name:  "with other secrets than it came with",
			given: []step{did(day(5), Operator, estate)},
			as:    Operator, at: day(6), when: otherwise,
			then: refused(AppTaken),
		},
		{
			name: "more than an app holds, and what makes no sense",
			as:   Operator, at: day(5), when: crowded,
			then: invalid(
				"keys too_many", "keys.algorithm unknown_algorithm", "admins too_many",
				"certificates.id out_of_range", "platform required", "certificates.id out_of_range", "certificates.id duplicate",
				"invoices.id invalid_id", "invoices.effective_at invalid_time", "invoices.amount.currency unknown_currency",
			),
		},
		{
			name: "an order twice",
			as:   Operator, at: day(5), when: bring(Pro, o1, o2, o1),
			then: invalid("orders.id duplicate"),
		},
	})
}

func manyOrders(n int) []OrderTerms {
	orders := make([]OrderTerms, n)
	for i := range orders {
		orders[i] = terms(fmt.Sprint("o", i), Pro, day(0), 0)
	}
	return orders
}
