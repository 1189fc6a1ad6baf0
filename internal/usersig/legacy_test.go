package usersig

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// TestLegacyLibraries reads a UserSig of each of the vendor's libraries of the legacy format: TLS.version differs or is
// absent.
func TestLegacyLibraries(t *testing.T) {
	text, err := os.ReadFile("testdata/legacy-key.pem")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ParsePrivateKey(string(text))
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open("testdata/legacy-sigs.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	keys, count := []VerifyingKey{key.VerifyingKey()}, 0
	issued := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	for lines := bufio.NewScanner(file); lines.Scan(); count++ {
		library, sig, _ := strings.Cut(lines.Text(), " ")
		for at, want := range map[time.Time]Result{
			issued: Valid, issued.Add(180 * 24 * time.Hour): Valid, issued.Add(180*24*time.Hour + time.Second): Expired,
		} {
			if got := Verify(sig, 1_300_000_777, "xiaojun", at, keys); got != want {
				t.Errorf("of %s at %s: %s, want %s", library, at, got, want)
			}
		}
		if got := Verify(sig, 1_300_000_777, "xiaojun2", issued, keys); got != WrongUser {
			t.Errorf("of %s for another user: %s", library, got)
		}
		if from, to, known := Validity(sig); from != issued.Unix() || to != from+180*24*60*60 || !known {
			t.Errorf("of %s: valid from %d to %d, %t", library, from, to, known)
		}
	}
	if count != 5 {
		t.Errorf("%d UserSigs, want 5", count)
	}
	if _, _, known := Validity("x"); known {
		t.Error("what is malformed says from when it is valid")
	}
}

// TestLegacySpellings signs what other libraries write: the lines take the values of the JSON, whose members are strings or
// numbers, and what is not signed decides nothing.
func TestLegacySpellings(t *testing.T) {
	v := vectors(t)[12]
	for _, c := range []struct {
		name string
		text string // "" for the lines of the vector
		json string // between the members that all have
		want Result
	}{
		{"as strings", "", `"TLS.account_type":"0","TLS.appid_at_3rd":"0","TLS.expire_after":"60","TLS.time":"1000","TLS.sdk_appid":"1400000001"`, Valid},
		{"as numbers", "", `"TLS.account_type":0,"TLS.appid_at_3rd":0,"TLS.expire_after":60,"TLS.time":1000,"TLS.sdk_appid":1400000001`, Valid},
		{"the vendor's Python", "TLS.appid_at_3rd:\nTLS.account_type:0\n", `"TLS.account_type":"0","TLS.appid_at_3rd":"","TLS.expire_after":"60","TLS.time":"1000","TLS.sdk_appid":"1400000001"`, Valid},
		{"an empty one that is signed as 0", "", `"TLS.account_type":"0","TLS.appid_at_3rd":"","TLS.expire_after":"60","TLS.time":"1000","TLS.sdk_appid":"1400000001"`, BadSignature},
		{"an id of the third party", "TLS.appid_at_3rd:1400000001\nTLS.account_type:169\n", `"TLS.account_type":"169","TLS.appid_at_3rd":"1400000001","TLS.expire_after":"60","TLS.time":"1000","TLS.sdk_appid":"1400000001"`, Valid},
		{"a name of the third party", "TLS.appid_at_3rd:wx-1\nTLS.account_type:\n", `"TLS.account_type":"","TLS.appid_at_3rd":"wx-1","TLS.expire_after":"60","TLS.time":"1000","TLS.sdk_appid":"1400000001"`, Valid},
		{"more that is not signed", "", `"TLS.ver":"2.0","TLS.version":null,"x":[1],"TLS.sdkappid":7,"TLS.account_type":"0","TLS.appid_at_3rd":"0","TLS.expire_after":"60","TLS.time":"1000","TLS.sdk_appid":"1400000001"`, Valid},
		{"a line in a value", "TLS.appid_at_3rd:0\nTLS.account_type:0\nTLS.account_type:0\n", `"TLS.account_type":"0","TLS.appid_at_3rd":"0\nTLS.account_type:0","TLS.expire_after":"60","TLS.time":"1000","TLS.sdk_appid":"1400000001"`, Malformed},
		{"an exponent", "", `"TLS.account_type":0,"TLS.appid_at_3rd":0,"TLS.expire_after":6e1,"TLS.time":1000,"TLS.sdk_appid":1400000001`, Malformed},
		{"a fraction", "", `"TLS.account_type":0.0,"TLS.appid_at_3rd":0,"TLS.expire_after":60,"TLS.time":1000,"TLS.sdk_appid":1400000001`, Malformed},
		{"a signed member is null", "", `"TLS.account_type":null,"TLS.appid_at_3rd":0,"TLS.expire_after":60,"TLS.time":1000,"TLS.sdk_appid":1400000001`, Malformed},
		{"a signed member is absent", "", `"TLS.appid_at_3rd":0,"TLS.expire_after":60,"TLS.time":1000,"TLS.sdk_appid":1400000001`, Malformed},
		{"a name twice", "", `"x":1,"x":1,"TLS.account_type":0,"TLS.appid_at_3rd":0,"TLS.expire_after":60,"TLS.time":1000,"TLS.sdk_appid":1400000001`, Malformed},
	} {
		for _, user := range []string{`"4711"`, `4711`} {
			head := c.text
			if head == "" {
				head = "TLS.appid_at_3rd:0\nTLS.account_type:0\n"
			}
			sum := sha256.Sum256([]byte(head + "TLS.identifier:4711\nTLS.sdk_appid:1400000001\nTLS.time:1000\nTLS.expire_after:60\n"))
			der, err := ecdsa.SignASN1(rand.Reader, v.signing(t).private, sum[:])
			if err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprintf(`{%s,"TLS.identifier":%s,"TLS.sig":%q}`, c.json, user, base64.StdEncoding.EncodeToString(der))
			got := Verify(deflated(t, []byte(text), 6), 1_400_000_001, "4711", time.Unix(1000, 0), []VerifyingKey{v.verifying(t)})
			if got != c.want {
				t.Errorf("%s, user %s: %s, want %s", c.name, user, got, c.want)
			}
		}
	}
}

// TestOtherCurves refuses keys of curves that the standard library does not know by their true reason. They were made with
// openssl ecparam -name secp256k1 -genkey, and -name prime256v1 -param_enc explicit.
func TestOtherCurves(t *testing.T) {
	for _, c := range []struct {
		file string
		want error
	}{
		{"secp256k1.pem", ErrSecp256k1}, {"secp256k1-pkcs8.pem", ErrSecp256k1}, {"secp256k1-public.pem", ErrSecp256k1},
		{"brainpool.pem", ErrCurve}, {"explicit.pem", ErrCurveWritten}, {"explicit-pkcs8.pem", ErrCurveWritten}, {"explicit-public.pem", ErrCurveWritten},
	} {
		text, err := os.ReadFile("testdata/curves/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(c.file, "public") {
			_, err = ParsePublicKey(string(text))
		} else {
			_, err = ParsePrivateKey(string(text))
		}
		if !errors.Is(err, c.want) || err.Error() != c.want.Error() {
			t.Errorf("%s: %v, want %v", c.file, err, c.want)
		}
	}
}
