package streams_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/streams"
)

// walk gives what a walk through a stream gives.
func walk(t *testing.T, js jetstream.JetStream, name string) (came, lost []uint64) {
	t.Helper()
	stream, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for m, err := range streams.Walk(t.Context(), stream) {
		var gone *streams.LostError
		switch {
		case errors.As(err, &gone):
			if gone.Stream != name {
				t.Errorf("of the stream %s", gone.Stream)
			}
			lost = append(lost, gone.Sequence)
		case err != nil:
			t.Fatal(err)
		default:
			if m.Subject != "numbers.x" || string(m.Data) != fmt.Sprint("message ", m.Sequence) || m.Header.Get("Number") != fmt.Sprint(m.Sequence) {
				t.Errorf("at %d: %+v", m.Sequence, m)
			}
			came = append(came, m.Sequence)
		}
	}
	return came, lost
}

// TestWalkNamesWhatIsLost goes through a stream of which messages were removed and others are damaged.
func TestWalkNamesWhatIsLost(t *testing.T) {
	const name, all = "NUMBERS", 200
	dir := t.TempDir()
	s, js := serve(t, dir)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{"numbers.*"}})
	if err != nil {
		t.Fatal(err)
	}
	if came, lost := walk(t, js, name); came != nil || lost != nil {
		t.Errorf("of an empty stream came %v, lost are %v", came, lost)
	}
	var want []uint64
	for i := range uint64(all) {
		m := nats.NewMsg("numbers.x")
		m.Data = fmt.Append(nil, "message ", i+1)
		m.Header.Set("Number", fmt.Sprint(i+1))
		if _, err := js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		want = append(want, i+1)
	}
	for _, sequence := range []uint64{1, 7, 8, all} {
		if err := stream.DeleteMsg(t.Context(), sequence); err != nil {
			t.Fatal(err)
		}
		want = slices.DeleteFunc(want, func(n uint64) bool { return n == sequence })
	}
	if came, lost := walk(t, js, name); !slices.Equal(came, want) || lost != nil {
		t.Errorf("came %v, lost are %v; want %v", came, lost, want)
	}

	s.Shutdown()
	files, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", name, "msgs", "1.blk"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	damaged := []uint64{50, 51, 190}
	for _, sequence := range damaged {
		content[bytes.Index(content, fmt.Append(nil, "message ", sequence))] ^= 1
		want = slices.DeleteFunc(want, func(n uint64) bool { return n == sequence })
	}
	if err := os.WriteFile(files[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	_, js = serve(t, dir)
	if came, lost := walk(t, js, name); !slices.Equal(came, want) || !slices.Equal(lost, damaged) {
		t.Errorf("came %v, lost are %v; want %v, and %v", came, lost, want, damaged)
	}
}
