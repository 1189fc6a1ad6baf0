package pastdata

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"
)

// The parts of the answers, in the order in which they are asked.
const (
	PartReads = "reads" // what is, and was
	PartAgain = "again" // commands and bills that were sent before, sent again
	PartOn    = "on"    // how it goes on from there, as time passes
)

// questions asks, and keeps what was answered. After an error it asks no more.
type questions struct {
	ctx     context.Context //nolint:containedctx // of the one recording
	process *Process
	tokens  map[string]Token
	part    string
	asked   []Asked
	err     error
}

func (q *questions) ask(a Asked) Asked {
	if q.err != nil {
		return a
	}
	a.Part = q.part
	a, q.err = q.process.Ask(q.ctx, q.tokens, a)
	q.asked = append(q.asked, a)
	return a
}

func (q *questions) get(as, path string, values ...string) Asked {
	if len(values) > 0 {
		v := url.Values{}
		for i := 0; i < len(values); i += 2 {
			v.Set(values[i], values[i+1])
		}
		path += "?" + v.Encode()
	}
	return q.ask(Asked{As: as, Method: http.MethodGet, Path: path})
}

// moments are instants of the story, before, on and between what happens in it.
var moments = []string{
	"2021-01-01T00:00:00.000Z", "2021-01-05T12:00:00.000Z", "2021-01-12T11:59:59.999Z", "2021-01-12T12:00:00.000Z",
	"2021-01-20T00:00:00.000Z", "2021-01-28T00:00:00.000Z", "2021-02-20T00:00:00.000Z",
}

const whole = "500"

func (q *questions) all(s *story) {
	q.part = PartReads
	accounts := q.list("/v1/accounts", "account")
	apps := q.list("/v1/apps", "app")
	for _, account := range accounts {
		q.ofAccount(account)
	}
	for _, app := range apps {
		q.ofApp(app, s)
	}
	q.across()
	q.refused(apps[0], accounts[1])
	q.program()

	q.part = PartAgain
	for _, a := range s.sent {
		q.ask(question(a))
	}
	for _, a := range s.changed {
		q.ask(question(a))
	}
	q.get("operator", "/v1/events", "limit", whole, "after", fmt.Sprint(s.head)) // nothing of that was done twice

	q.part = PartOn
	// What is due in two accounts within one step fires side by side, so that either may be first in the log. As long as something
	// is due in two of them, the steps are of one hour, in which there is something in one of them at most.
	for range 8 * 24 {
		q.ask(Asked{As: "operator", Method: http.MethodPost, Path: "/v1/clock/advance", Body: `{"by":"1h"}`})
	}
	q.get("operator", "/v1/apps", "limit", whole)
	q.ask(Asked{As: "operator", Method: http.MethodPost, Path: "/v1/clock/advance", Body: `{"to":"2021-12-31T00:00:00Z"}`})
	q.get("operator", "/v1/apps", "limit", whole)
	q.feed()
	q.get("operator", "/v1/transitions", "limit", whole)
	for _, account := range accounts {
		q.get("operator", "/v1/accounts/"+account+"/statement")
	}
	for _, app := range apps {
		q.get("operator", "/v1/apps/"+app+"/why")
	}
	q.ask(Asked{Run: []string{"rebuild", "--check", "--json"}})
}

// question is what was asked, without its answer.
func question(a Asked) Asked { a.Status, a.Kept, a.Said = 0, nil, ""; return a }

// list asks for a whole list, and gives the member of each item that names it.
func (q *questions) list(path, member string) (names []string) {
	a := q.get("operator", path, "limit", whole)
	var page struct{ Items []map[string]any }
	if q.err == nil {
		q.err = json.Unmarshal([]byte(a.Said), &page, json.MatchCaseInsensitiveNames(true))
	}
	for _, item := range page.Items {
		switch name := item[member].(type) {
		case string:
			names = append(names, name)
		case float64:
			names = append(names, fmt.Sprintf("%.0f", name))
		}
	}
	if q.err == nil && len(names) < 2 {
		q.err = fmt.Errorf("%s: only %d items", path, len(names))
	}
	return names
}

func (q *questions) ofAccount(account string) {
	path := "/v1/accounts/" + account
	q.get("operator", path)
	q.get("auditor", path+"/apps", "limit", whole)
	q.get("operator", path+"/apps", "limit", "2")
	q.get("operator", path+"/history", "limit", whole)
	q.get("auditor", path+"/history", "actor", "system:scheduler", "limit", whole)
	q.get("operator", path+"/history", "types", "app.stopped,app.reinstated", "from", moments[1], "to", moments[5])
	q.get("operator", path+"/statement")
	q.get("billing", path+"/statement", "format", "csv")
	q.get("operator", path+"/statement", "from", moments[1], "to", moments[5])
	for _, at := range moments {
		q.get("operator", path, "as_of", at)
		q.get("operator", path+"/apps", "limit", whole, "as_of", at)
		q.get("operator", path+"/apps", "limit", whole, "as_of", at, "known_at", at)
	}
	q.get("operator", path+"/apps", "limit", whole, "known_at", moments[4])
}

func (q *questions) ofApp(app string, s *story) {
	path := "/v1/apps/" + app
	q.get("operator", path)
	q.get("operator", path, "as_of", moments[3], "known_at", moments[4])
	q.get("operator", path+"/history", "limit", whole)
	for _, format := range []string{"json", "csv"} {
		q.get("operator", path+"/statement", "format", format)
	}
	for _, field := range []string{
		"status", "edition", "arrears", "lapse", "stop", "paid_until", "next_transition", "created_at", "name", "type", "introduction",
	} {
		q.get("operator", path+"/why", "field", field)
	}
	q.get("operator", path+"/key")
	q.get("operator", path+"/admins")
	q.get("operator", path+"/certificates")
	for _, sig := range s.sigs {
		if sig.app == app {
			q.ask(Asked{As: "operator", Method: http.MethodPost, Path: path + "/usersigs/verify", Body: sig.verify})
		}
	}
}

func (q *questions) across() {
	for _, values := range [][]string{
		{"status", "active"}, {"status", "expired"}, {"status", "stopped"}, {"status", "deleted"}, {"edition", "trial"}, {"edition", "trtc_trial"},
		{"edition", "pro"}, {"edition", "flagship"}, {"q", "商"}, {"q", "130"}, {"status", "stopped", "edition", "pro", "limit", "2"},
	} {
		q.get("operator", "/v1/apps", values...)
		q.get("auditor", "/v1/accounts", values...)
	}
	q.feed()
	q.get("operator", "/v1/events", "types", "app.notice_given", "limit", whole)
	q.get("acme", "/v1/events", "limit", whole)
	q.get("operator", "/v1/transitions", "limit", whole)
	q.get("reader", "/v1/transitions", "limit", whole)
	q.get("operator", "/v1/transitions/days")
	q.get("operator", "/v1/transitions/days", "before", "2021-12-31T00:00:00.000Z")
	q.get("operator", "/v1/parked", "limit", whole)
	q.get("auditor", "/v1/parked", "limit", "3")
	q.get("operator", "/v1/tokens", "limit", whole)
	q.get("operator", "/v1/deletion-requests")
	q.get("operator", "/v1/certificates", "expires_within", "30d")
	q.get("auditor", "/v1/certificates", "expires_within", "9000d")
	q.get("billing", "/v1/clock")
	q.get("", "/readyz")
}

// feed reads the events whole, page by page.
func (q *questions) feed() {
	after := "0"
	for q.err == nil {
		a := q.get("operator", "/v1/events", "limit", "100", "after", after)
		var page struct {
			Next string `json:"next_cursor"`
		}
		if q.err == nil {
			q.err = json.Unmarshal([]byte(a.Said), &page)
		}
		if page.Next == "" {
			return
		}
		after = page.Next
	}
}

// refused is asked with tokens that may not: what they may is stored too.
func (q *questions) refused(app, account string) {
	for _, as := range []string{"deputy", "acme", "globex", "billing", "auditor", "reader", "former", "guest"} {
		q.get(as, "/v1/apps/"+app)
		q.get(as, "/v1/accounts/"+account)
		q.get(as, "/v1/apps")
		q.get(as, "/v1/tokens")
	}
}

// program asks the command line.
func (q *questions) program() {
	for _, line := range [][]string{
		{"rebuild", "--check"}, {"rebuild", "--check", "--json"}, {"whatif", "--grace", "24h", "--json"}, {"whatif", "--grace", "240h"},
		{"vault", "status"},
	} {
		q.ask(Asked{Run: line})
	}
}
