package domain

import (
	"maps"
	"slices"
	"testing"
	"time"
)

const testCertificate = FirstCertificate

// pushed is what a certificate of these tables holds.
func pushed(notAfter Instant) CertificateContent {
	return CertificateContent{
		Platform: "apns_p12", Fields: map[string]string{"bundle_id": "com.example.shop"},
		Prints: map[string][]byte{"p12": []byte("p1")}, Sealed: map[string][]byte{"p12": []byte("s1")}, NotAfter: notAfter,
	}
}

func addCertificate(notAfter Instant) AddCertificate {
	return AddCertificate{App: testApp, Certificate: testCertificate, Content: pushed(notAfter)}
}

func keptOf(c CertificateContent, due Instant) KeptCertificate {
	return KeptCertificate{testCertificate, c.Platform, c.Fields, c.Prints, c.Sealed, c.NotAfter, due, "owner"}
}

func TestAddCertificate(t *testing.T) {
	added := func(notAfter, due Instant) answer {
		return events(CertificateAdded{about, keptOf(pushed(notAfter), due)})
	}
	twice := func(a answer, r row) row {
		r.then, r.again = a, a
		return r
	}
	full := []step{created()}
	for range DefaultPolicy().Certificates {
		full = and(full, did(day(1), Owner, addCertificate(0)))
	}
	blank := AddCertificate{App: testApp}
	huge := addCertificate(0)
	huge.Content.Sealed = map[string][]byte{"p12": make([]byte, maxCertificateSealed+1)}
	check(t, []row{
		twice(added(0, 0), row{name: "one that does not expire", given: []step{created()}, as: Owner, at: day(1), when: addCertificate(0)}),
		twice(added(day(100), day(70)), row{name: "one that does is noticed 30 days before", given: []step{created()}, as: Owner, at: day(1), when: addCertificate(day(100))}),
		twice(added(day(100), day(93)), row{name: "or 7, where there are less than 30", given: []step{created()}, as: Owner, at: day(70), when: addCertificate(day(100))}),
		twice(added(day(100), day(99)), row{name: "or 1", given: []step{created()}, as: Owner, at: day(93), when: addCertificate(day(100))}),
		twice(added(day(100), day(100)), row{name: "or not at all", given: []step{created()}, as: Owner, at: day(99), when: addCertificate(day(100))}),
		{name: "one that has expired", given: []step{created()}, as: Owner, at: day(100), when: addCertificate(day(100)), then: refused(CertificateHasExpired)},
		{name: "at most twenty", given: full, as: Owner, at: day(1), when: addCertificate(0), then: refused(CertificateLimit)},
		{name: "no platform", given: []step{created()}, as: Owner, at: day(1), when: blank, then: invalid("platform required")},
		{name: "more than a commit carries", given: []step{created()}, as: Owner, at: day(1), when: huge, then: invalid("fields too_long")},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: addCertificate(0), then: refused(AppDeletedAlready)},
		{name: "an unknown app", as: Owner, at: day(2), when: addCertificate(0), then: refused(AppNotFound)},
	})
}

func TestEditCertificate(t *testing.T) {
	given := []step{created(), did(day(1), Owner, addCertificate(day(100)))}
	renamed, renewed := pushed(day(100)), pushed(day(400))
	renamed.Fields = map[string]string{"bundle_id": "com.example.other"}
	renamed.Sealed = nil
	renewed.Prints, renewed.Sealed = map[string][]byte{"p12": []byte("p2")}, map[string][]byte{"p12": []byte("s2")}
	edit := func(c CertificateContent) EditCertificate {
		return EditCertificate{App: testApp, Certificate: testCertificate, Content: c, Seen: pushed(day(100))}
	}
	stale, unknown := edit(renamed), edit(renamed)
	stale.Seen, unknown.Certificate = renewed, 99
	check(t, []row{
		{name: "a plain field", given: given, as: Owner, at: day(2), when: edit(renamed), then: events(CertificateEdited{about, keptOf(renamed, day(70))})},
		{name: "a new file, with another end", given: given, as: Owner, at: day(2), when: edit(renewed), then: events(CertificateEdited{about, keptOf(renewed, day(370))})},
		{name: "what is so already", given: given, as: Owner, at: day(2), when: edit(pushed(day(100))), then: silence},
		{name: "made of what somebody else has changed", given: given, as: Owner, at: day(2), when: stale, then: refused(CertificateChanged)},
		{name: "one that is not there", given: given, as: Owner, at: day(2), when: unknown, then: refused(CertificateNotFound)},
		{name: "a file that has expired", given: given, as: Owner, at: day(400), when: edit(renewed), then: refused(CertificateHasExpired)},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: edit(renamed), then: refused(AppDeletedAlready)},
	})
}

func TestDeleteCertificate(t *testing.T) {
	given := []step{created(), did(day(1), Owner, addCertificate(0))}
	confirmed := DeleteCertificate{testApp, testCertificate, "1000001"}
	check(t, []row{
		{name: "its id confirms it", given: given, as: Owner, at: day(2), when: confirmed, then: events(CertificateDeleted{about, testCertificate})},
		{name: "nothing else does", given: given, as: Owner, at: day(2), when: DeleteCertificate{testApp, testCertificate, "yes"}, then: refused(CertificateConfirmation)},
		{name: "deleting it again is silence", given: and(given, did(day(2), Owner, confirmed)), as: Owner, at: day(3), when: DeleteCertificate{App: testApp, Certificate: testCertificate}, then: silence},
		{name: "one that never was", given: given, as: Owner, at: day(2), when: DeleteCertificate{testApp, 99, "99"}, then: refused(CertificateNotFound)},
		{name: "a deleted app", given: deletedTrial(), as: Owner, at: day(2), when: confirmed, then: refused(AppDeletedAlready)},
	})
}

func TestCertificateExpiry(t *testing.T) {
	given := []step{created(), did(day(1), Owner, addCertificate(day(100)))} // 2: CertificateAdded
	fire := func(episode uint64) FireTransition { return FireTransition{testApp, DueCertificate, episode} }
	noticed := func(at, due Instant) answer {
		return events(CertificateExpiryNoticed{about, testCertificate, at, day(100), due})
	}
	expired := events(CertificateExpired{about, testCertificate, day(100)})
	check(t, []row{
		{name: "a millisecond early", given: given, as: Operator, at: day(70).Add(-ms), when: fire(2), then: silence},
		{name: "the first notice", given: given, as: Operator, at: day(70), when: fire(2), then: noticed(day(70), day(93))},
		{name: "the second", given: and(given, ticked(day(70))), as: Operator, at: day(93), when: fire(3), then: noticed(day(93), day(99))},
		{name: "the last", given: and(given, ticked(day(93))), as: Operator, at: day(99), when: fire(3), then: noticed(day(99), day(100))},
		{name: "the end", given: and(given, ticked(day(99))), as: Operator, at: day(100), when: fire(3), then: expired},
		{name: "after an outage, only the notice that still says something", given: given, as: Operator, at: day(95), when: fire(2), then: noticed(day(93), day(99))},
		{name: "after an outage until a notice is due, that one", given: given, as: Operator, at: day(99), when: fire(2), then: noticed(day(99), day(100))},
		{name: "after a long one, only the end", given: given, as: Operator, at: day(200), when: fire(2), then: expired},
		{name: "not of one that was deleted", given: and(given, did(day(2), Owner, DeleteCertificate{testApp, testCertificate, "1000001"})), as: Operator, at: day(70), when: fire(2), then: silence},
	})
}

// TestCertificateState: mobile push and the vendors' own exclude each other, and time has the last word.
func TestCertificateState(t *testing.T) {
	w := newWorld(DefaultPolicy())
	own := pushed(0)
	own.Platform = TPNSPlatform
	for _, s := range []step{created(), did(day(1), Owner, addCertificate(day(100)), AddCertificate{App: testApp, Certificate: testCertificate + 1, Content: own})} {
		s(t, w)
	}
	states := func() map[string]CertificateState {
		app := w.account(acme).Apps[testApp]
		of := map[string]CertificateState{}
		for i := range app.Certificates {
			of[app.Certificates[i].Platform] = app.CertificateState(&app.Certificates[i])
		}
		return of
	}
	for _, c := range []struct {
		what            string
		do              step
		vendors, mobile CertificateState
	}{
		{"at first", did(day(1), Owner, AddAdmins{testApp, []string{"a"}}), PushActive, PushInactive},
		{"with mobile push", did(day(2), Owner, EnableTPNS{testApp, OrderTerms{ID: "p", Amount: price}}), PushInactive, PushActive},
		{"without it again", did(day(3), Owner, DisableTPNS{testApp}), PushActive, PushInactive},
		{"expired", ticked(day(100).Add(time.Hour)), PushExpired, PushInactive},
	} {
		c.do(t, w)
		if got, want := states(), (map[string]CertificateState{"apns_p12": c.vendors, TPNSPlatform: c.mobile}); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.what, got, want)
		}
	}
}

// TestWrongFieldsAreNamedInOneOrder: a refusal is read by people, and by programs that compare it.
func TestWrongFieldsAreNamedInOneOrder(t *testing.T) {
	content := CertificateContent{Platform: "oppo", Fields: map[string]string{}}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		content.Fields[name] = "\x00"
	}
	for range 100 {
		var p problems
		content.check(&p)
		var named []string
		for _, wrong := range p {
			named = append(named, wrong.Field)
		}
		if !slices.IsSorted(named) || len(named) != 5 {
			t.Fatalf("named are %q", named)
		}
	}
}
