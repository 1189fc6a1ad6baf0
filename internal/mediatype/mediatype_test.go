package mediatype

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text, name, foreign string
		json                bool
	}{
		{"application/json", "application/json", "", true},
		{" Application/JSON ; charset=UTF-8", "application/json", "", true},
		{"text/json", "text/json", "", true},
		{"application/vnd.billing.v2+json;v", "application/vnd.billing.v2+json", "", true},
		{"application/json; utf-8", "application/json", "", true},
		{"application/json;", "application/json", "", true},
		{"application/json; charset", "application/json", "", true},
		{"application/json; charset=", "application/json", "", true},
		{`application/json; Charset="utf8"`, "application/json", "", true},
		{"application/json; charset='utf_8'; charset=latin1", "application/json", "", true},
		{"application/json; charset=US-ASCII", "application/json", "", true},
		{"application/json; charset=ANSI_X3.4-1968", "application/json", "", true},
		{"application/json; charset=utf-16", "application/json", "UTF-16", true},
		{"application/json; charset=UTF-16LE", "application/json", "UTF-16", true},
		{"application/json; charset=ISO_8859-1:1987", "application/json", "ISO-8859-1 (Latin-1)", true},
		{`application/json; charset="latin-1"`, "application/json", "ISO-8859-1 (Latin-1)", true},
		{"application/json; charset=hunter2", "application/json", "another character set", true},
		{"text/xml", "text/xml", "", false},
		{"application/jsonp", "application/jsonp", "", false},
	} {
		got, ok := Parse(c.text)
		if !ok || got.Name != c.name || got.Foreign() != c.foreign || got.JSON() != c.json {
			t.Errorf("%q is %+v %v, of %q", c.text, got, ok, got.Foreign())
		}
	}
	for _, text := range []string{"", "json", "/json", "application/", "a b/c", "application/json, text/json", "a/b/c", ";charset=utf-8"} {
		if got, ok := Parse(text); ok {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestPrefers(t *testing.T) {
	for _, c := range []struct {
		accept string
		want   bool
	}{
		{"", false},
		{"*/*", false},
		{"text/csv", true},
		{"text/csv;q=0", false},
		{"text/csv;q=0.000, */*", false},
		{"text/csv;q=0.5, application/json", false},
		{"text/csv, application/json;q=0.5", true},
		{"text/csv;q=0.1", true},
		{"text/csv, application/json", true},
		{"application/json, */*;q=0.1", false},
		{"text/csv, */*", true},
		{"text/csv;q=0.5, */*;q=0.9", false},
		{"text/*", true},
		{"text/*;q=0.5, text/csv;q=0.2, application/json;q=0.3", false},
		{"text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", false},
		{"TEXT/CSV ; Q=1", true},
		{"text/csv;header=present;q=0.9, application/json;q=0.8", true},
		{"text/csv;q=NaN", false},
		{"nonsense, text/csv", true},
	} {
		if got := Prefers([]string{c.accept}, "text/csv", "application/json"); got != c.want {
			t.Errorf("Accept: %s: %v", c.accept, got)
		}
	}
	if Prefers(nil, "text/csv", "application/json") || !Prefers([]string{"application/json;q=0.1", "text/csv"}, "text/csv", "application/json") {
		t.Error("no header, or two")
	}
}

func TestMarks(t *testing.T) {
	if got := Unmarked([]byte("\xef\xbb\xbf{}")); string(got) != "{}" {
		t.Errorf("%q", got)
	}
	for _, wide := range []string{"\xff\xfe{\x00", "\xfe\xff\x00{", "{\x00\"\x00", "\x00[\x00]"} {
		if !Wide([]byte(wide)) {
			t.Errorf("%q is not told to be UTF-16", wide)
		}
	}
	for _, other := range []string{"", "{", "{}", "\xef\xbb\xbf{}", "\x00\xff", "\xff"} {
		if Wide([]byte(other)) {
			t.Errorf("%q is told to be UTF-16", other)
		}
	}
}

// FuzzParse gives any text to the reading of types: what is read has a name of two parts, and reads the same again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"application/json; charset=utf-8", "text/csv;q=0.5, */*", `a/b; c="d;e"`, ";", "\xff/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		Prefers([]string{text}, "text/csv", "application/json")
		got, ok := Parse(text)
		if !ok {
			return
		}
		if strings.Count(got.Name, "/") != 1 || got.q < 0 || got.q > 1 {
			t.Fatalf("%q is %+v", text, got)
		}
		if again, ok := Parse(got.Name); !ok || again.Name != got.Name {
			t.Fatalf("%q is %q, which is %q", text, got.Name, again.Name)
		}
	})
}
