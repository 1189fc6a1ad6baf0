package projections

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCheck plants a difference of each kind and finds exactly that.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	w.fill()
	s := w.serve()
	w.wait(s)
	w.clean() // under the running store
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole := t.TempDir()
	if err := os.CopyFS(whole, os.DirFS(w.config().Dir)); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, spoil string
		want        []string
	}{
		{"nothing", `SELECT 1`, nil},
		{"an app's name", `UPDATE apps SET name = 'other' WHERE id = 1400000002`, []string{"app 1400000002: name is other, should be shop bolt"}},
		{"an app's account", `UPDATE apps SET account = 'cord' WHERE id = 1400000001`, []string{"app 1400000001: account is cord, should be acme"}},
		{"an app that is missing", `DELETE FROM apps WHERE id = 1400000006`, []string{"app 1400000006: is missing"}},
		{"an app's state that is missing", `DELETE FROM app_states WHERE id = 1400000006`, []string{"app 1400000006: is missing"}},
		{
			"an app too many", `INSERT INTO apps VALUES (1400000009, 'acme', 'active', 'pro', 'x')`,
			[]string{"app 1400000009: should not be there"},
		},
		{
			"a part of an app's state", `UPDATE app_states SET state = CAST(json_set(CAST(state AS TEXT), '$.version', 9, '$.imported', json('true')) AS BLOB) WHERE id = 1400000001`,
			[]string{"app 1400000001: imported is true, should be absent", "app 1400000001: version is 9, should be 1"},
		},
		{"a state that is none", `UPDATE app_states SET state = x'00' WHERE id = 1400000004`, []string{`app 1400000004: state is 00, should be {"id":1400000004,`}},
		{"an account's position", `UPDATE accounts SET position = 1 WHERE id = 'bolt'`, []string{"account bolt: position is 1, should be 10"}},
		{"an account's hash", `UPDATE accounts SET hash = x'11' WHERE id = 'bolt'`, []string{"account bolt: hash is 11, should be "}},
		{
			"an account's state", `UPDATE accounts SET state = CAST(json_set(CAST(state AS TEXT), '$.quota', 9) AS BLOB) WHERE id = 'acme'`,
			[]string{"account acme: quota is 9, should be 120"},
		},
		{"an account that is missing", `DELETE FROM accounts WHERE id = 'cord'`, []string{"account cord: is missing"}},
		{
			"a due time", `UPDATE dues SET at = at + 1 WHERE kind = 0`, []string{
				"due 2021-01-31T00:00:00.000Z acme 1400000005 term: is missing",
				"due 2021-01-31T00:00:00.001Z acme 1400000005 term: should not be there",
			},
		},
		{"a due's episode", `UPDATE dues SET episode = 99 WHERE kind = 1`, []string{"acme 1400000005 arrears: episode is 99, should be "}},
		{"a command's key", `UPDATE commits SET key = 5 WHERE position = 3`, []string{"commit 3: command_key is 5, should be "}},
		{"a commit that is missing", `DELETE FROM commits WHERE position = 4`, []string{"commit 4: is missing"}},
		{"a link of a history", `UPDATE commits SET previous = 1 WHERE position = 10`, []string{"commit 10: previous is 1, should be 9"}},
		{
			"an index", `PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = 'CREATE INDEX apps_by_account ON apps (name)' WHERE name = 'apps_by_account'`,
			[]string{"file: row 1 missing from index apps_by_account"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := w.config().Dir
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			execute(t, filepath.Join(dir, fileName), row.spoil)
			differences, err := Check(t.Context(), w.config(), nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, d := range differences {
				line := d.String()
				if i < len(row.want) && strings.Contains(line, row.want[i]) {
					line = row.want[i]
				}
				if d.Kind == "file" && i >= len(row.want) {
					continue // one wrong index shows in every row
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if left, err := filepath.Glob(filepath.Join(dir, "*.check*")); len(left) > 0 || err != nil {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// TestCheckMany ends a check at its limit.
func TestCheckMany(t *testing.T) {
	w := newWorld(t)
	w.load(20, 60)
	s := w.serve()
	w.wait(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execute(t, filepath.Join(w.config().Dir, fileName), `UPDATE commits SET key = key + 1`)
	if differences, err := Check(t.Context(), w.config(), nil); len(differences) != MaxDifferences || err != nil {
		t.Errorf("%d differences, %v; want %d", len(differences), err, MaxDifferences)
	}
}

func TestCheckNothing(t *testing.T) {
	w := newWorld(t)
	if _, err := Check(t.Context(), w.config(), nil); err == nil || !strings.Contains(err.Error(), "run rebuild") {
		t.Errorf("a check of nothing: %v", err)
	}
}
