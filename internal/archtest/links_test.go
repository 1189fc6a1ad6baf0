package archtest

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```")

	// named is a path of this module in running text.
	named = regexp.MustCompile("`((?:cmd|deploy|docs|domain|eventstore|examples|internal|projections|scheduler|scripts|tools)/[\\w/.-]+)`")
)

// TestDocumentsPointToWhatIsThere follows every link between documents and into the sources, and every path that a
// document names, so that what is renamed is renamed there too.
func TestDocumentsPointToWhatIsThere(t *testing.T) {
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
		return err == nil
	}
	followed := 0
	walk(t, func(name string) {
		if path.Ext(name) != ".md" {
			return
		}
		text := fenced.ReplaceAllString(string(read(t, name)), "")
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			if !there(m[1]) {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			to, anchor, _ := strings.Cut(m[1], "#")
			target := name
			if to != "" {
				target = path.Join(path.Dir(name), to)
			}
			switch {
			case !there(target):
				t.Errorf("%s links to %s, which is not there", name, m[1])
			case anchor != "" && !headings(string(read(t, target)))[anchor]:
				t.Errorf("%s links to %s, and %s has no such heading", name, m[1], target)
			}
		}
	})
	if followed == 0 {
		t.Error("no link was followed: does this still find the documents?")
	}
}

// TestSourcesPointToHeadings follows what comments give as the source of a rule, a document and a heading of it.
func TestSourcesPointToHeadings(t *testing.T) {
	source := regexp.MustCompile(`(docs/[\w/-]+\.md), "([^"]+)"`)
	followed := 0
	walk(t, func(name string) {
		if path.Ext(name) != ".go" {
			return
		}
		for _, m := range source.FindAllStringSubmatch(string(read(t, name)), -1) {
			followed++
			if !strings.Contains("\n"+fenced.ReplaceAllString(string(read(t, m[1])), ""), "# "+m[2]+"\n") {
				t.Errorf("%s names %s, %q, and there is no such heading", name, m[1], m[2])
			}
		}
	})
	if followed == 0 {
		t.Error("no comment names a heading: does this still find them?")
	}
}

// headings gives the anchors that a document's headings make: in small letters, with hyphens for spaces.
func headings(text string) map[string]bool {
	anchors := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		anchors[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
				return r
			}
			return -1
		}, strings.ToLower(m[1]))] = true
	}
	return anchors
}
