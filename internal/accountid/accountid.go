// Package accountid is the rule of account ids. An id is a token of a NATS subject, that of its account's commits and
// that of its bills, so that nothing in it may be a dot, a wildcard or a space.
package accountid

const (
	// Pattern is the rule as a regular expression (ECMA-262 and RE2 alike), for documents: what Valid says is so.
	Pattern = "^[a-z0-9][a-z0-9_-]{0,62}$"

	// MaxLength is how many bytes, and characters, an id has at the most.
	MaxLength = 63
)

// Valid tells whether a text is an account id.
func Valid(s string) bool {
	if s == "" || len(s) > MaxLength || s[0] == '_' || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
