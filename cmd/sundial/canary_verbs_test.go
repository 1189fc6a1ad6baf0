package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// notAsked are the verbs that ask nothing of an engine, or begin one.
var notAsked = []string{"version", "bench", "demo", "serve", "cluster-keys"}

// verb runs a verb of the command line. What it says is kept; what it gives is too, unless that is meant to reveal.
func (c *canary) verb(want int, in string, reveals bool, line ...string) {
	c.t.Helper()
	out := io.Writer(&c.answers)
	if reveals {
		out = io.Discard
	}
	args := slices.Clone(line)
	if !slices.Contains(notAsked, args[0]) {
		args = append(args, "--data", c.program.Config.Dir)
	}
	if !slices.Contains([]string{"rebuild", "verify", "whatif", "vault"}, args[0]) && !slices.Contains(notAsked, args[0]) {
		args = append(args, "--server", c.program.HTTPURL())
	}
	if code := run(c.t.Context(), args, &console{in: strings.NewReader(in), out: out, err: &c.answers}); code != want {
		c.t.Errorf("sundial %s ended with %d, want %d", strings.Join(line, " "), code, want)
	}
}

// verbs runs the verbs that read, as people see them and as JSON, and those that take or make secrets.
func (c *canary) verbs(app string) {
	c.t.Helper()
	for _, line := range []string{
		"app show " + app, "app list --account acme", "account show acme", "account list", "why " + app, "transitions", "token list", "parked list",
		"clock show", "key show " + app, "admin list " + app, "certificate list " + app, "certificate expiring", "deletion list",
		"statement acme", "forecast", "rebuild --check", "rebuild", "verify", "whatif --grace 24h", "vault status", "version",
	} {
		for _, format := range []string{"", " --json"} {
			if line == "rebuild" && format != "" {
				continue
			}
			c.verb(exitDone, "", false, strings.Fields(line+format)...)
		}
	}
	c.verb(exitDone, "", false, "key", "rotate", app)
	c.verb(exitDone, "", false, "key", "retire", app)
	c.verb(exitDone, "", true, "key", "reveal", app, "--reason", "tested")
	c.verb(exitDone, "", true, "usersig", "sign", app, "alice")
	c.verb(exitFailed, "", false, "usersig", "verify", app, "alice", c.word("a UserSig that is none"))

	dir := c.t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
		return path
	}
	add := []string{"certificate", "add", app, "vivo", "--field", "app_key=k", "--field", "app_id=1", "--click-action", "open_app"}
	c.verb(exitDone, c.word("given on standard input"), false, append(add, "--file", "app_secret=-")...)
	c.verb(exitDone, "", false, append(add, "--file", "app_secret="+file("secret", c.word("given in a file")))...)
	for bad, want := range map[string]int{"app_id": exitMisused, "unknown": exitFailed} {
		c.verb(want, "", false, append(add, "--file", "app_secret="+file("secret", c.word("beside what is wrong")), "--file", bad+"="+file("bad", c.word("given wrongly")))...)
	}
	c.verb(exitFailed, "", false, append(add, "--field", c.word("a name that is a secret")+"=x")...)

	tpns := platformTPNS()
	line := func(app int, key string) string {
		return c.text(map[string]any{
			"account": "acme", "app": app, "name": appName, "created_at": "2018-01-01T00:00:00.000Z",
			"keys":         []any{map[string]string{"algorithm": "HMAC-SHA256", "secret": key}},
			"certificates": []any{map[string]any{"id": app - 1_300_000_000, "platform": tpns.Name, "fields": c.fields(&tpns, "")}},
		})
	}
	good := line(1_300_000_011, c.word("a key of an estate")+c.word("its other half"))
	bad := c.word("a key of an estate that is none")
	estate := file("estate.jsonl", strings.Join([]string{
		good, line(1_300_000_012, bad), `{"account":"acme","` + bad + `":1}`, `{"account":"` + bad, `"` + bad + `"`, bad,
		strings.Replace(line(1_300_000_013, bad), `"access_id"`, `"`+bad+`"`, 1),
	}, "\n"))
	for i, flags := range [][]string{{"--dry-run"}, nil, nil} {
		report := filepath.Join(dir, fmt.Sprint("report ", i))
		c.verb(exitPartly, "", false, append([]string{"import", estate, "--report", report}, flags...)...)
		text, err := os.ReadFile(report)
		if err != nil || len(text) == 0 {
			c.t.Errorf("no report: %v", err)
		}
		_, _ = c.answers.Write(text)
	}
}
