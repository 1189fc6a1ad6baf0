package api

import (
	"fmt"
	"strings"
	"testing"

	"sundial/domain"
)

// TestInvoices: an app holds the first 100 of its open invoices and their number, and the list has all, earliest first.
func TestInvoices(t *testing.T) {
	w := start(t, nil)
	const app = "/v1/apps/1500000001"
	var given, want []string
	for n := range 103 { // the lower the number, the later it is late; three at a time
		at := domain.Instant(1609372800000 + (102-n)/3*60_000) // 2020-12-31
		given = append(given, fmt.Sprintf(`{"id":"i-%03d","version":1,"effective_at":%q,"amount":{"currency":"CNY","minor":%d}}`, n, at, n+1))
	}
	for first := 102; first >= 0; first -= 3 {
		for n := max(first-2, 0); n <= first; n++ {
			at := domain.Instant(1609372800000 + (102-n)/3*60_000)
			want = append(want, fmt.Sprintf(`{"id":"i-%03d","amount":{"currency":"CNY","minor":%d},"since":%q,"version":1}`, n, n+1, at))
		}
	}
	w.must(201, "operator", "POST", "/v1/accounts/acme/apps/import", `{"app":1500000001,"name":"shop","created_at":"2020-01-01T00:00:00Z","edition":"pro","invoices":[`+
		strings.Join(given, ",")+`]}`)
	got := w.must(200, "owner", "GET", app, "").body
	if part := `"invoices":[` + strings.Join(want[:100], ",") + `],"invoices_total":103}`; !strings.Contains(got, part) {
		t.Errorf("no %s in %s", part, got)
	}
	diff(t, "all", `{"items":[`+strings.Join(want, ",")+`]}`, w.must(200, "billing", "GET", app+"/invoices?limit=103", "").body)
	diff(t, "in pages", want, w.pages("reader", app+"/invoices", 103))

	// A page goes on where it was though its last invoice was settled meanwhile.
	next := member(t, w.must(200, "reader", "GET", app+"/invoices?limit=2", "").body, "next_cursor")
	w.must(200, "billing", "POST", app+"/arrears/settle", `{"invoice":"i-101","version":2,"effective_at":"2021-01-01T00:00:00Z"}`)
	if rest := w.must(200, "reader", "GET", app+"/invoices?limit=2&cursor="+next, "").body; !strings.HasPrefix(rest, `{"items":[`+want[2]+","+want[3]+"]") {
		t.Errorf("behind what was settled: %s", rest)
	}

	for query, want := range map[string]string{
		"?cursor=x": "cursor invalid_cursor", "?cursor=aW52b2ljZXM6MQ": "cursor invalid_cursor", "?limit=0": "limit out_of_range", "?as_of=x": "as_of unknown_parameter",
	} {
		diff(t, query, want, strings.Join(w.must(422, "owner", "GET", app+"/invoices"+query, "").fields(), ", "))
	}
	w.must(404, "operator", "GET", "/v1/apps/1499999999/invoices", "")
	diff(t, "of an app that owes nothing", `{"items":[]}`, w.must(200, "owner", "GET", w.create(`{"name":"chat"}`)+"/invoices", "").body)
}

// The longest id there is has a cursor that can be given back.
func TestInvoiceCursor(t *testing.T) {
	longest := domain.OpenInvoice{ID: strings.Repeat("\U0001F600", domain.MaxIDRunes), Since: domain.MaxInstant}
	cursor := invoiceCursor(longest)
	since, id, known := invoicePlace(cursor)
	if len(cursor) > maxCursor || since != longest.Since || id != longest.ID || !known {
		t.Errorf("%d characters, read as %s %s %t", len(cursor), since, id, known)
	}
}
