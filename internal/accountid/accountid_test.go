package accountid_test

import (
	"regexp"
	"strings"
	"testing"

	"sundial/internal/accountid"
)

var pattern = regexp.MustCompile(accountid.Pattern)

var ids = map[string]bool{
	"acme":                               true,
	"a":                                  true,
	"0":                                  true,
	"9-_":                                true,
	"a__--":                              true,
	strings.Repeat("a", 63):              true,
	"":                                   false,
	"-acme":                              false,
	"_acme":                              false,
	"Acme":                               false,
	"acme.cn":                            false,
	"acme*":                              false,
	"acme>":                              false,
	"ac me":                              false,
	"acme\n":                             false,
	"acme\x00":                           false,
	"acm\u00e9":                          false,
	"\u0430cme":                          false, // a Cyrillic letter
	strings.Repeat("a", 64):              false,
	strings.Repeat("a", 61) + "\u00e9":   false,
	strings.Repeat("a", 63) + "\n":       false,
	"a/b":                                false,
	"a:b":                                false,
	"a{":                                 false, // what stands beside the letters and digits
	"a`":                                 false,
	"\u0660":                             false, // a digit, but not one of ours
	" acme":                              false,
	string([]byte{'a', 0xff}):            false,
	string([]byte{0xff}):                 false,
	strings.Repeat("-", 63):              false,
	"0" + strings.Repeat("-", 62):        true,
	"0" + strings.Repeat("-", 62) + "00": false,
}

func TestValid(t *testing.T) {
	for id, want := range ids {
		if got := accountid.Valid(id); got != want {
			t.Errorf("Valid(%q) = %t, want %t", id, got, want)
		}
		if got := pattern.MatchString(id); got != want {
			t.Errorf("%q matches %s: %t, want %t", id, accountid.Pattern, got, want)
		}
	}
}

// FuzzValid: the function and the pattern that documents show are one rule.
func FuzzValid(f *testing.F) {
	for id := range ids {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		if got, want := accountid.Valid(id), pattern.MatchString(id); got != want {
			t.Errorf("Valid(%q) = %t, the pattern says %t", id, got, want)
		}
	})
}
