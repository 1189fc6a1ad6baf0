package api

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

func TestRateIsLimitedForEachToken(t *testing.T) {
	w := start(t, func(c *Config) { c.Rate = 5 })
	limited := false
	for range 10 {
		got := w.ask("owner", "POST", "/v1/apps/1/stop", "", headerKey, "k")
		if got.status == 429 {
			limited = true
			if got.header.Get("Retry-After") == "" || got.header.Get(headerKey) != "k" {
				t.Errorf("Retry-After %q, key %q", got.header.Get("Retry-After"), got.header.Get(headerKey))
			}
		}
	}
	if !limited {
		t.Error("ten requests at once with five a second: none was refused")
	}
	w.must(200, "reader", "GET", "/v1/clock", "")
}

func TestRequestsUnderWayAreLimited(t *testing.T) {
	var l limits
	for range maxRequests {
		if !l.enter() {
			t.Fatal("refused too early")
		}
	}
	if l.enter() {
		t.Error("let in beyond the limit")
	}
	l.leave()
	if !l.enter() {
		t.Error("refused although there is a place")
	}
	l.rate = 1e6
	g := l.caller("tok_a")
	now := time.Unix(0, 0)
	for range maxCallerRequests {
		if !g.enter(now) {
			t.Fatal("refused too early")
		}
	}
	if g.enter(now) {
		t.Error("let in beyond the limit of one token")
	}
	if !l.caller("tok_b").enter(now) {
		t.Error("one token takes another's places")
	}
	if l.caller("tok_a") != g {
		t.Error("a token is counted twice")
	}
}

func TestMinPosition(t *testing.T) {
	w := start(t, nil)
	created := w.must(201, "owner", "POST", "/v1/accounts/acme/apps", `{"name":"shop"}`)
	app := "/v1/apps/" + number(created.app.App)
	position, err := strconv.ParseUint(created.header.Get(headerPosition), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	w.must(200, "owner", "GET", app, "", headerMinPosition, created.header.Get(headerPosition))
	for _, header := range []string{"x", "-1", "", "99999999999999999999"} {
		diff(t, header, []string{"Sundial-Min-Position invalid_position"}, w.must(422, "owner", "GET", app, "", headerMinPosition, header).fields())
	}
	// One that waits sees what it waited for.
	var waiting sync.WaitGroup
	waiting.Go(func() {
		got := w.must(200, "owner", "GET", app, "", headerMinPosition, strconv.FormatUint(position+1, 10))
		if got.app.Name != "renamed" {
			t.Errorf("after waiting: %s", got.body)
		}
	})
	w.must(200, "owner", "PATCH", app, `{"name":"renamed"}`)
	waiting.Wait()
	if testing.Short() {
		return
	}
	got := w.must(503, "owner", "GET", app, "", headerMinPosition, "1000")
	if got.no.Code != "not_yet_projected" || got.header.Get("Retry-After") == "" {
		t.Errorf("a position that does not come: %s", got.body)
	}
}

// TestLongReadsAreFew: a token that has its share of long reads under way is told to wait, and no other is.
func TestLongReadsAreFew(t *testing.T) {
	w := start(t, nil)
	path := w.create(`{"name":"shop"}`)
	who, err := w.tokens.Authenticate(w.secrets["owner"])
	if err != nil {
		t.Fatal(err)
	}
	w.api.limits.caller(who.TokenID).long.Store(maxCallerLong)
	for _, below := range []string{"/why", "/history", "/statement", "?as_of=2021-01-01T00:00:00Z"} {
		if a := w.must(429, "owner", "GET", path+below, ""); a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", below)
		}
		w.must(200, "reader", "GET", path+below, "")
	}
	w.must(200, "owner", "GET", path, "")
	w.api.limits.caller(who.TokenID).long.Store(maxCallerLong - 1)
	w.must(200, "owner", "GET", path+"/why", "")
}
