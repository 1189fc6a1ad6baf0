package vault_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/vault"
)

const (
	appSubject  = "keys.app.1400000001"
	itemSubject = "keys.item.1400000001.certificate-17"
)

// wrapped gives the wrapped keys in a stored record: as they are, and as they are written in it.
func wrapped(t testing.TB, m *jetstream.RawStreamMsg) [][]byte {
	t.Helper()
	var r struct{ Sealing, Fingerprint []byte }
	if err := json.Unmarshal(m.Data, &r); err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, k := range [][]byte{r.Sealing, r.Fingerprint} {
		out = append(out, k, []byte(base64.StdEncoding.EncodeToString(k)), k[len(k)/2:], k[:len(k)/2])
	}
	return append(out, m.Data)
}

// inFiles counts those of the given bytes that are in a file of the server.
func inFiles(t testing.TB, w *harness, what [][]byte) int {
	t.Helper()
	found := 0
	for _, b := range what {
		if onDisk(t, w.dir, b) > 0 {
			found++
		}
	}
	return found
}

// The record, and two keysets in base64.
const allOfIt = 3

func TestForgettingLeavesNothingOnDisk(t *testing.T) {
	w := newWorld(t)
	v := w.open(t)
	other := vault.Holder{App: 2}
	kept := seal(t, v, other, "kept")
	seal(t, v, vault.Holder{App: 3}, "x")
	ofApp, ofItem := seal(t, v, app, "hunter2"), seal(t, v, certificate, "hunter3")
	ofOther := wrapped(t, w.stored(t, "keys.app.2"))
	appKeys, itemKeys := wrapped(t, w.stored(t, appSubject)), wrapped(t, w.stored(t, itemSubject))
	for _, keys := range [][][]byte{ofOther, appKeys, itemKeys} {
		if got := inFiles(t, w, keys); got != allOfIt {
			t.Fatalf("the control finds %d of %d", got, allOfIt)
		}
	}

	// An item alone.
	for range 2 {
		if err := v.Forget(t.Context(), certificate); err != nil {
			t.Fatal(err)
		}
		refuses(t, v, certificate, ofItem, vault.ErrForgotten)
	}
	if got := inFiles(t, w, itemKeys); got != 0 {
		t.Errorf("%d of the item's wrapped keys are still on disk", got)
	}
	unseals(t, v, app, ofApp, "hunter2")
	for name, err := range map[string]error{
		"seal":        second(v.Seal(t.Context(), certificate, place, vault.Secret{})),
		"fingerprint": second(v.Fingerprint(t.Context(), certificate, place)),
	} {
		if !errors.Is(err, vault.ErrForgotten) {
			t.Errorf("%s for a forgotten item: %v", name, err)
		}
	}

	// The app, with an item that has keys.
	late := vault.Holder{App: app.App, Item: "certificate-18"}
	ofLate := seal(t, v, late, "hunter4")
	lateKeys := wrapped(t, w.stored(t, "keys.item.1400000001.certificate-18"))
	if got := inFiles(t, w, append(lateKeys, appKeys...)); got != 2*allOfIt {
		t.Fatalf("the control finds %d", got)
	}
	for range 2 {
		if err := v.Forget(t.Context(), app); err != nil {
			t.Fatal(err)
		}
	}
	if got := inFiles(t, w, append(lateKeys, appKeys...)); got != 0 {
		t.Errorf("%d of the app's wrapped keys are still on disk", got)
	}
	for _, v := range []*vault.Vault{v, w.open(t)} {
		refuses(t, v, app, ofApp, vault.ErrForgotten)
		refuses(t, v, late, ofLate, vault.ErrForgotten)
		for _, h := range []vault.Holder{app, certificate, late, {App: app.App, Item: "certificate-19"}} {
			if _, err := v.Seal(t.Context(), h, place, vault.Secret{}); !errors.Is(err, vault.ErrForgotten) {
				t.Errorf("sealing for %s: %v", h, err)
			}
		}
		unseals(t, v, other, kept, "kept")
	}
	if got := inFiles(t, w, ofOther); got != allOfIt {
		t.Errorf("%d of %d of another app's wrapped keys are left", got, allOfIt)
	}

	// What never had keys.
	never := vault.Holder{App: 77}
	if err := v.Forget(t.Context(), never); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Seal(t.Context(), never, place, vault.Secret{}); !errors.Is(err, vault.ErrForgotten) {
		t.Errorf("sealing for an app forgotten before it had keys: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestForgettingIsHeardOfElsewhere(t *testing.T) {
	w := newWorld(t)
	a, b := w.open(t), w.open(t)
	ofApp, ofItem := seal(t, a, app, "x"), seal(t, a, certificate, "y")
	unseals(t, b, app, ofApp, "x")
	unseals(t, b, certificate, ofItem, "y")
	if err := a.Forget(t.Context(), certificate); err != nil {
		t.Fatal(err)
	}
	await(t, "the other vault refuses the item", func() bool {
		_, err := b.Unseal(t.Context(), certificate, place, ofItem)
		return errors.Is(err, vault.ErrForgotten)
	})
	unseals(t, b, app, ofApp, "x")
	if err := a.Forget(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	await(t, "the other vault refuses the app", func() bool {
		_, err := b.Unseal(t.Context(), app, place, ofApp)
		return errors.Is(err, vault.ErrForgotten)
	})
}

// TestForgettingWhileSealing has one vault forget an app while another makes keys for its items. Whatever it managed to
// seal is unreadable, and no keys are left.
func TestForgettingWhileSealing(t *testing.T) {
	w := newWorld(t)
	a, b := w.open(t), w.open(t)
	for i := range uint64(20) {
		h := vault.Holder{App: i + 1}
		seal(t, b, h, "x")
		done := make(chan struct{})
		started := make(chan struct{})
		var sealed []byte
		go func() {
			defer close(done)
			for n := range 1000 {
				item := vault.Holder{App: h.App, Item: "certificate-" + string(rune('a'+n%26)) + "-" + string(rune('a'+n/26))}
				out, err := b.Seal(t.Context(), item, place, vault.NewSecret([]byte("late")))
				if n == 3 {
					close(started)
				}
				if errors.Is(err, vault.ErrForgotten) {
					return
				}
				if err != nil {
					t.Error(err)
				}
				sealed = out
			}
			t.Error("the other vault never heard of it")
		}()
		<-started
		if err := a.Forget(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		<-done
		refuses(t, a, vault.Holder{App: h.App, Item: "certificate-a-a"}, sealed, vault.ErrForgotten)
	}
	if left := holders(t, a); len(left) != 0 {
		t.Errorf("keys are left of %v", left)
	}
	// The root key's, and that each app was forgotten.
	if state := w.state(t); state.Msgs != 21 {
		t.Errorf("the stream holds %d messages, want 21", state.Msgs)
	}
}

// gatedJetStream waits before it publishes on a subject.
type gatedJetStream struct {
	jetstream.JetStream
	subject       string
	reached, open chan struct{}
}

func (g *gatedJetStream) Publish(
	ctx context.Context, subject string, data []byte, options ...jetstream.PublishOpt,
) (*jetstream.PubAck, error) {
	if subject == g.subject {
		close(g.reached)
		<-g.open
	}
	return g.JetStream.Publish(ctx, subject, data, options...)
}

// TestKeysMadeForAForgottenAppAreNotKept has a node make keys for an item, and store them only after another node has
// forgotten the app.
func TestKeysMadeForAForgottenAppAreNotKept(t *testing.T) {
	w := newWorld(t)
	a := w.open(t)
	seal(t, a, app, "x")
	slow := &gatedJetStream{w.connect(t), itemSubject, make(chan struct{}), make(chan struct{})}
	b, err := vault.Open(t.Context(), vault.Config{JetStream: slow, Roots: []vault.Root{w.root}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	done := make(chan error)
	go func() { done <- second(b.Seal(t.Context(), certificate, place, vault.Secret{})) }()
	<-slow.reached
	if err := a.Forget(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	close(slow.open)
	if err := <-done; !errors.Is(err, vault.ErrForgotten) {
		t.Errorf("sealing: %v", err)
	}
	if left := holders(t, a); len(left) != 0 {
		t.Errorf("keys are left of %v", left)
	}
}

func holders(t testing.TB, v *vault.Vault) []string {
	t.Helper()
	var out []string
	if err := v.Holders(t.Context(), func(h vault.Holder) error { out = append(out, h.String()); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func TestHolders(t *testing.T) {
	w := newWorld(t)
	v := w.open(t)
	if got := holders(t, v); len(got) != 0 {
		t.Errorf("holders of an empty vault: %q", got)
	}
	seal(t, v, certificate, "x")
	seal(t, v, vault.Holder{App: 2}, "x")
	seal(t, v, vault.Holder{App: 3}, "x")
	if err := v.Forget(t.Context(), vault.Holder{App: 2}); err != nil {
		t.Fatal(err)
	}
	if got, want := holders(t, v), []string{"1400000001", "1400000001/certificate-17", "3"}; !slices.Equal(got, want) {
		t.Errorf("holders: %q, want %q", got, want)
	}
	broken := errors.New("broken")
	if err := v.Holders(t.Context(), func(vault.Holder) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("an error of the caller's comes back as %v", err)
	}
}

// crashed puts back what a process leaves that dies after publishing a record and before overwriting the one that it
// replaces.
func crashed(t testing.TB, w *harness, subject string, before *jetstream.RawStreamMsg) {
	t.Helper()
	after := w.stored(t, subject)
	for _, data := range [][]byte{before.Data, after.Data} {
		if _, err := w.js.Publish(t.Context(), subject, data); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACrashBeforeTheOverwritingIsMadeGood(t *testing.T) {
	for _, c := range []struct {
		what string
		good func(t *testing.T, w *harness, v *vault.Vault)
	}{
		{"by opening", func(t *testing.T, w *harness, _ *vault.Vault) { w.open(t) }},
		{"by forgetting again", func(t *testing.T, _ *harness, v *vault.Vault) {
			if err := v.Forget(t.Context(), app); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t)
			v := w.open(t)
			kept := seal(t, v, vault.Holder{App: 2}, "kept")
			seal(t, v, app, "x")
			before := w.stored(t, appSubject)
			if err := v.Forget(t.Context(), app); err != nil {
				t.Fatal(err)
			}
			for i := range uint64(700) { // more than one batch, before and after
				if i == 350 {
					crashed(t, w, appSubject, before)
				}
				if err := v.Forget(t.Context(), vault.Holder{App: 1000 + i}); err != nil {
					t.Fatal(err)
				}
			}
			if got := inFiles(t, w, wrapped(t, before)); got != allOfIt {
				t.Fatalf("the control finds %d of %d", got, allOfIt)
			}
			c.good(t, w, v)
			if got := inFiles(t, w, wrapped(t, before)); got != 0 {
				t.Errorf("%d of the wrapped keys are still on disk", got)
			}
			if state := w.state(t); state.Msgs != state.NumSubjects || state.NumSubjects != 703 {
				t.Errorf("%d messages on %d subjects, want 703", state.Msgs, state.NumSubjects)
			}
			unseals(t, w.open(t), vault.Holder{App: 2}, kept, "kept")
		})
	}
}
