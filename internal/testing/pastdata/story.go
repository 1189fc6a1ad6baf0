package pastdata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// story is what happens in a past directory: two months of 2021, in which there is something of everything that is stored.
// After an error nothing more happens.
type story struct {
	ctx     context.Context //nolint:containedctx // of the one telling
	process *Process
	tokens  map[string]Token
	keys    int // Idempotency-Keys given
	err     error

	sent     []Asked // commands and bills, as they were answered the first time
	changed  []Asked // the same keys with other contents
	sigs     []sig
	waiting  int    // bills that were not taken in at the end
	lastBill string // the id of the last one of those
	head     uint64 // the latest commit before them
}

// sig is a UserSig that was made, as it is asked about.
type sig struct{ app, verify string }

// The accounts. What waits at the end is one account's, so that it is taken in in its order.
const lateAccount = "late"

const (
	begins = "2021-01-01T00:00:00Z"
	cny    = `{"currency":"CNY","minor":99900}`
)

func (s *story) live(ctx context.Context, command Command, dir string) error {
	s.ctx = ctx
	p, err := Start(command, dir, "--sandbox-start", begins)
	if err != nil {
		return err
	}
	defer p.Kill()
	s.process = p
	text, err := os.ReadFile(filepath.Join(dir, "operator.token"))
	if err != nil {
		return err
	}
	s.tokens["operator"] = Token{Secret: strings.TrimSpace(string(text))}
	s.tell()
	if s.err != nil {
		return fmt.Errorf("%w\n%s", s.err, p.logs)
	}
	// A kill leaves what an order end would put away: files of the projections beside the database, a log that was not closed.
	p.Kill()
	return s.count(dir)
}

// do asks and wants an answer of this status.
func (s *story) do(want int, a Asked) Asked {
	if s.err != nil {
		return a
	}
	a, err := s.process.Ask(s.ctx, s.tokens, a)
	if err == nil && a.Status != want {
		err = fmt.Errorf("%s: status %d, want %d: %s\n%s", a.Name(), a.Status, want, a.Said, a.Body)
	}
	s.err = err
	return a
}

// order gives a command under a key of its own, and keeps it to be sent again; other is another content for the same key.
func (s *story) order(as, method, path, body string, other ...string) Asked {
	s.keys++
	a := Asked{As: as, Method: method, Path: path, Body: body, Header: map[string]string{headerKey: fmt.Sprintf("past-%03d", s.keys)}}
	want := http.StatusOK
	if method == http.MethodPost {
		for _, creates := range []string{"/apps", "/apps/import", "/certificates", "/deletion-requests"} {
			if strings.HasSuffix(path, creates) {
				want = http.StatusCreated
			}
		}
	}
	done := s.do(want, a)
	s.sent = append(s.sent, done)
	for _, body := range other {
		a.Body = body
		s.changed = append(s.changed, a)
	}
	return done
}

// first gives the first answer to what was sent before.
func (s *story) first(a *Asked) (Asked, bool) {
	i := slices.IndexFunc(s.sent, func(b Asked) bool {
		return a.Part == PartAgain && b.Header[headerKey] != "" && a.Name() == b.Name() && a.Body == b.Body
	})
	if i < 0 {
		return Asked{}, false
	}
	return s.sent[i], true
}

// member reads a member of an answer, as text.
func (s *story) member(a Asked, path ...string) string {
	var at any
	if s.err == nil {
		s.err = json.Unmarshal([]byte(a.Said), &at)
	}
	for _, name := range path {
		members, _ := at.(map[string]any)
		at = members[name]
	}
	switch v := at.(type) {
	case string:
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	if s.err == nil {
		s.err = fmt.Errorf("%s: no %s in %s", a.Name(), strings.Join(path, "."), a.Said)
	}
	return ""
}

func (s *story) create(as, account, body string, other ...string) (path string) {
	return "/v1/apps/" + s.member(s.order(as, http.MethodPost, "/v1/accounts/"+account+"/apps", body, other...), "app")
}

// plan is a body that creates an app with an order.
func plan(name, order, edition, until string) string {
	if until != "" {
		until = `"paid_until":"` + until + `",`
	}
	return fmt.Sprintf(`{"name":%q,"order":{"id":%q,"edition":%q,%s"amount":%s}}`, name, order, edition, until, cny)
}

func (s *story) post(as, path, body string, other ...string) Asked {
	return s.order(as, http.MethodPost, path, body, other...)
}

func (s *story) clock(to string) {
	s.do(http.StatusOK, Asked{As: "operator", Method: http.MethodPost, Path: "/v1/clock/advance", Body: `{"to":"` + to + `"}`})
}

func (s *story) token(name, role, account, more string) {
	a := s.do(http.StatusCreated, Asked{As: "operator", Method: http.MethodPost, Path: "/v1/tokens", Body: fmt.Sprintf(
		`{"role":%q,"account":%q,"name":"token of %s"%s}`, role, account, name, more)})
	s.tokens[name] = Token{s.member(a, "id"), s.member(a, "token"), s.member(a, "inbox_prefix")}
}

// event writes a bill. more are further members of the event, beside its data.
func event(id, kind, data, more string) string {
	return fmt.Sprintf(`{"specversion":"1.0","source":"urn:billing:upstream","id":%q,"type":"sundial.%s","datacontenttype":"application/json"%s,"data":{%s}}`,
		id, kind, more, data)
}

// about begins the data of a bill about an app.
func about(account, path string) string {
	return fmt.Sprintf(`"account":%q,"app":%s`, account, strings.TrimPrefix(path, "/v1/apps/"))
}

const eventType = "application/cloudevents+json"

// bill sends a bill over HTTP, which becomes this outcome, and keeps it to be sent again.
func (s *story) bill(outcome, text string) Asked {
	a := s.do(http.StatusOK, Asked{
		As: "billing", Method: http.MethodPost, Path: "/v1/billing/events", Body: text, Header: map[string]string{"Content-Type": eventType},
	})
	if s.err == nil && !strings.Contains(a.Said, `"outcome":"`+outcome+`"`) {
		s.err = fmt.Errorf("want %s: %s\n%s", outcome, a.Said, text)
	}
	s.sent = append(s.sent, a)
	return a
}

// connect gives a NATS client with a token.
func (s *story) connect(as string) (*nats.Conn, jetstream.JetStream) {
	if s.err != nil {
		return nil, nil
	}
	nc, err := nats.Connect(s.process.NATS, nats.Token(s.tokens[as].Secret), nats.CustomInboxPrefix(s.tokens[as].Inbox))
	if err != nil {
		s.err = err
		return nil, nil
	}
	js, err := jetstream.New(nc)
	s.err = err
	return nc, js
}

// over publishes a bill over NATS and waits until a read shows it.
func (s *story) over(subject, text, path, shows string) {
	nc, js := s.connect("billing")
	if s.err != nil {
		return
	}
	defer nc.Close()
	if _, s.err = js.Publish(s.ctx, subject, []byte(text)); s.err != nil {
		return
	}
	s.err = until(s.ctx, path+" shows "+shows, func(ctx context.Context) (bool, error) {
		a, err := s.process.Ask(ctx, s.tokens, Asked{As: "operator", Method: http.MethodGet, Path: path})
		return strings.Contains(a.Said, shows), err
	})
}

// command gives a command over NATS.
func (s *story) command(as, account, name, body string) {
	nc, _ := s.connect(as)
	if s.err != nil {
		return
	}
	defer nc.Close()
	s.keys++
	m := nats.NewMsg("command." + account + "." + name)
	m.Data = []byte(body)
	m.Header.Set("Authorization", "Bearer "+s.tokens[as].Secret)
	m.Header.Set(headerKey, fmt.Sprintf("past-%03d", s.keys))
	answer, err := nc.RequestMsg(m, patience)
	if err == nil && !strings.Contains(string(answer.Data), `"account":"`+account+`"`) {
		err = fmt.Errorf("%s over NATS: %s", name, answer.Data)
	}
	s.err = err
}

func (s *story) tell() {
	s.token("deputy", "operator", "", "")
	s.token("acme", "owner", "acme", `,"reason":"its console"`)
	s.token("globex", "owner", "globex", "")
	s.token("billing", "billing", "", "")
	s.token("auditor", "auditor", "", "")
	s.token("reader", "reader", "acme", `,"expires_at":"9999-01-01T00:00:00Z"`)
	s.token("guest", "reader", "globex", "")
	s.token("former", "owner", "acme", "")
	s.do(http.StatusOK, Asked{As: "operator", Method: http.MethodDelete, Path: "/v1/tokens/" + s.tokens["former"].ID + "?reason=left"})
	s.order("operator", http.MethodPut, "/v1/accounts/acme/quota", `{"apps":120,"reason":"agreed on the phone"}`, `{"apps":121}`)

	s.keep()
	s.money()
	s.deletions()
	s.late()
}

// keep is about what apps hold: keys, certificates, administrators, services; most of it on the first day.
func (s *story) keep() {
	app := s.create("acme", "acme", `{"name":"商城 chat","type":"e-commerce","introduction":"sells <things> & more\nsince 2021","reason":"a new shop"}`, `{"name":"another"}`)
	s.order("acme", http.MethodPatch, app, `{"introduction":"sells","reason":"shorter"}`, `{"introduction":""}`)
	s.command("deputy", "acme", "edit_app_info", fmt.Sprintf(`{"app":%s,"type":"social"}`, strings.TrimPrefix(app, "/v1/apps/")))
	s.post("acme", app+"/admins", `{"names":["alice","bob"]}`, `{"names":["bob","alice"]}`)
	s.post("acme", app+"/admins/remove", `{"names":["bob"],"reason":"left"}`)
	s.post("acme", app+"/key/reveal", "")
	s.post("deputy", app+"/key/reveal", `{"reason":"asked for on the phone"}`, `{"reason":"another"}`)
	s.sign(app, "alice")
	s.post("acme", app+"/key/rotate", `{"overlap":"0s"}`)
	s.sign(app, "bob")
	s.post("acme", app+"/key/rotate", `{"overlap":"2160h","reason":"yearly"}`, `{"overlap":"2159h"}`, `{}`)
	s.sign(app, "carol")
	s.order("acme", http.MethodPut, app+"/services/trtc", `{}`)

	pushed := s.create("acme", "acme", plan("pushed", "ord-pushed", "flagship", ""))
	s.order("acme", http.MethodPut, pushed+"/services/tpns", `{"order":{"id":"push-1","amount":`+cny+`}}`)
	s.order("acme", http.MethodDelete, pushed+"/services/tpns?reason=too+dear", "")
	for platform, fields := range certificates(&s.err) {
		s.post("acme", pushed+"/certificates", fmt.Sprintf(`{"platform":%q,"fields":%s}`, platform, fields),
			fmt.Sprintf(`{"platform":%q,"fields":{}}`, platform))
	}
	s.order("acme", http.MethodPatch, pushed+"/certificates/1000005", `{"fields":{"app_secret":"another-secret","channel_id":"orders"}}`)
	s.order("acme", http.MethodDelete, pushed+"/certificates/1000006?confirm=1000006&reason=gone", "")

	// Apps that were moved in: with keys of both kinds, certificates that keep their ids, an invoice that is owed.
	hmac, pair := strings.Repeat("5a", 32), ecdsaKey(&s.err)
	s.post("operator", "/v1/accounts/globex/apps/import", fmt.Sprintf(`{"app":1300000001,"name":"moved in","type":"e-commerce","created_at":"2018-06-01T08:00:00Z",
"edition":"pro","orders":[{"id":"old-1","edition":"pro","effective_at":"2018-06-01T08:00:00Z","version":3,"amount":%s},{"id":"old-2","effective_at":"2020-01-01T00:00:00Z","addons":["groups"],"amount":%s}],
"keys":[%s,{"algorithm":"HMAC-SHA256","secret":%q}],"admins":["alice"],"certificates":[{"id":4711,"platform":"meizu","fields":%s},{"id":4712,"platform":"tpns","fields":%s}],
"invoices":[{"id":"inv-old","version":2,"effective_at":"2020-12-30T00:00:00Z","amount":%s}],"trtc":{"enabled":true},"tpns":{"enabled":true},"reason":"moving in"}`,
		cny, cny, pair, hmac, meizu, tpns, cny))
	s.sign("/v1/apps/1300000001", "alice")
	s.post("operator", "/v1/accounts/globex/apps/import", fmt.Sprintf(`{"app":1300000002,"name":"of a pair","created_at":"2018-06-01T08:00:00Z","keys":[%s]}`, pair))
	s.sign("/v1/apps/1300000002", "alice")
	s.post("operator", "/v1/accounts/globex/apps/import", fmt.Sprintf(`{"app":1300000003,"name":"upgraded pair","created_at":"2018-06-01T08:00:00Z","keys":[%s]}`, pair))
	s.sign("/v1/apps/1300000003", "alice")
	s.post("globex", "/v1/apps/1300000003/key/upgrade", `{}`)
	s.sign("/v1/apps/1300000003", "bob")
	s.post("operator", "/v1/accounts/globex/apps/import", fmt.Sprintf(`{"app":1300000004,"name":"retired pair","created_at":"2018-06-01T08:00:00Z","keys":[%s,{"algorithm":"HMAC-SHA256","secret":%q}]}`, pair, hmac))
	s.post("globex", "/v1/apps/1300000004/key/retire", `{"reason":"nobody uses it"}`)
	for i, name := range []string{"stopped at trtc", "stopped here too", "started again"} {
		path := fmt.Sprintf("/v1/apps/13000000%d", 11+i)
		s.post("operator", "/v1/accounts/globex/apps/import", fmt.Sprintf(`{"app":%s,"name":%q,"created_at":"2019-01-01T00:00:00Z","edition":"trtc_trial"}`, strings.TrimPrefix(path, "/v1/apps/"), name))
		s.bill("accepted", event(fmt.Sprint("trtc-", i), "trtc.app.stopped", about("globex", path)+`,"effective_at":"2020-12-31T00:00:00Z"`, ""))
		switch i {
		case 1:
			s.post("operator", path+"/stop", `{"reason":"asked for by its owner"}`)
		case 2:
			s.post("billing", path+"/trtc/started", `{"effective_at":"2020-12-31T12:00:00Z"}`)
		}
	}

	resting := s.create("acme", "acme", `{"name":"resting"}`)
	s.post("acme", resting+"/stop", `{"reason":"for now"}`)
	halted := s.create("acme", "acme", plan("halted", "ord-halted", "pro", ""))
	s.post("operator", halted+"/stop", `{"reason":"a complaint"}`, `{"reason":"another"}`)
	back := s.create("acme", "acme", `{"name":"back again"}`)
	s.post("acme", back+"/stop", "")
	s.post("acme", back+"/start", "")
}

func (s *story) sign(app, user string) {
	a := s.do(http.StatusOK, Asked{As: "operator", Method: http.MethodPost, Path: app + "/usersigs", Body: fmt.Sprintf(`{"user_id":%q,"expire_seconds":31536000}`, user)})
	s.sigs = append(s.sigs, sig{strings.TrimPrefix(app, "/v1/apps/"), fmt.Sprintf(`{"user_id":%q,"user_sig":%q}`, user, s.member(a, "user_sig"))})
}

// money is about orders, invoices and refunds, from the first day to the 20th of February.
func (s *story) money() {
	const day5 = "2021-01-05T12:00:00.000Z"
	owing, settled := s.create("acme", "acme", plan("owing", "ord-owing", "flagship", "")), s.create("acme", "acme", plan("settled", "ord-settled", "pro", ""))
	restated, nothing := s.create("acme", "acme", plan("restated", "ord-restated", "pro", "")), s.create("acme", "acme", plan("owes nothing", "ord-nothing", "pro", ""))
	refunded, partly := s.create("acme", "acme", plan("refunded", "ord-refunded", "pro", "")), s.create("acme", "acme", plan("refunded partly", "ord-partly", "pro", "2021-06-01T00:00:00Z"))
	ends, expires := s.create("acme", "acme", plan("ends", "ord-ends", "pro", "2021-01-20T00:00:00Z")), s.create("acme", "acme", plan("expires", "ord-expires", "flagship", "2021-02-22T00:00:00Z"))
	replayed, raised := s.create("acme", "acme", plan("replayed", "ord-replayed", "pro", "2021-01-20T00:00:00Z")), s.create("acme", "acme", `{"name":"raised"}`)
	moved, renamed := s.create("acme", "acme", plan("lapse moved", "ord-moved", "pro", "2021-01-20T00:00:00Z")), s.create("acme", "acme", plan("lapse renamed", "ord-renamed", "pro", "2021-01-20T00:00:00Z"))
	due := s.create("globex", "globex", plan("stops soon", "ord-due", "pro", ""))
	s.order("globex", http.MethodPatch, due, `{"name":"soon to stop"}`)

	term := `{"order":{"id":"ord-raised","edition":"pro","addons":["groups","moderation"],"paid_until":"2021-07-01T00:00:00Z","amount":` + cny + `}}`
	s.post("acme", raised+"/upgrade", term, strings.ReplaceAll(term, "99900", "99901"))
	s.bill("accepted", event("up-1", "billing.order.paid", about("acme", raised)+`,"order":"ord-raised-2","edition":"flagship","effective_at":"2021-01-01T00:00:00Z","paid_until":"2021-07-01T00:00:00Z","version":2,"addons":["groups"],"channel":"<web>","amount":`+cny,
		`,"time":"2021-01-01T00:00:00Z","correlationid":"run-7","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"`))

	s.clock(day5)
	overdue := func(id, app, invoice, at, amount string, version int) string {
		return event(id, "billing.invoice.overdue", about("acme", app)+fmt.Sprintf(`,"invoice":%q,"version":%d,"effective_at":%q,"amount":{"currency":"CNY","minor":%s}`, invoice, version, at, amount), "")
	}
	s.over("billing.acme", overdue("up-2", owing, "inv-owing", day5, "500", 1), owing, "inv-owing")
	s.bill("duplicate", overdue("up-2", owing, "inv-owing", day5, "500", 1))
	s.bill("accepted", overdue("up-3", settled, "inv-settled", day5, "500", 1))
	s.bill("accepted", overdue("up-4", nothing, "inv-nothing", day5, "0", 1))
	s.bill("accepted", overdue("up-5", restated, "inv-restated", day5, "500", 1))
	s.bill("accepted", overdue("up-6", restated, "inv-restated", "2021-01-04T00:00:00Z", "700", 2))
	s.post("billing", restated+"/arrears", fmt.Sprintf(`{"invoice":"inv-by-hand","version":1,"effective_at":%q,"amount":{"currency":"USD","minor":12},"reason":"by telephone"}`, day5))
	s.post("billing", restated+"/arrears/void", fmt.Sprintf(`{"invoice":"inv-by-hand","version":2,"effective_at":%q}`, day5))
	s.bill("accepted", event("up-7", "billing.order.refunded", about("acme", refunded)+fmt.Sprintf(`,"order":"ord-refunded","effective_at":%q`, day5), ""))
	s.bill("accepted", event("up-8", "billing.order.refunded", about("acme", partly)+fmt.Sprintf(`,"order":"ord-partly","effective_at":%q,"amount":{"currency":"CNY","minor":30000}`, day5), ""))

	// What is parked, and stays so.
	unknown := "/v1/apps/1399999999"
	s.bill("parked", overdue("up-10", unknown, "inv-unknown", day5, "500", 1))
	s.bill("parked", overdue("up-2", owing, "inv-owing", day5, "501", 1))
	s.bill("parked", event("up-11", "billing.invoice.overdue", about("acme", owing)+`,"version":1`, ""))
	s.bill("parked", event("up-12", "billing.invoice.overdue", about("acme", owing)+`,"invoice":7,"version":1,"effective_at":"2021-01-05T12:00:00Z","amount":`+cny, ""))
	s.bill("parked", event("up-13", "billing.invoice.lost", about("acme", owing), ""))
	s.bill("parked", event("up-14", "billing.order.paid", about("acme", replayed)+`,"order":"ord-far","edition":"pro","effective_at":"2025-01-20T00:00:00Z","paid_until":"2025-02-20T00:00:00Z","amount":`+cny, ""))
	s.bill("parked", event("up-15", "billing.order.refunded", about("acme", owing)+`,"order":"ord-owing","effective_at":"2021-03-30T00:00:00Z"`, ""))
	s.over("billing.acme", `{"specversion":"1.0","data":`, "/v1/parked", "malformed_json")
	s.over("billing.globex", overdue("up-16", owing, "inv-wrong", day5, "500", 1), "/v1/parked", "wrong_account")
	// What is parked, and then given up, tried again in vain, tried again and taken in, or taken in by itself.
	s.bill("parked", overdue("up-17", unknown, "inv-given-up", day5, "500", 1))
	s.bill("parked", overdue("up-18", replayed, "inv-ahead", "2021-01-20T00:00:00Z", "500", 1))
	s.bill("parked", event("up-19", "billing.invoice.overdue", about("globex", "/v1/apps/1300000050")+fmt.Sprintf(`,"invoice":"inv-early","version":1,"effective_at":%q,"amount":%s`, day5, cny), ""))
	s.do(http.StatusOK, Asked{As: "operator", Method: http.MethodDelete, Path: s.parked("up-17") + "?reason=a+mistake"})
	again := s.parked("up-18")
	s.do(http.StatusConflict, Asked{As: "operator", Method: http.MethodPost, Path: again + "/replay"})
	s.post("operator", "/v1/accounts/globex/apps/import", `{"app":1300000050,"name":"awaited","created_at":"2018-06-01T08:00:00Z","edition":"pro"}`)
	s.shows("/v1/apps/1300000050", "inv-early")

	s.ahead()
	s.clock("2021-01-14T00:00:00Z") // owing and settled were stopped on the 12th, as was refunded
	s.bill("accepted", event("up-20", "billing.invoice.settled", about("acme", settled)+`,"invoice":"inv-settled","version":2,"effective_at":"2021-01-12T11:00:00Z"`, ""))
	s.bill("accepted", event("up-21", "billing.invoice.voided", about("acme", restated)+`,"invoice":"inv-restated","version":3,"effective_at":"2021-01-10T00:00:00Z"`, ""))
	s.post("billing", "/v1/apps/1300000050/arrears/settle", `{"invoice":"inv-early","version":2,"effective_at":"2021-01-13T00:00:00Z"}`)
	s.post("billing", partly+"/refund", `{"order":"ord-unknown","effective_at":"2021-01-13T00:00:00Z","amount":{"currency":"EUR","minor":5}}`)
	s.post("operator", owing+"/stop", `{"reason":"a complaint beside what is owed"}`)
	s.clock("2021-01-19T12:00:00Z")
	s.post("operator", owing+"/start", "")
	s.do(http.StatusOK, Asked{As: "operator", Method: http.MethodPost, Path: again + "/replay"})
	s.clock("2021-01-28T00:00:00Z") // ends was stopped on the 27th
	s.post("acme", ends+"/renew", `{"order":{"id":"ord-ends-2","edition":"pro","paid_until":"2021-02-10T00:00:00Z","amount":`+cny+`}}`)
	s.bill("accepted", event("up-23", "billing.order.refunded", about("acme", moved)+`,"order":"ord-moved","effective_at":"2021-01-15T00:00:00Z"`, ""))
	s.bill("accepted", event("up-24", "billing.order.refunded", about("acme", renamed)+`,"order":"ord-renamed","effective_at":"2021-01-20T00:00:00Z"`, ""))
	s.bill("accepted", event("up-25", "billing.invoice.settled", about("acme", replayed)+`,"invoice":"inv-ahead","version":2,"effective_at":"2021-01-21T00:00:00Z"`, ""))
	s.clock("2021-02-20T00:00:00Z") // and again on the 17th
	s.post("acme", expires+"/renew", `{"order":{"id":"ord-expires-2","edition":"flagship","effective_at":"2021-02-20T12:00:00Z","paid_until":"2021-02-23T00:00:00Z","amount":`+cny+`}}`)
	s.clock("2021-02-25T00:00:00Z") // expires has expired
	s.bill("accepted", event("up-22", "billing.invoice.overdue", about("globex", due)+`,"invoice":"inv-due","version":1,"effective_at":"2021-02-24T00:00:00Z","amount":`+cny, ""))
}

// ahead is about orders that are known before they begin, refunds of one order that are told apart, and invoices over which
// nothing is owed any more. Some of it has happened by the end, and some has not.
func (s *story) ahead() {
	order := func(id, app, order, edition, from, until string) string {
		return event(id, "billing.order.paid", about("acme", app)+fmt.Sprintf(`,"order":%q,"edition":%q,"effective_at":%q,"paid_until":%q,"amount":%s`, order, edition, from, until, cny), "")
	}
	refund := func(id, app, order, more string) string {
		return event(id, "billing.order.refunded", about("acme", app)+fmt.Sprintf(`,"order":%q,"effective_at":"2021-01-05T12:00:00Z",%s`, order, more), "")
	}
	const ends = "2021-01-20T00:00:00Z"
	apps := make([]string, 7)
	for i, name := range []string{"goes on", "has a short gap", "has a long gap", "has a gap ahead", "is raised ahead", "is not to begin", "given back in parts"} {
		until := ends
		if i > 2 {
			until = "2021-03-20T00:00:00Z"
		}
		apps[i] = s.create("acme", "acme", plan(name, "ord-first", "pro", until))
	}
	s.bill("accepted", order("up-50", apps[0], "ord-next", "pro", ends, "2021-05-02T00:00:00Z"))
	s.bill("accepted", order("up-51", apps[1], "ord-next", "pro", "2021-01-23T00:00:00Z", "2021-05-03T00:00:00Z"))
	s.post("acme", apps[2]+"/renew", `{"order":{"id":"ord-next","edition":"pro","effective_at":"2021-02-10T06:00:00Z","paid_until":"2021-05-04T00:00:00Z","amount":`+cny+`}}`)
	s.bill("accepted", order("up-52", apps[3], "ord-next", "pro", "2021-04-10T00:00:00Z", "2021-06-01T00:00:00Z"))
	s.bill("accepted", order("up-53", apps[4], "ord-next", "flagship", "2021-03-10T00:00:00Z", "2021-06-02T00:00:00Z"))
	s.bill("accepted", order("up-54", apps[5], "ord-next", "flagship", "2021-03-20T00:00:00Z", "2021-06-03T00:00:00Z"))
	s.bill("accepted", refund("up-55", apps[5], "ord-next", `"amount":`+cny))
	s.bill("accepted", refund("up-59", apps[0], "ord-first", `"ends":false,"amount":{"currency":"CNY","minor":1}`))
	s.bill("accepted", refund("up-56", apps[6], "ord-first", `"refund":"part-1","ends":false,"amount":{"currency":"CNY","minor":100}`))
	s.bill("accepted", refund("up-57", apps[6], "ord-first", `"refund":"part-2","amount":{"currency":"CNY","minor":200}`))
	s.bill("accepted", refund("up-58", apps[6], "ord-first", `"refund":"part-3","amount":{"currency":"CNY","minor":300}`))
	for version, minor := range []string{"500", "0"} {
		s.bill("accepted", event(fmt.Sprint("up-6", version), "billing.invoice.overdue", about("acme", apps[0])+fmt.Sprintf(
			`,"invoice":"inv-credited","version":%d,"effective_at":"2021-01-05T00:00:00Z","amount":{"currency":"CNY","minor":%s}`, version+1, minor), ""))
	}
}

// parked gives the path of a parked event.
func (s *story) parked(event string) string {
	a := s.do(http.StatusOK, Asked{As: "operator", Method: http.MethodGet, Path: "/v1/parked?limit=" + whole})
	var page struct {
		Items []struct {
			ID    string `json:"id"`
			Event string `json:"event_id"`
		} `json:"items"`
	}
	if s.err == nil {
		s.err = json.Unmarshal([]byte(a.Said), &page)
	}
	for _, item := range page.Items {
		if item.Event == event {
			return "/v1/parked/" + item.ID
		}
	}
	if s.err == nil {
		s.err = fmt.Errorf("the event %s is not parked: %s", event, a.Said)
	}
	return ""
}

func (s *story) shows(path, what string) {
	if s.err != nil {
		return
	}
	s.err = until(s.ctx, path+" shows "+what, func(ctx context.Context) (bool, error) {
		a, err := s.process.Ask(ctx, s.tokens, Asked{As: "operator", Method: http.MethodGet, Path: path})
		return strings.Contains(a.Said, what), err
	})
}

// deletions is about apps that are gone or are to go. What they kept secret is destroyed.
func (s *story) deletions() {
	gone := s.create("acme", "acme", `{"name":"gone for good"}`)
	s.post("acme", gone+"/key/reveal", "")
	s.post("acme", gone+"/certificates", `{"platform":"meizu","fields":`+meizu+`}`)
	s.post("acme", gone+"/stop", "")
	s.order("acme", http.MethodDelete, gone+"?confirm="+url.QueryEscape("gone for good")+"&reason=tested", "")
	s.bill("parked", event("up-30", "billing.order.refunded", about("acme", gone)+`,"order":"o","effective_at":"2021-02-24T00:00:00Z"`, ""))

	var asked []string
	for _, name := range []string{"to be approved", "to be rejected", "to be judged", "to be renewed"} {
		app := s.create("acme", "acme", plan(name, "ord "+name, "pro", "2021-02-25T01:00:00Z"))
		s.post("acme", app+"/key/reveal", "")
		asked = append(asked, app)
	}
	s.clock("2021-03-05T00:00:00Z")
	var requests []string
	for _, app := range asked {
		requests = append(requests, s.member(s.post("acme", app+"/deletion-requests", `{"reason":"moved away"}`), "deletion_request", "id"))
	}
	s.post("operator", "/v1/deletion-requests/"+requests[0]+"/approve", `{"reason":"as asked"}`)
	s.post("acme", asked[3]+"/renew", `{"order":{"id":"ord-after-all","edition":"pro","amount":`+cny+`}}`) // withdraws the request
	s.post("operator", "/v1/deletion-requests/"+requests[1]+"/reject", `{"reason":"a bill is open"}`, `{"reason":"another"}`)
}

// lateBills are so many that a kill right after they were acknowledged finds most of them waiting.
const lateBills = 120

// late has bills published all at once, in one batch that the server acknowledges as one, and ends the program.
func (s *story) late() {
	app := s.create("operator", lateAccount, plan("late", "ord-late", "pro", ""))
	// One more that has expired and is not stopped, and one in arrears that is not due.
	expires := s.create("acme", "acme", plan("expired by now", "ord-expired", "flagship", "2021-03-05T06:00:00Z"))
	owes := s.create("acme", "acme", plan("owes since a day", "ord-owes", "pro", ""))
	s.clock("2021-03-06T00:00:00Z")
	s.bill("accepted", event("up-40", "billing.invoice.overdue", about("acme", owes)+`,"invoice":"inv-owes","version":1,"effective_at":"2021-03-05T00:00:00Z","amount":`+cny, ""))
	s.do(http.StatusOK, Asked{As: "operator", Method: http.MethodGet, Path: expires})

	nc, js := s.connect("billing")
	if s.err != nil {
		return
	}
	defer nc.Close()
	if s.head, _, s.err = s.process.heads(s.ctx); s.err != nil {
		return
	}
	batch, err := jetstreamext.NewBatchPublisher(js)
	if err != nil {
		s.err = err
		return
	}
	for i := range lateBills {
		s.lastBill = fmt.Sprintf("late-%03d", i)
		text := event(s.lastBill, "billing.invoice.overdue", about(lateAccount, app)+fmt.Sprintf(`,"invoice":"inv-%d","version":%d,"effective_at":"2021-03-05T02:30:00Z","amount":{"currency":"CNY","minor":%d}`, i%7, i/7, 100+i), "")
		if i == lateBills-1 {
			_, err = batch.Commit(s.ctx, "billing."+lateAccount, []byte(text))
		} else {
			err = batch.Add("billing."+lateAccount, []byte(text))
		}
		if err != nil {
			s.err = err
			return
		}
		if i%20 == 19 {
			s.sent = append(s.sent, Asked{As: "billing", Method: http.MethodPost, Path: "/v1/billing/events", Body: text, Header: map[string]string{"Content-Type": eventType}})
		}
	}
	s.process.Kill()
}

// count looks for the bills in the files of the log, which holds a commit for each that was taken in.
func (s *story) count(dir string) error {
	var log []byte
	files, err := filepath.Glob(filepath.Join(dir, "nats", "jetstream", "*", "streams", "SUNDIAL_EVENTS", "msgs", "*.blk"))
	if err != nil {
		return err
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		log = append(log, text...)
	}
	if !bytes.Contains(log, []byte("up-40")) {
		return errors.New("the log's files do not hold what is in the log: look for the bills in another way")
	}
	for i := range lateBills {
		if !bytes.Contains(log, fmt.Appendf(nil, "late-%03d", i)) {
			s.waiting++
		}
	}
	if s.waiting == 0 {
		return errors.New("every bill was taken in before the kill: none waits")
	}
	return nil
}

// The fields of certificates that are needed in more than one place.
const (
	tap   = `"click_action":{"type":"open_app"}`
	meizu = `{"package_name":"com.example.shop","app_id":"1","app_secret":"s3cret-s3cret",` + tap + `}`
	tpns  = `{"access_id":"1500000001","secret_key":"s3cret-s3cret","access_point":"guangzhou","os":"android"}`
)

// certificates gives the fields of a certificate of most platforms, in the order of the platforms' names.
func certificates(failed *error) func(yield func(platform, fields string) bool) {
	all := map[string]string{
		"huawei":   `{"package_name":"com.example.shop","app_id":"100000001","app_secret":"s3cret-s3cret","badge_class":"com.example.shop.Main","click_action":{"type":"open_url","url":"https://example.com/shop"}}`,
		"honor":    `{"package_name":"com.example.shop","app_id":"1","client_id":"c-1","client_secret":"s3cret-s3cret",` + tap + `}`,
		"meizu":    meizu,
		"oppo":     `{"app_key":"k-1","app_id":"1","master_secret":"s3cret-s3cret","channel_id":"chat",` + tap + `}`,
		"vivo":     `{"app_key":"k-1","app_id":"1","app_secret":"s3cret-s3cret",` + tap + `}`,
		"xiaomi":   `{"package_name":"com.example.shop","app_id":"1","app_secret":"s3cret-s3cret",` + tap + `}`,
		"fcm":      fcm(failed),
		"apns_p8":  p8(failed),
		"apns_p12": p12(failed),
		"tpns":     tpns,
	}
	return func(yield func(platform, fields string) bool) {
		for _, platform := range slices.Sorted(maps.Keys(all)) {
			if !yield(platform, all[platform]) {
				return
			}
		}
	}
}
