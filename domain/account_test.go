package domain

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestVersionsCountEvents: an account's version counts its events, an app's those that changed it; positions and times
// are those of the commit.
func TestVersionsCountEvents(t *testing.T) {
	acc := NewAccount(acme)
	acc.Apply(Recorded{day(0), 7}, AppCreated{about, "shop", "other", "", day(0)}, QuotaSet{5})
	acc.Apply(Recorded{day(1), 9}, AppInfoEdited{about, "chat", "other", ""})
	acc.Apply(Recorded{day(2), 12}, QuotaSet{6})
	app := acc.Apps[testApp]
	if acc.Version != 4 || acc.Position != 12 || acc.RecordedAt != day(2) {
		t.Errorf("the account is at version %d, position %d, %s", acc.Version, acc.Position, acc.RecordedAt)
	}
	if app.Version != 2 || app.Position != 9 {
		t.Errorf("the app is at version %d, position %d", app.Version, app.Position)
	}
}

// TestApplyCannotFail: an event about an app that the log never created changes a blank one.
func TestApplyCannotFail(t *testing.T) {
	for _, e := range Prototypes() {
		NewAccount(acme).Apply(Recorded{day(0), 1}, e)
	}
}

// TestCap: the account's own quota, or the policy's.
func TestCap(t *testing.T) {
	acc := NewAccount(acme)
	if got := acc.Cap(DefaultPolicy()); got != 100 {
		t.Errorf("%d, want the policy's 100", got)
	}
	acc.Apply(Recorded{day(0), 1}, QuotaSet{3})
	if got := acc.Cap(DefaultPolicy()); got != 3 {
		t.Errorf("%d, want the account's 3", got)
	}
}

// TestCloneSharesNothing: whatever happens to an account afterwards, a clone stays as it was, and the other way round.
func TestCloneSharesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(unhurried())
		facts := rapid.SliceOfN(crowdedFact(), 1, 20).Draw(t, "facts")
		if _, err := w.run(t, acme, crowdBegins, Owner, CreateApp{AppName: "shop"}); err != nil {
			t.Fatal(err)
		}
		half := len(facts) / 2
		for _, f := range facts[:half] {
			w.deliver(t, crowdBegins, f)
		}
		original := w.account(acme)
		clone := original.Clone()
		if diff := gocmp.Diff(original, clone); diff != "" {
			t.Fatalf("the clone differs:\n%s", diff)
		}
		log, before := w.log[acme], w.replayed(t, acme)
		for _, f := range facts[half:] {
			w.deliver(t, crowdBegins, f)
		}
		if diff := gocmp.Diff(before, clone); diff != "" {
			t.Fatalf("the original's facts changed the clone:\n%s", diff)
		}
		after := w.replayed(t, acme)
		for _, c := range w.log[acme][len(log):] {
			clone.Apply(c.at, c.events...)
		}
		if diff := gocmp.Diff(after, original); diff != "" {
			t.Fatalf("the clone's facts changed the original:\n%s", diff)
		}
	})
}
