package pushcert

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// form is what a text must look like.
type form struct {
	fits  func(string) bool
	words string // goes after the field's name
	exact bool   // it says the length too
}

// The forms of texts. Vendors do not publish those of their ids and keys; what they give out has neither spaces nor
// characters beyond ASCII, and what was copied with more is refused.
var (
	token       = form{fits: matches(`[!-~]+`), words: "must be printable ASCII without spaces"}
	packageForm = form{fits: matches(`[A-Za-z]\w*(\.[A-Za-z]\w*)+`), words: "must be a package name, such as com.example.app"}
	classForm   = form{fits: matches(`[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*`), words: "must be the name of a class, such as com.example.app.MainActivity"}
	bundleForm  = form{fits: matches(`[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+`), words: "must be a bundle ID, such as com.example.app"}
	tenForm     = form{fits: matches(`[A-Z0-9]{10}`), words: "must be exactly 10 characters of A-Z and 0-9", exact: true}
	printable   = form{fits: all(unicode.IsPrint), words: "must be printable characters"}

	// A p12 takes its password as UCS-2.
	password = form{fits: all(func(r rune) bool { return r <= 0xffff }), words: "must be of characters that a p12 can have in its password: no emoji, for one"}
)

func matches(pattern string) func(string) bool {
	return regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString
}

func all(fine func(rune) bool) func(string) bool {
	return func(text string) bool {
		return strings.IndexFunc(text, func(r rune) bool { return !fine(r) }) < 0
	}
}

// read gives a field's content: of a text or a choice the text, of a file its bytes, of an action its canonical JSON.
func (f *Field) read(value jsontext.Value) ([]byte, *FieldError) {
	wrong := func(c Code, exactly ...string) ([]byte, *FieldError) {
		n := notice(f.Name, c, exactly...)
		return nil, &n
	}
	if !value.IsValid() {
		return wrong(wrongType)
	}
	switch {
	case f.Kind == Action:
		action, c := readAction(value)
		if c != nil {
			return wrong(*c)
		}
		return []byte(action), nil
	case f.Kind == TextFile && value.Kind() == '{' && f.Name == fieldServiceAccount:
		// It is JSON itself, and likely to be put in as it is.
		return f.file(value)
	case value.Kind() != '"':
		return wrong(wrongType, "must be a string")
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return wrong(wrongType, "must be a string in UTF-8")
	}
	switch {
	case len(text) == 0 && f.Name == fieldPassword:
		return wrong(empty, "must not be empty: export the p12 with a password")
	case len(text) == 0:
		return wrong(empty)
	case f.Kind == TextFile && isText(text):
		return f.file(text)
	case f.Kind == File, f.Kind == TextFile:
		return f.base64(text)
	case f.Kind == Choice:
		if !slices.Contains(f.Choices, string(text)) {
			return wrong(notAChoice, "must be one of "+strings.Join(f.Choices, ", "))
		}
		return text, nil
	}
	return text, f.judge(string(text))
}

// judge says what is wrong with a text, nil if nothing is.
func (f *Field) judge(text string) *FieldError {
	wrong := func(c Code, detail string) *FieldError { n := notice(f.Name, c, detail); return &n }
	switch {
	case strings.IndexFunc(text, unicode.IsControl) >= 0:
		return wrong(controlCharacter, controlCharacter.Detail)
	case !f.form.exact && utf8.RuneCountInString(text) > f.Max:
		return wrong(tooLong, fmt.Sprintf("must be at most %d characters", f.Max))
	case !f.form.fits(text):
		return wrong(invalidFormat, f.form.words)
	}
	return nil
}

// isText tells the text of a file from its base64: base64 has neither dashes nor braces.
func isText(text []byte) bool {
	text = bytes.TrimPrefix(text, byteOrderMark)
	start := strings.TrimSpace(string(text[:min(len(text), 64)]))
	return strings.HasPrefix(start, "-----BEGIN") || strings.HasPrefix(start, "{")
}

// base64 decodes a file. Line breaks, which many tools write, are skipped.
func (f *Field) base64(text []byte) ([]byte, *FieldError) {
	content, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		n := notice(f.Name, invalidBase64)
		if f.Kind == TextFile {
			n = notice(f.Name, invalidBase64, "must be the text of the file, or the file in standard base64 with its padding")
		}
		return nil, &n
	}
	return f.file(content)
}

func (f *Field) file(content []byte) ([]byte, *FieldError) {
	if f.Kind == TextFile {
		content = bytes.TrimPrefix(content, byteOrderMark)
	}
	switch {
	case len(content) == 0:
		n := notice(f.Name, empty)
		return nil, &n
	case len(content) > f.Max:
		n := notice(f.Name, tooLong, fmt.Sprintf("must be a file of at most %d bytes", f.Max))
		return nil, &n
	}
	return slices.Clone(content), nil
}
