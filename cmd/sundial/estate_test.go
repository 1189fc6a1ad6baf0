package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/api"
	"sundial/internal/server"
)

func TestEachText(t *testing.T) {
	const limit = 100_000 // more than the reader's buffer
	full := strings.Repeat("x", limit)
	for _, row := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"empty lines are passed over, and counted", "\na\n\n  \nb", "2:a 5:b"},
		{"lines of Windows", "a\r\nb\r\n", "1:a 2:b"},
		{"as long as may be", full, "1:" + full},
		{"longer ones come without their text", "a\n" + full + "x\nb\n" + full + "x", "1:a 2:long 3:b 4:long"},
	} {
		var got []string
		err := eachText(strings.NewReader(row.text), limit, func(n int, text []byte, long bool) error {
			if long {
				text = append(text, "long"...)
			}
			got = append(got, fmt.Sprintf("%d:%s", n, text))
			return nil
		})
		if said := strings.Join(got, " "); err != nil || said != row.want {
			t.Errorf("%s: %.200s, %v, want %.200s", row.name, said, err, row.want)
		}
	}
}

// estateOf makes a file of apps of some accounts, in the order of their numbers within each.
func estateOf(accounts, each int) string {
	var b strings.Builder
	for i := range accounts * each {
		fmt.Fprintf(&b, `{"account":"acct-%d","app":%d,"name":"app %d","created_at":"2019-01-01T00:00:00Z"}`+"\n", i%accounts, 1300000000+i, i)
	}
	return b.String()
}

// TestImportGoesOnWhereItWas imports a file whose reading breaks off, then all of it, from two sides at once.
func TestImportGoesOnWhereItWas(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	cl := operatorOf(t, start(t, nil))
	const accounts, each = 20, 15
	file := estateOf(accounts, each)
	part := rand.New(rand.NewPCG(seed, 1)).IntN(len(file)) //nolint:gosec // a test

	broken := errors.New("the disk is gone")
	said, err := newEstate(cl, "", nil, func(int) {}).run(t.Context(), &breaking{strings.NewReader(file[:part]), broken})
	if !errors.Is(err, broken) {
		t.Errorf("a file that breaks off: %v", err)
	}
	first := said.Imported

	stopped, stop := context.WithCancel(t.Context())
	said, err = newEstate(cl, "", nil, func(done int) {
		if done == each {
			stop()
		}
	}).run(stopped, strings.NewReader(file))
	if !errors.Is(err, context.Canceled) || said.Lines >= accounts*each {
		t.Errorf("stopped after %d: %+v, %v", each, said, err)
	}
	second := said.Imported

	sides := make(chan estateReport)
	for range 2 {
		go func() {
			said, err := newEstate(cl, "", nil, func(int) {}).run(t.Context(), strings.NewReader(file))
			if err != nil {
				t.Error(err)
			}
			sides <- said
		}()
	}
	for range 2 {
		if said := <-sides; said.Imported+said.Repeated != accounts*each || said.Refused != 0 {
			t.Errorf("after %d and %d: %+v", first, second, said)
		}
	}
	for i := range accounts {
		a, err := cl.do(t.Context(), request{method: http.MethodGet, path: fmt.Sprintf("/v1/accounts/acct-%d/apps", i)})
		var page struct {
			Items []appView `json:"items"`
		}
		if err := errors.Join(err, a.into(&page)); err != nil || len(page.Items) != each {
			t.Fatalf("acct-%d has %d apps, %v", i, len(page.Items), err)
		}
		for n := 1; n < each; n++ {
			if before, this := page.Items[n-1], page.Items[n]; before.App >= this.App || before.Position >= this.Position {
				t.Fatalf("acct-%d: %d at %d, then %d at %d", i, before.App, before.Position, this.App, this.Position)
			}
		}
	}
}

// breaking is a file that breaks off.
type breaking struct {
	from *strings.Reader
	with error
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.from.Len() == 0 {
		return 0, b.with
	}
	return b.from.Read(p)
}

func operatorOf(t testing.TB, p *server.Server) *client {
	t.Helper()
	cl, err := (&remote{Server: p.HTTPURL(), Data: p.Config.Dir}).client()
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// TestImportOfWhatIsTooLarge tells what to do about a line that the API does not take.
func TestImportOfWhatIsTooLarge(t *testing.T) {
	cl := operatorOf(t, start(t, nil))
	line := func(app, size int) string {
		return fmt.Sprintf(`{"account":"acme","app":%d,"name":"app","created_at":"2019-01-01T00:00:00Z","introduction":%q}`+"\n", app, strings.Repeat("x", size))
	}
	file := line(1300000001, api.MaxBody) + line(1300000002, 2*maxEstateLine) + line(1300000003, 10)
	for _, dry := range []bool{false, true} {
		var check *dryRun
		if dry {
			var err error
			if check, err = cl.dryRun(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		said, err := newEstate(cl, "", check, func(int) {}).run(t.Context(), strings.NewReader(file))
		if err != nil || said.Imported+said.Repeated != 1 || said.Refused != 2 {
			t.Fatalf("dry %v: %+v, %v", dry, said, err)
		}
		for i, app := range []uint64{1300000001, 0} {
			if p := said.Problems[i]; p.Line != i+1 || p.App != app || p.Code != "too_large" || p.Fix != tooLargeFix {
				t.Errorf("dry %v: %+v", dry, p)
			}
		}
	}
}

// FuzzImportLine reads lines of an estate: whatever is in one, it is checked or refused with a reason that repeats no
// value, and its content has one key however it is spelled.
func FuzzImportLine(f *testing.F) {
	const canary = "canary!4f1d" // no name of a field looks like it
	for _, seed := range []string{
		`{"account":"acme","app":1300000001,"name":"x","created_at":"2018-01-01T00:00:00Z","type":"other","introduction":"","edition":"pro"}`,
		`{"account":"acme","app":1300000001,"name":"x","created_at":"2018-01-01T00:00:00Z","keys":[{"algorithm":"HMAC-SHA256","secret":"` + canary + `"},{"algorithm":"ECDSA-SHA256","private_key":"` + canary + `","public_key":"` + canary + `"}]}`,
		`{"account":"acme","app":1300000001,"name":"x","certificates":[{"id":1,"platform":"` + canary + `","fields":{"` + canary + `":"x"}},{"id":1,"platform":"apns_p12","fields":{"p12":"` + canary + `","password":"` + canary + `","environment":"` + canary + `"}}]}`,
		`{"account":"acme","app":1300000001,"certificates":[{"id":1,"platform":"huawei","fields":{"app_secret":"` + canary + ` ","app_id":{"a":"` + canary + `"},"click_action":"` + canary + `"}}]}`,
		`{"account":"` + canary + `","app":"` + canary + `","name":["` + canary + `"],"orders":[{"id":"` + canary + `\u0000","edition":"` + canary + `","effective_at":"` + canary + `"}],"invoices":[{"id":"","amount":{"currency":"` + canary + `"}}]}`,
		`{"account":"acme","admins":["` + canary + `"],"trtc":{"enabled":true},"tpns":{"enabled":"` + canary + `"},"reason":"` + canary + `","` + canary + `":1}`,
		`{"account":"acme"}`, `{"account":"acme","account":"acme"}`, `[]`, `{"account":null}`, canary,
	} {
		f.Add([]byte(seed))
	}
	at := domain.Moment{Now: domain.InstantOf(time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)), Policy: domain.DefaultPolicy(), Role: domain.Operator}
	f.Fuzz(func(t *testing.T, text []byte) {
		dry := &dryRun{at: at, apps: map[uint64]earlier{}, certificates: map[uint64]earlier{}}
		e := newEstate(nil, "why", dry, func(int) {})
		l := &estateLine{n: 1}
		if e.read(l, text, false) {
			for _, p := range api.CheckImport(l.account, l.body, at) {
				e.done(nil, l.say(p.Field, p.Code, p.Detail, ""))
			}
			again := &estateLine{n: 2}
			spelled := jsontext.Value(bytes.Clone(text))
			if spelled.Indent() == nil && (!e.read(again, spelled, false) || again.key != l.key) {
				t.Error("the same content, spelled otherwise, has another key")
			}
		} else if len(e.report.Problems) == 0 {
			t.Error("refused, and no reason given")
		}
		for _, p := range e.report.Problems {
			if p.Code == "" || p.Reason == "" {
				t.Errorf("no reason: %+v", p)
			}
			if strings.Contains(p.Account+p.Field+p.Code+p.Reason+p.Fix, canary) {
				t.Errorf("a value is repeated: %+v", p)
			}
		}
	})
}
