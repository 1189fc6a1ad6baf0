package usersig

import "time"

// Result is what Verify finds. The names are shown to users of the API.
type Result string

// Of several reasons the first in this order is given. That the app is stopped, "app_stopped", comes last and is the
// caller's to judge.
const (
	Valid        Result = "valid"
	Malformed    Result = "malformed"     // it cannot be read, or says what no UserSig may say
	WrongApp     Result = "wrong_app"     // it is for another app
	WrongUser    Result = "wrong_user"    // it is for another user
	BadSignature Result = "bad_signature" // none of the keys made it
	Expired      Result = "expired"       // it was valid
)

// Verify judges a UserSig for an app and a user, at a time. Keys of both algorithms may be valid at once, while an app
// is moved from one to the other or its key is rotated; a UserSig is held against those of its own.
//
// It is valid through the second issued at + lifetime, as in the vendor's library, and expired from the next second
// on. One that was issued in the future is valid: clocks differ, and only who holds the key can make it.
//
// A second signature (r, n-s) can be made from an ECDSA signature (r, s) without the key. Both verify, since the
// vendor's libraries make either; a UserSig is therefore no name for what it grants.
func Verify(userSig string, app uint64, user string, now time.Time, keys []VerifyingKey) Result {
	d, ok := read(userSig)
	switch {
	case !ok:
		return Malformed
	case d.app != app:
		return WrongApp
	case d.user != user:
		return WrongUser
	case !d.signedBy(keys):
		return BadSignature
	case now.Unix() > d.issuedAt+d.lifetime:
		return Expired
	}
	return Valid
}

func (d document) signedBy(keys []VerifyingKey) bool {
	text := d.text()
	for _, k := range keys {
		if k.Algorithm() == d.algorithm && k.verify(text, d.signature) {
			return true
		}
	}
	return false
}

// Validity reads from when to when a UserSig says that it is valid, in Unix seconds: the last one counts. It judges
// nothing: only of what Verify finds valid, or expired, has the owner of the key said so. It is not known of what is
// malformed.
func Validity(userSig string) (from, to int64, known bool) {
	d, known := read(userSig)
	return d.issuedAt, d.issuedAt + d.lifetime, known
}
