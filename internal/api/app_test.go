package api

import (
	"testing"

	"github.com/go-json-experiment/json"

	"sundial/domain"
)

// TestAppIsAsDescribed reads what appendApp writes back into its description, and that writes the same: every member is
// there, under its name and of its type, in its order, and no other.
func TestAppIsAsDescribed(t *testing.T) {
	const day = domain.Instant(24 * 60 * 60 * 1000)
	begin := domain.Instant(1609459200000) // 2021-01-01
	order := domain.Order{ID: "o-1", By: domain.Owner, Terms: domain.OrderTerms{
		ID: "o-1", Edition: domain.Pro, EffectiveAt: begin, PaidUntil: begin + 31*day, Amount: domain.Money{Currency: "CNY", Minor: 1},
	}}
	full := &domain.App{
		ID: 1400000001, Account: "acme", Name: "shop \"chat\" 店\u2028", AppType: "e-commerce", Introduction: "a\nb", CreatedAt: begin,
		Base: domain.Trial, Edition: domain.Pro, Orders: domain.OrdersOf(order),
		Invoices: domain.InvoicesOf(domain.Invoice{
			ID: "inv-1", Owed: []domain.Statement{{Version: 1, EffectiveAt: begin + day, Amount: domain.Money{Currency: "CNY", Minor: 500}}},
		}),
		Lapse:    domain.Lapse{Cause: domain.CauseRefund, Since: begin + 3*day, StopDue: begin + 10*day},
		Arrears:  domain.Arrears{Since: begin + day, StopDue: begin + 8*day},
		Operator: domain.Hold{EffectiveAt: begin + 2*day, RecordedAt: begin + 2*day},
		Keys:     []domain.Key{{ID: 1, Algorithm: domain.HMAC, CreatedAt: begin + 2*day}}, Admins: []string{"alice"},
		Certificates: []domain.Certificate{{ID: 1}}, TRTC: true, TPNS: true,
		Deletion: domain.DeletionRequest{ID: "1400000001-3", State: domain.RequestOpen, RequestedAt: begin + 3*day, By: "owner:tok_1", Reason: "moved"},
		Version:  7, Position: 1234,
	}
	bare := &domain.App{
		ID: 1400000002, Account: "acme", Name: "n", AppType: "other", CreatedAt: begin, Base: domain.Trial, Edition: domain.Trial,
		Version: 1, Position: 1,
	}
	gone := bare.Clone()
	gone.DeletedAt = begin + day
	for _, app := range []*domain.App{full, bare, gone} {
		written := appendApp(nil, app)
		var read App
		if err := json.Unmarshal(written, &read, json.RejectUnknownMembers(true)); err != nil {
			t.Fatalf("%s: %v", written, err)
		}
		again, err := json.Marshal(read)
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != string(written) {
			t.Errorf("written   %s\ndescribed %s", written, again)
		}
	}
	const want = `{"app":1400000001,"account":"acme","name":"shop \"chat\" 店` + "\u2028" + `","type":"e-commerce","introduction":"a\nb",` +
		`"edition":"pro","status":"stopped","created_at":"2021-01-01T00:00:00.000Z","paid_until":"2021-02-01T00:00:00.000Z",` +
		`"arrears":{"since":"2021-01-02T00:00:00.000Z","stop_due":"2021-01-09T00:00:00.000Z","invoices":[{"id":"inv-1",` +
		`"amount":{"currency":"CNY","minor":500},"since":"2021-01-02T00:00:00.000Z","version":1}],"invoices_total":1},` +
		`"lapse":{"cause":"refund","since":"2021-01-04T00:00:00.000Z","stop_due":"2021-01-11T00:00:00.000Z"},` +
		`"stop":{"cause":"operator","effective_at":"2021-01-03T00:00:00.000Z","recorded_at":"2021-01-03T00:00:00.000Z"},` +
		`"next_transition":{"to":"stopped","due":"2021-01-09T00:00:00.000Z","cause":"arrears"},` +
		`"key":{"algorithm":"HMAC-SHA256","created_at":"2021-01-03T00:00:00.000Z"},"admins":["administrator","alice"],"certificates":1,` +
		`"trtc":{"enabled":true},"tpns":{"enabled":true},"deletion_request":{"id":"1400000001-3","state":"open",` +
		`"requested_at":"2021-01-04T00:00:00.000Z","by":"owner:tok_1","reason":"moved"},"version":7,"position":1234}`
	if got := string(appendApp(nil, full)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func BenchmarkAppendApp(b *testing.B) {
	app := &domain.App{ID: 1400000002, Account: "acme", Name: "n", AppType: "other", CreatedAt: 1609459200000, Edition: domain.Trial}
	buffer := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buffer = appendApp(buffer[:0], app)
	}
}

// BenchmarkAppendAppByLibrary is what writing an app by hand is held against.
func BenchmarkAppendAppByLibrary(b *testing.B) {
	app := &domain.App{ID: 1400000002, Account: "acme", Name: "n", AppType: "other", CreatedAt: 1609459200000, Edition: domain.Trial}
	want := appendApp(nil, app)
	var shown App
	if err := json.Unmarshal(want, &shown); err != nil {
		b.Fatal(err)
	}
	if got, err := json.Marshal(shown); err != nil || string(got) != string(want) {
		b.Fatalf("%s (%v)\nis not %s", got, err, want)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(shown); err != nil {
			b.Fatal(err)
		}
	}
}
