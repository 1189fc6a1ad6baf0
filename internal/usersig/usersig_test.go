package usersig

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"hash/adler32"
	"math"
	"strings"
	"testing"
	"time"
)

const testSecret = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func secretKey(t testing.TB, secret string) SigningKey {
	t.Helper()
	key, err := ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestClaims(t *testing.T) {
	good := Claims{App: 1400000001, User: "alice", IssuedAt: 1795397364, Lifetime: 60}
	with := func(change func(*Claims)) Claims { c := good; change(&c); return c }
	for _, c := range []struct {
		name   string
		claims Claims
		want   error
	}{
		{"good", good, nil},
		{"app 0", with(func(c *Claims) { c.App = 0 }), ErrApp},
		{"the largest app", with(func(c *Claims) { c.App = math.MaxUint64 }), nil},
		{"1 s", with(func(c *Claims) { c.Lifetime = 1 }), nil},
		{"0 s", with(func(c *Claims) { c.Lifetime = 0 }), ErrLifetime},
		{"-1 s", with(func(c *Claims) { c.Lifetime = -1 }), ErrLifetime},
		{"50 years", with(func(c *Claims) { c.Lifetime = 1_576_800_000 }), nil},
		{"50 years and 1 s", with(func(c *Claims) { c.Lifetime = 1_576_800_001 }), ErrLifetime},
		{"1970", with(func(c *Claims) { c.IssuedAt = 0 }), nil},
		{"before 1970", with(func(c *Claims) { c.IssuedAt = -1 }), ErrIssuedAt},
		{"9999", with(func(c *Claims) { c.IssuedAt = MaxIssuedAt }), nil},
		{"10000", with(func(c *Claims) { c.IssuedAt = MaxIssuedAt + 1 }), ErrIssuedAt},
		{"a buffer", with(func(c *Claims) { c.Buffer = bytes.Repeat([]byte{0xfb}, MaxBuffer) }), nil},
		{"a buffer too long", with(func(c *Claims) { c.Buffer = make([]byte, MaxBuffer+1) }), ErrBuffer},
		{"no user", with(func(c *Claims) { c.User = "" }), ErrUser},
	} {
		for _, v := range []vector{vectors(t)[0], vectors(t)[12]} {
			key := v.signing(t)
			userSig, err := Sign(c.claims, key)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Errorf("%s, %s: %v, want %v", c.name, v.Algorithm, err, c.want)
			}
			if err != nil {
				continue
			}
			now := time.Unix(c.claims.IssuedAt, 0)
			if got := Verify(userSig, c.claims.App, c.claims.User, now, []VerifyingKey{key.VerifyingKey()}); got != Valid {
				t.Errorf("%s, %s: %s, want valid", c.name, v.Algorithm, got)
			}
		}
	}
	if _, err := Sign(good, SigningKey{}); !errors.Is(err, ErrNoKey) {
		t.Errorf("Sign with a zero key: %v, want %v", err, ErrNoKey)
	}
}

func TestCheckUser(t *testing.T) {
	for user, good := range map[string]bool{
		"a": true, "administrator": true, "A-b_C-9": true, "_": true, "-": true, strings.Repeat("9", 32): true,
		"": false, strings.Repeat("9", 33): false, "a b": false, "a.b": false, "a\n": false, "a:b": false, "\x00": false,
		"\u00e9": false, "a\xff": false, "a@b": false, "a/b": false, "a[b": false, "a`b": false, "a{b": false,
	} {
		if err := CheckUser(user); (err == nil) != good {
			t.Errorf("CheckUser(%q) = %v, want good %t", user, err, good)
		}
	}
}

// TestSeveralKeys is an app that is moved from ECDSA to HMAC, and whose secret is then rotated.
func TestSeveralKeys(t *testing.T) {
	old, other := vectors(t)[12], vectors(t)[13]
	first, second := secretKey(t, testSecret), secretKey(t, strings.Repeat("ab", 32))
	claims := old.claims(t)
	byFirst, err := Sign(claims, first)
	if err != nil {
		t.Fatal(err)
	}
	bySecond, err := Sign(claims, second)
	if err != nil {
		t.Fatal(err)
	}
	pair, another := old.verifying(t), other.verifying(t)
	for _, c := range []struct {
		name                      string
		keys                      []VerifyingKey
		byPair, byFirst, bySecond Result
	}{
		{"ECDSA", []VerifyingKey{pair}, Valid, BadSignature, BadSignature},
		{"upgraded", []VerifyingKey{pair, first.VerifyingKey()}, Valid, Valid, BadSignature},
		{"rotated", []VerifyingKey{another, first.VerifyingKey(), second.VerifyingKey(), pair}, Valid, Valid, Valid},
		{"pair retired", []VerifyingKey{second.VerifyingKey(), first.VerifyingKey()}, BadSignature, Valid, Valid},
		{"first retired", []VerifyingKey{second.VerifyingKey()}, BadSignature, BadSignature, Valid},
	} {
		for i, s := range []struct {
			userSig string
			want    Result
		}{{old.UserSig, c.byPair}, {byFirst, c.byFirst}, {bySecond, c.bySecond}} {
			if got := Verify(s.userSig, old.App, old.User, time.Unix(old.IssuedAt, 0), c.keys); got != s.want {
				t.Errorf("%s, signature %d: %s, want %s", c.name, i, got, s.want)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	var keys []VerifyingKey
	for _, v := range vectors(f) {
		f.Add(v.UserSig, v.App, v.User)
		f.Add(deflated(f, inflate(f, v.UserSig), zlib.BestCompression), v.App, v.User)
		keys = append(keys, v.verifying(f))
	}
	f.Add("", uint64(0), "")
	now := time.Unix(vectors(f)[0].IssuedAt, 0)
	known := map[string]bool{}
	for _, v := range vectors(f) {
		known[fmt.Sprint(v.App, v.User)] = true
	}
	f.Fuzz(func(t *testing.T, userSig string, app uint64, user string) {
		got := Verify(userSig, app, user, now, keys)
		switch got {
		case Valid:
			if !known[fmt.Sprint(app, user)] {
				t.Errorf("valid for app %d and user %q, for whom none was made", app, user)
			}
		case Malformed, WrongApp, WrongUser, BadSignature, Expired:
		default:
			t.Errorf("%q is no result", got)
		}
	})
}

// FuzzDocument skips the envelope, which a fuzzer hardly gets through.
func FuzzDocument(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(inflate(f, v.UserSig))
	}
	f.Add([]byte(`{"TLS.ver":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > maxJSON {
			return
		}
		var b bytes.Buffer
		b.Write([]byte{0x78, 0x01, 0x01, byte(len(text)), byte(len(text) >> 8), ^byte(len(text)), ^byte(len(text) >> 8)})
		b.Write(text)
		sum := adler32.Checksum(text)
		b.Write([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
		d, ok := read(wrapped(b.Bytes()))
		if !ok {
			return
		}
		// What was read can be said again, and is the same.
		var again bytes.Buffer
		if err := d.pack(&again); err != nil {
			t.Fatal(err)
		}
		if d.buffer == "" {
			d.hasBuffer = false // it is left out
		}
		if got, ok := read(wrapped(again.Bytes())); !ok || got != d {
			t.Errorf("read again: %+v, %t, want %+v", got, ok, d)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	for name, v := range map[string]vector{"HMAC": vectors(b)[2], "ECDSA": vectors(b)[14]} {
		b.Run(name, func(b *testing.B) {
			claims, key := v.claims(b), v.signing(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Sign(claims, key); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for name, v := range map[string]vector{"HMAC": vectors(b)[2], "ECDSA": vectors(b)[14]} {
		b.Run(name, func(b *testing.B) {
			keys, now := []VerifyingKey{v.verifying(b)}, time.Unix(v.IssuedAt, 0)
			b.ReportAllocs()
			for b.Loop() {
				if got := Verify(v.UserSig, v.App, v.User, now, keys); got != Valid {
					b.Fatal(got)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verifications/s")
		})
	}
}
