package api

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"sundial/domain"
	"sundial/internal/testing/enginetest"
	"sundial/internal/timetravel"
)

// TestThePast is one app over eighteen days: an order on day 0, an invoice overdue on day 4 that is reported on day 6, a
// stop on day 11, and on day 14 the news that it was paid on day 10.
func TestThePast(t *testing.T) {
	w := start(t, nil)
	path := w.create(`{"name":"shop","order":{"id":"o","edition":"pro","amount":{"currency":"CNY","minor":1}}}`)
	live := map[string]string{"2021-01-01": w.must(200, "owner", "GET", path, "").body}
	until := func(day string) { w.must(200, "operator", "POST", "/v1/clock/advance", `{"to":"`+day+`T00:00:00Z"}`) }
	until("2021-01-07")
	w.must(200, "billing", "POST", path+"/arrears",
		`{"invoice":"i","version":1,"effective_at":"2021-01-05T00:00:00Z","amount":{"currency":"CNY","minor":500}}`)
	for _, day := range []string{"2021-01-08", "2021-01-11", "2021-01-12", "2021-01-13"} {
		until(day)
		live[day] = w.must(200, "owner", "GET", path, "").body
	}
	until("2021-01-15")
	w.must(200, "billing", "POST", path+"/arrears/settle", `{"invoice":"i","version":2,"effective_at":"2021-01-11T00:00:00Z"}`)
	until("2021-01-19")

	for day, want := range live {
		at := day + "T00:00:00Z"
		diff(t, "as it was on "+day, want, w.must(200, "owner", "GET", path+"?as_of="+at+"&known_at="+at, "").body)
		diff(t, "known on "+day, want, w.must(200, "owner", "GET", path+"?known_at="+at, "").body)
	}
	for _, c := range []struct{ name, asOf, knownAt, status, arrears string }{
		{"before the invoice", "2021-01-04", "", "active", ""},
		{"in arrears, though nobody knew", "2021-01-06", "", "active", "2021-01-05T00:00:00.000Z"},
		{"not stopped on day 11, by what became known", "2021-01-12", "", "active", ""},
		{"stopped on day 11, by what was known on day 13", "2021-01-12", "2021-01-14", "stopped", "2021-01-05T00:00:00.000Z"},
		{"nothing was expected before the invoice was known", "2021-01-13", "2021-01-06", "active", ""},
		{"the stop was expected when it was", "2021-01-13", "2021-01-08", "stopped", "2021-01-05T00:00:00.000Z"},
		{"it is expected to stay as it is", "2031-01-13", "", "active", ""},
	} {
		query := "?as_of=" + c.asOf + "T00:00:00Z"
		if c.knownAt != "" {
			query += "&known_at=" + c.knownAt + "T00:00:00Z"
		}
		a := w.must(200, "owner", "GET", path+query, "")
		since := ""
		if a.app.Arrears != nil {
			since = a.app.Arrears.Since.String()
		}
		if string(a.app.Status) != c.status || since != c.arrears {
			t.Errorf("%s: %s, in arrears since %q; want %s, %q", c.name, a.app.Status, since, c.status, c.arrears)
		}
		if a.header.Get("Etag") != "" {
			t.Errorf("%s: has an ETag, and cannot be changed", c.name)
		}
	}
}

func TestWhatCannotBeAskedOfThePast(t *testing.T) {
	w := start(t, nil)
	path := w.create(`{"name":"shop"}`)
	for query, want := range map[string]string{
		"?as_of=yesterday":                   "as_of invalid_time",
		"?known_at=2021-01-01":               "known_at invalid_time",
		"?known_at=2021-01-01T00:00:00.001Z": "known_at ahead_of_clock",
	} {
		for _, path := range []string{path, "/v1/accounts/acme", "/v1/accounts/acme/apps"} {
			diff(t, path+query, want, strings.Join(w.must(422, "owner", "GET", path+query, "").fields(), ", "))
		}
	}
	const before = "?as_of=2020-12-31T23:59:59.999Z"
	w.must(404, "owner", "GET", path+before, "")
	w.must(404, "stranger", "GET", path+"?as_of=2021-01-01T00:00:00Z", "")
	w.must(404, "operator", "GET", "/v1/accounts/acme"+before, "")
	diff(t, "the apps of before", `{"items":[]}`, w.must(200, "owner", "GET", "/v1/accounts/acme/apps"+before, "").body)
	diff(t, "the account of before", `{"account":"acme","quota":100,"in_use":0,"version":0,"position":0}`,
		w.must(200, "owner", "GET", "/v1/accounts/acme"+before, "").body)
}

// TestPastLists filters and pages as of another time.
func TestPastLists(t *testing.T) {
	w := start(t, nil)
	for _, name := range []string{"one", "two", "three", "Four"} {
		w.create(`{"name":"` + name + `"}`)
	}
	w.must(200, "operator", "POST", "/v1/clock/advance", `{"by":"24h"}`)
	five := w.create(`{"name":"five"}`)
	w.must(200, "owner", "POST", five+"/stop", `{}`)
	w.must(200, "operator", "PUT", "/v1/accounts/acme/quota", `{"apps":7}`)
	w.must(200, "operator", "POST", "/v1/clock/advance", `{"by":"24h"}`)
	w.must(200, "owner", "DELETE", five+"?confirm=five", "")

	const first, second, third = "as_of=2021-01-01T00:00:00Z", "as_of=2021-01-02T00:00:00Z", "as_of=2021-01-03T00:00:00Z"
	for query, want := range map[string]string{
		first: "one two three Four", second: "one two three Four five", second + "&status=stopped": "five",
		third + "&status=deleted": "five", third + "&status=active": "one two three Four", first + "&edition=pro": "",
		first + "&q=f": "Four", first + "&q=%EF%AC%80our": "", first + "&q=FOU": "Four", second + "&q=F": "Four five", first + "&q=1400": "one two three Four", first + "&q=%25": "",
		first + "&known_at=2021-01-02T00:00:00Z&limit=500": "one two three Four",
	} {
		var page struct {
			Items []App `json:"items"`
		}
		if err := json.Unmarshal([]byte(w.must(200, "owner", "GET", "/v1/accounts/acme/apps?"+query, "").body), &page); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, app := range page.Items {
			names = append(names, app.Name)
		}
		diff(t, query, want, strings.Join(names, " "))
	}
	w.pages("owner", "/v1/accounts/acme/apps?"+second, 5)
	for query, want := range map[string]string{
		first:  `{"account":"acme","quota":100,"in_use":4,"version":4,"position":4}`,
		second: `{"account":"acme","quota":7,"in_use":5,"version":7,"position":7}`,
		third:  `{"account":"acme","quota":7,"in_use":4,"version":8,"position":8}`,
	} {
		diff(t, "the account "+query, want, w.must(200, "owner", "GET", "/v1/accounts/acme?"+query, "").body)
	}
}

// TestWhy asks about an app that was stopped for an invoice that a message brought.
func TestWhy(t *testing.T) {
	w := start(t, nil)
	path := w.create(`{"name":"shop","order":{"id":"o","edition":"pro","amount":{"currency":"CNY","minor":1}},"reason":"new shop"}`)
	app := strings.TrimPrefix(path, "/v1/apps/")
	w.must(200, "operator", "POST", "/v1/clock/advance", `{"to":"2021-01-07T00:00:00Z"}`)
	w.must(200, "billing", "POST", "/v1/billing/events", `{"specversion":"1.0","id":"up-1","source":"urn:billing","type":"sundial.billing.invoice.overdue",
		"data":{"account":"acme","app":`+app+`,"invoice":"i","version":1,"effective_at":"2021-01-05T00:00:00Z","amount":{"currency":"CNY","minor":500}}}`,
		"Content-Type", "application/cloudevents+json")
	w.must(200, "operator", "POST", "/v1/clock/advance", `{"to":"2021-01-13T00:00:00Z"}`)

	var answer timetravel.Answer
	body := w.must(200, "reader", "GET", path+"/why", "").body
	if err := json.Unmarshal([]byte(body), &answer, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	at := func(day int) domain.Instant { return domain.InstantOf(enginetest.Began.AddDate(0, 0, day-1)) }
	actors := make([]string, len(answer.Links))
	for i := range answer.Links {
		actors[i], answer.Links[i].Actor = answer.Links[i].Actor, ""
		answer.Links[i].Correlation = ""
	}
	diff(t, "the grounds", []timetravel.Link{
		{
			Kind: domain.LinkFact, Text: "invoice i overdue since 2021-01-05T00:00:00.000Z", Event: "app.invoice_overdue_recorded.v1",
			Command: "mark_arrears", EffectiveAt: at(5), RecordedAt: at(7), Position: 2, Source: "urn:billing", ID: "up-1",
		},
		{
			Kind: domain.LinkRule, Text: "in arrears since 2021-01-05T00:00:00.000Z; grace 168h, stop due 2021-01-12T00:00:00.000Z",
			Event: "app.arrears_started.v2", Command: "mark_arrears", RecordedAt: at(7), Position: 2,
		},
		{
			Kind: domain.LinkTimer, Text: "stopped from 2021-01-12T00:00:00.000Z (arrears)", Event: "app.stopped.v1",
			Command: "fire_transition", EffectiveAt: at(12), RecordedAt: at(13), Position: 3,
		},
	}, answer.Links)
	for i, role := range []string{"billing:", "billing:", "scheduler"} {
		if !strings.HasPrefix(actors[i], role) {
			t.Errorf("link %d is of %q, want %s", i, actors[i], role)
		}
	}
	for _, want := range []string{
		"status of app " + app + ": stopped\n- invoice i overdue since 2021-01-05T00:00:00.000Z\n    recorded 2021-01-07T00:00:00.000Z at position 2 by billing:",
		", with urn:billing up-1\n- in arrears", "\n    fired 2021-01-13T00:00:00.000Z at position 3",
	} {
		if !strings.Contains(answer.Text, want) {
			t.Errorf("the text has no %q:\n%s", want, answer.Text)
		}
	}
	for _, field := range domain.Fields() {
		w.must(200, "owner", "GET", path+"/why?field="+string(field), "")
	}
	if text := w.must(200, "owner", "GET", path+"/why?field=name", "").body; !strings.Contains(text, `"reason":"new shop"`) {
		t.Errorf("the reason is not told: %s", text)
	}
	diff(t, "an unknown field", []string{"field unknown_field"}, w.must(422, "owner", "GET", path+"/why?field=mood", "").fields())
	w.must(404, "stranger", "GET", path+"/why", "")
	w.must(404, "owner", "GET", "/v1/apps/1400000099/why", "")
}

// TestForecast looks at what is due, what would prevent it, and how much it is by day.
func TestForecast(t *testing.T) {
	w := start(t, nil)
	order := func(id string) string {
		return `{"id":"` + id + `","edition":"pro","paid_until":"2021-01-20T00:00:00Z","amount":{"currency":"CNY","minor":1}}`
	}
	owing := w.create(`{"name":"owing","order":` + order("o1") + `}`)
	w.must(200, "billing", "POST", owing+"/arrears", `{"invoice":"i","version":1,"effective_at":"2021-01-01T00:00:00Z","amount":{"currency":"CNY","minor":1}}`)
	w.must(201, "stranger", "POST", "/v1/accounts/globex/apps", `{"name":"theirs","order":`+order("o2")+`}`)

	type rows struct {
		Items []Transition `json:"items"`
	}
	list := func(who, query string) (got rows) {
		t.Helper()
		if err := json.Unmarshal([]byte(w.must(200, who, "GET", "/v1/transitions"+query, "").body), &got, json.RejectUnknownMembers(true)); err != nil {
			t.Fatal(err)
		}
		return got
	}
	stop := domain.InstantOf(enginetest.Began.AddDate(0, 0, 7))
	diff(t, "what prevents a stop for arrears", Prevention{
		Facts: []string{"sundial.billing.invoice.settled", "sundial.billing.invoice.voided"}, Invoices: []string{"i"}, EffectiveBy: stop,
	}, list("owner", "?before=2021-01-10T00:00:00Z").Items[0].Prevented)
	for query, want := range map[string]int{
		"": 4, "?after=2021-01-08T00:00:00Z": 4, "?after=2021-01-08T00:00:00.001Z": 3,
		"?after=2021-01-08T00:00:00Z&before=2021-01-08T00:00:00.001Z": 1, "?account=globex": 2,
	} {
		if got := len(list("auditor", query).Items); got != want {
			t.Errorf("%q lists %d transitions, want %d", query, got, want)
		}
	}
	// What is named does prevent it.
	w.must(200, "billing", "POST", owing+"/arrears/settle", `{"invoice":"i","version":2,"effective_at":"`+enginetest.Began.Format(time.RFC3339)+`"}`)
	if got := list("owner", "?before=2021-01-10T00:00:00Z").Items; len(got) != 0 {
		t.Errorf("the invoice is settled, and still due is %+v", got)
	}

	const day = `{"day":"2021-01-20","stopped":0,"expired":2,"active":0,"edition":0},{"day":"2021-01-27","stopped":2,"expired":0,"active":0,"edition":0}`
	for query, want := range map[string]string{
		"":                             `{"after":"2021-01-01T00:00:00.000Z","before":"2021-01-31T00:00:00.000Z","items":[` + day + `]}`,
		"?before=2021-01-20T00:00:00Z": `{"after":"2021-01-01T00:00:00.000Z","before":"2021-01-20T00:00:00.000Z","items":[]}`,
		"?account=globex&after=2021-01-20T00:00:00Z": `{"after":"2021-01-20T00:00:00.000Z","before":"2021-02-19T00:00:00.000Z","items":[` +
			strings.ReplaceAll(day, ":2,", ":1,") + `]}`,
	} {
		diff(t, "the calendar "+query, want, w.must(200, "auditor", "GET", "/v1/transitions/days"+query, "").body)
	}
	diff(t, "a long window", []string{"before out_of_range"}, w.must(422, "auditor", "GET", "/v1/transitions/days?before=2022-01-03T00:00:00Z", "").fields())
	w.must(403, "billing", "GET", "/v1/transitions/days", "")
	w.must(404, "owner", "GET", "/v1/transitions/days?account=globex", "")
}

// TestForecastBeyondAGap: terms that are paid ahead with a gap, for one account as for all, and then as time runs.
func TestForecastBeyondAGap(t *testing.T) {
	w := start(t, nil)
	order := func(id, edition, from, until string) string {
		return `{"id":"` + id + `","edition":"` + edition + `","effective_at":"2021-` + from + `T00:00:00Z","paid_until":"2021-` + until +
			`T00:00:00Z","amount":{"currency":"CNY","minor":1}}`
	}
	w.must(201, "operator", "POST", "/v1/accounts/acme/apps/import", `{"app":1499999999,"name":"shop","created_at":"2020-01-01T00:00:00Z","orders":[`+
		order("o1", "pro", "01-01", "01-11")+`,`+order("o2", "pro", "01-21", "02-20")+`,`+order("up", "flagship", "01-26", "02-05")+`]}`)
	want := []string{
		"2021-01-11 active expired plan_expired pro", "2021-01-18 expired stopped plan_expired pro", "2021-01-21 stopped active order ",
		"2021-01-26 edition:pro edition:flagship order ", "2021-02-05 edition:flagship edition:pro plan_expired flagship",
		"2021-02-20 active expired plan_expired pro", "2021-02-27 expired stopped plan_expired pro",
	}
	for n := 0; ; n++ {
		for _, query := range []string{"", "?account=acme"} {
			var got []string
			for _, item := range w.pages("operator", "/v1/transitions"+query, len(want)-n) {
				var d Transition
				if err := json.Unmarshal([]byte(item), &d); err != nil {
					t.Fatal(err)
				}
				got = append(got, strings.Join([]string{d.Due.Time().Format(time.DateOnly), d.From, d.To, string(d.Cause), string(d.Prevented.Edition)}, " "))
			}
			diff(t, "transitions"+query, strings.Join(want[n:], "\n"), strings.Join(got, "\n"))
		}
		if n == len(want) {
			break
		}
		w.must(200, "operator", "POST", "/v1/clock/advance", `{"to":"`+want[n][:len(time.DateOnly)]+`T00:00:00Z"}`)
	}
}
