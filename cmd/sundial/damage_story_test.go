package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"sundial/internal/datadir"
	"sundial/internal/testing/pastdata"
)

// damageBase is a directory that copies are damaged of, and what is right to answer from it.
type damageBase struct {
	dir   string
	old   string // a copy of it from before the second half of the story
	kinds []string
	paths map[string][]string

	answers []pastdata.Asked // to the story's questions, in their order
	notes   string           // what the readiness says of a sound one
	head    uint64           // of the log, once the bills that wait were taken in
}

// What a question's answer is of, beside the log: what of it may be lost with a word where the log cannot give it back.
const (
	ofLog    = ""
	ofTokens = "tokens"
	ofParked = "parked"
	ofBills  = "bills" // those that wait
	ofKeys   = "keys"
)

// How an answer is held against the right one.
const (
	sameAnswer = ""      // it is the same
	newApp     = "app"   // an app with a number that none had
	newID      = "id"    // a certificate with an id that none had
	sameStatus = "state" // it has the same status
	sameStates = "apps"  // apps have the same states
)

// damageQuestion is a request, or a command to be given, and how its answer is judged.
type damageQuestion struct {
	pastdata.Asked

	of   string
	want string
}

// damageStory makes the directories: some weeks of 2021, in which there is something of everything that is stored. The second
// half of it is told twice, once for each end.
type damageStory struct {
	t      testing.TB
	p      *pastdata.Process
	tokens map[string]pastdata.Token
	keys   int

	apps  map[string]string // path of each app, by its name
	sigs  map[string]string // a body to verify, by the app's name
	again []damageQuestion  // commands that were given, to be given again
}

const (
	damageBegins = "2021-01-01T00:00:00Z"
	damageDay5   = "2021-01-05T12:00:00.000Z"
	damagePrice  = `{"currency":"CNY","minor":99900}`

	damageFree   = "free"
	damageEvents = "/v1/billing/events"

	// damageLate is the account whose bills wait at the end, so many that some still do after a kill.
	damageLate  = "late"
	damageBills = 60

	// damageTaken is a number that an import took in the second half; it lies among those that new apps get.
	damageTaken = 1400000400
)

func (s *damageStory) ask(want int, as, method, path, body string) pastdata.Asked {
	s.t.Helper()
	a := pastdata.Asked{As: as, Method: method, Path: path, Body: body}
	if method != http.MethodGet {
		s.keys++
		a.Header = damageHeader(path, fmt.Sprintf("damage-%03d", s.keys))
	}
	a, err := s.p.Ask(s.t.Context(), s.tokens, a)
	if err != nil {
		s.t.Fatal(err)
	}
	if a.Status != want {
		s.t.Fatalf("%s: status %d, want %d: %s\n%s", a.Name(), a.Status, want, a.Said, body)
	}
	return a
}

// damageHeader is what a command carries.
func damageHeader(path, key string) map[string]string {
	if path == damageEvents {
		return map[string]string{"Content-Type": "application/cloudevents+json"}
	}
	return map[string]string{"Idempotency-Key": key}
}

// give gives a command that is given again later.
func (s *damageStory) give(want int, as, method, path, body string) pastdata.Asked {
	s.t.Helper()
	a := s.ask(want, as, method, path, body)
	s.again = append(s.again, damageQuestion{Asked: a})
	return a
}

func (s *damageStory) member(a pastdata.Asked, name string) string {
	s.t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(a.Said), &members); err != nil {
		s.t.Fatal(err)
	}
	switch v := members[name].(type) {
	case string:
		return v
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	s.t.Fatalf("%s: no %s in %s", a.Name(), name, a.Said)
	return ""
}

func (s *damageStory) token(name, role, account string) {
	s.t.Helper()
	a := s.ask(http.StatusCreated, "operator", http.MethodPost, "/v1/tokens", fmt.Sprintf(`{"role":%q,"account":%q,"name":%q}`, role, account, name))
	s.tokens[name] = pastdata.Token{ID: s.member(a, "id"), Secret: s.member(a, "token"), Inbox: s.member(a, "inbox_prefix")}
}

func (s *damageStory) revoke(name string) {
	s.t.Helper()
	s.ask(http.StatusOK, "operator", http.MethodDelete, "/v1/tokens/"+s.tokens[name].ID, "")
}

// create makes an app, with an order unless it is free; more is a further member of the order.
func (s *damageStory) create(account, name, more string) string {
	s.t.Helper()
	body := fmt.Sprintf(`{"name":%q,"order":{"id":%q,"edition":"pro",%s"amount":%s}}`, name, "ord "+name, more, damagePrice)
	if more == damageFree {
		body = fmt.Sprintf(`{"name":%q}`, name)
	}
	a := s.give(http.StatusCreated, "operator", http.MethodPost, "/v1/accounts/"+account+"/apps", body)
	s.apps[name] = "/v1/apps/" + s.member(a, "app")
	return s.apps[name]
}

func (s *damageStory) sign(name, user string) {
	s.t.Helper()
	a := s.ask(http.StatusOK, "operator", http.MethodPost, s.apps[name]+"/usersigs", fmt.Sprintf(`{"user_id":%q,"expire_seconds":31536000}`, user))
	s.sigs[name] = fmt.Sprintf(`{"user_id":%q,"user_sig":%q}`, user, s.member(a, "user_sig"))
}

func damageBill(id, kind, account, app, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","source":"urn:billing","id":%q,"type":"sundial.billing.%s","data":{"account":%q,"app":%s,%s}}`,
		id, kind, account, strings.TrimPrefix(app, "/v1/apps/"), data)
}

func damageOverdue(id, account, app, invoice, at string) string {
	return damageBill(id, "invoice.overdue", account, app,
		fmt.Sprintf(`"invoice":%q,"version":1,"effective_at":%q,"amount":{"currency":"CNY","minor":500}`, invoice, at))
}

// bill sends a bill over HTTP.
func (s *damageStory) bill(outcome, text string) {
	s.t.Helper()
	a := s.ask(http.StatusOK, "billing", http.MethodPost, damageEvents, text)
	if !strings.Contains(a.Said, `"outcome":"`+outcome+`"`) {
		s.t.Fatalf("want %s: %s\n%s", outcome, a.Said, text)
	}
}

func (s *damageStory) clock(to string) {
	s.t.Helper()
	s.ask(http.StatusOK, "operator", http.MethodPost, "/v1/clock/advance", `{"to":"`+to+`"}`)
}

// first is the half of the story after which the older copy is made.
func (s *damageStory) first() {
	s.t.Helper()
	s.token("acme", "owner", "acme")
	s.token("billing", "billing", "")
	s.token("auditor", "auditor", "")
	s.token("former", "operator", "")
	s.token("guest", "owner", "globex")
	s.revoke("guest")
	s.ask(http.StatusOK, "operator", http.MethodPut, "/v1/accounts/acme/quota", `{"apps":120,"reason":"agreed on"}`)

	shop := s.create("acme", "shop", "")
	s.give(http.StatusOK, "acme", http.MethodPatch, shop, `{"introduction":"sells"}`)
	s.give(http.StatusOK, "acme", http.MethodPost, shop+"/admins", `{"names":["alice","bob"]}`)
	s.ask(http.StatusCreated, "acme", http.MethodPost, shop+"/certificates", damageCertificate)
	s.sign("shop", "alice")
	s.give(http.StatusOK, "acme", http.MethodPut, shop+"/services/trtc", `{}`)
	owing := s.create("acme", "owing", "")
	s.create("acme", "ends", `"paid_until":"2021-01-20T00:00:00Z",`)
	s.create("acme", "goes", `"paid_until":"2021-01-03T00:00:00Z",`)
	gone := s.create("globex", "gone", damageFree)
	s.sign("gone", "alice")
	resting := s.create("globex", "resting", "")
	s.give(http.StatusOK, "operator", http.MethodPost, resting+"/stop", `{"reason":"a complaint"}`)
	s.ask(http.StatusOK, "operator", http.MethodPost, gone+"/stop", `{"reason":"to be deleted"}`)
	s.create(damageLate, "late", "")
	s.ask(http.StatusCreated, "operator", http.MethodPost, "/v1/accounts/globex/apps/import",
		`{"app":1300000001,"name":"moved in","created_at":"2018-06-01T08:00:00Z","edition":"pro","keys":[{"algorithm":"HMAC-SHA256","secret":"`+strings.Repeat("5a", 32)+`"}]}`)
	s.apps["moved in"] = "/v1/apps/1300000001"
	s.sign("moved in", "alice")

	s.clock(damageDay5)
	s.bill("accepted", damageOverdue("b-1", "acme", owing, "inv-1", damageDay5))
	s.bill("parked", damageOverdue("b-2", "acme", "1399999999", "inv-2", damageDay5))
	s.bill("parked", damageBill("b-3", "invoice.lost", "acme", owing, `"invoice":"x"`))
}

const damageCertificate = `{"platform":"vivo","fields":{"app_key":"k","app_id":"1","app_secret":"s3cret-s3cret","click_action":{"type":"open_app"}}}`

// second goes on from there.
func (s *damageStory) second() {
	s.t.Helper()
	s.token("globex", "owner", "globex")
	s.revoke("former")
	later := s.create("acme", "later", "")
	s.sign("later", "alice")
	s.ask(http.StatusCreated, "acme", http.MethodPost, later+"/certificates", damageCertificate)
	s.ask(http.StatusOK, "acme", http.MethodPost, s.apps["shop"]+"/key/rotate", `{"overlap":"2160h"}`)
	s.sign("shop", "carol")
	s.give(http.StatusOK, "acme", http.MethodPatch, s.apps["ends"], `{"name":"ends soon"}`)
	s.ask(http.StatusOK, "operator", http.MethodDelete, s.apps["gone"]+"?confirm=gone", "")
	s.ask(http.StatusCreated, "operator", http.MethodPost, "/v1/accounts/globex/apps/import",
		fmt.Sprintf(`{"app":%d,"name":"taken","created_at":"2019-01-01T00:00:00Z","edition":"pro"}`, damageTaken))
	s.apps["taken"] = fmt.Sprintf("/v1/apps/%d", damageTaken)
	s.bill("accepted", damageBill("b-4", "order.refunded", "globex", s.apps["moved in"], `"order":"none","effective_at":"2021-01-05T00:00:00Z"`))
	s.bill("accepted", damageOverdue("b-5", "acme", later, "inv-5", damageDay5))
	s.bill("parked", damageOverdue("b-6", "acme", "1399999998", "inv-6", damageDay5))
	s.ask(http.StatusOK, "operator", http.MethodDelete, s.parked("b-2"), "")
	s.clock("2021-01-14T00:00:00Z") // owing was stopped on the 12th
	s.ask(http.StatusCreated, "acme", http.MethodPost, s.apps["goes"]+"/deletion-requests", `{"reason":"moved away"}`)
	s.publish()
}

// parked is the path of what is parked under an event's id.
func (s *damageStory) parked(id string) string {
	s.t.Helper()
	a := s.ask(http.StatusOK, "operator", http.MethodGet, "/v1/parked", "")
	var page struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(a.Said), &page, json.MatchCaseInsensitiveNames(true)); err != nil {
		s.t.Fatal(err)
	}
	for _, item := range page.Items {
		if strings.Contains(fmt.Sprint(item), " "+id+" ") || fmt.Sprint(item["event_id"]) == id {
			return fmt.Sprint("/v1/parked/", item["id"])
		}
	}
	s.t.Fatalf("%s is not among what is parked: %s", id, a.Said)
	return ""
}

// publish publishes bills, all at once and acknowledged as one, of which some wait when the program ends next.
func (s *damageStory) publish() {
	s.t.Helper()
	token := s.tokens["billing"]
	nc, err := nats.Connect(s.p.NATS, nats.Token(token.Secret), nats.CustomInboxPrefix(token.Inbox))
	if err != nil {
		s.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		s.t.Fatal(err)
	}
	batch, err := jetstreamext.NewBatchPublisher(js)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range damageBills {
		text := []byte(damageOverdue(lateBill(i), damageLate, s.apps["late"], lateBill(i), "2021-01-13T00:00:00Z"))
		if i == damageBills-1 {
			_, err = batch.Commit(s.t.Context(), "billing."+damageLate, text)
		} else {
			err = batch.Add("billing."+damageLate, text)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// billsMark is how far the bills have come, in the marks of the streams.
var billsMark = regexp.MustCompile(`"nats/BILLING","last":(\d+)`)

func lateBill(i int) string { return fmt.Sprintf("late-%03d", i) }

// questions are what is asked of a directory: first what is read, then commands, old and new.
func (s *damageStory) questions() (all []damageQuestion) {
	get := func(of, as, path string) {
		all = append(all, damageQuestion{Asked: pastdata.Asked{As: as, Method: http.MethodGet, Path: path}, of: of})
	}
	do := func(of, want, as, method, path, body string) {
		s.keys++
		all = append(all, damageQuestion{Asked: pastdata.Asked{
			As: as, Method: method, Path: path, Body: body, Header: damageHeader(path, fmt.Sprintf("asked-%03d", s.keys)),
		}, of: of, want: want})
	}
	names := make([]string, 0, len(s.apps))
	for name := range s.apps {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		of, path := ofLog, s.apps[name]
		if name == damageLate {
			of = ofBills
		}
		get(of, "operator", path)
		get(of, "operator", path+"/history?limit=500")
		get(of, "operator", path+"/statement")
		get(of, "operator", path+"/why?field=status")
		get(ofLog, "operator", path+"/key")
		if sig, has := s.sigs[name]; has && name != "gone" {
			all = append(all, damageQuestion{Asked: pastdata.Asked{As: "operator", Method: http.MethodPost, Path: path + "/usersigs/verify", Body: sig}, of: ofKeys})
		}
	}
	for _, account := range []string{"acme", "globex", damageLate} {
		of := ofLog
		if account == damageLate {
			of = ofBills
		}
		get(of, "operator", "/v1/accounts/"+account)
		get(of, "operator", "/v1/accounts/"+account+"/apps")
		get(of, "operator", "/v1/accounts/"+account+"/history?limit=500")
		get(of, "operator", "/v1/accounts/"+account+"/statement")
		get(of, "operator", "/v1/accounts/"+account+"/apps?as_of=2021-01-06T00:00:00Z&known_at=2021-01-06T00:00:00Z")
	}
	for _, path := range []string{
		"/v1/accounts", "/v1/apps?limit=500", "/v1/apps?status=stopped", "/v1/transitions?limit=500", "/v1/events?limit=500",
		"/v1/deletion-requests", "/v1/certificates?expires_within=9000d", "/v1/clock",
	} {
		get(ofLog, "operator", path)
	}
	get(ofLog, "acme", "/v1/events?limit=500")
	get(ofParked, "operator", "/v1/parked?limit=500")
	get(ofTokens, "operator", "/v1/tokens?limit=500")
	for _, as := range []string{"acme", "globex", "auditor", "billing", "former", "guest"} {
		get(ofTokens, as, "/v1/accounts/acme")
	}

	do(ofLog, newApp, "operator", http.MethodPost, "/v1/accounts/acme/apps", `{"name":"quite new"}`)
	do(ofLog, newApp, "operator", http.MethodPost, "/v1/accounts/globex/apps", `{"name":"quite new"}`)
	do(ofLog, sameAnswer, "operator", http.MethodPost, "/v1/accounts/acme/apps/import",
		fmt.Sprintf(`{"app":%d,"name":"taken twice","created_at":"2019-01-01T00:00:00Z"}`, damageTaken))
	do(ofLog, newID, "operator", http.MethodPost, s.apps["shop"]+"/certificates", damageCertificate)
	for _, a := range s.again {
		a.Status, a.Kept, a.Said = 0, nil, ""
		all = append(all, a)
	}
	do(ofKeys, sameAnswer, "operator", http.MethodPost, s.apps["moved in"]+"/key/reveal", `{"reason":"tried"}`)
	do(ofLog, sameStatus, "billing", http.MethodPost, damageEvents, damageOverdue("b-1", "acme", s.apps["owing"], "inv-1", damageDay5))
	do(ofLog, sameStatus, "billing", http.MethodPost, damageEvents, damageOverdue("b-7", "acme", s.apps["shop"], "inv-7", damageDay5))
	do(ofTokens, sameStatus, "operator", http.MethodPost, "/v1/tokens", `{"role":"auditor","name":"quite new"}`)
	do(ofLog, sameStatus, "operator", http.MethodPost, "/v1/clock/advance", `{"to":"2021-02-10T00:00:00Z"}`)
	for _, account := range []string{"acme", "globex"} {
		all = append(all, damageQuestion{
			Asked: pastdata.Asked{As: "operator", Method: http.MethodGet, Path: "/v1/accounts/" + account + "/apps"}, want: sameStates,
		})
	}
	return all
}

// makeDamageBases tells the story and has the questions answered from copies of what it left, twice where that is asked for: what
// differs then could not be asked.
func makeDamageBases(t *testing.T, twice bool) (bases map[string]*damageBase, questions []damageQuestion, tokens map[string]pastdata.Token) {
	t.Helper()
	s := &damageStory{t: t, tokens: map[string]pastdata.Token{}, apps: map[string]string{}, sigs: map[string]string{}}
	begin := func(dir string, flags ...string) *suspect {
		t.Helper()
		p := suspectOn(t, dir, flags...)
		if class, why := p.ready(); class != "" {
			t.Fatal(class, why)
		}
		s.p = p.asked()
		return p
	}
	root := t.TempDir()
	lived, old, killed := filepath.Join(root, "lived"), filepath.Join(root, "old"), filepath.Join(root, endKill)
	p := begin(lived, "--sandbox-start", damageBegins)
	s.tokens["operator"] = pastdata.Token{Secret: operatorToken(t, lived)}
	s.first()
	p.mustStop(t)
	mustCopy(t, lived, old)
	p = begin(lived)
	s.second()
	// The files of a process that stands still are those that a kill leaves, so one telling has both ends. The bills were
	// acknowledged by the NATS server a moment ago: before the intake has come to the first of them nothing else knows of any.
	for marked := 0; marked < damageBills; {
		text, err := os.ReadFile(filepath.Join(lived, datadir.MarksFile))
		if err != nil {
			t.Fatal(err)
		}
		if mark := billsMark.FindSubmatch(text); mark != nil {
			marked, _ = strconv.Atoi(string(mark[1])) // digits
		}
	}
	p.standStill(t)
	mustCopy(t, lived, killed)
	p.mustStop(t)
	questions = s.questions()
	bases = map[string]*damageBase{endClean: {dir: lived, old: old}, endKill: {dir: killed, old: old}}
	for name, b := range bases {
		var err error
		if b.kinds, b.paths, err = damageable(b.dir); err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if i > 0 && !twice {
				break
			}
			dir := filepath.Join(root, fmt.Sprint(name, i))
			mustCopy(t, b.dir, dir)
			answers := b.answer(t, dir, questions, s.tokens)
			if i == 0 {
				b.answers = answers
				continue
			}
			for n := range answers {
				if d := questions[n].differs(&b.answers[n], &answers[n]); d != "" {
					t.Fatalf("two copies of an undamaged directory answer differently: %s", d)
				}
			}
		}
	}
	return bases, questions, s.tokens
}

func mustCopy(t testing.TB, from, to string) {
	t.Helper()
	if err := copyInto(from, to); err != nil {
		t.Fatal(err)
	}
}
