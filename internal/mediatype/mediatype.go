// Package mediatype reads content types and what is accepted of them as other systems write them, not only as they should:
// charsets have many spellings, and a parameter without a value is common.
package mediatype

import (
	"bytes"
	"strconv"
	"strings"
)

// Type is a media type that was read.
type Type struct {
	Name    string // in lower case, such as application/json
	charset string // letters and digits alone, in lower case; "" if none was given
	q       float64
}

// Parse reads a media type with its parameters; false if it begins with none. Of the parameters charset and q are read,
// the first of each; any others make no difference, whatever they look like.
func Parse(s string) (t Type, ok bool) {
	name, parameters, _ := strings.Cut(s, ";")
	t = Type{Name: strings.ToLower(strings.TrimSpace(name)), q: 1}
	kind, sub, _ := strings.Cut(t.Name, "/")
	if !isToken(kind) || !isToken(sub) {
		return Type{}, false
	}
	weighed := false
	for parameter := range strings.SplitSeq(parameters, ";") {
		key, value, _ := strings.Cut(parameter, "=")
		value = strings.Trim(strings.TrimSpace(value), `"`)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "charset":
			if t.charset == "" {
				t.charset = plain(value)
			}
		case "q":
			if q, err := strconv.ParseFloat(value, 64); err == nil && !weighed {
				weighed = true
				t.q = min(max(q, 0), 1)
			}
		}
	}
	return t, true
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// plain leaves of the name of a charset what tells it from others.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, s)
}

// JSON tells whether the type is JSON: application/json, text/json, and whatever ends in +json.
func (t Type) JSON() bool {
	return t.Name == "application/json" || t.Name == "text/json" || strings.HasSuffix(t.Name, "+json")
}

// readable are the charsets that are UTF-8, or ASCII, which is the same where it holds: the names that IANA and WHATWG list.
var readable = map[string]bool{
	"": true, "utf8": true, "csutf8": true, "unicode11utf8": true, "unicode20utf8": true, "xunicode20utf8": true,
	"utf8mb4": true, "utf8bom": true, "utf8sig": true, "cp65001": true,
	"ascii": true, "usascii": true, "csascii": true, "us": true, "ansix341968": true, "ansix341986": true,
	"iso646us": true, "iso646irv1991": true, "isoir6": true, "ibm367": true, "cp367": true,
}

// foreign are the names of other charsets that are met.
var foreign = []struct {
	name      string
	spellings []string
}{
	{"UTF-16", []string{"utf16", "utf16le", "utf16be", "ucs2", "iso10646ucs2", "unicode", "csutf16"}},
	{"UTF-32", []string{"utf32", "utf32le", "utf32be", "ucs4", "iso10646ucs4"}},
	{"ISO-8859-1 (Latin-1)", []string{"iso88591", "latin1", "l1", "isolatin1", "isoir100", "iso885911987", "cp819", "ibm819", "csisolatin1"}},
	{"ISO-8859-15 (Latin-9)", []string{"iso885915", "latin9", "l9"}},
	{"Windows-1252", []string{"windows1252", "cp1252", "xcp1252"}},
	{"GBK", []string{"gbk", "gb2312", "cp936", "ms936", "windows936", "xgbk"}},
	{"GB 18030", []string{"gb18030"}},
	{"Big5", []string{"big5", "big5hkscs"}},
	{"Shift JIS", []string{"shiftjis", "sjis", "xsjis", "windows31j", "mskanji"}},
}

// Foreign names the charset if it is neither UTF-8 nor ASCII, in words of ours; "" if it is one of them, or not given.
func (t Type) Foreign() string {
	if readable[t.charset] {
		return ""
	}
	for _, f := range foreign {
		for _, s := range f.spellings {
			if s == t.charset {
				return f.name
			}
		}
	}
	return "another character set"
}

// byteOrderMark stands before UTF-8 where a system writes it; it says nothing.
var byteOrderMark = []byte("\xef\xbb\xbf")

// Unmarked is a text without a byte order mark before it.
func Unmarked(b []byte) []byte { return bytes.TrimPrefix(b, byteOrderMark) }

// Wide tells whether a text looks like one in UTF-16: by its mark, or since its first character, of ASCII, takes two bytes.
func Wide(b []byte) bool {
	if len(b) < 2 {
		return false
	}
	return b[0] == 0xfe && b[1] == 0xff || b[0] == 0xff && b[1] == 0xfe ||
		b[0] == 0 && (b[1] == '{' || b[1] == '[') || b[1] == 0 && (b[0] == '{' || b[0] == '[')
}

// Prefers tells whether a client that sent these Accept headers would rather have a type than the usual one, by the weights
// and the precision of what it names. Who names neither gets the usual one.
func Prefers(accept []string, offered, usual string) bool {
	q, precise := weight(accept, offered)
	usually, than := weight(accept, usual)
	return q > usually || q > 0 && q == usually && precise > 0 && precise >= than
}

// weight is that of the range that names a type most precisely: 2 by its name, 1 by its first part, 0 with all others.
func weight(accept []string, name string) (q float64, precision int) {
	precision = -1
	kind, _, _ := strings.Cut(name, "/")
	for _, line := range accept {
		for part := range strings.SplitSeq(line, ",") {
			t, ok := Parse(part)
			if !ok {
				continue
			}
			is := -1
			switch t.Name {
			case name:
				is = 2
			case kind + "/*":
				is = 1
			case "*/*":
				is = 0
			}
			switch {
			case is > precision:
				q, precision = t.q, is
			case is == precision && is >= 0:
				q = max(q, t.q)
			}
		}
	}
	return q, precision
}
