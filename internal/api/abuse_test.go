package api

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// many writes something many times, with commas between.
func many(count int, item func(n int) string) string {
	var b strings.Builder
	for n := range count {
		if n > 0 {
			b.WriteByte(',')
		}
		b.WriteString(item(n))
	}
	return b.String()
}

// A body of a megabyte costs a fraction of a second, whatever is in it: lists are counted before they are looked at, names are
// compared once, and what is wrong is named as far as that takes little.
func TestAbuseBodies(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	deep := strings.Repeat("[", 5000) + many(200_000, func(int) string { return "[]" }) + strings.Repeat("]", 5000)
	key := `{"algorithm":"HMAC-SHA256","secret":"` + strings.Repeat("a", 64) + `"}`
	order := func(n int) string {
		return fmt.Sprintf(`{"id":"o%d","edition":"pro","effective_at":"2020-12-01T00:00:00Z","amount":{"currency":"CNY","minor":1}}`, n)
	}
	imports := func(member string) string {
		return `{"app":1300000001,"name":"x","created_at":"2020-01-01T00:00:00Z",` + member + `}`
	}
	name := func(n int) string { return strconv.Quote(strconv.FormatInt(int64(n), 36)) }
	for _, c := range []struct {
		what, method, path, body string
		before                   string // how long it took on two cores, where that was measured
	}{
		{"150,000 names of administrators", "POST", app + "/admins", `{"names":[` + many(150_000, name) + `]}`, "26 s"},
		{"150,000 names to remove", "POST", app + "/admins/remove", `{"names":[` + many(150_000, name) + `]}`, ""},
		{"150,000 names that are none", "POST", app + "/admins", `{"names":[` + many(150_000, func(int) string { return `"a b"` }) + `]}`, ""},
		{"90,000 unknown members", "PATCH", app, `{` + many(90_000, func(n int) string { return fmt.Sprintf(`"m%d":1`, n) }) + `}`, "2 to 4 s"},
		{"90,000 unknown members behind a known one", "PATCH", app, `{"introduction":"` + strings.Repeat("x", 100_000) + `",` + many(80_000, func(n int) string { return fmt.Sprintf(`"m%d":1`, n) }) + `}`, ""},
		{"deep nesting before what is wrong", "POST", app + "/certificates", `{"platform":"huawei","fields":{"a":` + deep + `},"x":1,"y":2}`, ""},
		{"90,000 fields of a certificate", "POST", app + "/certificates", `{"platform":"huawei","fields":{` + many(90_000, func(n int) string { return fmt.Sprintf(`"f%d":1`, n) }) + `}}`, ""},
		{"numbers of many digits", "POST", app + "/arrears", `{"invoice":"i","version":1.0,"effective_at":"2021-01-01T00:00:00Z","amount":{"currency":"CNY","minor":1` + strings.Repeat("0", 900_000) + `e-900000}}`, ""},
		{"an order of 100,000 add-ons", "POST", app + "/upgrade", `{"order":{"id":"o","amount":{"currency":"CNY","minor":1},"addons":[` + many(100_000, func(n int) string { return fmt.Sprintf(`"\t%d"`, n) }) + `]}}`, ""},
		{"9,000 orders imported", "POST", "/v1/accounts/acme/apps/import", imports(`"orders":[` + many(9_000, order) + `]`), ""},
		{"9,000 keys imported", "POST", "/v1/accounts/acme/apps/import", imports(`"keys":[` + many(9_000, func(int) string { return key }) + `]`), ""},
		{"20,000 certificates imported", "POST", "/v1/accounts/acme/apps/import", imports(`"certificates":[` + many(20_000, func(n int) string { return fmt.Sprintf(`{"id":%d,"platform":"huawei","fields":{}}`, n) }) + `]`), ""},
		{"70,000 notices", "PUT", "/v1/accounts/acme/policy", `{"notices":[` + many(70_000, func(n int) string { return fmt.Sprintf(`"%dms"`, n) }) + `]}`, ""},
		{"a reason of a megabyte", "POST", app + "/stop", `{"reason":"` + strings.Repeat("\u00e9", 500_000) + `"}`, ""},
	} {
		if len(c.body) > MaxBody {
			t.Fatalf("%s: %d bytes are never looked at", c.what, len(c.body))
		}
		begun := worked(t)
		a := w.ask("operator", c.method, c.path, c.body)
		took := worked(t) - begun
		t.Logf("%-45s %7d bytes: %d %-10s after %s (before: %s)", c.what, len(c.body), a.status, a.no.Code, took.Round(time.Millisecond), cmp.Or(c.before, "not measured"))
		if a.status < 400 || a.status >= 500 {
			t.Errorf("%s: status %d", c.what, a.status)
		}
		if len(a.body) > 64<<10 {
			t.Errorf("%s: the answer has %d bytes", c.what, len(a.body))
		}
		if took > slowest {
			t.Errorf("%s took %s", c.what, took)
		}
	}
}

// slowest is what a body may take of a processor: a fraction of a second, and ten times that under the race detector.
const slowest = 8 * time.Second

// worked is how long this process has kept processors busy, whatever else the machine has to do.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// A batch of events costs a fraction of a second as well.
func TestAbuseBatches(t *testing.T) {
	w := start(t, nil)
	w.create(`{"name":"shop"}`)
	event := func(n int, more, data string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":"e-%d","source":"urn:x","type":"sundial.billing.order.paid"%s,"data":{"account":"acme","app":1400000001,"order":"o","edition":"pro","effective_at":"2020-12-01T00:00:00Z","amount":{"currency":"CNY","minor":1}%s}}`, n, more, data)
	}
	nested := strings.Repeat(`{"a":`, 29) + `{` + many(90_000, func(n int) string { return fmt.Sprintf(`"m%d":1`, n) }) + `}` + strings.Repeat("}", 29)
	for _, c := range []struct{ what, body, before string }{
		{"an event of 90,000 extra members", `[` + event(1, `,`+many(90_000, func(n int) string { return fmt.Sprintf(`"m%d":1`, n) }), "") + `]`, "0.4 s"},
		{"an event of 90,000 nested members", `[` + event(2, `,"x":`+nested, "") + `]`, "3.6 s"},
		{"the same in its data", `[` + event(3, "", `,"x":`+nested) + `]`, "9.2 s"},
		{"an event of 100,000 add-ons", `[` + event(4, "", `,"addons":[`+many(100_000, func(n int) string { return fmt.Sprintf(`"\t%d"`, n) })+`]`) + `]`, "0.2 s"},
		{"a batch of nothing but brackets", `[` + strings.Repeat("[", 500_000) + strings.Repeat("]", 500_000) + `]`, "0.03 s"},
	} {
		if len(c.body) > MaxBody {
			t.Fatalf("%s: %d bytes are never looked at", c.what, len(c.body))
		}
		begun := worked(t)
		a := w.must(http.StatusOK, "billing", "POST", "/v1/billing/events", c.body, "Content-Type", batchType)
		took := worked(t) - begun
		t.Logf("%-40s %7d bytes after %s (before: %s): %s", c.what, len(c.body), took.Round(time.Millisecond), c.before, a.body)
		if took > slowest {
			t.Errorf("%s took %s", c.what, took)
		}
	}
}
