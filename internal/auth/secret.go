package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"strings"
)

// A secret is "sundial_", 27 random characters (160 bits) and 6 that check the rest, all of the alphabet below: 41
// characters that a scanner for leaked secrets knows by `\bsundial_[0-9A-Za-z]{33}\b`.
const (
	secretPrefix = "sundial_"
	randomChars  = 27
	checkChars   = 6 // 62^6 > 2^32
	alphabet     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// digest is the SHA-256 of a secret, all that is ever stored of it. A slow hash would protect guessable passwords;
// 160 random bits need none, and every request pays for it.
type digest [sha256.Size]byte

func digestOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

// id is the token's public name. Who holds the secret can work it out without query.
func (d digest) id() string { return "tok_" + hex.EncodeToString(d[:10]) }

func newSecret() string {
	var b strings.Builder
	b.WriteString(secretPrefix)
	var random [randomChars * 2]byte
	for n := 0; n < randomChars; {
		_, _ = rand.Read(random[:]) // never fails: it ends the program rather than give bytes that are not random
		for _, r := range random {
			// Of the 256 values those above the last multiple of 62 would favour the first letters.
			if r < 248 && n < randomChars {
				b.WriteByte(alphabet[r%62])
				n++
			}
		}
	}
	return b.String() + check(b.String())
}

// check is the CRC-32 of the text in base 62.
func check(text string) string {
	sum := crc32.ChecksumIEEE([]byte(text))
	var out [checkChars]byte
	for i := checkChars - 1; i >= 0; i-- {
		out[i] = alphabet[sum%62]
		sum /= 62
	}
	return string(out[:])
}

// wellFormed tells whether a text can be a secret at all, so that a typing error is refused without a look-up.
func wellFormed(text string) bool {
	const length = len(secretPrefix) + randomChars + checkChars
	if len(text) != length || !strings.HasPrefix(text, secretPrefix) {
		return false
	}
	for _, c := range []byte(text[len(secretPrefix):]) {
		if strings.IndexByte(alphabet, c) < 0 {
			return false
		}
	}
	body := length - checkChars
	return check(text[:body]) == text[body:]
}

// Redacted is a text without what may be a secret in it: all that looks like the beginning of one, up to where its characters
// end. Logs take what clients send, and a token stands in the wrong place sometimes.
func Redacted(text string) string {
	for from := 0; ; {
		at := strings.Index(text[from:], secretPrefix)
		if at < 0 {
			return text
		}
		begin := from + at + len(secretPrefix)
		end := begin
		for end < len(text) && strings.IndexByte(alphabet, text[end]) >= 0 {
			end++
		}
		if end-begin >= checkChars { // fewer are part of a name
			text = text[:begin] + "..." + text[end:]
			end = begin
		}
		from = end
	}
}

// ID is the public id of the token with this secret, "tok_" and the first 20 hex digits of its SHA-256, which a shell
// can work out too. It does not tell whether there is such a token.
func ID(secret string) string { return digestOf(secret).id() }

// InboxPrefix is an inbox of this secret's own for a NATS client to receive answers and acknowledgements in, as
// nats.CustomInboxPrefix takes it. The embedded server needs no such setting; earlier ones did.
func InboxPrefix(secret string) string { return inbox(ID(secret)) }

func inbox(id string) string { return "_INBOX." + id }
