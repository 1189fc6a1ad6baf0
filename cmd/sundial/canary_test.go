package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go"
	"software.sslmate.com/src/go-pkcs12"

	"sundial/internal/auth"
	"sundial/internal/pushcert"
)

// appName is no secret: the control finds it wherever secrets are looked for.
const appName = "canary-shop-7c1f0e"

// canary is a whole program, and every secret that it is told or that it makes.
type canary struct {
	t       *testing.T
	program *Program
	token   string
	nc      *nats.Conn
	logs    heap
	answers heap // all that came back, but for what is meant to reveal
	heard   heap // all that was published downstream
	secrets needles
	asked   map[string]bool // METHOD and route
	count   int

	rsa *rsa.PrivateKey
}

// TestCanary plants secrets wherever one is taken, asked for in good and in bad ways, goes everywhere, and then looks for
// them in everything that is kept, said or copied.
func TestCanary(t *testing.T) {
	dir := t.TempDir()
	c := &canary{t: t, asked: map[string]bool{}}
	debug := &slog.HandlerOptions{Level: slog.LevelDebug}
	c.program = start(t, func(config *Config) {
		config.Dir = dir
		config.Logger = slog.New(slog.NewMultiHandler(slog.NewTextHandler(&c.logs, debug), slog.NewJSONHandler(&c.logs, debug)))
	})
	c.token = operatorToken(t, dir)
	c.secrets.add("the operator's token", []byte(c.token))
	c.addRoot(dir)
	var err error
	if c.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	c.addKey("an RSA key", c.rsa)
	c.connect()

	shops := []uint64{c.create(), c.create(), c.create()}
	c.certificates(shops)
	imported := c.imports()
	c.keys(shops[0], imported)
	c.wrong(shops[0])
	c.everywhere(append(shops, imported...))
	c.verbs(shops[0])
	c.rotateRoot(dir)

	// Deleted, so that what is destroyed is looked for as well.
	c.must(200, "POST", fmt.Sprintf("/v1/apps/%d/stop", shops[2]), `{"reason":"tested"}`)
	c.must(200, "DELETE", fmt.Sprintf("/v1/apps/%d?confirm=%s", shops[2], appName), "")
	c.until("downstream", func() bool { return bytes.Contains(c.heard.bytes(), []byte("app.deleted")) })

	places := map[string][]byte{
		"answers": c.answers.bytes(), "downstream": c.heard.bytes(), "logs": c.logs.bytes(),
	}
	for _, rule := range auth.Table() {
		if !c.asked[rule.Method+" "+rule.Route] {
			t.Errorf("%s %s was not asked for", rule.Method, rule.Route)
		}
	}
	backup := files(t, dir, rootFile, auth.TokenFile)
	if err := c.program.Close(); err != nil {
		t.Fatal(err)
	}
	places["logs"] = c.logs.bytes()
	stopped := files(t, dir, rootFile, auth.TokenFile)
	for kind, held := range map[string]map[string][]byte{"backup/": backup, "data/": stopped} {
		for name, text := range held {
			places[kind+name] = text
		}
	}
	c.search(places)
}

// search looks for every secret in every place, and shows that it would find one.
func (c *canary) search(places map[string][]byte) {
	c.t.Helper()
	var control needles
	control.add("the app's name", []byte(appName))
	size, with := 0, []string{}
	for _, name := range slices.Sorted(maps.Keys(places)) {
		text := places[name]
		size += len(text)
		for _, found := range c.secrets.in(text) {
			c.t.Errorf("%s holds %s", name, found)
		}
		if len(control.in(text)) > 0 {
			with = append(with, name)
		}
	}
	c.t.Logf("%d secrets looked for in %d places, %d MB, after %d requests", len(c.secrets.names), len(places), size>>20, c.count)
	for _, must := range []string{"answers", "downstream"} {
		if !slices.Contains(with, must) {
			c.t.Errorf("the app's name is not found in %s, so nothing would be", must)
		}
	}
	for _, kind := range []string{"backup/", "data/"} {
		for _, must := range []string{"SUNDIAL_EVENTS/msgs", "LIFECYCLE/msgs", "projections"} {
			if !slices.ContainsFunc(with, func(name string) bool { return strings.HasPrefix(name, kind) && strings.Contains(name, must) }) {
				c.t.Errorf("the app's name is not found in the files %s of %s, so nothing would be; it is in %q", must, kind, with)
			}
		}
	}
	for place, said := range map[string]string{
		"logs": "/certificates", "answers": "sundial_http_requests_total", "data/" + sandboxFile: "2021",
	} {
		if !bytes.Contains(places[place], []byte(said)) {
			c.t.Errorf("%s does not hold %q", place, said)
		}
	}
}

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
	text, err := os.ReadFile(filepath.Join(dir, rootFile))
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil || len(file.Key) != 1 {
		c.t.Fatalf("the root key has %d keys: %v", len(file.Key), err)
	}
	value := file.Key[0].KeyData.Value
	c.secrets.add(fmt.Sprint("root key ", len(c.secrets.names)), value[len(value)-32:]) // the key itself, behind its tag
}

// connect listens to everything that is published downstream, and lets commands be given over NATS.
func (c *canary) connect() {
	nc, err := nats.Connect(c.program.NATSURL(), nats.Token(c.token), nats.CustomInboxPrefix(auth.InboxPrefix(c.token)))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(nc.Close)
	c.nc = nc
	if _, err := nc.Subscribe("lifecycle.>", func(m *nats.Msg) { fmt.Fprintf(&c.heard, "%s %v %s\n", m.Subject, m.Header, m.Data) }); err != nil {
		c.t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		c.t.Fatal(err)
	}
}

// ask sends a request. What comes back is kept, unless it is meant to reveal.
func (c *canary) ask(method, path, contentType, body string, reveals bool) (int, string) {
	c.t.Helper()
	c.count++
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.program.HTTPURL()+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", contentType)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	fmt.Fprintf(&c.answers, "%v\n", answer.Header)
	if !reveals {
		_, _ = c.answers.Write(append(text, '\n'))
	}
	return answer.StatusCode, string(text)
}

func (c *canary) must(status int, method, path, body string) string {
	c.t.Helper()
	got, text := c.ask(method, path, "application/json", body, false)
	if got != status {
		c.t.Fatalf("%s %s: status %d, want %d", method, path, got, status)
	}
	return text
}

// over gives a command over NATS and tells whether it was done.
func (c *canary) over(command, body string) (done bool) {
	c.t.Helper()
	c.count++
	m := nats.NewMsg("command.acme." + command)
	m.Data = []byte(body)
	m.Header.Set("Authorization", "Bearer "+c.token)
	said, err := c.nc.RequestMsg(m, 10*time.Second)
	if err != nil {
		c.t.Fatalf("%s over NATS: %v", command, err)
	}
	fmt.Fprintf(&c.answers, "%v\n%s\n", said.Header, said.Data)
	return !bytes.Contains(said.Data, []byte(`"urn:sundial:problem:`))
}

func (c *canary) until(what string, so func() bool) {
	c.t.Helper()
	until(c.t, what, so)
}

func (c *canary) create() (app uint64) {
	c.t.Helper()
	text := c.must(201, "POST", "/v1/accounts/acme/apps", `{"name":"`+appName+`"}`)
	if n, _ := fmt.Sscanf(text, `{"app":%d`, &app); n != 1 {
		c.t.Fatal("no app")
	}
	return app
}

// plainFields are values that are accepted of fields that are no secret.
var plainFields = map[string]any{
	"package_name": "com.example.chat", "app_id": "10000001", "app_key": "key-1", "client_id": "c-1", "sender_id": "123456",
	"channel_id": "chat", "badge_class": "com.example.chat.Main", "click_action": jsontext.Value(`{"type":"open_app"}`),
	"environment": "production", "key_id": "ABC123DEFG", "team_id": "0123456789", "bundle_id": "com.example.chat",
	"access_id": "1500000001", "access_point": "guangzhou", "os": "android",
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

// ways are the ways of access of a platform.
func ways(p *pushcert.Platform) (all []string) {
	for _, f := range p.Fields {
		if !slices.Contains(all, f.Way) && (f.Way != "" || len(p.Fields) > 0 && p.Name != "fcm") {
			all = append(all, f.Way)
		}
	}
	return all
}

// certificates adds one of each platform and way of access as JSON, as a form and over NATS, and changes its secrets.
func (c *canary) certificates(apps []uint64) {
	c.t.Helper()
	platforms := pushcert.Platforms()
	for i := range platforms {
		p := &platforms[i]
		for _, way := range ways(p) {
			path := fmt.Sprintf("/v1/apps/%d/certificates", apps[0])
			added := c.must(201, "POST", path, c.text(map[string]any{"platform": p.Name, "fields": c.fields(p, way)}))
			_, id, _ := strings.Cut(added, `"certificate":{"id":`)
			id, _, _ = strings.Cut(id, ",")
			secret := c.fields(p, way)
			maps.DeleteFunc(secret, func(name string, _ any) bool { return plainFields[name] != nil })
			c.must(200, "PATCH", path+"/"+id, c.text(map[string]any{"fields": secret}))
			c.must(200, "GET", path+"/"+id, "")
			if i%2 == 0 {
				c.must(200, "DELETE", path+"/"+id+"?confirm="+id, "")
			}
			kind, form := c.form(p.Name, c.fields(p, way))
			if status, text := c.ask("POST", fmt.Sprintf("/v1/apps/%d/certificates", apps[1]), kind, form, false); status != 201 {
				c.t.Fatalf("%s %s by a form: status %d %s", p.Name, way, status, text)
			}
			if !c.over("add_certificate", c.text(map[string]any{"app": apps[2], "platform": p.Name, "fields": c.fields(p, way)})) {
				c.t.Errorf("%s %s was not added over NATS", p.Name, way)
			}
		}
	}
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

// imports moves apps in with keys of both kinds and with certificates, over HTTP and over NATS.
func (c *canary) imports() []uint64 {
	c.t.Helper()
	body := func(app int, key map[string]string) string {
		tpns := pushcert.Platforms()[len(pushcert.Platforms())-1]
		return c.text(map[string]any{
			"app": app, "name": appName, "created_at": "2018-01-01T00:00:00.000Z", "keys": []any{key},
			"certificates": []any{map[string]any{"id": app - 1_300_000_000, "platform": tpns.Name, "fields": c.fields(&tpns, "")}},
		})
	}
	secret := c.word("an imported secret") + c.word("its other half")
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	c.must(201, "POST", "/v1/accounts/acme/apps/import", body(1_300_000_001, map[string]string{"algorithm": "HMAC-SHA256", "secret": secret}))
	if !c.over("import_app", body(1_300_000_002, map[string]string{"algorithm": "ECDSA-SHA256", "private_key": c.addKey("an imported pair", pair)})) {
		c.t.Error("nothing was imported over NATS")
	}
	return []uint64{1_300_000_001, 1_300_000_002}
}

// keys has keys made, rotated, upgraded, revealed and used.
func (c *canary) keys(app uint64, imported []uint64) {
	c.t.Helper()
	reveal := func(app uint64) {
		c.t.Helper()
		status, text := c.ask("POST", fmt.Sprintf("/v1/apps/%d/key/reveal", app), "application/json", `{"reason":"tested"}`, true)
		var key struct {
			Secret  string `json:"secret"`
			Private string `json:"private_key"`
		}
		if err := json.Unmarshal([]byte(text), &key); err != nil || status != 200 {
			c.t.Fatalf("revealing: status %d, %v", status, err)
		}
		name := fmt.Sprint("revealed key ", len(c.secrets.names))
		if key.Private != "" {
			block, _ := pem.Decode([]byte(key.Private))
			c.secrets.add(name, block.Bytes)
			return
		}
		c.secrets.add(name, []byte(key.Secret))
		value, err := hex.DecodeString(key.Secret)
		if err != nil {
			c.t.Fatal(err)
		}
		c.secrets.add(name+" decoded", value)
	}
	for _, app := range append(imported, app) {
		path := fmt.Sprintf("/v1/apps/%d", app)
		reveal(app)
		c.must(200, "POST", path+"/key/upgrade", "")
		reveal(app)
		c.must(200, "POST", path+"/key/rotate", `{"overlap":"1h"}`)
		reveal(app)
		if !c.over("rotate_key", fmt.Sprintf(`{"app":%d}`, app)) {
			c.t.Error("no key was rotated over NATS")
		}
		reveal(app)
		status, text := c.ask("POST", path+"/usersigs", "application/json", `{"user_id":"alice","expire_seconds":60}`, true)
		var made struct {
			UserSig string `json:"user_sig"`
		}
		if err := json.Unmarshal([]byte(text), &made); err != nil || status != 200 {
			c.t.Fatalf("signing: status %d, %v", status, err)
		}
		c.secrets.add(fmt.Sprint("a UserSig of ", app), []byte(made.UserSig))
		c.must(200, "POST", path+"/usersigs/verify", `{"user_id":"alice","user_sig":"`+made.UserSig+`"}`)
		c.must(200, "POST", path+"/usersigs/verify", `{"user_id":"bob","user_sig":"`+made.UserSig+`"}`)
		c.must(422, "POST", path+"/usersigs/verify", `{"user_id":"`+made.UserSig+`","user_sig":1}`)
		c.must(200, "GET", path+"/key", "")
	}
	status, text := c.ask("POST", "/v1/tokens", "application/json", `{"role":"auditor","name":"canary"}`, true)
	var token struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(text), &token); err != nil || status != 201 {
		c.t.Fatalf("a token: status %d, %v", status, err)
	}
	c.secrets.add("a token", []byte(token.Token))
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

// everywhere asks for every route and every command of every app, with a secret as the name of a field, and plainly.
func (c *canary) everywhere(apps []uint64) {
	c.t.Helper()
	secret := c.word("a secret as a name")
	for _, rule := range auth.Table() {
		c.asked[rule.Method+" "+rule.Route] = true
		for i, app := range apps {
			path := strings.NewReplacer("{account}", "acme", "{app}", strconv.FormatUint(app, 10), "{id}", "1000001").Replace(rule.Route)
			for _, body := range []string{`{"` + secret + `":"` + secret + `"}`, `{"reason":"tested"}`, `{"` + secret, ""} {
				if rule.Action == auth.RevealKey && !strings.Contains(body, secret) || rule.Action == auth.CreateToken {
					continue // meant to reveal, and asked for elsewhere
				}
				if rule.Action == auth.StopApp && i > 1 {
					continue
				}
				c.ask(rule.Method, path, "application/json", body, false)
				c.ask(rule.Method, path+"?"+secret+"="+secret, "application/json", body, false)
			}
			if name, is := strings.CutPrefix(rule.Subject, "command.{account}."); is {
				c.over(name, fmt.Sprintf(`{"app":%d,"%s":"%s"}`, app, secret, secret))
				c.over(name, `{"`+secret)
			}
		}
	}
	for _, path := range auth.Public() {
		c.must(200, "GET", path, "")
	}
	c.must(200, "GET", "/v1/certificates?expires_within=36500d", "")
	c.must(200, "GET", "/v1/transitions", "")
}

// verbs runs the command line's verbs against the program.
func (c *canary) verbs(app uint64) {
	c.t.Helper()
	number := strconv.FormatUint(app, 10)
	for _, line := range []string{
		"app show " + number, "app list", "app list --account acme", "account show acme", "account list", "why " + number, "transitions", "token list",
		"parked list", "clock show", "rebuild --check", "rebuild", "whatif --grace 24h", "vault status", "version",
	} {
		for _, format := range []string{"", " --json"} {
			args := strings.Fields(line + format)
			if args[0] != "version" && args[0] != "rebuild" && args[0] != "whatif" && args[0] != "vault" {
				args = append(args, "--server", c.program.HTTPURL())
			}
			if args[0] != "version" {
				args = append(args, "--data", c.program.Config.Dir)
			}
			if code := run(c.t.Context(), args, &console{in: strings.NewReader(""), out: &c.answers, err: &c.answers}); code != exitDone && args[0] != "vault" {
				c.t.Errorf("sundial %s ended with %d", strings.Join(args, " "), code)
			}
		}
	}
}

// rotateRoot has all keys wrapped by another root key, which is looked for too.
func (c *canary) rotateRoot(dir string) {
	c.t.Helper()
	if _, err := dirPath(dir).order(c.t.Context(), "vault/rotate", nil, func(uint64, uint64) {}); err != nil {
		c.t.Fatal(err)
	}
	c.addRoot(dir)
	for _, order := range []string{"vault/status"} {
		answer, err := dirPath(dir).ask(c.t.Context(), order, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		if _, err := io.Copy(&c.answers, answer.Body); err != nil {
			c.t.Fatal(err)
		}
		answer.Body.Close()
	}
}
