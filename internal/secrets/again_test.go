package secrets_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/secrets"
	"sundial/internal/testing/enginetest"
	"sundial/internal/vault"
)

// TestSentAgain sends commands that bring secrets again, each after what became of the app since, also across a restart:
// the answer is the first one, and with other content the id is refused.
func TestSentAgain(t *testing.T) {
	w := newWorld(t, 0)
	dir := t.TempDir()
	n := w.start(t, dir, true)
	n.must(t, "create", domain.CreateApp{AppName: "shop"})
	end := enginetest.Began.Add(48 * time.Hour)
	file := p12(t, end)
	apple := func(password string) domain.Command {
		return add(fields(t, "environment", "production", "p12", file, "password", password), "apns_p12")
	}
	imported := func(secret, key string) domain.Command {
		return secrets.ImportApp{
			ImportApp: domain.ImportApp{App: 1_300_000_001, AppName: "old", CreatedAt: domain.InstantOf(enginetest.Began)},
			Keys:      []secrets.GivenKey{{Algorithm: domain.HMAC, Secret: vault.NewSecret([]byte(key))}},
			Certificates: []secrets.GivenCertificate{
				{ID: 17, Platform: "apns_p12", Fields: fields(t, "environment", "production", "p12", file, "password", "secret")},
				{ID: 18, Platform: "tpns", Fields: fields(t, "access_id", "1", "secret_key", secret, "access_point", "shanghai", "os", "ios")},
			},
		}
	}
	key := func(c byte) string { return string(slices.Repeat([]byte{c}, 64)) }
	gone := domain.DeleteCertificate{App: 1_300_000_001, Certificate: 18, Confirm: "18"}

	steps := []struct {
		id          string
		cmd, forged domain.Command // forged: with another secret, or another content
	}{
		{"rotate", secrets.RotateKey{RotateKey: domain.RotateKey{App: firstApp}}, secrets.RotateKey{RotateKey: domain.RotateKey{App: firstApp, Overlap: new(int64)}}},
		{"apple", apple("secret"), apple("another")},
		{"huawei", addHuawei(t, "s3cret"), addHuawei(t, "another")},
		{"edit one", edit(t, firstID+1, "app_secret", "changed", "app_id", "2"), edit(t, firstID+1, "app_secret", "another", "app_id", "2")},
		{"edit two", edit(t, firstID+1, "badge_class", "com.example.Main"), edit(t, firstID+1, "badge_class", "com.example.Other")},
		{"edit three", edit(t, firstID+1, "badge_class", nil), edit(t, firstID+1, "badge_class", nil, "channel_id", nil)},
		{"import", imported("s3cret", key('a')), imported("another", key('a'))},
	}
	firsts := map[string]engine.Answer{}
	again := func(when string) {
		t.Helper()
		for _, s := range steps {
			answer, err := n.do(t, s.id, s.cmd)
			first := firsts[s.id]
			switch {
			case err != nil:
				t.Errorf("%s: %s sent again: %v", when, s.id, err)
			case answer.Outcome != engine.Repeated || answer.Position != first.Position || answer.App.Version != first.App.Version:
				t.Errorf("%s: %s sent again was %s at %d, version %d; the first answer was at %d, version %d",
					when, s.id, answer.Outcome, answer.Position, answer.App.Version, first.Position, first.App.Version)
			}
			if _, err := n.do(t, s.id, s.forged); !errors.Is(err, engine.ErrIDReused) {
				t.Errorf("%s: the id of %s with other content: %v", when, s.id, err)
			}
		}
	}
	for _, s := range steps {
		if firsts[s.id] = n.must(t, s.id, s.cmd); firsts[s.id].Outcome != engine.Appended {
			t.Fatalf("%s was %s", s.id, firsts[s.id].Outcome)
		}
	}
	if _, err := n.do(t, "import", imported("s3cret", key('b'))); !errors.Is(err, engine.ErrIDReused) {
		t.Errorf("the import with another key: %v", err)
	}
	again("at once")
	n.must(t, "gone", deletion(firstID+1))
	n.must(t, "gone too", gone)
	n.Move(72 * time.Hour)
	again("after the certificates were deleted or have expired")
	if answer := n.must(t, "import again", imported("s3cret", key('a'))); answer.Outcome != engine.Silent {
		t.Errorf("the same import under another id was %s", answer.Outcome)
	}
	n.Stop()
	n = w.start(t, dir, true)
	n.Move(72 * time.Hour)
	again("after a restart")
	stop := func(app domain.AppID, name string) {
		t.Helper()
		n.must(t, "stop "+name, domain.StopApp{App: app})
		n.must(t, "delete "+name, domain.DeleteApp{App: app, Confirm: name})
	}
	stop(firstApp, "shop")
	stop(1_300_000_001, "old")
	again("after the apps were deleted")
	w.rotate(t, n)
	again("after the root key was rotated")
	n.Stop()
	n = w.start(t, dir, true)
	n.Move(72 * time.Hour)
	again("after another restart, with the new root key alone")

	// Under another id it is another command, about an app that is deleted.
	for _, s := range steps {
		want := domain.AppDeletedAlready.Code
		if s.id == "import" {
			want = domain.AppTaken.Code
		}
		if _, err := n.do(t, s.id+" anew", s.cmd); enginetest.Refusal(err) != want {
			t.Errorf("%s under another id: %v, want %s", s.id, err, want)
		}
	}
}

// TestCommittedByAnEarlierProgram sends commands again that a program committed which told them by the app's keys: the answer
// is the first one for as long as these exist.
func TestCommittedByAnEarlierProgram(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	n.must(t, "create", domain.CreateApp{AppName: "shop"})
	imported := func(key string) domain.Command {
		return secrets.ImportApp{
			ImportApp: domain.ImportApp{App: 1_300_000_001, AppName: "old", CreatedAt: domain.InstantOf(enginetest.Began)},
			Keys:      []secrets.GivenKey{{Algorithm: domain.HMAC, Secret: vault.NewSecret([]byte(strings.Repeat(key, 64)))}},
		}
	}
	steps := []struct {
		id          string
		cmd, forged domain.Command
	}{
		{"add", addHuawei(t, "s3cret"), addHuawei(t, "another")},
		{"edit", edit(t, firstID, "app_secret", "changed"), edit(t, firstID, "app_secret", "another")},
		{"import", imported("a"), imported("b")},
	}
	for _, s := range steps {
		first, err := n.ExecuteAsBefore(t.Context(), request(s.id, s.cmd))
		if err != nil || first.Outcome != engine.Appended {
			t.Fatalf("%s: %s, %v", s.id, first.Outcome, err)
		}
		if answer := n.must(t, s.id, s.cmd); answer.Outcome != engine.Repeated || answer.Position != first.Position {
			t.Errorf("%s sent again was %s at %d, first at %d", s.id, answer.Outcome, answer.Position, first.Position)
		}
		if _, err := n.do(t, s.id, s.forged); !errors.Is(err, engine.ErrIDReused) {
			t.Errorf("%s with another secret: %v", s.id, err)
		}
		if _, err := n.do(t, s.id, addHuawei(t, "a third")); !errors.Is(err, engine.ErrIDReused) {
			t.Errorf("the id of %s for another command: %v", s.id, err)
		}
	}
	n.must(t, "stop", domain.StopApp{App: firstApp})
	n.must(t, "delete", domain.DeleteApp{App: firstApp, Confirm: "shop"})
	for _, s := range steps[:2] {
		if _, err := n.do(t, s.id, s.cmd); enginetest.Refusal(err) != domain.AppDeletedAlready.Code {
			t.Errorf("%s of a deleted app: %v", s.id, err)
		}
	}
	if _, err := n.do(t, "create", addHuawei(t, "s3cret")); !errors.Is(err, engine.ErrIDReused) {
		t.Errorf("the id of another command of before: %v", err)
	}
}

// TestWhatIsPrintedStays holds what is printed of commands against what it was in every version before: commits keep the
// print forever, and who sends a command again is to be known by it. Where this test fails the code is wrong.
func TestWhatIsPrintedStays(t *testing.T) {
	made := domain.InstantOf(enginetest.Began)
	for want, cmd := range map[string]domain.Command{
		`{"app":1400000001,"fields":{"app_id":"1","n":1,"o":{"a":"` + "\u00e9" + `","b":[null,true]}},"platform":"huawei"}`: add(map[string]jsontext.Value{
			"o": jsontext.Value(`{ "b": [null, true], "a": "\u00e9" }`), "n": jsontext.Value("1.0"), "app_id": jsontext.Value(`"1"`),
		}, "huawei"),
		`{"app":1400000001,"certificate":1000001,"fields":{"channel_id":null}}`: edit(t, firstID, "channel_id", nil),
		`{"app":{"app":1300000001,"created_at":"2021-01-01T00:00:00.000Z","name":"old"},"certificates":[],` +
			`"keys":[{"algorithm":"HMAC-SHA256","secret":"s3cret"},{"algorithm":"ECDSA-SHA256","public":"PEM","secret":"pem"}]}`: secrets.ImportApp{
			ImportApp: domain.ImportApp{App: 1_300_000_001, AppName: "old", CreatedAt: made},
			Keys: []secrets.GivenKey{
				{Algorithm: domain.HMAC, Secret: vault.NewSecret([]byte("s3cret"))},
				{Algorithm: domain.ECDSA, Secret: vault.NewSecret([]byte("pem")), Public: "PEM"},
			},
		},
		`{"app":{"app":1300000001,"created_at":"2021-01-01T00:00:00.000Z","name":"old","trtc":true},` +
			`"certificates":[{"fields":{"access_id":"1"},"id":17,"platform":"tpns"}],"keys":[]}`: secrets.ImportApp{
			ImportApp:    domain.ImportApp{App: 1_300_000_001, AppName: "old", CreatedAt: made, TRTC: true},
			Certificates: []secrets.GivenCertificate{{ID: 17, Platform: "tpns", Fields: fields(t, "access_id", "1")}},
		},
		"": secrets.ImportApp{ImportApp: domain.ImportApp{App: 1_300_000_001, AppName: "old", CreatedAt: made}},
	} {
		if got, err := secrets.Sent(cmd); err != nil || string(got) != want {
			t.Errorf("%s is printed as %s, %v, want %s", cmd.Name(), got, err, want)
		}
	}
}

// TestImportWithoutItsTime names what is absent, with secrets and without.
func TestImportWithoutItsTime(t *testing.T) {
	n := newWorld(t, 1).nodes[0]
	cmd := secrets.ImportApp{ImportApp: domain.ImportApp{App: 1_300_000_001, AppName: "old"}}
	bare, withKey := cmd, cmd
	withKey.Keys = []secrets.GivenKey{{Algorithm: domain.HMAC, Secret: vault.NewSecret([]byte(strings.Repeat("a", 64)))}}
	for _, cmd := range []domain.Command{bare, withKey} {
		_, err := n.do(t, "import", cmd)
		var invalid *domain.Invalid
		if !errors.As(err, &invalid) || len(invalid.Fields) != 1 || invalid.Fields[0].Field != "created_at" {
			t.Errorf("%v", err)
		}
	}
}

// TestAtOnce sends one command with a secret fifty times at once, to two nodes: one is heard.
func TestAtOnce(t *testing.T) {
	w := newWorld(t, 2)
	w.nodes[0].must(t, "create", domain.CreateApp{AppName: "shop"})
	for _, n := range w.nodes {
		if err := n.Engine.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all := func(do func(i int, n *node) uint64) {
		t.Helper()
		var group sync.WaitGroup
		positions := make([]uint64, 50)
		for i := range positions {
			group.Go(func() { positions[i] = do(i, w.nodes[i%2]) })
		}
		group.Wait()
		if slices.Min(positions) != slices.Max(positions) {
			t.Errorf("answered at positions %v, want one", positions)
		}
	}
	try := func(n *node, id string, cmd domain.Command) uint64 {
		for {
			answer, err := n.do(t, id, cmd)
			if errors.Is(err, engine.ErrBusy) {
				continue
			}
			if err != nil {
				t.Error(err)
			}
			return answer.Position
		}
	}
	all(func(_ int, n *node) uint64 { return try(n, "add", addHuawei(t, "s3cret")) })
	all(func(_ int, n *node) uint64 {
		return try(n, "rotate", secrets.RotateKey{RotateKey: domain.RotateKey{App: firstApp}})
	})
	for _, n := range w.nodes {
		if err := n.Engine.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		app, _, err := n.Store.App(t.Context(), firstApp)
		if err != nil || len(app.Certificates) != 1 || len(app.Keys) != 1 {
			t.Errorf("%d certificates, %d keys, %v", len(app.Certificates), len(app.Keys), err)
		}
	}

	// What one node heard, and deleted, the other answers as it was.
	w.nodes[0].must(t, "stop", domain.StopApp{App: firstApp})
	w.nodes[0].must(t, "delete", domain.DeleteApp{App: firstApp, Confirm: "shop"})
	all(func(_ int, n *node) uint64 { return try(n, "add", addHuawei(t, "s3cret")) })
	for _, n := range w.nodes {
		if _, err := n.do(t, "add", addHuawei(t, "another")); !errors.Is(err, engine.ErrIDReused) {
			t.Errorf("with another secret: %v", err)
		}
	}
}

// TestEditsAtOneInstant changes the fields of one certificate at one moment of the clock: none of the changes is lost.
func TestEditsAtOneInstant(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	n.must(t, "create", domain.CreateApp{AppName: "shop"})
	n.must(t, "add", addHuawei(t, "s3cret"))
	changes := []secrets.EditCertificate{
		edit(t, firstID, "package_name", "com.example.other"), edit(t, firstID, "app_id", "2"), edit(t, firstID, "badge_class", "com.example.Main"),
		edit(t, firstID, "channel_id", "chat"), edit(t, firstID, "click_action", jsontext.Value(`{"type":"open_url","url":"https://example.com"}`)),
	}
	var group sync.WaitGroup
	for i, change := range changes {
		group.Go(func() {
			for range 1000 {
				_, err := n.do(t, fmt.Sprint("edit ", i), change)
				if enginetest.Refusal(err) == domain.CertificateChanged.Code {
					continue
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
			t.Error("it was changed by others too often")
		})
	}
	group.Wait()
	app, _, err := n.Store.App(t.Context(), firstApp)
	if err != nil {
		t.Fatal(err)
	}
	got := app.Certificate(firstID).Fields
	for name, want := range map[string]string{
		"package_name": "com.example.other", "app_id": "2", "badge_class": "com.example.Main", "channel_id": "chat",
		"click_action": `{"type":"open_url","url":"https://example.com"}`,
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q: a change was lost", name, got[name], want)
		}
	}
}

// TestRefusedLeavesNothing: what is refused, however often, leaves no keys and uses no ids up.
func TestRefusedLeavesNothing(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	n.must(t, "create", domain.CreateApp{AppName: "shop"})
	for i := range domain.DefaultPolicy().Certificates {
		n.must(t, fmt.Sprint("add ", i), addHuawei(t, "s3cret"))
	}
	before := w.stored(t)
	for i := range 10 {
		if _, err := n.do(t, fmt.Sprint("too many ", i), addHuawei(t, "s3cret")); enginetest.Refusal(err) != domain.CertificateLimit.Code {
			t.Fatalf("one too many: %v", err)
		}
	}
	for i := range 10 {
		if answer := n.must(t, fmt.Sprint("add ", i), addHuawei(t, "s3cret")); answer.Outcome != engine.Repeated {
			t.Errorf("sent again: %s", answer.Outcome)
		}
	}
	unknown := addHuawei(t, "s3cret")
	unknown.App++
	if _, err := n.do(t, "unknown", unknown); enginetest.Refusal(err) != domain.AppNotFound.Code {
		t.Errorf("an unknown app: %v", err)
	}
	if after := w.stored(t); after != before {
		t.Errorf("%d records of keys, %d before what was refused", after, before)
	}
	n.must(t, "gone", deletion(firstID))
	next := n.must(t, "next", addHuawei(t, "s3cret"))
	if last := next.App.Certificates[len(next.App.Certificates)-1].ID; last != firstID+domain.CertificateID(domain.DefaultPolicy().Certificates) {
		t.Errorf("the next certificate is %d", last)
	}
}
