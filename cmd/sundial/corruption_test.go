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
	if code != exitDamaged || !strings.Contains(said, "the log is corrupt") || !strings.Contains(said, "rebuild") {
		t.Errorf("exit code %d, %s", code, said)
	}
}
