package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sundial/internal/server"
)

// TestALogThatWasSetBackIsRefused starts on a log from before what the projections have seen.
func TestALogThatWasSetBackIsRefused(t *testing.T) {
	dir, backup := t.TempDir(), t.TempDir()
	p := spawn(t, dir)
	c := p.client(t)
	c.create(t, "acme", "one")
	p.kill(t)
	if err := os.CopyFS(backup, os.DirFS(filepath.Join(dir, server.NATSDir))); err != nil {
		t.Fatal(err)
	}
	p = spawn(t, dir)
	p.client(t).create(t, "acme", "two")
	p.kill(t)
	if err := os.RemoveAll(filepath.Join(dir, server.NATSDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, server.NATSDir), os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	code, said := fails(t, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	if code != exitDamaged || !strings.Contains(said, "the log is corrupt") || !strings.Contains(said, "sundial restored") {
		t.Errorf("exit code %d, %s", code, said)
	}
	// What it says helps, and whoever had read the lost commit is told.
	if said, err := sundial(t, "restored", "--data", dir).Output(); err != nil || !strings.Contains(string(said), "begins at position 2") {
		t.Errorf("%v, %s", err, said)
	}
	p = spawn(t, dir)
	p.client(t).create(t, "acme", "three")
	p.client(t).create(t, "acme", "four")
	if code, said := fails(t, "events", "--data", dir, "--server", p.http, "--after", "2.0"); code != exitFailed || !strings.Contains(said, "409 position_unknown") {
		t.Errorf("exit code %d, %s", code, said)
	}
	p.kill(t)
}
