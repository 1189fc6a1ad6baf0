package people

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"sundial/domain"
	"sundial/internal/auth"
	"sundial/internal/server"
	"sundial/internal/testing/oracle"
)

// world is a whole server in a sandbox, and who speaks to it.
type world struct {
	url      string
	tokens   map[Role]string // of those who are not of one account, and the stranger
	accounts int
	imported uint64
}

func start(t testing.TB) *world {
	t.Helper()
	s := server.New(server.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", NATSListen: "127.0.0.1:0",
		Sandbox: true, SandboxStart: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC),
		Policy: domain.DefaultPolicy(), Replicas: 1, Logger: slog.New(slog.DiscardHandler),
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	token, err := os.ReadFile(filepath.Join(s.Config.Dir, auth.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{url: s.HTTPURL(), tokens: map[Role]string{Operator: strings.TrimSpace(string(token))}, imported: 1_000_000_000}
	for _, role := range []Role{Billing, Auditor} {
		w.tokens[role] = w.token(t, role, "")
	}
	w.tokens[Stranger] = w.token(t, Owner, "globex")
	return w
}

// fataler is what both tests and their sequences are.
type fataler interface {
	Context() context.Context
	Helper()
	Fatalf(format string, args ...any)
}

func (w *world) token(t fataler, role Role, account string) string {
	t.Helper()
	body := map[string]any{"role": role, "name": "test"}
	if account != "" {
		body["account"] = account
	}
	var made struct{ Token string }
	w.must(t, "POST", "/v1/tokens", body, &made)
	return made.Token
}

// answer is what came back.
type answer struct {
	status int
	body   []byte
}

// ask sends a request; the body is nil for none.
func (w *world) ask(t fataler, token, method, path string, body any, headers ...string) answer {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body, json.Deterministic(true)); err != nil {
			t.Fatalf("%v", err)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v", err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return answer{resp.StatusCode, text}
}

// must asks as the operator for what has to succeed.
func (w *world) must(t fataler, method, path string, body, into any) {
	t.Helper()
	a := w.ask(t, w.tokens[Operator], method, path, body)
	if a.status > 299 {
		t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	if err := json.Unmarshal(a.body, into, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, a.body)
	}
}

func (a answer) code() string {
	var problem struct{ Code string }
	if a.status < 300 || json.Unmarshal(a.body, &problem, json.MatchCaseInsensitiveNames(true)) != nil {
		return ""
	}
	return problem.Code
}

// instant is one on the wire.
func instant(at int64) string { return time.UnixMilli(at).UTC().Format("2006-01-02T15:04:05.000Z") }

// millis reads an instant of an answer; nil is 0.
func millis(at *time.Time) int64 {
	if at == nil {
		return 0
	}
	return at.UnixMilli()
}

// appView is an app as it is answered, as far as the model knows it.
type appView struct {
	App     uint64
	Version uint64
	Name    string
	Edition string
	Status  string
	Paid    *time.Time `json:"paid_until"`
	Arrears *struct {
		Since    *time.Time
		StopDue  *time.Time `json:"stop_due"`
		Invoices []struct {
			ID     string
			Amount struct {
				Currency string
				Minor    int64
			}
			Since   *time.Time
			Version int64
		}
	}
	Lapse *struct {
		Cause   string
		Since   *time.Time
		StopDue *time.Time `json:"stop_due"`
	}
	Stop *struct {
		Cause       string
		EffectiveAt *time.Time `json:"effective_at"`
	}
	Next *struct {
		To    string
		Due   *time.Time
		Cause string
	} `json:"next_transition"`
	Admins   []string
	TRTC     struct{ Enabled bool }
	TPNS     struct{ Enabled bool }
	Deletion *struct{ ID, State string } `json:"deletion_request"`
}

func read(t fataler, text []byte) appView {
	t.Helper()
	var v appView
	if err := json.Unmarshal(text, &v, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("an app that is none: %v: %s", err, text)
	}
	return v
}

// seen is what the model must say too.
func (v appView) seen() Seen {
	s := Seen{Name: v.Name, Status: v.Status}
	if v.Deletion != nil {
		s.Deletion = v.Deletion.State
	}
	if v.Status == "deleted" {
		return s
	}
	s.Edition, s.Paid, s.TRTC, s.TPNS = v.Edition, millis(v.Paid), v.TRTC.Enabled, v.TPNS.Enabled
	s.Admins = slices.Sorted(slices.Values(v.Admins))
	if v.Arrears != nil {
		s.Arrears = &oracle.Arrears{Since: millis(v.Arrears.Since), StopDue: millis(v.Arrears.StopDue)}
		for _, i := range v.Arrears.Invoices {
			s.Arrears.Invoices = append(s.Arrears.Invoices, oracle.Invoice{
				ID: i.ID, Since: millis(i.Since), Amount: oracle.Money(i.Amount), Version: i.Version,
			})
		}
	}
	if v.Lapse != nil {
		s.Lapse = &oracle.Lapse{Cause: v.Lapse.Cause, Since: millis(v.Lapse.Since), StopDue: millis(v.Lapse.StopDue)}
	}
	if v.Stop != nil {
		s.Stop = &oracle.Stop{Cause: v.Stop.Cause, EffectiveAt: millis(v.Stop.EffectiveAt)}
	}
	return s
}

// request writes a command as a request.
func (c Command) request(account string) (method, path string, body map[string]any) {
	app := "/v1/apps/" + strconv.FormatUint(unknownApp, 10)
	if c.App != nil {
		app = "/v1/apps/" + strconv.FormatUint(c.App.Number, 10)
	}
	method, body = "POST", map[string]any{}
	if c.Reason != "" {
		body["reason"] = c.Reason
	}
	switch c.Name {
	case "create_app":
		path, body["name"] = "/v1/accounts/"+account+"/apps", c.Body.AppName
	case "import_app":
		path, body["name"] = "/v1/accounts/"+account+"/apps/import", c.Body.AppName
		in := c.Body.Import
		body["app"], body["edition"], body["created_at"] = in.Number, in.Edition, instant(in.CreatedAt)
	case "set_quota":
		method, path, body["apps"] = "PUT", "/v1/accounts/"+account+"/quota", c.Body.Apps
	case "edit_app_info":
		method, path, body["name"] = "PATCH", app, c.Body.AppName
	case "upgrade_edition":
		path = app + "/upgrade"
	case "renew_plan":
		path = app + "/renew"
	case "mark_arrears", "settle_arrears", "void_invoice":
		path = app + map[string]string{"mark_arrears": "/arrears", "settle_arrears": "/arrears/settle", "void_invoice": "/arrears/void"}[c.Name]
		body["invoice"], body["version"], body["effective_at"] = c.Body.Fact.Invoice, c.Body.Fact.Version, instant(c.Body.Fact.Effective)
	case "refund":
		path, body["order"], body["effective_at"] = app+"/refund", c.Body.Fact.Order, instant(c.Body.Fact.Effective)
		if c.Body.Fact.Refund != "" {
			body["refund"] = c.Body.Fact.Refund
		}
		if c.Body.Fact.Goodwill {
			body["ends"] = false
		}
	case "stop_app":
		path = app + "/stop"
	case "start_app":
		path = app + "/start"
	case "delete_app":
		method, path = "DELETE", app
		if c.Body.Confirm != "" {
			path += "?confirm=" + c.Body.Confirm
		}
		return method, path, nil
	case "request_deletion":
		path = app + "/deletion-requests"
	case "approve_deletion":
		path = "/v1/deletion-requests/" + c.Body.Request + "/approve"
	case "reject_deletion":
		path = "/v1/deletion-requests/" + c.Body.Request + "/reject"
	case "note_trtc_stopped", "note_trtc_started":
		path = app + "/trtc/" + strings.TrimPrefix(c.Name, "note_trtc_")
		if c.Body.At != 0 {
			body["effective_at"] = instant(c.Body.At)
		}
	case "add_admins":
		path, body["names"] = app+"/admins", c.Body.Names
	case "remove_admins":
		path, body["names"] = app+"/admins/remove", c.Body.Names
	case "enable_trtc":
		method, path = "PUT", app+"/services/trtc"
	case "enable_tpns":
		method, path = "PUT", app+"/services/tpns"
	case "disable_tpns":
		return "DELETE", app + "/services/tpns", nil
	default:
		panic(fmt.Sprint("no route for ", c.Name))
	}
	if fact := c.Body.Fact; fact != nil && fact.Amount.Currency != "" {
		body["amount"] = map[string]any{"currency": fact.Amount.Currency, "minor": fact.Amount.Minor}
	}
	if order := c.Body.Order; order != nil {
		body["order"] = order.json()
	}
	return method, path, body
}

func (o Order) json() map[string]any {
	body := map[string]any{"id": o.ID, "amount": map[string]any{"currency": "CNY", "minor": o.Minor}}
	if o.Edition != "" {
		body["edition"] = o.Edition
	}
	if o.Effective != 0 {
		body["effective_at"] = instant(o.Effective)
	}
	if o.PaidUntil != 0 {
		body["paid_until"] = instant(o.PaidUntil)
	}
	if o.Addons != nil {
		body["addons"] = o.Addons
	}
	return body
}

// unknownApp is a number that no app has.
const unknownApp = 9_999_999_999

// GoString is how rapid shows an app that was drawn.
func (app *App) GoString() string { return strconv.FormatUint(app.Number, 10) }

// GoString is how rapid shows a command that was drawn.
func (c Command) GoString() string { return c.Key + " " + c.Name }
