package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"sundial/internal/natsd"
	"sundial/internal/vault"
)

var (
	app         = vault.Holder{App: 1400000001}
	certificate = vault.Holder{App: 1400000001, Item: "certificate-17"}
	place       = vault.Place{Event: "app.created.v1", Field: "key"}
)

// harness is a server with its files, and a root key.
type harness struct {
	dir    string
	server *natsd.Server
	js     jetstream.JetStream
	root   vault.Root
}

func newWorld(t testing.TB) *harness {
	t.Helper()
	w := &harness{dir: t.TempDir()}
	var err error
	if w.server, err = natsd.Start(natsd.Config{Dir: w.dir}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.server.Shutdown)
	w.js = w.connect(t)
	w.root = newRoot(t)
	return w
}

func (w *harness) connect(t testing.TB) jetstream.JetStream {
	t.Helper()
	nc, err := w.server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func newRoot(t testing.TB) vault.Root {
	t.Helper()
	root, err := vault.CreateRootFile(filepath.Join(t.TempDir(), "root.json"))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// open opens a vault with its own connection; without roots, with the world's.
func (w *harness) open(t testing.TB, roots ...vault.Root) *vault.Vault {
	t.Helper()
	if len(roots) == 0 {
		roots = []vault.Root{w.root}
	}
	v, err := vault.Open(t.Context(), vault.Config{
		JetStream: w.connect(t), Roots: roots, Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func seal(t testing.TB, v *vault.Vault, h vault.Holder, value string) []byte {
	t.Helper()
	sealed, err := v.Seal(t.Context(), h, place, vault.NewSecret([]byte(value)))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// unseals fails unless the sealed value is the wanted one.
func unseals(t testing.TB, v *vault.Vault, h vault.Holder, sealed []byte, want string) {
	t.Helper()
	got, err := v.Unseal(t.Context(), h, place, sealed)
	if err != nil || string(got.Reveal()) != want {
		t.Errorf("unsealing for %s: %q, %v, want %q", h, got.Reveal(), err, want)
	}
}

// refuses fails unless the value cannot be unsealed, for the wanted reason.
func refuses(t testing.TB, v *vault.Vault, h vault.Holder, sealed []byte, want error) {
	t.Helper()
	if got, err := v.Unseal(t.Context(), h, place, sealed); !errors.Is(err, want) || got.Reveal() != nil {
		t.Errorf("unsealing for %s: %q, %v, want %v", h, got.Reveal(), err, want)
	}
}

// stored gives what stands in the stream for a holder.
func (w *harness) stored(t testing.TB, subject string) *jetstream.RawStreamMsg {
	t.Helper()
	s, err := w.js.Stream(t.Context(), "SUNDIAL_KEYS")
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.GetLastMsgForSubject(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (w *harness) state(t testing.TB) jetstream.StreamState {
	t.Helper()
	s, err := w.js.Stream(t.Context(), "SUNDIAL_KEYS")
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State
}

// onDisk counts the files below a folder that hold some bytes.
func onDisk(t testing.TB, dir string, what []byte) int {
	t.Helper()
	if len(what) < 40 {
		t.Fatalf("%d bytes may be found by chance", len(what))
	}
	found := 0
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if bytes.Contains(data, what) {
			found++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// await waits for a state, and fails if it does not come.
func await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

func TestSealedValuesBelongToTheirPlace(t *testing.T) {
	w := newWorld(t)
	v := w.open(t)
	sealed := seal(t, v, app, "hunter2")
	if bytes.Contains(sealed, []byte("hunter2")) || len(sealed) != len("hunter2")+33 {
		t.Errorf("sealed: %q", sealed)
	}
	unseals(t, v, app, sealed, "hunter2")
	seal(t, v, certificate, "x")
	seal(t, v, vault.Holder{App: 2}, "x")

	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for _, c := range []struct {
		what   string
		holder vault.Holder
		place  vault.Place
		sealed []byte
	}{
		{"another app", vault.Holder{App: 2}, place, sealed},
		{"an app without keys", vault.Holder{App: 3}, place, sealed},
		{"an item of the app", certificate, place, sealed},
		{"an item without keys", vault.Holder{App: app.App, Item: "certificate-18"}, place, sealed},
		{"another event", app, vault.Place{Event: "app.created.v2", Field: "key"}, sealed},
		{"another field", app, vault.Place{Event: "app.created.v1", Field: "keys"}, sealed},
		{"event and field divided otherwise", app, vault.Place{Event: "app.created.v1k", Field: "ey"}, sealed},
		{"a changed bit", app, place, changed},
		{"cut short", app, place, sealed[:20]},
		{"nothing", app, place, nil},
	} {
		got, err := v.Unseal(t.Context(), c.holder, c.place, c.sealed)
		if !errors.Is(err, vault.ErrTampered) || got.Reveal() != nil {
			t.Errorf("%s: %q, %v, want ErrTampered", c.what, got.Reveal(), err)
		}
	}
}

func TestAnythingElseIsRefused(t *testing.T) {
	w := newWorld(t)
	v := w.open(t)
	for _, h := range []vault.Holder{
		{}, {Item: "x"}, {App: 1, Item: "A"}, {App: 1, Item: "a.b"}, {App: 1, Item: "*"}, {App: 1, Item: ">"},
		{App: 1, Item: "a b"}, {App: 1, Item: "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddX"},
	} {
		if _, err := v.Seal(t.Context(), h, place, vault.Secret{}); err == nil {
			t.Errorf("sealed for %+v", h)
		}
		if err := v.Forget(t.Context(), h); err == nil {
			t.Errorf("forgot %+v", h)
		}
	}
	for _, p := range []vault.Place{{}, {Event: "x"}, {Field: "x"}} {
		if _, err := v.Seal(t.Context(), app, p, vault.Secret{}); err == nil {
			t.Errorf("sealed at %+v", p)
		}
	}
	if _, err := v.Seal(t.Context(), app, place, vault.NewSecret(make([]byte, vault.MaxSecret+1))); err == nil {
		t.Error("sealed too much")
	}
	if got := w.state(t).Msgs; got != 1 {
		t.Errorf("%d messages in the stream, want the root key's alone", got)
	}
	unseals(t, v, app, seal(t, v, app, ""), "")
}

func TestFingerprints(t *testing.T) {
	w := newWorld(t)
	v := w.open(t)
	of := func(v *vault.Vault, h vault.Holder, p vault.Place, values ...string) string {
		var secrets []vault.Secret
		for _, value := range values {
			secrets = append(secrets, vault.NewSecret([]byte(value)))
		}
		sum, err := v.Fingerprint(t.Context(), h, p, secrets...)
		if err != nil || len(sum) != 32 {
			t.Fatalf("fingerprint: %x, %v", sum, err)
		}
		return string(sum)
	}
	first := of(v, certificate, place, "p12", "password")
	if again := of(w.open(t), certificate, place, "p12", "password"); again != first {
		t.Error("another vault gives another fingerprint")
	}
	seen := map[string]string{first: "the first"}
	for what, sum := range map[string]string{
		"another secret":      of(v, certificate, place, "p12", "passworD"),
		"another order":       of(v, certificate, place, "password", "p12"),
		"divided otherwise":   of(v, certificate, place, "p12p", "assword"),
		"joined":              of(v, certificate, place, "p12password"),
		"an empty one more":   of(v, certificate, place, "p12", "password", ""),
		"none":                of(v, certificate, place),
		"another holder":      of(v, app, place, "p12", "password"),
		"another app's place": of(v, vault.Holder{App: 2, Item: certificate.Item}, place, "p12", "password"),
		"another field":       of(v, certificate, vault.Place{Event: place.Event, Field: "x"}, "p12", "password"),
	} {
		if other, ok := seen[sum]; ok {
			t.Errorf("%s has the fingerprint of %s", what, other)
		}
		seen[sum] = what
	}
}

// TestPrintsOfCommands: of vaults that print at one moment all use one key, which is made once and outlives every app, and
// each part of a command counts.
func TestPrintsOfCommands(t *testing.T) {
	w := newWorld(t)
	vaults := []*vault.Vault{w.open(t), w.open(t)}
	of := func(v *vault.Vault, account, name, id, sent string) string {
		sum, err := v.PrintCommand(t.Context(), account, name, id, vault.NewSecret([]byte(sent)))
		if err != nil {
			t.Error(err)
		}
		return string(sum[:])
	}
	sums := make(chan string, 16)
	for n := range cap(sums) {
		go func() { sums <- of(vaults[n%2], "acme", "add_certificate", "k-1", "s3cret") }()
	}
	first := <-sums
	for range cap(sums) - 1 {
		if sum := <-sums; sum != first {
			t.Errorf("two prints of one command: %x and %x", first, sum)
		}
	}
	if state := w.state(t); state.Msgs != 2 || state.LastSeq != 2 {
		t.Errorf("the stream holds %d messages up to %d, want the root key's and the log's", state.Msgs, state.LastSeq)
	}
	seen := map[string]string{first: "the first"}
	for what, sum := range map[string]string{
		"another account":   of(vaults[0], "acm", "add_certificate", "k-1", "s3cret"),
		"another name":      of(vaults[0], "acme", "edit_certificate", "k-1", "s3cret"),
		"another id":        of(vaults[0], "acme", "add_certificate", "k-2", "s3cret"),
		"another secret":    of(vaults[0], "acme", "add_certificate", "k-1", "s3creT"),
		"divided otherwise": of(vaults[0], "acme", "add_certificate", "k-1s", "3cret"),
	} {
		if other, is := seen[sum]; is {
			t.Errorf("%s has the print of %s", what, other)
		}
		seen[sum] = what
	}
	if _, err := vaults[0].PrintCommand(t.Context(), "acme", "x", "k-1", vault.NewSecret(make([]byte, 8<<20+1))); err == nil {
		t.Error("printed too much")
	}

	// It is nobody's: it is not listed with the apps, and cannot be destroyed or used as theirs are.
	seal(t, vaults[0], app, "x")
	if got := holders(t, vaults[0]); !slices.Equal(got, []string{app.String()}) {
		t.Errorf("holders: %q", got)
	}
	if got := status(t, vaults[0]); got.Apps[w.root.ID] != 1 || got.Items != 0 || got.Forgotten != 0 {
		t.Errorf("status: %+v", got)
	}
	if err := vaults[0].Forget(t.Context(), vault.Holder{}); err == nil {
		t.Error("the log's key was destroyed")
	}
	if err := vaults[0].Forget(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	fresh := newRoot(t)
	old := wrapped(t, w.stored(t, "keys.log"))
	if err := vaults[0].Rotate(t.Context(), fresh, nil); err != nil {
		t.Fatal(err)
	}
	if sum := of(w.open(t, fresh), "acme", "add_certificate", "k-1", "s3cret"); sum != first {
		t.Error("with another root key the print is another one")
	}
	if got := inFiles(t, w, old); got != 0 {
		t.Errorf("%d of the log's keys wrapped by the old root key are still on disk", got)
	}
	if _, err := w.open(t, w.root).PrintCommand(t.Context(), "acme", "x", "k-1", vault.Secret{}); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("with the old root key alone: %v", err)
	}
}

func TestTwoVaultsMakeTheSameKeys(t *testing.T) {
	w := newWorld(t)
	a, b := w.open(t), w.open(t)
	for i := range 20 {
		h := vault.Holder{App: uint64(i + 1), Item: "certificate-1"}
		sealed := make(chan []byte, 8)
		for n := range cap(sealed) {
			go func() {
				out, err := []*vault.Vault{a, b}[n%2].Seal(t.Context(), h, place, vault.NewSecret(fmt.Append(nil, "s", i)))
				if err != nil {
					t.Error(err)
				}
				sealed <- out
			}()
		}
		for range cap(sealed) {
			out := <-sealed
			unseals(t, a, h, out, fmt.Sprint("s", i))
			unseals(t, b, h, out, fmt.Sprint("s", i))
		}
	}
	// The root key's, and for each holder and its app one.
	if state := w.state(t); state.Msgs != 41 || state.LastSeq != 41 {
		t.Errorf("the stream holds %d messages up to %d, want 41", state.Msgs, state.LastSeq)
	}
}

func TestAnswersThatItCannotBeAsked(t *testing.T) {
	w := newWorld(t)
	v := w.open(t)
	sealed := seal(t, v, app, "x")
	await(t, "the keys are in memory", func() bool {
		unseals(t, v, app, sealed, "x")
		return status(t, v).Cached == 1
	})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	w.server.Shutdown()
	if _, err := v.Seal(ctx, vault.Holder{App: 9}, place, vault.Secret{}); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("sealing: %v", err)
	}
	if err := v.Forget(ctx, app); !errors.Is(err, vault.ErrUnavailable) {
		t.Errorf("forgetting: %v", err)
	}
	// Nobody can tell any more whether these keys were destroyed meanwhile.
	await(t, "the keys in memory are given up", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := v.Unseal(ctx, app, place, sealed)
		return errors.Is(err, vault.ErrUnavailable)
	})
}
