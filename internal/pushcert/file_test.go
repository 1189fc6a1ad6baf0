package pushcert

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestPushKeys(t *testing.T) {
	good8 := string(p8(ecKey()))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block := func(name string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: name, Bytes: der}))
	}
	for _, c := range []struct {
		name, file string
		want       []string
	}{
		{"as Apple gives it", good8, nil},
		{"with line ends of Windows", strings.ReplaceAll(good8, "\n", "\r\n"), nil},
		{"without a last line end", strings.TrimSpace(good8), nil},
		{"EC P-384", string(p8(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)))), []string{"p8 p8_wrong_key_type"}},
		{"RSA", string(p8(rsaKey())), []string{"p8 p8_wrong_key_type"}},
		{"Ed25519", string(p8(ed)), []string{"p8 p8_wrong_key_type"}},
		{"EC PRIVATE KEY", block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(ecKey()))), []string{"p8 p8_unreadable"}},
		{"a public key", block("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(ecKey().Public()))), []string{"p8 p8_unreadable"}},
		{"encrypted", block("ENCRYPTED PRIVATE KEY", []byte{0x30, 0}), []string{"p8 p8_encrypted"}},
		{"damaged", block("PRIVATE KEY", []byte{0x30, 0}), []string{"p8 p8_unreadable"}},
		{"cut", good8[:len(good8)/2], []string{"p8 p8_unreadable"}},
		{"two keys", good8 + good8, []string{"p8 p8_unreadable"}},
		{"something after it", good8 + "x", []string{"p8 p8_unreadable"}},
		{"JSON", `{"a":"b"}`, []string{"p8 p8_unreadable"}},
	} {
		for way, sent := range map[string]string{"text": c.file, "base64": b64([]byte(c.file))} {
			all := good(t, "apns_p8")
			all["p8"] = sent
			got, err := Parse("apns_p8", fields(all), noon)
			if wrong := wrongs(t, err); !slices.Equal(wrong, c.want) {
				t.Errorf("%s as %s: %q, want %q", c.name, way, wrong, c.want)
			}
			if err == nil && string(got.Secrets["p8"]) != c.file {
				t.Errorf("%s as %s: the file is not kept as it is", c.name, way)
			}
		}
	}
	// What base64 writes with line breaks is read.
	wrapped := b64([]byte(good8))
	all := good(t, "apns_p8")
	all["p8"] = wrapped[:76] + "\n" + wrapped[76:] + "\r\n"
	if _, err := Parse("apns_p8", fields(all), noon); err != nil {
		t.Errorf("base64 in lines: %v", err)
	}
}

func TestServiceAccounts(t *testing.T) {
	set := func(name string, value any) []byte {
		return account(func(m map[string]any) { m[name] = value })
	}
	without := func(name string) []byte {
		return account(func(m map[string]any) { delete(m, name) })
	}
	const incomplete, badKey = "service_account_json service_account_incomplete", "service_account_json service_account_key_unreadable"
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"as Google gives it", account(nil), ""},
		{"with more members", set("universe_domain", "googleapis.com"), ""},
		{"an older project", set("project_id", "example.com:chat"), ""},
		{"not JSON", []byte("{"), "service_account_json invalid_json"},
		{"an array", []byte("[{}]"), "service_account_json invalid_json"},
		{"null", []byte("null"), "service_account_json invalid_json"},
		{"a name twice", []byte(`{"type":"service_account","type":"service_account"}`), "service_account_json invalid_json"},
		{"something after it", append(account(nil), '{', '}'), "service_account_json invalid_json"},
		{"a user's credentials", set("type", "authorized_user"), "service_account_json not_service_account"},
		{"no type", without("type"), "service_account_json not_service_account"},
		{"a type that is no text", set("type", 7), "service_account_json not_service_account"},
		{"no project", without("project_id"), incomplete},
		{"an empty project", set("project_id", ""), incomplete},
		{"a project that cannot be", set("project_id", "a b"), incomplete},
		{"a project with a line break", set("project_id", "a\n"), incomplete},
		{"a long project", set("project_id", strings.Repeat("a", 129)), incomplete},
		{"no e-mail", without("client_email"), incomplete},
		{"an e-mail that cannot be", set("client_email", "push"), incomplete},
		{"a long e-mail", set("client_email", strings.Repeat("a", 250)+"@a.bc"), incomplete},
		{"no key", without("private_key"), incomplete},
		{"a key that is null", set("private_key", nil), incomplete},
		{"a key that cannot be read", set("private_key", "x"), badKey},
		{"an EC key", set("private_key", string(p8(ecKey()))), badKey},
		{"a short key", set("private_key", string(p8(must(rsa.GenerateKey(rand.Reader, 1024))))), badKey},
		{"a long key", set("private_key", strings.Repeat("\n", maxPEM)+string(p8(rsaKey()))), badKey},
		{"two keys", set("private_key", string(p8(rsaKey()))+string(p8(rsaKey()))), badKey},
	} {
		ways := map[string]any{"base64": b64(c.file)}
		if c.file[0] == '{' {
			ways["text"] = string(c.file)
			if v := jsontext.Value(c.file); v.IsValid() {
				ways["JSON"] = v
			}
		}
		for way, sent := range ways {
			all := good(t, "fcm")
			all["service_account_json"] = sent
			got, err := Parse("fcm", fields(all), noon)
			if wrong := strings.Join(wrongs(t, err), ", "); wrong != c.want {
				t.Errorf("%s as %s: %q, want %q", c.name, way, wrong, c.want)
			}
			if err == nil && string(got.Secrets["service_account_json"]) != string(c.file) {
				t.Errorf("%s as %s: the file is not kept as it is", c.name, way)
			}
		}
	}
}

// TestSecretsStaySecret looks for secrets among what is shown.
func TestSecretsStaySecret(t *testing.T) {
	for _, s := range specified {
		sent := good(t, s.platform)
		got, err := Parse(name(s.platform), fields(sent), noon)
		if err != nil {
			t.Fatal(err)
		}
		for field, public := range got.Public {
			for secret, value := range got.Secrets {
				if strings.Contains(public, string(value)) {
					t.Errorf("%s: %s shows %s", s.platform, field, secret)
				}
			}
		}
	}
}

func FuzzP12(f *testing.F) {
	var w writer
	push := pushFor(oidPushProduction)
	push.key = ecKey() // RSA would make the files larger, and the fuzzer slower
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(push.key))
	f.Add(push.p12())
	f.Add(hostile{parts: []p12Content{w.hidden(2, w.cert(push.make())), w.clear(w.key(pkcs8, 2))}}.file())
	f.Add(hostile{parts: []p12Content{w.clear(p12Bag{Type: oidKeyBag, Value: explicit(pkcs8)}, w.cert(push.make()))}}.file())
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > maxP12 {
			return
		}
		if p, wrong := parseP12(t, file, "secret", noon); wrong == nil && p.Public["bundle_id"] == "" {
			t.Error("accepted without a bundle id")
		}
		// Past the MAC, which a fuzzer does not find.
		pfx, parts, c := readP12(file)
		if c != nil {
			return
		}
		if key, certificates, c := pfx.open(parts, "secret"); c == nil && (key == nil || len(certificates) == 0) {
			t.Error("opened, and without a key or a certificate")
		}
	})
}

func FuzzP8(f *testing.F) {
	f.Add(p8(ecKey()))
	f.Add(p8(rsaKey()))
	f.Fuzz(func(t *testing.T, file []byte) {
		_, err := Parse("apns_p8", fields(map[string]any{
			"environment": "production", "p8": b64(file), "key_id": "ABC123DEFG", "team_id": "0123456789", "bundle_id": "com.example.chat",
		}), noon)
		if err == nil && !strings.Contains(string(file), "-----BEGIN PRIVATE KEY-----") {
			t.Errorf("accepted %q", file)
		}
		wrongs(t, err)
	})
}

func FuzzServiceAccount(f *testing.F) {
	f.Add(account(nil))
	f.Add([]byte(`{"type":"service_account","project_id":"a","client_email":"a@b.c","private_key":""}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := Parse("fcm", fields(map[string]any{
			"service_account_json": b64(file), "click_action": jsontext.Value(`{"type":"open_app"}`),
		}), noon)
		wrongs(t, err)
		if err == nil && (got.Public["project_id"] == "" || !strings.Contains(got.Public["client_email"], "@")) {
			t.Errorf("accepted with %q", got.Public)
		}
	})
}

// FuzzFields sends any JSON for any field: what is accepted reads as the same again.
func FuzzFields(f *testing.F) {
	for _, s := range specified {
		for field, value := range fields(good(f, s.platform)) {
			f.Add(s.platform, field, []byte(value))
		}
	}
	f.Add("meizu", "click_action", []byte(`{"type":"open_url","url":"https://example.com"}`))
	f.Add("meizu", "click_action", []byte(`{"type":"open_page","intent":"intent://a#Intent;end"}`))
	f.Fuzz(func(t *testing.T, platform, field string, value []byte) {
		if !slices.ContainsFunc(specified, func(s struct{ platform, fields string }) bool { return s.platform == platform }) {
			return
		}
		all := fields(good(t, platform))
		all[field] = jsontext.Value(value)
		got, err := Parse(name(platform), all, noon)
		wrongs(t, err)
		if err != nil {
			return
		}
		for name, shown := range JSON(got.Public) {
			if slices.Contains(platformOf(got.Platform).Reads, name) {
				continue
			}
			all[name] = shown
		}
		again, err := Parse(name(platform), all, noon)
		if err != nil || len(again.Public) != len(got.Public) {
			t.Fatalf("what is shown is not accepted: %v", err)
		}
		for name, text := range got.Public {
			if again.Public[name] != text {
				t.Errorf("%s is %q, then %q", name, text, again.Public[name])
			}
		}
	})
}
