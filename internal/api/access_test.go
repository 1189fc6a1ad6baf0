package api

import (
	"strconv"
	"strings"
	"testing"

	"sundial/internal/auth"
)

// access is what each role gets over HTTP, by hand: for every route a request that would be fine, about acme, and the
// status for an operator, acme's owner, billing, an auditor, acme's reader, and the owner of another account. APP is an
// app of acme's, TRTC one of the TRTC side, and GONE an id that nothing has.
const access = `
create_app           POST   /v1/accounts/acme/apps          {"name":"x"}                 201 201 403 403 403 404
import_app           POST   /v1/accounts/acme/apps/import   IMPORT                       201 403 403 403 403 404
set_quota            PUT    /v1/accounts/acme/quota         {"apps":200}                 200 403 403 403 403 404
set_policy           PUT    /v1/accounts/acme/policy        {"grace":"336h"}             200 403 403 403 403 404
edit_app_info        PATCH  /v1/apps/APP                    {"introduction":"x"}         200 200 403 403 403 404
upgrade_edition      POST   /v1/apps/APP/upgrade            {"order":ORDER}              200 200 200 403 403 404
renew_plan           POST   /v1/apps/APP/renew              {"order":ORDER}              200 200 200 403 403 404
stop_app             POST   /v1/apps/APP/stop               {"reason":"x"}               200 409 403 403 403 404
start_app            POST   /v1/apps/APP/start              {}                           200 200 403 403 403 404
delete_app           DELETE /v1/apps/APP                    -                            409 409 403 403 403 404
mark_arrears         POST   /v1/apps/APP/arrears            OVERDUE                      200 403 200 403 403 404
settle_arrears       POST   /v1/apps/APP/arrears/settle     CLOSED                       200 403 200 403 403 404
void_invoice         POST   /v1/apps/APP/arrears/void       CLOSED                       200 403 200 403 403 404
refund               POST   /v1/apps/APP/refund             REFUND                       200 403 200 403 403 404
note_trtc_stopped    POST   /v1/apps/TRTC/trtc/stopped      {}                           200 403 200 403 403 404
note_trtc_started    POST   /v1/apps/TRTC/trtc/started      {}                           200 403 200 403 403 404
upgrade_key_algorithm POST  /v1/apps/APP/key/upgrade        {}                           200 200 403 403 403 404
rotate_key           POST   /v1/apps/APP/key/rotate         {"overlap":"0s"}             200 200 403 403 403 404
retire_key           POST   /v1/apps/APP/key/retire         {}                           200 200 403 403 403 404
add_admins           POST   /v1/apps/APP/admins             {"names":["alice"]}          200 200 403 403 403 404
remove_admins        POST   /v1/apps/APP/admins/remove      {"names":["alice"]}          200 200 403 403 403 404
add_certificate      POST   /v1/apps/APP/certificates       CERTIFICATE                  201 201 403 403 403 404
edit_certificate     PATCH  /v1/apps/APP/certificates/1     {"fields":{}}                404 404 403 403 403 404
delete_certificate   DELETE /v1/apps/APP/certificates/1     -                            404 404 403 403 403 404
enable_trtc          PUT    /v1/apps/APP/services/trtc      {}                           200 200 403 403 403 404
enable_tpns          PUT    /v1/apps/APP/services/tpns      {"order":PUSH}               200 200 403 403 403 404
disable_tpns         DELETE /v1/apps/APP/services/tpns      -                            200 200 403 403 403 404
request_deletion     POST   /v1/apps/APP/deletion-requests  {}                           409 409 403 403 403 404
approve_deletion     POST   /v1/deletion-requests/GONE/approve {}                        404 403 403 403 403 403
reject_deletion      POST   /v1/deletion-requests/GONE/reject  {"reason":"x"}            404 403 403 403 403 403
rejudge              POST   /v1/apps/APP/rejudge            {}                           200 403 403 403 403 404
renumber_app         POST   /v1/accounts/acme/apps/APP/renumber {}                       409 403 403 403 403 404
reveal_key           POST   /v1/apps/APP/key/reveal         {"reason":"x"}               200 200 403 403 403 404
sign_user_sig        POST   /v1/apps/APP/usersigs           {"user_id":"a","expire_seconds":60} 200 200 403 403 403 404
verify_user_sig      POST   /v1/apps/APP/usersigs/verify    {"user_id":"a","user_sig":""} 200 200 403 403 403 404
read_key             GET    /v1/apps/APP/key                -                            200 200 403 200 200 404
list_admins          GET    /v1/apps/APP/admins             -                            200 200 403 200 200 404
list_certificates    GET    /v1/apps/APP/certificates       -                            200 200 403 200 200 404
read_certificate     GET    /v1/apps/APP/certificates/1     -                            404 404 403 404 404 404
list_expiring_certificates GET /v1/certificates?account=acme -                           200 200 403 200 200 404
list_deletion_requests GET  /v1/deletion-requests?account=acme -                         200 200 403 200 200 404
send_billing_events  POST   /v1/billing/events              []                           200 403 200 403 403 403
read_app             GET    /v1/apps/APP                    -                            200 200 200 200 200 404
list_invoices        GET    /v1/apps/APP/invoices           -                            200 200 200 200 200 404
read_account         GET    /v1/accounts/acme               -                            200 200 200 200 200 404
read_account_policy  GET    /v1/accounts/acme/policy        -                            200 200 403 200 200 404
read_policy          GET    /v1/policy                      -                            200 200 200 200 200 200
list_account_apps    GET    /v1/accounts/acme/apps          -                            200 200 200 200 200 404
list_accounts        GET    /v1/accounts                    -                            200 403 403 200 403 403
list_apps            GET    /v1/apps                        -                            200 403 403 200 403 403
list_transitions     GET    /v1/transitions?account=acme    -                            200 200 403 200 200 404
forecast_transitions GET    /v1/transitions/days?account=acme -                            200 200 403 200 200 404
explain_app          GET    /v1/apps/APP/why                -                            200 200 403 200 200 404
list_rejudgements    GET    /v1/rejudgements                -                            200 403 403 200 403 403
read_events          GET    /v1/events?account=acme         -                            200 200 403 200 200 404
read_account_history GET    /v1/accounts/acme/history       -                            200 200 403 200 200 404
read_app_history     GET    /v1/apps/APP/history            -                            200 200 403 200 200 404
read_account_statement GET  /v1/accounts/acme/statement     -                            200 200 200 200 200 404
read_app_statement   GET    /v1/apps/APP/statement          -                            200 200 200 200 200 404
list_parked          GET    /v1/parked                      -                            200 403 403 200 403 403
replay_parked        POST   /v1/parked/GONE/replay          {}                           404 403 403 403 403 403
discard_parked       DELETE /v1/parked/GONE                 -                            404 403 403 403 403 403
replay_all_parked    POST   /v1/parked/replay               {"code":"none"}              200 403 403 403 403 403
discard_all_parked   POST   /v1/parked/discard              {"code":"none"}              200 403 403 403 403 403
list_tokens          GET    /v1/tokens                      -                            200 403 403 200 403 403
create_token         POST   /v1/tokens                      {"role":"auditor","name":"x"} 201 403 403 403 403 403
revoke_token         DELETE /v1/tokens/GONE                 -                            404 403 403 403 403 403
read_clock           GET    /v1/clock                       -                            200 200 200 200 200 200
advance_clock        POST   /v1/clock/advance               {"by":"0s"}                  200 403 403 403 403 403
confirm_clock        POST   /v1/clock/confirm               {}                           200 403 403 403 403 403
`

var accessRoles = []string{"operator", "owner", "billing", "auditor", "reader", "stranger"}

// TestAccess walks every route with every role, and with no token and a bad one.
func TestAccess(t *testing.T) {
	w := start(t, nil)
	number := strings.TrimPrefix(w.create(`{"name":"shop"}`), "/v1/apps/")
	trtc := w.must(201, "operator", "POST", "/v1/accounts/acme/apps/import",
		`{"app":1500000001,"name":"rtc","created_at":"2020-01-01T00:00:00.000Z","edition":"trtc_trial"}`)
	w.must(201, "stranger", "POST", "/v1/accounts/globex/apps", `{"name":"theirs"}`)

	seen := map[auth.Action]bool{}
	for i, line := range strings.Split(strings.TrimSpace(access), "\n") {
		columns := strings.Fields(line)
		action, method, path, body, statuses := auth.Action(columns[0]), columns[1], columns[2], columns[3], columns[4:]
		seen[action] = true
		for j, who := range accessRoles {
			n := strconv.Itoa(len(accessRoles)*i + j)
			replace := strings.NewReplacer("APP", w.prepare(action, number), "TRTC", strconv.FormatUint(uint64(trtc.app.App), 10), "GONE", "gone",
				"IMPORT", `{"app":15000001`+("00" + n)[len(n):]+`,"name":"x","created_at":"2020-01-01T00:00:00.000Z"}`,
				"ORDER", `{"id":"o-`+n+`","edition":"pro","amount":{"currency":"CNY","minor":1}}`,
				"OVERDUE", `{"invoice":"i","version":1,"effective_at":"2021-01-01T00:00:00.000Z","amount":{"currency":"CNY","minor":1}}`,
				"CLOSED", `{"invoice":"i","version":2,"effective_at":"2021-01-01T00:00:00.000Z"}`,
				"CERTIFICATE", `{"platform":"vivo","fields":{"app_key":"k","app_id":"1","app_secret":"s","click_action":{"type":"open_app"}}}`,
				"PUSH", `{"id":"p-`+n+`","amount":{"currency":"CNY","minor":1}}`,
				"REFUND", `{"order":"o-x","effective_at":"2021-01-01T00:00:00.000Z"}`)
			text := strings.TrimSuffix(replace.Replace(body), "-")
			path := replace.Replace(path)
			got := w.ask(who, method, path, text, "Content-Type", batchType)
			if want := statuses[j]; strconv.Itoa(got.status) != want {
				t.Errorf("%s as %s: %s %s: status %d, want %s: %s", action, who, method, path, got.status, want, got.body)
			}
		}
		for _, token := range []string{"", "Bearer", "Bearer nonsense", "Basic b3BlcmF0b3I6"} {
			got := w.ask("", method, strings.NewReplacer("APP", number, "TRTC", number, "GONE", "gone").Replace(path), "", "Authorization", token)
			if got.status != 401 || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s with Authorization %q: status %d, WWW-Authenticate %q", action, token, got.status, got.header.Get("WWW-Authenticate"))
			}
		}
	}
	for _, rule := range auth.Table() {
		if !seen[rule.Action] {
			t.Errorf("%s %s is not in the table of this test", rule.Method, rule.Route)
		}
	}
	for _, path := range auth.Public() {
		w.must(200, "", "GET", path, "")
	}
}

// prepare gives the number of an app in the state that a row of access needs.
func (w *harness) prepare(action auth.Action, number string) string {
	w.t.Helper()
	var body string
	switch action {
	case auth.UpgradeEdition:
		body = `{"name":"to upgrade"}`
	case auth.RenewPlan:
		body = `{"name":"to renew","order":{"id":"first","edition":"pro","amount":{"currency":"CNY","minor":1}}}`
	default:
		return number
	}
	return strings.TrimPrefix(w.create(body), "/v1/apps/")
}

// TestATenantLearnsNothing compares what a tenant is told of another's app with what it is told of none.
func TestATenantLearnsNothing(t *testing.T) {
	w := start(t, nil)
	theirs := w.create(`{"name":"shop"}`)
	for _, c := range []struct{ method, below, body string }{
		{"GET", "", ""},
		{"PATCH", "", `{"name":"x"}`},
		{"PATCH", "", `{"nam`},
		{"DELETE", "?confirm=shop", ""},
		{"POST", "/stop", `{}`},
		{"POST", "/refund", `{}`},
		{"POST", "/arrears", `{}`},
	} {
		for _, who := range []string{"stranger"} {
			other := w.ask(who, c.method, theirs+c.below, c.body)
			none := w.ask(who, c.method, "/v1/apps/1499999999"+c.below, c.body)
			strange := w.ask(who, c.method, "/v1/apps/nonsense"+c.below, c.body)
			if other.status != 404 || other.body != none.body || other.body != strange.body {
				t.Errorf("%s %s as %s: another's %d %s, none %d %s, nonsense %d %s", c.method, c.below, who,
					other.status, other.body, none.status, none.body, strange.status, strange.body)
			}
		}
	}
}

// TestTokensEnd shows that a token works from its making to its end, and what is answered to it then.
func TestTokensEnd(t *testing.T) {
	w := start(t, nil)
	made := w.must(201, "operator", "POST", "/v1/tokens", `{"role":"reader","account":"acme","name":"a screen","reason":"asked for"}`)
	secret, id := member(t, made.body, "token"), member(t, made.body, "id")
	w.secrets["screen"] = secret
	w.must(200, "screen", "GET", "/v1/accounts/acme", "")
	if inbox := member(t, made.body, "inbox_prefix"); inbox != auth.InboxPrefix(secret) {
		t.Errorf("inbox prefix %q", inbox)
	}
	if list := w.must(200, "auditor", "GET", "/v1/tokens", ""); strings.Contains(list.body, secret) || !strings.Contains(list.body, id) {
		t.Errorf("the list of tokens: %s", list.body)
	}
	revoked := w.must(200, "operator", "DELETE", "/v1/tokens/"+id+"?reason=lost", "")
	if member(t, revoked.body, "revoked_at") == "" {
		t.Errorf("a revoked token: %s", revoked.body)
	}
	w.must(200, "operator", "DELETE", "/v1/tokens/"+id, "")
	if a := w.must(401, "screen", "GET", "/v1/accounts/acme", ""); a.no.Code != "token_revoked" {
		t.Errorf("a revoked token is told %s", a.no.Code)
	}
	for body, want := range map[string][]string{
		`{"role":"king","name":"x"}`:                                                        {"role invalid_role"},
		`{"role":"owner","name":"x"}`:                                                       {"account invalid_account"},
		`{"role":"operator","account":"acme","name":""}`:                                    {"account invalid_account", "name invalid_name"},
		`{"role":"king","name":"\u2060"}`:                                                   {"name invalid_name", "role invalid_role"},
		`{"role":"auditor","name":"x","expires_at":"2020-01-01T00:00:00Z"}`:                 {"expires_at invalid_expires_at"},
		`{"role":"auditor","name":"x","expires_at":"tomorrow","admin":true}`:                {"admin unknown_field", "expires_at invalid_time"},
		`{"role":"auditor","name":"x","reason":"` + strings.Repeat("x", maxReason+1) + `"}`: {"reason invalid_reason"},
	} {
		diff(t, body, want, w.must(422, "operator", "POST", "/v1/tokens", body).fields())
	}
	// What shows nothing names nothing, a token no more than an app.
	for _, name := range []string{" ", "\u00a0\u3000", "\u200b", "\u2060\ufeff", "\u2800", "\u3164", "\u034f", "\ufe0f"} {
		diff(t, "a token", []string{"name invalid_name"}, w.must(422, "operator", "POST", "/v1/tokens", `{"role":"auditor","name":"`+name+`"}`).fields())
		diff(t, "an app", []string{"name invalid_name"}, w.must(422, "owner", "POST", "/v1/accounts/acme/apps", `{"name":"`+name+`"}`).fields())
	}
	// Every page once, in order.
	for range 3 {
		w.must(201, "operator", "POST", "/v1/tokens", `{"role":"auditor","name":"x"}`)
	}
	w.pages("operator", "/v1/tokens", 10)
}
