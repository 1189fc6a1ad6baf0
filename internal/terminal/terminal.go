// Package terminal makes what others wrote fit to be shown among what the program says, line by line.
package terminal

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text gives a text of others for a terminal: every line after its first one begins with the indent, whatever ends lines
// there, so that none can pass for a line of the program's. What would move the cursor, colour or reorder the line, and what
// is no UTF-8, is spelled out as Go spells it, such as \x1b.
func Text(text, indent string) string {
	if utf8.ValidString(text) && strings.IndexFunc(text, special) < 0 {
		return text
	}
	var b strings.Builder
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for i, r := range text {
		switch {
		case endsLine(r):
			b.WriteString("\n" + indent)
		case r == '\t':
			b.WriteByte(' ')
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			b.WriteString(`\x` + strconv.FormatUint(uint64(text[i]), 16))
		case special(r):
			spelled := strconv.QuoteRuneToASCII(r)
			b.WriteString(spelled[1 : len(spelled)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func special(r rune) bool {
	return endsLine(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

func endsLine(r rune) bool {
	switch r {
	case '\n', '\r', '\v', '\f', '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}
