package eventstore_test

import (
	"math"
	"testing"

	"sundial/eventstore"
)

func epochs(t testing.TB, text string) eventstore.Epochs {
	t.Helper()
	e, err := eventstore.ParseEpochs(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

func TestEpochsAt(t *testing.T) {
	e := epochs(t, "1,2-k7qfxz4m:4,12-aaaaaaaa:90")
	for position, want := range map[uint64]string{0: "1", 1: "1", 3: "1", 4: "2-k7qfxz4m", 89: "2-k7qfxz4m", 90: "12-aaaaaaaa", math.MaxInt64: "12-aaaaaaaa"} {
		if got := e.At(position); got != want {
			t.Errorf("at %d: %s, want %s", position, got, want)
		}
	}
	if e.Number() != 12 || eventstore.Epochs(nil).Number() != 1 || eventstore.Epochs(nil).Latest() != eventstore.FirstEpoch || e.Latest() != "12-aaaaaaaa" {
		t.Errorf("numbers %d and %d", e.Number(), eventstore.Epochs(nil).Number())
	}
}

// TestEpochsShared has two histories of one log, and what they have together.
func TestEpochsShared(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want uint64
	}{
		{"1", "1", math.MaxUint64},
		{"1", "1,2-aaaaaaaa:4", 3},
		{"1,2-aaaaaaaa:4", "1,2-aaaaaaaa:4", math.MaxUint64},
		{"1,2-aaaaaaaa:4", "1,2-bbbbbbbb:4", 3}, // one backup, restored twice
		{"1,2-aaaaaaaa:4", "1,3-bbbbbbbb:9", 3},
		{"1,2-aaaaaaaa:4,3-bbbbbbbb:9", "1,2-aaaaaaaa:4", 8},
		{"1,2-aaaaaaaa:4,3-bbbbbbbb:9", "1,2-aaaaaaaa:4,3-cccccccc:7", 6},
	} {
		a, b := epochs(t, c.a), epochs(t, c.b)
		if got, back := a.Shared(b), b.Shared(a); got != c.want || back != c.want {
			t.Errorf("%s and %s share up to %d and %d, want %d", c.a, c.b, got, back, c.want)
		}
	}
}

func TestEpochsNext(t *testing.T) {
	once, err := eventstore.Epochs(nil).Next(3, 0)
	if err != nil || once.Number() != 2 || once[0].From != 4 || once.Check() != nil {
		t.Fatalf("%s, %v", once, err)
	}
	again, err := eventstore.Epochs(nil).Next(3, 0)
	if err != nil || again.Latest() == once.Latest() {
		t.Errorf("the same name twice: %s", again)
	}
	// A backup of the first epoch beside a record of the second: the numbers go on.
	if later, err := eventstore.Epochs(nil).Next(7, 3); err != nil || later.Number() != 3 || len(later) != 1 {
		t.Errorf("%s, %v", later, err)
	}
	// Begun, cut short, and begun again: nothing was appended in the one between.
	if retry, err := once.Next(3, 0); err != nil || len(retry) != 1 || retry.Number() != 3 || retry[0].From != 4 {
		t.Errorf("%s, %v", retry, err)
	}
	if grown, err := once.Next(9, 0); err != nil || len(grown) != 2 || grown[1].From != 10 {
		t.Errorf("%s, %v", grown, err)
	}
}

func FuzzParseEpochs(f *testing.F) {
	for _, text := range []string{"1", "1,2-k7qfxz4m:4", "1,2-k7qfxz4m:4,12-aaaaaaaa:90", "1,3-k7qfxz4m:4,2-aaaaaaaa:90", "2", "1,", "1,2-k7qfxz4m:04", "1,1-k7qfxz4m:4", "1,2-K7Q9XZ4M:4"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := eventstore.ParseEpochs(text)
		if err != nil {
			return
		}
		if e.String() != text || e.Check() != nil {
			t.Errorf("%q is read as %q", text, e)
		}
		if e.Shared(e) != math.MaxUint64 {
			t.Errorf("%q does not share all with itself", text)
		}
		for _, epoch := range e {
			if e.At(epoch.From) != epoch.Name {
				t.Errorf("%q: at %d is %s", text, epoch.From, e.At(epoch.From))
			}
		}
	})
}

// TestBeginEpoch begins one on a log as it is, and opens it again.
func TestBeginEpoch(t *testing.T) {
	l, _, nc := newLog(t)
	if l.Epochs() != nil {
		t.Errorf("a new log is of %s", l.Epochs())
	}
	begun, err := l.BeginEpoch(t.Context(), 0)
	if err != nil || begun.Number() != 2 || begun[0].From != 1 {
		t.Fatalf("%s, %v", begun, err)
	}
	again, err := eventstore.Open(t.Context(), nc, eventstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	closeLater(t, again)
	if again.Epochs().String() != begun.String() || again.Identity() != l.Identity() {
		t.Errorf("it is of %s, want %s", again.Epochs(), begun)
	}
}
