package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/internal/engine"
	"sundial/internal/server"
	"sundial/internal/vault"
	"sundial/projections"
)

// keeper speaks to a program as its operator.
type keeper struct {
	t       *testing.T
	program *server.Server
	client  *client
}

func (k *keeper) start(dir string, change func(*server.Config)) {
	k.t.Helper()
	config := testConfig(dir)
	if change != nil {
		change(&config)
	}
	k.program = server.New(config)
	if err := k.program.Start(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
	var err error
	if k.client, err = (&remote{Server: k.program.HTTPURL(), Data: dir}).client(); err != nil {
		k.t.Fatal(err)
	}
}

func (k *keeper) stop() {
	k.t.Helper()
	if err := k.program.Close(); err != nil {
		k.t.Fatal(err)
	}
}

// must gives the answer, of this status.
func (k *keeper) must(status int, method, path, body string) string {
	k.t.Helper()
	q := request{method: method, path: path}
	if path, query, has := strings.Cut(path, "?"); has {
		q.path, q.query = path, map[string][]string{}
		name, value, _ := strings.Cut(query, "=")
		q.query.Set(name, value)
	}
	if body != "" {
		q.body = []byte(body)
	}
	a, err := k.client.do(k.t.Context(), q)
	if a.status != status {
		k.t.Fatalf("%s %s: status %d, want %d: %v", method, path, a.status, status, err)
	}
	return string(a.body)
}

func (k *keeper) create(body string) string {
	k.t.Helper()
	var app uint64
	if n, _ := fmt.Sscanf(k.must(201, "POST", "/v1/accounts/acme/apps", body), `{"app":%d`, &app); n != 1 {
		k.t.Fatal("no app")
	}
	return fmt.Sprintf("/v1/apps/%d", app)
}

const (
	meizu  = `{"platform":"meizu","fields":{"package_name":"com.example.shop","app_id":"1","app_secret":"s3cret-s3cret","click_action":{"type":"open_app"}}}`
	reason = `{"reason":"tested"}`
	sig    = `{"user_id":"alice","expire_seconds":60}`
)

// TestShredded deletes apps and a certificate, and then tries all that who has copies from before could: the secrets are
// unreadable with the present keys, and the log is none the worse. One deletion dies before it destroys the keys; the next
// start makes up for it.
func TestShredded(t *testing.T) {
	dir := t.TempDir()
	k := &keeper{t: t}
	k.start(dir, nil)
	const ends = `{"id":"o","edition":"pro","paid_until":"2021-01-02T00:00:00.000Z","amount":{"currency":"CNY","minor":1}}`
	trial, died, kept := k.create(`{"name":"trial"}`), k.create(`{"name":"died"}`), k.create(`{"name":"kept"}`)
	paid := k.create(`{"name":"paid","order":` + ends + `}`)
	for _, app := range []string{trial, died, kept, paid} {
		k.must(200, "POST", app+"/key/reveal", reason)
		k.must(200, "POST", app+"/key/rotate", "")
		k.must(201, "POST", app+"/certificates", meizu)
	}
	k.must(201, "POST", kept+"/certificates", meizu)
	k.must(200, "POST", "/v1/clock/advance", `{"by":"240h"}`)
	asked := k.must(201, "POST", paid+"/deletion-requests", "")
	_, request, _ := strings.Cut(asked, `"deletion_request":{"id":"`)
	request, _, _ = strings.Cut(request, `"`)
	k.must(200, "POST", trial+"/stop", reason)
	k.must(200, "POST", died+"/stop", reason)
	k.stop()
	before := copied(t, dir)

	k.start(dir, nil)
	k.must(200, "DELETE", trial+"?confirm=trial", "")
	k.must(200, "POST", "/v1/deletion-requests/"+request+"/approve", "")
	k.must(200, "DELETE", kept+"/certificates/1000003?confirm=1000003", "")
	k.stop()
	deleteAndDie(t, dir, "died")
	k.start(dir, nil)
	until(t, "the keys of what was deleted are destroyed at the start", func() bool {
		status, err := server.ServingFrom(dir).VaultStatus(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		apps := 0
		for _, n := range status.Apps {
			apps += n
		}
		return apps == 1 && status.Items == 1 // kept and its other certificate
	})
	var said bytes.Buffer
	if code := run(t.Context(), []string{"rebuild", "--check", "--data", dir}, &console{out: &said, err: &said}); code != exitDone {
		t.Errorf("rebuild --check ended with %d: %s", code, &said)
	}
	k.stop()
	after := copied(t, dir)

	old, present := openKept(t, before), openKept(t, after)
	if err := present.Log.Verify(t.Context(), nil); err != nil {
		t.Errorf("the chain: %v", err)
	}
	if len(old.sealed) != 4*3+1 {
		t.Fatalf("%d sealed values, want a key, a rotated one and a certificate of each of 4 apps, and one certificate more", len(old.sealed))
	}
	if len(present.sealed) != len(old.sealed) {
		t.Errorf("%d sealed values in the log after the deletions, %d before", len(present.sealed), len(old.sealed))
	}
	forgotten := 0
	for _, s := range old.sealed {
		secret, err := old.vault.Unseal(t.Context(), s.holder, s.place, s.value)
		if err != nil || len(secret.Reveal()) == 0 {
			t.Errorf("%s before its deletion: %v", s.holder, err)
		}
		_, err = present.vault.Unseal(t.Context(), s.holder, s.place, s.value)
		stays := s.holder.App == 1400000003 && s.holder.Item != "certificate-1000003"
		if stays && err != nil || !stays && !errors.Is(err, vault.ErrForgotten) {
			t.Errorf("%s with the keys that are left: %v", s.holder, err)
		}
		if !stays {
			forgotten++
			wrapped := old.wrapped(t, s.holder)
			for name, text := range files(t, after) {
				if bytes.Contains(text, wrapped) {
					t.Errorf("%s still holds the wrapped keys of %s", name, s.holder)
				}
			}
		}
	}
	if forgotten != 10 {
		t.Errorf("%d values cannot be read any more, want 10", forgotten)
	}
	held := false
	for _, text := range files(t, before) {
		held = held || bytes.Contains(text, old.wrapped(t, old.sealed[0].holder))
	}
	if !held {
		t.Error("wrapped keys are not found in the copy from before: they would be found nowhere")
	}
}

// TestFirstAnswersOutliveTheApp sends what brought secrets again with its Idempotency-Key, after the app was deleted with
// its keys, the program was started anew and the root key was rotated: the answer is the first one, byte for byte, and with
// other secrets the key is refused. The secrets stand nowhere.
func TestFirstAnswersOutliveTheApp(t *testing.T) {
	dir := t.TempDir()
	k := &keeper{t: t}
	k.start(dir, nil)
	app := k.create(`{"name":"shop"}`)
	const certificate = `{"platform":"meizu","fields":{"package_name":"com.example.shop","app_id":"1","app_secret":%q,"click_action":{"type":"open_app"}}}`
	const moved = `{"app":1300000001,"name":"moved","created_at":"2018-01-01T00:00:00.000Z","keys":[{"algorithm":"HMAC-SHA256","secret":%q}],` +
		`"certificates":[{"id":17,"platform":"tpns","fields":{"access_id":"1","secret_key":%q,"access_point":"shanghai","os":"ios"}}]}`
	hmac, other := strings.Repeat("0a1b2c3d", 8), strings.Repeat("4e5f6071", 8)
	sent := []struct{ key, method, path, body, otherBody string }{
		{"add", "POST", app + "/certificates", fmt.Sprintf(certificate, "s3cret-of-the-first-app"), fmt.Sprintf(certificate, "another")},
		{"edit", "PATCH", app + "/certificates/1000001", `{"fields":{"app_secret":"s3cret-that-came-later"}}`, `{"fields":{"app_secret":"another"}}`},
		{"import", "POST", "/v1/accounts/acme/apps/import", fmt.Sprintf(moved, hmac, "s3cret-of-the-import"), fmt.Sprintf(moved, other, "s3cret-of-the-import")},
	}
	ask := func(key, method, path, body string) (int, string) {
		t.Helper()
		a, _ := k.client.do(t.Context(), request{method: method, path: path, body: []byte(body), header: http.Header{"Idempotency-Key": {key}}})
		return a.status, string(a.body)
	}
	firsts := map[string]string{}
	for _, s := range sent {
		status, text := ask(s.key, s.method, s.path, s.body)
		if status/100 != 2 {
			t.Fatalf("%s: %d %s", s.key, status, text)
		}
		firsts[s.key] = fmt.Sprint(status, text)
	}
	again := func(when string) {
		t.Helper()
		for _, s := range sent {
			if status, text := ask(s.key, s.method, s.path, s.body); fmt.Sprint(status, text) != firsts[s.key] {
				t.Errorf("%s, %s sent again: %d %s, want %s", when, s.key, status, text, firsts[s.key])
			}
			if status, text := ask(s.key, s.method, s.path, s.otherBody); status != 422 || !strings.Contains(text, `"idempotency_key_reused"`) {
				t.Errorf("%s, %s with another secret: %d %s", when, s.key, status, text)
			}
		}
	}
	again("at once")
	for _, gone := range []struct{ path, name string }{{app, "shop"}, {"/v1/apps/1300000001", "moved"}} {
		k.must(200, "POST", gone.path+"/stop", reason)
		k.must(200, "DELETE", gone.path+"?confirm="+gone.name, "")
	}
	again("after the deletion")
	k.stop()
	k.start(dir, nil)
	again("after a restart")
	if err := server.ServingFrom(dir).RotateRoot(t.Context(), "", func(uint64, uint64) {}); err != nil {
		t.Fatal(err)
	}
	k.stop()
	k.start(dir, nil)
	again("with another root key")
	k.stop()

	var secrets needles
	for i, s := range []string{"s3cret-of-the-first-app", "s3cret-that-came-later", "s3cret-of-the-import", hmac} {
		secrets.add(fmt.Sprint("secret ", i), []byte(s))
	}
	for name, text := range files(t, dir, server.RootFile) {
		for _, found := range secrets.in(text) {
			t.Errorf("%s holds %s", name, found)
		}
	}
}

// copied is a copy of a data directory that is at rest.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := errors.Join(os.CopyFS(to, os.DirFS(dir)), os.Chmod(filepath.Join(to, server.RootFile), 0o600)); err != nil {
		t.Fatal(err)
	}
	return to
}

// deleteAndDie deletes an app as a process would that dies before it destroys the app's keys.
func deleteAndDie(t *testing.T, dir, name string) {
	t.Helper()
	idle := openIdle(t, dir)
	defer idle.Close()
	parts := idle.Parts()
	store, err := projections.Open(t.Context(), idle.Projections())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	e, err := engine.New(engine.Config{
		Log: parts.Log, Store: store, JetStream: parts.JetStream, Policy: domain.DefaultPolicy(), Alone: true, Node: "dies",
		Now: func() time.Time { return time.Date(2022, 1, 1, 0, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := e.Execute(t.Context(), engine.Request{
		Account: "acme", ID: "dies", Command: domain.DeleteApp{App: 1400000002, Confirm: name}, Role: domain.Owner, Durable: true,
	})
	if err != nil || answer.Outcome != engine.Appended {
		t.Fatalf("%s, %v", answer.Outcome, err)
	}
}

func openIdle(t *testing.T, dir string) *server.Idle {
	t.Helper()
	idle, err := server.OpenIdle(t.Context(), testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	return idle
}

// kept is a copy of a data directory, opened by somebody who has its root key.
type kept struct {
	server.Parts
	vault  *vault.Vault
	sealed []sealedValue
}

func openKept(t *testing.T, dir string) *kept {
	t.Helper()
	idle := openIdle(t, dir)
	t.Cleanup(idle.Close)
	k := &kept{Parts: idle.Parts()}
	k.vault = openVaultOf(t, dir, k.JetStream)
	t.Cleanup(k.vault.Close)
	k.sealed = sealedIn(t, k.Log, "acme")
	return k
}

func openVaultOf(t *testing.T, dir string, js jetstream.JetStream) *vault.Vault {
	t.Helper()
	root, err := vault.ReadRootFile(filepath.Join(dir, server.RootFile))
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(t.Context(), vault.Config{JetStream: js, Roots: []vault.Root{root}})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// sealedValue is what the log has of a secret.
type sealedValue struct {
	holder vault.Holder
	place  vault.Place
	value  []byte
	gone   bool // of a certificate that was deleted later
}

// sealedIn lists every secret in the log of an account: keys, and certificates as they were added.
func sealedIn(t *testing.T, log *eventstore.Log, account string) (all []sealedValue) {
	t.Helper()
	codec, err := codec.New()
	if err != nil {
		t.Fatal(err)
	}
	for m, err := range log.Account(t.Context(), account, eventstore.Span{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, stored := range m.Commit.Events {
			event, err := codec.Decode(stored)
			if err != nil {
				t.Fatal(err)
			}
			app := vault.Holder{App: uint64(event.Subject())}
			item := func(id domain.CertificateID) vault.Holder {
				return vault.Holder{App: app.App, Item: fmt.Sprint("certificate-", id)}
			}
			key := vault.Place{Event: "app.key", Field: "secret"}
			switch e := event.(type) {
			case domain.KeyIssued:
				all = append(all, sealedValue{app, key, e.Key.Sealed, false})
			case domain.KeyRotated:
				all = append(all, sealedValue{app, key, e.Key.Sealed, false})
			case domain.CertificateAdded:
				place := vault.Place{Event: e.Type(), Field: "app_secret"}
				all = append(all, sealedValue{item(e.Certificate.ID), place, e.Certificate.Sealed["app_secret"], false})
			case domain.CertificateDeleted:
				for i := range all {
					all[i].gone = all[i].gone || all[i].holder == item(e.Certificate)
				}
			}
		}
	}
	return all
}

// wrapped is what is stored of a holder's keys.
func (k *kept) wrapped(t *testing.T, h vault.Holder) []byte {
	t.Helper()
	stream, err := k.JetStream.Stream(t.Context(), "SUNDIAL_KEYS")
	if err != nil {
		t.Fatal(err)
	}
	subject := fmt.Sprint("keys.app.", h.App)
	if h.Item != "" {
		subject = fmt.Sprintf("keys.item.%d.%s", h.App, h.Item)
	}
	var m *jetstream.RawStreamMsg
	if m, err = stream.GetLastMsgForSubject(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	return m.Data
}

// TestLocked starts with no root key, with another one, and with one that others can read: everything but secrets is
// served, and with the right one again nothing is lost.
func TestLocked(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, server.RootFile)
	k := &keeper{t: t}
	k.start(dir, nil)
	app := k.create(`{"name":"shop"}`)
	key := k.must(200, "POST", app+"/key/reveal", reason)
	k.must(201, "POST", app+"/certificates", meizu)
	made := k.must(200, "POST", app+"/usersigs", sig)
	made = strings.NewReplacer(`{"user_sig":`, `{"user_id":"alice","user_sig":`, `,"algorithm":"HMAC-SHA256"`, "").Replace(made)
	made, _, _ = strings.Cut(made, `,"expires_at"`)
	made += "}"
	k.must(200, "POST", app+"/usersigs/verify", made)
	k.stop()
	right, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.key")
	if _, err := vault.CreateRootFile(other); err != nil {
		t.Fatal(err)
	}
	wrong, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		name string
		file []byte // of the root key; nil: none
		mode os.FileMode
		flag string
	}{
		{"no root key", nil, 0, ""},
		{"another root key", wrong, 0o600, ""},
		{"a root key that others can read", right, 0o644, ""},
		{"no root key", []byte("{}"), 0o600, ""},
		{"a file that is not there", right, 0o600, filepath.Join(dir, "none.key")},
	} {
		if err := os.RemoveAll(root); err != nil {
			t.Fatal(err)
		}
		if c.file != nil {
			if err := os.WriteFile(root, c.file, c.mode); err != nil {
				t.Fatal(err)
			}
		}
		k.start(dir, func(config *server.Config) {
			if c.flag != "" {
				config.RootKeys = []string{c.flag}
			}
		})
		k.locked(app, made, i)
		k.stop()
		if now, err := os.ReadFile(root); !bytes.Equal(now, c.file) || err != nil && c.file != nil {
			t.Errorf("%s: the root key's file was changed: %v", c.name, err)
		}
	}
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "moved.key")
	if err := os.WriteFile(elsewhere, right, 0o600); err != nil {
		t.Fatal(err)
	}
	k.start(dir, func(config *server.Config) { config.RootKeys = []string{elsewhere} })
	if again := k.must(200, "POST", app+"/key/reveal", reason); again != key {
		t.Error("with the right root key again the key is another")
	}
	if said := k.must(200, "POST", app+"/usersigs/verify", made); !strings.HasPrefix(said, `{"valid":true,`) {
		t.Errorf("with the right root key again: %s", said)
	}
	k.must(200, "PATCH", app+"/certificates/1000001", `{"fields":{"app_secret":"another-s3cret"}}`)
	if ready := k.must(200, "GET", "/readyz", ""); strings.Contains(ready, "vault: locked") {
		t.Errorf("ready: %s", ready)
	}
	k.stop()
}

// locked does everything that takes no secret, and is refused what does.
func (k *keeper) locked(app, made string, i int) {
	k.t.Helper()
	if ready := k.must(200, "GET", "/readyz", ""); !strings.Contains(ready, `{"ready":true`) || !strings.Contains(ready, "vault: locked") {
		k.t.Errorf("ready: %s", ready)
	}
	for _, c := range []struct{ method, path, body string }{
		{"POST", app + "/key/reveal", reason}, {"POST", app + "/key/rotate", ""}, {"POST", app + "/usersigs", sig},
		{"POST", app + "/usersigs/verify", made}, {"POST", app + "/certificates", meizu},
		{"PATCH", app + "/certificates/1000001", `{"fields":{"app_secret":"another-s3cret"}}`},
		{"PATCH", app + "/certificates/1000001", `{"fields":{"app_id":"1"}}`},
		{"POST", "/v1/accounts/acme/apps/import", `{"app":1300000001,"name":"old","created_at":"2018-01-01T00:00:00.000Z","keys":[{"algorithm":"HMAC-SHA256","secret":"` + strings.Repeat("ab", 32) + `"}]}`},
	} {
		if said := k.must(503, c.method, c.path, c.body); !strings.Contains(said, `"code":"secrets_locked"`) {
			k.t.Errorf("%s %s: %s", c.method, c.path, said)
		}
	}
	created := k.create(fmt.Sprintf(`{"name":"locked %d"}`, i))
	k.must(200, "PATCH", created, `{"introduction":"made without keys"}`)
	k.must(200, "GET", created+"/key", "")
	k.must(200, "POST", created+"/admins", `{"names":["alice"]}`)
	k.must(201, "POST", "/v1/accounts/acme/apps/import", fmt.Sprintf(`{"app":130000001%d,"name":"old","created_at":"2018-01-01T00:00:00.000Z"}`, i))
	k.must(200, "GET", app+"/certificates/1000001", "")
	k.must(http.StatusOK, "POST", created+"/stop", reason)
	k.must(200, "DELETE", fmt.Sprintf("%s?confirm=locked %d", created, i), "")
}
