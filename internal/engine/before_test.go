package engine_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/engine"
	"sundial/internal/testing/enginetest"
)

// committedBefore appends a commit to the account as an earlier program did: with the hash of all that the command has, and
// its events in the shape of that time.
func committedBefore(t *testing.T, n *enginetest.Node, id, reason string, cmd domain.Command, events ...eventstore.Event) uint64 {
	t.Helper()
	whole, err := engine.WholeHash(contentAccount, cmd)
	if err != nil {
		t.Fatal(err)
	}
	c := eventstore.Commit{
		Account: contentAccount, ID: id, Command: cmd.Name(), Content: whole, Actor: "operator:test", Reason: reason,
		RecordedAt: n.Time().UnixMilli(), Events: events,
	}
	var latest uint64
	for m, err := range n.Log.Account(t.Context(), contentAccount, eventstore.Span{}) {
		if err != nil {
			t.Fatal(err)
		}
		c.Previous, latest = m.Hash(), m.Sequence
	}
	payload, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	position, err := n.Log.Append(t.Context(), contentAccount, latest, payload, c.Header())
	if err != nil {
		t.Fatal(err)
	}
	return position
}

// TestCommandsOfAnEarlierProgramAreKnown sends commands again that a program committed which took their reason, and of a
// message its attributes, for content: what is not content today may differ, and the answer is the first one.
func TestCommandsOfAnEarlierProgramAreKnown(t *testing.T) {
	server := enginetest.Start(t)
	before := server.Node(t, t.TempDir(), true)
	made := before.Must(t, contentAccount, "k-1", domain.Operator, domain.CreateApp{AppName: "shop", Order: &order1})
	app := made.App.ID
	about := fmt.Sprintf(`{"app":%d,`, app)
	message := func(id, extra string) *domain.Report {
		r := &domain.Report{Source: "urn:billing:upstream", ID: id}
		if extra != "" {
			r.Extra = jsontext.Value(extra)
		}
		return r
	}
	fact := func(id string) string { return engine.FactPrefix + base64.RawURLEncoding.EncodeToString([]byte(id)) }
	event := func(kind, members string) eventstore.Event {
		return eventstore.Event{Type: kind, Data: jsontext.Value(about + members + `}`)}
	}
	const (
		first  = `{"attributes":{"traceparent":"00-1"},"data":{"channel":"bank"}}`
		second = `{"attributes":{"hop":7,"traceparent":"00-2"},"data":{"channel":"bank"}}`
		bare   = `{"data":{"channel":"bank"}}`
		cash   = `{"attributes":{"traceparent":"00-1"},"data":{"channel":"cash"}}`
		when   = `"effective_at":"2021-01-01T00:00:00.123Z"`
	)
	overdue := func(minor int64, extra string) domain.Command {
		return domain.MarkArrears{App: app, Invoice: "inv-1", Version: 1, EffectiveAt: at, Amount: domain.Money{Currency: "CNY", Minor: minor}, Report: message("up-1", extra)}
	}
	refund := func(id string, goodwill bool, extra string) domain.Command {
		return domain.Refund{App: app, Order: "ord-1", Refund: id, EffectiveAt: at, Goodwill: goodwill, Report: message("up-2", extra)}
	}

	stopped := committedBefore(t, before, "k-2", "a complaint", domain.StopApp{App: app, Reason: "a complaint"},
		event("app.stopped.v1", `"cause":"operator",`+when))
	owed := committedBefore(t, before, fact("up-1"), "", overdue(500, first),
		event("app.invoice_overdue_recorded.v1", `"invoice":"inv-1","version":1,`+when+`,"amount":{"currency":"CNY","minor":500},"report":{"source":"urn:billing:upstream","id":"up-1","extra":`+first+`}`))
	const alone = `{"attributes":{"traceparent":"00-1"},"data":{"ends":false,"refund":"r-1"}}`
	refunded := committedBefore(t, before, fact("up-2"), "", refund("", false, alone),
		event("app.refund_recorded.v1", `"order":"ord-1",`+when+`,"report":{"source":"urn:billing:upstream","id":"up-2","extra":`+alone+`}`))
	before.Stop()

	n := server.Node(t, t.TempDir(), true)
	commits := n.Commits(t, contentAccount)
	for _, c := range []struct {
		name, id string
		cmd      domain.Command
		position uint64 // of the first answer; 0: it is another command
	}{
		{"a command as it was", "k-2", domain.StopApp{App: app, Reason: "a complaint"}, stopped},
		{"a command with another reason", "k-2", domain.StopApp{App: app, Reason: "said otherwise"}, stopped},
		{"a command without its reason", "k-2", domain.StopApp{App: app}, stopped},
		{"a command about another app", "k-2", domain.StopApp{App: app + 1, Reason: "a complaint"}, 0},
		{"another command", "k-2", domain.StartApp{App: app}, 0},
		{"a bill as it was", fact("up-1"), overdue(500, first), owed},
		{"a bill with other attributes", fact("up-1"), overdue(500, second), owed},
		{"a bill without attributes", fact("up-1"), overdue(500, bare), owed},
		{"a bill over another amount", fact("up-1"), overdue(501, first), 0},
		{"a bill with other data that nobody understands", fact("up-1"), overdue(500, cash), 0},
		{"a bill without such data", fact("up-1"), overdue(500, ""), 0},
		{"a bill of another type", fact("up-1"), domain.SettleArrears{App: app, Invoice: "inv-1", Version: 1, EffectiveAt: at, Report: message("up-1", first)}, 0},
		{"a refund whose id was not understood then", fact("up-2"), refund("r-1", true, ""), refunded},
		{"and with other attributes", fact("up-2"), refund("r-1", true, `{"attributes":{"traceparent":"00-2"}}`), refunded},
		{"a refund with another id", fact("up-2"), refund("r-2", true, ""), 0},
		{"a refund that ends its order, where it did not say so", fact("up-2"), refund("r-1", false, ""), 0},
	} {
		req := engine.Request{Account: contentAccount, ID: c.id, Command: c.cmd, Role: domain.Operator, Actor: "operator:test"}
		answer, err := n.Execute(t.Context(), req)
		known, found, lookup := n.Committed(t.Context(), req)
		switch {
		case !found:
			t.Errorf("%s: nothing is found under %s", c.name, c.id)
		case c.position == 0:
			if !errors.Is(err, engine.ErrIDReused) || !errors.Is(lookup, engine.ErrIDReused) {
				t.Errorf("%s: %+v, %v, and looked up %v: want ErrIDReused", c.name, answer, err, lookup)
			}
		case err != nil || answer.Outcome != engine.Repeated || answer.Position != c.position:
			t.Errorf("%s: %+v, %v, want the first answer, position %d", c.name, answer, err, c.position)
		case lookup != nil || known.Outcome != engine.Repeated || known.Position != c.position:
			t.Errorf("%s looked up: %+v, %v, want the first answer, position %d", c.name, known, lookup, c.position)
		}
	}
	if now := n.Commits(t, contentAccount); now != commits {
		t.Errorf("%d commits, were %d", now, commits)
	}
}

// TestARefundThatEndedNothingIsRejudged: an earlier program took every refund for the end of its order, and kept without
// understanding it that one ends nothing. The fact is read as it was told, and the app that was stopped for it is decided
// anew on record.
func TestARefundThatEndedNothingIsRejudged(t *testing.T) {
	server := enginetest.Start(t)
	before := server.Node(t, t.TempDir(), true)
	made := before.Must(t, contentAccount, "k-1", domain.Operator, domain.CreateApp{AppName: "shop", Order: &order1})
	about := fmt.Sprintf(`{"app":%d,`, made.App.ID)
	const from, stops = `"2021-01-01T00:00:00.123Z"`, `"2021-01-08T00:00:00.123Z"`
	event := func(kind, members string) eventstore.Event {
		return eventstore.Event{Type: kind, Data: jsontext.Value(about + members + `}`)}
	}
	refund := func(id, data string) {
		extra := `{"attributes":{"traceparent":"00-1"},"data":{` + data + `}}`
		report := &domain.Report{Source: "urn:billing:upstream", ID: id, Extra: jsontext.Value(extra)}
		committedBefore(t, before, engine.FactPrefix+id, "", domain.Refund{App: made.App.ID, Order: "ord-1", EffectiveAt: at, Report: report},
			event("app.refund_recorded.v1", `"order":"ord-1","effective_at":`+from+`,"report":{"source":"urn:billing:upstream","id":"`+id+`","extra":`+extra+`}`))
	}
	refund("up-1", `"ends":false,"refund":"r-1"`)
	refund("up-2", `"channel":"bank","ends":false,"refund":"r-2"`)
	committedBefore(t, before, "lapse", "", domain.StopApp{App: made.App.ID},
		event("app.lapsed.v1", `"cause":"refund","since":`+from+`,"stop_due":`+stops), event("app.stopped.v1", `"cause":"refund","effective_at":`+stops))
	before.Stop()

	n := server.Node(t, t.TempDir(), true)
	n.Move(10 * 24 * time.Hour)
	answer := n.Must(t, contentAccount, "anew", domain.Operator, domain.Rejudge{App: made.App.ID})
	if answer.Outcome != engine.Appended || answer.App.Status() != domain.Active {
		t.Fatalf("rejudged: %s, and the app is %s", answer.Outcome, answer.App.Status())
	}
	known := slices.Collect(answer.App.Orders.All())[0].Refunds
	if len(known) != 2 || known[0].ID != "r-1" || known[1].ID != "r-2" || !known[0].Goodwill || !known[1].Goodwill {
		t.Errorf("known of the refunds: %+v", known)
	}
	for _, e := range n.Events(t, contentAccount) {
		if told, is := e.(domain.RefundRecorded); is && told.Refund == "r-2" &&
			string(told.Report.Extra) != `{"attributes":{"traceparent":"00-1"},"data":{"channel":"bank"}}` {
			t.Errorf("what is still not understood: %s", told.Report.Extra)
		}
	}
	if answer := n.Must(t, contentAccount, "once more", domain.Operator, domain.Rejudge{App: made.App.ID}); answer.Outcome != engine.Silent {
		t.Errorf("rejudged once more: %s", answer.Outcome)
	}
}
