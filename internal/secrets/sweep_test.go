package secrets_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"sundial/domain"
	"sundial/internal/testing/enginetest"
	"sundial/internal/vault"
)

var (
	appKeys     = vault.Holder{App: uint64(firstApp)}
	certificate = vault.Holder{App: uint64(firstApp), Item: "certificate-1000001"}
	added       = vault.Place{Event: "app.certificate_added.v1", Field: "app_secret"}
)

// TestSweep destroys, at the next start, the keys of what was deleted by a process that died before it destroyed them,
// and no others.
func TestSweep(t *testing.T) {
	w := newWorld(t, 0)
	dir := t.TempDir()
	n := w.start(t, dir, true)
	n.must(t, "create", domain.CreateApp{AppName: "shop"})
	n.must(t, "keep", domain.CreateApp{AppName: "kept"})
	sealed := n.must(t, "add", addHuawei(t, "s3cret")).Events[0].(domain.CertificateAdded).Certificate.Sealed["app_secret"]
	kept := n.must(t, "add more", addHuawei(t, "s3cret")).Events[0].(domain.CertificateAdded).Certificate.Sealed["app_secret"]
	unseals := func(h vault.Holder, value []byte) error {
		_, err := n.vault.Unseal(t.Context(), h, added, value)
		return err
	}
	next := vault.Holder{App: uint64(firstApp), Item: "certificate-1000002"}
	n.must(t, "stop", domain.StopApp{App: firstApp})
	n.Stop() // its projections know nothing of what follows
	other := w.start(t, t.TempDir(), true)
	other.Node.Must(t, acme, "died", domain.Owner, deletion(firstID))
	if err := errors.Join(unseals(certificate, sealed), unseals(next, kept)); err != nil {
		t.Fatalf("before the sweep: %v", err)
	}
	other.Stop()

	n = w.start(t, dir, true)
	if err := n.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := unseals(certificate, sealed); !errors.Is(err, vault.ErrForgotten) {
		t.Errorf("a certificate that was deleted: %v", err)
	}
	if err := unseals(next, kept); err != nil {
		t.Errorf("one that was not: %v", err)
	}
	n.Node.Must(t, acme, "died too", domain.Owner, domain.DeleteApp{App: firstApp, Confirm: "shop"})
	if err := n.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, h := range []vault.Holder{appKeys, next} {
		if err := unseals(h, kept); !errors.Is(err, vault.ErrForgotten) {
			t.Errorf("%s of a deleted app: %v", h, err)
		}
	}
}

// TestSweepBesideAdds sweeps without a pause while certificates are added, deleted and refused: the keys of every one that
// is there open its secret, and those of every other are destroyed.
func TestSweepBesideAdds(t *testing.T) {
	w := newWorld(t, 2)
	n := w.nodes[0]
	n.must(t, "create", domain.CreateApp{AppName: "shop"})
	for _, other := range w.nodes {
		if err := other.Engine.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var sweeps sync.WaitGroup
	for _, other := range w.nodes {
		sweeps.Go(func() {
			for ctx.Err() == nil {
				if err := other.Sweep(ctx); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	sealed := map[domain.CertificateID][]byte{}
	var mu sync.Mutex
	var group sync.WaitGroup
	deadline := time.Now().Add(time.Second)
	for worker := range 4 {
		group.Go(func() {
			for i := 0; time.Now().Before(deadline); i++ {
				answer, err := n.do(t, fmt.Sprintf("add %d %d", worker, i), addHuawei(t, "s3cret"))
				if enginetest.Refusal(err) == domain.CertificateLimit.Code {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				c := answer.Events[0].(domain.CertificateAdded).Certificate
				mu.Lock()
				sealed[c.ID] = c.Sealed["app_secret"]
				mu.Unlock()
				if i%2 == 0 { // as by a process that dies before it destroys the keys
					n.Node.Must(t, acme, fmt.Sprintf("gone %d %d", worker, i), domain.Owner, deletion(c.ID))
				}
			}
		})
	}
	group.Wait()
	stop()
	sweeps.Wait()
	if err := n.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	app, _, err := n.Store.App(t.Context(), firstApp)
	if err != nil {
		t.Fatal(err)
	}
	there := 0
	for id, value := range sealed {
		_, err := n.vault.Unseal(t.Context(), vault.Holder{App: uint64(firstApp), Item: fmt.Sprint("certificate-", id)}, added, value)
		switch present := app.Certificate(id) != nil; {
		case present && err != nil:
			t.Errorf("certificate %d, which is there: %v", id, err)
		case !present && !errors.Is(err, vault.ErrForgotten):
			t.Errorf("certificate %d, which was deleted: %v", id, err)
		case present:
			there++
		}
	}
	if there == 0 || there == len(sealed) {
		t.Fatalf("%d of %d certificates are there: nothing was tried", there, len(sealed))
	}
	t.Logf("%d certificates added, %d there in the end", len(sealed), there)
}
