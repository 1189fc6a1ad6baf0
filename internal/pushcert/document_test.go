package pushcert

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

//go:generate go test -run ^TestDocumentIsCurrent$ -count 1 . -update

var update = flag.Bool("update", false, "write the tables in docs/certificates.md anew")

const document = "../../docs/certificates.md"

// TestDocumentIsCurrent holds the tables for people against those that certificates are read by.
func TestDocumentIsCurrent(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, table := range map[string]string{"platforms": platformsForPeople(), "codes": codesForPeople()} {
		begin, end := "<!-- begin "+name+": written by go generate ./internal/pushcert -->\n", "<!-- end "+name+" -->\n"
		before, rest, ok := strings.Cut(want, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s lacks the marks around its %s", document, name)
		}
		want = before + begin + table + end + after
	}
	if *update {
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s does not say what the code says: run make generate", document)
	}
}

func platformsForPeople() string {
	var b strings.Builder
	for _, p := range Platforms() {
		fmt.Fprintf(&b, "### `%s`: %s\n\n| field | is | |\n|---|---|---|\n", p.Name, p.Title)
		for _, f := range p.Fields {
			name := "`" + f.Name + "`"
			if f.Secret {
				name = "**" + name + "**"
			}
			if f.Optional {
				name += "?"
			}
			help := f.Help
			switch f.Way {
			case wayServiceAccount:
				help += " Instead of the fields of the legacy API."
			case wayLegacy:
				help += " Of the legacy API, instead of `service_account_json`."
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", name, f.inWords(), help)
		}
		if len(p.Reads) > 0 {
			fmt.Fprintf(&b, "\nRead from the file and shown: `%s`.\n", strings.Join(p.Reads, "`, `"))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// inWords says what a field's value is.
func (f *Field) inWords() string {
	switch f.Kind {
	case Choice:
		return "one of `" + strings.Join(f.Choices, "`, `") + "`"
	case File:
		return fmt.Sprintf("a file in base64, at most %d KiB", f.Max>>10)
	case TextFile:
		return fmt.Sprintf("a file as text or in base64, at most %d KiB", f.Max>>10)
	case Action:
		return "an action, see below"
	case Text:
	}
	if f.form.exact {
		return fmt.Sprintf("%d characters", f.Max)
	}
	return fmt.Sprintf("text, at most %d characters", f.Max)
}

func codesForPeople() string {
	var b strings.Builder
	b.WriteString("| code | the field |\n|---|---|\n")
	for _, c := range Codes() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", c.Code, c.Detail)
	}
	b.WriteString("\n| warning | says |\n|---|---|\n")
	for _, c := range WarningCodes() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", c.Code, c.Detail)
	}
	return b.String()
}
