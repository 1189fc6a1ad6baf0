package main

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"

	"sundial/internal/server"
)

// unseen runs a verb as a process of its own whose standard output is full, or closed.
func unseen(t *testing.T, p *server.Server, closed bool, args ...string) (code int, said string) {
	t.Helper()
	out, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if closed {
		var in *os.File
		if in, out, err = os.Pipe(); err == nil {
			err = in.Close()
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := sundial(t, args...)
	cmd.Env = append(cmd.Environ(), "SUNDIAL_SERVER="+p.HTTPURL(), "SUNDIAL_DATA="+p.Config.Dir)
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &errs
	_ = cmd.Run() // the exit code tells
	return cmd.ProcessState.ExitCode(), errs.String()
}

func TestWhatCannotBeShownIsReported(t *testing.T) {
	p := start(t, nil)
	cl, err := (&remote{Server: p.HTTPURL(), Data: p.Config.Dir}).client()
	if err != nil {
		t.Fatal(err)
	}
	cl.create(t, "acme", "one")
	for name, closed := range map[string]bool{"full": false, "closed": true} {
		for _, row := range []struct {
			verb string
			said string
		}{
			{"version", ""},
			{"--help", ""},
			{"app list", ""},
			{"app list --all --json", ""},
			{"events --follow", ""},
			{"billing send /dev/null", ""},
			{"app edit 1400000001 --introduction x --idempotency-key edit-" + name, "the command was done; given again with --idempotency-key edit-" + name},
			{"key reveal 1400000001 --reason asked", "is on record; to see it, reveal it again"},
			{"token create auditor --name unseen", "is revoked again"},
			{"token create auditor --name unseen --json", "is revoked again"},
			{"token recover", "token is in "},
		} {
			t.Run(name+" "+row.verb, func(t *testing.T) {
				code, said := unseen(t, p, closed, strings.Fields(row.verb)...)
				if code != exitFailed || !strings.Contains(said, "standard output cannot be written") || !strings.Contains(said, row.said) {
					t.Errorf("exit code %d: %s", code, said)
				}
			})
		}
	}
	a, err := cl.do(t.Context(), request{method: http.MethodGet, path: "/v1/tokens"})
	if err != nil {
		t.Fatal(err)
	}
	var tokens struct {
		Items []tokenView `json:"items"`
	}
	if err := a.into(&tokens); err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, token := range tokens.Items {
		if token.Name == "unseen" {
			made++
			if token.RevokedAt == "" {
				t.Errorf("token %s is somebody's, and nobody has it", token.ID)
			}
		}
	}
	if made != 4 {
		t.Errorf("%d tokens were made", made)
	}
}

func TestServeEndsWhereItCannotSayThatItIsReady(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	var errs bytes.Buffer
	code := run(t.Context(), []string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"}, &console{out: full, err: &errs})
	if code != exitFailed || !strings.Contains(errs.String(), "standard output cannot be written") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}
