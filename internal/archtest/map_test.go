package archtest

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// atlas is the map of the rooms for people.
const atlas = "docs/architecture.md"

// pointer is how a document names what is declared in a file: the path and behind it the name, each in backquotes, such
// as `internal/engine/execute.go` `Engine.Execute`. More names of the same file may follow, after commas.
var (
	pointer  = regexp.MustCompile("`([\\w.-]+/[\\w/.-]+\\.go)`((?:,? `[A-Za-z_]\\w*(?:\\.[A-Za-z_]\\w*)?`)+)")
	declared = regexp.MustCompile("`([^`]+)`")

	// method is one that a document speaks of further on, when the file is known.
	method = regexp.MustCompile("`([A-Za-z]\\w*\\.[A-Za-z]\\w*)`")
)

// TestDocumentsNameWhatIsDeclared looks every name up that a document says is in a file.
func TestDocumentsNameWhatIsDeclared(t *testing.T) {
	known := map[string][]string{}
	looked := 0
	walk(t, func(name string) {
		if path.Ext(name) != ".md" {
			return
		}
		text := fenced.ReplaceAllString(string(read(t, name)), "")
		for _, m := range pointer.FindAllStringSubmatch(text, -1) {
			file := m[1]
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil {
				t.Errorf("%s names %s, which is not there", name, file)
				continue
			}
			if known[file] == nil {
				known[file] = parse(t, file, read(t, file)).declares()
			}
			for _, said := range declared.FindAllStringSubmatch(m[2], -1) {
				looked++
				if !slices.Contains(known[file], said[1]) {
					t.Errorf("%s says that %s has %s, which is not declared there", name, file, said[1])
				}
			}
		}
	})
	everywhere := map[string]bool{}
	for _, s := range sources(t) {
		for _, name := range s.declares() {
			everywhere[name] = true
		}
	}
	for _, m := range method.FindAllStringSubmatch(string(read(t, atlas)), -1) {
		if !everywhere[m[1]] {
			t.Errorf("%s speaks of %s, which is declared nowhere", atlas, m[1])
		}
	}
	if looked < 50 {
		t.Errorf("%d names were looked up: does this still find them?", looked)
	}
}

// declares lists what is declared at the top of a file: functions, methods as Type.Method, types, constants, variables.
func (s source) declares() []string {
	var names []string
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				name = receiver(d.Recv.List[0].Type) + "." + name
			}
			names = append(names, name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					names = append(names, spec.Name.Name)
				case *ast.ValueSpec:
					for _, n := range spec.Names {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

func receiver(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.StarExpr:
		return receiver(of.X)
	case *ast.IndexExpr:
		return receiver(of.X)
	case *ast.Ident:
		return of.Name
	}
	return ""
}

// TestMapShowsTheImports holds the rooms of the map, with what each may import, against the rules: a room that is missing, or an
// import that the map does not tell of, would send a reader the wrong way. The leaves are on it too.
func TestMapShowsTheImports(t *testing.T) {
	told := map[string][]string{}
	_, text, _ := strings.Cut(string(read(t, atlas)), "\n## Rooms\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		var allowed []string
		for _, m := range declared.FindAllStringSubmatch(cells[3], -1) {
			allowed = append(allowed, m[1])
		}
		for _, m := range declared.FindAllStringSubmatch(cells[1], -1) {
			told[m[1]] = allowed
		}
	}
	seen := map[string]bool{}
	for _, s := range sources(t) {
		seen[s.room()] = true
	}
	for room := range seen {
		may := slices.Clone(rooms[room])
		if slices.Contains(may, anything) {
			may = nil // the map says so in words
		}
		got, on := told[room]
		slices.Sort(got)
		slices.Sort(may)
		switch {
		case !on:
			t.Errorf("%s lacks %s: add a row that says what it holds and what it may import", atlas, room)
		case !slices.Equal(got, may):
			t.Errorf("%s says that %s may import %q, the table of rooms says %q", atlas, room, got, may)
		}
	}
	for room := range told {
		if !seen[room] {
			t.Errorf("%s tells of %s, which is not there", atlas, room)
		}
	}
}
