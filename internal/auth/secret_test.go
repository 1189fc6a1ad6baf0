package auth

import (
	"regexp"
	"strings"
	"testing"
)

func TestSecret(t *testing.T) {
	shape := regexp.MustCompile(`^sundial_[0-9A-Za-z]{33}$`)
	seen := map[string]bool{}
	letters := map[rune]int{}
	for range 2000 {
		secret := newSecret()
		if !shape.MatchString(secret) || !wellFormed(secret) || seen[secret] {
			t.Fatalf("newSecret() = %q, which is malformed or came before", secret)
		}
		seen[secret] = true
		for _, c := range secret[len(secretPrefix) : len(secretPrefix)+randomChars] {
			letters[c]++
		}
	}
	// 54,000 draws of 62 letters, 871 each; 6 standard deviations are 177.
	for _, c := range alphabet {
		if n := letters[c]; n < 871-177 || n > 871+177 {
			t.Errorf("letter %c was drawn %d times of 54000, want some 871", c, n)
		}
	}
}

func TestTypingErrors(t *testing.T) {
	secret := newSecret()
	for i := len(secretPrefix); i < len(secret); i++ {
		for _, c := range alphabet {
			wrong := secret[:i] + string(c) + secret[i+1:]
			if wrong != secret && wellFormed(wrong) {
				t.Errorf("%q passes with its character %d changed", secret, i)
			}
		}
		if i > len(secretPrefix) && secret[i] != secret[i-1] {
			swapped := secret[:i-1] + secret[i:i+1] + secret[i-1:i] + secret[i+1:]
			if wellFormed(swapped) {
				t.Errorf("%q passes with its characters %d and %d swapped", secret, i-1, i)
			}
		}
	}
	for _, wrong := range []string{
		"", "sundial_", secret + "0", secret[1:], strings.ToUpper(secret), secret[:len(secret)-1] + "-", " " + secret[:40],
	} {
		if wellFormed(wrong) {
			t.Errorf("%q passes", wrong)
		}
	}
}

// TestVector keeps the format as it is: tokens are in the hands of people.
func TestVector(t *testing.T) {
	const secret = "sundial_0123456789ABCDEFGHIJKLMNOPQ1ag7PT"
	if !wellFormed(secret) {
		t.Errorf("%q is refused, want check %q", secret, check(secret[:len(secret)-checkChars]))
	}
	if got, want := InboxPrefix(secret), "_INBOX."+ID(secret); got != want {
		t.Errorf("InboxPrefix = %q, want %q", got, want)
	}
	if got, want := ID(secret), "tok_"; !strings.HasPrefix(got, want) || !validID(got) {
		t.Errorf("ID = %q, want %q and 20 hex digits", got, want)
	}
}

func FuzzSecret(f *testing.F) {
	f.Add("")
	f.Add("sundial_")
	f.Add(newSecret())
	f.Fuzz(func(t *testing.T, text string) {
		if wellFormed(text) && (len(text) != 41 || !strings.HasPrefix(text, "sundial_")) {
			t.Errorf("%q passes", text)
		}
		if !validID(ID(text)) {
			t.Errorf("ID(%q) = %q is not an id", text, ID(text))
		}
	})
}

func FuzzDecode(f *testing.F) {
	secret := newSecret()
	e := &entry{hash: digestOf(secret), Token: Token{ID: ID(secret), Role: Owner, Account: "acme", Name: "shop"}}
	data, err := e.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"hash":"00","role":"operator","name":"x","created_at":"2026-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"hash":"00","hash":"01"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decode(ID(secret), 1, data)
		if err == nil && (got.hash != e.hash || got.Role.OfOneAccount() != (got.Account != "")) {
			t.Errorf("decode(%q) let in %+v", data, got)
		}
	})
}
