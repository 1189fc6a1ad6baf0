package domain

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

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
		CreateApp{}, ImportApp{}, EditAppInfo{}, DeleteApp{}, SetQuota{}, SetPolicy{}, UpgradeEdition{}, RenewPlan{}, RecordOrder{}, Refund{},
		MarkArrears{}, SettleArrears{}, VoidInvoice{}, StopApp{}, StartApp{}, NoteTRTCStopped{}, NoteTRTCStarted{}, FireTransition{},
		IssueKey{}, UpgradeKeyAlgorithm{}, RotateKey{}, RetireKey{}, RevealKey{}, AddAdmins{}, RemoveAdmins{},
		AddCertificate{}, EditCertificate{}, DeleteCertificate{}, EnableTRTC{}, EnableTPNS{}, DisableTPNS{},
		RequestDeletion{}, ApproveDeletion{}, RejectDeletion{}, Rejudge{}, RenumberApp{},
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
