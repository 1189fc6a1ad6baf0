package api

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"sundial/domain"
)

func TestPolicy(t *testing.T) {
	w := start(t, nil)
	want := `{"grace":"168h","notices":["168h","72h","24h","1h"],"order_ahead":"26280h","editions":{},` +
		`"types":["social","live streaming","e-commerce","education","gaming","customer service","healthcare","finance","IoT","other"],` +
		`"limits":{"grace_at_least":"1h","grace_at_most":"8784h","notices":8,"order_ahead_at_most":"87600h","facts_ahead":"24h","quota":100,` +
		`"name_characters":64,"introduction_characters":300,"admins":5,"certificates":20}}`
	diff(t, "the engine's policy", want, w.must(200, "reader", "GET", "/v1/policy", "").body)
}

// The engine's policy as its flags say, by edition where they name one, and without notices.
func TestPolicyByEdition(t *testing.T) {
	p := domain.DefaultPolicy()
	p.Editions.Flagship = &domain.PolicyPart{Grace: domain.Span(336 * time.Hour), OrderAhead: new(domain.Span)}
	p.Notices = nil
	got := string(marshal(enginePolicy(p)))
	if want := `{"grace":"168h","notices":[],"order_ahead":"26280h","editions":{"flagship":{"grace":"336h","order_ahead":"0s"}},`; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAccountPolicy(t *testing.T) {
	w := start(t, nil)
	const path, by = "/v1/accounts/acme/policy", `"by":"operator:`
	diff(t, "of an account in which nothing has happened", `{"since":null,"by":null}`, w.must(200, "owner", "GET", path, "").body)
	w.must(404, "operator", "GET", path, "")
	app := w.create(`{"name":"shop","order":{"id":"o","edition":"flagship","amount":{"currency":"CNY","minor":1}}}`)
	diff(t, "none was set", `{"since":null,"by":null}`, w.must(200, "auditor", "GET", path, "").body)

	w.must(200, "operator", "POST", "/v1/clock/advance", `{"by":"24h"}`)
	set := w.must(200, "operator", "PUT", path,
		`{"grace":"336h","notices":["1h","72h","1h"],"order_ahead":"0s","editions":{"flagship":{"grace":"400h","notices":[]},"pro":{}},"reason":"agreed"}`)
	tail := `"since":"2021-01-02T00:00:00.000Z",` + by + w.tokenID("operator") + `"}`
	first := `{"grace":"336h","notices":["72h","1h"],"order_ahead":"0s","editions":{"flagship":{"grace":"400h","notices":[]}},` + tail
	diff(t, "set", first, set.body)
	if set.header.Get(headerPosition) != "2" {
		t.Errorf("position %s", set.header.Get(headerPosition))
	}
	diff(t, "read", first, w.must(200, "reader", "GET", path, "").body)

	// It is in force at once.
	got := w.must(200, "billing", "POST", app+"/arrears", `{"invoice":"i","version":1,"effective_at":"2021-01-02T00:00:00Z","amount":{"currency":"CNY","minor":5}}`)
	if want := `"stop_due":"2021-01-18T16:00:00.000Z"`; !strings.Contains(got.body, want) {
		t.Errorf("no %s in %s", want, got.body)
	}

	// What is put replaces the whole; the same again is silence, {} clears.
	w.must(200, "operator", "POST", "/v1/clock/advance", `{"by":"24h"}`)
	diff(t, "the same again", first, w.must(200, "operator", "PUT", path, `{"grace":"336h","notices":["72h","1h"],"order_ahead":"0s","editions":{"flagship":{"grace":"400h","notices":[]}}}`).body)
	tail = strings.Replace(tail, "01-02", "01-03", 1)
	diff(t, "another", `{"editions":{"pro":{"order_ahead":"24h"}},`+tail, w.must(200, "operator", "PUT", path, `{"editions":{"pro":{"order_ahead":"24h"}}}`).body)
	w.must(200, "operator", "POST", "/v1/clock/advance", `{"by":"24h"}`)
	diff(t, "cleared", `{`+strings.Replace(tail, "01-03", "01-04", 1), w.must(200, "operator", "PUT", path, `{}`).body)

	// Its past.
	for query, want := range map[string]string{
		"?as_of=2021-01-01T12:00:00Z":                               `{"since":null,"by":null}`,
		"?as_of=2021-01-02T12:00:00Z":                               first,
		"?known_at=2021-01-02T12:00:00Z":                            first,
		"?as_of=2021-01-03T00:00:00Z&known_at=2021-01-03T00:00:00Z": `{"editions":{"pro":{"order_ahead":"24h"}},` + tail,
		"?as_of=2021-01-03T12:00:00Z&known_at=2021-01-04T00:00:00Z": `{"editions":{"pro":{"order_ahead":"24h"}},` + tail,
		"?as_of=2020-12-31T00:00:00Z":                               `{"since":null,"by":null}`,
		"?as_of=2021-01-04T00:00:00Z&known_at=2021-01-03T12:00:00Z": `{"editions":{"pro":{"order_ahead":"24h"}},` + tail,
	} {
		diff(t, query, want, w.must(200, "owner", "GET", path+query, "").body)
	}
	w.must(404, "operator", "GET", path+"?as_of=2020-12-31T00:00:00Z", "")

	// What was done is in the history and the feed.
	commands, _ := w.commits("owner", "/v1/accounts/acme/history?types=account.policy_set", 3)
	diff(t, "history", "set_policy set_policy set_policy", strings.Join(commands, " "))
	var feed struct {
		Items []struct {
			Type string `json:"type"`
			Data struct {
				Policy AccountPolicy `json:"policy"`
			} `json:"data"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(w.must(200, "owner", "GET", "/v1/events?types=account.policy_set&limit=1", "").body), &feed); err != nil {
		t.Fatal(err)
	}
	if len(feed.Items) != 1 || feed.Items[0].Type != "sundial.account.policy_set" || *feed.Items[0].Data.Policy.Grace != domain.Span(336*time.Hour) {
		t.Errorf("feed: %+v", feed)
	}

	for body, want := range map[string]string{
		`{"grace":"59m"}`:     "grace out_of_range",
		`{"grace":"0s"}`:      "grace out_of_range",
		`{"grace":"8785h"}`:   "grace out_of_range",
		`{"grace":168}`:       "grace invalid_duration",
		`{"grace":"7d"}`:      "grace invalid_duration",
		`{"grace":"-1h"}`:     "grace invalid_duration",
		`{"grace":"1h0.1ms"}`: "grace invalid_duration",
		`{"notices":["1h","2h","3h","4h","5h","6h","7h","8h","9h"]}`: "notices too_many",
		`{"notices":["8784h"],"order_ahead":"87601h"}`:               "notices out_of_range, order_ahead out_of_range",
		`{"notices":"1h"}`:     "notices wrong_type",
		`{"notices":["1h",2]}`: "notices.1 invalid_duration",
		`{"editions":{"pro":{"grace":"1s"},"flagship":{"grace":"0s"}}}`:                "editions.flagship.grace out_of_range",
		`{"editions":{"pro":{"grace":"1s"},"flagship":{"notices":["0s"]}}}`:            "editions.flagship.notices out_of_range, editions.pro.grace out_of_range",
		`{"editions":{"trial":{"grace":"24h"}},"types":["x"],"limits":{},"since":"x"}`: "editions.trial unknown_field, limits unknown_field, since unknown_field, types unknown_field",
	} {
		diff(t, body, want, strings.Join(w.must(422, "operator", "PUT", path, body).fields(), ", "))
	}
}
