package usersig

import (
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// vector is a UserSig that the vendor's own library made, with a key that is for tests only.
type vector struct {
	Algorithm Algorithm `json:"algorithm"`
	App       uint64    `json:"sdkappid"`
	User      string    `json:"user_id"`
	IssuedAt  int64     `json:"issued_at"`
	Lifetime  int64     `json:"expire_seconds"`
	Key       string    `json:"key"`
	PublicKey string    `json:"public_key"`
	BufferHex string    `json:"user_buf_hex"`
	UserSig   string    `json:"user_sig"`
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) != 24 {
		t.Fatalf("%d vectors, want 24", len(all))
	}
	return all
}

func (v vector) claims(t testing.TB) Claims {
	t.Helper()
	buffer, err := hex.DecodeString(v.BufferHex)
	if err != nil {
		t.Fatal(err)
	}
	return Claims{App: v.App, User: v.User, IssuedAt: v.IssuedAt, Lifetime: v.Lifetime, Buffer: buffer}
}

func (v vector) signing(t testing.TB) SigningKey {
	t.Helper()
	parse := ParsePrivateKey
	if v.Algorithm == HMAC {
		parse = ParseSecret
	}
	key, err := parse(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	if key.Algorithm() != v.Algorithm {
		t.Fatalf("the key is for %s, want %s", key.Algorithm(), v.Algorithm)
	}
	return key
}

// verifying is the key from what the owner of an app has: for ECDSA the public key alone.
func (v vector) verifying(t testing.TB) VerifyingKey {
	t.Helper()
	if v.Algorithm == HMAC {
		return v.signing(t).VerifyingKey()
	}
	key, err := ParsePublicKey(v.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// last is the last moment at which the vector is valid.
func (v vector) last() time.Time { return time.Unix(v.IssuedAt+v.Lifetime, 999_999_999) }

// each runs a test for every vector.
func each(t *testing.T, run func(t *testing.T, v vector)) {
	for i, v := range vectors(t) {
		t.Run(fmt.Sprintf("%02d-%s", i, v.Algorithm), func(t *testing.T) { run(t, v) })
	}
}

func TestVectors(t *testing.T) {
	each(t, func(t *testing.T, v vector) {
		keys := []VerifyingKey{v.verifying(t)}
		issued := time.Unix(v.IssuedAt, 0)
		for _, c := range []struct {
			name string
			app  uint64
			user string
			now  time.Time
			keys []VerifyingKey
			want Result
		}{
			{"when it is issued", v.App, v.User, issued, keys, Valid},
			{"by a clock that is behind", v.App, v.User, issued.Add(-time.Hour), keys, Valid},
			{"in its last nanosecond", v.App, v.User, v.last(), keys, Valid},
			{"after it", v.App, v.User, v.last().Add(time.Nanosecond), keys, Expired},
			{"years after it", v.App, v.User, issued.AddDate(60, 0, 0), keys, Expired},
			{"another app", v.App + 1, v.User, issued, keys, WrongApp},
			{"another user", v.App, "eve", issued, keys, WrongUser},
			{"the user in another case", v.App, strings.ToUpper(v.User) + "X", issued, keys, WrongUser},
			{"no key", v.App, v.User, issued, nil, BadSignature},
			{"a zero key", v.App, v.User, issued, []VerifyingKey{{}}, BadSignature},
			// The first reason of several.
			{"another app, user and key, too late", v.App + 1, "eve", v.last().Add(time.Hour), nil, WrongApp},
			{"another user and key, too late", v.App, "eve", v.last().Add(time.Hour), nil, WrongUser},
			{"another key, too late", v.App, v.User, v.last().Add(time.Hour), nil, BadSignature},
		} {
			if got := Verify(v.UserSig, c.app, c.user, c.now, c.keys); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		}
	})
}

// TestVectorsTampered changes each byte of each vector: nothing of it may come out valid for anything else.
func TestVectorsTampered(t *testing.T) {
	each(t, func(t *testing.T, v vector) {
		keys, issued := []VerifyingKey{v.verifying(t)}, time.Unix(v.IssuedAt, 0)
		for i := range len(v.UserSig) {
			for _, c := range []byte("Ab9*-_+/=\n\x00") {
				changed := v.UserSig[:i] + string(c) + v.UserSig[i+1:]
				if changed == v.UserSig {
					continue
				}
				got := Verify(changed, v.App, v.User, issued, keys)
				// Of the compressed form some bits mean nothing; the content is then the same.
				if got == Valid && !bytes.Equal(inflate(t, changed), inflate(t, v.UserSig)) {
					t.Errorf("valid with character %d changed to %q", i, c)
				}
			}
			if got := Verify(v.UserSig[:i], v.App, v.User, issued, keys); got != Malformed {
				t.Errorf("%s when cut to %d characters, want malformed", got, i)
			}
		}
	})
}

// TestContentTampered changes single values of the JSON, which is then packed again.
func TestContentTampered(t *testing.T) {
	each(t, func(t *testing.T, v vector) {
		keys, issued := []VerifyingKey{v.verifying(t)}, time.Unix(v.IssuedAt, 0)
		names := map[string]Result{
			"TLS.ver": Malformed, "TLS.identifier": WrongUser, "TLS.sdkappid": WrongApp,
			"TLS.time": BadSignature, "TLS.expire": BadSignature, "TLS.sig": BadSignature,
		}
		if v.Algorithm == ECDSA {
			names = map[string]Result{
				"TLS.version": Valid, "TLS.identifier": WrongUser, "TLS.sdk_appid": WrongApp,
				"TLS.time": BadSignature, "TLS.expire_after": BadSignature, "TLS.sig": BadSignature,
				"TLS.account_type": BadSignature, "TLS.appid_at_3rd": BadSignature,
			}
		}
		if v.BufferHex != "" {
			names["TLS.userbuf"] = BadSignature
		}
		content := contentOf(t, v.UserSig)
		if len(content) != len(names) {
			t.Fatalf("%d members, want %d", len(content), len(names))
		}
		for name, want := range names {
			changed := contentOf(t, v.UserSig)
			changed[name] = other(t, name, content[name])
			if got := Verify(packed(t, changed), v.App, v.User, issued, keys); got != want {
				t.Errorf("%s changed: %s, want %s", name, got, want)
			}
			delete(changed, name)
			notSigned := name == "TLS.version"
			want := Malformed
			switch {
			case name == "TLS.userbuf":
				want = BadSignature // it is optional, and signed where it is
			case notSigned:
				want = Valid
			}
			if got := Verify(packed(t, changed), v.App, v.User, issued, keys); got != want {
				t.Errorf("%s missing: %s, want %s", name, got, want)
			}
			for _, wrong := range []any{nil, true, []any{}, map[string]any{}} {
				changed[name] = wrong
				if got := Verify(packed(t, changed), v.App, v.User, issued, keys); got != Malformed && !notSigned || got != Valid && notSigned {
					t.Errorf("%s is %v: %s", name, wrong, got)
				}
			}
			// Text in place of a number, and the other way round. Of the legacy format libraries write either.
			wanted := Malformed
			if text, is := content[name].(string); is {
				changed[name] = json.Number("7")
				switch n := json.Number(text); {
				case isNumber(n):
					changed[name] = n
					if v.Algorithm == ECDSA {
						wanted = Valid
					}
				case name == "TLS.identifier" && v.Algorithm == ECDSA:
					wanted = WrongUser
				}
			} else {
				changed[name] = content[name].(json.Number).String()
			}
			if got := Verify(packed(t, changed), v.App, v.User, issued, keys); got != wanted {
				t.Errorf("%s of another type: %s, want %s", name, got, wanted)
			}
		}
		if v.BufferHex == "" {
			content["TLS.userbuf"] = "AAAA"
			if got := Verify(packed(t, content), v.App, v.User, issued, keys); got != BadSignature {
				t.Errorf("a buffer added: %s, want bad_signature", got)
			}
		}
	})
}

// TestSignedAsTheVendorDoes makes the vectors anew. HMAC gives the same content; each ECDSA signature is another.
func TestSignedAsTheVendorDoes(t *testing.T) {
	each(t, func(t *testing.T, v vector) {
		made, err := Sign(v.claims(t), v.signing(t))
		if err != nil {
			t.Fatal(err)
		}
		again, err := Sign(v.claims(t), v.signing(t))
		if err != nil || again != made {
			t.Errorf("signing again gave another text, error %v", err)
		}
		got, want := contentOf(t, made), contentOf(t, v.UserSig)
		if v.Algorithm == ECDSA {
			delete(got, "TLS.sig")
			delete(want, "TLS.sig")
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("content\n  got  %v\n  want %v", got, want)
		}
		checkApart(t, made, v)
		for _, keys := range [][]VerifyingKey{{v.verifying(t)}, {v.signing(t).VerifyingKey()}} {
			if got := Verify(made, v.App, v.User, time.Unix(v.IssuedAt, 0), keys); got != Valid {
				t.Errorf("%s, want valid", got)
			}
		}
	})
}

// checkApart verifies a UserSig by the description of the format alone, sharing no code with the package.
func checkApart(t *testing.T, userSig string, v vector) {
	t.Helper()
	content := contentOf(t, userSig)
	buffer, err := hex.DecodeString(v.BufferHex)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.StdEncoding.DecodeString(content["TLS.sig"].(string))
	if err != nil {
		t.Fatal(err)
	}
	var text string
	if v.Algorithm == HMAC {
		text = fmt.Sprintf("TLS.identifier:%s\nTLS.sdkappid:%d\nTLS.time:%d\nTLS.expire:%d\n", v.User, v.App, v.IssuedAt, v.Lifetime)
	} else {
		text = fmt.Sprintf("TLS.appid_at_3rd:0\nTLS.account_type:0\nTLS.identifier:%s\nTLS.sdk_appid:%d\nTLS.time:%d\nTLS.expire_after:%d\n",
			v.User, v.App, v.IssuedAt, v.Lifetime)
	}
	if len(buffer) > 0 {
		text += "TLS.userbuf:" + base64.StdEncoding.EncodeToString(buffer) + "\n"
	}
	if v.Algorithm == HMAC {
		mac := hmac.New(sha256.New, []byte(v.Key))
		io.WriteString(mac, text)
		if !bytes.Equal(mac.Sum(nil), signature) {
			t.Error("the HMAC is not that of the signed text")
		}
		return
	}
	sum := sha256.Sum256([]byte(text))
	if !ecdsa.VerifyASN1(v.verifying(t).public, sum[:], signature) {
		t.Error("the ECDSA signature is not that of the signed text")
	}
}

// plain writes a UserSig's base64 as standard base64.
var plain = strings.NewReplacer("*", "+", "-", "/", "_", "=")

func inflate(t testing.TB, userSig string) []byte {
	t.Helper()
	compressed, err := base64.StdEncoding.DecodeString(plain.Replace(userSig))
	if err != nil {
		t.Fatal(err)
	}
	r, err := zlib.NewReader(bytes.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func contentOf(t testing.TB, userSig string) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(inflate(t, userSig)))
	d.UseNumber()
	var content map[string]any
	if err := d.Decode(&content); err != nil {
		t.Fatal(err)
	}
	return content
}

// deflated packs a text as a UserSig.
func deflated(t testing.TB, text []byte, level int) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(text)
	w.Close()
	return wrapped(b.Bytes())
}

func wrapped(compressed []byte) string {
	return strings.NewReplacer("+", "*", "/", "-", "=", "_").Replace(base64.StdEncoding.EncodeToString(compressed))
}

func packed(t testing.TB, content map[string]any) string {
	t.Helper()
	text, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	return deflated(t, text, zlib.DefaultCompression)
}

func isNumber(n json.Number) bool {
	_, err := strconv.ParseInt(n.String(), 10, 64)
	return err == nil
}

// other is another value that the member could have.
func other(t testing.TB, name string, value any) any {
	t.Helper()
	text := fmt.Sprint(value)
	first := "1"
	switch {
	case text[0] == '1':
		first = "2"
	case name == "TLS.sig" || name == "TLS.userbuf":
		first = "Z"
		if text[0] == 'Z' {
			first = "Y"
		}
	}
	if _, is := value.(string); is {
		return first + text[1:]
	}
	return json.Number(first + text[1:])
}
