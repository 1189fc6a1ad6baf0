package pushcert

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"software.sslmate.com/src/go-pkcs12"
)

// parseP12 sends a file with its password, for production.
func parseP12(t testing.TB, file []byte, password string, now time.Time) (Parsed, []string) {
	t.Helper()
	sent := map[string]any{"environment": "production", "p12": b64(file), "password": password}
	p, err := Parse("apns_p12", fields(sent), now)
	return p, wrongs(t, err)
}

// TestFilesOfOthers reads what openssl and Java's keytool write: RC2 and 3DES with SHA-1, AES-256 with SHA-256, and a
// file whose parts are not encrypted at all. The password of all is "secret"; they hold test keys only.
func TestFilesOfOthers(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		file, password string
		want           []string
	}{
		{"openssl-legacy.p12", "secret", nil},
		{"openssl-modern.p12", "secret", nil},
		{"openssl-clear.p12", "secret", nil},
		{"keytool.p12", "secret", nil},
		{"openssl-nokey.p12", "secret", []string{"p12 p12_no_private_key"}},
		{"openssl-legacy.p12", "Secret", []string{"password wrong_password"}},
		{"openssl-modern.p12", "secret ", []string{"password wrong_password"}},
		{"openssl-clear.p12", "x", []string{"password wrong_password"}},
		{"keytool.p12", "x", []string{"password wrong_password"}},
	} {
		file, err := os.ReadFile(filepath.Join("testdata", c.file))
		if err != nil {
			t.Fatal(err)
		}
		got, wrong := parseP12(t, file, c.password, now)
		if !slices.Equal(wrong, c.want) {
			t.Errorf("%s with %q: %q, want %q", c.file, c.password, wrong, c.want)
		}
		if wrong == nil && (got.Public["bundle_id"] != "com.example.chat" || got.Public["not_after"] != "2046-11-21T20:04:42.000Z") {
			t.Errorf("%s: %v", c.file, got.Public)
		}
	}
}

func TestEncoders(t *testing.T) {
	push := pushFor(oidPushProduction)
	for name, encoder := range map[string]*pkcs12.Encoder{
		"RC2": pkcs12.LegacyRC2, "3DES": pkcs12.LegacyDES, "AES": pkcs12.Modern2023, "PBMAC1": pkcs12.Modern2026,
		"the most iterations": pkcs12.Modern2023.WithIterations(maxIterations),
	} {
		for _, password := range []string{"secret", "\u5bc6\u7801", strings.Repeat("x", 128)} {
			file := must(encoder.Encode(push.key, push.make(), nil, password))
			if _, wrong := parseP12(t, file, password, noon); wrong != nil {
				t.Errorf("%s: %q, want accepted", name, wrong)
			}
			if name != "the most iterations" {
				continue
			}
			break
		}
	}
	passwordless := must(pkcs12.Passwordless.Encode(push.key, push.make(), nil, ""))
	if _, wrong := parseP12(t, passwordless, "x", noon); !slices.Equal(wrong, []string{"p12 p12_unprotected"}) {
		t.Errorf("without a password: %q", wrong)
	}
	if _, wrong := parseP12(t, must(pkcs12.Modern2023.Encode(push.key, push.make(), nil, "")), "", noon); !slices.Equal(wrong, []string{"password empty"}) {
		t.Errorf("with an empty password: %q", wrong)
	}
	if _, wrong := parseP12(t, push.p12(), "\U0001f511", noon); !slices.Equal(wrong, []string{"password invalid_format"}) {
		t.Errorf("with a key as password: %q", wrong)
	}
}

// TestCertificates looks at what is in the file.
func TestCertificates(t *testing.T) {
	with := func(change func(*certificate)) certificate {
		c := pushFor(oidPushProduction)
		change(&c)
		return c
	}
	p384 := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	for _, c := range []struct {
		name        string
		certificate certificate
		environment string
		want        []string
		warnings    []string
		public      map[string]string
	}{
		{name: "production", certificate: pushFor(oidPushProduction), environment: "production"},
		{name: "production for development", certificate: pushFor(oidPushProduction), environment: "development", want: []string{"environment environment_mismatch"}},
		{name: "development", certificate: pushFor(oidPushDevelopment), environment: "development", public: map[string]string{"certificate_environments": "development"}},
		{name: "development for production", certificate: pushFor(oidPushDevelopment), environment: "production", want: []string{"environment environment_mismatch"}},
		{name: "both", certificate: pushFor(oidPushDevelopment, oidPushProduction), environment: "development",
			public: map[string]string{"certificate_environments": "production,development", "environment": "development"}},
		{name: "both for production", certificate: pushFor(oidPushDevelopment, oidPushProduction), environment: "production"},
		{name: "an environment that is none", certificate: pushFor(oidPushProduction), environment: "sandbox", want: []string{"environment not_a_choice"}},
		{name: "no push", certificate: pushFor(), environment: "production", want: []string{"p12 not_push_certificate"}},
		{name: "only topics", certificate: pushFor(asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 6}), environment: "production", want: []string{"p12 not_push_certificate"}},
		{name: "no user id", certificate: with(func(c *certificate) { c.uid = "" }), environment: "production", public: map[string]string{"bundle_id": "com.example.chat"}},
		{name: "user id and common name differ", certificate: with(func(c *certificate) { c.uid = "com.example.other" }), environment: "production", public: map[string]string{"bundle_id": "com.example.other"}},
		{name: "no bundle id at all", certificate: with(func(c *certificate) { c.uid, c.cn = "", "Apple Push Services" }), environment: "production", want: []string{"p12 not_push_certificate"}},
		{name: "a user id that is none", certificate: with(func(c *certificate) { c.uid = "com example" }), environment: "production", want: []string{"p12 not_push_certificate"}},

		{name: "expires this second", certificate: with(func(c *certificate) { c.to = noon }), environment: "production", want: []string{"p12 certificate_expired"}},
		{name: "expired", certificate: with(func(c *certificate) { c.to = noon.AddDate(0, -1, 0) }), environment: "production", want: []string{"p12 certificate_expired"}},
		{name: "expired and for the other environment", certificate: with(func(c *certificate) { c.to = noon }), environment: "development",
			want: []string{"environment environment_mismatch", "p12 certificate_expired"}},
		{name: "expires next second", certificate: with(func(c *certificate) { c.to = noon.Add(time.Second) }), environment: "production", warnings: []string{"not_after expires_soon"}},
		{name: "expires in 30 days", certificate: with(func(c *certificate) { c.to = noon.AddDate(0, 0, 30) }), environment: "production", warnings: []string{"not_after expires_soon"},
			public: map[string]string{"not_after": "2027-02-14T12:00:00.000Z"}},
		{name: "expires in 30 days and a second", certificate: with(func(c *certificate) { c.to = noon.AddDate(0, 0, 30).Add(time.Second) }), environment: "production"},
		{name: "valid from now on", certificate: with(func(c *certificate) { c.from = noon }), environment: "production"},
		{name: "valid from the next second on", certificate: with(func(c *certificate) { c.from = noon.Add(time.Second) }), environment: "production", warnings: []string{"not_before not_yet_valid"}},

		{name: "EC P-256", certificate: with(func(c *certificate) { c.key = ecKey() }), environment: "production"},
		{name: "EC P-384", certificate: with(func(c *certificate) { c.key = p384 }), environment: "production", want: []string{"p12 p12_unsupported_key"}},
	} {
		sent := map[string]any{"environment": c.environment, "p12": b64(c.certificate.p12()), "password": "secret"}
		got, err := Parse("apns_p12", fields(sent), noon)
		if wrong := wrongs(t, err); !slices.Equal(wrong, c.want) {
			t.Errorf("%s: %q, want %q", c.name, wrong, c.want)
		}
		if warnings := notices(t, Warnings(got.Platform, got.Public, false, noon), WarningCodes()); !slices.Equal(warnings, c.warnings) {
			t.Errorf("%s: warnings %q, want %q", c.name, warnings, c.warnings)
		}
		for field, want := range c.public {
			if got.Public[field] != want {
				t.Errorf("%s: %s is %q, want %q", c.name, field, got.Public[field], want)
			}
		}
	}
}

func TestChains(t *testing.T) {
	push, other := pushFor(oidPushProduction), pushFor()
	other.key = otherRSA()
	for name, c := range map[string]struct {
		file []byte
		want []string
	}{
		"the issuer after it":  {must(pkcs12.Modern2023.Encode(push.key, push.make(), []*x509.Certificate{other.make()}, "secret")), nil},
		"the issuer before it": {must(pkcs12.Modern2023.Encode(push.key, other.make(), []*x509.Certificate{push.make()}, "secret")), nil},
		"another's key":        {must(pkcs12.Modern2023.Encode(other.key, push.make(), nil, "secret")), []string{"p12 p12_key_mismatch"}},
		"certificates alone": {must(pkcs12.Modern2023.EncodeTrustStore([]*x509.Certificate{push.make()}, "secret")),
			[]string{"p12 p12_no_private_key"}},
	} {
		if _, wrong := parseP12(t, c.file, "secret", noon); !slices.Equal(wrong, c.want) {
			t.Errorf("%s: %q, want %q", name, wrong, c.want)
		}
	}
}

// TestDamaged sends what is no whole p12 file.
func TestDamaged(t *testing.T) {
	file := pushFor(oidPushProduction).p12()
	for n := range len(file) {
		if _, wrong := parseP12(t, file[:n], "secret", noon); n > 0 && !slices.Equal(wrong, []string{"p12 p12_unreadable"}) {
			t.Fatalf("cut to %d bytes: %q", n, wrong)
		}
	}
	if _, wrong := parseP12(t, append(bytes.Clone(file), 0), "secret", noon); !slices.Equal(wrong, []string{"p12 p12_unreadable"}) {
		t.Errorf("with a byte after it: %q", wrong)
	}
	if _, wrong := parseP12(t, p8(rsaKey()), "secret", noon); !slices.Equal(wrong, []string{"p12 p12_unreadable"}) {
		t.Errorf("a PEM file: %q", wrong)
	}
	if _, wrong := parseP12(t, pushFor(oidPushProduction).make().Raw, "secret", noon); !slices.Equal(wrong, []string{"p12 p12_unreadable"}) {
		t.Errorf("a certificate: %q", wrong)
	}
	// One changed byte in the content is found by the MAC, if not before.
	for i := 0; i < len(file); i += 13 {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		if _, wrong := parseP12(t, changed, "secret", noon); len(wrong) != 1 {
			t.Errorf("byte %d changed: %q, want one thing wrong", i, wrong)
		}
	}
}

// hostile is a p12 file that is made part by part, with a MAC that is right.
type hostile struct {
	parts         []p12Content
	macIterations int // as stated; the MAC is made with one
	ber           bool
}

func (h hostile) file() []byte {
	var w writer
	safe := w.der(h.parts)
	if h.ber {
		safe = indefinite(safe)
	}
	pfx := p12PFX{Version: 3, AuthSafe: p12Content{Type: oidData, Content: explicit(w.der(safe))}}
	pfx.Mac = p12Mac{Salt: []byte("salt"), Iterations: max(1, h.macIterations)}
	pfx.Mac.Digest.Algorithm.Algorithm = macDigests[1]

	// RFC 7292, B.2, for one iteration and as many bytes as the hash gives.
	var pass []byte
	for _, c := range append(utf16.Encode([]rune("secret")), 0) {
		pass = append(pass, byte(c>>8), byte(c))
	}
	fill := func(b []byte) []byte { return bytes.Repeat(b, 64)[:64*((len(b)+63)/64)] }
	key := sha256.Sum256(slices.Concat(bytes.Repeat([]byte{3}, 64), fill(pfx.Mac.Salt), fill(pass)))
	mac := hmac.New(sha256.New, key[:])
	mac.Write(safe)
	pfx.Mac.Digest.Digest = mac.Sum(nil)
	out := w.der(pfx)
	if w.err != nil {
		panic(w.err)
	}
	if h.ber {
		out = indefinite(out)
	}
	return out
}

// clear is a part that is not encrypted.
func (w *writer) clear(bags ...p12Bag) p12Content { return w.clearOf(w.der(bags)) }

func (w *writer) clearOf(bags []byte) p12Content {
	return p12Content{Type: oidData, Content: explicit(w.der(bags))}
}

// pbes2 encrypts with AES-256; the iterations are those stated, and it is done with at most 10.
func (w *writer) pbes2(plain []byte, iterations int) (pkix.AlgorithmIdentifier, []byte) {
	key := must(pbkdf2.Key(sha256.New, "secret", []byte("salt"), min(iterations, 10), 32))
	padding := aes.BlockSize - len(plain)%aes.BlockSize
	padded := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(padding)}, padding)...)
	iv := make([]byte, aes.BlockSize)
	cipher.NewCBCEncrypter(must(aes.NewCipher(key)), iv).CryptBlocks(padded, padded)
	return w.algorithm(oidPBES2, pbes2Parameters{
		Derivation: w.algorithm(oidPBKDF2, pbkdf2Parameters{
			Salt: asn1.RawValue{FullBytes: w.der([]byte("salt"))}, Iterations: iterations,
			Function: pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256},
		}),
		Second: w.algorithm(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}, iv),
	}), padded
}

// hidden is a part that is encrypted.
func (w *writer) hidden(iterations int, bags ...p12Bag) p12Content {
	return w.hiddenOf(iterations, w.der(bags))
}

func (w *writer) hiddenOf(iterations int, bags []byte) p12Content {
	var e p12Encrypted
	e.Content.Type = oidData
	e.Content.Algorithm, e.Content.Content = w.pbes2(bags, iterations)
	return p12Content{Type: oidEncryptedData, Content: explicit(w.der(e))}
}

// key is a bag with an encrypted private key.
func (w *writer) key(pkcs8 []byte, iterations int) p12Bag {
	var k p12ShroudedKey
	k.Algorithm, k.Content = w.pbes2(pkcs8, iterations)
	return p12Bag{Type: oidShroudedKey, Value: explicit(w.der(k))}
}

// cert is a bag with a certificate.
func (w *writer) cert(c *x509.Certificate) p12Bag {
	return p12Bag{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 3}, Value: explicit(w.der(struct {
		Type asn1.ObjectIdentifier
		Data []byte `asn1:"tag:0,explicit"`
	}{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}, c.Raw}))}
}

// TestHostileFiles asks for work without end at each place where a file can, and must be refused at once.
func TestHostileFiles(t *testing.T) {
	const endless = 1<<31 - 1
	push := pushFor(oidPushProduction)
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(push.key))
	var w writer
	key, cert := w.key(pkcs8, 2), w.cert(push.make())
	bare := p12Bag{Type: oidKeyBag, Value: explicit(pkcs8)}
	legacy := func(iterations int) p12Content {
		var e p12Encrypted
		e.Content.Type = oidData
		e.Content.Algorithm = w.algorithm(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 6}, pbeParameters{[]byte("salt"), iterations})
		e.Content.Content = make([]byte, 64)
		return p12Content{Type: oidEncryptedData, Content: explicit(w.der(e))}
	}
	for _, c := range []struct {
		name string
		file hostile
		want []string
	}{
		{"none of it", hostile{parts: []p12Content{w.hidden(2, cert), w.clear(key)}}, nil},
		{"the key first", hostile{parts: []p12Content{w.clear(key), w.hidden(2, cert)}}, nil},
		{"one part in the clear", hostile{parts: []p12Content{w.clear(key, cert)}}, nil},
		{"a key that is not encrypted", hostile{parts: []p12Content{w.clear(bare), w.hidden(2, cert)}}, nil},
		{"the MAC", hostile{parts: []p12Content{w.hidden(2, cert), w.clear(key)}, macIterations: endless}, []string{"p12 p12_too_costly"}},
		{"the certificates", hostile{parts: []p12Content{w.hidden(endless, cert), w.clear(key)}}, []string{"p12 p12_too_costly"}},
		{"the certificates, in the old way", hostile{parts: []p12Content{legacy(endless), w.clear(key)}}, []string{"p12 p12_too_costly"}},
		{"the key", hostile{parts: []p12Content{w.hidden(2, cert), w.clear(w.key(pkcs8, endless))}}, []string{"p12 p12_too_costly"}},
		{"one more than may be", hostile{parts: []p12Content{w.hidden(2, cert), w.clear(w.key(pkcs8, maxIterations+1))}}, []string{"p12 p12_too_costly"}},
		{"a number of 64 bits", hostile{parts: []p12Content{w.hidden(1<<62, cert), w.clear(key)}}, []string{"p12 p12_too_costly"}},
		{"a negative number", hostile{parts: []p12Content{w.hidden(-1, cert), w.clear(key)}}, []string{"p12 p12_unreadable"}},
		{"a key in the encrypted part alone", hostile{parts: []p12Content{w.hidden(2, cert, w.key(pkcs8, endless))}}, []string{"p12 p12_too_costly"}},
		{"all in the encrypted part", hostile{parts: []p12Content{w.hidden(2, cert, key)}}, nil},
		{"two keys in the encrypted part", hostile{parts: []p12Content{w.hidden(2, cert, key, key)}}, []string{"p12 p12_several_keys"}},
		{"certificates alone in the encrypted part", hostile{parts: []p12Content{w.hidden(2, cert)}}, []string{"p12 p12_no_private_key"}},
		{"all in one part with RC2", hostile{parts: []p12Content{legacy(2)}}, []string{"p12 p12_unsupported"}},
		{"a second key, encrypted twice, before the first", hostile{parts: []p12Content{w.hidden(2, w.key(pkcs8, endless), cert), w.clear(key)}}, []string{"p12 p12_unreadable"}},
		{"a second key, encrypted twice, after the first", hostile{parts: []p12Content{w.clear(key), w.hidden(2, cert, w.key(pkcs8, endless))}}, []string{"p12 p12_unreadable"}},
		{"two keys", hostile{parts: []p12Content{w.clear(key, bare), w.hidden(2, cert)}}, []string{"p12 p12_several_keys"}},
		{"three parts", hostile{parts: []p12Content{w.clear(key), w.hidden(2, cert), w.hidden(2, cert)}}, []string{"p12 p12_unsupported"}},
		{"no parts", hostile{}, []string{"p12 p12_no_private_key"}},
		{"no certificate", hostile{parts: []p12Content{w.clear(key)}}, []string{"p12 p12_unreadable"}},
		{"a long key", hostile{parts: []p12Content{w.clear(w.key(make([]byte, maxKey), 2), cert)}}, []string{"p12 p12_unsupported_key"}},
		{"a long key that is not encrypted", hostile{parts: []p12Content{w.clear(p12Bag{Type: oidKeyBag, Value: explicit(make([]byte, maxKey+1))}, cert)}}, []string{"p12 p12_unsupported_key"}},
		{"a short key", hostile{parts: []p12Content{w.clear(w.key(must(x509.MarshalPKCS8PrivateKey(must(rsa.GenerateKey(rand.Reader, 1024)))), 2), cert)}}, []string{"p12 p12_unsupported_key"}},
	} {
		if w.err != nil {
			t.Fatal(w.err)
		}
		began := time.Now()
		_, wrong := parseP12(t, c.file.file(), "secret", noon)
		if !slices.Equal(wrong, c.want) {
			t.Errorf("%s: %q, want %q", c.name, wrong, c.want)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v", c.name, took)
		}
	}
}

// BenchmarkWorstFile is the most work that a file can cause.
func BenchmarkWorstFile(b *testing.B) {
	push := pushFor(oidPushProduction)
	file := must(pkcs12.LegacyDES.WithIterations(maxIterations).Encode(push.key, push.make(), nil, "secret"))
	for b.Loop() {
		if _, wrong := parseP12(b, file, "secret", noon); wrong != nil {
			b.Fatal(wrong)
		}
	}
}
