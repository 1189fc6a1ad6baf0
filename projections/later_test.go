package projections

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"sundial/domain"
)

// share gives three accounts an app of the same number, each with something in every table.
func (w *harness) share(after func()) (number domain.AppID) {
	w.t.Helper()
	number = w.next
	for _, account := range []string{"bolt", "acme", "cord"} { // whose app was first shows in no order of names
		w.next = number
		if w.do(account, domain.CreateApp{AppName: "shop of " + account, Order: &domain.OrderTerms{
			ID: "o-" + account, Edition: domain.Pro, PaidUntil: w.now.Add(30 * day), Amount: domain.Money{Currency: "CNY", Minor: 1},
		}}) == 0 {
			w.t.Fatal("no app was created")
		}
		after()
		w.do(account, domain.AddCertificate{App: number, Certificate: domain.FirstCertificate + domain.CertificateID(len(w.held)), Content: domain.CertificateContent{
			Platform: "apns_p12", NotAfter: w.now.Add(30 * day), Prints: map[string][]byte{"p12": []byte("print")}, Sealed: map[string][]byte{"p12": []byte("sealed")},
		}})
		for i := range inlineFacts + 1 {
			w.do(account, domain.MarkArrears{App: number, Invoice: fmt.Sprint("i-", i), EffectiveAt: w.now, Amount: domain.Money{Currency: "CNY", Minor: 5}})
		}
		w.do(account, domain.StopApp{App: number, Reason: "tested"})
		w.do(account, domain.RequestDeletion{App: number, Reason: "tested"})
		after()
	}
	w.next = number + 1
	return number
}

// TestANumberGivenOutTwice: it means the app that had it first; the others are whole with their accounts, their dues come,
// they are listed, and a rebuild makes the same of them, however the commits came.
func TestANumberGivenOutTwice(t *testing.T) {
	for _, row := range []struct {
		name        string
		one, closed bool
	}{{name: "as they came"}, {name: "all at once", one: true}, {name: "across restarts", closed: true}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.fill()
			var s *Store
			if !row.one {
				s = w.serve()
			}
			number := w.share(func() {
				if row.one {
					return
				}
				w.wait(s)
				if row.closed {
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
					s = w.serve()
				}
			})
			if row.one {
				s = w.serve()
			}
			w.wait(s)
			w.checkShared(s, number)
			if differences, err := Check(t.Context(), w.config(), nil); err != nil || len(differences) > 0 {
				t.Errorf("check: %v, %v", differences, err)
			}
			w.do("acme", domain.RenumberApp{App: number})
			w.wait(s)
			if shared, err := s.SharedNumbers(t.Context(), 10); err != nil || len(shared) != 2 {
				t.Errorf("without the right to another number: %v, %v", shared, err)
			}
			w.renumber("acme", number)
			w.renumber("cord", number)
			w.wait(s)
			if shared, err := s.SharedNumbers(t.Context(), 10); err != nil || len(shared) > 0 {
				t.Errorf("renumbered, and still shared: %v, %v", shared, err)
			}
			if err := s.Rebuild(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if differences, err := Check(t.Context(), w.config(), nil); err != nil || len(differences) > 0 {
				t.Errorf("check after the renumbering: %v, %v", differences, err)
			}
			for i, account := range []string{"acme", "cord"} {
				if owner, found, err := s.AccountOf(t.Context(), number+1+domain.AppID(i)); err != nil || !found || owner != account {
					t.Errorf("the new number of %s: %s, %t, %v", account, owner, found, err)
				}
			}
		})
	}
}

// renumber gives an app another number, as the engine decides it.
func (w *harness) renumber(account string, app domain.AppID) {
	w.t.Helper()
	row := w.account(account)
	at := domain.Moment{Now: max(w.now, row.Account.RecordedAt), Policy: w.policy, NewApp: w.next, Role: domain.Operator, Shared: true}
	events, err := domain.Decide(row.Account, domain.RenumberApp{App: app}, at)
	if err != nil {
		w.t.Fatal(err)
	}
	w.next++
	w.commands++
	seq := w.append(w.commit(account, fmt.Sprintf("command-%d", w.commands), "renumber_app", at.Now, events), row.Sequence)
	row.Account.Apply(domain.Recorded{At: at.Now, Position: seq}, events...)
}

func (w *harness) checkShared(s *Store, number domain.AppID) {
	t := w.t
	t.Helper()
	ctx := t.Context()
	if owner, found, err := s.AccountOf(ctx, number); err != nil || !found || owner != "bolt" {
		t.Errorf("the number is %s's (%t, %v), want bolt's", owner, found, err)
	}
	if app, found, err := s.App(ctx, number); err != nil || !found || app.Account != "bolt" {
		t.Errorf("the app: %+v, %t, %v", app, found, err)
	}
	for _, account := range []string{"bolt", "acme", "cord"} {
		row, _, err := s.LoadAccount(ctx, account)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(w.account(account).Account, row.Account); diff != "" {
			t.Errorf("account %s (-log +projected):\n%s", account, diff)
		}
		if later, err := s.Later(ctx, account, number); err != nil || later != (account != "bolt") {
			t.Errorf("%s came later: %t, %v", account, later, err)
		}
	}
	want := []Shared{{number, "bolt", "acme"}, {number, "bolt", "cord"}}
	if shared, err := s.SharedNumbers(ctx, 10); err != nil || !slices.Equal(shared, want) {
		t.Errorf("shared: %v, %v; want %v", shared, err, want)
	}
	listed := map[string]int{}
	each := func(list func(cursor string) (accounts []string, next string, err error)) {
		t.Helper()
		clear(listed)
		for cursor, n := "", 0; n == 0 || cursor != ""; n++ {
			accounts, next, err := list(cursor)
			if err = errors.Join(err); err != nil || n > 100 {
				t.Fatalf("page %d: %v", n, err)
			}
			for _, a := range accounts {
				listed[a]++
			}
			cursor = next
		}
		if listed["bolt"] == 0 || listed["bolt"] != listed["acme"] || listed["bolt"] != listed["cord"] {
			t.Errorf("listed: %v, want the same of all three", listed)
		}
	}
	each(func(cursor string) (accounts []string, next string, err error) {
		apps, next, err := s.Apps(ctx, AppFilter{Query: fmt.Sprint(number)}, Page{Cursor: cursor, Limit: 1})
		for _, a := range apps {
			accounts = append(accounts, a.Account)
		}
		return accounts, next, err
	})
	each(func(cursor string) (accounts []string, next string, err error) {
		apps, next, err := s.DeletionRequests(ctx, "", Page{Cursor: cursor, Limit: 1})
		for _, a := range apps {
			if a.ID == number {
				accounts = append(accounts, a.Account)
			}
		}
		return accounts, next, err
	})
	each(func(cursor string) (accounts []string, next string, err error) {
		found, next, err := s.Certificates(ctx, "", w.now.Add(100*day), Page{Cursor: cursor, Limit: 1})
		for _, c := range found {
			if c.App.ID == number {
				accounts = append(accounts, c.App.Account)
			}
		}
		return accounts, next, err
	})
	each(func(cursor string) (accounts []string, next string, err error) {
		found, next, err := s.Transitions(ctx, DueFilter{Policy: w.policy}, Page{Cursor: cursor, Limit: 1})
		for _, f := range found {
			if f.App == number {
				accounts = append(accounts, f.Account)
			}
		}
		return accounts, next, err
	})
	each(func(string) (accounts []string, next string, err error) {
		due, err := s.Due(ctx, w.now.Add(400*day), 1000)
		for _, f := range due {
			if f.App == number {
				accounts = append(accounts, f.Account)
			}
		}
		return accounts, "", err
	})
}
