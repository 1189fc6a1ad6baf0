package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/testing/enginetest"
)

const shop = domain.AppID(1400000001)

func TestBillsAreTakenInOnce(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.app("acme", shop)
	w.publish("billing.acme", overdue("e-1", "acme", shop, "inv-1"), overdue("e-1", "acme", shop, "inv-1"), overdue("e-2", "acme", shop, "inv-2"))
	n.run()
	n.drained()
	if app := n.look("acme", shop); app.Invoices.Len() != 2 || app.Arrears.Since == 0 {
		t.Errorf("the app is %+v", app)
	}
	if open := n.open(); len(open) != 0 {
		t.Errorf("parked %v", open)
	}
	until(t, "purging what was taken in", func() bool {
		info, err := n.stream.Info(t.Context())
		return err == nil && info.State.Msgs == 0
	})
	head, _ := n.engine.Log.Head(t.Context())
	n.halt()
	// The same again, after a restart, is nothing new.
	w.publish("billing.acme", overdue("e-1", "acme", shop, "inv-1"))
	n.run()
	n.drained()
	if now, _ := n.engine.Log.Head(t.Context()); now != head {
		t.Errorf("a duplicate was committed: the log went from %d to %d", head, now)
	}
}

// What the TRTC side says comes as bills do, is parked as they are, and ends in the state of the latest time.
func TestTRTCSide(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.run()
	said := func(id, kind, app, at string) string {
		return `{"specversion":"1.0","id":"` + id + `","source":"urn:trtc","type":"sundial.trtc.app.` + kind +
			`","data":{"account":"acme","app":` + app + `,"effective_at":"2020-12-` + at + `T00:00:00Z"}}`
	}
	early := said("early", "stopped", "1400000001", "05")
	if got, err := n.Take(t.Context(), []jsontext.Value{jsontext.Value(early)}, "billing:test"); err != nil || got[0].Code != "app_not_found" {
		t.Fatalf("before the app is there: %+v, %v", got, err)
	}
	n.do("acme", domain.Operator, domain.ImportApp{
		App: shop, AppName: "room", CreatedAt: domain.InstantOf(enginetest.Began.AddDate(-1, 0, 0)), Edition: domain.TRTCTrial,
	})
	until(t, "taking in what waited for the app", func() bool { return n.look("acme", shop).TRTCStopped })
	n.app("acme", shop+1)
	w.publish("billing.acme",
		said("late", "started", "1400000001", "04"), said("late", "started", "1400000001", "04"), early,
		said("other", "stopped", "1400000002", "05"), said("early", "started", "1400000001", "05"))
	n.drained()
	if app := n.look("acme", shop); !app.TRTCStopped {
		t.Error("what was said of an earlier time counts")
	}
	open := n.open()
	if len(open) != 2 || open["other"].Code != "not_trtc_trial" || open["early"].Code != codeReused {
		t.Errorf("parked %v", open)
	}
	got, err := n.Take(t.Context(), []jsontext.Value{
		jsontext.Value(said("late", "started", "1400000001", "04")), jsontext.Value(said("again", "started", "1400000001", "06")),
	}, "billing:test")
	if err != nil || got[0].Outcome != OutcomeDuplicate || got[1].Outcome != OutcomeAccepted || n.look("acme", shop).TRTCStopped {
		t.Errorf("over HTTP: %+v, %v", got, err)
	}
}

// Bad input is parked, each with its reason, and nothing else stops.
func TestBadInputIsParked(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.app("acme", shop)
	n.run()
	good := overdue("good", "acme", shop, "inv-good")
	change := func(id, old, with string) string {
		event := overdue(id, "acme", shop, "inv-"+id)
		if !strings.Contains(event, old) {
			t.Fatalf("%s has no %s", event, old)
		}
		return strings.Replace(event, old, with, 1)
	}
	cases := []struct{ id, subject, event, code string }{
		{"", "billing.acme", `{"specversion":`, "malformed_json"},
		{"", "billing.acme", strings.Repeat("\x01\xfe", 1<<19), "malformed_json"},
		{"type", "billing.acme", change("type", "invoice.overdue", "invoice.eaten"), "unknown_type"},
		{"account", "billing.acme", change("account", `"acme"`, `"AC ME"`), "invalid_account"},
		{"subject", "billing.AC-ME", change("subject", `"acme"`, `"acme"`), codeWrongAccount},
		{"deeper", "billing.acme.eu", change("deeper", `"acme"`, `"acme"`), codeWrongAccount},
		{"elsewhere", "billing.globex", change("elsewhere", `"acme"`, `"acme"`), codeWrongAccount},
		{"negative", "billing.acme", change("negative", `"minor":100`, `"minor":-100`), "out_of_range"},
		{"currency", "billing.acme", change("currency", `"CNY"`, `"XYQ"`), "unknown_currency"},
		{"zone", "billing.acme", change("zone", `00:00:00Z`, `00:00:00`), "invalid_time"},
		{"ahead", "billing.acme", change("ahead", `2020-12-31`, `2031-05-31`), "effective_too_far_ahead"},
		{"huge", "billing.acme", change("huge", `"minor":100`, `"minor":9007199254740993`), "out_of_range"},
		{"twice", "billing.acme", change("twice", `"version":1`, `"version":1,"version":1`), "duplicate_name"},
		{"control", "billing.acme", change("control", `inv-control`, `inv\u0007`), "invalid_id"},
		{"unknown app", "billing.acme", change("unknown app", `1400000001`, `1400000009`), "app_not_found"},
		{"good", "billing.acme", strings.Replace(good, `"minor":100`, `"minor":200`, 1), codeReused},
	}
	w.publish("billing.acme", good)
	n.drained()
	for _, c := range cases {
		w.publish(c.subject, c.event, c.event) // twice: parked once
	}
	w.publish("billing.acme", overdue("last", "acme", shop, "inv-last"))
	n.drained()

	if app := n.look("acme", shop); app.Invoices.Len() != 2 {
		t.Errorf("%d invoices, want those of the two good events", app.Invoices.Len())
	}
	items, next, err := n.Parked(t.Context(), ParkedFilter{}, "", 100)
	if err != nil || next != "" {
		t.Fatal(next, err)
	}
	if len(items) != len(cases) {
		t.Errorf("%d parked, want %d", len(items), len(cases))
	}
	for i, p := range items {
		if i > 0 && p.sequence <= items[i-1].sequence {
			t.Error("the list is not oldest first")
		}
	}
	for _, c := range cases {
		at := slices.IndexFunc(items, func(p Parked) bool { return string(p.Event) == c.event })
		if at < 0 {
			t.Errorf("%q is not parked", c.id)
			continue
		}
		p := items[at]
		if p.Code != c.code || string(p.Event) != c.event || p.Subject != c.subject || p.EventID != c.id && c.id != "twice" {
			t.Errorf("%q: parked as %s %q (%s) of %q, want %s", c.id, p.Code, p.EventID, p.Text, p.Subject, c.code)
		}
		if p.ParkedAt != domain.InstantOf(enginetest.Began) || p.State != StateOpen || p.Text == "" {
			t.Errorf("%q: %+v", c.id, p)
		}
	}
}

// Whoever makes Nats-Msg-Id of an event's id alone loses no other event to JetStream's duplicate window, but for what the
// server does not allow to be shorter; that of a stream that was made before is shortened at the start.
func TestOnlySourceAndIDTellEventsApart(t *testing.T) {
	w := newWorld(t)
	if _, err := w.JetStream.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: billingStream, Subjects: []string{billingSubject + ">"}, Discard: jetstream.DiscardNew, MaxBytes: 1 << 20,
	}); err != nil {
		t.Fatal(err)
	}
	send := func(subject, event string) *jetstream.PubAck {
		ack, err := w.JetStream.Publish(t.Context(), subject, []byte(event), jetstream.WithMsgID("e-1"))
		if err != nil {
			t.Fatal(err)
		}
		return ack
	}
	send("billing.acme", "before the window was short")
	n := w.node()
	n.app("acme", shop)
	n.app("other", shop+1)
	for _, one := range []struct{ subject, event string }{
		{"billing.acme", "{"},
		{"billing.acme", overdue("e-1", "acme", shop, "inv-1")},
		{"billing.other", strings.Replace(overdue("e-1", "other", shop+1, "inv-1"), "urn:test", "urn:other", 1)},
	} {
		until(t, "storing an event under a message id that another one had", func() bool { return !send(one.subject, one.event).Duplicate })
	}
	n.run()
	n.drained()
	if n.look("acme", shop).Invoices.Len() != 1 || n.look("other", shop+1).Invoices.Len() != 1 {
		t.Error("a bill vanished")
	}
	if items, _, _ := n.Parked(t.Context(), ParkedFilter{}, "", 9); len(items) != 2 {
		t.Errorf("parked %d, want what was malformed", len(items))
	}
	if is := n.stream.CachedInfo().Config; is.Duplicates != duplicateWindow || is.MaxBytes != 1<<20 {
		t.Errorf("the stream is %+v", is)
	}
}

// A message that comes again is one and the same whatever attributes are new on it, and another one if its type or data are:
// judged afresh, and in the place of what was parked if it is taken in. So over NATS and over HTTP.
func TestWhatComesAgain(t *testing.T) {
	for way, send := range map[string]func(*testing.T, *node, string) Outcome{
		"http": func(t *testing.T, n *node, event string) Outcome {
			outcomes, err := n.Take(t.Context(), []jsontext.Value{jsontext.Value(event)}, "billing:test")
			if err != nil {
				t.Fatal(err)
			}
			return outcomes[0]
		},
		"nats": func(t *testing.T, n *node, event string) Outcome {
			before, _ := n.engine.Log.Head(t.Context())
			n.world.publish("billing.acme", event)
			n.drained()
			after, _ := n.engine.Log.Head(t.Context())
			if after > before {
				return Outcome{Outcome: OutcomeAccepted}
			}
			return Outcome{}
		},
	} {
		t.Run(way, func(t *testing.T) {
			w := newWorld(t)
			n := w.node()
			n.app("acme", shop)
			n.run()
			const trace = `"id":`
			again := func(event, attribute string) string { return strings.Replace(event, trace, attribute+","+trace, 1) }
			sent := func(what, event string, want Kind, code string, open int) {
				t.Helper()
				got := send(t, n, event)
				if (got.Outcome == OutcomeAccepted) != (want == OutcomeAccepted) || got.Outcome != want && way == "http" || got.Code != code && way == "http" {
					t.Errorf("%s: %+v, want %s %s", what, got, want, code)
				}
				if items, _, err := n.Parked(t.Context(), ParkedFilter{}, "", 99); len(items) != open || err != nil {
					t.Errorf("%s: %d open, want %d; %v", what, len(items), open, err)
				}
			}
			first := overdue("e-1", "acme", shop, "inv-1")
			sent("a bill", first, OutcomeAccepted, "", 0)
			sent("with a traceparent", again(first, `"traceparent":"00-a-b-01"`), OutcomeDuplicate, "", 0)
			sent("with a time", again(first, `"time":"2021-01-01T00:00:00Z"`), OutcomeDuplicate, "", 0)
			sent("with other data", strings.Replace(first, `"version":1`, `"version":2`, 1), OutcomeParked, codeReused, 1)
			sent("with other data and a traceparent", again(strings.Replace(first, `"version":1`, `"version":2`, 1), `"traceparent":"00-a-b-02"`), OutcomeParked, codeReused, 1)
			sent("of another type", strings.Replace(first, "overdue", "voided", 1), OutcomeParked, codeReused, 2)

			early := strings.Replace(overdue("e-2", "acme", shop, "inv-2"), "2020-12-31", "2031-01-01", 1)
			sent("too early", early, OutcomeParked, "effective_too_far_ahead", 3)
			sent("too early, traced", again(early, `"traceparent":"00-a-b-03"`), OutcomeParked, "effective_too_far_ahead", 3)
			bad := strings.Replace(overdue("e-2", "acme", shop, "inv-2"), `"minor":100`, `"minor":"100"`, 1)
			sent("unreadable data", bad, OutcomeParked, "wrong_type", 4)
			sent("unreadable data, traced", again(bad, `"traceparent":"00-a-b-04"`), OutcomeParked, "wrong_type", 4)
			worse := again(overdue("e-2", "acme", shop, "inv-2"), `"time":"yesterday"`)
			sent("an unreadable attribute", worse, OutcomeParked, "invalid_time", 5)
			parked, _, err := n.Parked(t.Context(), ParkedFilter{}, "", 99)
			if err != nil {
				t.Fatal(err)
			}
			sent("mended", overdue("e-2", "acme", shop, "inv-2"), OutcomeAccepted, "", 2)
			for _, p := range parked[2:] {
				is, err := n.parking.get(t.Context(), keyFrom(t, p.ID))
				if err != nil || is.State != StateSuperseded || is.Position == 0 || is.ClosedBy != automatic {
					t.Errorf("%s is %+v, %v", p.Code, is, err)
				}
				var closed *ClosedError
				if _, err := n.Replay(t.Context(), p.ID, "operator:ann"); !errors.As(err, &closed) || closed.State != StateSuperseded {
					t.Errorf("replayed what was superseded: %v", err)
				}
				if err := n.Discard(t.Context(), p.ID, "operator:ann"); !errors.As(err, &closed) {
					t.Errorf("discarded what was superseded: %v", err)
				}
			}
			sent("what was superseded", bad, OutcomeParked, "wrong_type", 2)

			waiting := overdue("e-3", "acme", shop+5, "inv-3")
			sent("of no app", waiting, OutcomeParked, "app_not_found", 3)
			sent("of no app, traced", again(waiting, `"tracestate":"x"`), OutcomeParked, "app_not_found", 3)
			sent("of no app, with other data", strings.Replace(waiting, `"version":1`, `"version":2`, 1), OutcomeParked, "app_not_found", 4)
			if err := n.Discard(t.Context(), n.open()["e-3"].ID, "operator:ann"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func keyFrom(t *testing.T, id string) parkedKey {
	t.Helper()
	key, ok := parseKey(id)
	if !ok {
		t.Fatalf("%q is no id", id)
	}
	return key
}

// What an earlier program parked has a key of all that it carried, and is parked once all the same.
func TestWhatWasParkedBefore(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.app("acme", shop)
	for _, event := range []string{
		strings.Replace(overdue("e-1", "acme", shop+1, "inv-1"), `"id"`, `"traceparent":"00-a-b-01","id"`, 1),
		strings.Replace(overdue("e-2", "acme", shop, "inv-1"), `"minor":100`, `"traced":1,"minor":-100`, 1),
	} {
		fact, unread := Decode([]byte(event))
		before := arrival{event: []byte(event), fact: &fact}
		errors.As(unread, &before.unread)
		key, err := before.formerKey()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.keep(t.Context(), key, before.event, &fact, origin{actor: "billing:test"}, "before", "it was parked before"); err != nil {
			t.Fatal(err)
		}
		for _, again := range []string{event, strings.Replace(event, `"specversion"`, `"time":"2021-01-01T00:00:00Z","specversion"`, 1)} {
			outcomes, err := n.Take(t.Context(), []jsontext.Value{jsontext.Value(again)}, "billing:test")
			if err != nil || outcomes[0].Parked != key.String() || outcomes[0].Code != "before" {
				t.Errorf("%s: %+v, %v", again, outcomes, err)
			}
		}
	}
	if items, _, _ := n.Parked(t.Context(), ParkedFilter{}, "", 9); len(items) != 2 {
		t.Errorf("%d parked", len(items))
	}
}

// Within a batch, too, what comes later stands in the place of what was not fit.
func TestABatchSupersedesItsOwn(t *testing.T) {
	n := newWorld(t).node()
	n.app("acme", shop)
	good := overdue("e-1", "acme", shop, "inv-1")
	bad := strings.Replace(good, `"minor":100`, `"minor":-100`, 1)
	batch := []jsontext.Value{jsontext.Value(bad), jsontext.Value(good), jsontext.Value(strings.Replace(bad, "-100", "-200", 1))}
	outcomes, err := n.Take(t.Context(), batch, "billing:test")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(outcomes[0].Outcome, outcomes[1].Outcome, outcomes[2].Outcome); got != "parkedacceptedparked" {
		t.Error(got)
	}
	if open := n.open(); len(open) != 1 || string(open["e-1"].Event) != string(batch[2]) {
		t.Errorf("open: %v", open)
	}
}

// An intake that dies between the commit of an event and the closing of what it supersedes leaves that open: it is closed
// when the event comes again, and what was parked since the commit is not.
func TestWhatIsSupersededIsClosedAfterACrash(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.app("acme", shop)
	good := overdue("e-1", "acme", shop, "inv-1")
	bad, worse := strings.Replace(good, `"minor":100`, `"minor":-100`, 1), strings.Replace(good, `"minor":100`, `"minor":-200`, 1)
	take := func(event string, want Kind) {
		t.Helper()
		outcomes, err := n.Take(t.Context(), []jsontext.Value{jsontext.Value(event)}, "billing:test")
		if err != nil || outcomes[0].Outcome != want {
			t.Fatalf("%s: %+v, %v; want %s", event, outcomes, err, want)
		}
	}
	take(bad, OutcomeParked)
	n.engine.Move(time.Minute)
	fact, err := Decode([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.execute(t.Context(), &fact, origin{actor: "billing:test"}); err != nil { // and here it dies
		t.Fatal(err)
	}
	n.engine.Move(time.Minute)
	take(worse, OutcomeParked)
	take(good, OutcomeDuplicate)
	if items, _, err := n.Parked(t.Context(), ParkedFilter{}, "", 9); err != nil || len(items) != 1 || string(items[0].Event) != worse {
		t.Errorf("open: %+v, %v; want only what was parked since", items, err)
	}
}

// What waits is marked before the first of it is taken in, in one go.
func TestBillsThatWaitAreMarked(t *testing.T) {
	w := newWorld(t)
	var marks []uint64
	committed := uint64(0)
	var n *node
	n = w.node(func(c *Config) {
		c.Reached = func(_ context.Context, stream string, sequence uint64) error {
			if stream != billingStream || n.engine.Store.Position() != committed {
				t.Errorf("%s is marked at %d, behind %d commits", stream, sequence, n.engine.Store.Position())
			}
			marks = append(marks, sequence)
			return nil
		}
	})
	n.app("acme", shop)
	committed = n.engine.Store.Position()
	var events []string
	for k := range 40 {
		events = append(events, overdue(fmt.Sprint("e-", k), "acme", shop, fmt.Sprint("inv-", k)))
	}
	w.publish("billing.acme", events...)
	n.run()
	n.drained()
	n.halt()
	if len(marks) != 1 || marks[0] != 40 {
		t.Errorf("marked %v, want 40 alone", marks)
	}
}

// A message that a publisher could not have parked is refused to it.
func TestMoreThanFitsIsRefusedToThePublisher(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	if _, err := w.JetStream.Publish(t.Context(), "billing.acme", make([]byte, MaxEvent+headerRoom+1)); err == nil {
		t.Error("it was stored")
	}
	w.publish("billing.acme", strings.Repeat("x", MaxEvent+100))
	n.run()
	n.drained()
	if items, _, _ := n.Parked(t.Context(), ParkedFilter{}, "", 1); len(items) != 1 || items[0].Code != "too_large" || len(items[0].Event) != MaxEvent+100 {
		t.Errorf("parked %d", len(items))
	}
}

func TestEventsOfAnUnknownAppAreTakenInWhenItAppears(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.run()
	var events []string
	for k := range 20 {
		events = append(events, overdue(fmt.Sprint("e-", k), "acme", shop, fmt.Sprint("inv-", k)))
	}
	w.publish("billing.acme", events...)
	w.publish("billing.acme", overdue("other", "acme", shop+1, "inv"))
	w.publish("billing.globex", overdue("foreign", "globex", shop, "inv"))
	n.drained()
	if open := n.open(); len(open) != 22 {
		t.Fatalf("%d parked, want 22", len(open))
	}
	n.app("acme", shop)
	n.drained() // includes the replays
	if open := n.open(); len(open) != 2 || open["other"].Code != "app_not_found" || open["foreign"].Code != "app_not_found" {
		t.Errorf("parked %v", open)
	}
	if app := n.look("acme", shop); app.Invoices.Len() != 20 {
		t.Errorf("%d invoices, want 20", app.Invoices.Len())
	}
	// What was taken in by a replay is a duplicate when it comes again.
	outcomes, err := n.Take(t.Context(), []jsontext.Value{jsontext.Value(events[3])}, "billing:test")
	if err != nil || outcomes[0].Outcome != OutcomeDuplicate || outcomes[0].Position == 0 {
		t.Errorf("sent again: %+v, %v", outcomes, err)
	}
}

func TestAppsThatAppearedWhileNobodyTookInAreFoundAtTheStart(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.run()
	w.publish("billing.acme", overdue("e-1", "acme", shop, "inv-1"))
	n.drained()
	n.stop()
	// A node without an intake imports the app; the next one finds the event when it begins.
	other := w.node()
	other.replays.intake = &Intake{config: Config{Alone: true}, parking: &parking{index: newParkedIndex()}}
	other.app("acme", shop)
	third := w.node()
	if open := third.open(); len(open) != 1 {
		t.Fatalf("parked %v, want the one", open)
	}
	third.run()
	until(t, "the replay", func() bool { return len(third.open()) == 0 })
	if app := third.look("acme", shop); app.Invoices.Len() != 1 {
		t.Errorf("%d invoices", app.Invoices.Len())
	}
}

func TestReplayAndDiscard(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.app("acme", shop)
	n.run()
	ahead := strings.Replace(overdue("ahead", "acme", shop, "inv-1"), "2020-12-31", "2021-01-10", 1)
	w.publish("billing.acme", ahead, `{"id":"broken"}`)
	n.drained()
	parked := n.open()
	take := func(event string) Outcome {
		t.Helper()
		outcomes, err := n.Take(t.Context(), []jsontext.Value{jsontext.Value(event)}, "billing:test")
		if err != nil {
			t.Fatal(err)
		}
		return outcomes[0]
	}
	if got := take(strings.ReplaceAll(ahead, ",", " ,\n")); got.Outcome != OutcomeParked || got.Code != "effective_too_far_ahead" || got.Parked != parked["ahead"].ID {
		t.Errorf("sent again, spelled otherwise: %+v", got)
	}

	var still *StillParkedError
	if _, err := n.Replay(t.Context(), parked["ahead"].ID, "operator:ann"); !errors.As(err, &still) || still.Code != "effective_too_far_ahead" {
		t.Errorf("replayed too early: %v", err)
	}
	if _, err := n.Replay(t.Context(), parked["broken"].ID, "operator:ann"); !errors.As(err, &still) || still.Code != "missing_field" {
		t.Errorf("replayed though malformed: %v", err)
	}
	for _, id := range []string{"", "x", strings.Repeat("0", 32), strings.ToUpper(parked["ahead"].ID), "*"} {
		if _, err := n.Replay(t.Context(), id, "operator:ann"); !errors.Is(err, ErrNotParked) {
			t.Errorf("replayed %q: %v", id, err)
		}
		if err := n.Discard(t.Context(), id, "operator:ann"); !errors.Is(err, ErrNotParked) {
			t.Errorf("discarded %q: %v", id, err)
		}
	}

	n.engine.Move(10 * 24 * time.Hour)
	if got := take(ahead); got.Outcome != OutcomeParked {
		t.Errorf("sent again when its time is near: %+v, want it parked until somebody replays it", got)
	}
	position, err := n.Replay(t.Context(), parked["ahead"].ID, "operator:ann")
	if err != nil || position == 0 {
		t.Fatalf("replay: %d, %v", position, err)
	}
	if again, err := n.Replay(t.Context(), parked["ahead"].ID, "operator:ann"); err != nil || again != position {
		t.Errorf("replayed again: %d, %v, want %d", again, err, position)
	}
	if got := take(ahead); got.Outcome != OutcomeDuplicate || got.Position != position {
		t.Errorf("sent again after the replay: %+v", got)
	}
	var closed *ClosedError
	if err := n.Discard(t.Context(), parked["ahead"].ID, "operator:ann"); !errors.As(err, &closed) || closed.State != StateReplayed {
		t.Errorf("discarded what was replayed: %v", err)
	}

	for range 2 { // the second is silence
		if err := n.Discard(t.Context(), parked["broken"].ID, "operator:ann"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.Replay(t.Context(), parked["broken"].ID, "operator:ann"); !errors.As(err, &closed) {
		t.Errorf("replayed what was discarded: %v", err)
	}
	if got := take(`{ "id" : "broken" }`); got.Outcome != OutcomeParked || got.Code != "missing_field" || got.Parked != parked["broken"].ID {
		t.Errorf("sent again after it was discarded: %+v", got)
	}
	if open := n.open(); len(open) != 0 {
		t.Errorf("still open: %v", open)
	}
}

func TestADeletedAppsEventsCanOnlyBeDiscarded(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.run()
	gone := n.do("acme", domain.Operator, domain.ImportApp{App: shop + 7, AppName: "gone", CreatedAt: domain.InstantOf(enginetest.Began)}).App.ID
	n.do("acme", domain.Owner, domain.StopApp{App: gone})
	n.do("acme", domain.Owner, domain.DeleteApp{App: gone, Confirm: "gone"})
	w.publish("billing.acme", overdue("late", "acme", gone, "inv-1"))
	n.drained()
	late := n.open()["late"]
	if late.Code != "app_deleted" {
		t.Fatalf("parked as %+v", late)
	}
	var still *StillParkedError
	if _, err := n.Replay(t.Context(), late.ID, "operator:ann"); !errors.As(err, &still) || still.Code != "app_deleted" {
		t.Errorf("replay: %v", err)
	}
	if err := n.Discard(t.Context(), late.ID, "operator:ann"); err != nil {
		t.Error(err)
	}
}

func TestTakeAnswersInTheOrderSent(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	var events []jsontext.Value
	var want []string
	for k := range 30 {
		account, app := fmt.Sprint("acct-", k%5), shop+domain.AppID(k%5)
		if k < 5 {
			n.app(account, app)
		}
		events = append(events, jsontext.Value(overdue(fmt.Sprint("e-", k), account, app, fmt.Sprint("inv-", k))))
		want = append(want, fmt.Sprint("e-", k, " accepted "))
	}
	events[7] = events[2]
	want[7] = "e-2 duplicate "
	events[11] = jsontext.Value(`{}`)
	want[11] = " parked missing_field"
	events[12] = events[11]
	want[12] = want[11]
	outcomes, err := n.Take(t.Context(), events, "billing:test")
	if err != nil {
		t.Fatal(err)
	}
	last := map[int]uint64{}
	for k, o := range outcomes {
		if got := fmt.Sprint(o.ID, " ", o.Outcome, " ", o.Code); got != want[k] {
			t.Errorf("%d: %s, want %s", k, got, want[k])
		}
		if o.Outcome == OutcomeAccepted {
			if o.Position <= last[k%5] {
				t.Errorf("%d: position %d is not after %d", k, o.Position, last[k%5])
			}
			last[k%5] = o.Position
		}
	}
	if _, err := n.Take(t.Context(), make([]jsontext.Value, MaxBatch+1), "billing:test"); !errors.Is(err, ErrTooMany) {
		t.Errorf("a large batch: %v", err)
	}
}

// The same event over both ways, on two nodes, at the same time.
func TestTwoNodesTakeInOnceAndParkOnce(t *testing.T) {
	w := newWorld(t)
	a, b := w.node(), w.node()
	a.app("acme", shop)
	a.run()
	b.run()
	var working sync.WaitGroup
	for k := range 50 {
		good := overdue(fmt.Sprint("e-", k), "acme", shop, fmt.Sprint("inv-", k))
		bad := fmt.Sprintf(`{"id":"bad-%d"}`, k)
		w.publish("billing.acme", good, bad)
		for _, n := range []*node{a, b} {
			working.Go(func() {
				if _, err := n.Take(t.Context(), []jsontext.Value{jsontext.Value(good), jsontext.Value(bad)}, "billing:test"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	working.Wait()
	a.drained()
	b.drained()
	if app := a.look("acme", shop); app.Invoices.Len() != 50 {
		t.Errorf("%d invoices, want 50", app.Invoices.Len())
	}
	for _, n := range []*node{a, b} {
		until(t, "each node knowing what is parked", func() bool { return len(n.open()) == 50 })
	}
	// The one discards, the other knows.
	for _, p := range a.open() {
		if err := a.Discard(t.Context(), p.ID, "operator:ann"); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the other node knowing of the discards", func() bool { return len(b.open()) == 0 })
	outcomes, err := b.Take(t.Context(), []jsontext.Value{jsontext.Value(`{"id":"bad-7"}`)}, "billing:test")
	if err != nil || outcomes[0].Outcome != OutcomeParked {
		t.Errorf("%+v, %v", outcomes, err)
	}
	// And a third that starts now.
	if c := w.node(); !c.parking.index.has(keyOfBytes([]byte(`{"id":"bad-7"}`))) || len(c.open()) != 0 {
		t.Error("a node that starts does not know what was discarded")
	}
}

// A node that does not take in asks the one that does.
func TestDrainOnAnotherNode(t *testing.T) {
	w := newWorld(t)
	leader, other := w.node(), w.node()
	leader.app("acme", shop)
	w.publish("billing.acme", overdue("e-1", "acme", shop, "inv-1"))
	brief, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := other.Drain(brief); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drained though nobody takes in: %v", err)
	}
	leader.run()
	other.drained()
	if app := leader.look("acme", shop); app.Invoices.Len() != 1 {
		t.Errorf("%d invoices when the other node had drained", app.Invoices.Len())
	}
}

// A stuck account is reported, holds nobody else, loses nothing, and goes on by itself.
func TestAStuckAccountHoldsOnlyItself(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	n.parking.limits.account = 1
	n.app("acme", shop)
	n.app("globex", shop+1)
	n.run()
	w.publish("billing.acme", `{"id":"first"}`) // takes the only place
	n.drained()
	w.publish("billing.acme", `{"id":"second"}`, overdue("e-1", "acme", shop, "inv-1"), overdue("e-2", "acme", shop, "inv-2"))
	w.publish("billing.globex", overdue("e-3", "globex", shop+1, "inv-3"))
	stuck, err := n.Drain(t.Context())
	if err != nil || len(stuck) != 1 || !errors.Is(stuck["acme"], ErrParkedFull) {
		t.Fatalf("stuck %v, %v", stuck, err)
	}
	if app := n.look("globex", shop+1); app.Invoices.Len() != 1 {
		t.Error("another account was held too")
	}
	if app := n.look("acme", shop); app.Invoices.Len() != 0 {
		t.Error("the stuck account's order was not kept")
	}
	w.publish("billing.acme", overdue("e-4", "acme", shop, "inv-4")) // comes while it is stuck
	if err := n.Discard(t.Context(), n.open()["first"].ID, "operator:ann"); err != nil {
		t.Fatal(err)
	}
	until(t, "the account's recovery", func() bool {
		stuck, err := n.Drain(t.Context())
		return err == nil && len(stuck) == 0
	})
	if app := n.look("acme", shop); app.Invoices.Len() != 3 {
		t.Errorf("%d invoices after the recovery, want 3", app.Invoices.Len())
	}
	until(t, "purging", func() bool {
		info, err := n.stream.Info(t.Context())
		return err == nil && info.State.Msgs == 0
	})
}

// wrapped runs a handler on a message as the router would, and gives what is brought back to the lane.
func (n *node) wrapped(t *testing.T, payload string, handler message.HandlerFunc) (this *attempt, err error) {
	t.Helper()
	term := &session{intake: n.Intake, ctx: t.Context()}
	wrapping, err := term.wrapping()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range slices.Backward(wrapping) {
		handler = w(handler)
	}
	this = &attempt{subject: "billing.acme"}
	m := message.NewMessageWithContext(context.WithValue(t.Context(), attemptKey{}, this), "1", []byte(payload))
	_, err = handler(m)
	return this, err
}

func TestAPanicParksTheMessage(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	calls := 0
	boom := func(*message.Message) ([]*message.Message, error) { calls++; panic("boom") }
	if _, err := n.wrapped(t, "boom", boom); err != nil {
		t.Fatal(err)
	}
	items, _, err := n.Parked(t.Context(), ParkedFilter{}, "", 10)
	if err != nil || len(items) != 1 || items[0].Code != codeProcessing || string(items[0].Event) != "boom" || items[0].Subject != "billing.acme" {
		t.Errorf("parked %+v, %v", items, err)
	}
	// Where there is no room the message stays with its lane, which is told why in a line, and nothing is tried at once.
	n.parking.limits.account = 1
	calls = 0
	this, err := n.wrapped(t, "another", boom)
	if !errors.Is(err, ErrParkedFull) || !errors.Is(this.err, ErrParkedFull) || strings.ContainsAny(this.err.Error(), "\n") {
		t.Errorf("no room: %v, told the lane: %v", err, this.err)
	}
	if calls != 1 {
		t.Errorf("tried %d times, want once", calls)
	}
}

// What fails is tried five times, and then its lane waits; what succeeds meanwhile is taken in.
func TestAFailureIsTriedAgainAFewTimes(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	for _, row := range []struct{ fails, calls int }{{0, 1}, {1, 2}, {4, 5}, {100, 5}} {
		calls := 0
		this, err := n.wrapped(t, "x", func(*message.Message) ([]*message.Message, error) {
			if calls++; calls <= row.fails {
				return nil, engine.ErrUnavailable
			}
			return nil, nil
		})
		if failed := row.fails >= row.calls; errors.Is(err, engine.ErrUnavailable) != failed || errors.Is(this.err, engine.ErrUnavailable) != failed {
			t.Errorf("%d failures: %v, told the lane: %v", row.fails, err, this.err)
		}
		if calls != row.calls {
			t.Errorf("%d failures: tried %d times, want %d", row.fails, calls, row.calls)
		}
	}
	if items, _, err := n.Parked(t.Context(), ParkedFilter{}, "", 10); err != nil || len(items) != 0 {
		t.Errorf("parked %+v, %v: what can be tried again is not parked", items, err)
	}
}

// The server restarts while bills come in: all are taken in, none twice.
func TestTheServersRestartLosesNothing(t *testing.T) {
	w := newWorld(t)
	n := w.node()
	const accounts, each = 20, 30
	for a := range accounts {
		n.app(fmt.Sprint("acct-", a), shop+domain.AppID(a))
	}
	w.fill(accounts*each, func(k int) (string, string) {
		account := fmt.Sprint("acct-", k%accounts)
		return "billing." + account, overdue(fmt.Sprint("e-", k), account, shop+domain.AppID(k%accounts), fmt.Sprint("inv-", k))
	})
	n.run()
	until(t, "a beginning", func() bool { head, err := n.engine.Log.Head(t.Context()); return err == nil && head > accounts+50 })
	if err := w.NATS.Restart(); err != nil {
		t.Fatal(err)
	}
	until(t, "the end", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stuck, err := n.Drain(ctx)
		return err == nil && len(stuck) == 0
	})
	for a := range accounts {
		if app := n.look(fmt.Sprint("acct-", a), shop+domain.AppID(a)); app.Invoices.Len() != each {
			t.Errorf("account %d has %d invoices, want %d", a, app.Invoices.Len(), each)
		}
	}
	if head, _ := n.engine.Log.Head(t.Context()); head != accounts+accounts*each {
		t.Errorf("%d commits, want %d", head, accounts+accounts*each)
	}
}
