package people

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"sundial/internal/testing/oracle"
)

const (
	sequences = 200  // in the usual tests
	steps     = 15   // of a sequence, on average; many short ones find more in the same time
	perServer = 1000 // keeps the tokens of one server, of which each sequence takes two, and the sweeps small
)

// TestModel holds the API against the model: sequences of commands of all roles, each on an account of its own. With
// SUNDIAL_MODEL=5000 there are as many sequences.
func TestModel(t *testing.T) {
	count := sequences
	if text := os.Getenv("SUNDIAL_MODEL"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	for ; count > 0; count -= perServer {
		if err := flag.Set("rapid.steps", strconv.Itoa(steps)); err != nil {
			t.Fatal(err)
		}
		if err := flag.Set("rapid.checks", strconv.Itoa(min(count, perServer))); err != nil {
			t.Fatal(err)
		}
		w := start(t)
		rapid.Check(t, func(rt *rapid.T) {
			s := w.sequence(rt)
			rt.Repeat(map[string]func(*rapid.T){
				"account": func(rt *rapid.T) { s.do(rt, s.onAccount(rt)) },
				"app":     func(rt *rapid.T) { s.do(rt, s.onApp(rt)) },
				"app too": func(rt *rapid.T) { s.do(rt, s.onApp(rt)) }, // more often than the others
				"again":   s.again,
				"time":    s.time,
			})
			s.look(rt)
		})
		if t.Failed() {
			return
		}
	}
}

// sequence is one account and what was done to it.
type sequence struct {
	*world
	account *Account
	tokens  map[Role]string
	sent    []Command
	keys    int
}

func (w *world) sequence(rt *rapid.T) *sequence {
	w.accounts++
	s := &sequence{world: w, account: &Account{Name: fmt.Sprint("a", w.accounts)}, tokens: map[Role]string{}}
	var clock clockView
	w.must(rt, "GET", "/v1/clock", nil, &clock)
	s.account.Now = millis(&clock.Now)
	for _, role := range []Role{Owner, Reader} {
		s.tokens[role] = w.token(rt, role, s.account.Name)
	}
	for role, token := range w.tokens {
		s.tokens[role] = token
	}
	return s
}

// do gives a command and holds the answer against the model.
func (s *sequence) do(rt *rapid.T, c Command) {
	if c.Key == "" {
		s.keys++
		c.Key = fmt.Sprint("k", s.keys)
	}
	right := s.account.Judge(c)
	method, path, body := c.request(s.account.Name)
	headers := []string{"Idempotency-Key", c.Key}
	if c.Stale {
		headers = append(headers, "If-Match", `"999999"`)
	}
	var sent any
	if body != nil {
		sent = body
	}
	got := s.ask(rt, s.tokens[c.Role], method, path, sent, headers...)
	rt.Logf("at %s %s %s: %s %s %v -> %d %s", instant(s.account.Now), c.Key, c.Role, method, path, body, got.status, got.code())
	i := slices.IndexFunc(right, func(o Outcome) bool { return o.Status == got.status && o.Code == got.code() })
	if i < 0 {
		rt.Fatalf("%s: answered %d %s, right is %s", c.Name, got.status, got.body, list(right))
	}
	o := right[i]
	s.sent = append(s.sent, c)
	if got.status > 299 {
		return
	}
	if c.Name == "set_quota" {
		s.account.Answered(c, o, 0, 0, o.Change == Grows)
		return
	}
	app := read(rt, got.body)
	if version, number, known := s.account.Known(c); known {
		if app.Version != version || app.App != number {
			rt.Fatalf("%s again: version %d of %d, first answered %d of %d", c.Name, app.Version, app.App, version, number)
		}
		return
	}
	var before uint64
	if c.Name == "import_app" && o.Change == Same { // imported already
		return
	}
	if c.App != nil {
		before = c.App.Version
	}
	if o.Change == Same && app.Version != before || o.Change == Grows && app.Version <= before || app.Version < before {
		rt.Fatalf("%s: version %d after %d, where it must be %s", c.Name, app.Version, before, o.Change)
	}
	grew := app.Version > before
	s.account.Answered(c, o, app.App, app.Version, grew)
	if c.App == nil {
		c.App = s.account.Apps[len(s.account.Apps)-1]
	}
	c.App.Version = app.Version
	if c.Name == "request_deletion" && app.Deletion != nil {
		c.App.Requested(app.Deletion.ID)
	}
	if grew && (c.Body.Order != nil || c.Body.Fact != nil || c.Body.Import != nil) { // something may be due by it
		s.advance(rt, s.account.Now)
		return
	}
	s.compare(rt, c.App, app)
}

func list(all []Outcome) (text string) {
	for _, o := range all {
		text += fmt.Sprintf("[%d %s]", o.Status, o.Code)
	}
	return text
}

func (c Change) String() string { return [...]string{"any", "the same", "higher"}[c] }

// again gives a command that was given before, under its id, for another reason or with a version that is stale; or
// another one under its id.
func (s *sequence) again(rt *rapid.T) {
	if len(s.sent) == 0 {
		rt.Skip("nothing was sent")
	}
	c := rapid.SampledFrom(s.sent).Draw(rt, "again")
	if rapid.IntRange(0, 3).Draw(rt, "other content") == 0 {
		other := s.onApp(rt)
		other.Key = c.Key
		c = other
	} else if c.Name != "stop_app" && c.Name != "reject_deletion" { // these need one
		c.Reason = rapid.SampledFrom([]string{"", "said again"}).Draw(rt, "reason")
	}
	c.Stale = !ofAccount[c.Name] && rapid.Bool().Draw(rt, "stale")
	s.do(rt, c)
}

// clockView is the clock as it is answered.
type clockView struct {
	Now time.Time `json:"now"`
}

// time moves the clock.
func (s *sequence) time(rt *rapid.T) {
	to := s.account.Now + Hour*rapid.SampledFrom([]int64{1, 24, 100, 167, 168, 169, 400}).Draw(rt, "hours")
	if due := s.account.Next(); due != 0 && due-s.account.Now < 1000*Hour && rapid.Bool().Draw(rt, "to what is next") {
		to = max(s.account.Now, due-rapid.Int64Range(0, 1).Draw(rt, "before"))
	}
	s.advance(rt, to)
}

func (s *sequence) advance(rt *rapid.T, to int64) {
	var clock clockView
	s.must(rt, http.MethodPost, "/v1/clock/advance", map[string]any{"to": instant(to)}, &clock)
	rt.Logf("advanced to %s", instant(to))
	s.account.Advance(to)
	s.look(rt)
}

// look reads every app and holds it against the model.
func (s *sequence) look(rt *rapid.T) {
	for _, app := range s.account.Apps {
		got := s.ask(rt, s.tokens[Reader], http.MethodGet, fmt.Sprint("/v1/apps/", app.Number), nil)
		if got.status != http.StatusOK {
			rt.Fatalf("reading %d: %d %s", app.Number, got.status, got.body)
		}
		v := read(rt, got.body)
		if v.Version < app.Version {
			rt.Fatalf("%d fell from version %d to %d", app.Number, app.Version, v.Version)
		}
		app.Version = v.Version
		s.compare(rt, app, v)
	}
}

func (s *sequence) compare(rt *rapid.T, app *App, v appView) {
	if d := cmp.Diff(app.Look(s.account.Now), v.seen(), cmpopts.EquateEmpty()); d != "" {
		rt.Fatalf("app %d (-model +answered):\n%s", app.Number, d)
	}
	if app.Held() || app.Deleted { // the texts do not say where what time does leads to while people hold the app
		return
	}
	var next []oracle.Transition
	if v.Next != nil {
		next = []oracle.Transition{{To: v.Next.To, Due: millis(v.Next.Due), Cause: v.Next.Cause}}
	}
	want := app.Next(s.account.Now)
	if len(want) == 0 && len(next) > 0 || len(want) > 0 && (len(next) == 0 || !slices.Contains(want, next[0])) {
		rt.Fatalf("app %d: next is answered %v, right is %v", app.Number, next, want)
	}
}
