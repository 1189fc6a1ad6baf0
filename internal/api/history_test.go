package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// commits walks a history in pages of two and in one piece, and gives the commands, latest first.
func (w *harness) commits(who, path string, want int) (commands []string, all []Commit) {
	w.t.Helper()
	for _, item := range w.pages(who, path, want) {
		var c Commit
		if err := json.Unmarshal([]byte(item), &c, json.RejectUnknownMembers(true)); err != nil {
			w.t.Fatalf("%s: %v", item, err)
		}
		commands, all = append(commands, c.Command), append(all, c)
	}
	return commands, all
}

func TestHistory(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	w.must(201, "owner", "POST", "/v1/accounts/acme/apps", `{"name":"chat"}`)
	w.must(200, "operator", "PUT", "/v1/accounts/acme/quota", `{"apps":7}`)
	w.must(200, "operator", "POST", app+"/stop", `{"reason":"a \"test\""}`, headerKey, "key-1", headerRequest, "request-1")
	w.must(200, "owner", "PATCH", app, `{"name":"mall"}`)

	for path, want := range map[string]string{
		app + "/history":                   "edit_app_info stop_app create_app",
		"/v1/accounts/acme/history":        "edit_app_info stop_app set_quota create_app create_app",
		app + "/history?types=app.stopped": "stop_app",
		"/v1/accounts/acme/history?types=sundial.app.stopped,account.quota_set": "stop_app set_quota",
		app + "/history?actor=operator":                                         "stop_app",
		app + "/history?actor=owner:" + w.tokenID("owner"):                      "edit_app_info create_app",
		app + "/history?to=2021-01-01T00:00:00Z":                                "",
		app + "/history?from=2021-01-01T00:00:00Z&types=app.created":            "create_app",
	} {
		commands, _ := w.commits("reader", path, len(strings.Fields(want)))
		if got := strings.Join(commands, " "); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	want := `{"items":[{"position":4,"recorded_at":"2021-01-01T00:00:00.000Z","command":"stop_app","command_id":"key-1","actor":"operator:` + w.tokenID("operator") +
		`","reason":"a \"test\"","correlation":"request-1","events":[{"id":"4.0","type":"sundial.app.stopped","app":1400000001,` +
		`"effective_at":"2021-01-01T00:00:00.000Z","data":{"app":1400000001,"cause":"operator","effective_at":"2021-01-01T00:00:00.000Z"}}]}]}`
	if got := w.must(200, "owner", "GET", app+"/history?types=app.stopped", "").body; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for query, want := range map[string]string{
		"cursor=x": "cursor invalid_cursor", "cursor=0": "cursor invalid_cursor", "cursor=2": "cursor invalid_cursor", "actor=": "actor out_of_range",
		"types=x": "types unknown_type", "from=x": "from invalid_time", "limit=501": "limit out_of_range", "after=1": "after unknown_parameter",
	} {
		if got := w.must(422, "owner", "GET", app+"/history?"+query, "").fields(); fmt.Sprint(got) != "["+want+"]" {
			t.Errorf("?%s: %v, want %s", query, got, want)
		}
	}
	w.must(404, "stranger", "GET", app+"/history", "")
	w.must(404, "operator", "GET", "/v1/accounts/nobody/history", "")
}
