package domain

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestCodes: every refusal that the package declares is listed, under a name of its own, with the rule and what would
// make it possible.
func TestCodes(t *testing.T) {
	form := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	var listed []string
	for _, c := range Codes() {
		if !form.MatchString(c.Code) || slices.Contains(listed, c.Code) {
			t.Errorf("%q: want a name of its own such as app_not_found", c.Code)
		}
		listed = append(listed, c.Code)
		if !slices.Contains([]Kind{Rule, Absent, Confirm, Limit}, c.Kind) {
			t.Errorf("%s is of the kind %q", c.Code, c.Kind)
		}
		for _, text := range []string{c.Message, c.Fix} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q is no sentence", c.Code, text)
			}
		}
	}
	var written []string
	for _, file := range sources(t, token.NewFileSet()) {
		ast.Inspect(file, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if of, ok := lit.Type.(*ast.Ident); ok && of.Name == "Code" && len(lit.Elts) > 0 {
				if code, ok := lit.Elts[0].(*ast.BasicLit); ok {
					written = append(written, strings.Trim(code.Value, `"`))
				}
			}
			return true
		})
	}
	slices.Sort(listed)
	slices.Sort(written)
	if diff := gocmp.Diff(written, listed); diff != "" {
		t.Errorf("codes declared, and Codes (-declared +listed):\n%s", diff)
	}
}

// TestErrorsSayWhatToDo: a refusal names the rule and the way out, an invalid command every field, and never its value.
func TestErrorsSayWhatToDo(t *testing.T) {
	if got, want := refuse(NotStopped).Error(), "app_not_stopped: Only a stopped app can be deleted. Stop the app first."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	w := newWorld(DefaultPolicy())
	_, err := w.run(t, acme, day(0), Owner, CreateApp{AppName: "secret\x00", AppType: "unheard-of", Introduction: "hush\x00"})
	if err == nil {
		t.Fatal("taken")
	}
	want := "name must be 1 to 64 characters, none of them a control character; " +
		"introduction must be at most 300 characters, with no control characters but line breaks and tabs; " +
		"type must be one of: social, live streaming, e-commerce, education, gaming, customer service, healthcare, finance, IoT, other"
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}
