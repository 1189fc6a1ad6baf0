package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sundial/internal/auth"
	"sundial/internal/server"
)

// say runs a verb on an engine and gives all that it printed.
func say(t *testing.T, p *server.Server, args ...string) (code int, said string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), append(args, "--server", p.HTTPURL(), "--data", p.Config.Dir), &console{in: strings.NewReader(""), out: &out, err: &out})
	return code, out.String()
}

func TestNobodyForgesALine(t *testing.T) {
	p := start(t, nil)
	const text = "why not\nforged 1\r\nforged 2\rforged 3\u2028forged 4\u0085"
	reason := strings.TrimSuffix(text, "\u0085") // a control character
	for _, args := range [][]string{
		{"app", "create", "acme", "--name", "shop", "--introduction", strings.ReplaceAll(reason, "\u2028", "\n"), "--reason", reason},
		{"app", "import", "acme", "1300000001", "--name", "old", "--created-at", "2020-01-01T00:00:00Z", "--edition", "pro"},
		{"app", "arrears", "1400000001", "--invoice", "inv-1", "--version", "1", "--effective-at", "2021-01-01T00:00:00Z", "--amount", "CNY:1", "--reason", reason},
		{"app", "stop", "1300000001", "--reason", reason},
		{"app", "stop", "1400000001", "--reason", reason},
		{"deletion", "request", "1300000001", "--reason", reason},
	} {
		if code, said := say(t, p, args...); code != exitDone {
			t.Fatalf("%v: exit code %d: %s", args, code, said)
		}
	}
	for _, row := range []struct {
		verb string
		told int // forged lines that it shows, each indented
	}{
		{"app show 1400000001", 4},
		{"app show 1300000001", 4},
		{"app list", 0},
		{"app history 1400000001", 12},
		{"account history acme", 20},
		{"events --account acme", 20},
		{"deletion list --losses", 4},
		{"why 1400000001", 4},
		{"why 1400000001 introduction", 8},
	} {
		t.Run(row.verb, func(t *testing.T) {
			code, said := say(t, p, strings.Fields(row.verb)...)
			told := 0
			for line := range strings.SplitSeq(said, "\n") {
				if strings.Contains(line, "forged") {
					told++
					if !strings.HasPrefix(line, "  ") || strings.Count(line, "forged") > 1 {
						t.Errorf("a line that somebody forged: %q", line)
					}
				}
			}
			if code != exitDone || told < row.told {
				t.Errorf("exit code %d, %d lines of the text, want %d:\n%s", code, told, row.told, said)
			}
		})
	}
}

func TestWhatTheEnvironmentGives(t *testing.T) {
	p := start(t, nil)
	token, err := os.ReadFile(filepath.Join(p.Config.Dir, auth.TokenFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a token with its line end", func(t *testing.T) {
		cl, err := (&remote{Server: p.HTTPURL(), Token: strings.TrimSpace(string(token)) + "\r\n"}).client()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cl.do(t.Context(), request{method: http.MethodGet, path: "/v1/accounts"}); err != nil {
			t.Error(err)
		}
	})
	for _, address := range []string{
		"http://user:hunter2@127.0.0.1:1", "http://user:hunter2@127.0.0.1:1/deep", "http://user:hunter2@127.0.0.1:port", "user:hunter2@127.0.0.1:1", "http://hunter2@127.0.0.1:1",
		"http://user:hunter2%zz@127.0.0.1:1", "ftp://user:hunter2@127.0.0.1",
	} {
		for _, verb := range []string{"app list", "app create acme --name x", "billing send -", "import -"} {
			var out bytes.Buffer
			in := strings.NewReader(overdue("e-1"))
			code := run(t.Context(), append(strings.Fields(verb), "--server", address, "--data", p.Config.Dir), &console{in: in, out: &out, err: &out})
			if code == exitDone || strings.Contains(out.String(), "hunter2") {
				t.Errorf("%s %s: exit code %d: %s", verb, address, code, out.String())
			}
		}
	}
}
