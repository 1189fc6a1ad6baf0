package server

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestADamagedRowDecidesNothing flips a bit in every place where the stopped engine keeps an app's name for itself, and so in the
// pages around it. The next edit must not write the flipped name into the log.
func TestADamagedRowDecidesNothing(t *testing.T) {
	s := start(t)
	c := operatorOf(t, s)
	app := c.create("acme", "shop chat")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(s.Config.Dir, "projections-v*.db"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	kept, err := os.ReadFile(files[0])
	if err != nil || !bytes.Contains(kept, []byte("shop chat")) {
		t.Fatalf("the name is not in the file, %v", err)
	}
	if err := os.WriteFile(files[0], bytes.ReplaceAll(kept, []byte("shop chat"), []byte("shop chau")), 0o600); err != nil {
		t.Fatal(err)
	}
	s = New(s.Config)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c.url = s.HTTPURL()

	path := fmt.Sprintf("/v1/apps/%d", app)
	until(t, "the app can be edited", func() bool {
		status, said := c.send(http.MethodPatch, path, `{"introduction":"edited"}`)
		if status != http.StatusOK && (status != http.StatusServiceUnavailable || !strings.Contains(string(said), `"code":"unavailable"`)) {
			t.Fatalf("%d %s", status, said)
		}
		return status == http.StatusOK
	})
	for _, path := range []string{path, path + "/history"} {
		status, said := c.send(http.MethodGet, path, "")
		if status != http.StatusOK || !strings.Contains(string(said), "shop chat") || strings.Contains(string(said), "shop chau") {
			t.Errorf("%s: %d %s", path, status, said)
		}
	}
	if status, said := c.send(http.MethodGet, "/readyz", ""); status != http.StatusOK || !strings.Contains(string(said), "made anew") {
		t.Errorf("readiness: %d %s", status, said)
	}
	if _, said := c.send(http.MethodGet, "/metrics", ""); !strings.Contains(string(said), "\nsundial_projection_damages_total 1\n") {
		t.Error("it is not counted")
	}
}
