package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// demo runs the main job on free ports and gives what it printed.
func demo(t testing.TB, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"demo", "--exit", "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"}, args...)
	code = run(t.Context(), args, &console{in: strings.NewReader(""), out: &stdout, err: &stderr})
	return code, stdout.String(), stderr.String()
}

// TestMainJob takes the whole example feed in, as make run does; a reader then goes on with the README, and with the lines
// that it prints.
func TestMainJob(t *testing.T) {
	code, out, errs := mainJob(t, func(out string) {
		_, invitation, _ := strings.Cut(out, "in another shell:\n\n")
		r := readerAt(t)
		where, rest, _ := strings.Cut(invitation, "\n")
		r.types(where)
		var http, nats string
		if _, err := fmt.Sscanf(out, "Sundial serves on http://%s and nats://%s", &http, &nats); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		r.finds(http, strings.TrimSuffix(nats, ";"))
		r.said = out
		for _, b := range r.readme() {
			if b.language == "text" || !strings.Contains(b.text, "play") { // that is the sandbox of the other way in
				r.reads(b)
			}
		}
		r.reads(block{document: "what make run prints", line: 2, language: "sh", text: rest})
	})
	if code != exitDone {
		t.Fatalf("exit code %d\n%s\n%s", code, out, errs)
	}
	const verdict = "3720 of 3720 states as expected"
	if strings.Count(out, verdict) != 1 || !strings.Contains(out, "\n"+verdict+"\n\nIt serves on;") {
		t.Errorf("what was said last is not %q:\n%s", verdict, out)
	}
	if strings.ContainsAny(out+errs, "\x1b\r") {
		t.Error("control characters where there is no terminal")
	}
	for _, want := range []string{"120 apps of 24 accounts", "953 deliveries", "stopped"} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing is said of %q:\n%s", want, out)
		}
	}
}

// TestMainJobSaysWhatDiffers expects of a small feed what cannot be.
func TestMainJobSaysWhatDiffers(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"apps.jsonl":       `{"account":"acme","app":1400110000,"name":"app 0","created_at":"2020-08-16T00:00:00.000Z"}`,
		"deliveries.jsonl": `{"arrives_at":"2021-01-01T02:00:00.000Z","event":{"specversion":"1.0","id":"1","source":"urn:b","type":"sundial.billing.order.paid","data":{"account":"acme","app":1400110000,"effective_at":"2021-01-01T01:00:00Z","order":"o","edition":"pro","amount":{"currency":"CNY","minor":1},"paid_until":"2021-01-01T03:00:00Z"}}}`,
		"expected.jsonl": `{"now":"2021-01-01T02:00:00.000Z","app":1400110000,"edition":"pro","status":"active","invoices":[],"arrears_since":null,"lapse_cause":null,"lapse_since":null}
{"now":"2021-01-01T03:00:00.000Z","app":1400110000,"edition":"pro","status":"active","invoices":[],"arrears_since":null,"lapse_cause":null,"lapse_since":null}
{"now":"2021-01-01T03:00:00.000Z","app":1400110001,"edition":"pro","status":"active","invoices":[],"arrears_since":null,"lapse_cause":null,"lapse_since":null}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, errs := demo(t, "--feed", dir)
	if code != exitFailed || !strings.HasSuffix(out, "\n1 of 3 states as expected\n") {
		t.Errorf("exit code %d\n%s\n%s", code, out, errs)
	}
	for _, want := range []string{`"status":"expired"`, "app 1400110000 at 2021-01-01T03:00:00.000Z", "app 1400110001 at", "does not list it"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
}
