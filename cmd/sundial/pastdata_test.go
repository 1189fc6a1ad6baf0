package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/internal/testing/pastdata"
)

// pastFolder holds the directories that the program wrote in the past.
const pastFolder = "../../internal/testing/pastdata"

// deviation is an answer that is meant to be another one than the program of the time gave. The recorded answers are not
// edited for that: they are what the program of the time answered. It is declared here, as little as will do.
type deviation struct {
	why  string         // what was decided
	past *regexp.Regexp // of the names of past directories
	asks *regexp.Regexp // of the questions, as pastdata names them: GET /v1/apps/1400000001 as operator
	// undo makes of today's answer the one of the time. Nothing else of the answer may differ.
	undo  func(*pastdata.Asked)
	shape bool // it is another way to say the same, to every role
}

// deviations are all of them. One that no answer needs is refused, so that the table stays true. They are undone in this
// order. For example, a member that is new in every app:
//
//	{
//		why: "an app says which region it is in", past: v1, asks: regexp.MustCompile(`/v1/(accounts/.*/)?apps`),
//		undo: without("region"),
//	},
var deviations = []deviation{
	{
		why: "an app in arrears says how many invoices are open", past: v1, asks: regexp.MustCompile(`.`), shape: true,
		undo: without("invoices_total"),
	},
	{
		why: "invoices stand earliest first, and no longer by their ids", past: v1, asks: regexp.MustCompile(`^POST /v1/apps/1400000008/arrears `), shape: true,
		undo: instead(`("invoices":\[)(\{"id":"inv-restated",.*?"version":\d+\}),(\{"id":"inv-by-hand",.*?"version":\d+\})\]`, `$1$3,$2]`),
	},

	// The place behind a commit has the id of its last event now: 0 or 3 here. One within a commit (337.1) had it before.
	{
		why: "a page says where to go on by the id of an event, or with the epoch", past: regexp.MustCompile(`^v[123]$`),
		asks: regexp.MustCompile(`^GET /v1/events\?`), shape: true,
		undo: instead(`("(?:after|next_cursor)":"\d+)(?:\.[03]|@1)"`, `$1"`),
	},

	// Events are shown in the shape that they have today (docs/events.md), which is that of the next version for six of them.
	{
		why: "an event of before is shown as one of today", past: v1,
		asks: regexp.MustCompile(`^GET /v1/(events|apps/\d+/why)\b`),
		undo: instead(`("dataschema":"urn:sundial:event:|"event":")(app\.(?:arrears_started|arrears_moved|lapsed|lapse_moved|refund_recorded|term_scheduled))\.v2"`, `$1$2.v1"`),
	},
	{
		why: "a schedule lists all expiries that will come, each with its notice", past: v1,
		asks: regexp.MustCompile(`^GET /v1/(events|(apps|accounts)/\w+/history)\?`),
		undo: instead(`("due":"[^"]+","cause":"plan_expired"),"expiries":\[\{"at":"[^"]+","cause":"plan_expired"(,"notice_at":"[^"]+")?\}\]`, `$1$2`),
	},
	{
		why: "a lapse that begins today says for which edition its grace is", past: v1,
		asks: regexp.MustCompile(`^GET /v1/events\?after=286&`),
		undo: instead(`("cause":"plan_expired","since":"[^"]+","stop_due":"[^"]+"),"edition":"(?:pro|flagship)"`, `$1`),
	},

	{
		why: "readiness says whether the intake stands", past: regexp.MustCompile(`.`), asks: regexp.MustCompile(`^GET /readyz`), shape: true,
		undo: instead(`\{"name":"intake","fine":true,"detail":""\},`, ``),
	},

	// An invoice over nothing is no debt. The app that was stopped for one stays so until it is judged anew, on record.
	{
		why: "an invoice over nothing is not open", past: v1,
		asks: regexp.MustCompile(`^GET /v1/(accounts/acme/)?apps\b`),
		undo: instead(`("app":1400000009,[^{}]*"arrears":\{[^{}]*"invoices":)\[\]`, `$1[`+owesNothing+`]`),
	},
	{
		why: "an app that owes nothing was never in arrears, by what is known now", past: v1,
		asks: regexp.MustCompile(`^GET /v1/accounts/acme/apps\?as_of=2021-(01-05|01-12T11)[^&]*&limit=500 as`),
		undo: instead(`("app":1400000009,[^{}]*"arrears":)null(,"lapse":null,"stop":null,"next_transition":)null`,
			`$1`+arrearsOfNothing+`$2{"to":"stopped","due":"2021-01-12T12:00:00.000Z","cause":"arrears"}`),
	},
	{
		why: "an app that owes nothing was never stopped for it, by what is known now", past: v1,
		asks: regexp.MustCompile(`^GET /v1/(accounts/acme/apps\?as_of=2021-(01-12T12|01-20|01-28|02-20)[^&]*&limit=500|apps/1400000009\?as_of=.*) as`),
		undo: instead(`("app":1400000009,[^{}]*"status":)"active"([^{}]*"arrears":)null(,"lapse":null,"stop":)null`,
			`$1"stopped"$2`+arrearsOfNothing+`$3{"cause":"arrears","effective_at":"2021-01-12T12:00:00.000Z","recorded_at":"2021-01-12T12:00:00.000Z"}`),
	},
	{
		why: "an invoice over nothing is said to be one", past: v1,
		asks: regexp.MustCompile(`^GET /v1/apps/1400000009/why`),
		undo: instead(`nothing is owed of invoice inv-nothing any more 2021`, `invoice inv-nothing overdue since 2021`),
	},
	{
		why: "no grace stops an app that owes nothing", past: v1,
		asks: regexp.MustCompile(`^sundial whatif --grace 24h --json$`),
		undo: func(a *pastdata.Asked) {
			instead(`"earlier":18`, `"earlier":19`)(a)
			instead(`"earlier":15`, `"earlier":16`)(a)
			instead(`(\{"fate":"earlier","account":"acme","app":1400000010)`,
				`{"fate":"earlier","account":"acme","app":1400000009,"cause":"arrears","since":"2021-01-05T12:00:00.000Z","was":"2021-01-12T12:00:00.000Z","would":"2021-01-06T12:00:00.000Z","ahead":false},$1`)(a)
		},
	},
	{
		why: "no grace stops an app that owes nothing, as a table", past: v1,
		asks: regexp.MustCompile(`^sundial whatif --grace 240h$`),
		undo: func(a *pastdata.Asked) {
			instead(`(acme +5 +0 +)9 `, `${1}10`)(a)
			instead(`(in total +6 +0 +)11`, `${1}12`)(a)
			instead(`(later +acme +)1400000010`, "${1}1400000009  arrears       2021-01-05T12:00:00.000Z  2021-01-12T12:00:00.000Z  2021-01-15T12:00:00.000Z\n${1}1400000010")(a)
		},
	},
	{
		why: "an invoice is late by the first fact since which it is, not by the last that repeats it", past: v1,
		asks: regexp.MustCompile(`^GET /v1/apps/1400000024/why`), undo: lastRepeated,
	},

	// An order counts from when it is known, if that is before it begins.
	{
		why: "a renewal that was known and had not begun is part of what was to come", past: v1,
		asks: regexp.MustCompile(`^GET /v1/accounts/acme/apps\?as_of=2021-02-20[^&]*&limit=500 as`),
		undo: instead(`("app":1400000013,[^{}]*"paid_until":"2021-02-)23([^{}]*"next_transition":\{"to":"expired","due":"2021-02-)23(.*?"version":)7,"position":113\}`,
			`${1}22${2}22${3}4,"position":56}`),
	},
	{
		why: "a renewal that was known and had not begun is part of what had happened", past: v1,
		asks: regexp.MustCompile(`^GET /v1/accounts/acme\?as_of=2021-02-20\S* as`),
		undo: instead(`"version":150,"position":113`, `"version":143,"position":108`),
	},

	// commandsTakeAnotherReason holds the answer against the first one.
	{
		why: "a reason is no part of a command's content", past: v1,
		asks: regexp.MustCompile(`^POST /v1/(apps/1400000001/key/reveal \(key past-008\)|apps/1400000004/stop \(key past-041\)|deletion-requests/1400000021-197/reject \(key past-088\)) as`),
		undo: func(a *pastdata.Asked) {
			if a.Body != `{"reason":"another"}` || a.Status != http.StatusOK {
				return
			}
			a.Status, a.Said = http.StatusUnprocessableEntity, keyReused
			a.Kept = map[string]string{"Content-Type": "application/problem+json", "Idempotency-Key": a.Kept["Idempotency-Key"]}
		},
	},
	{
		why: "a UserSig that is verified says from when to when it is valid", past: v1, asks: regexp.MustCompile(`/usersigs/verify`),
		undo: func(a *pastdata.Asked) { without("issued_at")(a); without("expires_at")(a) },
	},

	// The forecast listed of each app what was set, and nothing behind it.
	{
		why: "the calendar counts returns to active", past: regexp.MustCompile(`^v[12]$`), asks: regexp.MustCompile(`^GET /v1/transitions/days`), shape: true,
		undo: without("active"),
	},
	{
		why: "the calendar counts what is known behind the next transition", past: regexp.MustCompile(`^v[12]$`), asks: regexp.MustCompile(`^GET /v1/transitions/days`),
		undo: instead(`,\{"day":"2021-(?:03-27|04-10|05-08|05-09|05-10|05-11|06-01|06-02|06-08|06-09|07-08)",[^{}]*\}`, ``),
	},
	{
		why: "the forecast lists the stop behind an expiry to come, and the order behind that", past: regexp.MustCompile(`^v[12]$`), asks: regexp.MustCompile(`^GET /v1/transitions\?`),
		undo: instead(`,\{"app":\d+,"account":"acme","from":(?:"expired","to":"stopped"|"stopped","to":"active"),"due":"2021-0(?:3-27|4|5|6|7)[^{}]*\{[^{}]*\}\}`, ``),
	},
	{
		why: "the forecast lists the expiries behind a gap", past: regexp.MustCompile(`^v2$`), asks: regexp.MustCompile(`^GET /v1/transitions\?`),
		undo: instead(`,\{"app":\d+,"account":"acme","from":"active","to":"expired","due":"2021-06-0[12]T[^{}]*\{[^{}]*\}\}`, ``),
	},
}

// v1 was made before orders could begin ahead, invoices over nothing were no debts, and reasons were no content.
var v1 = regexp.MustCompile(`^v1$`)

const (
	owesNothing      = `{"id":"inv-nothing","amount":{"currency":"CNY","minor":0},"since":"2021-01-05T12:00:00.000Z","version":1}`
	arrearsOfNothing = `{"since":"2021-01-05T12:00:00.000Z","stop_due":"2021-01-12T12:00:00.000Z","invoices":[` + owesNothing + `]}`

	keyReused = `{"type":"urn:sundial:problem:idempotency_key_reused","title":"Idempotency key reused","status":422,` +
		`"detail":"This Idempotency-Key was used for another command.","code":"idempotency_key_reused",` +
		`"fix":"Make up a new key for each command; repeat one only to send the same command again."}`
)

// instead puts what was said where today something else is.
func instead(today, then string) func(*pastdata.Asked) {
	pattern := regexp.MustCompile(today)
	return func(a *pastdata.Asked) { a.Said = pattern.ReplaceAllString(a.Said, then) }
}

var (
	firstBill     = regexp.MustCompile(`late-00([1-6])`)
	firstPosition = regexp.MustCompile(`(position |"position":)(15[89]|16[0-3])\b`)
	sixthInvoice  = regexp.MustCompile(`- invoice inv-6 (?:[^-]|-[^ ])*late-118\\n|,\{[^{}]*inv-6 [^{}]*"id":"late-118"\}`)
)

// lastRepeated names the last bill of each invoice of the late account where today the first one is named: bill n is about
// invoice n%7. The one since which the app is in arrears, of inv-0, was named beside the last one.
func lastRepeated(a *pastdata.Asked) {
	a.Said = firstBill.ReplaceAllStringFunc(a.Said, func(bill string) string { return fmt.Sprint("late-11", bill[len(bill)-1]-'0'+2) })
	a.Said = firstPosition.ReplaceAllStringFunc(a.Said, func(at string) string {
		n, _ := strconv.Atoi(at[len(at)-3:])
		return at[:len(at)-3] + strconv.Itoa(n+112)
	})
	a.Said = sixthInvoice.ReplaceAllStringFunc(a.Said, func(link string) string {
		return link + strings.NewReplacer("inv-6", "inv-0", "late-118", "late-119", "275", "276").Replace(link)
	})
}

// without undoes a member of JSON objects, at whatever depth, that was added since.
func without(name string) func(*pastdata.Asked) {
	return func(a *pastdata.Asked) {
		a.Said = pastdata.EachMember(a.Said, func(member string, _ *jsontext.Value) bool { return member != name })
	}
}

func TestWithoutAMemberTheRestOfAnAnswerStays(t *testing.T) {
	const text = `{"items":[{"a":1.50,"new":{"x":[1]},"b":"\u003c<"},{"new":null}],"new":"n","c":{}}`
	a := pastdata.Asked{Said: text}
	without("new")(&a)
	if want := `{"items":[{"a":1.50,"b":"\u003c<"},{}],"c":{}}`; a.Said != want {
		t.Errorf("got %s, want %s", a.Said, want)
	}
}

// TestPastDirectoriesAreAnsweredAsInTheirTime starts the program on each data directory that was kept from the past, and asks
// what the program of the time was asked. The answers are the same: what is, what was, as whoever may see it; commands and
// bills that were sent then and are sent again; and what becomes of it all as time passes on.
//
// What is legitimately of a process is not compared: the ids that it gives to requests made to it (pastdata.Process.Ask
// replaces them, in the text of refusals and in the commits that follow from them), and headers other than those that say what is
// stored, such as the date and how old the view of the projections is.
func TestPastDirectoriesAreAnsweredAsInTheirTime(t *testing.T) {
	all, err := pastdata.List(pastFolder)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("there is no directory in %s", pastFolder)
	}
	needed := make([]bool, len(deviations))
	for i := range all {
		past := &all[i]
		t.Run(past.Name, func(t *testing.T) { compareWithPast(t, past, needed) })
	}
	for i, d := range deviations {
		if !needed[i] {
			t.Errorf("no answer deviates because %s: take it out", d.why)
		}
	}
}

func compareWithPast(t *testing.T, past *pastdata.Past, needed []bool) {
	p := startPast(t, past)
	const shown = 20
	differing := 0
	for i := range past.Answers {
		want := &past.Answers[i]
		got, err := p.Ask(t.Context(), past.Tokens, *want)
		if err != nil {
			t.Fatal(err)
		}
		difference := pastdata.Difference(want, &got)
		if difference != "" {
			undone := got
			for n, d := range deviations {
				if !d.past.MatchString(past.Name) || !d.asks.MatchString(want.Name()) {
					continue
				}
				before := undone.Said
				d.undo(&undone)
				needed[n] = needed[n] || undone.Said != before || undone.Status != got.Status
			}
			difference = pastdata.Difference(want, &undone)
		}
		if difference == "" {
			continue
		}
		if differing++; differing <= shown {
			t.Errorf("answer %d (%s): %s", i+1, want.Part, difference)
		}
	}
	if differing > 0 {
		t.Errorf("%d of %d answers of %s are not those of its time (%s). Were they meant to change, say so in the table of deviations; the directory stays as it is.",
			differing, len(past.Answers), past.Name, past.Program)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

// startPast starts today's program on a directory of the past, and waits until it has settled.
func startPast(t *testing.T, past *pastdata.Past) *pastdata.Process {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := past.Unpack(dir); err != nil {
		t.Fatal(err)
	}
	p, err := pastdata.Start(func(args ...string) *exec.Cmd { return sundial(t, args...) }, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if err := past.Settled(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return p
}

func eachPast(t *testing.T, each func(t *testing.T, past *pastdata.Past)) {
	all, err := pastdata.List(pastFolder)
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		t.Run(all[i].Name, func(t *testing.T) { each(t, &all[i]) })
	}
}

// rewrite writes a JSON object again with other members.
func rewrite(t *testing.T, text string, change func(map[string]jsontext.Value)) string {
	t.Helper()
	members := map[string]jsontext.Value{}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &members); err != nil {
			t.Fatal(err)
		}
	}
	change(members)
	b, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// asBefore puts a question that was put in the past, changed, and wants the answer of the past.
func asBefore(t *testing.T, p *pastdata.Process, past *pastdata.Past, want *pastdata.Asked, change func(*pastdata.Asked)) {
	t.Helper()
	a := *want
	change(&a)
	got, err := p.Ask(t.Context(), past.Tokens, a)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deviations {
		if d.shape && d.past.MatchString(past.Name) && d.asks.MatchString(want.Name()) {
			d.undo(&got)
		}
	}
	if d := pastdata.Difference(want, &got); d != "" {
		t.Errorf("%s\n%s", d, a.Body)
	}
}

// rebuilt wants that the projections are what the log makes of them.
func rebuilt(t *testing.T, p *pastdata.Process) {
	t.Helper()
	a, err := p.Ask(t.Context(), nil, pastdata.Asked{Run: []string{"rebuild", "--check", "--json"}})
	if err != nil || a.Status != 0 {
		t.Errorf("rebuild --check: exit %d, %s (%v)", a.Status, a.Said, err)
	}
}

// parkedOnce lists the ids of parked events that could be read: with other bytes, one that cannot is another one.
func parkedOnce(t *testing.T, p *pastdata.Process, past *pastdata.Past) (ids []string) {
	t.Helper()
	a, err := p.Ask(t.Context(), past.Tokens, pastdata.Asked{As: "operator", Method: http.MethodGet, Path: "/v1/parked?limit=500"})
	var page struct {
		Items []struct {
			ID   string `json:"id"`
			Code string `json:"code"`
		} `json:"items"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(a.Said), &page)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Items {
		switch item.Code {
		case "app_not_found", "app_deleted", "effective_too_far_ahead", "fact_id_reused", "wrong_account":
			ids = append(ids, item.ID)
		}
	}
	return ids
}

// TestWhatThePastSentComesAgainOtherwise sends what was sent in the past again, and changes what is none of its content. All
// of it goes to one program on each directory: the first two parts record nothing, which they look at.
func TestWhatThePastSentComesAgainOtherwise(t *testing.T) {
	eachPast(t, func(t *testing.T, past *pastdata.Past) {
		p := startPast(t, past)
		rebuilt(t, p)
		for _, part := range []struct {
			name string
			run  func(*testing.T, *pastdata.Process, *pastdata.Past)
		}{
			{"bills with other attributes", billsComeAgainWithOtherAttributes},
			{"commands with another reason", commandsTakeAnotherReason},
			{"renewals that were parked", renewalsThatWereParkedAreTakenWhenReplayed},
		} {
			t.Run(part.name, func(t *testing.T) { part.run(t, p, past) })
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// billsComeAgainWithOtherAttributes delivers every bill of the past again with all changed but its source, id,
// type and data: what was taken in is a duplicate, what is parked stays parked, once, and nothing is recorded.
func billsComeAgainWithOtherAttributes(t *testing.T, p *pastdata.Process, past *pastdata.Past) {
	parked := parkedOnce(t, p, past)
	bills, taken := 0, 0
	for i := range past.Answers {
		want := &past.Answers[i]
		if want.Part != pastdata.PartAgain || want.Path != "/v1/billing/events" {
			continue
		}
		bills++
		if strings.Contains(want.Said, `"outcome":"duplicate"`) {
			taken++
		}
		asBefore(t, p, past, want, func(a *pastdata.Asked) {
			a.Body = rewrite(t, a.Body, func(members map[string]jsontext.Value) {
				members["traceparent"] = jsontext.Value(`"00-11111111111111111111111111111111-2222222222222222-00"`)
				members["time"] = jsontext.Value(`"2021-03-06T01:02:03Z"`)
				members["hop"] = jsontext.Value(`7`)
				delete(members, "correlationid")
			})
		})
	}
	if taken < 20 || bills < taken+8 {
		t.Errorf("%d bills were sent again, %d of them taken in before: that is not what the directory is for", bills, taken)
	}
	if again := parkedOnce(t, p, past); !slices.Equal(again, parked) {
		t.Errorf("parked are now %q, were %q", again, parked)
	}
	if err := past.Settled(t.Context(), p); err != nil {
		t.Errorf("something was recorded: %v", err)
	}
}

// commandsTakeAnotherReason gives every command of the past again under its key with another reason, which
// is no part of its content: it is answered as the first time, the first reason included, and nothing is recorded.
func commandsTakeAnotherReason(t *testing.T, p *pastdata.Process, past *pastdata.Past) {
	commands := 0
	for i := range past.Answers {
		want := &past.Answers[i]
		if want.Part != pastdata.PartAgain || want.Header["Idempotency-Key"] == "" || want.Status == http.StatusUnprocessableEntity {
			continue
		}
		commands++
		asBefore(t, p, past, want, func(a *pastdata.Asked) {
			if a.Method == http.MethodDelete {
				at, err := url.Parse(a.Path)
				if err != nil {
					t.Fatal(err)
				}
				q := at.Query()
				q.Set("reason", "said otherwise")
				at.RawQuery = q.Encode()
				a.Path = at.String()
				return
			}
			a.Body = rewrite(t, a.Body, func(members map[string]jsontext.Value) { members["reason"] = jsontext.Value(`"said otherwise"`) })
		})
	}
	if commands < 80 {
		t.Errorf("only %d commands were given again", commands)
	}
	if err := past.Settled(t.Context(), p); err != nil {
		t.Errorf("something was recorded: %v", err)
	}
	rebuilt(t, p)
}

// renewalsThatWereParkedAreTakenWhenReplayed replays what the program of the time found too far ahead, when nothing
// could be told ahead: a renewal is taken in, and is a duplicate from then on; a refund still waits for its time.
func renewalsThatWereParkedAreTakenWhenReplayed(t *testing.T, p *pastdata.Process, past *pastdata.Past) {
	if !v1.MatchString(past.Name) {
		t.Skip("what its program found too far ahead still is")
	}
	ask := func(as, method, path, body string) pastdata.Asked {
		t.Helper()
		a := pastdata.Asked{As: as, Method: method, Path: path, Body: body}
		if path == "/v1/billing/events" {
			a.Header = map[string]string{"Content-Type": "application/cloudevents+json"}
		}
		a, err := p.Ask(t.Context(), past.Tokens, a)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	var page struct {
		Items []struct {
			ID    string         `json:"id"`
			Code  string         `json:"code"`
			Type  string         `json:"type"`
			Event jsontext.Value `json:"event"`
			App   int64          `json:"app"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(ask("operator", http.MethodGet, "/v1/parked?limit=500", "").Said), &page); err != nil {
		t.Fatal(err)
	}
	taken, waits := 0, 0
	for _, parked := range page.Items {
		if parked.Code != "effective_too_far_ahead" {
			continue
		}
		done := ask("operator", http.MethodPost, "/v1/parked/"+parked.ID+"/replay", "")
		if parked.Type != "sundial.billing.order.paid" {
			waits++
			if done.Status != http.StatusConflict {
				t.Errorf("%s: %d %s, want 409", parked.Type, done.Status, done.Said)
			}
			continue
		}
		taken++
		if done.Status != http.StatusOK {
			t.Errorf("the renewal: %d %s", done.Status, done.Said)
			continue
		}
		again := rewrite(t, string(parked.Event), func(members map[string]jsontext.Value) { members["traceparent"] = jsontext.Value(`"00-1"`) })
		if a := ask("billing", http.MethodPost, "/v1/billing/events", again); !strings.Contains(a.Said, `"outcome":"duplicate"`) {
			t.Errorf("the renewal again: %s", a.Said)
		}
		var bill struct{ Data struct{ Order string } }
		if err := json.Unmarshal(parked.Event, &bill, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		if a := ask("operator", http.MethodGet, fmt.Sprintf("/v1/apps/%d/statement", parked.App), ""); !strings.Contains(a.Said, strconv.Quote(bill.Data.Order)) {
			t.Errorf("the statement lacks order %s: %s", bill.Data.Order, a.Said)
		}
	}
	if taken == 0 || waits == 0 {
		t.Errorf("%d renewals and %d others were too far ahead: there is nothing to show", taken, waits)
	}
	rebuilt(t, p)
}

// TestPastDirectoriesHoldWhatTheyAreFor looks into the recorded answers, so that a directory that lacks something is noticed
// when it is made, not when that something breaks.
func TestPastDirectoriesHoldWhatTheyAreFor(t *testing.T) {
	all, err := pastdata.List(pastFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, past := range all {
		var said, again strings.Builder
		for _, a := range past.Answers {
			switch a.Part {
			case pastdata.PartReads:
				said.WriteString(a.Said)
			case pastdata.PartAgain:
				again.WriteString(a.Said)
			}
		}
		things := []string{
			`"status":"active"`, `"status":"expired"`, `"status":"stopped"`, `"status":"deleted"`,
			`"edition":"trial"`, `"edition":"trtc_trial"`, `"edition":"pro"`, `"edition":"flagship"`,
			`"cause":"arrears"`, `"cause":"refund"`, `"cause":"plan_expired"`, `"cause":"manual"`, `"cause":"operator"`,
			`"code":"app_not_found"`, `"code":"app_deleted"`, `"code":"effective_too_far_ahead"`, `"code":"fact_id_reused"`, `"code":"malformed_json"`,
			`"code":"missing_field"`, `"code":"wrong_type"`, `"code":"unknown_type"`, `"code":"wrong_account"`,
			`"state":"open"`, `"revoked_at":"`, `"expires_at":"9999`, `"valid":true`, `"platform":"apns_p12"`, `"traceparent"`,
			`app.certificate_expiry_noticed`, `app.deletion_withdrawn`, `app.hold_added`, `app.hold_ended`, `app.lapse_moved`, `app.lapse_renamed`, `"reason":"a complaint"`,
		}
		if !v1.MatchString(past.Name) {
			things = append(things, `"cause":"order"`, `"to":"edition:flagship"`, `"by":"order"`, `"goodwill":true`, `"warnings":[`, `"refund":"part-1"`)
		}
		for _, want := range things {
			if !strings.Contains(said.String(), want) {
				t.Errorf("%s: no answer has %s", past.Name, want)
			}
		}
		for _, want := range []string{`"code":"idempotency_key_reused"`, `"outcome":"duplicate"`, `"secret":"`} {
			if !strings.Contains(again.String(), want) {
				t.Errorf("%s: nothing that was sent again was answered with %s", past.Name, want)
			}
		}
		if past.Waiting == 0 {
			t.Errorf("%s: no bill waits", past.Name)
		}
	}
}

// TestMakePastDirectory makes another one, with the program that SUNDIAL_PAST_PROGRAM names, under the name SUNDIAL_PAST_NAME.
// It is what scripts/make-past-directory runs.
func TestMakePastDirectory(t *testing.T) {
	program, name := os.Getenv("SUNDIAL_PAST_PROGRAM"), os.Getenv("SUNDIAL_PAST_NAME")
	if program == "" || name == "" {
		t.Skip("only where scripts/make-past-directory asks for it")
	}
	command := func(args ...string) *exec.Cmd {
		cmd := sundial(t, args...) // for its environment
		cmd.Path = program
		return cmd
	}
	if err := pastdata.Make(t.Context(), command, filepath.Join(pastFolder, name), t.TempDir(), t.Output()); err != nil {
		t.Fatal(err)
	}
}
