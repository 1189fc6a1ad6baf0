package search

import (
	"strings"
	"testing"
)

func TestFold(t *testing.T) {
	for _, row := range []struct {
		name, text, part string
		found            bool
	}{
		{"ASCII", "Shop Chat", "shop", true},
		{"umlauts", "Sch\u00fcler \u00dcBER", "\u00fcber", true},
		{"composed otherwise", "u\u0308ber", "\u00dcber", true},
		{"composed otherwise the other way", "\u00fcber", "U\u0308BER", true},
		{"Cyrillic", "\u041f\u041e\u0414\u0414\u0415\u0420\u0416\u041a\u0410 \u0427\u0410\u0422", "\u0447\u0430\u0442", true},
		{"Greek, with its two sigmas", "\u03a3\u038a\u03a3\u03a5\u03a6\u039f\u03a3", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", true},
		{"one letter that is two", "STRASSE", "stra\u00dfe", true},
		{"Turkish", "\u0130stanbul", "i\u0307stanbul", true},
		{"Armenian", "\u0535\u0552", "\u0587", true},
		{"Cherokee, whose capitals came first", "\u13a0\ua4d0\u13f8", "\uab70\ua4d0\u13f0", true},
		{"Chinese", "\u5ba2\u670d", "\u670d", true},
		{"a letter without its accent is another", "\u00fcber", "u", false},
		{"wide letters are others", "\uff21", "a", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if found := strings.Contains(Fold(row.text), Fold(row.part)); found != row.found {
				t.Errorf("%q in %q: %t", row.part, row.text, found)
			}
		})
	}
}

func FuzzFold(f *testing.F) {
	f.Add("\u00dcber \u1fb3 \u0345")
	f.Fuzz(func(t *testing.T, text string) {
		if once := Fold(text); Fold(once) != once {
			t.Errorf("%q is folded to %q and then to %q", text, once, Fold(once))
		}
	})
}
