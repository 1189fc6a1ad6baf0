package api

import (
	"bytes"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"sundial/internal/auth"
	"sundial/internal/ingest"
	"sundial/scheduler"
)

const goldenDocument = "../../docs/openapi.json"

var update = flag.Bool("update", false, "write docs/openapi.json anew")

// TestDocumentIsCurrent holds the checked-in document against the one that the code makes.
func TestDocumentIsCurrent(t *testing.T) {
	made, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(goldenDocument, made.document, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(goldenDocument)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, made.document) {
		t.Error("docs/openapi.json is not what the code makes: run make generate")
	}
}

// TestDocumentRefersToWhatIsThere follows every reference, and looks for what a reader of the document needs.
func TestDocumentRefersToWhatIsThere(t *testing.T) {
	made, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(made.document, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, is := v["$ref"].(string); is && at(doc, ref) == nil {
				t.Errorf("%s refers to %s, which is not there", path, ref)
			}
			for name, member := range v {
				walk(path+"/"+name, member)
			}
		case []any:
			for _, element := range v {
				walk(path, element)
			}
		}
	}
	walk("#", doc)
	for _, rt := range made.routes {
		op := at(doc, "#/paths/"+strings.ReplaceAll(rt.path, "/", "~1")+"/"+strings.ToLower(rt.method))
		if op == nil {
			t.Errorf("%s %s is not described", rt.method, rt.path)
			continue
		}
		members := op.(map[string]any)
		if members["summary"] == nil || members["responses"] == nil || members["operationId"] == nil {
			t.Errorf("%s %s is described poorly", rt.method, rt.path)
		}
		if !rt.open && members["security"] == nil {
			t.Errorf("%s %s does not say that it takes a token", rt.method, rt.path)
		}
	}
}

// TestCodesAreOnce holds the codes apart: a client tells problems by them.
func TestCodesAreOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range codes() {
		code := c["code"].(string)
		if seen[code] {
			t.Errorf("two problems are called %s", code)
		}
		seen[code] = true
		if code != strings.ToLower(code) || !looksLikeName(code) || c["detail"] == "" || c["fix"] == "" {
			t.Errorf("a poor problem: %v", c)
		}
	}
}

// TestEveryFaultIsListed reads the sources for the faults that are made anywhere at this edge, and at NATS's, and holds
// their codes against the document's list.
func TestEveryFaultIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, c := range codes() {
		listed[c["code"].(string)] = true
	}
	found := 0
	look := func(where token.Position, code ast.Expr) {
		found++
		switch code := code.(type) {
		case *ast.BasicLit:
			if text, err := strconv.Unquote(code.Value); err != nil || !listed[text] {
				t.Errorf("%s: %s is missing from faults()", where, code.Value)
			}
		case *ast.SelectorExpr: // another fault's, or that of a refusal of the domain
			of := code.X
			if in, is := of.(*ast.SelectorExpr); is {
				of = in.X
			}
			if name, is := of.(*ast.Ident); !is || code.Sel.Name != "code" && name.Name != "domain" {
				t.Errorf("%s: a code that cannot be read here: write it as a text", where)
			}
		default:
			t.Errorf("%s: a code that cannot be read here: write it as a text", where)
		}
	}
	for _, dir := range []string{".", "../rpc"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no sources, %v", dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CompositeLit:
					if of, is := n.Type.(*ast.Ident); is && of.Name == "fault" {
						if len(n.Elts) != 4 {
							t.Errorf("%s: a fault with members left away", set.Position(n.Pos()))
							return true
						}
						look(set.Position(n.Pos()), n.Elts[1])
					}
				case *ast.CallExpr:
					if to, is := n.Fun.(*ast.Ident); is && to.Name == "refuse" {
						look(set.Position(n.Pos()), n.Args[0])
					}
				}
				return true
			})
		}
	}
	if found < len(faults()) {
		t.Errorf("found %d faults in the sources, fewer than the %d that are listed", found, len(faults()))
	}
}

// TestTagsAreDeclared wants every operation under a tag that the document describes, and no tag without one.
func TestTagsAreDeclared(t *testing.T) {
	made, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Tags  []struct{ Name, Description string }
		Paths map[string]map[string]struct{ Tags []string }
	}
	if err := json.Unmarshal(made.document, &doc, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	uses := map[string]int{}
	for _, tag := range doc.Tags {
		if _, twice := uses[tag.Name]; twice || tag.Description == "" {
			t.Errorf("the tag %q is declared twice, or without a description", tag.Name)
		}
		uses[tag.Name] = 0
	}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			for _, tag := range op.Tags {
				if _, declared := uses[tag]; !declared {
					t.Errorf("%s %s has the tag %q, which is not declared", method, path, tag)
				}
				uses[tag]++
			}
			if len(op.Tags) != 1 {
				t.Errorf("%s %s has %d tags, want one", method, path, len(op.Tags))
			}
		}
	}
	for tag, n := range uses {
		if n == 0 {
			t.Errorf("nothing has the tag %q", tag)
		}
	}
}

// TestDocumentsNameActorsOfTheLog looks in every document for actors: each must be one that the log can hold, so that
// asking for it finds something.
func TestDocumentsNameActorsOfTheLog(t *testing.T) {
	logged := []string{regexp.QuoteMeta(scheduler.Actor), regexp.QuoteMeta(ingest.NATSActor)}
	for _, role := range []auth.Role{auth.Operator, auth.Owner, auth.Billing} { // the others change nothing
		logged = append(logged, actor(auth.Principal{Role: role, TokenID: `tok_([0-9a-f]{20}|\.\.\.|1)`})) // 1 is the golden files'
	}
	can := regexp.MustCompile("^(" + strings.Join(logged, "|") + ")$")
	if token := auth.ID("any"); !can.MatchString(actor(auth.Principal{Role: auth.Owner, TokenID: token})) {
		t.Fatalf("%s is no actor by this test", token)
	}
	// As a member of an event or a commit, and in running text.
	names := regexp.MustCompile(`"actor": ?"([^"]*)"|\b([a-z]+:(?:tok_[0-9a-z.]*|nats\b|scheduler\b))`)
	documents, err := filepath.Glob("../../docs/*")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range append(documents, "../../README.md") {
		if path.Ext(name) != ".md" && path.Ext(name) != ".json" {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range names.FindAllSubmatch(text, -1) {
			found++
			if who := string(m[1]) + string(m[2]); !can.MatchString(who) {
				t.Errorf("%s names %s, whom the log never does", name, who)
			}
		}
	}
	if found < 5 {
		t.Errorf("found %d actors in the documents: does this still look for them?", found)
	}
	made, err := describe()
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := json.Unmarshal(made.document, &doc); err != nil {
		t.Fatal(err)
	}
	schemas, _ := at(doc, "#/components/schemas").(map[string]any)
	examples := 0
	for name, schema := range schemas {
		shown, _ := at(schema, "properties/actor/examples").([]any)
		for _, who := range shown {
			examples++
			if !can.MatchString(who.(string)) {
				t.Errorf("%s shows %s as an actor, whom the log never names", name, who)
			}
		}
	}
	if examples == 0 {
		t.Error("no schema shows an actor: does this still look for them?")
	}
}

// at follows a reference inside the document.
func at(doc any, ref string) any {
	for _, part := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		part = strings.ReplaceAll(part, "~1", "/")
		members, is := doc.(map[string]any)
		if !is {
			return nil
		}
		doc = members[part]
	}
	return doc
}
