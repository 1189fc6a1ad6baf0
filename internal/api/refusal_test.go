package api

import (
	"net/http"
	"strings"
	"testing"
)

// secret stands wherever a value is sent that is wrong; no problem may repeat it.
const secret = "hunter2"

// TestBadBodies sends bodies that are wrong, and expects each wrong field named, and no value repeated.
func TestBadBodies(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	const create, imports = "/v1/accounts/acme/apps", "/v1/accounts/acme/apps/import"
	const order = `"id":"o-1","edition":"pro","amount":{"currency":"CNY","minor":1}`
	for _, c := range []struct {
		path, body string
		status     int
		want       string // fields and codes, or the problem's code
	}{
		// malformed
		{create, ``, 400, "malformed"},
		{create, `{`, 400, "malformed"},
		{create, `{"name":"hunter2"`, 400, "malformed"},
		{create, `{"name":hunter2}`, 400, "malformed"},
		{create, `{"name":"x"} hunter2`, 400, "malformed"},
		{create, `{"name":"x"}{"name":"x"}`, 400, "malformed"},
		{create, `[]`, 400, "malformed"},
		{create, `null`, 400, "malformed"},
		{create, `"hunter2"`, 400, "malformed"},
		{create, `{"name":"hunter2","name":"hunter2"}`, 400, "malformed"},
		{create, `{"name":"x","order":{"id":"a","id":"a"}}`, 400, "malformed"},
		{create, `{"bogus":{"a":1,"a":1},"name":1}`, 400, "malformed"},
		{create, "{\"name\":\"\xff\"}", 400, "malformed"},
		{create, "{\"name\":\"\\ud800\"}", 400, "malformed"},
		{create, `{'name':'x'}`, 400, "malformed"},
		{create, "\ufeff\ufeff" + `{"name":"x"}`, 400, "malformed"},
		{create, strings.Repeat("\x00\xff", 1<<19), 400, "malformed"},
		{create, strings.Repeat(`{"name":`, 10001), 400, "malformed"},
		{create, strings.Repeat(" ", 1<<20+1), 413, "too_large"},
		// unknown fields, and names in another case
		{create, `{"name":"x","hunter2 is secret":"hunter2"}`, 422, "? unknown_field"},
		{create, `{"name":"x","Name":"hunter2"}`, 422, "Name unknown_field"},
		{create, `{"name":"x","order":{` + order + `,"versions":1}}`, 422, "order.versions unknown_field"},
		{create, `{"name":"x","order":{` + order + `,"effectiveAt":"x"}}`, 422, "order.effectiveAt unknown_field"},
		{app + "/stop", `{"app":1400000001}`, 422, "app unknown_field"},
		{app + "/refund", `{"account":"acme","order":"o","effective_at":"2021-01-01T00:00:00Z"}`, 422, "account unknown_field"},
		// types
		{create, `{"name":12345}`, 422, "name wrong_type"},
		{create, `{"name":["hunter2"],"type":true,"order":"hunter2"}`, 422, "name wrong_type,order wrong_type,type wrong_type"},
		{imports, `{"app":"1400000001","name":"x","created_at":"2021-01-01T00:00:00Z"}`, 422, "app wrong_type"},
		{imports, `{"app":1.45e-1,"name":"x","created_at":"2021-01-01T00:00:00Z"}`, 422, "app wrong_type"},
		{imports, `{"app":-1,"name":"x","created_at":"2021-01-01T00:00:00Z"}`, 422, "app wrong_type"},
		{imports, `{"app":99999999999999999999,"name":"x","created_at":"2021-01-01T00:00:00Z"}`, 422, "app wrong_type"},
		{imports, `{"app":9007199254740993,"name":"x","created_at":"2021-01-01T00:00:00Z"}`, 422, "app out_of_range"},
		// texts
		{create, `{}`, 422, "name invalid_name"},
		{create, `{"name":""}`, 422, "name invalid_name"},
		{create, `{"name":"hunter2\u0007"}`, 422, "name invalid_name"},
		{create, `{"name":"a\nb"}`, 422, "name invalid_name"},
		{create, `{"name":"` + strings.Repeat("店", 65) + `"}`, 422, "name invalid_name"},
		{create, `{"name":"x","type":"hunter2","introduction":"` + strings.Repeat("x", 301) + `"}`, 422, "introduction invalid_introduction,type unknown_type"},
		{create, `{"name":"x","reason":"\u0000hunter2"}`, 422, "reason invalid_reason"},
		{create, `{"name":"x","reason":"` + strings.Repeat("x", 501) + `"}`, 422, "reason invalid_reason"},
		// money
		{create, `{"name":"x","order":{"id":"o","edition":"pro","amount":{"currency":"CNY","minor":-1}}}`, 422, "order.amount.minor out_of_range"},
		{create, `{"name":"x","order":{"id":"o","edition":"pro","amount":{"currency":"XXZ","minor":1}}}`, 422, "order.amount.currency unknown_currency"},
		{create, `{"name":"x","order":{"id":"o","edition":"pro","amount":{"currency":"cny","minor":1}}}`, 422, "order.amount.currency unknown_currency"},
		{create, `{"name":"x","order":{"id":"o","edition":"pro"}}`, 422, "order.amount.currency unknown_currency"},
		{create, `{"name":"x","order":{"id":"o","edition":"pro","amount":{"currency":"CNY","minor":9007199254740993}}}`, 422, "order.amount.minor out_of_range"},
		{create, `{"name":"x","order":{"id":"o","edition":"pro","amount":{"currency":"CNY","minor":9223372036854775808}}}`, 422, "order.amount.minor wrong_type"},
		{create, `{"name":"x","order":{"id":"o","edition":"pro","amount":{"currency":"CNY","minor":1.5}}}`, 422, "order.amount.minor wrong_type"},
		{create, `{"name":"x","order":{"id":"o","edition":"pro","amount":{"currency":"CNY","minor":"1"}}}`, 422, "order.amount.minor wrong_type"},
		{create, `{"name":"x","order":{"id":"o","edition":"pro","amount":"9.99"}}`, 422, "order.amount wrong_type"},
		{app + "/refund", `{"order":"o","effective_at":"2021-01-01T00:00:00Z","amount":{}}`, 422, "amount.currency unknown_currency"},
		// times
		{imports, `{"app":1400000009,"name":"x","created_at":"2021-01-01T00:00:00"}`, 422, "created_at invalid_time"},
		{imports, `{"app":1400000009,"name":"x","created_at":"hunter2"}`, 422, "created_at invalid_time"},
		{imports, `{"app":1400000009,"name":"x","created_at":1609459200}`, 422, "created_at invalid_time"},
		{imports, `{"app":1400000009,"name":"x","created_at":"2021-02-30T00:00:00Z"}`, 422, "created_at invalid_time"},
		{imports, `{"app":1400000009,"name":"x","created_at":"1969-12-31T00:00:00Z"}`, 422, "created_at invalid_time"},
		{imports, `{"app":1400000009,"name":"x"}`, 422, "created_at invalid_time"},
		{imports, `{"app":1400000009,"name":"x","created_at":null}`, 422, "created_at invalid_time"},
		{app + "/refund", `{"order":"o","effective_at":"2031-01-01T00:00:00Z"}`, 409, "effective_too_far_ahead"},
		{app + "/refund", `{"order":"o","effective_at":"2021-01-01T00:00:00Z","refund":"a\tb","ends":false}`, 422, "refund invalid_id"},
		{app + "/refund", `{"order":"o","effective_at":"2021-01-01T00:00:00Z","refund":1,"ends":"false"}`, 422, "ends wrong_type,refund wrong_type"},
		// facts
		{app + "/arrears", `{"invoice":"i","effective_at":"2021-01-01T00:00:00Z","amount":{"currency":"CNY","minor":1}}`, 422, "version required"},
		{app + "/arrears/settle", `{"invoice":"","version":-1}`, 422, "effective_at invalid_time,invoice invalid_id,version out_of_range"},
		{app + "/arrears/void", `{"invoice":"i","version":9007199254740992,"effective_at":"2021-01-01T00:00:00Z"}`, 422, "version out_of_range"},
		{app + "/refund", `{"order":"hunter2\u0001","effective_at":"2021-01-01T00:00:00Z"}`, 422, "order invalid_id"},
		{app + "/upgrade", `{"order":{"id":"o","edition":"hunter2","amount":{"currency":"CNY","minor":1}}}`, 422, "order.edition unknown_edition"},
		{app + "/upgrade", `{}`, 422, "order.amount.currency unknown_currency,order.edition nothing_ordered,order.id invalid_id"},
		// rules
		{app + "/renew", `{"order":{` + order + `}}`, 409, "renew_needs_paid_edition"},
		{app + "/upgrade", `{"order":{"id":"o","edition":"trial","amount":{"currency":"CNY","minor":1}}}`, 409, "no_return_to_trial"},
		{app + "/trtc/stopped", `{}`, 409, "not_trtc_trial"},
		{app + "/stop", ``, 409, "reason_required"},
		{imports, `{"app":1400000001,"name":"other","created_at":"2021-01-01T00:00:00Z"}`, 409, "app_id_taken"},
		{imports, `{"app":1400000009,"name":"x","created_at":"2021-01-01T00:00:00Z","edition":"gold","orders":[{"id":"o"},1]}`, 422, "orders.1 wrong_type"},
	} {
		got := w.ask("operator", "POST", c.path, c.body)
		shown := c.body[:min(len(c.body), 100)]
		told := got.no.Code
		if got.status == 422 {
			told = strings.Join(got.fields(), ",")
		}
		if got.status != c.status || told != c.want {
			t.Errorf("%s %q: %d %s, want %d %s: %s", c.path, shown, got.status, told, c.status, c.want, got.body)
		}
		if strings.Contains(got.body, secret) || strings.Contains(got.body, "12345") {
			t.Errorf("%s %q: the problem repeats what was sent: %s", c.path, shown, got.body)
		}
	}
	// Nothing of it was written.
	if got := w.must(200, "operator", "GET", "/v1/accounts/acme", ""); member(t, got.body, "account") != "acme" || !strings.Contains(got.body, `"in_use":1,"version":1,`) {
		t.Errorf("after bad input: %s", got.body)
	}
	w.must(201, "owner", "POST", create, `{"name":"`+strings.Repeat("店", 64)+`","introduction":"a\r\n\tb"}`)
}

// TestStrangeRequests asks for what is not there, or in a way that is not known.
func TestStrangeRequests(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/v1", 404, ""},
		{"GET", "/v2/apps", 404, ""},
		{"GET", "/v1/apps/", 404, ""},
		{"GET", "/v1//apps", 404, ""},
		{"GET", "/v1/./apps", 404, ""},
		{"GET", "/v1/../v1/apps", 404, ""},
		{"POST", app + "/stop/", 404, ""},
		{"GET", "/docs", 404, ""},
		{"GET", "/openapi.yaml", 404, ""},
		{"GET", "/schemas/App.json", 404, ""},
		{"PUT", app, 405, "GET, HEAD, PATCH, DELETE"},
		{"POST", app, 405, "GET, HEAD, PATCH, DELETE"},
		{"GET", app + "/stop", 405, "POST"},
		{"OPTIONS", "/v1/apps", 405, "GET, HEAD"},
		{"TRACE", "/v1/apps", 405, "GET, HEAD"},
		{"BREW", "/v1/apps", 405, "GET, HEAD"},
		{"DELETE", "/livez", 405, "GET, HEAD"},
		{"POST", "/metrics", 405, "GET, HEAD"},
		{"GET", "/v1/apps/abc", 404, ""},
		{"GET", "/v1/apps/01400000001", 404, ""},
		{"GET", "/v1/apps/+400000001", 404, ""},
		{"GET", "/v1/apps/99999999999999999999", 404, ""},
		{"GET", "/v1/apps/9007199254740993", 404, ""},
	} {
		got := w.ask("operator", c.method, c.path, "")
		if got.status != c.status || got.header.Get("Allow") != c.allow || got.no.Code == "" {
			t.Errorf("%s %s: %d, Allow %q, want %d, %q: %s", c.method, c.path, got.status, got.header.Get("Allow"), c.status, c.allow, got.body)
		}
	}
	if head := w.ask("operator", "HEAD", app, ""); head.status != 200 || head.body != "" || head.header.Get("ETag") != `"1"` {
		t.Errorf("HEAD: %d %q ETag %s", head.status, head.body, head.header.Get("ETag"))
	}
	if got := w.ask("operator", "DELETE", app, `{"confirm":"shop"}`); got.status != 400 || got.no.Code != "unexpected_body" {
		t.Errorf("DELETE with a body: %d %s", got.status, got.body)
	}
	// A body of unknown length is bounded as well.
	r, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/v1/accounts/acme/apps", endless{})
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.secrets["owner"])
	res, err := http.DefaultClient.Do(r)
	if err == nil {
		if res.Body.Close(); res.StatusCode != 413 {
			t.Errorf("an endless body: %d", res.StatusCode)
		}
	}
	for name, value := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Frame-Options": "DENY",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		for _, path := range []string{app, "/v1/nowhere", "/livez", "/metrics", "//", "/openapi.json"} {
			if got := w.ask("operator", "GET", path, "").header.Get(name); got != value {
				t.Errorf("%s: %s: %q, want %q", path, name, got, value)
			}
		}
	}
}

// endless is a body without end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}
