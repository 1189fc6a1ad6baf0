package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"sundial/domain"
	"sundial/internal/engine"
)

// TestLifeOverHTTP takes an app through every command, and looks at what each answers.
func TestLifeOverHTTP(t *testing.T) {
	w := start(t, nil)
	const money = `"amount":{"currency":"CNY","minor":99900}`
	app := w.create(`{"name":"shop chat","type":"e-commerce","introduction":"a","reason":"new shop"}`)
	for _, step := range []struct {
		who, method, below, body string
		want                     string // parts of the answer, as they stand in it
	}{
		{"owner", "PATCH", "", `{"introduction":"b"}`, `"introduction":"b"`},
		{"owner", "POST", "/stop", ``, `"status":"stopped" "stop":{"cause":"manual"`},
		{"owner", "POST", "/stop", `{}`, `"status":"stopped"`},
		{"owner", "POST", "/start", ``, `"status":"active" "stop":null`},
		{
			"owner", "POST", "/upgrade", `{"order":{"id":"o-1","edition":"pro","paid_until":"2021-02-01T00:00:00.000Z",` + money + `}}`,
			`"edition":"pro" "paid_until":"2021-02-01T00:00:00.000Z" "next_transition":{"to":"expired","due":"2021-02-01T00:00:00.000Z","cause":"plan_expired"}`,
		},
		{
			"billing", "POST", "/renew", `{"order":{"id":"o-2","edition":"pro","effective_at":"2021-01-01T00:00:00+01:00","paid_until":"2021-03-01T00:00:00.0009Z",` + money + `}}`,
			`"paid_until":"2021-03-01T00:00:00.000Z"`,
		},
		{"owner", "POST", "/upgrade", `{"order":{"id":"o-3","addons":["push"],` + money + `}}`, `"edition":"pro"`},
		{
			"billing", "POST", "/arrears", `{"invoice":"inv-1","version":1,"effective_at":"2021-01-01T00:00:00.000Z","amount":{"currency":"CNY","minor":500}}`,
			`"arrears":{"since":"2021-01-01T00:00:00.000Z","stop_due":"2021-01-08T00:00:00.000Z","invoices":[{"id":"inv-1","amount":{"currency":"CNY","minor":500},"since":"2021-01-01T00:00:00.000Z","version":1}],"invoices_total":1}`,
		},
		{"billing", "POST", "/arrears/settle", `{"invoice":"inv-1","version":2,"effective_at":"2021-01-01T00:00:00.000Z"}`, `"arrears":null`},
		{"operator", "POST", "/arrears", `{"invoice":"inv-2","version":0,"effective_at":"2021-01-01T00:00:00.000Z","amount":{"currency":"USD","minor":1}}`, `"arrears":{`},
		{"operator", "POST", "/arrears/void", `{"invoice":"inv-2","version":0,"effective_at":"2021-01-01T00:00:00.000Z"}`, `"arrears":null`},
		{"billing", "POST", "/refund", `{"order":"o-1","effective_at":"2021-01-01T00:00:00.000Z"}`, `"status":"active"`},
		{
			"billing", "POST", "/refund", `{"order":"o-2","refund":"r-1","ends":false,"effective_at":"2021-01-01T00:00:00.000Z","amount":{"currency":"CNY","minor":1}}`,
			`"status":"active" "paid_until":"2021-03-01T00:00:00.000Z"`,
		},
		{
			"billing", "POST", "/refund", `{"order":"o-2","refund":"r-2","ends":true,"effective_at":"2021-01-01T00:00:00.000Z","amount":{"currency":"CNY","minor":1}}`,
			`"status":"expired" "lapse":{"cause":"refund","since":"2021-01-01T00:00:00.000Z","stop_due":"2021-01-08T00:00:00.000Z"} "paid_until":null`,
		},
		{
			"billing", "POST", "/refund", `{"order":"o-2","effective_at":"2021-01-01T00:00:00.000Z","amount":{"currency":"CNY","minor":1},"reason":"asked for"}`,
			`"status":"expired" "lapse":{"cause":"refund","since":"2021-01-01T00:00:00.000Z","stop_due":"2021-01-08T00:00:00.000Z"} "paid_until":null`,
		},
		{"operator", "POST", "/stop", `{"reason":"abuse"}`, `"stop":{"cause":"operator"`},
	} {
		got := w.must(200, step.who, step.method, app+step.below, step.body)
		for _, part := range strings.Split(step.want, ` "`) {
			if !strings.Contains(got.body, strings.TrimPrefix(part, `"`)) {
				t.Errorf("%s %s %s: no %s in %s", step.method, step.below, step.body, part, got.body)
			}
		}
		w.headers(got, step.method+" "+step.below)
		if read := w.must(200, "reader", "GET", app, ""); read.body != got.body || read.header.Get("ETag") != got.header.Get("ETag") {
			t.Errorf("%s %s answers %s, then the app reads %s", step.method, step.below, got.body, read.body)
		}
	}
}

// TestVersionsOfOrders: billing and operators say of an order which of what they say counts, and owners do not.
func TestVersionsOfOrders(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	order := func(id, until string, version int) string {
		return fmt.Sprintf(`{"order":{"id":%q,"edition":"pro","paid_until":"2021-%s-01T00:00:00.000Z","version":%d,"amount":{"currency":"CNY","minor":1}}}`, id, until, version)
	}
	until := func(want string, a answer) {
		t.Helper()
		if !strings.Contains(a.body, `"paid_until":"2021-`+want+`-01T00:00:00.000Z"`) {
			t.Errorf("paid until another time than 2021-%s: %s", want, a.body)
		}
	}
	until("03", w.must(200, "operator", "POST", app+"/upgrade", order("o-1", "03", 2)))
	if a := w.must(409, "billing", "POST", app+"/renew", order("o-1", "04", 1)); a.no.Code != "order_conflict" {
		t.Errorf("a lower version: %s", a.body)
	}
	until("04", w.must(200, "billing", "POST", app+"/renew", order("o-1", "04", 3)))
	for path, id := range map[string]string{app + "/renew": "o-1", app + "/upgrade": "o-2", "/v1/accounts/acme/apps": "o-3"} {
		body := order(id, "05", 4)
		if path == "/v1/accounts/acme/apps" {
			body = `{"name":"other",` + body[1:]
		}
		diff(t, path, []string{"order.version not_wanted"}, w.must(422, "owner", "POST", path, body).fields())
	}
	until("04", w.must(200, "owner", "POST", app+"/renew", order("o-1", "04", 0)))
}

// headers checks the headers of an answer to a command on an app.
func (w *harness) headers(a answer, what string) {
	w.t.Helper()
	if a.header.Get("ETag") != fmt.Sprintf(`"%d"`, a.app.Version) || a.header.Get(headerPosition) == "" || a.header.Get(headerKey) == "" {
		w.t.Errorf("%s: version %d with ETag %s, position %s, key %s", what, a.app.Version, a.header.Get("ETag"),
			a.header.Get(headerPosition), a.header.Get(headerKey))
	}
}

// TestTheLargestImport is within what one commit holds; what is beyond is refused as such.
func TestTheLargestImport(t *testing.T) {
	w := start(t, nil)
	body := func(app, id int) string {
		var b strings.Builder
		fmt.Fprintf(&b, `{"app":%d,"name":"old","created_at":"2018-06-01T00:00:00Z","edition":"pro","admins":["a","b","c","d"],"keys":[],"orders":[`, app)
		for i := range domain.MaxImportedOrders {
			fmt.Fprintf(&b, `{"id":"%0*d","edition":"pro","effective_at":"2020-06-01T00:00:00Z","version":3,"amount":{"currency":"CNY","minor":1}},`, id, i)
		}
		text := strings.TrimSuffix(b.String(), ",") + `],"invoices":[`
		b.Reset()
		for i := range domain.MaxImportedOrders {
			fmt.Fprintf(&b, `{"id":"%0*d","version":3,"effective_at":"2020-06-01T00:00:00Z","amount":{"currency":"CNY","minor":1}},`, id, i)
		}
		return text + strings.TrimSuffix(b.String(), ",") + `]}`
	}
	const path = "/v1/accounts/acme/apps/import"
	w.must(201, "operator", "POST", path, body(1400000001, domain.MaxIDRunes))
	if got := errorReply(fmt.Errorf("wrapped: %w", engine.ErrTooLarge)); got.status != 413 || got.code != "too_large" {
		t.Errorf("more than a commit holds: %d %s", got.status, got.code)
	}
}

func TestImport(t *testing.T) {
	w := start(t, nil)
	const body = `{"app":1400000001,"name":"old","type":"gaming","introduction":"x","created_at":"2018-06-01T00:00:00.000Z","edition":"pro",` +
		`"orders":[{"id":"o-1","edition":"pro","effective_at":"2020-06-01T00:00:00.000Z","paid_until":"2021-06-01T00:00:00.000Z","version":3,"amount":{"currency":"CNY","minor":1}}],"reason":"moving in"}`
	got := w.must(201, "operator", "POST", "/v1/accounts/acme/apps/import", body)
	if got.app.App != 1400000001 || got.app.Edition != domain.Pro || *got.app.PaidUntil != 1622505600000 {
		t.Errorf("imported: %s", got.body)
	}
	w.headers(got, "import")
	w.must(201, "operator", "POST", "/v1/accounts/acme/apps/import", body)
	if got := w.must(409, "operator", "POST", "/v1/accounts/globex/apps/import", body); got.no.Code != "app_id_taken" {
		t.Errorf("a number that another account has: %s", got.body)
	}
	if created := w.create(`{"name":"new"}`); created != "/v1/apps/1400000002" {
		t.Errorf("the number after an imported one: %s", created)
	}
}

func TestDelete(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop chat & more"}`)
	if got := w.must(409, "owner", "DELETE", app, ""); got.no.Code != "app_not_stopped" {
		t.Errorf("in service: %s", got.body)
	}
	w.must(200, "owner", "POST", app+"/stop", ``)
	for _, query := range []string{"", "?confirm=", "?confirm=shop", "?reason=x"} {
		got := w.must(409, "owner", "DELETE", app+query, "")
		if got.no.Code != "confirmation_required" || len(got.no.Losses) == 0 || got.no.Fix == "" {
			t.Errorf("%s: %s", query, got.body)
		}
	}
	got := w.must(200, "owner", "DELETE", app+"?confirm=shop+chat+%26+more&reason=done", "")
	if got.app.Status != domain.Deleted || got.app.Stop != nil {
		t.Errorf("deleted: %s", got.body)
	}
	w.headers(got, "DELETE")
	w.must(200, "owner", "DELETE", app, "")
	w.must(200, "owner", "GET", app, "")
	if got := w.must(409, "owner", "PATCH", app, `{"name":"x"}`); got.no.Code != "app_deleted" {
		t.Errorf("editing a deleted app: %s", got.body)
	}
}

func TestQuota(t *testing.T) {
	w := start(t, nil)
	got := w.must(200, "operator", "PUT", "/v1/accounts/acme/quota", `{"apps":1}`)
	if want := `{"account":"acme","quota":1,"in_use":0,"version":1,"position":1}`; got.body != want || got.header.Get(headerPosition) != "1" {
		t.Errorf("got  %s at %s\nwant %s at 1", got.body, got.header.Get(headerPosition), want)
	}
	w.create(`{"name":"one"}`)
	if got := w.must(409, "owner", "POST", "/v1/accounts/acme/apps", `{"name":"two"}`); got.no.Code != "quota_exhausted" || got.no.Fix == "" {
		t.Errorf("beyond the quota: %s", got.body)
	}
	diff(t, "a quota of none", []string{"apps out_of_range"}, w.must(422, "operator", "PUT", "/v1/accounts/acme/quota", `{}`).fields())
}

// TestIdempotencyKey sends commands again.
func TestIdempotencyKey(t *testing.T) {
	w := start(t, nil)
	const path = "/v1/accounts/acme/apps"
	first := w.must(201, "owner", "POST", path, `{"name":"shop"}`, headerKey, "k 1")
	app := "/v1/apps/" + number(first.app.App)
	w.must(200, "owner", "PATCH", app, `{"name":"renamed"}`, headerKey, "k 2", "If-Match", first.header.Get("ETag"))
	for _, spelled := range []string{`{"name":"shop"}`, "{ \"name\" :\n\"\\u0073hop\"}"} {
		again := w.must(201, "owner", "POST", path, spelled, headerKey, "k 1")
		if again.body != first.body || again.header.Get(headerPosition) != first.header.Get(headerPosition) || again.header.Get(headerKey) != "k 1" {
			t.Errorf("sent again: %s at %s, want %s", again.body, again.header.Get(headerPosition), first.body)
		}
	}
	// Known before If-Match is looked at.
	w.must(200, "owner", "PATCH", app, `{"name":"renamed"}`, headerKey, "k 2", "If-Match", first.header.Get("ETag"))
	stale := w.must(412, "owner", "PATCH", app, `{"name":"again"}`, headerKey, "k 3", "If-Match", first.header.Get("ETag"))
	if stale.header.Get(headerKey) != "k 3" || stale.no.Code != "stale_version" {
		t.Errorf("stale: %s with key %q", stale.body, stale.header.Get(headerKey))
	}
	if got := w.must(422, "owner", "POST", path, `{"name":"other"}`, headerKey, "k 1"); got.no.Code != "idempotency_key_reused" {
		t.Errorf("reused: %s", got.body)
	}
	// What was refused is judged afresh.
	w.must(409, "owner", "DELETE", app, "", headerKey, "k 4")
	w.must(200, "owner", "POST", app+"/stop", "", headerKey, "k 5")
	w.must(200, "owner", "DELETE", app+"?confirm=renamed", "", headerKey, "k 4")

	for _, key := range []string{"fact/x", "auto/1/term/1", strings.Repeat("x", 256), "ä", "a\tb"} {
		got := w.must(422, "owner", "POST", path, `{"name":"x"}`, headerKey, key)
		if diff(t, key, []string{"Idempotency-Key invalid_key"}, got.fields()); got.header.Get(headerKey) != "" {
			t.Errorf("a key that may not be is given back: %q", got.header.Get(headerKey))
		}
	}
	w.must(201, "owner", "POST", path, `{"name":"x"}`, headerKey, strings.Repeat("x", 255))
	made := w.must(404, "owner", "POST", "/v1/apps/1/stop", "").header.Get(headerKey)
	if len(made) != 36 {
		t.Errorf("a key made up: %q", made)
	}
}

func TestIfMatch(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	for i, c := range []struct {
		header string
		status int
	}{
		{`"1"`, 200},
		{`"1"`, 412},
		{`2`, 200},
		{`*`, 200},
		{`W/"3"`, 412},
		{`W/"4"`, 200}, // what a proxy makes of a tag that compresses answers
		{`"x"`, 412},
		{`"99999999999999999999"`, 412},
		{`"6", "7"`, 412},
		{`"4", W/"5","x"`, 200},
		{`"6", *`, 422},
		{`"6",`, 422},
		{`"6`, 422},
		{`W/6`, 200},
		{strings.Repeat(`"7",`, 100) + `"7"`, 422},
		{`x`, 422},
		{``, 422},
		{`"`, 422},
	} {
		got := w.ask("owner", "PATCH", app, fmt.Sprintf(`{"introduction":"%d"}`, i), "If-Match", c.header)
		if got.status != c.status {
			t.Errorf("If-Match %s: status %d, want %d: %s", c.header, got.status, c.status, got.body)
		}
	}
}

// TestOneOfMany sends one command fifty times at once.
func TestOneOfMany(t *testing.T) {
	w := start(t, nil)
	var all sync.WaitGroup
	bodies := make([]string, 50)
	for i := range bodies {
		all.Go(func() {
			bodies[i] = w.must(201, "owner", "POST", "/v1/accounts/acme/apps", `{"name":"shop"}`, headerKey, "one").body
		})
	}
	all.Wait()
	for _, body := range bodies {
		if body != bodies[0] {
			t.Fatalf("two answers to one command: %s and %s", body, bodies[0])
		}
	}
	w.pages("operator", "/v1/apps", 1)
}
