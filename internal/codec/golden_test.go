package codec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-json-experiment/json/jsontext"
	gocmp "github.com/google/go-cmp/cmp"

	"sundial/domain"
	"sundial/eventstore"
)

var update = flag.Bool("update", false, "add the golden files and sums that are missing; what is there stays as it is")

// goldenFolder holds events as logs have them. NAME.vN.json is one with every member that the version has, and
// NAME.vN-FORM.json one of another form. Of a version before today's, NAME.vN-FORM.as.vM.json is what it is as of
// version M. sums lists the hash of each. Files and lines are added, never edited: some log may hold what they say. What
// a test says about an old file is mended in the code, by an upcast if need be.
const (
	goldenFolder = "testdata/events"
	sums         = "sums"
)

// TestGolden reads what older programs wrote, and writes it as they did; what had another shape then, as it has now.
func TestGolden(t *testing.T) {
	wrong, missing := check(t, os.DirFS(goldenFolder))
	for *update && len(missing) > 0 { // what is added needs a sum
		for name, text := range missing {
			file, err := os.OpenFile(filepath.Join(goldenFolder, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := file.WriteString(text); err != nil {
				t.Fatal(err)
			}
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		}
		wrong, missing = check(t, os.DirFS(goldenFolder))
	}
	for _, w := range wrong {
		t.Error(w)
	}
}

// TestGoldenSaysWhatIsMissing shows that each step that may be forgotten, when an event gets a new shape, is found.
func TestGoldenSaysWhatIsMissing(t *testing.T) {
	Upcasting(t, quotaV0)
	files := fstest.MapFS{}
	add := func(name, text string) { files[name] = &fstest.MapFile{Data: []byte(text)} }
	for _, name := range append(goldenNames(t, os.DirFS(goldenFolder)), sums) {
		text, err := os.ReadFile(filepath.Join(goldenFolder, name))
		if err != nil {
			t.Fatal(err)
		}
		add(name, string(text))
	}
	expect := func(step string, want ...string) map[string]string {
		t.Helper()
		wrong, missing := check(t, files)
		if len(wrong) != len(want) {
			t.Errorf("%s: %q, want %q", step, wrong, want)
			return missing
		}
		for i := range want {
			if !strings.Contains(wrong[i], want[i]) {
				t.Errorf("%s: %q, want %q", step, wrong[i], want[i])
			}
		}
		return missing
	}
	grow := func(missing map[string]string) {
		for name, text := range missing {
			if present, is := files[name]; is {
				text = string(present.Data) + text
			}
			add(name, text)
		}
	}

	expect("an upcast without a golden file", "add account.quota_set.v0.json")
	add("account.quota_set.v0.json", `{"limit":"7"}`)
	missing := expect("and without what it becomes", "account.quota_set.v0.json has no sum", "add account.quota_set.v0.as.v1.json")
	grow(missing)
	grow(expect("which has no sum yet", "account.quota_set.v0.as.v1.json has no sum"))
	expect("nothing is missing")
	if got := string(files["account.quota_set.v0.as.v1.json"].Data); got != "{\n  \"apps\": 7\n}\n" {
		t.Errorf("added was %q", got)
	}

	for _, row := range []struct{ step, name, text, want string }{
		{"an old file edited", "account.quota_set.v0.json", `{"limit": "7"}`, "restore it"},
		{"a file of today edited", "account.quota_set.v1.json", `{"apps": 70}`, "restore it"},
		{"a file taken away", "app.created.v1-bare.json", "", "restore it"},
		{"a member that nobody knows", "app.created.v1-new.json", `{"app":1,"color":"red"}`, "cannot be read"},
		{"members in another order", "app.tpns_enabled.v1-new.json", `{"order":"o","app":1}`, "written otherwise now"},
		{"broken off", "account.quota_set.v1-new.json", `{"apps":`, "no JSON"},
		{"a version that nobody knows", "account.quota_set.v2.json", `{}`, "cannot be read"},
		{"a name of no form", "quota.json", `{}`, "is not named"},
		{"what comes of nothing", "account.quota_set.v0-none.as.v1.json", `{}`, "stands alone"},
	} {
		before := files[row.name]
		delete(files, row.name)
		if row.text != "" {
			add(row.name, row.text)
		}
		if wrong, _ := check(t, files); !slices.ContainsFunc(wrong, func(w string) bool {
			return strings.Contains(w, row.want) && strings.Contains(w, row.name)
		}) {
			t.Errorf("%s: %q, want %q", row.step, wrong, row.want)
		}
		delete(files, row.name)
		if before != nil {
			files[row.name] = before
		}
	}
	expect("all is as it was")
}

// quotaV0 is an upcast from a version that never was.
var quotaV0 = eventstore.NewUpcast("account.quota_set.v0", func(old struct {
	Limit string `json:"limit"`
},
) domain.Event {
	apps, _ := strconv.Atoi(old.Limit)
	return domain.QuotaSet{Apps: apps}
})

// golden is what the name of a file says.
type golden struct {
	stored string // the event's name, with its version
	form   string // empty: with every member
	as     string // the version as of which it is; empty: it is as some log holds it
}

var goldenName = regexp.MustCompile(`^((?:app|account)\.[a-z_]+\.v[0-9]+)(-[a-z_]+)?(?:\.as\.(v[0-9]+))?\.json$`)

func parseGolden(name string) (golden, bool) {
	m := goldenName.FindStringSubmatch(name)
	if m == nil {
		return golden{}, false
	}
	return golden{m[1], m[2], m[3]}, true
}

// check holds golden files against the codec. It says what is wrong, and what would have to be added to each file.
func check(t *testing.T, files fs.FS) (wrong []string, missing map[string]string) {
	t.Helper()
	codec, err := New()
	if err != nil {
		t.Fatal(err)
	}
	missing = map[string]string{}
	say := func(format string, v ...any) { wrong = append(wrong, fmt.Sprintf(format, v...)) }
	names := goldenNames(t, files)
	listed := readSums(t, files)
	whole := map[string]bool{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.Sum256(text)
		switch sum := hex.EncodeToString(hash[:]); listed[name] {
		case sum:
		case "":
			say("%s has no sum: run go test -update", name)
			missing[sums] += sum + "  " + name + "\n"
		default:
			say("%s is not what it was: restore it, some log may hold it", name)
		}
		g, ok := parseGolden(name)
		data := jsontext.Value(text)
		switch err := data.Compact(); {
		case !ok:
			say("%s is not named NAME.vN.json, NAME.vN-FORM.json or NAME.vN-FORM.as.vM.json", name)
			continue
		case err != nil:
			say("%s holds no JSON: %v", name, err)
			continue
		case g.as != "":
			if !slices.Contains(names, g.stored+g.form+".json") {
				say("%s stands alone: it is what comes of %s%s.json", name, g.stored, g.form)
			}
			continue
		}
		event, err := codec.Decode(eventstore.Event{Type: g.stored, Data: data})
		if err != nil {
			say("%s cannot be read: %v", name, err)
			continue
		}
		now, err := codec.Encode(event)
		if err != nil {
			say("%s is read as what cannot be written: %v", name, err)
			continue
		}
		if g.form == "" {
			whole[g.stored] = true
		}
		if now.Type == g.stored {
			if diff := gocmp.Diff(string(data), string(now.Data)); diff != "" {
				say("%s is written otherwise now: give the event a new version (-golden +now):\n%s", name, diff)
			}
			if empty := emptyField(reflect.ValueOf(event)); g.form == "" && empty != "" {
				say("%s lacks %s: the file named as the type has every member; if the member is new, give the event a new version", name, empty)
			}
			continue
		}
		becomes := g.stored + g.form + ".as." + versionOf(now.Type) + ".json"
		want, err := fs.ReadFile(files, becomes)
		if err != nil {
			indented := now.Data
			if err := indented.Indent(jsontext.WithIndent("  ")); err != nil {
				t.Fatal(err)
			}
			say("add %s, which says what %s is now: run go test -update, and look at what it says", becomes, name)
			missing[becomes] = string(indented) + "\n"
			continue
		}
		compact := jsontext.Value(want) // what is kept as it was written is compared, too
		if err := compact.Compact(); err != nil {
			say("%s holds no JSON: %v", becomes, err)
			continue
		}
		expected, err := codec.Decode(eventstore.Event{Type: now.Type, Data: compact})
		if err != nil {
			say("%s cannot be read: %v", becomes, err)
			continue
		}
		if diff := gocmp.Diff(expected, event); diff != "" {
			say("%s is upcast to what %s does not say (-golden +now):\n%s", name, becomes, diff)
		}
	}
	for _, stored := range slices.Sorted(slices.Values(codec.Types())) {
		if !whole[stored] {
			say("%s has no golden file: add %s.json with every member", stored, stored)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if !slices.Contains(names, name) {
			say("%s is gone: restore it, some log may hold it", name)
		}
	}
	return wrong, missing
}

func goldenNames(t *testing.T, files fs.FS) (names []string) {
	t.Helper()
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != sums {
			names = append(names, e.Name())
		}
	}
	return names
}

// readSums gives the hash of each file that was ever added.
func readSums(t *testing.T, files fs.FS) map[string]string {
	t.Helper()
	listed := map[string]string{}
	text, err := fs.ReadFile(files, sums)
	if err != nil {
		return listed
	}
	for line := range bytes.Lines(text) {
		sum, name, _ := strings.Cut(strings.TrimSpace(string(line)), "  ")
		if _, double := listed[name]; double {
			t.Errorf("%s lists %s twice", sums, name)
		}
		listed[name] = sum
	}
	return listed
}

// emptyField finds a field that a value leaves out.
func emptyField(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		return emptyField(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				return v.Type().Name() + "." + v.Type().Field(i).Name
			}
			if at := emptyField(v.Field(i)); at != "" {
				return at
			}
		}
	}
	return ""
}

// versionOf is the version at the end of a stored name.
func versionOf(stored string) string { return stored[strings.LastIndexByte(stored, '.')+1:] }

// TestUpcasts holds the names to what readers rely on.
func TestUpcasts(t *testing.T) {
	codec, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, flaw := range flaws(codec.Types(), domain.Prototypes()) {
		t.Error(flaw)
	}
	now := []domain.Event{domain.QuotaSet{}} // account.quota_set.v1
	for _, row := range []struct {
		names []string
		want  string
	}{
		{[]string{"account.quota_set.v1"}, ""},
		{[]string{"account.quota_set.v1", "account.quota_set.v2"}, "not before today's"},
		{[]string{"account.quota_set.v1", "account.quota.v1"}, "no event of today"},
	} {
		if got := strings.Join(flaws(row.names, now), "\n"); (row.want == "") != (got == "") || !strings.Contains(got, row.want) {
			t.Errorf("%v: %q, want %q", row.names, got, row.want)
		}
	}
	if got := flaws([]string{"app.x.v3", "app.x.v1"}, []domain.Event{versionThree{}}); len(got) != 1 || !strings.Contains(got[0], "app.x.v2 cannot be read") {
		t.Errorf("a version left out: %q", got)
	}
}

type versionThree struct{ domain.QuotaSet }

func (versionThree) Type() string { return "app.x.v3" }

// flaws says what is wrong with the names that a codec reads. An old name is that of an event of today, with an earlier
// version: those who choose events by name, in a feed or a statement, then find the old ones too. Every version from 1
// on is read, since some log may hold it.
func flaws(names []string, today []domain.Event) (flaws []string) {
	newest := map[string]int{}
	for _, e := range today {
		name, version := split(e.Type())
		newest[name] = version
		for v := 1; v < version; v++ {
			if earlier := fmt.Sprintf("%s.v%d", name, v); !slices.Contains(names, earlier) {
				flaws = append(flaws, earlier+" cannot be read any more: add an upcast")
			}
		}
	}
	for _, stored := range names {
		switch name, version := split(stored); {
		case newest[name] == 0:
			flaws = append(flaws, stored+" is the name of no event of today: an upcast keeps the name, with an earlier version")
		case version > newest[name]:
			flaws = append(flaws, stored+" is read as an older event, and is not before today's version")
		}
	}
	return flaws
}

func split(stored string) (name string, version int) {
	at := strings.LastIndex(stored, ".v")
	version, _ = strconv.Atoi(stored[at+2:])
	return stored[:at], version
}

// FuzzDecodeEvent: whatever bytes stand under an event's name, decoding them fails or gives an event that is written
// and read again as the same, and that any account can take without a panic.
func FuzzDecodeEvent(f *testing.F) {
	codec, err := New()
	if err != nil {
		f.Fatal(err)
	}
	files, err := os.ReadDir(goldenFolder)
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		g, ok := parseGolden(file.Name())
		if !ok || g.as != "" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(goldenFolder, file.Name()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(g.stored, text)
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		event, err := codec.Decode(eventstore.Event{Type: name, Data: data})
		if err != nil {
			return
		}
		encoded, err := codec.Encode(event)
		if err != nil {
			return // it lacks a time that its type needs, so no log holds it
		}
		read, err := codec.Decode(encoded)
		if err != nil {
			t.Fatalf("decoding %s: %v", encoded.Data, err)
		}
		again, err := codec.Encode(read)
		if diff := gocmp.Diff(string(encoded.Data), string(again.Data)); diff != "" || err != nil {
			t.Fatalf("written, read and written again (%v):\n%s", err, diff)
		}
		acc := domain.NewAccount("acme")
		acc.Apply(domain.Recorded{At: 1_609_459_200_000, Position: 1}, event, event)
		for _, app := range acc.Apps {
			app.Status()
			app.Stop()
			app.Dues()
			app.OpenInvoiceCount()
			app.PaidUntil()
		}
	})
}
