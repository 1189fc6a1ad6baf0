package projections

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sundial/domain"
	"sundial/internal/pagesum"
)

// answers asks for everything that a store can be asked for, and gives the answers as texts. It asks again where a part is
// being mended; every other error is one.
func (w *harness) answers(s *Store) []string {
	w.t.Helper()
	var all []string
	ask := func(what string, question func() (any, error)) {
		w.t.Helper()
		for {
			answer, err := question()
			if err == nil {
				all = append(all, fmt.Sprintf("%s: %+v", what, answer))
				return
			}
			if !errors.Is(err, ErrDamaged) {
				w.t.Fatalf("%s: %v", what, err)
			}
			s.mending.work.Wait()
		}
	}
	ctx := w.t.Context()
	for _, id := range slices.Sorted(maps.Keys(w.accounts)) {
		ask(id, func() (any, error) {
			row, _, err := s.LoadAccount(ctx, id)
			if err != nil {
				return nil, err
			}
			text, err := appendAccount(nil, row.Account)
			for _, app := range slices.Sorted(maps.Keys(row.Account.Apps)) {
				state, wrong := appendApp(nil, row.Account.Apps[app])
				text, err = append(text, state...), errors.Join(err, wrong)
			}
			return fmt.Sprint(row.Sequence, row.Hash, string(text)), err
		})
		every := 1
		if id != "acme" {
			every = 17 // most of them are other accounts' commands
		}
		for n := 0; n < w.commands; n += every {
			ask(fmt.Sprint("command ", n), func() (any, error) { return s.Seen(ctx, id, fmt.Sprint("command-", n+1)) })
		}
		for _, app := range slices.Sorted(maps.Keys(w.accounts[id].Account.Apps)) {
			ask(fmt.Sprint("history of ", app), func() (any, error) { return s.History(ctx, app, 0, MaxLimit) })
			ask(fmt.Sprint("account of ", app), func() (any, error) { account, _, err := s.AccountOf(ctx, app); return account, err })
		}
	}
	names := func(apps []*domain.App) (list []string) {
		for _, app := range apps {
			list = append(list, app.Name)
		}
		return list
	}
	for _, filter := range []AppFilter{{}, {Query: "shop"}, {Status: domain.Stopped}, {Account: "acme"}} {
		ask(fmt.Sprintf("apps %+v", filter), func() (any, error) {
			apps, _, err := s.Apps(ctx, filter, Page{Limit: MaxLimit})
			return names(apps), err
		})
	}
	ask("accounts", func() (any, error) {
		accounts, _, err := s.Accounts(ctx, AppFilter{}, Page{Limit: MaxLimit})
		return len(accounts), err
	})
	ask("due", func() (any, error) { return s.Due(ctx, domain.MaxInstant, MaxLimit) })
	ask("certificates", func() (any, error) {
		ends, _, err := s.Certificates(ctx, "", domain.MaxInstant, Page{Limit: MaxLimit})
		return len(ends), err
	})
	ask("deletion requests", func() (any, error) {
		apps, _, err := s.DeletionRequests(ctx, "", Page{Limit: MaxLimit})
		return names(apps), err
	})
	ask("calendar", func() (any, error) { return s.Calendar(ctx, DueFilter{Before: domain.MaxInstant}) })
	return all
}

// life fills a log so that the file has pages of every kind: of tables and indexes, inner ones, those of rows that take more than
// one, and free ones.
func (w *harness) life() {
	w.t.Helper()
	w.fillAll()
	for n := range 30 {
		account := fmt.Sprint("tenant-", n)
		w.do(account, domain.CreateApp{AppName: fmt.Sprint("shop ", n), Introduction: strings.Repeat("long ", 50)})
		w.do(account, domain.MarkArrears{App: w.next - 1, Invoice: "i", Version: 1, EffectiveAt: w.now, Amount: domain.Money{Currency: "CNY", Minor: 5}})
	}
	chat := domain.FirstApp + 4
	for n := range 60 {
		w.do("acme", domain.MarkArrears{App: chat, Invoice: fmt.Sprint("many-", n), Version: 1, EffectiveAt: w.now, Amount: domain.Money{Currency: "CNY", Minor: 5}})
	}
}

// files are the projections' files in memory.
type files map[string][]byte

func take(t *testing.T, dir string) files {
	t.Helper()
	all := files{}
	for _, suffix := range []string{"", walSuffix} {
		b, err := os.ReadFile(filepath.Join(dir, fileName+suffix))
		if err == nil {
			all[suffix] = b
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return all
}

// put makes these the files in a directory, and no others.
func (f files) put(t *testing.T, dir string) {
	t.Helper()
	err := remove(filepath.Join(dir, fileName))
	for suffix, b := range f {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, fileName+suffix), b, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// random gives what is drawn from, with its seed in the test's output.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestEveryPageIsHealed flips a bit in one page after another of the file that an orderly stop has left: the start or a read
// notices it before anything is answered from it, and the answers are the same as before.
func TestEveryPageIsHealed(t *testing.T) {
	w := newWorld(t)
	w.life()
	s := w.serve()
	w.wait(s)
	want := w.answers(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dir, random := w.config().Dir, random(t)
	whole := take(t, dir)
	pages, looked, noticed := len(whole[""])/pagesum.PageSize, 0, 0
	every := 1
	if raceEnabled {
		every = 6
	}
	for page := random.IntN(every); page < pages; page += every {
		looked++
		spoiled := files{"": slices.Clone(whole[""])}
		spoiled[""][page*pagesum.PageSize+random.IntN(pagesum.PageSize)] ^= 1 << random.IntN(8)
		spoiled.put(t, dir)
		differences, err := Check(t.Context(), w.config(), nil)
		if found, wrong := damagedPages(dir, 10); wrong != nil || !slices.Equal(found, []uint64{uint64(page) + 1}) {
			t.Errorf("page %d: damaged are %v, %v", page+1, found, wrong)
		}
		spoiled.put(t, dir)
		s := w.open()
		stop := w.follow(s)
		if diff := cmp.Diff(want, w.answers(s)); diff != "" {
			t.Fatalf("page %d of %d: other answers than before (-before +now):\n%s", page+1, pages, diff)
		}
		s.mending.work.Wait()
		if s.mending.count() > 0 {
			noticed++
			if err != nil || len(differences) == 0 || differences[0].Kind != "file" {
				t.Errorf("page %d: the check says %v, %v", page+1, differences, err)
			}
			if said := s.Damage(); !strings.Contains(said, "made anew") || s.Built() {
				t.Errorf("page %d: it says %q, built %t", page+1, said, s.Built())
			}
		}
		if err := errors.Join(stop(), s.Err(), s.Close()); err != nil {
			t.Errorf("page %d: %v", page+1, err)
		}
	}
	t.Logf("%d of %d pages were read and noticed", noticed, looked)
	if noticed < looked*8/10 { // a free one is not read
		t.Errorf("%d of %d pages were read and noticed", noticed, looked)
	}
}

// TestTheFileAndItsLog takes the files as a kill leaves them, with a write-ahead log, and damages either, or takes one of
// them from another time: what is answered is what the log of events says.
func TestTheFileAndItsLog(t *testing.T) {
	w := newWorld(t)
	w.fillAll()
	dir := w.config().Dir
	s := w.serve()
	w.wait(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	older := take(t, dir)

	w.life()
	s = w.serve()
	w.wait(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = w.serve()
	w.do("acme", domain.SetQuota{Apps: 150})
	w.wait(s)
	begun := take(t, dir)
	for n := range 30 { // pages that the log did not have before
		w.do(fmt.Sprint("tenant-", n), domain.CreateApp{AppName: fmt.Sprint("second ", n)})
	}
	w.wait(s)
	killed := take(t, dir)
	want := w.answers(s)
	if err := s.db.Load().writer.exec("PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		t.Fatal(err)
	}
	home := take(t, dir) // the log was brought home, and is still there
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	stopped := take(t, dir)
	if len(killed[walSuffix]) == 0 || len(home[walSuffix]) == 0 || len(stopped[walSuffix]) != 0 {
		t.Fatalf("the write-ahead logs have %d, %d, %d bytes", len(killed[walSuffix]), len(home[walSuffix]), len(stopped[walSuffix]))
	}

	random := random(t)
	flipped := func(from files, suffix string) files {
		f := maps.Clone(from)
		f[suffix] = slices.Clone(f[suffix])
		f[suffix][random.IntN(len(f[suffix]))] ^= 1 << random.IntN(8)
		return f
	}
	cut := func(from files) files {
		return files{"": from[""], walSuffix: from[walSuffix][:random.IntN(len(from[walSuffix]))]}
	}
	rows := map[string]files{
		"killed":                     killed,
		"brought home":               home,
		"without the log":            {"": killed[""]},
		"brought home, without":      {"": home[""]},
		"an older file":              {"": older[""], walSuffix: killed[walSuffix]},
		"an older file by itself":    {"": older[""]},
		"an older log":               {"": home[""], walSuffix: begun[walSuffix]},
		"a log of another file":      {"": stopped[""], walSuffix: begun[walSuffix]},
		"a log without its file":     {walSuffix: killed[walSuffix]},
		"brought home, log cut back": {"": home[""], walSuffix: home[walSuffix][:len(begun[walSuffix])]},
		"brought home, log cut late": {"": home[""], walSuffix: home[walSuffix][:len(home[walSuffix])-1]},
	}
	draws := 4
	if raceEnabled {
		draws = 1
	}
	for n := range draws {
		rows[fmt.Sprint("a flipped log ", n)] = flipped(killed, walSuffix)
		rows[fmt.Sprint("a flipped log that was brought home ", n)] = flipped(home, walSuffix)
		rows[fmt.Sprint("a flipped file with a log ", n)] = flipped(home, "")
		rows[fmt.Sprint("a cut log ", n)] = cut(killed)
		rows[fmt.Sprint("a cut log that was brought home ", n)] = cut(home)
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		rows[name].put(t, dir)
		s := w.open()
		stop := w.follow(s)
		w.wait(s)
		if diff := cmp.Diff(want, w.answers(s)); diff != "" {
			t.Errorf("%s: other answers than before (-before +now):\n%s", name, diff)
		}
		s.mending.work.Wait()
		if strings.HasPrefix(name, "an older file") && strings.Contains(s.Damage(), "anew") != (name == "an older file") {
			t.Errorf("%s: it says %q", name, s.Damage())
		}
		if err := errors.Join(stop(), s.Err(), s.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestMendingWhileServing damages the file under a store that serves: what rests on the page is refused until it is mended, and the
// store follows the log on.
func TestMendingWhileServing(t *testing.T) {
	w := newWorld(t)
	w.life()
	s := w.serve()
	w.wait(s)
	want := w.answers(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = w.serve()
	path := filepath.Join(w.config().Dir, fileName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := pagesum.PageSize; at < len(b); at += pagesum.PageSize { // all but the first, which is in memory
		b[at+100] ^= 1
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.LoadAccount(t.Context(), "acme"); !errors.Is(err, ErrDamaged) {
		t.Errorf("an account whose page is damaged: %v", err)
	}
	if diff := cmp.Diff(want, w.answers(s)); diff != "" {
		t.Errorf("other answers than before (-before +now):\n%s", diff)
	}
	w.do("acme", domain.SetQuota{Apps: 160})
	w.wait(s)
	if row, _, err := s.LoadAccount(t.Context(), "acme"); err != nil || row.Account.Quota != 160 || row.Hash != w.accounts["acme"].Hash {
		t.Errorf("afterwards: %+v, %v", row, err)
	}
	if s.mending.count() == 0 {
		t.Error("it is not counted")
	}
	w.clean()
}

// TestClosingWhileMending closes a store that is being mended.
func TestClosingWhileMending(t *testing.T) {
	w := newWorld(t)
	w.fillAll()
	s := w.serve()
	w.wait(s)
	for range 3 {
		s.mend(errTorn)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s.mend(errTorn) // begins nothing
	if _, _, err := s.Tip(t.Context(), "acme"); !errors.Is(err, ErrClosed) {
		t.Errorf("%v, want %v", err, ErrClosed)
	}
}
