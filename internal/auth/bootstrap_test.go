package auth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sundial/internal/natsd"
)

func TestBootstrap(t *testing.T) {
	now := newClock()
	srv := startServer(t, natsd.Config{})
	s := openStore(t, srv, Config{Now: now.Now})
	dir := t.TempDir()

	boot := func(dir string, want bool) {
		t.Helper()
		if wrote, err := Bootstrap(t.Context(), s, dir); err != nil || wrote != want {
			t.Fatalf("Bootstrap wrote: %t, %v, want %t", wrote, err, want)
		}
	}
	operator := func() Principal {
		t.Helper()
		name := filepath.Join(dir, TokenFile)
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the mode of the file is %s, %v, want 0600", info.Mode(), err)
		}
		p, err := s.Authenticate(strings.TrimSpace(string(data)))
		if err != nil || p.Role != Operator {
			t.Errorf("the file lets in %+v, %v, want an operator", p, err)
		}
		return p
	}

	boot(dir, true)
	first := operator()
	boot(dir, false)

	// A person moved the token to a safe place: that is no first start.
	if err := os.Remove(filepath.Join(dir, TokenFile)); err != nil {
		t.Fatal(err)
	}
	boot(dir, false)

	// The last operator revoked itself: only who starts the engine can help.
	if err := s.Revoke(t.Context(), first.TokenID); err != nil {
		t.Fatal(err)
	}
	boot(dir, true)
	if second := operator(); second.TokenID == first.TokenID {
		t.Error("the revoked token came back")
	}

	// Stopped after the file was written and before the token was stored.
	if err := os.WriteFile(filepath.Join(dir, TokenFile), []byte(newSecret()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, token := range s.List() {
		if err := s.Revoke(t.Context(), token.ID); err != nil {
			t.Fatal(err)
		}
	}
	boot(dir, true)
	operator()

	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v, want the token alone", left, err)
	}
	for _, token := range s.List() {
		if err := s.Revoke(t.Context(), token.ID); err != nil {
			t.Fatal(err)
		}
	}
	if wrote, err := Bootstrap(t.Context(), s, filepath.Join(dir, "missing")); err == nil || wrote {
		t.Errorf("into a folder that is not there: %t, %v", wrote, err)
	}
}
