package auth

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

//go:generate go test -run ^TestDocumentIsCurrent$ -count 1 . -update

var update = flag.Bool("update", false, "write the table in docs/access.md anew")

const document = "../../docs/access.md"

// TestDocumentIsCurrent holds the table for people against the one that is gone by.
func TestDocumentIsCurrent(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- begin: written by go generate ./internal/auth -->\n", "<!-- end -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s lacks the marks around its table", document)
	}
	want := before + begin + tableForPeople() + end + after
	if *update {
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Errorf("the table in %s is not the one in the code: run make generate", document)
	}
}

func tableForPeople() string {
	var b strings.Builder
	heads, rule := "| | route | subject |", "|---|---|---|"
	for _, role := range Roles() {
		heads += fmt.Sprintf(" %s |", role)
		rule += "---|"
	}
	fmt.Fprintf(&b, "%s\n%s\n", heads, rule)
	words := map[Reach]string{Nowhere: "", OwnAccount: " own", Everywhere: " all"}
	for _, r := range Table() {
		subject := ""
		if r.Subject != "" {
			subject = " `" + r.Subject + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s %s` |%s |", r.Action, r.Method, r.Route, subject)
		for _, role := range Roles() {
			fmt.Fprintf(&b, "%s |", words[r.Reach[role]])
		}
		b.WriteString("\n")
	}
	return b.String()
}
