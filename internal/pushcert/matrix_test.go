package pushcert

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCertificatesOfOneKey has files with several certificates of one key: of two years, and of distribution beside push.
// Right is the push certificate for the environment that ends last, whatever the order.
func TestCertificatesOfOneKey(t *testing.T) {
	now := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	var ends []string
	for _, name := range []string{"old_new", "new_old", "dist_push", "push_dist"} {
		file, err := os.ReadFile(filepath.Join("testdata", "field", name+".p12"))
		if err != nil {
			t.Fatal(err)
		}
		got, wrong := parseP12(t, file, "secret", now)
		if wrong != nil || got.Public["bundle_id"] != "com.example.shop" {
			t.Errorf("%s: %q, %v", name, wrong, got.Public)
		}
		ends = append(ends, got.Public["not_after"])
	}
	if ends[0] != ends[1] || ends[2] != ends[3] {
		t.Errorf("the order in the file decides: they end %v", ends)
	}

	push := func(months int, environments ...asn1.ObjectIdentifier) certificate {
		c := pushFor(environments...)
		c.to = noon.AddDate(0, months, 0)
		return c
	}
	for _, c := range []struct {
		name, environment string
		certificates      []certificate
		months            int
		want              []string
	}{
		{"another environment that ends later", production, []certificate{push(3, oidPushProduction), push(9, oidPushDevelopment)}, 3, nil},
		{"one for both that ends later", production, []certificate{push(3, oidPushProduction), push(9, oidPushDevelopment, oidPushProduction)}, 9, nil},
		{"the other environment alone", development, []certificate{push(3, oidPushProduction), push(9)}, 3, []string{"environment environment_mismatch"}},
		{"all expired", production, []certificate{push(-3, oidPushProduction), push(-1, oidPushProduction)}, -1, []string{"p12 certificate_expired"}},
		{"expired beside another environment", production, []certificate{push(-3, oidPushProduction), push(9, oidPushDevelopment)}, -3, []string{"p12 certificate_expired"}},
		{"none for pushes", production, []certificate{push(3), push(9)}, 0, []string{"p12 not_push_certificate"}},
	} {
		for range 2 {
			var w writer
			var bags []p12Bag
			for _, k := range c.certificates {
				bags = append(bags, w.cert(k.make()))
			}
			key := w.key(must(x509.MarshalPKCS8PrivateKey(rsaKey())), 2)
			got, err := Parse("apns_p12", fields(map[string]any{
				"environment": c.environment, "p12": b64(hostile{parts: []p12Content{w.hidden(2, bags...), w.clear(key)}}.file()), "password": "secret",
			}), noon)
			if wrong := wrongs(t, err); !slices.Equal(wrong, c.want) {
				t.Errorf("%s: %q, want %q", c.name, wrong, c.want)
			}
			if want := noon.AddDate(0, c.months, 0); err == nil && !got.NotAfter.Equal(want) {
				t.Errorf("%s: ends %s, want %s", c.name, got.NotAfter, want)
			}
			slices.Reverse(c.certificates)
		}
	}
}

// TestMatrix reads what producers write, by algorithm and password: testdata/make-matrix makes the files.
func TestMatrix(t *testing.T) {
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	want := map[string]struct{ password, wrong string }{
		"openssl-unicode.p12": {"\u5bc6\u7801", ""}, "openssl-long-password.p12": {strings.Repeat("x", 128), ""},
		"openssl-empty-password.p12":      {"", "password empty"},
		"openssl-no-key.p12":              {"secret", "p12 p12_no_private_key"},
		"openssl-no-mac.p12":              {"secret", "p12 p12_unprotected"},
		"openssl-rc4.p12":                 {"secret", "p12 p12_unsupported"},
		"openssl-mac-sha384.p12":          {"secret", "p12 p12_unsupported"},
		"openssl-too-many-iterations.p12": {"secret", "p12 p12_too_costly"},
	}
	files, err := filepath.Glob("testdata/matrix/*.p12")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		c, special := want[filepath.Base(path)]
		if !special {
			c.password = "secret"
		}
		// A file is read the same when its frame is written with indefinite lengths.
		for form, file := range map[string][]byte{"DER": file, "BER": indefinite(file)} {
			got, wrong := parseP12(t, file, c.password, now)
			if strings.Join(wrong, ", ") != c.wrong || wrong == nil && got.Public["bundle_id"] != "com.example.chat" {
				t.Errorf("%s in %s: %q, want %q", path, form, wrong, c.wrong)
			}
			if c.wrong == "" {
				if _, wrong := parseP12(t, file, "Secret", now); !slices.Equal(wrong, []string{"password wrong_password"}) {
					t.Errorf("%s in %s with a wrong password: %q", path, form, wrong)
				}
			}
		}
	}
}

// TestLayouts lays one key and its certificate out in all the ways.
func TestLayouts(t *testing.T) {
	push := pushFor(oidPushProduction)
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(push.key))
	var w writer
	key, cert := w.key(pkcs8, 2), w.cert(push.make())
	attribute := func(id asn1.ObjectIdentifier, value any) asn1.RawValue {
		return asn1.RawValue{FullBytes: w.der(struct {
			ID     asn1.ObjectIdentifier
			Values []asn1.RawValue `asn1:"set"`
		}{id, []asn1.RawValue{{FullBytes: w.der(value)}}})}
	}
	attributes := []asn1.RawValue{
		attribute(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 21}, []byte("key")),
		attribute(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}, asn1.RawValue{Tag: asn1.TagBMPString, Bytes: []byte{0, 'k'}}),
		attribute(asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 17, 2}, 7), // of Microsoft
	}
	backwards := slices.Clone(attributes)
	slices.Reverse(backwards)
	with := func(bag p12Bag, attributes []asn1.RawValue) p12Bag { bag.Attributes = attributes; return bag }
	layouts := map[string][]p12Content{
		"certificates first":              {w.hidden(2, cert), w.clear(key)},
		"key first":                       {w.clear(key), w.hidden(2, cert)},
		"one part in the clear":           {w.clear(key, cert)},
		"all in one encrypted part":       {w.hidden(2, key, cert)},
		"the certificate before the key":  {w.hidden(2, cert, key)},
		"both parts encrypted":            {w.hidden(2, key), w.hidden(2, cert)},
		"attributes":                      {w.hidden(2, with(cert, attributes)), w.clear(with(key, attributes))},
		"attributes the other way round":  {w.hidden(2, with(cert, backwards)), w.clear(with(key, attributes))},
		"attributes in one part":          {w.hidden(2, with(cert, attributes), with(key, backwards))},
		"indefinite inside":               {w.hiddenOf(2, indefinite(w.der([]p12Bag{cert}))), w.clearOf(indefinite(w.der([]p12Bag{key})))},
		"indefinite in one part":          {w.hiddenOf(2, indefinite(w.der([]p12Bag{cert, key})))},
		"indefinite with attributes":      {w.hiddenOf(2, indefinite(w.der([]p12Bag{with(cert, backwards), with(key, attributes)})))},
		"a bare key in an encrypted part": {w.hidden(2, cert, p12Bag{Type: oidKeyBag, Value: explicit(pkcs8)})},
	}
	if w.err != nil {
		t.Fatal(w.err)
	}
	for name, parts := range layouts {
		for _, ber := range []bool{false, true} {
			file := hostile{parts: parts, ber: ber}.file()
			got, wrong := parseP12(t, file, "secret", noon)
			if wrong != nil {
				t.Errorf("%s, indefinite %t: %q", name, ber, wrong)
			} else if !bytes.Equal(got.Secrets["p12"], file) {
				t.Errorf("%s, indefinite %t: another file is kept", name, ber)
			}
			if _, wrong := parseP12(t, file, "Secret", noon); !slices.Equal(wrong, []string{"password wrong_password"}) {
				t.Errorf("%s, indefinite %t, with a wrong password: %q", name, ber, wrong)
			}
		}
	}
}

// TestReasonsSayHowToConvert: what openssl reads and is not read here comes with the command that converts it.
func TestReasonsSayHowToConvert(t *testing.T) {
	push := pushFor(oidPushProduction)
	var w writer
	key, cert := w.key(must(x509.MarshalPKCS8PrivateKey(push.key)), 2), w.cert(push.make())
	for name, c := range map[string]struct {
		file []byte
		says string
	}{
		"bytes after the end": {append(push.p12(), "\r\n"...), "has 2 bytes after the end"},
		"three parts":         {hostile{parts: []p12Content{w.clear(key), w.hidden(2, cert), w.hidden(2, cert)}}.file(), "more than two parts"},
	} {
		_, err := Parse("apns_p12", fields(map[string]any{"environment": "production", "p12": b64(c.file), "password": "secret"}), noon)
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "openssl pkcs12 -export") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// indefinite writes DER as BER: all lengths of what is constructed are indefinite, and octet strings come in pieces.
func indefinite(der []byte) []byte {
	var out []byte
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			panic(err)
		}
		switch inContext := v.Class == asn1.ClassContextSpecific; {
		case v.IsCompound:
			out = append(append(append(out, der[0], 0x80), indefinite(v.Bytes)...), 0, 0)
		case v.Tag == asn1.TagOctetString && !inContext || v.Tag == 0 && inContext: // of encrypted content
			out = append(out, der[0]|constructed, 0x80)
			for _, piece := range slices.Collect(slices.Chunk(v.Bytes, 100)) {
				out = append(append(out, octets, byte(len(piece))), piece...)
			}
			out = append(out, 0, 0)
		default:
			out = append(out, v.FullBytes...)
		}
		der = rest
	}
	return out
}
