package domain

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	gocmp "github.com/google/go-cmp/cmp"

	"sundial/eventstore"
)

// goldenFolder holds one event of each type as the log has it, and more where a form differs: TYPE.json and
// TYPE-FORM.json. A file here is what some log may hold: files are added, never edited. What a test says about an old
// file is mended in the code, by an upcast if need be.
const goldenFolder = "testdata/events"

// TestEveryEventIsReadAsItWasWritten reads what older programs wrote, and writes it as they did.
func TestEveryEventIsReadAsItWasWritten(t *testing.T) {
	whole := map[string]bool{}
	files, err := os.ReadDir(goldenFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		t.Run(f.Name(), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(goldenFolder, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			golden := jsontext.Value(text)
			if err := golden.Compact(); err != nil {
				t.Fatal(err)
			}
			name, form, _ := strings.Cut(strings.TrimSuffix(f.Name(), ".json"), "-")
			event, err := codec.Decode(eventstore.Event{Type: name, Data: golden})
			if err != nil {
				t.Fatal(err)
			}
			again, err := codec.Encode(event)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(string(golden), string(again.Data)); diff != "" || again.Type != name {
				t.Errorf("written again as %s (-golden +now):\n%s", again.Type, diff)
			}
			if form == "" {
				whole[name] = true
				if empty := emptyField(reflect.ValueOf(event)); empty != "" {
					t.Errorf("%s is absent: the file named as the type has every field", empty)
				}
			}
		})
	}
	for _, e := range Prototypes() {
		if !whole[e.Type()] {
			t.Errorf("%s has no golden file: add %s/%s.json with every field", e.Type(), goldenFolder, e.Type())
		}
	}
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

// TestEveryEventHasAPrototype: an event that the codec does not know could not be stored. It also holds the stored
// names to their form, and each to one event.
func TestEveryEventHasAPrototype(t *testing.T) {
	var listed []string
	named := map[string]bool{}
	form := regexp.MustCompile(`^(app|account)\.[a-z_]+\.v[1-9][0-9]*$`)
	for _, e := range Prototypes() {
		listed = append(listed, reflect.TypeOf(e).Name())
		if !form.MatchString(e.Type()) || named[e.Type()] {
			t.Errorf("%T is stored as %q: want a name of its own such as app.stopped.v1", e, e.Type())
		}
		named[e.Type()] = true
	}
	written := methods(t, "apply")
	slices.Sort(listed)
	slices.Sort(written)
	if diff := gocmp.Diff(written, listed); diff != "" {
		t.Errorf("types with an apply, and Prototypes (-written +listed):\n%s", diff)
	}
}

// TestEveryCommandHasAName: names are hand-written, and each is one command's.
func TestEveryCommandHasAName(t *testing.T) {
	form := regexp.MustCompile(`^[a-z_]+$`)
	named := map[string]bool{}
	commands := []Command{
		CreateApp{}, ImportApp{}, EditAppInfo{}, DeleteApp{}, SetQuota{}, UpgradeEdition{}, RenewPlan{}, RecordOrder{}, Refund{},
		MarkArrears{}, SettleArrears{}, VoidInvoice{}, StopApp{}, StartApp{}, NoteTRTCStopped{}, NoteTRTCStarted{}, FireTransition{},
		IssueKey{}, UpgradeKeyAlgorithm{}, RotateKey{}, RetireKey{}, RevealKey{}, AddAdmins{}, RemoveAdmins{},
		AddCertificate{}, EditCertificate{}, DeleteCertificate{}, EnableTRTC{}, EnableTPNS{}, DisableTPNS{},
		RequestDeletion{}, ApproveDeletion{}, RejectDeletion{},
	}
	var listed []string
	for _, c := range commands {
		listed = append(listed, reflect.TypeOf(c).Name())
		if !form.MatchString(c.Name()) || named[c.Name()] {
			t.Errorf("%T is called %q: want a name of its own such as stop_app", c, c.Name())
		}
		named[c.Name()] = true
		v := reflect.New(reflect.TypeOf(c)).Elem()
		if f := v.FieldByName("App"); f.IsValid() {
			f.SetUint(uint64(testApp))
			if _, makes := c.(CreateApp); !makes && v.Interface().(Command).Subject() != testApp {
				t.Errorf("%T does not name its app", c)
			}
		} else if c.Subject() != 0 {
			t.Errorf("%T names an app and has none", c)
		}
	}
	written := methods(t, "decide")
	slices.Sort(listed)
	slices.Sort(written)
	if diff := gocmp.Diff(written, listed); diff != "" {
		t.Errorf("types with a decide, and the commands of this test (-written +listed):\n%s", diff)
	}
}

// methods lists the types of this package that have a method of this name.
func methods(t *testing.T, name string) []string {
	t.Helper()
	var types []string
	for _, file := range sources(t, token.NewFileSet()) {
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv != nil && f.Name.Name == name {
				if of, ok := f.Recv.List[0].Type.(*ast.Ident); ok {
					types = append(types, of.Name)
				}
			}
		}
	}
	return types
}

// sources are the files of this package, with their comments, tests aside.
func sources(t *testing.T, set *token.FileSet) []*ast.File {
	t.Helper()
	names, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// FuzzDecodeEvent: whatever bytes stand under an event's name, decoding them fails or gives an event that is written
// and read again as the same, and that any account can take without a panic.
func FuzzDecodeEvent(f *testing.F) {
	files, err := os.ReadDir(goldenFolder)
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(goldenFolder, file.Name()))
		if err != nil {
			f.Fatal(err)
		}
		name, _, _ := strings.Cut(strings.TrimSuffix(file.Name(), ".json"), "-")
		f.Add(name, text)
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
		again, err := codec.Encode(stored(t, event))
		if diff := gocmp.Diff(string(encoded.Data), string(again.Data)); diff != "" || err != nil {
			t.Fatalf("written, read and written again (%v):\n%s", err, diff)
		}
		acc := NewAccount(acme)
		acc.Apply(Recorded{day(0), 1}, event, event)
		for _, app := range acc.Apps {
			app.Status()
			app.Stop()
			app.Dues()
			app.OpenInvoices()
			app.PaidUntil()
		}
	})
}
