package projections

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"sundial/domain"
)

// holdingsCommand draws a command on what an app holds beside its bills.
func holdingsCommand(rt *rapid.T, w *harness, app *domain.App) domain.Command {
	id := app.ID
	key := domain.NewKey{Algorithm: domain.HMAC, Print: []byte("print"), Sealed: []byte("sealed")}
	one := func(of []domain.Certificate) domain.Certificate { return rapid.SampledFrom(of).Draw(rt, "certificate") }
	names := []string{rapid.SampledFrom([]string{"alice", "bob", "carol"}).Draw(rt, "administrator")}
	switch rapid.IntRange(0, 15).Draw(rt, "holding") {
	case 0:
		return domain.IssueKey{App: id, Key: key}
	case 1:
		return domain.RotateKey{App: id, Key: key}
	case 2:
		return domain.UpgradeKeyAlgorithm{App: id, Key: key}
	case 3:
		return domain.RetireKey{App: id}
	case 4:
		return domain.RevealKey{App: id, Reason: "tested"}
	case 5:
		return domain.AddAdmins{App: id, Names: names}
	case 6:
		return domain.RemoveAdmins{App: id, Names: names}
	case 7:
		return domain.EnableTRTC{App: id}
	case 8:
		return domain.EnableTPNS{App: id, Order: domain.OrderTerms{ID: "push", Amount: domain.Money{Currency: "CNY", Minor: 1}}}
	case 9:
		return domain.DisableTPNS{App: id}
	case 10:
		if app.Deletion.State == domain.RequestOpen {
			if rapid.Bool().Draw(rt, "approved") {
				return domain.ApproveDeletion{App: id, Request: app.Deletion.ID}
			}
			return domain.RejectDeletion{App: id, Request: app.Deletion.ID, Reason: "tested"}
		}
		return domain.RequestDeletion{App: id, Reason: "tested"}
	case 11:
		if len(app.Certificates) > 0 {
			c := one(app.Certificates)
			return domain.EditCertificate{App: id, Certificate: c.ID, Content: w.content(rt), Seen: c.Content()}
		}
	case 12, 13:
		if len(app.Certificates) > 0 {
			gone := one(app.Certificates).ID
			return domain.DeleteCertificate{App: id, Certificate: gone, Confirm: strconv.FormatUint(uint64(gone), 10)}
		}
	}
	next := domain.FirstCertificate + domain.CertificateID(len(w.held))
	return domain.AddCertificate{App: id, Certificate: next, Content: w.content(rt)}
}

// content draws what a certificate holds: some never end, and several end at one time.
func (w *harness) content(rt *rapid.T) domain.CertificateContent {
	c := domain.CertificateContent{
		Platform: rapid.SampledFrom([]string{"apns_p12", domain.TPNSPlatform}).Draw(rt, "platform"),
		Prints:   map[string][]byte{"p12": []byte("print")}, Sealed: map[string][]byte{"p12": []byte("sealed")},
	}
	if days := rapid.IntRange(0, 4).Draw(rt, "months"); days > 0 {
		c.NotAfter = (w.now - w.now%domain.Instant((20*day).Milliseconds())).Add(time.Duration(days) * 20 * day)
	}
	return c
}

// sameHoldings holds the lists of certificates and of deletion requests against the apps that were decided, page by page.
func (w *harness) sameHoldings(rt *rapid.T, s *Store) {
	before := w.now.Add(30 * day)
	for _, account := range append(slices.Sorted(maps.Keys(w.accounts)), "") {
		var ends []ExpiringCertificate
		var asked []*domain.App
		for id, row := range w.accounts {
			for _, app := range row.Account.Apps {
				if account != "" && account != id {
					continue
				}
				for i := range app.Certificates {
					if c := &app.Certificates[i]; c.NotAfter != 0 && c.NotAfter < before {
						ends = append(ends, ExpiringCertificate{app, c})
					}
				}
				if app.DeletedAt == 0 && app.Deletion.State == domain.RequestOpen {
					asked = append(asked, app)
				}
			}
		}
		slices.SortFunc(ends, func(a, b ExpiringCertificate) int {
			return cmp.Or(cmp.Compare(a.Certificate.NotAfter, b.Certificate.NotAfter), cmp.Compare(a.Certificate.ID, b.Certificate.ID))
		})
		slices.SortFunc(asked, func(a, b *domain.App) int {
			return cmp.Or(cmp.Compare(a.Deletion.RequestedAt, b.Deletion.RequestedAt), cmp.Compare(a.ID, b.ID))
		})
		limit := rapid.SampledFrom([]int{1, 2, MaxLimit}).Draw(rt, "limit")
		gotEnds := allPages(rt, limit, func(page Page) ([]ExpiringCertificate, string, error) {
			return s.Certificates(w.t.Context(), account, before, page)
		})
		gotAsked := allPages(rt, limit, func(page Page) ([]*domain.App, string, error) {
			return s.DeletionRequests(w.t.Context(), account, page)
		})
		if diff := gocmp.Diff(ends, gotEnds, cmpopts.EquateEmpty()); diff != "" {
			rt.Errorf("certificates of %q that end (-decided +projected):\n%s", account, diff)
		}
		if diff := gocmp.Diff(asked, gotAsked, cmpopts.EquateEmpty()); diff != "" {
			rt.Errorf("deletion requests of %q (-decided +projected):\n%s", account, diff)
		}
	}
	var highest domain.CertificateID
	for id, app := range w.held {
		if owner, was, err := s.CertificateOwner(w.t.Context(), id); owner != app || !was || err != nil {
			rt.Errorf("owner of certificate %d: %d, %t, %v; want %d", id, owner, was, err, app)
		}
		highest = max(highest, id)
	}
	if owner, was, err := s.CertificateOwner(w.t.Context(), highest+1); was || err != nil {
		rt.Errorf("owner of a certificate that never was: %d, %t, %v", owner, was, err)
	}
	got, found, err := s.HighestCertificate(w.t.Context(), domain.FirstCertificate, domain.MaxCertificate)
	if got != highest || found != (highest != 0) || err != nil {
		rt.Errorf("highest certificate: %d, %t, %v; want %d", got, found, err, highest)
	}
}

// allPages pages through a list to its end.
func allPages[T any](rt *rapid.T, limit int, list func(Page) ([]T, string, error)) (all []T) {
	page := Page{Limit: limit}
	for {
		items, next, err := list(page)
		if err != nil {
			rt.Fatal(err)
		}
		all = append(all, items...)
		if next == "" {
			return all
		}
		if len(items) != limit {
			rt.Errorf("a page of %d, limit %d, next %q", len(items), limit, next)
		}
		page.Cursor = next
	}
}

// TestCertificateThatCameAndWent is of a certificate that is added and deleted between two writes of the projections: its
// id stays known, also when its app goes with it.
func TestCertificateThatCameAndWent(t *testing.T) {
	w := newWorld(t)
	w.do("acme", domain.CreateApp{AppName: "shop"})
	w.do("acme", domain.CreateApp{AppName: "chat"})
	content := domain.CertificateContent{Platform: "tpns"}
	for i := range domain.CertificateID(3) {
		w.do("acme", domain.AddCertificate{App: domain.FirstApp + domain.AppID(i%2), Certificate: domain.FirstCertificate + i, Content: content})
	}
	w.do("acme", domain.DeleteCertificate{App: domain.FirstApp, Certificate: domain.FirstCertificate + 2, Confirm: "1000003"})
	w.do("acme", domain.StopApp{App: domain.FirstApp + 1, Reason: "tested"})
	w.do("acme", domain.DeleteApp{App: domain.FirstApp + 1, Confirm: "chat"})
	s := w.serve()
	w.wait(s)
	for id, app := range w.held {
		if owner, was, err := s.CertificateOwner(t.Context(), id); owner != app || !was || err != nil {
			t.Errorf("owner of certificate %d: %d, %t, %v; want %d", id, owner, was, err, app)
		}
	}
	if got, found, err := s.HighestCertificate(t.Context(), domain.FirstCertificate, domain.MaxCertificate); got != domain.FirstCertificate+2 || !found || err != nil {
		t.Errorf("highest certificate: %d, %t, %v", got, found, err)
	}
	w.clean()
}

// TestHoldingsCursors refuses the cursors of other lists.
func TestHoldingsCursors(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := w.serve()
	w.wait(s)
	_, apps, err := s.Apps(t.Context(), AppFilter{}, Page{Limit: 1})
	if err != nil || apps == "" {
		t.Fatal(apps, err)
	}
	if _, _, err := s.Certificates(t.Context(), "", domain.MaxInstant, Page{Cursor: apps}); !errors.Is(err, ErrCursor) {
		t.Error(fmt.Errorf("certificates: %w, want ErrCursor", err))
	}
	if _, _, err := s.DeletionRequests(t.Context(), "", Page{Cursor: apps}); !errors.Is(err, ErrCursor) {
		t.Error(fmt.Errorf("deletion requests: %w, want ErrCursor", err))
	}
}
