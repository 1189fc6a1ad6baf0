package atomicbatch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/atomicbatch"
	"sundial/internal/natsd"
)

// TestMark holds what is marked against a server: a batch stands in the stream once its last message is there, in its
// order, and no earlier; one that is too long is refused whole.
func TestMark(t *testing.T) {
	s, err := natsd.Start(natsd.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	nc, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "BATCHES", Subjects: []string{"b.*"}, AllowAtomicPublish: true})
	if err != nil {
		t.Fatal(err)
	}
	last := func() uint64 {
		info, err := stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.LastSeq
	}
	send := func(id string, number int, last bool) string {
		m := nats.NewMsg(fmt.Sprint("b.", number))
		atomicbatch.Mark(m.Header, id, number, last)
		if !last {
			if err := nc.PublishMsg(m); err != nil {
				t.Fatal(err)
			}
			return ""
		}
		reply, err := nc.RequestMsg(m, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		return string(reply.Data)
	}
	ids := atomicbatch.NewIDs()
	id := ids.Next()
	for number := 1; number < atomicbatch.MaxMessages; number++ {
		send(id, number, false)
	}
	if got := last(); got != 0 {
		t.Errorf("%d messages of a batch without its last stand in the stream", got)
	}
	if ack := send(id, atomicbatch.MaxMessages, true); !strings.Contains(ack, fmt.Sprintf(`"seq":%d`, atomicbatch.MaxMessages)) {
		t.Errorf("the answer to the largest batch is %s", ack)
	}
	for _, number := range []uint64{1, 2, atomicbatch.MaxMessages} {
		m, err := stream.GetMsg(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint("b.", number); m.Subject != want {
			t.Errorf("message %d is on %s, want %s", number, m.Subject, want)
		}
	}

	id = ids.Next()
	for number := 1; number <= atomicbatch.MaxMessages; number++ {
		send(id, number, false)
	}
	if ack := send(id, atomicbatch.MaxMessages+1, true); !strings.Contains(ack, `"error"`) {
		t.Errorf("a batch beyond the limit was answered %s", ack)
	}
	if got := last(); got != atomicbatch.MaxMessages {
		t.Errorf("the stream ends at %d, want %d", got, atomicbatch.MaxMessages)
	}
}

func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		ids := atomicbatch.NewIDs()
		for range 100 {
			id := ids.Next()
			if seen[id] || len(id) < 14 || len(id) > 26 {
				t.Fatalf("%q is given twice, or is not of 14 to 26 characters", id)
			}
			seen[id] = true
		}
	}
}
