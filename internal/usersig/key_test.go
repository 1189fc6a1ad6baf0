package usersig

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func block(t testing.TB, name string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: name, Bytes: der}))
}

func pkcs8(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return block(t, "PRIVATE KEY", der, err)
}

func pkix(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	return block(t, "PUBLIC KEY", der, err)
}

// keyTexts are keys of all kinds as people send them, with what is refused of them as a private and as a public key.
type keyText struct {
	name, text      string
	private, public error
}

func keyTexts(t testing.TB) []keyText {
	t.Helper()
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sec1DER, err := x509.MarshalECPrivateKey(p256)
	sec1 := block(t, "EC PRIVATE KEY", sec1DER, err)
	sec1P384DER, err := x509.MarshalECPrivateKey(p384)
	sec1P384 := block(t, "EC PRIVATE KEY", sec1P384DER, err)
	curve, err := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})
	parameters := block(t, "EC PARAMETERS", curve, err)
	public := pkix(t, &p256.PublicKey)
	encrypted := strings.Replace(sec1, "-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00112233445566778899AABBCCDDEEFF\n\n", 1)

	return []keyText{
		{"EC PRIVATE KEY", sec1, nil, ErrPublicBlock},
		{"after EC PARAMETERS", parameters + sec1, nil, ErrSeveralKeys},
		{"PKCS#8", pkcs8(t, p256), nil, ErrPublicBlock},
		{"PUBLIC KEY", public, ErrPrivateBlock, nil},
		{"spaces around it", "\n\n " + sec1 + "\n\n", nil, ErrPublicBlock},
		{"spaces around the public one", "\n\n " + public + "\n\n", ErrPrivateBlock, nil},
		{"line ends of Windows", strings.ReplaceAll(sec1, "\n", "\r\n"), nil, ErrPublicBlock},
		{"EC PARAMETERS before PKCS#8", parameters + pkcs8(t, p256), nil, ErrSeveralKeys},
		{"EC PARAMETERS before a public key", parameters + public, ErrPrivateBlock, ErrSeveralKeys},
		{"EC PARAMETERS twice", parameters + parameters + sec1, ErrSeveralKeys, ErrSeveralKeys},
		{"EC PARAMETERS alone", parameters, ErrNotPEM, ErrPublicBlock},
		{"P-384", sec1P384, ErrCurve, ErrPublicBlock},
		{"P-384 in PKCS#8", pkcs8(t, p384), ErrCurve, ErrPublicBlock},
		{"public P-384", pkix(t, &p384.PublicKey), ErrPrivateBlock, ErrCurve},
		{"RSA in PKCS#8", pkcs8(t, rsaKey), ErrCurve, ErrPublicBlock},
		{"RSA PRIVATE KEY", block(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey), nil), ErrPrivateBlock, ErrPublicBlock},
		{"public RSA", pkix(t, &rsaKey.PublicKey), ErrPrivateBlock, ErrCurve},
		{"Ed25519", pkcs8(t, edPrivate), ErrCurve, ErrPublicBlock},
		{"public Ed25519", pkix(t, edPublic), ErrPrivateBlock, ErrCurve},
		{"ENCRYPTED PRIVATE KEY", block(t, "ENCRYPTED PRIVATE KEY", []byte{0x30, 0}, nil), ErrEncryptedKey, ErrPublicBlock},
		{"encrypted in the old way", encrypted, ErrEncryptedKey, ErrEncryptedKey},
		{"CERTIFICATE", block(t, "CERTIFICATE", []byte{0x30, 0}, nil), ErrPrivateBlock, ErrPublicBlock},
		{"EC PRIVATE KEY called PRIVATE KEY", block(t, "PRIVATE KEY", sec1DER, nil), ErrKeyContent, ErrPublicBlock},
		{"cut", sec1[:len(sec1)/2], ErrNotPEM, ErrNotPEM},
		{"a byte of the content missing", block(t, "EC PRIVATE KEY", sec1DER[:len(sec1DER)-1], nil), ErrKeyContent, ErrPublicBlock},
		{"empty content", block(t, "PUBLIC KEY", nil, nil), ErrPrivateBlock, ErrKeyContent},
		{"two keys", sec1 + sec1, ErrSeveralKeys, ErrSeveralKeys},
		{"two public keys", public + public, ErrSeveralKeys, ErrSeveralKeys},
		{"text after it", sec1 + "x", ErrSeveralKeys, ErrSeveralKeys},
		{"text before it", "x\n" + sec1, ErrNotPEM, ErrNotPEM},
		{"a broken block before it", "-----BEGIN X-----\n!\n-----END X-----\n" + sec1, ErrNotPEM, ErrNotPEM},
		{"DER", string(sec1DER), ErrNotPEM, ErrNotPEM},
		{"a secret", testSecret, ErrNotPEM, ErrNotPEM},
		{"empty", "", ErrNotPEM, ErrNotPEM},
		{"too long", sec1 + strings.Repeat("\n", maxPEM), ErrKeyTooLong, ErrKeyTooLong},
	}
}

func TestKeys(t *testing.T) {
	for _, c := range keyTexts(t) {
		private, err := ParsePrivateKey(c.text)
		if !errors.Is(err, c.private) || (err == nil) != (c.private == nil) {
			t.Errorf("%s as a private key: %v, want %v", c.name, err, c.private)
		}
		if want := map[bool]Algorithm{true: ECDSA}[err == nil]; private.Algorithm() != want {
			t.Errorf("%s as a private key: algorithm %q, want %q", c.name, private.Algorithm(), want)
		}
		public, err := ParsePublicKey(c.text)
		if !errors.Is(err, c.public) || (err == nil) != (c.public == nil) {
			t.Errorf("%s as a public key: %v, want %v", c.name, err, c.public)
		}
		if want := map[bool]Algorithm{true: ECDSA}[err == nil]; public.Algorithm() != want {
			t.Errorf("%s as a public key: algorithm %q, want %q", c.name, public.Algorithm(), want)
		}
	}
}

func TestSecrets(t *testing.T) {
	for secret, good := range map[string]bool{
		testSecret: true, strings.ToUpper(testSecret): true,
		"": false, testSecret[1:]: false, testSecret + "0": false, testSecret[1:] + "g": false, testSecret[1:] + " ": false,
	} {
		if _, err := ParseSecret(secret); (err == nil) != good || (err != nil && !errors.Is(err, ErrSecret)) {
			t.Errorf("ParseSecret(%q): %v, want good %t", secret, err, good)
		}
	}
	// The key is the characters: another case is another key.
	lower, upper := secretKey(t, testSecret), secretKey(t, strings.ToUpper(testSecret))
	if bytes.Equal(lower.secret, upper.secret) {
		t.Error("upper and lower case give the same key")
	}
}

func TestNewKeys(t *testing.T) {
	secret, err := NewHMACSecret(bytes.NewReader(bytes.Repeat([]byte{0xa5}, 32)))
	if want := strings.Repeat("a5", 32); err != nil || secret != want {
		t.Errorf("NewHMACSecret = %q, %v, want %q", secret, err, want)
	}
	if _, err := NewHMACSecret(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("NewHMACSecret is content with 31 random bytes")
	}

	first, public, err := NewECDSAKey(bytes.NewReader(bytes.Repeat([]byte{0xa5}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := NewECDSAKey(bytes.NewReader(bytes.Repeat([]byte{0xa5}, 32)))
	if err != nil || again != first {
		t.Errorf("the same random bytes gave another key, error %v", err)
	}
	key, err := ParsePrivateKey(first)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := key.PublicPEM(); err != nil || got != public {
		t.Errorf("PublicPEM = %q, %v, want %q", got, err, public)
	}
	parsed, err := ParsePublicKey(public)
	if err != nil || !parsed.public.Equal(&key.private.PublicKey) {
		t.Errorf("the public key is not that of the private one, error %v", err)
	}
	for name, random := range map[string][]byte{
		"zeroes": make([]byte, 1000), "ones": bytes.Repeat([]byte{0xff}, 1000), "too few": make([]byte, 31),
	} {
		if _, _, err := NewECDSAKey(bytes.NewReader(random)); err == nil {
			t.Errorf("NewECDSAKey makes a key of %s", name)
		}
	}
	if _, err := secretKey(t, testSecret).PublicPEM(); !errors.Is(err, ErrNoKey) {
		t.Errorf("PublicPEM of a secret: %v, want %v", err, ErrNoKey)
	}
}

// TestNothingPrinted prints keys in every way that a log or an error might.
func TestNothingPrinted(t *testing.T) {
	hmacKey, pair := secretKey(t, testSecret), vectors(t)[12].signing(t)
	scalar, err := pair.private.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		for _, value := range []any{
			hmacKey, &hmacKey, []SigningKey{hmacKey}, hmacKey.VerifyingKey(), struct{ Key SigningKey }{hmacKey},
			pair, &pair, []SigningKey{pair}, pair.VerifyingKey(),
		} {
			got := strings.ToLower(fmt.Sprintf(verb, value))
			for _, secret := range []string{testSecret[:16], fmt.Sprintf("%x", testSecret[:8]), fmt.Sprintf("%x", scalar[:8])} {
				if strings.Contains(got, secret) {
					t.Errorf("%s of a %T prints the key", verb, value)
				}
			}
		}
	}
	if got := fmt.Sprint(hmacKey); got != "signing key (HMAC-SHA256)" {
		t.Errorf("a key prints as %q", got)
	}
}

func FuzzPEM(f *testing.F) {
	for _, c := range keyTexts(f) {
		f.Add(c.text)
	}
	for _, v := range vectors(f) {
		f.Add(v.Key)
		f.Add(v.PublicKey)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := ParsePrivateKey(text); err == nil {
			public, err := key.PublicPEM()
			if err != nil {
				t.Fatal(err)
			}
			if parsed, err := ParsePublicKey(public); err != nil || !parsed.public.Equal(&key.private.PublicKey) {
				t.Errorf("the public key of what was read cannot be read: %v", err)
			}
			if _, err := Sign(Claims{App: 1, User: "a", Lifetime: 1}, key); err != nil {
				t.Errorf("what was read cannot sign: %v", err)
			}
		}
		if key, err := ParsePublicKey(text); err == nil && key.Algorithm() != ECDSA {
			t.Errorf("algorithm %q", key.Algorithm())
		}
	})
}
