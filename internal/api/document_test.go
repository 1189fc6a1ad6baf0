package api

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
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
