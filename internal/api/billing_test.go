package api

import (
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// bill makes a CloudEvent.
func bill(id, kind, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"urn:billing","type":"sundial.billing.%s","time":"2021-01-01T00:00:00Z","datacontenttype":"application/json","data":%s}`, id, kind, data)
}

// outcomes reads an answer as "id outcome code".
func (w *harness) outcomes(a answer) []string {
	w.t.Helper()
	var list eventOutcomes
	if err := json.Unmarshal([]byte(a.body), &list, json.RejectUnknownMembers(true)); err != nil {
		w.t.Fatalf("%s: %v", a.body, err)
	}
	var out []string
	for _, o := range list.Items {
		out = append(out, strings.TrimSpace(idOf(o)+" "+o.Outcome+" "+o.Code))
		if o.Outcome == "accepted" && o.Position == 0 {
			w.t.Errorf("accepted without a position: %s", a.body)
		}
	}
	return out
}

func idOf(o eventOutcome) string {
	if o.ID == nil {
		return ""
	}
	return *o.ID
}

// One event of a batch that cannot be read is parked in its place; the others are taken, and each is answered for.
func TestOneBadEventOfMany(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	n := 0
	good := func() string {
		n++
		return bill(fmt.Sprint("e-", n), "invoice.overdue", `{"account":"acme","app":`+strings.TrimPrefix(app, "/v1/apps/")+
			fmt.Sprintf(`,"invoice":"i-%d","version":1,"effective_at":"2021-01-01T00:00:00.000Z","amount":{"currency":"CNY","minor":1}}`, n))
	}
	send := func(status int, body string, header ...string) answer {
		return w.must(status, "billing", "POST", "/v1/billing/events", body, append([]string{"Content-Type", batchType}, header...)...)
	}
	for _, bad := range []struct{ event, code string }{
		{`{"id":}`, "malformed_json"},
		{`{"id":"x" "source":"y"}`, "malformed_json"},
		{`nonsense`, "malformed_json"},
		{`{"x":["]},"],"y"}`, "malformed_json"},
		{`{"id":"a","id":"b"}`, "duplicate_name"},
		{"{\"id\":\"\xff\"}", "malformed_json"},
		{"{\"id\":\"a\nb\"}", "malformed_json"},
		{`17`, "wrong_type"},
		{`{}`, "missing_field"},
	} {
		got := send(200, "[ "+good()+", "+bad.event+" ,"+good()+"]")
		want := []string{fmt.Sprintf("e-%d accepted", n-1), "parked " + bad.code, fmt.Sprintf("e-%d accepted", n)}
		diff(t, bad.event, want, w.outcomes(got))
		if !strings.Contains(got.body, `{"id":null,"outcome":"parked","code":"`+bad.code+`"}`) {
			t.Errorf("%s: %s", bad.event, got.body)
		}
	}
	taken := n
	for _, cut := range []string{
		"[" + good() + ", " + good()[:40], "[" + good() + ",", "[" + good() + ",]", "[" + good() + ",," + good() + "]",
		"[" + good() + "]]", "[" + good() + "] " + good(), "[" + good() + `,{"id":"x]`, "[" + good() + ",{]", "[" + good() + "}",
	} {
		if got := send(400, cut); got.no.Code != "malformed_events" {
			t.Errorf("%.60s: %s", cut, got.body)
		}
	}
	if got := w.must(200, "operator", "GET", "/v1/events?limit=500", ""); strings.Count(got.body, `"invoice":"i-`) != taken {
		t.Errorf("%d invoices, want %d", strings.Count(got.body, `"invoice":"i-`), taken)
	}
}

// What other systems add to a body makes no difference, or is named.
func TestWhatSystemsAddToABody(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	about := `"account":"acme","app":` + strings.TrimPrefix(app, "/v1/apps/")
	paid := func(id string) string {
		return bill(id, "order.paid", `{`+about+`,"order":"o-1","edition":"pro","effective_at":"2021-01-01T00:00:00.000Z","amount":{"currency":"CNY","minor":1}}`)
	}
	gzipped := func(text string) string {
		var b strings.Builder
		z := gzip.NewWriter(&b)
		_, _ = z.Write([]byte(text))
		_ = z.Close()
		return b.String()
	}
	const mark = "\xef\xbb\xbf"
	for i, c := range []struct {
		kind, body, encoding string
		status               int
		code                 string
	}{
		{eventType, mark + paid("m-0"), "", 200, ""},
		{batchType, mark + "[" + paid("m-1") + "," + mark + paid("m-1") + "]", "", 200, ""},
		{eventType + "; charset=UTF8", paid("m-2"), "", 200, ""},
		{eventType + `; charset="us-ascii"; v`, paid("m-3"), "identity", 200, ""},
		{eventType + ";", gzipped(paid("m-4")), "gzip", 200, ""},
		{batchType, gzipped(mark + "[" + paid("m-5") + "]"), "X-GZIP", 200, ""},
		{eventType + "; charset=utf-16", paid("m-6"), "", 415, "unsupported_media_type"},
		{eventType, paid("m-7"), "br", 415, "unsupported_content_encoding"},
		{eventType, paid("m-7"), "gzip, gzip", 415, "unsupported_content_encoding"},
		{eventType, paid("m-8"), "gzip", 400, "malformed_content_encoding"},
		{eventType, gzipped(paid("m-9"))[:60], "gzip", 400, "malformed_content_encoding"},
		{eventType, gzipped(paid("m-9")) + strings.Repeat(gzipped(strings.Repeat(" ", 1<<20)), 200), "gzip", 413, "too_large"},
	} {
		header := []string{"Content-Type", c.kind}
		if c.encoding != "" {
			header = append(header, "Content-Encoding", c.encoding)
		}
		got := w.ask("billing", "POST", "/v1/billing/events", c.body, header...)
		if got.status != c.status || got.no.Code != c.code || c.status == 200 && !strings.HasPrefix(w.outcomes(got)[0], fmt.Sprintf("m-%d accepted", i)) {
			t.Errorf("%d: %d %s, want %d %s: %s", i, got.status, got.no.Code, c.status, c.code, got.body)
		}
		if strings.Contains(got.body, "utf-16") {
			t.Errorf("%d: the problem repeats what was sent: %s", i, got.body)
		}
	}
	w.must(200, "owner", "PATCH", app, mark+`{"name":"marked"}`)
	w.must(200, "owner", "PATCH", app, gzipped(`{"name":"packed"}`), "Content-Encoding", "gzip")

	// A whole number is one however it is spelled, in a command as in an event.
	for _, c := range []struct{ version, minor, want string }{
		{`5.0`, `1e2`, ""},
		{`6`, `100.00`, ""},
		{`70e-1`, `9007199254740991.0`, ""},
		{`8.5`, `1.0`, "version wrong_type"},
		{`9.0`, `1.5`, "amount.minor wrong_type"},
		{`1e400`, `"1"`, "amount.minor wrong_type,version wrong_type"},
	} {
		got := w.ask("operator", "POST", app+"/arrears", `{"invoice":"i","version":`+c.version+`,"effective_at":"2021-01-01T00:00:00Z","amount":{"currency":"CNY","minor":`+c.minor+`}}`)
		if told := strings.Join(got.fields(), ","); told != c.want {
			t.Errorf("%s, %s: %d %s, want %q", c.version, c.minor, got.status, got.body, c.want)
		}
	}
}

func TestBillingEvents(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	about := `"account":"acme","app":` + strings.TrimPrefix(app, "/v1/apps/")
	const money = `"amount":{"currency":"CNY","minor":1}`
	paid := bill("e-1", "order.paid", `{`+about+`,"order":"o-1","edition":"pro","effective_at":"2021-01-01T00:00:00.000Z",`+money+`,"paid_until":"2021-02-01T00:00:00Z"}`)
	overdue := bill("e-2", "invoice.overdue", `{`+about+`,"invoice":"i-1","version":1,"effective_at":"2021-01-01T00:00:00.000Z",`+money+`}`)
	unknownApp := bill("e-3", "invoice.settled", `{"account":"acme","app":1499999999,"invoice":"i-1","version":2,"effective_at":"2021-01-01T00:00:00.000Z"}`)
	nonsense := bill("e-4", "invoice.exploded", `{}`)

	one := w.must(200, "billing", "POST", "/v1/billing/events", paid, "Content-Type", eventType+"; charset=utf-8")
	diff(t, "one event", []string{"e-1 accepted"}, w.outcomes(one))
	if got := w.must(200, "owner", "GET", app, ""); got.app.Edition != "pro" {
		t.Errorf("after a payment: %s", got.body)
	}
	batch := "[" + strings.Join([]string{paid, overdue, unknownApp, nonsense, `17`, overdue}, ",") + "]"
	diff(t, "a batch", []string{"e-1 duplicate", "e-2 accepted", "e-3 parked app_not_found", "e-4 parked unknown_type", "parked wrong_type", "e-2 duplicate"},
		w.outcomes(w.must(200, "operator", "POST", "/v1/billing/events", batch, "Content-Type", batchType)))
	if got := w.must(200, "owner", "GET", app, ""); got.app.Arrears == nil {
		t.Errorf("after an overdue invoice: %s", got.body)
	}
	diff(t, "an empty batch", 0, len(w.outcomes(w.must(200, "billing", "POST", "/v1/billing/events", "[]", "Content-Type", batchType))))

	parked := map[string]string{} // by code; events of different accounts are parked in no order
	for _, item := range w.pages("auditor", "/v1/parked", 3) {
		parked[member(t, item, "code")] = item
	}
	if p := parked["app_not_found"]; !strings.Contains(p, `"event":{"specversion"`) || !strings.Contains(p, `"account":"acme","app":1499999999`) {
		t.Fatalf("parked: %v", parked)
	}
	first, second := member(t, parked["app_not_found"], "id"), member(t, parked["unknown_type"], "id")
	if got := w.must(409, "operator", "POST", "/v1/parked/"+first+"/replay", ``); got.no.Code != "app_not_found" {
		t.Errorf("replayed too early: %s", got.body)
	}
	w.must(201, "operator", "POST", "/v1/accounts/acme/apps/import", `{"app":1499999999,"name":"late","created_at":"2020-01-01T00:00:00Z"}`)
	got := w.must(200, "operator", "POST", "/v1/parked/"+first+"/replay", `{"reason":"it is there now"}`)
	if member(t, got.body, "outcome") != "accepted" || got.header.Get(headerPosition) == "" {
		t.Errorf("replayed: %s", got.body)
	}
	for range 2 {
		if got := w.must(200, "operator", "DELETE", "/v1/parked/"+second+"?reason=nonsense", ""); got.body != `{"id":"`+second+`","state":"discarded"}` {
			t.Errorf("discarded: %s", got.body)
		}
	}
	for _, c := range [][2]string{{"DELETE", first}, {"POST", second + "/replay"}} {
		if got := w.must(409, "operator", c[0], "/v1/parked/"+c[1], ""); got.no.Code != "parked_closed" {
			t.Errorf("%s %s: %s", c[0], c[1], got.body)
		}
	}
	w.pages("operator", "/v1/parked", 1)

	// What is no batch is refused whole.
	for _, c := range []struct {
		kind, body string
		status     int
		code       string
	}{
		{"application/json", paid, 415, "unsupported_media_type"},
		{"", paid, 415, "unsupported_media_type"},
		{"nonsense;;", paid, 415, "unsupported_media_type"},
		{eventType, "[" + paid + "]", 400, "malformed_events"},
		{batchType, paid, 400, "malformed_events"},
		{batchType, "[" + paid, 400, "malformed_events"},
		{batchType, ``, 400, "malformed_events"},
		{eventType, strings.Replace(paid, `"id":"e-1"`, `"id":"e-9","id":"e-9"`, 1), 400, "malformed_events"},
		{batchType, "[" + strings.Repeat("0,", 1000) + "0]", 413, "too_many_events"},
		{batchType, "[" + strings.Repeat(" ", 1<<20) + "]", 413, "too_large"},
	} {
		got := w.ask("billing", "POST", "/v1/billing/events", c.body, "Content-Type", c.kind)
		if got.status != c.status || got.no.Code != c.code {
			t.Errorf("%s %.60s: %d %s, want %d %s", c.kind, c.body, got.status, got.no.Code, c.status, c.code)
		}
	}
}
