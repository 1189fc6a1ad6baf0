package codec_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/internal/engine"
	"sundial/internal/query"
	"sundial/internal/testing/enginetest"
	"sundial/internal/timetravel"
	"sundial/projections"
)

// overdueV0 and stoppedV0 are shapes that never were, of a fact and of what the rules made of it.
type overdueV0 struct {
	domain.About
	Invoice     string         `json:"invoice"`
	Version     int64          `json:"version"`
	EffectiveAt domain.Instant `json:"effective_at"`
	Owed        int64          `json:"owed"` // in CNY, which was the only currency
}

type stoppedV0 struct {
	domain.About
	For   string         `json:"for"` // the cause in capitals
	Since domain.Instant `json:"since"`
}

var upcasts = []eventstore.Upcast[domain.Event]{
	eventstore.NewUpcast("app.invoice_overdue_recorded.v0", func(old overdueV0) domain.Event {
		return domain.InvoiceOverdueRecorded{
			About: old.About, Invoice: old.Invoice, Version: old.Version, EffectiveAt: old.EffectiveAt,
			Amount: domain.Money{Currency: "CNY", Minor: old.Owed},
		}
	}),
	eventstore.NewUpcast("app.stopped.v0", func(old stoppedV0) domain.Event {
		return domain.AppStopped{About: old.About, Cause: domain.Cause(strings.ToLower(old.For)), EffectiveAt: old.Since}
	}),
}

// older gives an event as the program before would have stored it.
func older(t *testing.T, stored eventstore.Event, now domain.Event) eventstore.Event {
	t.Helper()
	var data any
	switch e := now.(type) {
	case domain.InvoiceOverdueRecorded:
		data = overdueV0{e.About, e.Invoice, e.Version, e.EffectiveAt, e.Amount.Minor}
	case domain.AppStopped:
		data = stoppedV0{e.About, strings.ToUpper(string(e.Cause)), e.EffectiveAt}
	default:
		return stored
	}
	text, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	return eventstore.Event{Type: strings.TrimSuffix(stored.Type, "1") + "0", Data: text}
}

const account = "acme"

// TestALogInOldShapes lives one life twice: on the log that today's program writes, and on the same log as a program before
// it, with other shapes, would have written it. Whoever reads the log says the same of both.
func TestALogInOldShapes(t *testing.T) {
	today := enginetest.Start(t)
	node := today.Node(t, t.TempDir(), true)
	app := live(t, node)

	codec.Upcasting(t, upcasts...)
	before := enginetest.Start(t)
	if count := rewrite(t, node.Log, before); count != 2 {
		t.Fatalf("%d events were written in an old shape, want 2", count)
	}
	dir := t.TempDir()
	old := before.Node(t, dir, true)
	old.Move(node.Time().Sub(old.Time()))
	for _, n := range []*enginetest.Node{node, old} {
		if err := n.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if differences, err := projections.Check(t.Context(), projections.Config{Dir: dir, Log: old.Log}, nil); err != nil || len(differences) > 0 {
		t.Errorf("the projections of the old log, checked: %v, %v", differences, err)
	}

	same(t, node, old, app)
	settle := domain.SettleArrears{App: app, Invoice: "inv-1", Version: 2, EffectiveAt: node.Now()}
	for _, n := range []*enginetest.Node{node, old} {
		// The engine knows the command that led to the old event, and decides the next on what it says.
		again := n.Must(t, account, "owe", domain.Billing, owe(app, n.Now().Add(-8*24*time.Hour)))
		if again.Outcome != engine.Repeated {
			t.Errorf("the same command again: %s", again.Outcome)
		}
		paid := n.Must(t, account, "settle", domain.Billing, settle)
		if paid.App.Status() != domain.Active || len(paid.Events) < 3 {
			t.Errorf("settled: %s, %v", paid.App.Status(), paid.Events)
		}
	}
	same(t, node, old, app)
}

func owe(app domain.AppID, at domain.Instant) domain.Command {
	return domain.MarkArrears{
		App: app, Invoice: "inv-1", Version: 1, EffectiveAt: at, Amount: domain.Money{Currency: "CNY", Minor: 500},
	}
}

// live makes an app that is stopped for an unpaid invoice.
func live(t *testing.T, n *enginetest.Node) domain.AppID {
	t.Helper()
	order := &domain.OrderTerms{ID: "o-1", Edition: domain.Pro, Amount: domain.Money{Currency: "CNY", Minor: 9900}}
	app := n.Must(t, account, "create", domain.Owner, domain.CreateApp{AppName: "shop", Order: order}).App.ID
	n.Must(t, account, "owe", domain.Billing, owe(app, n.Now()))
	n.Move(8 * 24 * time.Hour)
	if err := n.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	due, err := n.Store.Due(t.Context(), n.Now(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range due {
		fire := domain.FireTransition{App: d.App, Kind: d.Kind, Episode: d.Episode}
		n.Must(t, account, fire.ID(), "", fire)
	}
	return app
}

// rewrite copies a log, with events in old shapes where they had one, and counts those.
func rewrite(t *testing.T, from *eventstore.Log, to *enginetest.Server) (count int) {
	t.Helper()
	log, err := eventstore.Open(t.Context(), to.Conn, eventstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	events, err := codec.New()
	if err != nil {
		t.Fatal(err)
	}
	var last uint64
	var previous eventstore.Hash
	for m, err := range from.Account(t.Context(), account, eventstore.Span{}) {
		if err != nil {
			t.Fatal(err)
		}
		commit := m.Commit
		for i, stored := range commit.Events {
			now, err := events.Decode(stored)
			if err != nil {
				t.Fatal(err)
			}
			commit.Events[i] = older(t, stored, now)
			if commit.Events[i].Type != stored.Type {
				count++
			}
		}
		commit.Previous = previous
		payload, err := commit.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if last, err = log.Append(t.Context(), account, last, payload, nil); err != nil {
			t.Fatal(err)
		}
		previous = eventstore.HashOf(payload)
	}
	if err := log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return count
}

// same holds all that is said of two logs against one another.
func same(t *testing.T, today, old *enginetest.Node, app domain.AppID) {
	t.Helper()
	want, got := readings(t, today, app), readings(t, old, app)
	for what := range want {
		if diff := gocmp.Diff(want[what], got[what], cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-today +old):\n%s", what, diff)
		}
	}
}

// readings is what each reader of the log says, by reader.
func readings(t *testing.T, n *enginetest.Node, app domain.AppID) map[string]any {
	t.Helper()
	ctx := t.Context()
	if err := n.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	said := map[string]any{}
	say := func(what string, v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		said[what] = v
	}
	row, _, err := n.Store.App(ctx, app)
	say("the projections", row, err)

	reader, err := query.New(n.Log, n.Store)
	if err != nil {
		t.Fatal(err)
	}
	history, err := reader.AppHistory(ctx, app, query.History{Limit: 100, Types: []string{"app.stopped", "app.invoice_overdue_recorded"}})
	say("the history, by types", history, err)
	statement, err := reader.Statement(ctx, account, app, query.Window{})
	say("the statement", statement, err)
	feed, err := reader.Feed(ctx, query.Feed{Limit: 100})
	for i := range feed.Events {
		feed.Events[i].Body = bytes.ReplaceAll(feed.Events[i].Body, []byte(n.Log.Identity()), []byte("LOG"))
	}
	say("the feed of CloudEvents", feed, err)

	past := n.Past(t, n.Time)
	for name, at := range map[string]domain.Instant{"in the grace": n.Now().Add(-4 * 24 * time.Hour), "now": n.Now()} {
		then, _, err := past.App(ctx, app, timetravel.Clocks{AsOf: at, KnownAt: n.Now()})
		say("the past, "+name, then, err)
	}
	why, _, err := past.Why(ctx, app, domain.FieldStatus)
	say("why", why, err)
	report, err := timetravel.WhatIf(ctx, timetravel.Question{
		Log: n.Log, Policy: n.Policy(), Grace: 30 * 24 * time.Hour, Until: n.Now(),
	}, nil)
	say("what if", report, err)
	return said
}
