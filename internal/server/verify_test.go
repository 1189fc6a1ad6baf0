package server

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/internal/auth"
	"sundial/internal/damage"
	"sundial/internal/datadir"
	"sundial/internal/natsd"
)

// TestWhatIsDamagedBesideACluster has the files of a node and the leases of its cluster damaged one by one, beside the engine that
// serves and without it: each has its code.
func TestWhatIsDamagedBesideACluster(t *testing.T) {
	outside, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Open: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(outside.Shutdown)
	nc, err := nats.Connect(outside.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	config := Config{
		Dir: dir, Listen: "127.0.0.1:0", Outside: &OutsideNATS{URL: outside.ClientURL(), SyncsAlways: true},
		Policy: domain.DefaultPolicy(), Replicas: 1, Logger: slog.New(slog.DiscardHandler),
	}
	s := New(config)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	grow(t, operatorOf(t, s), 1, 0)
	until(t, "the node has its leases and marks", func() bool {
		stream, err := js.Stream(t.Context(), "KV_"+leases)
		_, noMarks := os.Stat(filepath.Join(dir, datadir.MarksFile))
		return err == nil && noMarks == nil && stream.CachedInfo().State.Msgs >= 3
	})

	// flip flips a bit of a file in the middle, and gives how to undo that.
	flip := func(name string) func() func() {
		return func() func() {
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := bytes.Clone(text)
			damaged[len(damaged)/2] ^= 2
			write := func(text []byte) {
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(damaged)
			return func() { write(text) }
		}
	}
	lease := func() func() {
		kv, err := js.KeyValue(t.Context(), leases)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Put(t.Context(), "strange", nil); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := kv.Purge(t.Context(), "strange"); err != nil {
				t.Fatal(err)
			}
		}
	}
	rows := []struct {
		code, where string
		do          func() (undo func())
	}{
		{"", "", func() func() { return func() {} }},
		{datadir.MarksDamaged, datadir.MarksFile, flip(datadir.MarksFile)},
		{"ledger_damaged", auth.LedgerFile, flip(auth.LedgerFile)},
		{"operator_token_damaged", auth.TokenFile, flip(auth.TokenFile)},
		{"lease_unreadable", "nats/KV_" + leases, lease},
	}
	look := func(how string, verify func(context.Context, func(done, total uint64)) ([]damage.Finding, error)) {
		for _, row := range rows {
			var found []damage.Finding
			var err error
			for range 20 { // the engine may have written the file anew meanwhile
				undo := row.do()
				found, err = verify(t.Context(), func(uint64, uint64) {})
				undo()
				if err != nil || len(found) > 0 || row.code == "" {
					break
				}
			}
			if row.code == "" {
				if err != nil || len(found) > 0 {
					t.Errorf("%s, nothing damaged: %v, %v", how, found, err)
				}
				continue
			}
			if err != nil || len(found) != 1 || found[0].Code != row.code || found[0].Where != row.where || found[0].Problem == "" || found[0].Fix == "" {
				t.Errorf("%s: %+v, %v; want %s of %s alone", how, found, err, row.code, row.where)
			}
		}
	}
	look("beside the engine", ServingFrom(dir).Verify)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	look("without the engine", func(ctx context.Context, progress func(done, total uint64)) ([]damage.Finding, error) {
		return Verify(ctx, config, progress)
	})

	// Of another log's directory.
	other := New(Config{
		Dir: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", NATSListen: "127.0.0.1:0", Policy: domain.DefaultPolicy(), Replicas: 1, Logger: config.Logger,
	})
	if err := other.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	marks, err := os.ReadFile(filepath.Join(other.Config.Dir, datadir.MarksFile))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, datadir.MarksFile), marks, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	found, err := Verify(t.Context(), config, nil)
	if err != nil || !slices.ContainsFunc(found, func(f damage.Finding) bool { return f.Code == datadir.MarksForeign }) || len(found) != 1 {
		t.Errorf("marks of another log: %+v, %v", found, err)
	}
}
