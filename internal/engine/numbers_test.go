package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/testing/enginetest"
)

const numbersStream = "SUNDIAL_NUMBERS"

// loseNumbers takes the stream of numbers away.
func loseNumbers(t *testing.T, s *enginetest.Server) {
	t.Helper()
	if err := s.JetStream.DeleteStream(t.Context(), numbersStream); err != nil {
		t.Fatal(err)
	}
}

func publish(t *testing.T, s *enginetest.Server, subject, data string) {
	t.Helper()
	if _, err := s.JetStream.Publish(context.Background(), subject, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

// apps gives accounts apps: two created, one imported among the numbers of new ones.
func someApps(t *testing.T, n *enginetest.Node) (used map[domain.AppID]bool) {
	t.Helper()
	used = map[domain.AppID]bool{}
	for _, account := range []string{"acme", "globex"} {
		used[n.Must(t, account, "k-1", domain.Owner, domain.CreateApp{AppName: "app"}).App.ID] = true
	}
	n.Must(t, "acme", "i-1", domain.Operator, imported(domain.FirstApp+5))
	used[domain.FirstApp+5] = true
	return used
}

func imported(app domain.AppID) domain.ImportApp {
	return domain.ImportApp{App: app, AppName: "old", CreatedAt: domain.InstantOf(enginetest.Began)}
}

// TestNumbersOutliveTheirStream: whatever became of the stream of numbers, none is given out that the log has.
func TestNumbersOutliveTheirStream(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(t *testing.T, s *enginetest.Server)
	}{
		{"it was deleted", loseNumbers},
		{"it is older than the log", func(t *testing.T, s *enginetest.Server) {
			loseNumbers(t, s)
			n := s.Node(t, t.TempDir(), true)
			defer n.Stop()
			if _, err := n.TakeCertificate(t.Context()); err != nil { // makes the stream, without a word of apps
				t.Fatal(err)
			}
		}},
		{"its lease cannot be read", func(t *testing.T, s *enginetest.Server) { publish(t, s, "numbers.block", "{") }},
		{"its lease is none", func(t *testing.T, s *enginetest.Server) {
			publish(t, s, "numbers.block", `{"node":"n","from":1400000501,"to":1}`)
		}},
		{"a bit of it was flipped", flipLease},
	} {
		for _, alone := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, alone %t", row.name, alone), func(t *testing.T) {
				s, dir := enginetest.Start(t), t.TempDir()
				n := s.Node(t, dir, alone)
				used := someApps(t, n)
				n.Stop()
				row.spoil(t, s)
				n = s.Node(t, dir, alone)
				if _, err := n.Do(t, "other", "i-1", domain.Operator, imported(domain.FirstApp+5)); enginetest.Refusal(err) != "app_id_taken" {
					t.Errorf("importing a number that is another account's: %v, want app_id_taken", err)
				}
				for i := range 8 { // over the imported one
					answer, err := n.Do(t, "other", fmt.Sprint("k-", i), domain.Owner, domain.CreateApp{AppName: "app"})
					if err != nil {
						t.Fatal(err)
					}
					if used[answer.App.ID] {
						t.Errorf("the number %d was given out twice", answer.App.ID)
					}
					used[answer.App.ID] = true
				}
			})
		}
	}
}

// flipLease flips a bit in the stored lease, which the server finds when it reads it.
func flipLease(t *testing.T, s *enginetest.Server) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.Dir, "jetstream", "*", "streams", numbersStream, "msgs", "*.blk"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of the numbers: %v", err)
	}
	back := s.Conn.StatusChanged(nats.CONNECTED)
	s.NATS.Shutdown()
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.LastIndex(data, []byte(`"to":`)); at >= 0 {
			data[at+7] ^= 1
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.NATS.Restart(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-back:
	case <-time.After(10 * time.Second):
		t.Fatal("not connected again")
	}
}

// TestCertificateNumbersBehindWhatTheLogHas: an older stream is gone on with behind the certificates that are in the log.
func TestCertificateNumbersBehindWhatTheLogHas(t *testing.T) {
	s, dir := enginetest.Start(t), t.TempDir()
	n := s.Node(t, dir, true)
	app := n.Must(t, "acme", "k-1", domain.Owner, domain.CreateApp{AppName: "app"}).App.ID
	far := domain.FirstCertificate + blockSize + 7 // of the second block
	n.Must(t, "acme", "c-1", domain.Owner, domain.AddCertificate{App: app, Certificate: far, Content: domain.CertificateContent{
		Platform: "meizu", Fields: map[string]string{}, Prints: map[string][]byte{"secret": []byte("p")}, Sealed: map[string][]byte{"secret": []byte("s")},
	}})
	seen := map[domain.CertificateID]bool{far: true}
	for range 2 * blockSize {
		id, err := n.TakeCertificate(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if seen[id] {
			t.Fatalf("%d was given out twice", id)
		}
		seen[id] = true
	}
}

// TestRenumberingAnAppWhoseNumberIsAnothers: the log has a number twice, as an engine wrote it that had lost count.
func TestRenumberingAnAppWhoseNumberIsAnothers(t *testing.T) {
	s, dir := enginetest.Start(t), t.TempDir()
	n := s.Node(t, dir, true)
	first := n.Must(t, "acme", "k-1", domain.Owner, domain.CreateApp{AppName: "first"}).App
	n.Append(t, "globex", "k-1", "create_app", domain.AppCreated{
		About: domain.About{App: first.ID}, Name: "later", AppType: "other", CreatedAt: domain.InstantOf(enginetest.Began),
	})
	n.Stop()
	n = s.Node(t, dir, true)
	if _, err := n.Do(t, "acme", "r-1", domain.Operator, domain.RenumberApp{App: first.ID}); enginetest.Refusal(err) != "number_not_shared" {
		t.Errorf("renumbering the one that the number means: %v", err)
	}
	answer := n.Must(t, "globex", "r-1", domain.Operator, domain.RenumberApp{App: first.ID})
	if answer.App.ID == first.ID || answer.App.Name != "later" || answer.App.Account != "globex" {
		t.Errorf("renumbered: %+v", answer.App)
	}
	if again := n.Must(t, "globex", "r-1", domain.Operator, domain.RenumberApp{App: first.ID}); again.Outcome != engine.Repeated || again.App.ID != answer.App.ID {
		t.Errorf("the same command again: %+v, %+v", again, again.App)
	}
	if again := n.Must(t, "globex", "r-2", domain.Operator, domain.RenumberApp{App: first.ID}); again.Outcome != engine.Silent || again.App.ID != answer.App.ID {
		t.Errorf("asked for again: %+v, %+v; want silence, and the app under its number", again, again.App)
	}
	for app, account := range map[domain.AppID]string{first.ID: "acme", answer.App.ID: "globex"} {
		if owner, _, err := n.Store.AccountOf(t.Context(), app); err != nil || owner != account {
			t.Errorf("%d is %s's (%v), want %s's", app, owner, err, account)
		}
	}
}
