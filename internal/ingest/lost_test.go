package ingest

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sundial/domain"
	"sundial/internal/testing/spoken"
)

// TestALostBillIsNamedAndKeepsNoOtherFromComing: a bit of it is flipped while it waits to be taken in, in an orderly stop.
func TestALostBillIsNamedAndKeepsNoOtherFromComing(t *testing.T) {
	w := newWorld(t)
	said := &spoken.Text{}
	n := w.node(func(c *Config) {
		c.Alone, c.lookForLost = true, 100*time.Millisecond
		c.Logger = slog.New(slog.NewTextHandler(said, nil))
	})
	const app = domain.FirstApp
	n.app("acme", app)
	n.app("globex", app+1)
	w.publish("billing.acme", overdue("1", "acme", app, "inv-1"))
	w.publish("billing.globex", overdue("2", "globex", app+1, "inv-lost"))
	w.publish("billing.acme", overdue("3", "acme", app, "inv-3"))

	back := w.Conn.StatusChanged(nats.CONNECTED)
	w.NATS.Shutdown()
	files, err := filepath.Glob(filepath.Join(w.Dir, "jetstream", "*", "streams", billingStream, "msgs", "*.blk"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the file of the bills: %v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("inv-lost"))
	data[at] ^= 1
	if err := os.WriteFile(files[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.NATS.Restart(); err != nil {
		t.Fatal(err)
	}
	<-back

	n.run()
	until(t, "the lost bill is named", func() bool {
		return strings.Contains(said.String(), "are lost") && strings.Contains(said.String(), "from=2 to=2") && strings.Contains(said.String(), "globex")
	})
	n.drained()
	if owed := n.look("acme", app).Facts(); owed < 3 { // an order, and both bills
		t.Errorf("acme's app has %d facts, want its order and both bills", owed)
	}
}
