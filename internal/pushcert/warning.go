package pushcert

import (
	"fmt"
	"time"
)

// soon is how long before its end a certificate is warned of.
const soon = 30 * 24 * time.Hour

// tpns is the platform that the vendors' own push excludes, and the reverse.
const tpns = "tpns"

// Warnings says what is worth knowing of a certificate that was accepted, by its plain fields (Parsed.Public) and the
// time. Whether mobile push excludes it is for the caller to know.
func Warnings(platform string, public map[string]string, excluded bool, now time.Time) []FieldError {
	var found []FieldError
	if end := timeOf(public[fieldNotAfter]); !end.IsZero() {
		switch left := end.Sub(now); {
		case left <= 0:
			found = append(found, notice(fieldNotAfter, expired))
		case left <= soon:
			found = append(found, notice(fieldNotAfter, expiresSoon,
				fmt.Sprintf("the certificate expires in %d days: make a new one on Apple's developer site", left/(24*time.Hour))))
		}
	}
	if timeOf(public[fieldNotBefore]).After(now) {
		found = append(found, notice(fieldNotBefore, notYetValid))
	}
	if excluded {
		detail := "mobile push (TPNS) is on, and the vendors' own push cannot be used at the same time: the certificate is stored and inactive"
		if platform == tpns {
			detail = "mobile push (TPNS) is off: the certificate is stored and inactive until it is on"
		}
		found = append(found, notice("state", inactive, detail))
	}
	return found
}
