package domain

import (
	"slices"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"sundial/internal/testing/oracle"
)

// anyHolding draws a command on what an app holds beside its bills, which may be allowed or not.
func (w *harness) anyHolding(t *rapid.T, id AppID, now Instant) asked {
	who := rapid.SampledFrom([]Role{Owner, Owner, Operator}).Draw(t, "who")
	app := w.account(acme).Apps[id]
	if app == nil {
		app = &App{ID: id}
	}
	secret := NewKey{Algorithm: HMAC, Print: []byte("print"), Sealed: []byte("sealed")}
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"alice", "bob", "carol", "dave", "erin", FixedAdmin}), 1, 3, rapid.ID[string]).Draw(t, "administrators")
	reason := rapid.SampledFrom([]string{"", "asked for"}).Draw(t, "reason")
	request := rapid.SampledFrom([]string{app.Deletion.ID, app.Deletion.ID, "none"}).Draw(t, "request")
	certificate := FirstCertificate
	if len(app.Certificates) > 0 {
		certificate = rapid.SampledFrom(app.Certificates).Draw(t, "certificate").ID
	}
	switch rapid.IntRange(0, 18).Draw(t, "holding") {
	case 0:
		return asked{who, IssueKey{id, secret}}
	case 1, 2:
		var overlap *int64
		if rapid.Bool().Draw(t, "has an overlap") {
			hours := rapid.SampledFrom([]int64{-1, 0, 1, 5, 30 * 24, 91 * 24}).Draw(t, "overlap")
			overlap = new(hours * time.Hour.Milliseconds())
		}
		return asked{who, RotateKey{id, overlap, secret}}
	case 3:
		return asked{who, UpgradeKeyAlgorithm{id, secret}}
	case 4:
		return asked{who, RetireKey{id}}
	case 5:
		return asked{who, RevealKey{id, reason, "192.0.2.1"}}
	case 6:
		return asked{who, AddAdmins{id, names}}
	case 7:
		return asked{who, RemoveAdmins{id, names}}
	case 8:
		return asked{who, EnableTRTC{id}}
	case 9:
		return asked{who, EnableTPNS{id, OrderTerms{ID: rapid.SampledFrom([]string{"", "o1", "push"}).Draw(t, "order"), Amount: price}}}
	case 10:
		return asked{who, DisableTPNS{id}}
	case 11, 12:
		return asked{who, RequestDeletion{id, reason}}
	case 13:
		return asked{Operator, RejectDeletion{id, request, reason}}
	case 14:
		return asked{Operator, ApproveDeletion{id, request}}
	case 15:
		seen := CertificateContent{}
		if c := app.Certificate(certificate); c != nil {
			seen = c.Content()
		}
		return asked{who, EditCertificate{App: id, Certificate: certificate, Content: anyContent(t, now), Seen: seen}}
	case 16:
		return asked{who, DeleteCertificate{id, certificate, rapid.SampledFrom([]string{"", strconv.Itoa(int(certificate))}).Draw(t, "confirm")}}
	}
	return asked{who, AddCertificate{App: id, Certificate: w.nextCertificate(), Content: anyContent(t, now)}}
}

func anyContent(t *rapid.T, now Instant) CertificateContent {
	c := pushed(0)
	c.Platform = rapid.SampledFrom([]string{"apns_p12", TPNSPlatform}).Draw(t, "platform")
	if hours := rapid.SampledFrom([]int{0, -1, 1, 25, 8 * 24, 31 * 24}).Draw(t, "ends in hours"); hours != 0 {
		c.NotAfter = now.Add(time.Duration(hours) * time.Hour)
	}
	return c
}

// nextCertificate is the id of the next certificate, as the engine would give it.
func (w *harness) nextCertificate() CertificateID {
	next := FirstCertificate
	for _, commits := range w.log {
		for _, c := range commits {
			for _, e := range c.events {
				if added, is := e.(CertificateAdded); is {
					next = max(next, added.Certificate.ID+1)
				}
			}
		}
	}
	return next
}

// hold lets somebody change what an app holds, and gives the facts that came with it: mobile push is ordered. Nobody
// deletes an app.
func (w *harness) hold(t *rapid.T, app oracle.App, now Instant) (facts []oracle.Fact) {
	c := w.anyHolding(t, AppID(app.ID), now)
	if _, deletes := c.Command.(ApproveDeletion); deletes {
		return nil
	}
	events, _ := w.run(t, app.Account, now, c.as, c.Command) // what is refused changes nothing
	for _, e := range events {
		if ordered, is := e.(OrderRecorded); is {
			facts = append(facts, oracle.Fact{
				Kind: oracle.OrderPaid, Account: app.Account, App: app.ID, Order: ordered.Order.ID, AddOns: `["tpns"]`,
				Effective: int64(ordered.Order.EffectiveAt), OwnersWord: true,
			})
		}
	}
	return facts
}

// checkHoldings: whatever was asked for, no app has more than it may have, nor anything twice, and what was deleted has
// nothing.
func (w *harness) checkHoldings(t failer) {
	t.Helper()
	certificates := map[CertificateID]AppID{}
	for _, acc := range w.accounts {
		for id, app := range acc.Apps {
			most := len(app.Keys) <= MaxKeys && len(app.Admins) < w.policy.Admins && len(app.Certificates) <= w.policy.Certificates
			if !most {
				t.Fatalf("app %d has %d keys, %d more administrators, %d certificates", id, len(app.Keys), len(app.Admins), len(app.Certificates))
			}
			for i, k := range app.Keys {
				if i > 0 && app.Keys[i-1].ID >= k.ID || k.ID > app.KeysIssued || i == len(app.Keys)-1 && k.Until != 0 {
					t.Fatalf("app %d has the keys %+v of %d", id, app.Keys, app.KeysIssued)
				}
			}
			for i, name := range app.Admins {
				if name == FixedAdmin || slices.Contains(app.Admins[:i], name) {
					t.Fatalf("app %d has the administrators %v", id, app.Admins)
				}
			}
			for _, c := range app.Certificates {
				if other, twice := certificates[c.ID]; twice {
					t.Fatalf("certificate %d is in app %d and in app %d", c.ID, id, other)
				}
				certificates[c.ID] = id
			}
			held := len(app.Keys) + len(app.Admins) + len(app.Certificates) + len(app.Reveals)
			if gone := app.DeletedAt != 0; gone && held > 0 || app.Deletion.State == RequestOpen && (gone || !app.stopped()) {
				t.Fatalf("app %d is %s, holds %d things and has a request that is %s", id, app.Status(), held, app.Deletion.State)
			}
		}
	}
}

// checkNothingIsLate: after a tick no key verifies longer than it may, and what has expired is expired.
func (w *harness) checkNothingIsLate(t failer, now Instant) {
	t.Helper()
	for _, acc := range w.accounts {
		for id, app := range acc.Apps {
			for _, k := range app.Keys {
				if k.Until != 0 && k.Until <= now {
					t.Fatalf("app %d: key %d verifies at %s, until %s", id, k.ID, now, k.Until)
				}
			}
			for _, c := range app.Certificates {
				if c.Expired != (c.NotAfter != 0 && c.NotAfter <= now) || c.Due != 0 && c.Due <= now || !c.Expired && (c.Due == 0) != (c.NotAfter == 0) {
					t.Fatalf("app %d at %s: certificate %+v", id, now, c)
				}
			}
		}
	}
}
