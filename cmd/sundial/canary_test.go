package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"

	"sundial/internal/auth"
	"sundial/internal/pushcert"
	"sundial/internal/server"
	"sundial/internal/testing/spoken"
)

// appName is no secret: the control finds it wherever secrets are looked for.
const appName = "canary-shop-7c1f0e"

// canary is a whole program, and every secret that it is given or that it makes.
type canary struct {
	t       *testing.T
	program *server.Server
	token   string
	nc      *nats.Conn
	logs    spoken.Text
	answers spoken.Text // all that came back, but for what is meant to reveal
	heard   spoken.Text // all that was published downstream
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
	c.program = start(t, func(config *server.Config) {
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
	c.everywhere(shops[0], imported[1])
	c.verbs(strconv.FormatUint(shops[1], 10))
	c.rotateRoot(dir)

	// Deleted, so that what is destroyed is looked for as well.
	c.must(200, "POST", fmt.Sprintf("/v1/apps/%d/stop", shops[2]), `{"reason":"tested"}`)
	c.must(200, "DELETE", fmt.Sprintf("/v1/apps/%d?confirm=%s", shops[2], appName), "")
	c.until("downstream", func() bool { return bytes.Contains(c.heard.Bytes(), []byte("app.deleted")) })

	places := map[string][]byte{
		"answers": c.answers.Bytes(), "downstream": c.heard.Bytes(), "logs": c.logs.Bytes(),
	}
	for _, rule := range auth.Table() {
		if !c.asked[rule.Method+" "+rule.Route] {
			t.Errorf("%s %s was not asked for", rule.Method, rule.Route)
		}
	}
	backup := files(t, dir, server.RootFile, auth.TokenFile)
	if err := c.program.Close(); err != nil {
		t.Fatal(err)
	}
	places["logs"] = c.logs.Bytes()
	stopped := files(t, dir, server.RootFile, auth.TokenFile)
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
		"logs": "/certificates", "answers": "sundial_http_requests_total", "data/" + server.SandboxFile: "2021",
	} {
		if !bytes.Contains(places[place], []byte(said)) {
			c.t.Errorf("%s does not hold %q", place, said)
		}
	}
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

// imports moves apps in with keys of both kinds and with certificates, over HTTP and over NATS.
func (c *canary) imports() []uint64 {
	c.t.Helper()
	body := func(app int, key map[string]string) string {
		tpns := platformTPNS()
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

// everywhere asks for every route and every command of every app, with a secret as the name of a field, and plainly.
func (c *canary) everywhere(apps ...uint64) {
	c.t.Helper()
	secret := c.word("a secret as a name")
	for _, rule := range auth.Table() {
		c.asked[rule.Method+" "+rule.Route] = true
		for _, app := range apps {
			path := strings.NewReplacer("{account}", "acme", "{app}", strconv.FormatUint(app, 10), "{id}", "1000001").Replace(rule.Route)
			for _, body := range []string{`{"` + secret + `":"` + secret + `"}`, `{"reason":"tested"}`, `{"` + secret, ""} {
				if rule.Action == auth.RevealKey && !strings.Contains(body, secret) || rule.Action == auth.CreateToken {
					continue // meant to reveal, and asked for elsewhere
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

// rotateRoot has all keys wrapped by another root key, which is looked for too.
func (c *canary) rotateRoot(dir string) {
	c.t.Helper()
	if err := server.ServingFrom(dir).RotateRoot(c.t.Context(), "", func(uint64, uint64) {}); err != nil {
		c.t.Fatal(err)
	}
	c.addRoot(dir)
	c.verb(exitDone, "", false, "vault", "status", "--json")
}
