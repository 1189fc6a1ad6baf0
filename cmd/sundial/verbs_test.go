package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"sundial/internal/auth"
)

// verbless are the routes that no verb asks for, each with the reason.
var verbless = map[auth.Action]string{}

// asks are for each route a verb that asks for it, with what the verb is given.
var asks = map[auth.Action]string{
	auth.CreateApp:       "app create acme --name shop",
	auth.ImportApp:       "app import acme 1300000001 --name shop --created-at 2020-01-01T00:00:00Z",
	auth.SetQuota:        "account quota acme 5",
	auth.SetPolicy:       "account set-policy acme --grace 24h --reason tried",
	auth.EditAppInfo:     "app edit 1400000001 --name other",
	auth.UpgradeEdition:  "app upgrade 1400000001 --order o --edition pro --amount CNY:1",
	auth.RenewPlan:       "app renew 1400000001 --order o --edition pro --amount CNY:1",
	auth.StopApp:         "app stop 1400000001",
	auth.StartApp:        "app start 1400000001",
	auth.DeleteApp:       "app delete 1400000001",
	auth.MarkArrears:     "app arrears 1400000001 --invoice i --version 1 --effective-at 2021-01-01T00:00:00Z --amount CNY:1",
	auth.SettleArrears:   "app settle 1400000001 --invoice i --version 1 --effective-at 2021-01-01T00:00:00Z",
	auth.VoidInvoice:     "app void 1400000001 --invoice i --version 1 --effective-at 2021-01-01T00:00:00Z",
	auth.Refund:          "app refund 1400000001 --order o --effective-at 2021-01-01T00:00:00Z",
	auth.NoteTRTCStopped: "app trtc 1400000001 stopped",
	auth.NoteTRTCStarted: "app trtc 1400000001 started",

	auth.UpgradeKeyAlgorithm: "key upgrade 1400000001",
	auth.RotateKey:           "key rotate 1400000001",
	auth.RetireKey:           "key retire 1400000001",
	auth.AddAdmins:           "admin add 1400000001 alice",
	auth.RemoveAdmins:        "admin remove 1400000001 alice",
	auth.AddCertificate:      "certificate add 1400000001 huawei --field app_id=1",
	auth.EditCertificate:     "certificate edit 1400000001 1000001 --field app_id=1",
	auth.DeleteCertificate:   "certificate delete 1400000001 1000001",
	auth.EnableTRTC:          "service enable 1400000001 trtc",
	auth.EnableTPNS:          "service enable 1400000001 tpns",
	auth.DisableTPNS:         "service disable 1400000001 tpns",
	auth.RequestDeletion:     "deletion request 1400000001",
	auth.ApproveDeletion:     "deletion approve 1400000001-9",
	auth.RejectDeletion:      "deletion reject 1400000001-9 --reason tried",
	auth.Rejudge:             "rejudge 1400000001 --reason tried",
	auth.RenumberApp:         "account renumber acme 1400000001",

	auth.RevealKey:     "key reveal 1400000001 --reason tried",
	auth.SignUserSig:   "usersig sign 1400000001 alice",
	auth.VerifyUserSig: "usersig verify 1400000001 alice eJw",

	auth.SendBillingEvents: "billing send -",

	auth.ReadApp:              "app show 1400000001",
	auth.ListInvoices:         "app invoices 1400000001",
	auth.ReadAccount:          "account show acme",
	auth.ReadAccountPolicy:    "account policy acme",
	auth.ReadPolicy:           "policy",
	auth.ListAccountApps:      "app list --account acme",
	auth.ListAccounts:         "account list",
	auth.ListApps:             "app list",
	auth.ListTransitions:      "transitions",
	auth.ReadKey:              "key show 1400000001",
	auth.ListAdmins:           "admin list 1400000001",
	auth.ListCertificates:     "certificate list 1400000001",
	auth.ReadCertificate:      "certificate show 1400000001 1000001",
	auth.ListExpiring:         "certificate expiring",
	auth.ListDeletionRequests: "deletion list",
	auth.ForecastTransitions:  "forecast",
	auth.ExplainApp:           "why 1400000001",
	auth.ListRejudgements:     "rejudge --list",

	auth.ReadEvents:           "events",
	auth.ReadAccountHistory:   "account history acme",
	auth.ReadAppHistory:       "app history 1400000001",
	auth.ReadAccountStatement: "statement acme",
	auth.ReadAppStatement:     "app statement 1400000001",

	auth.ListParked:    "parked list",
	auth.ReplayParked:  "parked replay 0123456789abcdef",
	auth.DiscardParked: "parked discard 0123456789abcdef",

	auth.ReplayAllParked:  "parked replay --all --code malformed_json",
	auth.DiscardAllParked: "parked discard --all --account acme",

	auth.ListTokens:  "token list",
	auth.CreateToken: "token create billing --name billing",
	auth.RevokeToken: "token revoke tok_0123456789abcdef0123",

	auth.ReadClock:    "clock show",
	auth.AdvanceClock: "clock advance 1h",
	auth.ConfirmClock: "clock confirm",
}

// TestEveryRouteHasAVerb looks at what verbs ask an engine for: for each route there is one, or a reason why there is none.
func TestEveryRouteHasAVerb(t *testing.T) {
	p := start(t, nil)
	engine, err := url.Parse(p.HTTPURL())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var asked []string
	proxy := httputil.NewSingleHostReverseProxy(engine)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.URL.EscapedPath())
		mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	defer front.Close()

	known := map[auth.Action]bool{}
	for _, rule := range auth.Table() {
		known[rule.Action] = true
		line, has := asks[rule.Action]
		reason, hasNot := verbless[rule.Action]
		switch {
		case has == hasNot || hasNot && reason == "":
			t.Errorf("%s (%s %s): needs a verb and a line of it in asks, or else a reason in verbless", rule.Action, rule.Method, rule.Route)
		case has:
			asked = nil
			var said strings.Builder
			args := append(strings.Fields(line), "--server", front.URL, "--data", p.Config.Dir)
			code := run(t.Context(), args, &console{in: strings.NewReader("{}\n"), out: &said, err: &said})
			if code == exitMisused || !matches(rule, asked) {
				t.Errorf("%s: sundial %s, exit code %d, asked for %q, not %s %s:\n%s", rule.Action, line, code, asked, rule.Method, rule.Route, &said)
			}
		}
	}
	for _, table := range []map[auth.Action]string{asks, verbless} {
		for action := range table {
			if !known[action] {
				t.Errorf("there is no %s", action)
			}
		}
	}
}

// matches tells whether a rule's route is among what was asked for.
func matches(rule auth.Rule, asked []string) bool {
	path := regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(rule.Route), `[^/]+`)
	route := regexp.MustCompile("^" + rule.Method + " " + path + "$")
	for _, a := range asked {
		if route.MatchString(a) {
			return true
		}
	}
	return false
}
