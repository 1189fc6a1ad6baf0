package domain

import (
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestWhy has a row for every value that a field can have, but for names and texts: what it is, and the chain of grounds
// in plain words, each with what sort of ground it is.
func TestWhy(t *testing.T) {
	owing := and(pro(0), did(day(6), Billing, overdue("i1", 1, day(4))))
	stopped := and(owing, ticked(day(11)+5))
	lapsed := and(pro(day(10)), ticked(day(10)))
	upgraded := and(pro(day(20)), did(day(2), Billing, paid("o2", Flagship, day(2), day(10))))
	byOwner := []step{created(), did(day(3), Owner, StopApp{App: testApp})}
	const (
		made      = "command: the app was created"
		bought    = "fact: order o1 of pro from 2021-01-01T00:00:00.000Z, without an end"
		term10    = "fact: order o1 of pro from 2021-01-01T00:00:00.000Z, until 2021-01-11T00:00:00.000Z"
		term20    = "fact: order o1 of pro from 2021-01-01T00:00:00.000Z, until 2021-01-21T00:00:00.000Z"
		flagship  = "fact: order o2 of flagship from 2021-01-03T00:00:00.000Z, until 2021-01-11T00:00:00.000Z"
		owed      = "fact: invoice i1 overdue since 2021-01-05T00:00:00.000Z"
		arrears   = "rule: in arrears since 2021-01-05T00:00:00.000Z; grace 168h, stop due 2021-01-12T00:00:00.000Z"
		stop      = "timer: stopped from 2021-01-12T00:00:00.000Z (arrears)"
		ran       = "timer: no order covers the app since 2021-01-11T00:00:00.000Z (plan_expired); grace 168h, stop due 2021-01-18T00:00:00.000Z"
		noHold    = "rule: no hold is in force"
		inService = "rule: no hold is in force, and the app has not lapsed"
	)
	for _, c := range []struct {
		name  string
		given []step
		field Field
		value string
		links []string
	}{
		{"active since its creation", []step{created()}, FieldStatus, "active", []string{made, inService}},
		{"active with a plan", pro(0), FieldStatus, "active", []string{made, bought, inService}},
		{
			"active in arrears", owing, FieldStatus, "active",
			[]string{made, bought, owed, arrears, "rule: an app in arrears is in service until its stop is due", inService},
		},
		{"stopped for arrears", stopped, FieldStatus, "stopped", []string{owed, arrears, stop}},
		{
			"active again", and(stopped, did(day(13), Billing, settle("i1", 2, day(11)))), FieldStatus, "active",
			[]string{
				bought, "fact: invoice i1 settled 2021-01-12T00:00:00.000Z",
				"rule: the stop for arrears lifted by settlement from 2021-01-12T00:00:00.000Z (in time, and reported after the stop): in service again", inService,
			},
		},
		{"expired", lapsed, FieldStatus, "expired", []string{term10, ran}},
		{"deleted", deletedTrial(), FieldStatus, "deleted", []string{"command: the app was deleted", "rule: a deletion is final"}},
		{"stop: none", []step{created()}, FieldStop, "none", []string{made, noHold}},
		{"stop: for arrears", stopped, FieldStop, "arrears since 2021-01-12T00:00:00.000Z", []string{owed, arrears, stop}},
		{
			"stop: the plan ran out", and(lapsed, ticked(day(17))), FieldStop, "plan_expired since 2021-01-18T00:00:00.000Z",
			[]string{term10, ran, "timer: stopped from 2021-01-18T00:00:00.000Z (plan_expired)"},
		},
		{
			"stop: refunded", and(pro(0), did(day(3), Billing, refund("o1", day(2))), ticked(day(9))), FieldStop, "refund since 2021-01-10T00:00:00.000Z",
			[]string{
				bought, "fact: order o1 refunded 2021-01-03T00:00:00.000Z",
				"rule: no order covers the app since 2021-01-03T00:00:00.000Z (refund); grace 168h, stop due 2021-01-10T00:00:00.000Z",
				"timer: stopped from 2021-01-10T00:00:00.000Z (refund)",
			},
		},
		{"stop: by the owner", byOwner, FieldStop, "manual since 2021-01-04T00:00:00.000Z", []string{"command: stopped from 2021-01-04T00:00:00.000Z (manual)"}},
		{
			"stop: by an operator", []step{created(), did(day(3), Operator, StopApp{testApp, "abuse"})}, FieldStop, "operator since 2021-01-04T00:00:00.000Z",
			[]string{"command: stopped from 2021-01-04T00:00:00.000Z (operator)"},
		},
		{
			"stop: none any more", and(byOwner, did(day(4), Owner, StartApp{testApp})), FieldStop, "none",
			[]string{"command: the stop for manual lifted by start from 2021-01-05T00:00:00.000Z: in service again", noHold},
		},
		{"arrears", owing, FieldArrears, "since 2021-01-05T00:00:00.000Z, stop due 2021-01-12T00:00:00.000Z", []string{owed, arrears}},
		{
			"arrears: counted from the first order", []step{created(), did(day(1), Billing, overdue("i1", 1, day(0)), paid("o1", Pro, day(1), 0))}, FieldArrears,
			"since 2021-01-02T00:00:00.000Z, stop due 2021-01-09T00:00:00.000Z",
			[]string{
				"fact: invoice i1 overdue since 2021-01-01T00:00:00.000Z", "fact: order o1 of pro from 2021-01-02T00:00:00.000Z, without an end",
				"rule: in arrears since 2021-01-02T00:00:00.000Z; grace 168h, stop due 2021-01-09T00:00:00.000Z",
			},
		},
		{
			"arrears: moved", and(owing, did(day(6), Billing, overdue("i2", 1, day(5))), did(day(7), Billing, settle("i1", 2, day(7)))), FieldArrears,
			"since 2021-01-06T00:00:00.000Z, stop due 2021-01-13T00:00:00.000Z",
			[]string{
				"fact: invoice i2 overdue since 2021-01-06T00:00:00.000Z", "fact: invoice i1 settled 2021-01-08T00:00:00.000Z",
				"rule: in arrears since 2021-01-06T00:00:00.000Z, as is known now; grace 168h, stop due 2021-01-13T00:00:00.000Z",
			},
		},
		{"arrears: none", []step{created()}, FieldArrears, "none", []string{made, "rule: no invoice is overdue"}},
		{
			"arrears: none any more", and(owing, did(day(7), Billing, voidOf("i1", 2, day(7)))), FieldArrears, "none",
			[]string{"fact: invoice i1 voided 2021-01-08T00:00:00.000Z", "rule: out of arrears, by voiding, from 2021-01-08T00:00:00.000Z", "rule: no invoice is overdue"},
		},
		{
			"arrears: not billed", []step{created(), did(day(6), Billing, overdue("i1", 1, day(4)))}, FieldArrears, "none",
			[]string{owed, "rule: the app was never billed: overdue invoices have no effect before its first order with an edition"},
		},
		{"lapse", lapsed, FieldLapse, "plan_expired since 2021-01-11T00:00:00.000Z, stop due 2021-01-18T00:00:00.000Z", []string{term10, ran}},
		{"lapse: none, never", []step{created()}, FieldLapse, "none", []string{made, "rule: no order ever bought an edition, so there is nothing that could lapse"}},
		{"lapse: none", pro(0), FieldLapse, "none", []string{made, bought, "rule: an order covers the app"}},
		{
			"lapse: none any more", and(lapsed, did(day(12), Billing, paid("o2", Pro, day(12), 0))), FieldLapse, "none",
			[]string{
				"fact: order o2 of pro from 2021-01-13T00:00:00.000Z, without an end",
				"rule: an order covers the app again, by order, from 2021-01-13T00:00:00.000Z", "rule: an order covers the app",
			},
		},
		{
			"lapse: renamed", and(lapsed, did(day(12), Billing, refund("o1", day(10)))), FieldLapse, "refund since 2021-01-11T00:00:00.000Z, stop due 2021-01-18T00:00:00.000Z",
			[]string{term10, "fact: order o1 refunded 2021-01-11T00:00:00.000Z", "rule: the lapse is due to: refund"},
		},
		{"edition: as it was made", []step{created()}, FieldEdition, "trial", []string{made}},
		{"edition: as imported", []step{trtc()}, FieldEdition, "trtc_trial", []string{"command: the app was imported, created 2021-01-01T00:00:00.000Z"}},
		{"edition: bought", pro(0), FieldEdition, "pro", []string{bought, "rule: edition pro instead of trial, by order, from 2021-01-01T00:00:00.000Z"}},
		{"edition: raised", upgraded, FieldEdition, "flagship", []string{flagship, "rule: edition flagship instead of pro, by order, from 2021-01-03T00:00:00.000Z"}},
		{
			"edition: fallen back", and(upgraded, ticked(day(10))), FieldEdition, "pro",
			[]string{term20, "timer: edition pro instead of flagship, by time, from 2021-01-11T00:00:00.000Z"},
		},
		{
			"edition: of what ended last", lapsed, FieldEdition, "pro",
			[]string{
				term10, "rule: edition pro instead of trial, by order, from 2021-01-01T00:00:00.000Z", ran,
				"rule: without an order that covers the app, the edition is that of the order that ended last",
			},
		},
		{
			"paid until the latest end", upgraded, FieldPaidUntil, "2021-01-21T00:00:00.000Z",
			[]string{term20, "rule: the latest end among the orders not refunded counts"},
		},
		{"paid without an end", pro(0), FieldPaidUntil, "none", []string{bought, "rule: an order without an end counts"}},
		{"never paid", []step{created()}, FieldPaidUntil, "none", []string{made, "rule: there is no order for an edition that was not refunded"}},
		{
			"paid back", and(pro(0), did(day(3), Billing, refund("o1", day(2)))), FieldPaidUntil, "none",
			[]string{made, bought, "fact: order o1 refunded 2021-01-03T00:00:00.000Z", "rule: there is no order for an edition that was not refunded"},
		},
		{
			"next: an expiry", pro(day(10)), FieldNext, "expired at 2021-01-11T00:00:00.000Z (plan_expired)",
			[]string{term10, "rule: the app expires 2021-01-11T00:00:00.000Z (plan_expired)"},
		},
		{
			"next: an edition", upgraded, FieldNext, "edition:pro at 2021-01-11T00:00:00.000Z (plan_expired)",
			[]string{flagship, "rule: edition pro from 2021-01-11T00:00:00.000Z on (plan_expired)"},
		},
		{"next: a stop for arrears", owing, FieldNext, "stopped at 2021-01-12T00:00:00.000Z (arrears)", []string{owed, arrears}},
		{"next: a stop after a lapse", lapsed, FieldNext, "stopped at 2021-01-18T00:00:00.000Z (plan_expired)", []string{term10, ran}},
		{
			"next: not the end of a key's overlap, or of a certificate", and(owing, did(day(6), Owner, RotateKey{App: testApp}, addCertificate(day(8)))),
			FieldNext, "stopped at 2021-01-12T00:00:00.000Z (arrears)", []string{owed, arrears},
		},
		{"next: nothing, never", []step{created()}, FieldNext, "none", []string{made, "rule: nothing is due by time"}},
		{"next: nothing any more", stopped, FieldNext, "none", []string{stop, "rule: nothing is due by time"}},
		{
			"the name", []step{created(), did(day(1), Owner, EditAppInfo{App: testApp, AppName: new("chat")})}, FieldName, "chat",
			[]string{"command: name, type or introduction were edited"},
		},
		{"the introduction", []step{created()}, FieldIntroduction, "none", []string{made}},
		{"the type", []step{created()}, FieldType, "other", []string{made}},
		{"the creation", []step{created()}, FieldCreatedAt, "2021-01-01T00:00:00.000Z", []string{made}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(DefaultPolicy())
			for _, s := range c.given {
				s(t, w)
			}
			e := Why(w.past(acme, testApp), c.field)
			if e.Value != c.value {
				t.Errorf("it is %q, want %q", e.Value, c.value)
			}
			var links []string
			for _, l := range e.Links {
				links = append(links, string(l.Kind)+": "+l.Text)
			}
			if diff := gocmp.Diff(c.links, links); diff != "" {
				t.Errorf("the grounds (-want +got):\n%s", diff)
			}
		})
	}
}

// TestWhyHasAnAnswerForEverything: whatever happened, each field has a value and grounds, in words, in the order of the
// log, each event once; and a stop, a lapse and arrears rest on facts or on what people did.
func TestWhyHasAnAnswerForEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		policy := unhurried()
		w, now := newWorld(policy), crowdBegins
		c := anyCommand()
		for range rapid.IntRange(1, 25).Draw(t, "commands") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "hours")) * time.Hour)
			asked := c.Draw(t, "command")
			_, _ = w.run(t, acme, now, asked.as, asked.Command)
			if rapid.Bool().Draw(t, "tick") {
				w.sweep(t, now)
			}
		}
		for id := range w.account(acme).Apps {
			log := w.past(acme, id)
			for _, field := range Fields() {
				checkWhy(t, log, field, Why(log, field))
			}
		}
	})
}

func checkWhy(t failer, log []Past, field Field, e Explanation) {
	t.Helper()
	if e.Value == "" || len(e.Links) == 0 {
		t.Fatalf("%s: %+v", field, e)
	}
	last, rests := -1, false
	for _, l := range e.Links {
		if l.Text == "" || l.Event >= len(log) || l.Event >= 0 && l.Event <= last {
			t.Fatalf("%s: the link %+v after event %d: %+v", field, l, last, e)
		}
		last = max(last, l.Event)
		rests = rests || l.Kind == LinkFact || l.Kind == LinkCommand
	}
	if !rests && e.Value != none { // the last thing due may have been a stop
		t.Fatalf("%s is %s by no fact and nobody's command: %+v", field, e.Value, e.Links)
	}
}

// TestEveryEventSaysWhatHappened in plain words.
func TestEveryEventSaysWhatHappened(t *testing.T) {
	for _, e := range Prototypes() {
		if text := says(e); text == "" || text == e.Type() || strings.HasSuffix(text, ".") {
			t.Errorf("%s says %q", e.Type(), text)
		}
	}
	if all := Fields(); len(all) != len(explainers) || slices.ContainsFunc(all, func(f Field) bool { return explainers[f] == nil }) {
		t.Errorf("%d fields, %d explained", len(all), len(explainers))
	}
}

func TestAGraceIsShownWithoutZeros(t *testing.T) {
	for grace, want := range map[time.Duration]string{
		168 * time.Hour: "168h", 90 * time.Minute: "1h30m", 10 * time.Minute: "10m", 20 * time.Hour: "20h", time.Hour + time.Second: "1h0m1s", 10 * time.Second: "10s",
	} {
		if got, want := graced(day(0), day(0).Add(grace)), "grace "+want+", stop due "+day(0).Add(grace).String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
