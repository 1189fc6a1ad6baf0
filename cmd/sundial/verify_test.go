package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"sundial/internal/damage"
	"sundial/internal/vault"
)

// verified runs sundial verify on a directory.
func verified(t *testing.T, dir string) (code int, found []damage.Finding) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), []string{"verify", "--json", "--data", dir}, &console{in: strings.NewReader(""), out: &out, err: &errs})
	var said struct{ Findings []damage.Finding }
	if err := json.Unmarshal(out.Bytes(), &said, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &out, &errs)
	}
	return code, said.Findings
}

// verifyDamages has directories verified that are damaged in known ways: each has its code.
func verifyDamages(t *testing.T, bases map[string]*damageBase) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "docs", "damage.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	stream := func(name string) string { return bases[endClean].paths[name][0] }
	block := func(name string) string { return stream(name) + "/msgs/1.blk" }
	// in flips a bit in the last place where a file has a text: within what a message says, not in how long it is.
	in := func(path, text string) func(dir string) error {
		return func(dir string) error {
			content, err := os.ReadFile(filepath.Join(dir, path))
			if err != nil {
				return err
			}
			at := bytes.LastIndex(content, []byte(text))
			if at < 0 {
				return fmt.Errorf("%s has no %q", path, text)
			}
			return harm{end: endClean, way: wayFlip, path: path, byte: int64(at), bit: 1}.do(dir, "")
		}
	}
	middle := func(path string) func(dir string) error {
		return func(dir string) error {
			info, err := os.Stat(filepath.Join(dir, path))
			if err != nil {
				return err
			}
			return harm{end: endClean, way: wayFlip, path: path, byte: info.Size() / 2, bit: 3}.do(dir, "")
		}
	}
	remove := func(path string) func(dir string) error {
		return func(dir string) error { return os.RemoveAll(filepath.Join(dir, path)) }
	}
	folder := func(path string) func(dir string) error {
		return func(dir string) error {
			return errors.Join(remove(path)(dir), os.Mkdir(filepath.Join(dir, path), 0o700))
		}
	}
	inMessage := []string{"parked_lost", "bill_lost", "token_lost", "key_lost", "published_lost", "ledger_damaged"}
	for _, row := range []struct {
		name, end string
		do        func(dir string) error
		codes     []string
	}{
		{"nothing", endClean, func(string) error { return nil }, nil},
		{"nothing after a kill", endKill, func(string) error { return nil }, nil},
		{"a commit", endClean, in(block("SUNDIAL_EVENTS"), "ends soon"), []string{"log_gap"}},
		{"a commit after a kill", endKill, in(block("SUNDIAL_EVENTS"), "ends soon"), []string{"log_corrupt", "published_ahead"}},
		{"the log is gone", endClean, remove(stream("SUNDIAL_EVENTS")), []string{"log_missing"}},
		{"a number", endClean, in(block("SUNDIAL_NUMBERS"), `{"node"`), []string{"numbers_behind", "numbers_lost"}},
		{"numbers are gone", endClean, remove(stream("SUNDIAL_NUMBERS")), []string{"numbers_behind"}},
		{"a token", endClean, in(block("KV_SUNDIAL_TOKENS"), `"auditor"`), []string{"token_lost"}},
		{"a key", endClean, in(block("SUNDIAL_KEYS"), "keys.app.14"), []string{"key_lost"}},
		{"keys are gone", endClean, remove(stream("SUNDIAL_KEYS")), []string{"key_missing", "stream_missing"}},
		{"a parked event", endClean, in(block("PARKED"), "inv-6"), []string{"parked_lost"}},
		{"a bill that waits", endClean, in(block("BILLING"), lateBill(damageBills/2)), []string{"bill_lost"}},
		{"something published", endClean, in(block("LIFECYCLE"), "ends soon"), []string{"published_lost"}},
		{"the archive", endClean, middle("archive/archive-v1.log"), []string{"archive_differs"}},
		{"what is served", endClean, in(bases[endClean].paths["projections-vN.db"][0], "ends soon"), []string{"projections_differ"}},
		{"what is served is gone", endClean, remove(bases[endClean].paths["projections-vN.db"][0]), []string{"projections_damaged"}},
		{"the root key", endClean, in("root.key", `"value"`), []string{"root_key_unreadable"}},
		{"the root key is another", endClean, func(dir string) error {
			if err := os.Remove(filepath.Join(dir, "root.key")); err != nil {
				return err
			}
			_, err := vault.CreateRootFile(filepath.Join(dir, "root.key"))
			return err
		}, []string{"root_wrong"}},
		{"the sandbox's clock", endClean, in("sandbox.clock", "T"), []string{"sandbox_unreadable"}},
		{"the marks", endClean, in("stream.marks", `"last"`), []string{"marks_damaged"}},
		{"the marks are no file", endClean, folder("stream.marks"), []string{"marks_unreadable"}},
		{"the ledger of tokens", endClean, in("tokens.ledger", `"auditor"`), []string{"ledger_damaged"}},
		{"the ledger is no file", endClean, folder("tokens.ledger"), []string{"ledger_unreadable"}},
		{"tokens are gone", endClean, remove(stream("KV_SUNDIAL_TOKENS")), []string{"stream_missing", "token_missing"}},
		{"the operator's token", endKill, in("operator.token", "dial_"), []string{"operator_token_damaged"}},
		{"the operator's token is kept elsewhere", endClean, remove("operator.token"), nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			mustCopy(t, bases[row.end].dir, dir)
			if err := row.do(dir); err != nil {
				t.Fatal(err)
			}
			code, found := verified(t, dir)
			var codes []string
			for _, f := range found {
				if !strings.Contains(page, "`"+f.Code+"`") {
					t.Errorf("docs/damage.md says nothing of %s", f.Code)
				}
				if f.Where == "" || f.Problem == "" || f.Fix == "" {
					t.Errorf("not all is said: %+v", f)
				}
				if f.Position == 0 && slices.Contains(inMessage, f.Code) {
					t.Errorf("its place is not said: %+v", f)
				}
				if row.end == endKill && f.Code == "stream_older" {
					continue // whether a mark was taken before the kill is a matter of a second
				}
				codes = append(codes, f.Code)
			}
			want := exitDone
			if len(row.codes) > 0 {
				want = exitDamaged
			}
			if slices.Sort(codes); code != want || !slices.Equal(slices.Compact(codes), row.codes) {
				t.Errorf("exit code %d, %q; want %d, %q", code, found, want, row.codes)
			}
		})
	}
}
