package secrets_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/testing/enginetest"
	"sundial/internal/usersig"
)

// TestRevealIsOnRecord: nobody sees a key without a record of their own, and what is refused writes nothing.
func TestRevealIsOnRecord(t *testing.T) {
	w := newWorld(t, 1)
	n := w.nodes[0]
	n.must(t, "create", domain.CreateApp{AppName: "shop"})
	reveal := func(id, actor string, role domain.Role, reason string) (string, error) {
		key, _, err := n.Reveal(t.Context(), engine.Request{
			Account: acme, ID: id, Command: domain.RevealKey{App: firstApp, Reason: reason}, Role: role, Actor: actor, Reason: reason,
		})
		return string(key.Secret.Reveal()), err
	}
	before := n.Commits(t, acme)
	if _, err := reveal("no reason", "operator:one", domain.Operator, ""); enginetest.Refusal(err) != domain.RevealNeedsReason.Code {
		t.Errorf("an operator without a reason: %v", err)
	}
	if after := n.Commits(t, acme); after != before {
		t.Errorf("a reveal that was refused wrote %d commits", after-before)
	}
	first, err := reveal("mine", "owner:one", domain.Owner, "")
	if err != nil || len(first) != 64 {
		t.Fatalf("%d characters, %v", len(first), err)
	}
	if again, err := reveal("mine", "owner:one", domain.Owner, ""); again != first || err != nil {
		t.Errorf("sent again: the same key %t, %v", again == first, err)
	}
	if seen, err := reveal("mine", "owner:two", domain.Owner, ""); !errors.Is(err, engine.ErrIDReused) || seen != "" {
		t.Errorf("another's reveal sent again by somebody else, with no record of it: %d characters, %v", len(seen), err)
	}
}

// TestFirstKey: of two nodes that need an app's first key at one moment, both have the same.
func TestFirstKey(t *testing.T) {
	w := newWorld(t, 2)
	const apps = 8
	for i := range apps {
		w.nodes[0].must(t, fmt.Sprint("create ", i), domain.CreateApp{AppName: "shop"})
	}
	for _, n := range w.nodes {
		if err := n.Engine.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for app := firstApp; app < firstApp+apps; app++ {
		var group sync.WaitGroup
		sigs := make([]string, 8)
		for i := range sigs {
			group.Go(func() {
				req := request("", domain.IssueKey{App: app})
				var err error
				claims := usersig.Claims{User: "alice", IssuedAt: enginetest.Began.Unix(), Lifetime: 60}
				if sigs[i], _, err = w.nodes[i%2].Sign(t.Context(), req, claims); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		for _, n := range w.nodes {
			if err := n.Engine.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, sig := range sigs {
				if found, err := n.Verify(t.Context(), "acme", app, "alice", sig); found != usersig.Valid || err != nil {
					t.Errorf("app %d: %s, %v", app, found, err)
				}
			}
			if known, _, err := n.Store.App(t.Context(), app); err != nil || len(known.Keys) != 1 {
				t.Errorf("app %d has %d keys, %v", app, len(known.Keys), err)
			}
		}
	}
}
