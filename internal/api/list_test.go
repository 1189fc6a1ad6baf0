package api

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// member reads a member of a JSON object that is a string; "" if it is null.
func member(t testing.TB, body, name string) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(body), &members); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	value, found := members[name]
	if !found {
		t.Errorf("%s is not in %s", name, body)
	}
	text, _ := value.(string)
	return text
}

// pages walks a list in pages of two and compares it with the list in one piece.
func (w *harness) pages(who, path string, want int) []string {
	w.t.Helper()
	read := func(query string) (items []string, next string) {
		var page struct {
			Items []jsontext.Value `json:"items"`
			Next  *string          `json:"next_cursor"`
		}
		join := "?"
		if strings.Contains(path, "?") {
			join = "&"
		}
		body := w.must(200, who, "GET", path+join+query, "").body
		if err := json.Unmarshal([]byte(body), &page, json.RejectUnknownMembers(true)); err != nil {
			w.t.Fatalf("%s: %v", body, err)
		}
		for _, item := range page.Items {
			items = append(items, string(item))
		}
		if page.Next == nil {
			return items, ""
		}
		return items, *page.Next
	}
	whole, next := read("limit=500")
	if len(whole) != want || next != "" {
		w.t.Errorf("%s: %d items and next_cursor %q, want %d and none", path, len(whole), next, want)
	}
	var pieces []string
	for cursor := ""; ; {
		items, next := read("limit=2&cursor=" + url.QueryEscape(cursor))
		if len(items) > 2 {
			w.t.Errorf("%s: %d items with limit 2", path, len(items))
		}
		pieces = append(pieces, items...)
		if cursor = next; cursor == "" {
			break
		}
	}
	diff(w.t, path+" in pieces", whole, pieces)
	return whole
}

// What an order that begins later does is listed with its cause, and nothing need prevent it.
func TestTransitionByOrder(t *testing.T) {
	w := start(t, nil)
	const money = `"amount":{"currency":"CNY","minor":1}`
	app := w.create(`{"name":"shop","order":{"id":"o-1","edition":"pro",` + money + `}}`)
	got := w.must(200, "owner", "POST", app+"/upgrade", `{"order":{"id":"o-2","edition":"flagship","effective_at":"2021-02-01T00:00:00.000Z",`+money+`}}`)
	if want := `"next_transition":{"to":"edition:flagship","due":"2021-02-01T00:00:00.000Z","cause":"order"}`; !strings.Contains(got.body, want) {
		t.Errorf("no %s in %s", want, got.body)
	}
	diff(t, "what is due", []string{
		`{"app":1400000001,"account":"acme","from":"edition:pro","to":"edition:flagship","due":"2021-02-01T00:00:00.000Z","cause":"order",` +
			`"prevented_by":{"facts":[],"effective_by":"2021-02-01T00:00:00.000Z"}}`,
	}, w.pages("owner", "/v1/transitions", 1))
}

func TestLists(t *testing.T) {
	w := start(t, nil)
	for i := range 3 {
		w.must(201, "owner", "POST", "/v1/accounts/acme/apps", `{"name":"shop `+strconv.Itoa(i)+`"}`)
	}
	pro := w.create(`{"name":"Großer Laden","order":{"id":"o-1","edition":"pro","paid_until":"2021-02-01T00:00:00.000Z","amount":{"currency":"CNY","minor":1}}}`)
	w.must(201, "stranger", "POST", "/v1/accounts/globex/apps", `{"name":"shop"}`)
	w.must(200, "owner", "POST", "/v1/apps/1400000002/stop", `{}`)

	w.pages("operator", "/v1/apps", 5)
	w.pages("auditor", "/v1/accounts", 2)
	for query, want := range map[string]int{
		"": 4, "?q=shop": 3, "?q=laden": 1, "?status=stopped": 1, "?status=deleted": 0, "?edition=pro": 1, "?edition=trial&q=1400000001": 1,
		"?q=" + url.QueryEscape("Großer L"): 1, "?q=" + url.QueryEscape("GRO\u1e9eER l"): 1, "?q=grosser": 1,
	} {
		w.pages("reader", "/v1/accounts/acme/apps"+query, want)
	}
	due := w.pages("owner", "/v1/transitions", 2) // it stops too
	if want := `{"app":` + strings.TrimPrefix(pro, "/v1/apps/") + `,"account":"acme","from":"active","to":"expired","due":"2021-02-01T00:00:00.000Z","cause":"plan_expired",` +
		`"prevented_by":{"facts":["sundial.billing.order.paid"],"edition":"pro","effective_by":"2021-02-01T00:00:00.000Z"}}`; due[0] != want {
		t.Errorf("got  %s\nwant %s", due[0], want)
	}
	w.pages("operator", "/v1/transitions?before=2021-02-01T00:00:00.000Z", 0)
	w.pages("operator", "/v1/transitions?before=2021-02-01T01:00:00.001%2B01:00&account=acme", 1)
	w.pages("stranger", "/v1/transitions", 0)

	for query, want := range map[string]string{
		"/v1/apps?limit=0":                            "limit out_of_range",
		"/v1/apps?limit=501":                          "limit out_of_range",
		"/v1/apps?limit=x":                            "limit out_of_range",
		"/v1/apps?limit=1&limit=2":                    "limit repeated",
		"/v1/apps?cursor=x":                           "cursor invalid_cursor",
		"/v1/apps?cursor=" + strings.Repeat("A", 600): "cursor invalid_cursor",
		"/v1/tokens?cursor=x":                         "cursor invalid_cursor",
		"/v1/apps?status=Active":                      "status unknown_status",
		"/v1/apps?status=":                            "status unknown_status",
		"/v1/apps?edition=gold":                       "edition unknown_edition",
		"/v1/apps?q=":                                 "q out_of_range",
		"/v1/apps?q=%00":                              "q control_character",
		"/v1/apps?q=shop%0a":                          "q control_character",
		"/v1/apps?q=%ff":                              "q control_character",
		"/v1/apps?account=acme":                       "account unknown_parameter",
		"/v1/apps?Status=active":                      "Status unknown_parameter",
		"/v1/apps?%3Cb%3E=1":                          "? unknown_parameter",
		"/v1/apps/1400000001?at=2021-01-01":           "at unknown_parameter",
		"/v1/transitions?before=2021-02-01T00:00:00":  "before invalid_time",
		"/v1/transitions?account=A":                   "account invalid_account",
		"/v1/accounts/A":                              "account invalid_account",
		"/v1/accounts/a%20b/apps":                     "account invalid_account",
		"/v1/accounts/a%2Fb/apps":                     "account invalid_account",
	} {
		if got := w.must(422, "operator", "GET", query, "").fields(); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v, want %s", query, got, want)
		}
	}
	w.must(400, "operator", "GET", "/v1/apps?q=%zz", "")
	w.must(400, "operator", "GET", "/v1/apps?a;b", "")

	// An account in which nothing has happened is there for those whose own it is.
	w.must(404, "operator", "GET", "/v1/accounts/nobody", "")
	w.must(404, "operator", "GET", "/v1/accounts/nobody/apps", "")
	w.secrets["newcomer"] = w.token("owner", "newcomer")
	if got := w.must(200, "newcomer", "GET", "/v1/accounts/newcomer", "").body; got != `{"account":"newcomer","quota":100,"in_use":0,"version":0,"position":0}` {
		t.Errorf("a new account: %s", got)
	}
	w.pages("newcomer", "/v1/accounts/newcomer/apps", 0)
}

// TestARefusalIsTheSameEveryTime: several things are wrong, and are named in one order.
func TestARefusalIsTheSameEveryTime(t *testing.T) {
	w := start(t, nil)
	path := w.create(`{"name":"shop"}`)
	for _, url := range []string{
		"/v1/apps?a=1&b=2&c=3&d=4",
		path + "?as_of=then&known_at=soon",
		path + "/history?from=then&to=soon",
	} {
		first := w.must(422, "owner", "GET", url, "").body
		for range 100 {
			if again := w.must(422, "owner", "GET", url, "").body; again != first {
				t.Errorf("%s:\n %s\n %s", url, first, again)
				break
			}
		}
	}
}
