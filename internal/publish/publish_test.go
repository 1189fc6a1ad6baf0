package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/cloudevent"
	"sundial/internal/codec"
	"sundial/internal/natsd"
)

// harness is a NATS server with a log to publish from.
type harness struct {
	t    testing.TB
	nats *natsd.Server
	nc   *nats.Conn
	js   jetstream.JetStream
	log  *eventstore.Log

	last map[string]uint64
	hash map[string]eventstore.Hash
	want []string // ids and subjects, as they must come out
}

func newWorld(t testing.TB) *harness {
	t.Helper()
	s, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	w := &harness{t: t, nats: s, last: map[string]uint64{}, hash: map[string]eventstore.Hash{}}
	w.nc, w.js = w.connect()
	if w.log, err = eventstore.Create(t.Context(), w.nc, eventstore.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.log.Close(context.Background()) })
	return w
}

func (w *harness) connect() (*nats.Conn, jetstream.JetStream) {
	w.t.Helper()
	nc, err := w.nats.Connect()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		w.t.Fatal(err)
	}
	return nc, js
}

// commit appends events to the log.
func (w *harness) commit(account string, events ...domain.Event) uint64 {
	w.t.Helper()
	codec, err := codec.New()
	if err != nil {
		w.t.Fatal(err)
	}
	c := eventstore.Commit{
		Account: account, ID: fmt.Sprint("id-", len(w.want)), Command: "test", Actor: "owner:ann", Correlation: "trace-1",
		RecordedAt: 1612137600000, Previous: w.hash[account],
	}
	for _, e := range events {
		stored, err := codec.Encode(e)
		if err != nil {
			w.t.Fatal(err)
		}
		c.Events = append(c.Events, stored)
	}
	payload, err := c.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	seq, err := w.log.Append(w.t.Context(), account, w.last[account], payload, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.last[account], w.hash[account] = seq, eventstore.HashOf(payload)
	for i, e := range events {
		w.want = append(w.want, fmt.Sprint(seq, ".", i, " ", subjectOf(account, e.Subject())))
	}
	return seq
}

// some appends commits of one to many events.
func (w *harness) some(commits int) {
	w.t.Helper()
	for range commits {
		a := rand.IntN(5)
		events := make([]domain.Event, 1+rand.IntN(3)*rand.IntN(6))
		for i := range events {
			events[i] = domain.AppInfoEdited{About: domain.About{App: domain.FirstApp + domain.AppID(a)}, Name: "shop", AppType: "other"}
		}
		w.commit(fmt.Sprint("acct-", a), events...)
	}
}

func (w *harness) publisher() *Publisher {
	w.t.Helper()
	_, js := w.connect()
	p, err := Open(w.t.Context(), Config{Log: w.log, JetStream: js, Logger: slog.New(slog.NewTextHandler(w.t.Output(), nil))})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// run runs a publisher until the returned function is called.
func (w *harness) run(p *Publisher) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}()
	return func() { cancel(); <-done }
}

// out reads what was published.
func (w *harness) out() (messages []*jetstream.RawStreamMsg) {
	w.t.Helper()
	s, err := w.js.Stream(w.t.Context(), streamName)
	if err != nil {
		w.t.Fatal(err)
	}
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		m, err := s.GetMsg(w.t.Context(), seq)
		if err != nil {
			w.t.Fatal(err)
		}
		messages = append(messages, m)
	}
	return messages
}

// published waits until everything is out, and wants it once and in order.
func (w *harness) published() {
	w.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		s, err := w.js.Stream(w.t.Context(), streamName)
		if err == nil && s.CachedInfo().State.LastSeq >= uint64(len(w.want)) {
			break
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not all was published: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	out := w.out()
	if len(out) != len(w.want) {
		w.t.Fatalf("%d messages, want %d", len(out), len(w.want))
	}
	for i, m := range out {
		if got := m.Header.Get(nats.MsgIdHdr) + " " + m.Subject; got != w.want[i] {
			w.t.Fatalf("message %d is %s, want %s", i+1, got, w.want[i])
		}
	}
}

func TestEventsAreCloudEvents(t *testing.T) {
	w := newWorld(t)
	w.commit("acme", domain.QuotaSet{Apps: 5})
	w.commit("acme", domain.AppCreated{About: domain.About{App: domain.FirstApp}, Name: "商店", AppType: "other", CreatedAt: 1612137600000})
	defer w.run(w.publisher())()
	w.published()
	out := w.out()
	var got map[string]jsontext.Value
	if err := json.Unmarshal(out[1].Data, &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"specversion": `"1.0"`, "id": `"2.0"`, "source": `"/sundial/` + w.log.Identity() + `"`, "type": `"sundial.app.created"`,
		"subject": `"1400000001"`, "time": `"2021-02-01T00:00:00.000Z"`, "datacontenttype": `"application/json"`,
		"dataschema": `"urn:sundial:event:app.created.v1"`, "account": `"acme"`, "position": `"2"`, "actor": `"owner:ann"`,
		"correlationid": `"trace-1"`,
		"data":          `{"app":1400000001,"name":"商店","type":"other","created_at":"2021-02-01T00:00:00.000Z"}`,
	} {
		if string(got[name]) != want {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
		delete(got, name)
	}
	if len(got) != 0 {
		t.Errorf("more attributes than documented: %v", got)
	}
	if h := out[1].Header; h.Get("Content-Type") != cloudevent.ContentType || h.Get(headerPosition) != "2" || h.Get(headerIndex) != "0" || h.Get(headerLog) != w.log.Identity() {
		t.Errorf("headers %v", h)
	}
	if !strings.Contains(string(out[0].Data), `"subject":"acme"`) || out[0].Subject != "lifecycle.acme.account" {
		t.Errorf("an event of the account: %s %s", out[0].Subject, out[0].Data)
	}
}

// A publisher that ends at any moment, between publishing and its answer too, and is started again.
func TestRestartsPublishNothingTwiceAndLeaveNothingOut(t *testing.T) {
	w := newWorld(t)
	for range 20 {
		w.some(1 + rand.IntN(30))
		stop := w.run(w.publisher())
		time.Sleep(rand.N(8 * time.Millisecond)) // a moment to end at, not a state to wait for
		stop()
	}
	defer w.run(w.publisher())()
	w.published()
}

// The connection breaks while answers are under way, as when a node dies.
func TestBrokenConnections(t *testing.T) {
	w := newWorld(t)
	for range 10 {
		w.some(1 + rand.IntN(60))
		p := w.publisher()
		stop := w.run(p)
		time.Sleep(rand.N(8 * time.Millisecond)) // a moment to end at, not a state to wait for
		p.config.JetStream.Conn().Close()
		stop()
	}
	defer w.run(w.publisher())()
	w.published()
}

func TestTwoPublishersAtOnce(t *testing.T) {
	w := newWorld(t)
	defer w.run(w.publisher())()
	defer w.run(w.publisher())()
	for range 20 {
		w.some(rand.IntN(40))
	}
	w.published()
}

func TestTheServersRestart(t *testing.T) {
	w := newWorld(t)
	defer w.run(w.publisher())()
	w.some(300)
	if err := w.nats.Restart(); err != nil {
		t.Fatal(err)
	}
	w.published()
}

// One commit's events may be torn apart by the end of a publisher: the next one goes on in its middle.
func TestGoingOnInTheMiddleOfACommit(t *testing.T) {
	w := newWorld(t)
	edited := domain.AppInfoEdited{About: domain.About{App: domain.FirstApp}, Name: "shop", AppType: "other"}
	w.commit("acme", edited, edited, edited)
	p := w.publisher()
	commits, err := w.log.Follow(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer commits.Close()
	read, err := commits.Next(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	items, err := p.translator.translate(&read[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := p.stream.Publish(streamName, items[0].m); err != nil {
		t.Fatal(err)
	}
	w.commit("acme", edited)
	defer w.run(p)()
	w.published()
}

// Whoever publishes behind another's back gets an error, and nothing is written.
func TestAConflictWritesNothing(t *testing.T) {
	w := newWorld(t)
	w.some(20)
	a, b := w.publisher(), w.publisher()
	follower, err := w.log.Follow(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Close()
	var commits []eventstore.Message
	for len(commits) < 20 {
		some, err := follower.Next(t.Context(), 20)
		if err != nil {
			t.Fatal(err)
		}
		commits = append(commits, some...)
	}
	if _, err := a.publish(t.Context(), commits[:10], place{}); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, len(commits)} {
		if _, err := b.publish(t.Context(), commits[:n], place{}); !errors.Is(err, errConflict) {
			t.Errorf("%d commits: %v, want a conflict", n, err)
		}
	}
	if done, err := b.stream.checkpoint(t.Context()); err != nil || done.position != commits[9].Sequence || !done.last {
		t.Errorf("checkpoint %+v, %v", done, err)
	}
}

func TestAStreamThatDoesNotBelongIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.some(3)
	p := w.publisher()
	stop := w.run(p)
	w.published()
	stop()

	other := newTranslatorOf(t, "another log")
	p.stream.log, p.translator = "another log", other
	var checkpoint *CheckpointError
	if _, err := p.stream.checkpoint(t.Context()); !errors.As(err, &checkpoint) {
		t.Errorf("another log's stream: %v", err)
	}
	if err := p.stream.stream.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.stream.checkpoint(t.Context()); !errors.As(err, &checkpoint) {
		t.Errorf("a purged stream: %v", err)
	}
	// The advice works: after a deletion all is published again.
	if err := w.js.DeleteStream(t.Context(), streamName); err != nil {
		t.Fatal(err)
	}
	defer w.run(w.publisher())()
	w.published()
}

func newTranslatorOf(t *testing.T, log string) *translator {
	t.Helper()
	tr, err := newTranslator(log, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestALongBacklogGoesOutInBatches(t *testing.T) {
	w := newWorld(t)
	w.some(600)
	began := time.Now()
	defer w.run(w.publisher())()
	w.published()
	t.Logf("%d events in %s", len(w.want), time.Since(began))
}

// one is a Watermill subscriber that hands over the events of a log as order demands it: each once the one before it was
// acknowledged.
type one struct{ messages []*message.Message }

func (o one) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		for _, m := range o.messages {
			m.SetContext(ctx)
			out <- m
			<-m.Acked()
		}
	}()
	return out, nil
}

func (one) Close() error { return nil }

// BenchmarkPublish publishes a thousand events in the log's order: through Watermill's router, and in calls of so many
// of its publisher.
func BenchmarkPublish(b *testing.B) {
	const events = 1000
	run := func(name string, publish func(b *testing.B, s *stream, messages []*message.Message)) {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			s := w.publisher().stream
			for b.Loop() {
				b.StopTimer()
				messages := make([]*message.Message, events)
				for i := range messages {
					messages[i] = message.NewMessage(strconv.FormatUint(rand.Uint64(), 36), bytes.Repeat([]byte("x"), 400))
					messages[i].SetContext(b.Context())
					messages[i].Metadata.Set(metaSubject, "lifecycle.acme.account")
				}
				b.StartTimer()
				publish(b, s, messages)
			}
			b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
		})
	}
	run("router", func(b *testing.B, s *stream, messages []*message.Message) {
		router, err := message.NewRouter(message.RouterConfig{}, watermill.NopLogger{})
		if err != nil {
			b.Fatal(err)
		}
		router.AddHandler("publish", "log", one{messages}, streamName, s, func(m *message.Message) ([]*message.Message, error) {
			out := m.Copy()
			out.SetContext(m.Context())
			return []*message.Message{out}, nil
		})
		if err := router.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
	})
	for _, size := range []int{1, 100, 1000} {
		run(fmt.Sprint("calls of ", size), func(b *testing.B, s *stream, messages []*message.Message) {
			for part := range slices.Chunk(messages, size) {
				if err := s.Publish(streamName, part...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
