package projections

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"sundial/domain"
)

// numbersOf pages through a list of apps to its end.
func numbersOf(t *testing.T, s *Store, filter AppFilter, limit int) []domain.AppID {
	t.Helper()
	var all []domain.AppID
	page := Page{Limit: limit}
	for {
		apps, next, err := s.Apps(t.Context(), filter, page)
		if err != nil {
			t.Fatal(err)
		}
		if len(apps) > page.limit() || next != "" && len(apps) < page.limit() {
			t.Fatalf("a page of %d, limit %d, next %q", len(apps), limit, next)
		}
		for _, a := range apps {
			all = append(all, a.ID-domain.FirstApp)
		}
		if next == "" {
			return all
		}
		page.Cursor = next
	}
}

func TestApps(t *testing.T) {
	w := newWorld(t)
	w.fill() // 0 acme, 1 bolt (deleted), 2 acme, 3 cord, 4 acme "Chat" (pro), 5 bolt "100%_sure"
	s := w.serve()
	w.wait(s)
	for _, row := range []struct {
		filter AppFilter
		want   []domain.AppID
	}{
		{AppFilter{}, []domain.AppID{0, 1, 2, 3, 4, 5}},
		{AppFilter{Account: "acme"}, []domain.AppID{0, 2, 4}},
		{AppFilter{Account: "nobody"}, nil},
		{AppFilter{Status: domain.Deleted}, []domain.AppID{1}},
		{AppFilter{Status: domain.Active, Account: "bolt"}, []domain.AppID{5}},
		{AppFilter{Edition: domain.Pro}, []domain.AppID{4}},
		{AppFilter{Edition: domain.Pro, Account: "bolt"}, nil},
		{AppFilter{Query: "SHOP"}, []domain.AppID{0, 1, 2, 3}},
		{AppFilter{Query: "shop", Account: "cord"}, []domain.AppID{3}},
		{AppFilter{Query: "chat"}, []domain.AppID{4}},
		{AppFilter{Query: "%_"}, []domain.AppID{5}},
		{AppFilter{Query: "%"}, []domain.AppID{5}},
		{AppFilter{Query: "op_"}, nil},
		{AppFilter{Query: `\`}, nil},
		{AppFilter{Query: "14"}, []domain.AppID{0, 1, 2, 3, 4, 5}},
		{AppFilter{Query: "1400000003"}, []domain.AppID{2}},
		{AppFilter{Query: "100"}, []domain.AppID{5}}, // in a name; no number begins so
		{AppFilter{Query: "14000000030"}, nil},
		{AppFilter{Query: "0000003"}, nil}, // not its first digits
		{AppFilter{Query: strings.Repeat("%", 100_000)}, nil},
	} {
		for _, limit := range []int{0, 1, 2, 3, 6, 7} {
			if diff := cmp.Diff(row.want, numbersOf(t, s, row.filter, limit)); diff != "" {
				t.Errorf("%+v by %d (-want +got):\n%s", row.filter, limit, diff)
			}
		}
	}
}

// TestStable writes between pages: what was there all along comes exactly once.
func TestStable(t *testing.T) {
	w := newWorld(t)
	for i := range 10 {
		w.do("acme", domain.CreateApp{AppName: fmt.Sprint("app ", i)})
	}
	s := w.serve()
	w.wait(s)
	first, next, err := s.Apps(t.Context(), AppFilter{}, Page{Limit: 4})
	if err != nil || len(first) != 4 {
		t.Fatal(len(first), err)
	}
	w.do("bolt", domain.ImportApp{App: domain.FirstApp - 1, AppName: "before", CreatedAt: begin})
	w.do("bolt", domain.ImportApp{App: domain.FirstApp + 100, AppName: "behind", CreatedAt: begin})
	w.wait(s)
	rest, last, err := s.Apps(t.Context(), AppFilter{}, Page{Cursor: next})
	if err != nil || last != "" {
		t.Fatal(last, err)
	}
	var got []domain.AppID
	for _, a := range slices.Concat(first, rest) {
		got = append(got, a.ID-domain.FirstApp)
	}
	if diff := cmp.Diff([]domain.AppID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPage(t *testing.T) {
	for given, want := range map[int]int{-1: 50, 0: 50, 1: 1, 500: 500, 501: 500} {
		if got := (Page{Limit: given}).limit(); got != want {
			t.Errorf("limit %d means %d, want %d", given, got, want)
		}
	}
}

func TestAccounts(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := w.serve()
	w.wait(s)
	var got []string
	page := Page{Limit: 1}
	for more := true; more; more = page.Cursor != "" {
		accounts, next, err := s.Accounts(t.Context(), AppFilter{}, page)
		if err != nil || len(accounts) != 1 {
			t.Fatalf("%d accounts, %v", len(accounts), err)
		}
		got = append(got, fmt.Sprint(accounts[0].ID, " ", accounts[0].InUse))
		page.Cursor = next
	}
	if diff := cmp.Diff([]string{"acme 3", "bolt 1", "cord 1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSearchInEveryScript(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"Sch\u00fclerhilfe \u00dcBER", "\u0427\u0410\u0422 \u043f\u043e\u0434\u0434\u0435\u0440\u0436\u043a\u0438", "\u5ba2\u670d", "Stra\u00dfe"} {
		w.do("acme", domain.CreateApp{AppName: name, AppType: "other"})
	}
	edited := "caf\u00e9"
	w.do("acme", domain.EditAppInfo{App: domain.FirstApp + 2, AppName: &edited})
	s := w.serve()
	w.wait(s)
	for query, want := range map[string][]domain.AppID{
		"\u00fcber": {0}, "SCHU\u0308LER": {0}, "\u0447\u0430\u0442": {1}, "STRASSE": {3}, "CAFE\u0301": {2}, "\u5ba2": nil, "cafe": nil,
	} {
		if diff := cmp.Diff(want, numbersOf(t, s, AppFilter{Query: query}, 0)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
		accounts, _, err := s.Accounts(t.Context(), AppFilter{Query: query}, Page{})
		if err != nil || (len(accounts) == 1) != (want != nil) {
			t.Errorf("%q finds %d accounts, %v", query, len(accounts), err)
		}
	}
}

func TestAccountsWithSuchAnApp(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := w.serve()
	w.wait(s)
	for _, c := range []struct {
		filter AppFilter
	}{
		{AppFilter{Query: "ol"}},
		{AppFilter{Status: domain.Active}},
		{AppFilter{Status: domain.Stopped}},
		{AppFilter{Status: domain.Deleted}},
		{AppFilter{Edition: domain.Pro}},
		{AppFilter{Edition: domain.Flagship}},
		{AppFilter{Query: "%"}},
	} {
		want := map[string]bool{}
		apps, _, err := s.Apps(t.Context(), c.filter, Page{})
		if err != nil {
			t.Fatal(err)
		}
		for _, app := range apps {
			want[app.Account] = true
		}
		if c.filter.Query == "ol" {
			want["bolt"] = true // the account's own id
		}
		accounts, _, err := s.Accounts(t.Context(), c.filter, Page{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, acc := range accounts {
			got[acc.ID] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.filter, diff)
		}
	}
}

func TestTransitions(t *testing.T) {
	w := newWorld(t)
	w.policy.Notices = nil // which are due too, and no transitions
	at := func(days int) domain.Instant { return begin.Add(time.Duration(days) * day) }
	create := func(account string, until int) domain.AppID {
		order := w.order("o", domain.Pro, begin, at(until))
		w.do(account, domain.CreateApp{AppName: "x", Order: &order})
		return w.next - 1
	}
	b30, a30, a20 := create("b", 30), create("a", 30), create("a", 20)
	// a falls from flagship to pro after 10 days, and owes since day 3: due on day 10 too.
	w.do("a", domain.RecordOrder{App: a20, Order: w.order("up", domain.Flagship, begin, at(10))})
	w.do("a", domain.MarkArrears{App: a20, Invoice: "i", Version: 1, EffectiveAt: at(1), Amount: domain.Money{Currency: "CNY", Minor: 5}})
	w.now = at(3)
	w.do("a", domain.MarkArrears{App: a30, Invoice: "i", Version: 1, EffectiveAt: at(3), Amount: domain.Money{Currency: "CNY", Minor: 5}})
	s := w.serve()
	w.wait(s)
	line := func(d Transition) string {
		return fmt.Sprintf("%s %s %d %s %s -> %s (%s)", d.At, d.Account, d.App, d.Kind, d.From, d.To, d.Cause)
	}
	want := []string{
		fmt.Sprintf("2021-01-09T00:00:00.000Z a %d arrears active -> stopped (arrears)", a20),
		fmt.Sprintf("2021-01-11T00:00:00.000Z a %d arrears active -> stopped (arrears)", a30),
		fmt.Sprintf("2021-01-11T00:00:00.000Z a %d term edition:flagship -> edition:pro (plan_expired)", a20),
		fmt.Sprintf("2021-01-28T00:00:00.000Z a %d lapse stopped -> stopped (plan_expired)", a20), // one cause more
		fmt.Sprintf("2021-01-31T00:00:00.000Z b %d term active -> expired (plan_expired)", b30),
		fmt.Sprintf("2021-02-07T00:00:00.000Z a %d lapse stopped -> stopped (plan_expired)", a30),
		fmt.Sprintf("2021-02-07T00:00:00.000Z b %d lapse expired -> stopped (plan_expired)", b30),
	}
	for _, limit := range []int{0, 1, 2, 3} {
		for _, row := range []struct {
			filter DueFilter
			want   []string
		}{
			{DueFilter{}, want},
			{DueFilter{Before: at(30)}, want[:4]},
			{DueFilter{Before: at(30) + 1}, want[:5]},
			{DueFilter{Account: "b"}, []string{want[4], want[6]}},
			{DueFilter{Account: "a", Before: at(10)}, want[:1]},
			{DueFilter{Before: at(8)}, nil},
			{DueFilter{After: at(8)}, want},
			{DueFilter{After: at(8) + 1}, want[1:]},
			{DueFilter{After: at(10), Before: at(30)}, want[1:4]},
			{DueFilter{After: at(9), Account: "a", Before: at(30)}, want[1:4]},
			{DueFilter{After: at(31)}, want[5:]},
			{DueFilter{After: at(40)}, nil},
		} {
			var got []string
			page := Page{Limit: limit}
			for more := true; more; more = page.Cursor != "" {
				found, next, err := s.Transitions(t.Context(), row.filter.with(w.policy), page)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range found {
					got = append(got, line(d))
				}
				page.Cursor = next
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("%+v by %d (-want +got):\n%s", row.filter, limit, diff)
			}
		}
	}
	order := domain.Prevention{Edition: domain.Pro}
	settled := domain.Prevention{Invoices: []string{"i"}}
	prevented := []domain.Prevention{settled, settled, {Edition: domain.Flagship}, order, order, order, order}
	for _, filter := range []DueFilter{{}, {Account: "a"}} {
		found, _, err := s.Transitions(t.Context(), filter.with(w.policy), Page{})
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range found {
			if diff := cmp.Diff(prevented[i], d.Prevention); diff != "" {
				t.Errorf("%s is prevented by (-want +got):\n%s", line(d), diff)
			}
		}
	}
	calendar := []Day{
		{Start: at(8), Stopped: 1}, {Start: at(10), Stopped: 1, Edition: 1}, {Start: at(27), Stopped: 1}, {Start: at(30), Expired: 1},
		{Start: at(37), Stopped: 2},
	}
	for _, row := range []struct {
		filter DueFilter
		want   []Day
	}{
		{DueFilter{}, calendar},
		{DueFilter{After: at(8) + 1, Before: at(30)}, calendar[1:3]},
		{DueFilter{Account: "a", After: at(8) + 1}, []Day{calendar[1], calendar[2], {Start: at(37), Stopped: 1}}},
		{DueFilter{After: at(40)}, []Day{}},
	} {
		got, err := s.Calendar(t.Context(), row.filter.with(w.policy))
		if diff := cmp.Diff(row.want, got); diff != "" || err != nil {
			t.Errorf("calendar of %+v: %v (-want +got):\n%s", row.filter, err, diff)
		}
	}
	for limit, want := range [][]string{nil, want[:1], want[:2], want[:3], want[:3]} {
		due, err := s.Due(t.Context(), at(10), limit)
		var got []string
		for _, d := range due {
			got = append(got, line(d))
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("due, %d at most: %v (-want +got):\n%s", limit, err, diff)
		}
	}
	if count, oldest, err := s.Backlog(t.Context(), at(8)-1); count != 0 || oldest != 0 || err != nil {
		t.Errorf("backlog before anything is due: %d, %v, %v", count, oldest, err)
	}
}

func (f DueFilter) with(policy domain.Policy) DueFilter {
	f.Policy = policy
	return f
}

// TestFewAreLookedInto: whose next transition comes too late is listed with what is set, on whichever page.
func TestFewAreLookedInto(t *testing.T) {
	w := newWorld(t)
	at := func(days int) domain.Instant { return begin.Add(time.Duration(days) * day) }
	for _, c := range []struct {
		account string
		until   int
	}{{"a", 20}, {"b", 22}, {"a", 30}} {
		order := w.order("o", domain.Pro, begin, at(c.until))
		w.do(c.account, domain.CreateApp{AppName: "x", Order: &order})
	}
	s := w.serve()
	w.wait(s)
	for n, want := range map[int][]int{0: {20, 22, 30}, 1: {20, 22, 27, 30}, 2: {20, 22, 27, 29, 30}, 3: {20, 22, 27, 29, 30, 37}, 4: {20, 22, 27, 29, 30, 37}} {
		s.lookInto = n
		days, err := s.Calendar(t.Context(), DueFilter{Policy: w.policy})
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, d := range days {
			got = append(got, int(d.Start.Sub(begin)/day))
			if d.Stopped+d.Expired != 1 {
				t.Errorf("%d looked into: %+v, want one transition", n, d)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d looked into, the calendar's days (-want +got):\n%s", n, diff)
		}
		for limit := 1; limit < 5; limit++ {
			var got []int
			page := Page{Limit: limit}
			for more := true; more; more = page.Cursor != "" {
				found, next, err := s.Transitions(t.Context(), DueFilter{Policy: w.policy}, page)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range found {
					got = append(got, int(d.At.Sub(begin)/day))
				}
				page.Cursor = next
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d looked into, by %d (-want +got):\n%s", n, limit, diff)
			}
		}
	}
}

func TestCursors(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := w.serve()
	w.wait(s)
	_, apps, err := s.Apps(t.Context(), AppFilter{}, Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, transitions, err := s.Transitions(t.Context(), DueFilter{}, Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"x", "!", "YXBwczo", "YXBwczp7fQ", apps + "A", transitions} {
		if _, _, err := s.Apps(t.Context(), AppFilter{}, Page{Cursor: bad}); !errors.Is(err, ErrCursor) {
			t.Errorf("apps after %q: %v, want ErrCursor", bad, err)
		}
	}
	for _, bad := range []string{apps, "dHJhbnNpdGlvbnM6eyJtb3JlIjoxfQ"} {
		if _, _, err := s.Transitions(t.Context(), DueFilter{}, Page{Cursor: bad}); !errors.Is(err, ErrCursor) {
			t.Errorf("transitions after %q: %v, want ErrCursor", bad, err)
		}
		if _, _, err := s.Accounts(t.Context(), AppFilter{}, Page{Cursor: bad}); !errors.Is(err, ErrCursor) {
			t.Errorf("accounts after %q: %v, want ErrCursor", bad, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	for _, last := range []any{domain.FirstApp, "acme", dueKey{1, "acme", domain.FirstApp, 2}} {
		for _, list := range []string{"apps", "accounts", "transitions"} {
			c, err := cursor(list, last)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(c)
		}
	}
	f.Fuzz(func(t *testing.T, given string) {
		var app domain.AppID
		var account string
		var due dueKey
		for list, into := range map[string]any{"apps": &app, "accounts": &account, "transitions": &due} {
			if err := parseCursor(list, given, into); err != nil && !errors.Is(err, ErrCursor) {
				t.Errorf("%s after %q: %v", list, given, err)
			}
		}
		if parseCursor("apps", given, &app) == nil {
			again, err := cursor("apps", app)
			var back domain.AppID
			if err != nil || parseCursor("apps", again, &back) != nil || back != app {
				t.Errorf("%q reads as %d, which reads back as %d", given, app, back)
			}
		}
	})
}

func TestPointReads(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := w.serve()
	w.wait(s)
	first := domain.FirstApp
	for _, row := range []struct {
		from, to domain.AppID
		want     domain.AppID
		found    bool
	}{
		{first, domain.MaxApp, first + 5, true},
		{first, first + 3, first + 2, true},
		{first + 6, domain.MaxApp, 0, false},
		{domain.MinApp, first, 0, false},
	} {
		if got, found, err := s.HighestApp(t.Context(), row.from, row.to); got != row.want || found != row.found || err != nil {
			t.Errorf("highest in [%d, %d): %d, %t, %v; want %d", row.from, row.to, got, found, err, row.want)
		}
	}
	if app, found, err := s.App(t.Context(), 1); app != nil || found || err != nil {
		t.Errorf("an app that never was: %v, %t, %v", app, found, err)
	}
	if account, found, err := s.AccountOf(t.Context(), 1); account != "" || found || err != nil {
		t.Errorf("account of an app that never was: %q, %t, %v", account, found, err)
	}
	// bolt's first app was created, stopped and deleted, with others' commits in between.
	var want []uint64
	for seq := w.head; seq > 0; seq-- {
		m, err := w.log.Get(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		d := decoded{message: m}
		if err := (&pipeline{codec: w.codec}).decodeOne(&d); err != nil {
			t.Fatal(err)
		}
		if d.events[0].Subject() == first+1 {
			want = append(want, seq)
		}
	}
	for _, row := range []struct {
		before uint64
		limit  int
		want   []uint64
	}{{0, 0, want}, {0, 2, want[:2]}, {want[0], 0, want[1:]}, {want[0], 1, want[1:2]}, {want[2], 0, nil}} {
		entries, err := s.History(t.Context(), first+1, row.before, row.limit)
		var got []uint64
		for _, e := range entries {
			got = append(got, e.Position)
		}
		if diff := cmp.Diff(row.want, got); diff != "" || err != nil {
			t.Errorf("history before %d, %d at most: %v (-want +got):\n%s", row.before, row.limit, err, diff)
		}
	}
	if _, err := s.History(t.Context(), first+1, 1, 0); !errors.Is(err, ErrCursor) {
		t.Errorf("the history from another app's commit on: %v, want ErrCursor", err)
	}
}
