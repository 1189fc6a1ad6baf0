package server

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/datadir"
	"sundial/internal/natsd"
)

// grow makes commits of one event each.
func grow(t testing.TB, c *client, commits int, from int) {
	t.Helper()
	for i := range commits {
		c.must(http.MethodPut, "/v1/accounts/acme/quota", `{"apps":`+strconv.Itoa(200+from+i)+`}`, nil)
	}
}

// page is what the tests read of a page of the feed.
type page struct {
	Items []struct {
		ID     string `json:"id"`
		Source string `json:"source"`
	} `json:"items"`
	After string `json:"after"`
}

func (p page) ids() []string {
	ids := []string{}
	for _, e := range p.Items {
		ids = append(ids, e.ID)
	}
	return ids
}

func (c *client) feed(after string) (p page) {
	c.t.Helper()
	c.must(http.MethodGet, "/v1/events?after="+after, "", &p)
	return p
}

// lost wants that a place is refused, by a page and by the stream.
func (c *client) lost(head int, places ...string) {
	c.t.Helper()
	for _, place := range places {
		status, said := c.send(http.MethodGet, "/v1/events?account=acme&after="+place, "")
		if status != http.StatusConflict || !strings.Contains(string(said), `"code":"position_unknown"`) || !strings.Contains(string(said), fmt.Sprintf(`"head":%d`, head)) {
			c.t.Errorf("after %s: %d %s", place, status, said)
		}
		r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.url+"/v1/events", http.NoBody)
		if err != nil {
			c.t.Fatal(err)
		}
		r.Header = http.Header{"Authorization": {"Bearer " + c.token}, "Accept": {"text/event-stream"}, "Last-Event-Id": {place}}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			c.t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusConflict {
			c.t.Errorf("a stream behind %s: %d", place, resp.StatusCode)
		}
	}
}

// published waits until everything is, and lists the ids downstream in their order.
func published(t testing.TB, s *Server) (ids []string) {
	t.Helper()
	parts, _ := s.Parts()
	head, err := parts.Log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var stream jetstream.Stream
	until(t, "all is published", func() bool {
		stream, err = parts.JetStream.Stream(t.Context(), "LIFECYCLE")
		if err != nil {
			return false
		}
		m, err := stream.GetMsg(t.Context(), stream.CachedInfo().State.LastSeq)
		return err == nil && m.Header.Get("Sundial-Position") == fmt.Sprint(head) && (len(parts.Log.Epochs()) == 0 || m.Header.Get("Sundial-Epochs") == parts.Log.Epochs().String())
	})
	for seq := stream.CachedInfo().State.FirstSeq; seq <= stream.CachedInfo().State.LastSeq; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, m.Header.Get("Nats-Msg-Id"))
	}
	return ids
}

// restored begins an epoch on a directory.
func restored(t testing.TB, dir string) eventstore.Epoch {
	t.Helper()
	begun, err := Restored(t.Context(), Config{Dir: dir, Replicas: 1, Logger: slog.New(slog.DiscardHandler)}, func(uint64, uint64) {})
	if err != nil {
		t.Fatal(err)
	}
	return begun
}

// sixAndThree gives a directory whose log ends at 6, a copy of it from when it ended at 3, and what a follower had then.
func sixAndThree(t testing.TB) (older, newer string, followed page) {
	t.Helper()
	newer = filepath.Join(t.TempDir(), "data")
	live(t, newer, func(c *client, s *Server) {
		grow(t, c, 3, 0)
		published(t, s)
	})
	older = copyOf(t, newer)
	live(t, newer, func(c *client, s *Server) {
		grow(t, c, 3, 3)
		followed = c.feed("0")
		if got := fmt.Sprintln(followed.ids(), followed.After, published(t, s)); got != "[1.0 2.0 3.0 4.0 5.0 6.0] 6.0 [1.0 2.0 3.0 4.0 5.0 6.0]\n" {
			t.Fatalf("in the first epoch: %s", got)
		}
	})
	return older, newer, followed
}

// TestARestoredDirectoryDoesNotMislead restores a whole directory. Followers stand at every place that there was.
func TestARestoredDirectoryDoesNotMislead(t *testing.T) {
	dir, _, followed := sixAndThree(t)
	begun := restored(t, dir)
	if begun.From != 4 || !strings.HasPrefix(begun.Name, "2-") {
		t.Errorf("begun %+v", begun)
	}
	of := func(position int) string { return fmt.Sprintf("%d.0@%s", position, begun.Name) }
	live(t, dir, func(c *client, s *Server) {
		c.lost(3, "4.0", "5.0", "6.0", followed.After, "6@1", "6", of(4), "4@"+begun.Name)
		for _, fine := range []string{"0", "1.0", "3.0", "3@1", "3"} {
			c.feed(fine)
		}
		if status, said := c.send(http.MethodGet, "/v1/events?after="+of(3), ""); status != http.StatusConflict {
			t.Errorf("what no epoch had: %d %s", status, said)
		}
		grow(t, c, 5, 100) // the log grows past what was lost
		c.lost(8, "4.0", "5.0", "6.0", followed.After, "6@1", "9.0", "9", "8.0", of(9))
		p := c.feed("2.0")
		if got, want := fmt.Sprint(p.ids(), p.After), fmt.Sprint([]string{"3.0", of(4), of(5), of(6), of(7), of(8)}, of(8)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for _, e := range c.feed("0").Items {
			if was := slices.Index(followed.ids(), e.ID); was >= 3 {
				t.Errorf("%s is the id of an event that was lost", e.ID)
			}
			if e.Source != followed.Items[0].Source {
				t.Errorf("%s is of %s, and was of %s", e.ID, e.Source, followed.Items[0].Source)
			}
		}
		if p := c.feed("6"); fmt.Sprint(p.ids()) != fmt.Sprint([]string{of(7), of(8)}) { // a mere number cannot tell
			t.Errorf("behind 6: %v", p.ids())
		}
		if got, want := fmt.Sprint(published(t, s)), fmt.Sprint([]string{"1.0", "2.0", "3.0", of(4), of(5), of(6), of(7), of(8)}); got != want {
			t.Errorf("downstream:\n got  %s\n want %s", got, want)
		}
		var history struct {
			Items []struct {
				Events []struct {
					ID string `json:"id"`
				} `json:"events"`
			} `json:"items"`
		}
		c.must(http.MethodGet, "/v1/accounts/acme/history?limit=1", "", &history)
		if history.Items[0].Events[0].ID != of(8) {
			t.Errorf("the history has %s", history.Items[0].Events[0].ID)
		}
	})
	live(t, dir, func(c *client, _ *Server) { c.lost(8, "6.0", followed.After) })
}

// TestALogThatIsOlderThanTheRestIsTakenAsItIs restores the log alone, twice the same copy of it: what was published stays, what
// takes its place comes behind it, once, and nobody takes one for the other.
func TestALogThatIsOlderThanTheRestIsTakenAsItIs(t *testing.T) {
	older, dir, _ := sixAndThree(t)
	want := []string{"1.0", "2.0", "3.0", "4.0", "5.0", "6.0"}
	var begun []eventstore.Epoch
	for round := range 2 {
		putBack(t, older, dir, "SUNDIAL_EVENTS")
		damage := refused(t, dir)
		if !slices.ContainsFunc(damage.Findings, func(f datadir.Finding) bool {
			return strings.Contains(f.Problem, "SUNDIAL_EVENTS") || strings.Contains(f.Problem, "the log")
		}) {
			t.Errorf("found %+v", damage.Findings)
		}
		begun = append(begun, restored(t, dir))
		if begun[round].From != 4 || !strings.HasPrefix(begun[round].Name, fmt.Sprint(round+2, "-")) {
			t.Errorf("begun %+v", begun[round])
		}
		live(t, dir, func(c *client, s *Server) {
			c.lost(3, "6.0")
			grow(t, c, 4, 100*round) // beyond what was published
			for position := 4; position <= 7; position++ {
				want = append(want, fmt.Sprintf("%d.0@%s", position, begun[round].Name))
			}
			if got := published(t, s); !slices.Equal(got, want) {
				t.Errorf("downstream:\n got  %s\n want %s", got, want)
			}
			if round == 1 {
				c.lost(7, "5.0", "5.0@"+begun[0].Name, "5@"+begun[0].Name)
			}
			if status, said := c.send(http.MethodGet, "/v1/accounts/acme", ""); status != http.StatusOK || !strings.Contains(string(said), fmt.Sprintf(`"quota":%d`, 203+100*round)) {
				t.Errorf("the projections are not those of the log: %d %s", status, said)
			}
		})
	}
}

func TestARestoreThatIsCutShortIsGoneOnWith(t *testing.T) {
	dir, _, _ := sixAndThree(t)
	path := filepath.Join(dir, IdentityFile)
	r, err := datadir.ReadRecord(path)
	if err != nil {
		t.Fatal(err)
	}
	r.Restoring = true
	if err := r.Write(path); err != nil {
		t.Fatal(err)
	}
	if f := refused(t, dir).Findings[0]; f.Code != datadir.RestoreUnfinished {
		t.Errorf("found %+v", f)
	}
	// A kill between the two files of a stream's settings: the server would not find the stream.
	d, err := openDirectory(dir, slog.New(slog.DiscardHandler))
	if err == nil {
		err = errors.Join(d.keepSettings(), os.WriteFile(filepath.Join(streamDir(dir, "SUNDIAL_EVENTS"), settingsSum), []byte("0123456789abcdef"), 0o600))
		d.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	restored(t, dir)
	if _, err := os.Stat(filepath.Join(dir, settingsDir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
	begun := restored(t, dir) // and once more than was asked for
	live(t, dir, func(c *client, _ *Server) {
		grow(t, c, 1, 0)
		if got, want := fmt.Sprint(c.feed("3.0").ids()), fmt.Sprintf("[4.0@%s]", begun.Name); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	// The record and the log say the same of it: without the record nothing is lost.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	live(t, dir, func(c *client, _ *Server) { c.lost(4, "4.0") })
}

// TestACopyFromBeforeARestoreIsNamed puts streams of the first epoch, which are not shorter, into a directory of the second.
func TestACopyFromBeforeARestoreIsNamed(t *testing.T) {
	dir, newer, _ := sixAndThree(t)
	restored(t, dir)
	live(t, dir, func(*client, *Server) {})
	for _, stream := range []string{"SUNDIAL_EVENTS", "KV_SUNDIAL_TOKENS"} {
		mixed := copyOf(t, dir)
		putBack(t, newer, mixed, stream)
		if f := refused(t, mixed).Findings[0]; f.Code != datadir.StreamForeign {
			t.Errorf("%s: found %+v", stream, f)
		}
	}
}

func TestRestoredNeedsTheDirectoryToItself(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	live(t, dir, func(*client, *Server) {
		if _, err := Restored(t.Context(), Config{Dir: dir, Replicas: 1}, func(uint64, uint64) {}); err == nil || !strings.Contains(err.Error(), "in use by another process") {
			t.Errorf("beside a serving engine: %v", err)
		}
	})
	if _, err := Restored(t.Context(), Config{Dir: filepath.Join(t.TempDir(), "none"), Replicas: 1}, func(uint64, uint64) {}); err == nil || !strings.Contains(err.Error(), "log is gone") {
		t.Errorf("on an empty directory: %v", err)
	}
}

// TestNodesOfAClusterLearnOfARestore has two nodes on one NATS server of others, and begins an epoch from the directory of one.
func TestNodesOfAClusterLearnOfARestore(t *testing.T) {
	outside, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Open: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(outside.Shutdown)
	config := func(dir string) Config {
		return Config{
			Dir: dir, Listen: "127.0.0.1:0", Outside: &OutsideNATS{URL: outside.ClientURL(), SyncsAlways: true},
			Policy: domain.DefaultPolicy(), Replicas: 1, Logger: slog.New(slog.DiscardHandler),
		}
	}
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	token := ""
	node := func(dir string, do func(c *client)) {
		t.Helper()
		s := New(config(dir))
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if token == "" {
			token = operatorOf(t, s).token
		}
		do(&client{t, s.HTTPURL(), token})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	begin := func() (eventstore.Epoch, error) {
		return Restored(t.Context(), config(a), func(uint64, uint64) {})
	}
	node(a, func(c *client) { grow(t, c, 3, 0) })
	node(b, func(c *client) {
		grow(t, c, 1, 3)
		until(t, "the node has a lease", func() bool {
			_, err := begin()
			return err != nil && strings.Contains(err.Error(), "a node of the cluster serves")
		})
	})
	begun, err := begin()
	if err != nil {
		t.Fatal(err)
	}
	node(b, func(c *client) {
		grow(t, c, 1, 4)
		if got, want := fmt.Sprint(c.feed("3.0").ids()), fmt.Sprintf("[4.0 5.0@%s]", begun.Name); got != want {
			t.Errorf("the other node has %s, want %s", got, want)
		}
	})
	r, err := datadir.ReadRecord(filepath.Join(b, IdentityFile))
	if err != nil || r.Server != datadir.Outside || r.Epochs.Latest() != begun.Name {
		t.Errorf("the other node's record: %+v, %v", r, err)
	}
	// Without the cluster's address the record says where the log is.
	s, err := startOn(t, b)
	if err == nil || !strings.Contains(err.Error(), "--nats") {
		t.Errorf("without --nats: %v", err)
	}
	_ = s.Close()
}
