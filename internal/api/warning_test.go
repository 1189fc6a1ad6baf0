package api

import (
	"fmt"
	"testing"
)

// TestAnOrderWarnsOfAGap, and every later one as long as the gap is there; what only reads does not.
func TestAnOrderWarnsOfAGap(t *testing.T) {
	w := start(t, nil)
	order := func(id, from, until string) string {
		return fmt.Sprintf(`{"id":%q,"edition":"pro","effective_at":"2021-%sT00:00:00Z","paid_until":"2021-%sT00:00:00Z","amount":{"currency":"CNY","minor":1}}`, id, from, until)
	}
	made := w.must(201, "owner", "POST", "/v1/accounts/acme/apps", `{"name":"shop","order":`+order("o-1", "01-01", "02-01")+`}`)
	diff(t, "one order", []Warning(nil), made.warnings)
	app := "/v1/apps/" + number(made.app.App)
	gap := []Warning{{"gap_in_coverage", "No order covers the app from 2021-02-01T00:00:00.000Z until 2021-02-03T00:00:00.000Z, when the next one begins."}}
	diff(t, "with a gap", gap, w.must(200, "billing", "POST", app+"/renew", `{"order":`+order("o-2", "02-03", "03-01")+`}`, headerKey, "k").warnings)
	diff(t, "sent again", gap, w.must(200, "billing", "POST", app+"/renew", `{"order":`+order("o-2", "02-03", "03-01")+`}`, headerKey, "k").warnings)
	diff(t, "read", []Warning(nil), w.must(200, "owner", "GET", app, "").warnings)
	diff(t, "an upgrade within what is covered", gap, w.must(200, "owner", "POST", app+"/upgrade",
		`{"order":{"id":"o-3","edition":"flagship","paid_until":"2021-02-01T00:00:00Z","amount":{"currency":"CNY","minor":1}}}`).warnings)
	diff(t, "an order that fills it", []Warning(nil), w.must(200, "owner", "POST", app+"/renew",
		`{"order":{"id":"o-4","edition":"flagship","paid_until":"2021-02-03T00:00:00Z","amount":{"currency":"CNY","minor":1}}}`).warnings)
}
