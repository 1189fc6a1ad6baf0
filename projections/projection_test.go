package projections

import (
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sundial/domain"
)

// fillAll is fill with something for every table.
func (w *harness) fillAll() {
	w.fill()
	w.do("acme", domain.AddCertificate{App: domain.FirstApp, Certificate: domain.FirstCertificate, Content: domain.CertificateContent{
		Platform: "apns_p12", NotAfter: w.now.Add(30 * day),
		Prints: map[string][]byte{"p12": []byte("print")}, Sealed: map[string][]byte{"p12": []byte("sealed")},
	}})
	for i := range inlineFacts + 1 {
		w.do("acme", domain.SettleArrears{App: domain.FirstApp + 2, Invoice: fmt.Sprint("i-", i), EffectiveAt: w.now})
	}
	w.do("acme", domain.StopApp{App: domain.FirstApp + 4, Reason: "tested"})
	w.do("acme", domain.RequestDeletion{App: domain.FirstApp + 4, Reason: "tested"})
}

// made lists what a file has of a type, each by its name with the table that it is of.
func made(t *testing.T, path, kind string) map[string]string {
	t.Helper()
	c, err := connect(path, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	const query = `SELECT name, tbl_name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite_%'`
	err = c.list(t.Context(), query, []any{kind}, 2, func(row []driver.Value) error {
		found[text(row[0])] = text(row[1])
		return nil
	})
	if err := errors.Join(err, c.close()); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestRegistered walks the list: every table of the file, beside the checkpoint, is of one projection, which has its
// indexes too, and is compared by a check.
func TestRegistered(t *testing.T) {
	w := newWorld(t)
	w.fillAll()
	s := w.serve()
	w.wait(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	serving := filepath.Join(w.config().Dir, fileName)
	whole := t.TempDir()
	if err := os.CopyFS(whole, os.DirFS(w.config().Dir)); err != nil {
		t.Fatal(err)
	}

	tables, indexes := map[string]string{}, map[string]string{}
	kinds := map[string]string{} // of a table's differences
	for n, p := range registered {
		path := filepath.Join(t.TempDir(), fileName)
		c, err := create(path, "log", []projection{p})
		if err != nil {
			t.Fatalf("projection %d: %v", n, err)
		}
		for _, i := range p.indexes {
			err = errors.Join(err, c.exec(i)) // on a table of its own: there are no others here
		}
		if err := errors.Join(err, c.close()); err != nil {
			t.Fatalf("projection %d: %v", n, err)
		}
		own := made(t, path, "table")
		delete(own, "checkpoint")
		if len(own) == 0 || len(own) != len(p.tables) {
			t.Errorf("projection %d makes the tables %v, %d are declared", n, slices.Sorted(maps.Keys(own)), len(p.tables))
		}
		for name := range own {
			if _, twice := tables[name]; twice {
				t.Errorf("the table %s is of two projections", name)
			}
			for _, declared := range p.tables {
				if strings.HasPrefix(declared.create, "CREATE TABLE "+name+" ") {
					kinds[name] = declared.kind
				}
			}
		}
		maps.Copy(tables, own)
		maps.Copy(indexes, made(t, path, "index"))
	}
	inFile := made(t, serving, "table")
	delete(inFile, "checkpoint")
	if diff := cmp.Diff(tables, inFile); diff != "" {
		t.Errorf("tables (-of projections +in the file):\n%s", diff)
	}
	if diff := cmp.Diff(indexes, made(t, serving, "index")); diff != "" {
		t.Errorf("indexes (-of projections +in the file):\n%s", diff)
	}

	for name := range inFile {
		if err := os.RemoveAll(w.config().Dir); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(w.config().Dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		execute(t, serving, `DELETE FROM `+name)
		differences, err := Check(t.Context(), w.config(), nil)
		if err != nil || len(differences) == 0 {
			t.Errorf("a check finds nothing (%v) where %s is empty: let fillAll fill it, and its projection compare it", err, name)
		}
		for _, d := range differences {
			if d.Kind != kinds[name] || !strings.HasSuffix(d.String(), "is missing") {
				t.Errorf("%s is empty: %s", name, d)
			}
		}
	}
}

// TestVersion holds the tables of this version still: a file that an earlier program wrote is used as it is.
func TestVersion(t *testing.T) {
	const ofVersion, sum = 6, "fd1a82595c1894fc"
	statements := strings.Fields(checkpointTable)
	for _, p := range registered {
		for _, table := range p.tables {
			statements = append(statements, strings.Fields(table.create)...)
		}
		for _, i := range p.indexes {
			statements = append(statements, strings.Fields(i)...)
		}
	}
	got := sha256.Sum256([]byte(strings.Join(statements, " ")))
	if version != ofVersion || hex.EncodeToString(got[:8]) != sum {
		t.Errorf("version %d has the tables %x: when they change, raise the version, and put both here (now %d, %s)", version, got[:8], ofVersion, sum)
	}
}

// TestAnotherProjection follows, rebuilds and checks with a projection more than the program has.
func TestAnotherProjection(t *testing.T) {
	w := newWorld(t)
	w.projections = append(slices.Clone(registered), heldProjection)
	w.fillAll()
	w.do("acme", domain.StopApp{App: domain.FirstApp + 2, Reason: "abuse"})
	w.do("acme", domain.StartApp{App: domain.FirstApp + 2}) // within a batch
	s := w.serve()
	held := func(when string, want ...domain.AppID) {
		t.Helper()
		w.wait(s)
		got, err := s.heldApps(t.Context(), "acme")
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", when, err, diff)
		}
		w.same(s)
		w.clean()
	}
	held("built", domain.FirstApp+4)
	w.do("acme", domain.StopApp{App: domain.FirstApp, Reason: "abuse"})
	held("followed", domain.FirstApp, domain.FirstApp+4)
	w.do("acme", domain.StartApp{App: domain.FirstApp})
	held("lifted", domain.FirstApp+4)
	if err := s.Rebuild(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	held("rebuilt while serving", domain.FirstApp+4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Rebuild(t.Context(), w.config(), nil); err != nil {
		t.Fatal(err)
	}
	s = w.serve()
	held("rebuilt", domain.FirstApp+4)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	execute(t, filepath.Join(w.config().Dir, fileName), `UPDATE held_apps SET since = 5 WHERE app = 1400000005`)
	differences, err := Check(t.Context(), w.config(), nil)
	want := fmt.Sprintf("held_app %d: since is 5, should be %d", domain.FirstApp+4, int64(w.now))
	if err != nil || len(differences) != 1 || differences[0].String() != want {
		t.Errorf("a check: %v, %v; want %q", differences, err, want)
	}
}
