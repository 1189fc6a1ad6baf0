package terminal

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"", ""},
		{"paid, \u00fcber \u5e97", "paid, \u00fcber \u5e97"},
		{"one\ntwo", "one\n  two"},
		{"one\r\ntwo\rthree\n\nfive\n", "one\n  two\n  three\n  \n  five\n  "},
		{"a\u2028b\u2029c\u0085d\ve\ff", "a\n  b\n  c\n  d\n  e\n  f"},
		{"a\tb", "a b"},
		{"\x1b[2J\x00\u202e\u200e", `\x1b[2J\x00\u202e\u200e`},
		{"\xff\ufffd", "\\xff\ufffd"},
	} {
		if got := Text(row.text, "  "); got != row.want {
			t.Errorf("%q is shown as %q, want %q", row.text, got, row.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\nb\r\x1b")
	f.Fuzz(func(t *testing.T, text string) {
		for i, line := range strings.FieldsFunc(Text(text, "    "), endsLine) {
			if i > 0 && !strings.HasPrefix(line, "    ") {
				t.Errorf("%q forges a line: %q", text, line)
			}
		}
	})
}
