package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestDamagedKeysAreNamedWithTheirApp: what needs them is answered so, and everything else goes on.
func TestDamagedKeysAreNamedWithTheirApp(t *testing.T) {
	s := start(t)
	c := operatorOf(t, s)
	damaged, sound := c.create("acme", "damaged"), c.create("acme", "sound")
	reveal := func(app uint64) (int, string) {
		t.Helper()
		status, said := c.send(http.MethodPost, fmt.Sprintf("/v1/apps/%d/key/reveal", app), `{"reason":"tested"}`)
		return status, string(said)
	}
	for _, app := range []uint64{damaged, sound} {
		if status, said := reveal(app); status != http.StatusOK {
			t.Fatalf("revealing a key: %d %s", status, said)
		}
	}
	parts, _ := s.Parts()
	if _, err := parts.JetStream.Publish(t.Context(), fmt.Sprintf("keys.app.%d", damaged), []byte(`{"root":"x","sealing":"AA=="}`)); err != nil {
		t.Fatal(err)
	}
	until(t, "the damage is met", func() bool {
		status, said := reveal(damaged)
		return status == http.StatusServiceUnavailable && strings.Contains(said, `"code":"secrets_damaged"`) && strings.Contains(said, fmt.Sprint(damaged))
	})
	if status, said := reveal(sound); status != http.StatusOK {
		t.Errorf("another app's key: %d %s", status, said)
	}
	c.must(http.MethodGet, fmt.Sprintf("/v1/apps/%d", damaged), "", nil)
	status, err := s.socket.attended().vault.Status(t.Context())
	if err != nil || len(status.Damaged) != 1 || status.Damaged[0] != fmt.Sprint(damaged) {
		t.Errorf("the status: %+v, %v; want app %d among what is damaged", status, err, damaged)
	}
}
