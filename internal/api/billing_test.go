package api

import (
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
		out = append(out, strings.TrimSpace(o.ID+" "+o.Outcome+" "+o.Code))
		if o.Outcome == "accepted" && o.Position == 0 {
			w.t.Errorf("accepted without a position: %s", a.body)
		}
	}
	return out
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
