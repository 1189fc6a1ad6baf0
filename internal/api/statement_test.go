package api

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// tell records facts about an app, an hour apart, and gives the statement of the account.
func (w *harness) tell(app string, facts ...[2]string) {
	w.t.Helper()
	for _, f := range facts {
		w.must(200, "operator", "POST", "/v1/clock/advance", `{"by":"1h"}`)
		w.must(200, "billing", "POST", app+f[0], f[1])
	}
}

// statement reads a statement strictly.
func (w *harness) statement(who, path string) Statement {
	w.t.Helper()
	var s Statement
	body := w.must(200, who, "GET", path, "").body
	if err := json.Unmarshal([]byte(body), &s, json.RejectUnknownMembers(true)); err != nil {
		w.t.Fatalf("%s: %v", body, err)
	}
	return s
}

func TestStatement(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop","order":{"id":"=1+1","edition":"pro","paid_until":"2021-02-01T00:00:00.000Z","amount":{"currency":"CNY","minor":1000}}}`)
	other := w.create(`{"name":"chat"}`)
	w.tell(app,
		[2]string{"/arrears", `{"invoice":"inv-1","version":1,"effective_at":"2021-01-01T00:00:00Z","amount":{"currency":"USD","minor":50}}`},
		[2]string{"/arrears/settle", `{"invoice":"inv-1","version":2,"effective_at":"2021-01-01T01:00:00Z"}`},
		[2]string{"/arrears", `{"invoice":"inv-1","version":3,"effective_at":"2021-01-01T02:00:00Z","amount":{"currency":"CNY","minor":70}}`},
		[2]string{"/refund", `{"order":"=1+1","effective_at":"2021-01-01T03:00:00Z","amount":{"currency":"CNY","minor":400}}`},
	)
	w.tell(other, [2]string{"/arrears/void", `{"invoice":"inv-2","version":1,"effective_at":"2021-01-01T00:00:00Z"}`})
	got := strings.ReplaceAll(w.must(200, "owner", "GET", "/v1/accounts/acme/statement", "", "Accept", "text/html, text/csv").body, "\r\n", "\n")
	for accept, kind := range map[string]string{
		"":                                  jsonType,
		"*/*":                               jsonType,
		"text/csv;q=0.4, application/json":  jsonType,
		"text/csv, application/json;q=0.4":  csvType,
		"text/csv;q=0, */*":                 jsonType,
		"application/json;q=0.1, text/*":    csvType,
		"text/event-stream, text/csv;q=0.1": csvType,
	} {
		if got := w.must(200, "owner", "GET", "/v1/accounts/acme/statement", "", "Accept", accept).header.Get("Content-Type"); got != kind {
			t.Errorf("Accept: %s is answered with %s, want %s", accept, got, kind)
		}
	}
	if got := w.must(200, "operator", "GET", "/v1/events", "", "Accept", "text/event-stream;q=0.5, application/json").header.Get("Content-Type"); got != jsonType {
		t.Errorf("the feed is answered with %s", got)
	}
	const want = `id,recorded_at,effective_at,type,account,app,document,version,amount_currency,amount_minor,currency,charged,refunded,owed,charged_sum,refunded_sum,owed_sum
1.1,2021-01-01T00:00:00.000Z,2021-01-01T00:00:00.000Z,order_paid,acme,1400000001,'=1+1,0,CNY,1000,CNY,1000,0,0,1000,0,0
3.0,2021-01-01T01:00:00.000Z,2021-01-01T00:00:00.000Z,invoice_overdue,acme,1400000001,inv-1,1,USD,50,USD,0,0,50,0,0,50
4.0,2021-01-01T02:00:00.000Z,2021-01-01T01:00:00.000Z,invoice_settled,acme,1400000001,inv-1,2,,,USD,50,0,-50,50,0,0
5.0,2021-01-01T03:00:00.000Z,2021-01-01T02:00:00.000Z,invoice_overdue,acme,1400000001,inv-1,3,CNY,70,CNY,0,0,70,1000,0,70
5.0,2021-01-01T03:00:00.000Z,2021-01-01T02:00:00.000Z,invoice_overdue,acme,1400000001,inv-1,3,CNY,70,USD,-50,0,0,0,0,0
6.0,2021-01-01T04:00:00.000Z,2021-01-01T03:00:00.000Z,order_refunded,acme,1400000001,'=1+1,0,CNY,400,CNY,0,400,0,1000,400,70
7.0,2021-01-01T05:00:00.000Z,2021-01-01T00:00:00.000Z,invoice_voided,acme,1400000002,inv-2,1,,,,0,0,0,,,
,,,closing,acme,,,,,,CNY,,,,1000,400,70
,,,closing,acme,,,,,,USD,,,,0,0,0
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// The same in two pieces, as JSON.
	whole := w.statement("reader", "/v1/accounts/acme/statement")
	first := w.statement("auditor", "/v1/accounts/acme/statement?to=2021-01-01T03:00:00Z&format=json")
	second := w.statement("billing", "/v1/accounts/acme/statement?from=2021-01-01T03:00:00.000Z")
	diff(t, "the lines in two pieces", whole.Lines, slices.Concat(first.Lines, second.Lines))
	diff(t, "where they meet", first.Closing, second.Opening)
	diff(t, "the end", whole.Closing, second.Closing)
	if len(first.Lines) != 3 || len(whole.Lines) != 6 {
		t.Errorf("%d lines of %d before the cut", len(first.Lines), len(whole.Lines))
	}
	if s := w.statement("owner", other+"/statement"); len(s.Lines) != 1 || s.App == nil || *s.App != 1400000002 || s.Lines[0].Amount != nil {
		t.Errorf("the other app's: %+v", s)
	}
	if s := w.must(200, "owner", "GET", "/v1/accounts/acme/statement?from=2021-01-01T04:00:00Z&to=2021-01-01T04:00:00Z", "").body; s !=
		`{"account":"acme","app":null,"from":"2021-01-01T04:00:00.000Z","to":"2021-01-01T04:00:00.000Z","position":7,`+
			`"opening":[{"currency":"CNY","charged":1000,"refunded":0,"owed":70},{"currency":"USD","charged":0,"refunded":0,"owed":0}],"lines":[],`+
			`"closing":[{"currency":"CNY","charged":1000,"refunded":0,"owed":70},{"currency":"USD","charged":0,"refunded":0,"owed":0}]}` {
		t.Errorf("an empty window: %s", s)
	}
	for query, want := range map[string]string{
		"from=yesterday": "from invalid_time", "to=": "to invalid_time", "format=pdf": "format unknown_format", "limit=5": "limit unknown_parameter",
		"from=2021-01-02T00:00:00Z&to=2021-01-01T00:00:00Z": "to out_of_range",
	} {
		if got := w.must(422, "owner", "GET", app+"/statement?"+query, "").fields(); len(got) != 1 || got[0] != want {
			t.Errorf("?%s: %v, want %s", query, got, want)
		}
	}
	w.must(404, "operator", "GET", "/v1/accounts/nobody/statement", "")
	w.must(404, "stranger", "GET", app+"/statement", "")

	overflow := func(order string) [2]string {
		return [2]string{"/upgrade", `{"order":{"id":"` + order + `","edition":"flagship","amount":{"currency":"JPY","minor":9007199254740991}}}`}
	}
	w.tell(other, overflow("large-1"))
	w.tell(app, overflow("large-2"))
	if a := w.must(409, "owner", "GET", "/v1/accounts/acme/statement", ""); a.no.Code != "sum_overflow" {
		t.Errorf("a sum beyond what there is: %s", a.body)
	}
	w.must(200, "owner", "GET", app+"/statement", "")
}

func FuzzCSVIsGuarded(f *testing.F) {
	for _, s := range []string{"", "=1", "a=1", "-", "\t=1", "\uff1d1", `"=1`, "a,b", "'=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var b strings.Builder
		w := csv.NewWriter(&b)
		if err := w.Write([]string{guarded(s)}); err != nil {
			t.Fatal(err)
		}
		w.Flush()
		if text := b.String(); strings.IndexAny(strings.TrimPrefix(text, `"`), formulas[:4]) == 0 {
			t.Errorf("%q is written as %q", s, text)
		}
		if fmt.Sprint(strings.TrimPrefix(guarded(s), "'")) != strings.TrimPrefix(s, "'") {
			t.Errorf("%q became %q", s, guarded(s))
		}
	})
}
