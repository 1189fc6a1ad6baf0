package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sundial/domain"
	"sundial/internal/auth"
	"sundial/internal/datadir"
)

// startOn starts a server on a directory, which the test closes.
func startOn(t testing.TB, dir string) (*Server, error) {
	t.Helper()
	s := New(Config{
		Dir: dir, Listen: "127.0.0.1:0", NATSListen: "127.0.0.1:0",
		Sandbox: true, SandboxStart: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC),
		Policy: domain.DefaultPolicy(), Replicas: 1, Version: "v1.2.3", Logger: slog.New(slog.DiscardHandler),
	})
	return s, s.Start(t.Context())
}

// live has a server on a directory for as long as something is done with it.
func live(t testing.TB, dir string, do func(c *client, s *Server)) {
	t.Helper()
	s, err := startOn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	do(operatorOf(t, s), s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// copyOf copies a directory, without what holds on to it.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data")
	if err := os.Remove(filepath.Join(dir, socketFile)); err != nil && !errors.Is(err, fs.ErrNotExist) { // no file that can be copied
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// streamDir is the folder of a stream of the embedded server.
func streamDir(dir, stream string) string {
	return filepath.Join(dir, NATSDir, "jetstream", "$G", "streams", stream)
}

// putBack puts the copy of a stream from one directory into another.
func putBack(t testing.TB, from, to, stream string) {
	t.Helper()
	if err := os.RemoveAll(streamDir(to, stream)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(streamDir(to, stream), os.DirFS(streamDir(from, stream))); err != nil {
		t.Fatal(err)
	}
}

// stir writes into every stream that a running engine writes into.
func stir(t testing.TB, c *client, s *Server, round int) {
	t.Helper()
	app := c.create("acme", "shop chat")
	c.must(http.MethodPost, "/v1/accounts/acme/apps/import", fmt.Sprintf(`{"app":%d,"name":"moved","created_at":"2020-01-01T00:00:00Z"}`, 1500000000+round), nil)
	c.must(http.MethodPost, "/v1/tokens", `{"role":"reader","account":"acme","name":"reader"}`, nil)
	c.must(http.MethodPost, fmt.Sprintf("/v1/apps/%d/key/reveal", app), `{"reason":"a test"}`, nil)
	nc, err := nats.Connect(s.NATSURL(), nats.Token(c.token), nats.CustomInboxPrefix(auth.InboxPrefix(c.token)))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for _, on := range []uint64{app, 1} { // one is parked, as there is no such app
		bill := fmt.Sprintf(`{"specversion":"1.0","id":"%d-%d","source":"urn:b","type":"sundial.billing.order.paid","data":{"account":"acme","app":%d,"effective_at":"2020-12-31T01:00:00Z","order":"o-%d","edition":"pro","amount":{"currency":"CNY","minor":1}}}`, round, on, on, round)
		if _, err := nc.Request("billing.acme", []byte(bill), 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the bills are taken in or parked", func() bool {
		_, said := c.send(http.MethodGet, "/v1/parked", "")
		_, is := c.send(http.MethodGet, fmt.Sprintf("/v1/apps/%d", app), "")
		return bytes.Count(said, []byte(`"id":`)) >= round && bytes.Contains(is, []byte(`"edition":"pro"`))
	})
	parts, _ := s.Parts()
	head, err := parts.Log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	until(t, "all of it is published", func() bool {
		stream, err := parts.JetStream.Stream(t.Context(), "LIFECYCLE")
		if err != nil {
			return false
		}
		m, err := stream.GetMsg(t.Context(), stream.CachedInfo().State.LastSeq)
		return err == nil && m.Header.Get("Sundial-Position") == fmt.Sprint(head)
	})
}

// twoCopies gives a directory, and a copy of it from before it had all that is in it.
func twoCopies(t testing.TB) (older, newer string) {
	t.Helper()
	newer = filepath.Join(t.TempDir(), "data")
	live(t, newer, func(c *client, s *Server) { stir(t, c, s, 1) })
	older = copyOf(t, newer)
	live(t, newer, func(c *client, s *Server) { stir(t, c, s, 2) })
	return older, newer
}

// streamsOf lists what the directory has.
func streamsOf(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(streamDir(dir, ""))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// refused starts a server that must not start, and gives why.
func refused(t testing.TB, dir string) *datadir.DamageError {
	t.Helper()
	s, err := startOn(t, dir)
	if err == nil {
		_ = s.Close()
		t.Fatal("it started")
	}
	var damage *datadir.DamageError
	if !errors.As(err, &damage) || !Damaged(err) {
		t.Fatalf("it did not start: %v", err)
	}
	return damage
}

func TestAnOlderCopyOfOneStreamIsNamed(t *testing.T) {
	older, newer := twoCopies(t)
	// What holds nothing of value (the probe), and what nothing was written to (the clock).
	without := []string{"SUNDIAL_EVENTS_PROBE", "KV_SUNDIAL_CLOCK"}
	all := streamsOf(t, newer)
	for _, want := range []string{"BILLING", "KV_SUNDIAL_TOKENS", "LIFECYCLE", "PARKED", "SUNDIAL_EVENTS", "SUNDIAL_KEYS", "SUNDIAL_NUMBERS"} {
		if !slices.Contains(all, want) {
			t.Errorf("there is no %s in %v", want, all)
		}
	}
	for _, stream := range all {
		t.Run(stream, func(t *testing.T) {
			dir := copyOf(t, newer)
			putBack(t, older, dir, stream)
			if slices.Contains(without, stream) {
				live(t, dir, func(*client, *Server) {})
				return
			}
			damage := refused(t, dir)
			if f := damage.Findings[0]; len(damage.Findings) != 1 || f.Code != datadir.StreamOlder || f.Where != "nats/"+stream || !strings.Contains(f.Problem, "older copy") {
				t.Errorf("found %+v", damage.Findings)
			}
			if stream == "SUNDIAL_EVENTS" { // nothing was done to it: the newer copy back in its place, it serves
				putBack(t, newer, dir, stream)
				live(t, dir, func(*client, *Server) {})
			}
		})
	}
}

func TestAStreamThatIsGoneIsNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	live(t, dir, func(c *client, s *Server) { stir(t, c, s, 1) })
	for _, stream := range []string{"BILLING", "KV_SUNDIAL_TOKENS", "PARKED", "SUNDIAL_KEYS"} {
		lacks := copyOf(t, dir)
		if err := os.RemoveAll(streamDir(lacks, stream)); err != nil {
			t.Fatal(err)
		}
		damage := refused(t, lacks)
		if f := damage.Findings[0]; len(damage.Findings) != 1 || f.Code != datadir.StreamMissing || f.Where != "nats/"+stream {
			t.Errorf("%s: found %+v", stream, damage.Findings)
		}
	}
	for _, stream := range []string{"LIFECYCLE", "SUNDIAL_EVENTS_PROBE"} { // made anew from the log, or from nothing
		lacks := copyOf(t, dir)
		if err := os.RemoveAll(streamDir(lacks, stream)); err != nil {
			t.Fatal(err)
		}
		live(t, lacks, func(*client, *Server) {})
		live(t, lacks, func(*client, *Server) {})
	}
}

// TestMarksOfAKilledServerLagBehind has the marks of an earlier time beside newer streams, as after a kill or where the disk was full.
func TestMarksOfAKilledServerLagBehind(t *testing.T) {
	older, newer := twoCopies(t)
	text, err := os.ReadFile(filepath.Join(older, datadir.MarksFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(newer, datadir.MarksFile), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	live(t, newer, func(*client, *Server) {})
	putBack(t, older, newer, "PARKED")
	if damage := refused(t, newer); damage.Findings[0].Where != "nats/PARKED" {
		t.Errorf("found %+v", damage.Findings)
	}
}

func TestMarksAreMadeAnewWhereTheyAreDamaged(t *testing.T) {
	older, newer := twoCopies(t)
	path := filepath.Join(newer, datadir.MarksFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"flipped": bytes.Replace(whole, []byte("PARKED"), []byte("PARKEd"), 1), "gone": nil,
	} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if text != nil {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		live(t, newer, func(*client, *Server) {})
		dir := copyOf(t, newer)
		putBack(t, older, dir, "PARKED")
		if damage := refused(t, dir); damage.Findings[0].Where != "nats/PARKED" {
			t.Errorf("%s: found %+v", name, damage.Findings)
		}
	}
}

// TestAMarkOnDemandIsDurable kills nothing: it looks at the file while the server goes on.
func TestAMarkOnDemandIsDurable(t *testing.T) {
	older, _ := twoCopies(t)
	dir := copyOf(t, older)
	live(t, dir, func(c *client, s *Server) {
		c.must(http.MethodPost, "/v1/tokens", `{"role":"reader","account":"acme","name":"reader"}`, nil)
		l := s.socket.attended()
		stream, err := l.js.Stream(t.Context(), "KV_SUNDIAL_TOKENS")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.marks.Reach(t.Context(), datadir.Embedded, "KV_SUNDIAL_TOKENS", stream.CachedInfo().State.LastSeq); err != nil {
			t.Fatal(err)
		}
		killed := copyOf(t, dir)
		putBack(t, older, killed, "KV_SUNDIAL_TOKENS")
		if damage := refused(t, killed); damage.Findings[0].Where != "nats/KV_SUNDIAL_TOKENS" {
			t.Errorf("found %+v", damage.Findings)
		}
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.marks.Reach(canceled, datadir.Embedded, "KV_SUNDIAL_TOKENS", 1<<40); err == nil {
			t.Error("somebody who is gone was answered")
		}
	})
}

func TestARecordOfTheFirstFormIsTakenOver(t *testing.T) {
	older, _ := twoCopies(t)
	path := filepath.Join(older, IdentityFile)
	r, err := datadir.ReadRecord(path)
	if err != nil || r.Format != datadir.Format || r.Server != datadir.Embedded || r.Stream != "SUNDIAL_EVENTS" || r.Writer != "v1.2.3" {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := os.WriteFile(path, []byte(r.Log+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	live(t, older, func(*client, *Server) {})
	again, err := datadir.ReadRecord(path)
	if err != nil || !again.Same(&r) {
		t.Errorf("%+v, %v; want %+v", again, err, r)
	}
}

func TestARecordThatIsNotWhatWasWrittenIsNamed(t *testing.T) {
	_, newer := twoCopies(t)
	path := filepath.Join(newer, IdentityFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	later, err := datadir.ReadRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	later.Format, later.Writer = datadir.Format+1, "v9.0.0"
	put := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string][]byte{
		"flipped": bytes.Replace(whole, []byte(`"format":2`), []byte(`"format":3`), 1), "cut": whole[:40], "empty": {},
		"of the first form, flipped": []byte(strings.ToLower(later.Log) + "\n"),
	} {
		put(text)
		if f := refused(t, newer).Findings[0]; f.Code != datadir.RecordDamaged || f.Where != path || !strings.Contains(f.Problem, path) {
			t.Errorf("%s: found %+v", name, f)
		}
	}
	if err := later.Write(path); err != nil {
		t.Fatal(err)
	}
	if f := refused(t, newer).Findings[0]; f.Code != datadir.DirectoryNewer || !strings.Contains(f.Problem, "v9.0.0") {
		t.Errorf("of a later version: found %+v", f)
	}
	put([]byte("AAAABBBBCCCCDDDDEEEEFFFFGG\n"))
	if f := refused(t, newer).Findings[0]; f.Code != datadir.LogForeign {
		t.Errorf("of another log: found %+v", f)
	}
	if err := os.Remove(path); err != nil { // what a damaged one asks for
		t.Fatal(err)
	}
	live(t, newer, func(*client, *Server) {})
	if text, err := os.ReadFile(path); err != nil || !bytes.Equal(text, whole) {
		t.Errorf("made anew: %q, %v; want %q", text, err, whole)
	}
}

// TestWhatIsWrittenIsMarkedSoon looks at a directory as a kill would leave it, a moment after something was written.
func TestWhatIsWrittenIsMarkedSoon(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	live(t, dir, func(c *client, s *Server) { stir(t, c, s, 1) })
	older := copyOf(t, dir)
	live(t, dir, func(c *client, _ *Server) {
		c.must(http.MethodPost, "/v1/tokens", `{"role":"reader","account":"acme","name":"reader"}`, nil)
		before, err := os.ReadFile(filepath.Join(older, datadir.MarksFile))
		if err != nil {
			t.Fatal(err)
		}
		until(t, "it is marked", func() bool {
			now, err := os.ReadFile(filepath.Join(dir, datadir.MarksFile))
			return err == nil && !bytes.Equal(now, before)
		})
		killed := copyOf(t, dir)
		putBack(t, older, killed, "KV_SUNDIAL_TOKENS")
		if damage := refused(t, killed); damage.Findings[0].Where != "nats/KV_SUNDIAL_TOKENS" {
			t.Errorf("found %+v", damage.Findings)
		}
	})
}
