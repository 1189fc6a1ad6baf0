package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/internal/server"
)

const (
	// killsInPassing is how often the program is killed where nobody asks for more: a short run for every change.
	killsInPassing = 3

	tortureWriters = 12
	longestLife    = 1500 * time.Millisecond

	// billedApp is the first of the apps, one for each writer's account, that bills come for.
	billedApp = 1_500_000_001
)

// TestTorture kills the program at random moments under load, over HTTP and over NATS, and starts it again. Afterwards
// every acknowledged command is in the log once, where its answer said; nothing is in the log twice; an answer asked for
// again is the first one; and the projections are what the log makes of them. SUNDIAL_TORTURE says how many kills.
func TestTorture(t *testing.T) {
	kills := killsInPassing
	if s := os.Getenv("SUNDIAL_TORTURE"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatalf("SUNDIAL_TORTURE: %v", err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d kills", seed, kills)
	random := rand.New(rand.NewPCG(seed, 0))

	dir := t.TempDir()
	victim := &victim{dir: dir, random: random}
	writers := make([]*tortureWriter, tortureWriters)
	for i := range writers {
		writers[i] = &tortureWriter{account: fmt.Sprintf("acct-%d", i), random: rand.New(rand.NewPCG(seed, uint64(i+1))), held: map[uint64][]string{}}
	}
	biller := &tortureBiller{}
	for range kills {
		victim.live(t, writers, biller)
	}

	p := spawn(t, dir)
	settleTransitions(t, p)
	token := operatorToken(t, dir)
	acked := 0
	for _, w := range writers {
		acked += len(w.acked)
		for _, a := range w.sample(100) {
			again, err := w.send(t.Context(), p.http, token, a.request)
			if err != nil || again != a.answer {
				t.Errorf("%s %s again: %v\n got %+v\nwant %+v", a.request.method, a.request.key, err, again, a.answer)
			}
		}
	}
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("ended with %v\n%s", err, p.logs)
	}
	t.Logf("%d commands acknowledged over HTTP, %d bills over NATS", acked, len(biller.acked))
	if acked == 0 || len(biller.acked) == 0 {
		t.Fatal("nothing was acknowledged: the program was not under load")
	}
	checkTorturedLog(t, dir, writers, biller)
}

// victim is the program from one kill to the next.
type victim struct {
	dir    string
	random *rand.Rand
}

// live starts the program, puts it under load and kills it.
func (v *victim) live(t *testing.T, writers []*tortureWriter, biller *tortureBiller) {
	t.Helper()
	p := spawn(t, v.dir)
	ctx, cancel := context.WithCancel(t.Context())
	token := operatorToken(t, v.dir)
	var load sync.WaitGroup
	for _, w := range writers {
		load.Go(func() { w.work(ctx, t, p.http, token) })
	}
	underLoad := make(chan struct{})
	load.Go(func() { biller.work(ctx, t, p, writers, sync.OnceFunc(func() { close(underLoad) })) })
	select {
	case <-underLoad:
	case <-time.After(time.Minute):
		t.Errorf("no bill was acknowledged within a minute\n%s", p.logs)
	}
	time.Sleep(time.Duration(v.random.Int64N(int64(longestLife)))) // the moment of the kill, not a wait for a state
	p.kill(t)
	cancel()
	load.Wait()
}

func operatorToken(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(dir + "/operator.token")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// tortureRequest is a command that can be sent again.
type tortureRequest struct{ method, path, key, body string }

// tortureAnswer is what must be the same when it is.
type tortureAnswer struct {
	status         int
	position, body string
}

type tortureAcked struct {
	request tortureRequest
	answer  tortureAnswer
}

// tortureWriter is a client with an account of its own; a command whose outcome it does not know it sends again.
type tortureWriter struct {
	account string
	random  *rand.Rand
	count   int
	apps    []uint64
	held    map[uint64][]string // ids of certificates, by app
	unknown *tortureRequest
	acked   []tortureAcked
}

func (w *tortureWriter) work(ctx context.Context, t *testing.T, server, token string) {
	for ctx.Err() == nil {
		request := w.unknown
		if request == nil {
			request = w.next()
		}
		w.unknown = request
		answer, err := w.send(ctx, server, token, *request)
		if err != nil {
			return // killed
		}
		if answer.status == http.StatusServiceUnavailable {
			continue
		}
		w.unknown = nil
		if strings.Contains(answer.body, `"code":"too_many_keys"`) {
			continue // rotated faster than the overlaps end
		}
		if answer.status >= 300 {
			t.Errorf("%s %s: %d %s", request.method, request.path, answer.status, answer.body)
			return
		}
		if answer.position != "" {
			w.acked = append(w.acked, tortureAcked{*request, answer})
		}
		var app uint64
		if n, _ := fmt.Sscanf(answer.body, `{"app":%d`, &app); n == 1 && request.method == http.MethodPost && strings.HasSuffix(request.path, "/apps") {
			w.apps = append(w.apps, app)
		}
		if _, added, is := strings.Cut(answer.body, `"certificate":{"id":`); is {
			id, _, _ := strings.Cut(added, ",")
			fmt.Sscanf(answer.body, `{"app":%d`, &app)
			w.held[app] = append(w.held[app], id)
		}
	}
}

// next makes up a command: an app with a plan that ends in a moment, a debt, a new name, or something with a secret.
func (w *tortureWriter) next() *tortureRequest {
	w.count++
	key := fmt.Sprintf("%s-%d", w.account, w.count)
	if len(w.apps) < 40 && (len(w.apps) == 0 || w.random.IntN(4) == 0) {
		ends := domain.InstantOf(time.Now().Add(time.Duration(1+w.random.IntN(3000)) * time.Millisecond))
		body := fmt.Sprintf(`{"name":"app","order":{"id":"o-1","edition":"pro","effective_at":%q,"paid_until":%q,"amount":{"currency":"CNY","minor":1}}}`,
			ends.Add(-24*time.Hour), ends)
		return &tortureRequest{http.MethodPost, "/v1/accounts/" + w.account + "/apps", key, body}
	}
	app := w.apps[w.random.IntN(len(w.apps))]
	if w.random.IntN(3) == 0 {
		return w.nextSecret(app, key)
	}
	if w.random.IntN(2) == 0 {
		return &tortureRequest{http.MethodPatch, fmt.Sprintf("/v1/apps/%d", app), key, fmt.Sprintf(`{"name":"app %d"}`, w.count)}
	}
	late := domain.InstantOf(time.Now().Add(-168*time.Hour + time.Second))
	body := fmt.Sprintf(`{"invoice":"inv-%d","version":1,"effective_at":%q,"amount":{"currency":"CNY","minor":7}}`, w.count, late)
	return &tortureRequest{http.MethodPost, fmt.Sprintf("/v1/apps/%d/arrears", app), key, body}
}

// nextSecret has a key made or rotated, or a certificate added or deleted.
func (w *tortureWriter) nextSecret(app uint64, key string) *tortureRequest {
	path := fmt.Sprintf("/v1/apps/%d", app)
	switch held := w.held[app]; w.random.IntN(4) {
	case 0:
		return &tortureRequest{http.MethodPost, path + "/usersigs", key, `{"user_id":"alice","expire_seconds":60}`}
	case 1:
		return &tortureRequest{http.MethodPost, path + "/key/rotate", key, fmt.Sprintf(`{"overlap":"%dms"}`, w.random.IntN(2)*500)}
	case 2:
		if len(held) > 0 {
			w.held[app] = held[1:]
			return &tortureRequest{http.MethodDelete, path + "/certificates/" + held[0] + "?confirm=" + held[0], key, ""}
		}
	}
	if len(w.held[app]) >= 15 {
		return &tortureRequest{http.MethodPost, path + "/key/retire", key, ""}
	}
	body := fmt.Sprintf(`{"platform":"vivo","fields":{"app_key":"k","app_id":"1","app_secret":"%s-s3cret","click_action":{"type":"open_app"}}}`, key)
	return &tortureRequest{http.MethodPost, path + "/certificates", key, body}
}

func (w *tortureWriter) send(ctx context.Context, server, token string, r tortureRequest) (tortureAnswer, error) {
	request, err := http.NewRequestWithContext(ctx, r.method, server+r.path, bytes.NewBufferString(r.body))
	if err != nil {
		return tortureAnswer{}, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Idempotency-Key", r.key)
	request.Header.Set("Content-Type", "application/json")
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return tortureAnswer{}, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	return tortureAnswer{reply.StatusCode, reply.Header.Get("Sundial-Position"), string(body)}, err
}

func (w *tortureWriter) sample(n int) []tortureAcked {
	some := make([]tortureAcked, 0, n)
	for _, i := range w.random.Perm(len(w.acked)) {
		if len(some) < n {
			some = append(some, w.acked[i])
		}
	}
	return some
}

// tortureBiller is a billing system that publishes over NATS; a bill is acknowledged when the stream has it.
// Every fourth is for an app that nobody has.
type tortureBiller struct {
	count int
	acked []string // ids of events
}

func (b *tortureBiller) work(ctx context.Context, t *testing.T, p *process, writers []*tortureWriter, acknowledged func()) {
	nc, err := nats.Connect(p.nats, nats.Token(operatorToken(t, p.directory)), nats.MaxReconnects(0))
	if err != nil {
		return // killed
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Error(err)
		return
	}
	for i, w := range writers {
		body := fmt.Sprintf(`{"app":%d,"name":"billed","created_at":"2021-01-01T00:00:00.000Z","edition":"pro"}`, billedApp+i)
		_, err := w.send(ctx, p.http, operatorToken(t, p.directory),
			tortureRequest{http.MethodPost, "/v1/accounts/" + w.account + "/apps/import", "import", body})
		if err != nil {
			return // killed
		}
	}
	for ctx.Err() == nil && nc.IsConnected() {
		b.count++
		id := fmt.Sprintf("bill-%d", b.count)
		which := b.count % len(writers)
		account, app := writers[which].account, billedApp+which
		if b.count%4 == 0 {
			app = billedApp - 1
		}
		event := fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"urn:torture","type":"sundial.billing.invoice.overdue",`+
			`"data":{"account":%q,"app":%d,"invoice":"bill-%d","version":1,"effective_at":%q,"amount":{"currency":"CNY","minor":3}}}`,
			id, account, app, b.count, domain.InstantOf(time.Now()))
		if _, err := js.Publish(ctx, "billing."+account, []byte(event)); err == nil {
			b.acked = append(b.acked, id)
			acknowledged()
		}
	}
}

// settleTransitions waits until nothing is due that has not fired and all bills were taken in.
func settleTransitions(t *testing.T, p *process) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var page struct {
			Items []struct{} `json:"items"`
		}
		answer, err := p.client(t).do(t.Context(), request{
			method: http.MethodGet, path: "/v1/transitions?before=" + domain.InstantOf(time.Now()).String(),
		})
		if err == nil && answer.into(&page) == nil && len(page.Items) == 0 {
			return
		}
	}
	t.Fatalf("transitions stay due\n%s", p.logs)
}

// checkTorturedLog reads the whole log and what stands beside it.
func checkTorturedLog(t *testing.T, dir string, writers []*tortureWriter, biller *tortureBiller) {
	t.Helper()
	idle := openIdle(t, dir)
	defer idle.Close()
	parts := idle.Parts()
	if err := parts.Log.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
	at := commitsByID(t, parts.Log)
	for _, w := range writers {
		for _, a := range w.acked {
			if got := strconv.FormatUint(at[w.account+" "+a.request.key], 10); got != a.answer.position {
				t.Errorf("%s was acknowledged at position %s and is in the log at %s", a.request.key, a.answer.position, got)
			}
		}
	}
	parked := parkedEvents(t, parts.JetStream)
	for _, id := range biller.acked {
		inLog, isParked := at["bill "+id] != 0, strings.Contains(parked, strconv.Quote(id))
		if !inLog && !isParked {
			t.Errorf("bill %s was acknowledged by the stream and is neither in the log nor parked", id)
		}
	}
	checkTorturedSecrets(t, dir, parts, writers)
	differences, err := idle.Check(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences {
		t.Errorf("the projections differ from the log: %+v", d)
	}
}

// checkTorturedSecrets opens every secret of what was not deleted.
func checkTorturedSecrets(t *testing.T, dir string, parts server.Parts, writers []*tortureWriter) {
	t.Helper()
	keys := openVaultOf(t, dir, parts.JetStream)
	defer keys.Close()
	there, gone := 0, 0
	for _, w := range writers {
		for _, s := range sealedIn(t, parts.Log, w.account) {
			if s.gone {
				gone++
				continue
			}
			there++
			if _, err := keys.Unseal(t.Context(), s.holder, s.place, s.value); err != nil {
				t.Errorf("%s: %v", s.holder, err)
			}
		}
	}
	t.Logf("%d secrets open, those of %d certificates that were deleted aside", there, gone)
	if there == 0 || gone == 0 {
		t.Error("there were no secrets under load")
	}
}

// commitsByID gives the position of each command: by account and id, bills by the id of their event. One that is there
// twice is an error.
func commitsByID(t *testing.T, log *eventstore.Log) map[string]uint64 {
	t.Helper()
	codec, err := codec.New()
	if err != nil {
		t.Fatal(err)
	}
	head, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	follower, err := log.Follow(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Close()
	at := make(map[string]uint64, head)
	note := func(key string, position uint64) {
		if before, double := at[key]; double {
			t.Errorf("%s is in the log at %d and again at %d", key, before, position)
		}
		at[key] = position
	}
	for last := uint64(0); last < head; {
		messages, err := follower.Next(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			last = m.Sequence
			commit, err := eventstore.DecodeCommit(m.Payload)
			if err != nil {
				t.Fatal(err)
			}
			note(commit.Account+" "+commit.ID, m.Sequence)
			for _, stored := range commit.Events {
				event, err := codec.Decode(stored)
				if err != nil {
					t.Fatal(err)
				}
				if owed, ok := event.(domain.InvoiceOverdueRecorded); ok && owed.Report != nil {
					note("bill "+owed.Report.ID, m.Sequence)
				}
			}
		}
	}
	return at
}

// parkedEvents gives all that is parked, as it stands in its stream.
func parkedEvents(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	var all strings.Builder
	for name := range js.StreamNames(t.Context()).Name() {
		if !strings.Contains(name, "PARKED") {
			continue
		}
		consumer, err := js.OrderedConsumer(t.Context(), name, jetstream.OrderedConsumerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		for {
			batch, err := consumer.FetchNoWait(500)
			if err != nil && !errors.Is(err, jetstream.ErrNoMessages) {
				t.Fatal(err)
			}
			n := 0
			for m := range batch.Messages() {
				n++
				all.Write(m.Data())
			}
			if n == 0 {
				break
			}
		}
	}
	return all.String()
}
