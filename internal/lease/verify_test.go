package lease_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/damage"
	"sundial/internal/lease"
	"sundial/internal/natsd"
)

func TestDamagedLeasesAreTold(t *testing.T) {
	dir := t.TempDir()
	open := func() (*natsd.Server, *nats.Conn, jetstream.JetStream) {
		t.Helper()
		s, err := natsd.Start(natsd.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := s.Connect()
		if err != nil {
			t.Fatal(err)
		}
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		return s, nc, js
	}
	verify := func(js jetstream.JetStream) []damage.Finding {
		t.Helper()
		found, err := lease.Verify(t.Context(), js, "leases")
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	s, nc, js := open()
	if found := verify(js); len(found) > 0 {
		t.Errorf("no bucket: %+v", found)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "leases"})
	if err != nil {
		t.Fatal(err)
	}
	put := func(key, node string) {
		t.Helper()
		if _, err := kv.PutString(t.Context(), key, node); err != nil {
			t.Fatal(err)
		}
	}
	put("ingest", "node-a")
	put("publish", "node-b")
	put("scheduler", "node-a")
	if err := kv.Delete(t.Context(), "scheduler"); err != nil {
		t.Fatal(err)
	}
	if found := verify(js); len(found) > 0 {
		t.Errorf("whole: %+v", found)
	}
	put("scheduler", "")
	put("other", "node\x00")
	found := verify(js)
	if len(found) != 2 || found[0].Code != "lease_unreadable" || found[0].Position != 5 || found[1].Position != 6 || found[0].Where != "nats/KV_leases" {
		t.Errorf("records that name no node: %+v", found)
	}
	put("scheduler", "node-a")
	put("other", "node-a")

	nc.Close()
	s.Shutdown()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "KV_leases", "msgs", "*.blk"))
	if err != nil || len(blocks) != 1 {
		t.Fatalf("%q, %v", blocks, err)
	}
	text, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	text[bytes.Index(text, []byte("node-b"))] ^= 2
	if err := os.WriteFile(blocks[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	s, nc, js = open()
	defer s.Shutdown()
	defer nc.Close()
	if found := verify(js); len(found) != 1 || found[0].Code != "lease_lost" || found[0].Position != 2 || found[0].Fix == "" {
		t.Errorf("a record with a flipped bit: %+v", found)
	}
}
