package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"math/big"
	"mime/multipart"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"software.sslmate.com/src/go-pkcs12"

	"sundial/domain"
	"sundial/internal/pushcert"
	"sundial/internal/server"
)

// word makes up a secret of letters and digits.
func (c *canary) word(name string) string {
	random := make([]byte, 16)
	_, _ = rand.Read(random) // never fails
	text := hex.EncodeToString(random)
	c.secrets.add(name, []byte(text))
	return text
}

// addKey has a private key looked for: its bytes, and a line of its text, which stands by itself in any PEM.
func (c *canary) addKey(name string, key any) (text string) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	text = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	c.secrets.add(name+" in DER", der)
	c.secrets.add(name+", a line of its PEM", []byte(strings.Split(text, "\n")[2]))
	return text
}

// addRoot has what is in the root key's file looked for elsewhere.
func (c *canary) addRoot(dir string) {
	var file struct {
		Key []struct {
			KeyData struct {
				Value []byte `json:"value"`
			} `json:"keyData"`
		} `json:"key"`
	}
	text, err := os.ReadFile(filepath.Join(dir, server.RootFile))
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil || len(file.Key) != 1 {
		c.t.Fatalf("the root key has %d keys: %v", len(file.Key), err)
	}
	value := file.Key[0].KeyData.Value
	c.secrets.add(fmt.Sprint("root key ", len(c.secrets.names)), value[len(value)-32:]) // the key itself, behind its tag
}

// plainFields are values that are accepted of fields that are no secret.
var plainFields = map[string]any{
	"package_name": "com.example.chat", "app_id": "10000001", "app_key": "key-1", "client_id": "c-1", "sender_id": "123456",
	"channel_id": "chat", "badge_class": "com.example.chat.Main", "click_action": jsontext.Value(`{"type":"open_app"}`),
	"environment": "production", "key_id": "ABC123DEFG", "team_id": "0123456789", "bundle_id": "com.example.chat",
	"access_id": "1500000001", "access_point": "guangzhou", "os": "android",
}

func platformTPNS() pushcert.Platform {
	all := pushcert.Platforms()
	return all[slices.IndexFunc(all, func(p pushcert.Platform) bool { return p.Name == domain.TPNSPlatform })]
}

// fields makes up fields of a platform that are accepted, with secrets of their own; way is that of access.
func (c *canary) fields(p *pushcert.Platform, way string) map[string]any {
	c.t.Helper()
	fields := map[string]any{}
	for _, f := range p.Fields {
		name := fmt.Sprintf("%s.%s %d", p.Name, f.Name, len(c.secrets.names))
		switch {
		case f.Way != "" && f.Way != way:
		case !f.Secret:
			fields[f.Name] = plainFields[f.Name]
		case f.Name == "service_account_json":
			fields[f.Name] = c.serviceAccount(name)
		case f.Name == "p8":
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				c.t.Fatal(err)
			}
			fields[f.Name] = c.addKey(name, key)
		case f.Name == "p12":
			fields["password"] = c.word(name + " password")
			file := c.p12(fields["password"].(string))
			c.secrets.add(name, file)
			fields[f.Name] = base64.StdEncoding.EncodeToString(file)
		case f.Kind == pushcert.Text && fields[f.Name] == nil:
			fields[f.Name] = c.word(name)
		}
	}
	return fields
}

func (c *canary) serviceAccount(name string) string {
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "example-chat", "private_key_id": c.word(name + " id"),
		"private_key": c.addKey(name, c.rsa), "client_email": "push@example-chat.iam.gserviceaccount.com",
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.secrets.add(name, text)
	return string(text)
}

func (c *canary) p12(password string) []byte {
	template := x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: c.program.Config.SandboxStart.AddDate(0, -1, 0), NotAfter: c.program.Config.SandboxStart.AddDate(0, 1, 0),
		Subject: pkix.Name{CommonName: "Apple Push Services: com.example.chat", ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: "com.example.chat"},
		}},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 2}, Value: []byte{5, 0}}},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, c.rsa.Public(), c.rsa)
	if err != nil {
		c.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		c.t.Fatal(err)
	}
	file, err := pkcs12.Modern2023.Encode(c.rsa, made, nil, password)
	if err != nil {
		c.t.Fatal(err)
	}
	return file
}

func (c *canary) text(value any) string {
	c.t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// form writes fields as a form, files as files.
func (c *canary) form(platform string, fields map[string]any) (contentType, body string) {
	c.t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	fields = maps.Clone(fields)
	fields["platform"] = platform
	for name, value := range fields {
		text := []byte(fmt.Sprint(value))
		if name == "p12" {
			text, _ = base64.StdEncoding.DecodeString(string(text))
		}
		create := w.CreateFormField
		if name == "p12" || name == "p8" || name == "service_account_json" {
			create = func(name string) (io.Writer, error) { return w.CreateFormFile(name, "file") }
		}
		part, err := create(name)
		if err == nil {
			_, err = part.Write(text)
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	return w.FormDataContentType(), out.String()
}

// wrong sends secrets in requests that are refused, each over HTTP and over NATS.
func (c *canary) wrong(app uint64) {
	c.t.Helper()
	path := fmt.Sprintf("/v1/apps/%d/certificates", app)
	refused := func(body string) {
		c.t.Helper()
		if status, text := c.ask("POST", path, "application/json", body, false); status < 400 || status >= 500 {
			c.t.Errorf("status %d %s", status, text)
		}
		over := fmt.Sprintf(`{"app":%d,%s`, app, strings.TrimPrefix(body, "{"))
		if c.over("add_certificate", over) {
			c.t.Error("what HTTP refuses was done over NATS")
		}
	}
	platforms := pushcert.Platforms()
	for i := range platforms {
		p := &platforms[i]
		for _, f := range p.Fields {
			secret := c.word(fmt.Sprintf("%s.%s refused", p.Name, f.Name))
			whole := c.fields(p, f.Way)
			for _, value := range []any{
				[]string{secret}, map[string]string{secret: secret}, strings.Repeat(secret, 3000), secret + "\n\x01\u00e9",
			} {
				whole[f.Name] = value
				refused(c.text(map[string]any{"platform": p.Name, "fields": whole}))
			}
		}
	}
	secret := c.word("a misplaced secret")
	meizu := platforms[slices.IndexFunc(platforms, func(p pushcert.Platform) bool { return p.Name == "meizu" })]
	fine := c.text(c.fields(&meizu, ""))
	for _, body := range []string{
		`{"platform":"` + secret + `","fields":` + fine + `}`,
		`{"platform":"meizu","fields":{"` + secret + `":1}}`,
		`{"platform":"meizu","fields":{"app_secret":"` + secret + `","app_secret":"` + secret + `"}}`,
		`{"platform":"meizu","fields":{"app_secret":"` + secret,
		`{"platform":"meizu","fields":{"app_secret":"` + secret + `\ud800"}}`,
		`{"platform":"meizu","fields":{"app_secret":"` + secret + "\xff\"}}",
		`{"platform":"meizu","fields":"` + secret + `"}`,
		`{"platform":"meizu","` + secret + `":{}}`,
		`{"platform":"meizu","fields":{"click_action":{"type":"open_url","url":"https://u:` + secret + `@example.com"}}}`,
		`{"platform":"meizu","fields":{"click_action":{"type":"` + secret + `","` + secret + `":1}}}`,
		`{"platform":"meizu","reason":"` + strings.Repeat(secret, 20) + `","fields":{}}`,
		`{"platform":"apns_p8","fields":{"p8":"-----BEGIN PRIVATE KEY-----\n` + secret + `\n-----END PRIVATE KEY-----\n"}}`,
		`{"platform":"apns_p12","fields":{"p12":"` + base64.StdEncoding.EncodeToString([]byte(secret)) + `","password":"` + secret + `"}}`,
		`{"platform":"fcm","fields":{"service_account_json":"{\"private_key\":\"` + secret + `\"}"}}`,
		`{"platform":"fcm","fields":{"service_account_json":{"` + secret + `":1,"` + secret + `":2}}}`,
	} {
		refused(body)
	}
	c.ask("POST", path, "application/json", `{"platform":"`+strings.Repeat(secret, 40_000)+`"}`, false)
	c.ask("POST", path, "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"platform\"\r\n\r\nmeizu\r\n"+
		"--x\r\nContent-Disposition: form-data; name=\""+secret+"\"\r\n\r\n"+secret+"\xff\r\n--x\r\n", false)
	for _, key := range []string{
		`{"algorithm":"HMAC-SHA256","secret":"` + secret + `"}`, `{"algorithm":"ECDSA-SHA256","private_key":"` + secret + `"}`,
		`{"algorithm":"ECDSA-SHA256","private_key":"-----BEGIN EC PRIVATE KEY-----\n` + secret + `\n-----END EC PRIVATE KEY-----"}`,
		`{"algorithm":"` + secret + `"}`, `{"` + secret + `":1}`, `"` + secret + `"`,
	} {
		body := `{"app":1300000009,"name":"x","created_at":"2018-01-01T00:00:00.000Z","keys":[` + key + `]}`
		c.must(422, "POST", "/v1/accounts/acme/apps/import", body)
		c.over("import_app", body)
	}
}
