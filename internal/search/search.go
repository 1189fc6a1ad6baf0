// Package search says what a text that people look for is found in.
package search

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold gives the form in which texts are compared: two that differ in case only, in any script, or in how Unicode composes
// their characters, have the same one (full case folding, then NFC). A text is found in another if its form is part of the
// other's.
func Fold(text string) string {
	if ascii(text) {
		return strings.ToLower(text)
	}
	// Decomposed first: folding would else miss what stands below a composed letter.
	return norm.NFC.String(cases.Fold().String(strings.Map(cherokee, norm.NFD.String(text))))
}

// cherokee gives the capital of a small Cherokee letter, which is the form that Unicode folds both to; the library swaps them.
func cherokee(r rune) rune {
	if unicode.Is(unicode.Cherokee, r) {
		return unicode.ToUpper(r)
	}
	return r
}

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}
