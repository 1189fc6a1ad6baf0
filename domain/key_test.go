package domain

import (
	"testing"
	"time"
)

// The keys in these tables: what is sealed means nothing here.
var (
	first  = NewKey{Public: "pem", Print: []byte("p1"), Sealed: []byte("s1")}
	second = NewKey{Print: []byte("p2"), Sealed: []byte("s2")}
)

func keyOf(id int, a Algorithm, at Instant, k NewKey) Key {
	return Key{ID: id, Algorithm: a, CreatedAt: at, Public: k.Public, Print: k.Print, Sealed: k.Sealed}
}

// old is an app from the time of key pairs.
func old() step {
	return did(day(0), Operator, ImportApp{App: testApp, AppName: "shop", CreatedAt: HMACSince.Add(-ms)})
}

// hmac is an app whose key was put down on day 1.
func hmac() []step { return []step{created(), did(day(1), Owner, IssueKey{testApp, second})} }

// rotated is one whose key was rotated on day 2, with an overlap of a day.
func rotated() []step { return and(hmac(), did(day(2), Owner, RotateKey{App: testApp, Key: first})) }

func TestIssueKey(t *testing.T) {
	issue := IssueKey{testApp, first}
	check(t, []row{
		{
			name: "an app gets the key of its time, as old as itself", given: []step{created()},
			as: Owner, at: day(1), when: issue,
			then: events(KeyIssued{about, keyOf(1, HMAC, day(0), first)}),
		},
		{
			name: "one from before 2019-08-15 gets a pair", given: []step{old()},
			as: Owner, at: day(1), when: issue,
			then: events(KeyIssued{about, keyOf(1, ECDSA, HMACSince.Add(-ms), first)}),
		},
		{name: "one that has a key keeps it", given: hmac(), as: Owner, at: day(1), when: issue, then: silence},
		{name: "a deleted app has none", given: deletedTrial(), as: Owner, at: day(2), when: issue, then: refused(AppDeletedAlready)},
		{name: "an unknown app", as: Owner, at: day(2), when: issue, then: refused(AppNotFound)},
	})
}

func TestUpgradeKeyAlgorithm(t *testing.T) {
	upgrade := UpgradeKeyAlgorithm{testApp, second}
	paired := []step{old(), did(day(1), Owner, IssueKey{testApp, first})}
	check(t, []row{
		{
			name: "a pair stays in force beside the new secret", given: paired,
			as: Owner, at: day(2), when: upgrade,
			then: events(KeyAlgorithmUpgraded{about, keyOf(2, HMAC, day(2), second)}),
		},
		{
			name: "one that was never needed has nothing to keep", given: []step{old()},
			as: Owner, at: day(2), when: upgrade,
			then: events(KeyAlgorithmUpgraded{about, keyOf(1, HMAC, day(2), second)}),
		},
		{name: "an app with HMAC is so already", given: hmac(), as: Owner, at: day(2), when: upgrade, then: silence},
		{name: "a new app too, whose key was not needed yet", given: []step{created()}, as: Owner, at: day(2), when: upgrade, then: silence},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: upgrade, then: refused(AppDeletedAlready)},
	})
}

func TestRotateKey(t *testing.T) {
	overlap := func(d time.Duration) RotateKey {
		n := d.Milliseconds()
		return RotateKey{App: testApp, Overlap: &n, Key: first}
	}
	next := func(id int, until Instant) answer {
		return events(KeyRotated{about, keyOf(id, HMAC, day(2), first), until})
	}
	full := hmac()
	for range MaxKeys - 1 {
		full = and(full, did(day(1), Owner, overlap(MaxOverlap)))
	}
	check(t, []row{
		{
			name: "the old key verifies on for a day, unless it is said otherwise", given: hmac(),
			as: Owner, at: day(2), when: RotateKey{App: testApp, Key: first},
			then: next(2, day(3)), again: next(3, day(3)),
		},
		{
			name: "or for as long as it is said", given: hmac(),
			as: Owner, at: day(2), when: overlap(time.Hour),
			then: next(2, day(2).Add(time.Hour)), again: next(3, day(2).Add(time.Hour)),
		},
		{
			name: "or not at all", given: hmac(),
			as: Owner, at: day(2), when: overlap(0),
			then: next(2, day(2)), again: next(3, day(2)),
		},
		{
			name: "more overlap than is allowed", given: hmac(),
			as: Owner, at: day(2), when: overlap(MaxOverlap + ms), then: invalid("overlap out_of_range"),
		},
		{name: "less than none", given: hmac(), as: Owner, at: day(2), when: overlap(-ms), then: invalid("overlap out_of_range")},
		{name: "too many at once", given: full, as: Owner, at: day(2), when: overlap(time.Hour), then: refused(TooManyKeys)},
		{name: "a pair is upgraded first", given: []step{old()}, as: Owner, at: day(2), when: overlap(0), then: refused(RotateNeedsHMAC)},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: overlap(0), then: refused(AppDeletedAlready)},
	})
}

func TestRetireKey(t *testing.T) {
	retire := RetireKey{testApp}
	check(t, []row{
		{
			name: "the owner ends the overlap early", given: rotated(),
			as: Owner, at: day(2), when: retire,
			then: events(KeyRetired{about, 1, byRetirement, day(2)}),
		},
		{
			name:  "and a pair's after an upgrade, which has no end of its own",
			given: []step{old(), did(day(1), Owner, IssueKey{testApp, first}), did(day(1), Owner, UpgradeKeyAlgorithm{testApp, second})},
			as:    Owner, at: day(400), when: retire,
			then: events(KeyRetired{about, 1, byRetirement, day(400)}),
		},
		{
			name: "time ends it at its due instant", given: rotated(), // 3: KeyRotated
			as: Operator, at: day(3), when: FireTransition{testApp, DueKey, 3},
			then: events(KeyRetired{about, 1, byTime, day(3)}),
		},
		{
			name: "and not before", given: rotated(),
			as: Operator, at: day(3).Add(-ms), when: FireTransition{testApp, DueKey, 3}, then: silence,
		},
		{name: "the present key stays", given: hmac(), as: Owner, at: day(2), when: retire, then: silence},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: retire, then: refused(AppDeletedAlready)},
	})
}

func TestRevealKey(t *testing.T) {
	reveal := RevealKey{testApp, "", "192.0.2.1"}
	shown := func(actor string) answer { return events(KeyRevealed{about, 1, actor, "192.0.2.1", day(2)}) }
	often := hmac()
	for range DefaultPolicy().Reveals {
		often = and(often, did(day(2), Owner, reveal))
	}
	check(t, []row{
		{name: "the owner needs no reason", given: hmac(), as: Owner, at: day(2), when: reveal, then: shown("owner"), again: shown("owner")},
		{name: "anyone else does", given: hmac(), as: Operator, at: day(2), when: reveal, then: refused(RevealNeedsReason)},
		{name: "one that can be seen", given: hmac(), as: Operator, at: day(2), when: RevealKey{testApp, "\u3000", "192.0.2.1"}, then: refused(RevealNeedsReason)},
		{
			name: "and gives one", given: hmac(),
			as: Operator, at: day(2), when: RevealKey{testApp, "asked by phone", "192.0.2.1"}, then: shown("operator"), again: shown("operator"),
		},
		{name: "not too often", given: often, as: Owner, at: day(2), when: reveal, then: refused(RevealLimit)},
		{
			name: "the limit is each actor's", given: often,
			as: Operator, at: day(2), when: RevealKey{testApp, "asked by phone", "192.0.2.1"}, then: shown("operator"), again: shown("operator"),
		},
		{
			name: "and ends with its window", given: often,
			as: Owner, at: day(2).Add(time.Hour), when: reveal,
			then:  events(KeyRevealed{about, 1, "owner", "192.0.2.1", day(2).Add(time.Hour)}),
			again: events(KeyRevealed{about, 1, "owner", "192.0.2.1", day(2).Add(time.Hour)}),
		},
		{name: "a key that was not put down", given: []step{created()}, as: Owner, at: day(2), when: reveal, then: refused(NoKeyYet)},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: reveal, then: refused(AppDeletedAlready)},
		{name: "an unknown app", as: Owner, at: day(2), when: reveal, then: refused(AppNotFound)},
	})
}

// TestKeysInForce: rotating and retiring leave the keys that should verify, the last one to sign.
func TestKeysInForce(t *testing.T) {
	w := newWorld(DefaultPolicy())
	for _, s := range rotated() {
		s(t, w)
	}
	app := w.account(acme).Apps[testApp]
	if len(app.Keys) != 2 || app.CurrentKey().ID != 2 || app.Keys[0].Until != day(3) {
		t.Errorf("keys %+v, want the first until %s and the second signing", app.Keys, day(3))
	}
	w.sweep(t, day(3))
	if app = w.account(acme).Apps[testApp]; len(app.Keys) != 1 || app.CurrentKey().ID != 2 || len(app.Dues()) != 0 {
		t.Errorf("keys %+v and dues %v, want the second key alone", app.Keys, app.Dues())
	}
}
