package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"sundial/domain"
	"sundial/internal/engine"
)

// feedPage reads a page of the feed strictly.
func (w *harness) feedPage(who, query string) (ids []string, after, next string) {
	w.t.Helper()
	var page eventPage
	body := w.must(200, who, "GET", "/v1/events?"+query, "").body
	if err := json.Unmarshal([]byte(body), &page, json.RejectUnknownMembers(true)); err != nil {
		w.t.Fatalf("%s: %v", body, err)
	}
	for _, e := range page.Items {
		ids = append(ids, e.ID+" "+e.Type)
	}
	return ids, page.After, page.Next
}

func TestEventPages(t *testing.T) {
	w := start(t, nil)
	w.create(`{"name":"shop"}`)
	made := w.must(201, "stranger", "POST", "/v1/accounts/globex/apps",
		`{"name":"b","order":{"id":"o-1","edition":"pro","paid_until":"2021-02-01T00:00:00.000Z","amount":{"currency":"CNY","minor":1}},"reason":"a \"test\""}`)
	w.must(200, "operator", "PUT", "/v1/accounts/acme/quota", `{"apps":7}`)
	for query, want := range map[string]string{
		"":                         "[1.0 sundial.app.created 2.0 sundial.app.created 2.1 sundial.app.order_recorded 2.2 sundial.app.edition_changed 2.3 sundial.app.term_scheduled 3.0 sundial.account.quota_set] 3.0 ",
		"limit=2":                  "[1.0 sundial.app.created 2.0 sundial.app.created] 2.0 2.0",
		"after=2.0&limit=2":        "[2.1 sundial.app.order_recorded 2.2 sundial.app.edition_changed] 2.2 2.2",
		"cursor=2.2&after=1":       "[2.3 sundial.app.term_scheduled 3.0 sundial.account.quota_set] 3.0 ",
		"cursor=2.2&limit=1":       "[2.3 sundial.app.term_scheduled] 2.3 2.3",
		"after=2":                  "[3.0 sundial.account.quota_set] 3.0 ",
		"after=2.9":                "[3.0 sundial.account.quota_set] 3.0 ",
		"after=3":                  "[] 3@1 ",
		"after=3.0":                "[] 3.0 ",
		"after=3@1":                "[] 3@1 ",
		"account=acme":             "[1.0 sundial.app.created 3.0 sundial.account.quota_set] 3.0 ",
		"account=nobody":           "[] 3@1 ",
		"account=globex&after=2.2": "[2.3 sundial.app.term_scheduled] 3@1 ",
		"types=app.created,sundial.account.quota_set":                 "[1.0 sundial.app.created 2.0 sundial.app.created 3.0 sundial.account.quota_set] 3.0 ",
		"types=app.created,sundial.account.quota_set&limit=1":         "[1.0 sundial.app.created] 1.0 1.0",
		"types=app.created,sundial.account.quota_set&limit=1&after=1": "[2.0 sundial.app.created] 2@1 2@1",
		"types=app.deleted": "[] 3@1 ",
	} {
		ids, after, next := w.feedPage("auditor", query)
		if got := fmt.Sprint(ids, " ", after, " ", next); got != want {
			t.Errorf("?%s:\n got  %s\n want %s", query, got, want)
		}
	}
	// A token for one account sees that one's, and nothing else.
	for _, query := range []string{"", "account=acme"} {
		if ids, _, _ := w.feedPage("owner", query); fmt.Sprint(ids) != "[1.0 sundial.app.created 3.0 sundial.account.quota_set]" {
			t.Errorf("acme's owner sees %v", ids)
		}
	}
	w.must(404, "owner", "GET", "/v1/events?account=globex", "")
	w.must(404, "owner", "GET", "/v1/events?account=nobody", "")
	w.must(403, "billing", "GET", "/v1/events", "")

	for _, query := range []string{"after=4", "after=4.1", "after=4@1", "cursor=9223372036854775807", "after=3.0@2-k7qfxz4m", "after=1@2-k7qfxz4m", "account=globex&after=4"} {
		a := w.must(409, "auditor", "GET", "/v1/events?"+query, "")
		if a.no.Code != "position_unknown" || a.no.Head == nil || *a.no.Head != 3 {
			t.Errorf("?%s: %s", query, a.body)
		}
	}
	w.must(409, "owner", "GET", "/v1/events?after=4", "")

	number := number(made.app.App)
	body := w.must(200, "stranger", "GET", "/v1/events?limit=1", "").body
	want := `{"items":[{"specversion":"1.0","id":"2.0","source":"/sundial/` + w.node.Log.Identity() + `","type":"sundial.app.created","subject":"` + number +
		`","time":"2021-01-01T00:00:00.000Z","datacontenttype":"application/json","dataschema":"urn:sundial:event:app.created.v1","account":"globex","position":"2","actor":"owner:` +
		w.tokenID("stranger") + `","correlationid":"` + made.header.Get(headerRequest) + `","command":"create_app","reason":"a \"test\"",` +
		`"data":{"app":` + number + `,"name":"b","type":"other","created_at":"2021-01-01T00:00:00.000Z"}}],"after":"2.0","next_cursor":"2.0"}`
	if body != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	for query, want := range map[string]string{
		"after=x": "after invalid_place", "after=-1": "after invalid_place", "after=01": "after invalid_place", "after=": "after invalid_place",
		"after=1.": "after invalid_place", "after=1@": "after invalid_place", "after=1.0@1": "after invalid_place", "after=0.0": "after invalid_place", "after=9223372036854775808": "after invalid_place",
		"cursor=1.-1": "cursor invalid_place", "types=": "types unknown_type", "types=app.stopped.v1": "types unknown_type",
		"types=app.created,": "types unknown_type", "limit=0": "limit out_of_range", "account=A": "account invalid_account",
	} {
		if got := w.must(422, "operator", "GET", "/v1/events?"+query, "").fields(); len(got) != 1 || got[0] != want {
			t.Errorf("?%s: %v, want %s", query, got, want)
		}
	}
}

func (w *harness) tokenID(who string) string {
	w.t.Helper()
	p, err := w.tokens.Authenticate(w.secrets[who])
	if err != nil {
		w.t.Fatal(err)
	}
	return p.TokenID
}

// frame is an event as it came over a stream; a field that did not come is empty.
type frame struct{ id, event, data, comment string }

// listener is a client of a stream.
type listener struct {
	res    *http.Response
	lines  *bufio.Reader
	cancel context.CancelFunc
}

// listen opens a stream behind a place.
func (w *harness) listen(ctx context.Context, who, after, query string) (*listener, error) {
	ctx, cancel := context.WithCancel(ctx)
	r, err := http.NewRequestWithContext(ctx, "GET", w.url+"/v1/events"+query, http.NoBody)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.secrets[who])
	r.Header.Set("Accept", "text/event-stream")
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		cancel()
		return nil, err
	}
	return &listener{res, bufio.NewReader(res.Body), cancel}, nil
}

func (l *listener) close() {
	l.cancel()
	l.res.Body.Close()
}

// next reads to the end of the next frame that has an event or a comment.
func (l *listener) next() (frame, error) {
	for f := (frame{}); ; {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			return frame{}, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			f.id = value
		case "event":
			f.event = value
		case "data":
			f.data = value
		case "":
			f.comment += value
			if line == "\n" && f != (frame{}) {
				return f, nil
			}
		}
	}
}

func TestEventStream(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	l, err := w.listen(t.Context(), "reader", "", "?after=0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
		if got := l.res.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	next := func(want string) {
		t.Helper()
		f, err := l.next()
		if got := f.id + " " + f.event; err != nil || got != want || !strings.Contains(f.data, `"id":"`+f.id+`"`) || !strings.Contains(f.data, `"type":"`+f.event+`"`) {
			t.Fatalf("got %+v, %v; want %s", f, err, want)
		}
	}
	next("1.0 sundial.app.created")
	w.must(201, "stranger", "POST", "/v1/accounts/globex/apps", `{"name":"theirs"}`)
	w.must(200, "owner", "PATCH", app, `{"name":"mall"}`)
	next("3.0 sundial.app.info_edited")

	if a := w.must(409, "auditor", "GET", "/v1/events?after=1", "", "Accept", streamType, headerLastEvent, "4.0"); a.no.Code != "position_unknown" {
		t.Errorf("ahead of the head: %+v", a.no)
	}
	// It passes over what it was told to.
	ahead, err := w.listen(t.Context(), "auditor", "3.0", "?after=1&types=app.info_edited")
	if err != nil {
		t.Fatal(err)
	}
	defer ahead.close()
	for i := range 3 {
		w.must(200, "owner", "PATCH", app, `{"name":"mall `+strconv.Itoa(i)+`"}`)
	}
	if f, err := ahead.next(); err != nil || f.id != "4.0" {
		t.Errorf("behind the head: %+v, %v", f, err)
	}
	for _, want := range []string{"4.0", "5.0", "6.0"} {
		next(want + " sundial.app.info_edited")
	}
	if got := w.must(422, "operator", "GET", "/v1/events", "", "Accept", streamType, headerLastEvent, "x").fields(); fmt.Sprint(got) != "[Last-Event-Id invalid_place]" {
		t.Errorf("a bad id: %v", got)
	}
	if a := w.must(200, "operator", "HEAD", "/v1/events", "", "Accept", streamType); a.body != "" {
		t.Errorf("HEAD: %s", a.body)
	}
	// A stream ends with its token.
	w.must(200, "operator", "DELETE", "/v1/tokens/"+w.tokenID("reader"), "")
	if f, err := l.next(); err != nil || f.comment != "token_revoked" {
		t.Errorf("after the token was revoked: %+v, %v", f, err)
	}
	if f, err := l.next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the token was revoked: %+v, %v", f, err)
	}
}

// TestAStreamTellsHowFarItCame listens for what does not happen.
func TestAStreamTellsHowFarItCame(t *testing.T) {
	w := start(t, nil)
	w.api.streamHeartbeat = time.Millisecond
	l, err := w.listen(t.Context(), "auditor", "", "?types=app.deleted")
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	for i := range 3 {
		w.create(`{"name":"shop"}`)
		for want, id := strconv.Itoa(i+1)+"@1", ""; id != want; {
			f, err := l.next()
			if err != nil || f.data != "" {
				t.Fatalf("%+v, %v", f, err)
			}
			id = f.id
		}
	}
}

// TestAStreamOutlivesTheTimeoutsOfRequests has a server with short ones.
func TestAStreamOutlivesTheTimeoutsOfRequests(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	const timeout = 100 * time.Millisecond
	s := Server(w.api, nil, nil)
	s.ReadTimeout, s.WriteTimeout = timeout, timeout
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- s.Serve(listener) }()
	main := w.url
	w.url = "http://" + listener.Addr().String()
	l, err := w.listen(t.Context(), "owner", "1", "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	w.url = main
	for i, began := 0, time.Now(); time.Since(began) < 5*timeout; i++ {
		w.must(200, "owner", "PATCH", app, `{"name":"shop `+strconv.Itoa(i)+`"}`)
		if f, err := l.next(); err != nil || f.id != fmt.Sprint(i+2, ".0") {
			t.Fatalf("%s after it began: %+v, %v", time.Since(began), f, err)
		}
	}
	// Stopping the server ends the stream; else Shutdown would wait for it.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	<-served
	if _, err := l.next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the server stopped: %v", err)
	}
}

func TestStreamsOfOneTokenAreLimited(t *testing.T) {
	w := start(t, nil)
	var open []*listener
	for range maxCallerStreams {
		l, err := w.listen(t.Context(), "owner", "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		open = append(open, l)
	}
	if a := w.must(429, "owner", "GET", "/v1/events", "", "Accept", streamType); a.no.Code != "too_many_streams" || a.header.Get("Retry-After") == "" {
		t.Errorf("one more: %s", a.body)
	}
	w.must(200, "owner", "GET", "/v1/events", "") // pages are no streams
	open[0].close()
	// Its place is free once the server has noticed.
	for {
		l, err := w.listen(t.Context(), "owner", "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer l.close()
		if l.res.StatusCode == 200 {
			break
		}
		l.close()
	}
}

// TestASlowReaderIsDropped opens a stream, reads nothing of it, and lets more happen than the connection holds.
func TestASlowReaderIsDropped(t *testing.T) {
	w := start(t, nil)
	w.api.streamPatience = 50 * time.Millisecond
	app := domain.AppID(0)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n", w.secrets["auditor"])
	for i := 0; i == 0 || w.api.limits.streams.Load() > 0; i++ {
		var command domain.Command = domain.CreateApp{AppName: "shop"}
		if app != 0 {
			text := strings.Repeat(string(rune('a'+i%2)), 300)
			command = domain.EditAppInfo{App: app, Introduction: &text}
		}
		answer := w.do("acme", "c-"+strconv.Itoa(i), command)
		if app = answer.App.ID; i == 0 {
			waitFor(t, func() bool { return w.api.limits.streams.Load() == 1 })
		}
		if i == 100_000 {
			t.Fatal("the stream of a client that reads nothing is still open")
		}
	}
}

// waitFor waits for what comes by itself.
func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !what(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come")
		}
	}
}

// do gives the engine a command, in a commit whose reason makes it large.
func (w *harness) do(account, id string, command domain.Command) engine.Answer {
	w.t.Helper()
	answer, err := w.engine.Execute(w.t.Context(), engine.Request{
		Account: account, ID: id, Command: command, Role: domain.Owner, Actor: "owner:test", Reason: strings.Repeat("x", 500),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return answer
}

// kills is how often each reader of the next test dies.
const kills = 100

// TestReadersThatDieSeeEverythingOnce has readers over pages and over streams die at random places, a hundred times each,
// while others write; each goes on behind the last event that it took in. They see what is in the log, once, in its
// order, which is that of each account.
func TestReadersThatDieSeeEverythingOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := start(t, nil)
	readers := []*mortal{
		{w: w, who: "auditor", read: (*mortal).page},
		{w: w, who: "auditor", read: (*mortal).stream},
		{w: w, who: "owner", read: (*mortal).stream},
		{w: w, who: "owner", read: (*mortal).page},
	}
	var writers, reading sync.WaitGroup
	deaths := make(chan struct{}, kills*len(readers))
	for i := range 4 {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		writers.Go(func() { w.write([]string{"acme", "globex", "initech", "hooli"}[i], rng, deaths) })
	}
	for i, m := range readers {
		m.rng = rand.New(rand.NewPCG(seed, uint64(100+i)))
		reading.Go(func() {
			for range kills {
				deaths <- struct{}{}
				m.read(m, time.Duration(1+m.rng.IntN(40))*time.Millisecond)
			}
		})
	}
	reading.Wait()
	close(deaths)
	writers.Wait()
	t.Logf("%d events", len(w.inLog("")))
	for _, m := range readers {
		account := map[string]string{"owner": "acme"}[m.who]
		want := w.inLog(account)
		for len(m.seen) < len(want) {
			m.read(m, 300*time.Millisecond)
		}
		m.read(m, 100*time.Millisecond)
		diff(t, "what "+m.who+" saw", want, m.seen)
	}
}

// mortal is a reader of the feed that remembers what it took in, and nothing else when it dies.
type mortal struct {
	w    *harness
	who  string
	read func(m *mortal, life time.Duration) // one life
	rng  *rand.Rand
	seen []string // ids
}

func (m *mortal) last() string {
	if len(m.seen) == 0 {
		return "0"
	}
	return m.seen[len(m.seen)-1]
}

func (m *mortal) page(time.Duration) {
	ids, _, _ := m.w.feedPage(m.who, "limit="+strconv.Itoa(1+m.rng.IntN(60))+"&after="+m.last())
	for _, id := range ids[:len(ids)-min(len(ids), m.rng.IntN(3))] { // the rest it took in no more
		id, _, _ = strings.Cut(id, " ")
		m.seen = append(m.seen, id)
	}
}

func (m *mortal) stream(life time.Duration) {
	ctx, cancel := context.WithTimeout(m.w.t.Context(), life)
	defer cancel()
	l, err := m.w.listen(ctx, m.who, m.last(), "")
	if err != nil {
		return // died before it was answered
	}
	defer l.close()
	if l.res.StatusCode == http.StatusTooManyRequests {
		return // its former selves are still being noticed
	}
	l.lines = bufio.NewReader(io.LimitReader(l.res.Body, m.rng.Int64N(20_000)))
	for {
		f, err := l.next()
		if err != nil {
			return
		}
		if f.data != "" {
			m.seen = append(m.seen, f.id)
		}
	}
}

// write makes some commits of an account, of one event or several, for each death.
func (w *harness) write(account string, rng *rand.Rand, deaths <-chan struct{}) {
	n, app := 0, domain.AppID(0)
	for range deaths {
		for range rng.IntN(8) {
			n++
			order := domain.OrderTerms{ID: "o-" + strconv.Itoa(n), Edition: domain.Pro, Amount: domain.Money{Currency: "CNY", Minor: 1}}
			var command domain.Command = domain.RenewPlan{App: app, Order: order}
			if n%20 == 1 {
				command = domain.CreateApp{AppName: "shop", Order: &order}
			}
			if answer := w.do(account, strconv.Itoa(n), command); answer.App != nil {
				app = answer.App.ID
			}
		}
	}
}

// inLog lists the ids of the events in the log, of one account or of all.
func (w *harness) inLog(account string) (ids []string) {
	w.t.Helper()
	for m, err := range w.node.Log.All(w.t.Context(), 0, 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range m.Commit.Events {
			if account == "" || account == m.Account {
				ids = append(ids, fmt.Sprint(m.Sequence, ".", i))
			}
		}
	}
	return ids
}
