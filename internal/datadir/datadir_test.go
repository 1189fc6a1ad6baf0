package datadir

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/natsd"
)

var twice = eventstore.Epochs{{Name: "2-k7qfxz4m", From: 4}, {Name: "3-aaaaaaaa", From: 90}}

func TestRecordIsReadAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), RecordFile)
	if r, err := ReadRecord(path); err != nil || r.Log != "" {
		t.Errorf("of no file: %+v, %v", r, err)
	}
	for _, want := range []Record{
		{Format: Format, Log: "AAAABBBBCCCCDDDDEEEEFFFFGG", Server: Embedded, Stream: "SUNDIAL_EVENTS", Writer: "v1"},
		{Format: Format, Log: "AAAABBBBCCCCDDDDEEEEFFFFGG", Server: Outside, Stream: "SUNDIAL_EVENTS", Epochs: twice, Restoring: true},
	} {
		if err := want.Write(path); err != nil {
			t.Fatal(err)
		}
		got, err := ReadRecord(path)
		if err != nil || !got.Same(&want) || got.Epochs.String() != want.Epochs.String() {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// TestEveryFlippedBitOfARecordIsSeen flips each.
func TestEveryFlippedBitOfARecordIsSeen(t *testing.T) {
	r := Record{Format: Format, Log: "AAAABBBBCCCCDDDDEEEEFFFFGG", Server: Embedded, Stream: "SUNDIAL_EVENTS", Epochs: twice}
	text, err := r.sealed()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 * len(text) {
		flipped := bytes.Clone(text)
		flipped[i/8] ^= 1 << (i % 8)
		var damage *DamageError
		if _, err := parseRecord(flipped, "the file", "mend it"); !errors.As(err, &damage) || damage.Findings[0].Code != RecordDamaged {
			t.Fatalf("bit %d: %v", i, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	r := Record{Format: Format, Log: "AAAABBBBCCCCDDDDEEEEFFFFGG", Server: Embedded, Stream: "SUNDIAL_EVENTS", Epochs: twice}
	text, err := r.sealed()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("AAAABBBBCCCCDDDDEEEEFFFFGG\n"))
	f.Add(seal([]byte(`{"format":3,"writer":"v9"}`)))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRecord(text, "the file", "mend it")
		if err != nil {
			if !errors.As(err, new(*DamageError)) {
				t.Errorf("no damage: %v", err)
			}
			return
		}
		if r.Log == "" || r.Format < 1 || r.Format > Format {
			t.Errorf("read %+v", r)
		}
		// A line that is sealed reads as what it says, also where it is none of ours.
		if _, err := parseRecord(seal(text), "the file", "mend it"); err != nil && !errors.As(err, new(*DamageError)) {
			t.Errorf("no damage: %v", err)
		}
	})
}

func FuzzParseMarks(f *testing.F) {
	f.Add([]byte(`{"format":1,"log":"A","taken":"2021-01-01T00:00:00Z","marks":[{"stream":"nats/PARKED","last":7}]}`))
	f.Add([]byte(`{"format":1,"epochs":[{"name":"2-k7qfxz4m","from":4}],"taken":"2021-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if form, err := parseMarks(seal(body)); err == nil && (form.Format != marksFormat || form.Epochs.Check() != nil) {
			t.Errorf("read %+v", form)
		}
		if _, err := parseMarks(body); err == nil && !bytes.Contains(body, []byte(sumPrefix)) {
			t.Error("read without a checksum")
		}
	})
}

// world is a NATS server with a log and a bucket.
type world struct {
	t      *testing.T
	js     jetstream.JetStream
	log    *eventstore.Log
	path   string
	bucket jetstream.KeyValue
}

func newWorld(t *testing.T) *world {
	t.Helper()
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
	w := &world{t: t, path: filepath.Join(t.TempDir(), MarksFile)}
	if w.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	if w.log, err = eventstore.Create(t.Context(), nc, eventstore.Config{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.log.Close(t.Context()) })
	if w.bucket, err = (Stamping{JetStream: w.js}).CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "SUNDIAL_TOKENS"}); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) open() *Marks {
	w.t.Helper()
	m, err := OpenMarks(MarksConfig{Path: w.path, Servers: []Server{{Embedded, w.js}}, Log: w.log, Now: time.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) put(key string) uint64 {
	w.t.Helper()
	revision, err := w.bucket.PutString(w.t.Context(), key, "x")
	if err != nil {
		w.t.Fatal(err)
	}
	return revision
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// An engine that was killed has its marks for whatever it answered for.
func TestWhatWasAnsweredForIsMarked(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"PARKED", "LIFECYCLE"} {
		_, err := w.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name + ".>"}})
		w.must(err)
	}
	marking := Marking{JetStream: w.js, Marks: w.open(), Server: Embedded, Streams: []string{"PARKED"}, Logger: slog.New(slog.DiscardHandler)}
	for range 2 {
		_, err := marking.Publish(t.Context(), "PARKED.a", nil)
		w.must(err)
		_, err = marking.PublishMsg(t.Context(), &nats.Msg{Subject: "PARKED.b"})
		w.must(err)
		_, err = marking.Publish(t.Context(), "LIFECYCLE.a", nil)
		w.must(err)
	}
	w.must(w.js.DeleteStream(t.Context(), "PARKED"))
	w.must(w.js.DeleteStream(t.Context(), "LIFECYCLE"))
	var damage *DamageError
	if err := w.open().Check(t.Context()); !errors.As(err, &damage) || len(damage.Findings) != 1 || damage.Findings[0].Code != StreamMissing ||
		!strings.Contains(damage.Findings[0].Problem, "had come to 4") {
		t.Errorf("checked: %v; want what was marked to be missed, and nothing else", err)
	}
}

func TestAStreamWithOtherMessagesIsNamed(t *testing.T) {
	w := newWorld(t)
	m := w.open()
	w.put("a")
	w.must(m.Take(t.Context()))
	w.must(w.open().Check(t.Context()))

	// Made again, with as many messages and more: it ends behind the mark, and is not what it was.
	w.must(w.js.DeleteKeyValue(t.Context(), "SUNDIAL_TOKENS"))
	bucket, err := w.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "SUNDIAL_TOKENS"})
	w.must(err)
	w.bucket = bucket
	w.put("a")
	w.put("b")
	var damage *DamageError
	if err := w.open().Check(t.Context()); !errors.As(err, &damage) || damage.Findings[0].Code != StreamForeign {
		t.Errorf("checked: %v", err)
	}
	w.must(m.Begin(t.Context()))
	w.must(w.open().Check(t.Context()))
}

func TestAStreamOfAnotherEpochIsNamed(t *testing.T) {
	w := newWorld(t)
	m := w.open()
	w.put("a")
	w.must(m.Tend(t.Context()))
	if err := m.Tend(t.Context()); err != nil {
		t.Errorf("a second look: %v", err)
	}
	if _, err := w.log.BeginEpoch(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := m.Tend(t.Context()); err != nil {
		t.Errorf("of whom began it: %v", err)
	}
	// The bucket is as it was before the restore: nothing went back, and yet it is no part of what was restored.
	fresh := w.open()
	var damage *DamageError
	if err := fresh.Check(t.Context()); !errors.As(err, &damage) || damage.Findings[0].Code != StreamForeign || damage.Findings[0].Where != "nats/KV_SUNDIAL_TOKENS" {
		t.Errorf("checked: %v", err)
	}
	w.must(fresh.Begin(t.Context()))
	w.must(w.open().Check(t.Context()))
}

func TestAMarkOnDemandIsInTheFile(t *testing.T) {
	w := newWorld(t)
	m := w.open()
	var last uint64
	done := make(chan error)
	for range 8 {
		last = w.put("a")
		go func() { done <- m.Reach(t.Context(), Embedded, "KV_SUNDIAL_TOKENS", last) }()
		w.must(<-done)
		text, err := os.ReadFile(w.path)
		w.must(err)
		form, err := parseMarks(text)
		if err != nil || len(form.Marks) != 1 || form.Marks[0].Last != last {
			t.Fatalf("%+v, %v; want %d", form, err, last)
		}
	}
	w.must(m.Take(t.Context())) // it learns when that was
	w.must(w.open().Check(t.Context()))
}

func TestMarksThatCannotBeWrittenStayAndAreToldOf(t *testing.T) {
	w := newWorld(t)
	m := w.open()
	last := w.put("a")
	w.must(m.Take(t.Context()))
	before, err := os.ReadFile(w.path)
	w.must(err)
	folder := filepath.Dir(w.path)
	m.config.Path = filepath.Join(folder, "none", MarksFile) // as a disk that takes no new file
	w.put("b")
	if err := m.Reach(t.Context(), Embedded, "KV_SUNDIAL_TOKENS", last+1); err == nil || !strings.Contains(err.Error(), "keeping marks") {
		t.Errorf("answered %v", err)
	}
	if after, err := os.ReadFile(w.path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("%q, %v; want %q", after, err, before)
	}
	m.config.Path = w.path
	w.must(m.Reach(t.Context(), Embedded, "KV_SUNDIAL_TOKENS", last+1)) // the failure was not taken for a success
	if after, err := os.ReadFile(w.path); err != nil || bytes.Equal(before, after) {
		t.Errorf("%q, %v", after, err)
	}
}

func TestMarksAreJudgedAsTheyAreOnDisk(t *testing.T) {
	w := newWorld(t)
	w.must(VerifyMarks(w.path, w.log.Identity())) // none yet
	w.put("a")
	w.must(w.open().Take(t.Context()))
	w.must(VerifyMarks(w.path, w.log.Identity()))
	w.must(VerifyMarks(w.path, "")) // of a log that cannot be opened
	expect := func(err error, code string) {
		t.Helper()
		var damage *DamageError
		if !errors.As(err, &damage) || len(damage.Findings) != 1 || damage.Findings[0].Code != code || damage.Findings[0].Where != MarksFile || damage.Fix == "" {
			t.Errorf("judged %v, want %s", err, code)
		}
	}
	expect(VerifyMarks(w.path, "another"), MarksForeign)
	text, err := os.ReadFile(w.path)
	w.must(err)
	for i := range text {
		flipped := bytes.Clone(text)
		flipped[i] ^= 4
		w.must(os.WriteFile(w.path, flipped, 0o600))
		expect(VerifyMarks(w.path, w.log.Identity()), MarksDamaged)
	}
	w.must(errors.Join(os.Remove(w.path), os.Mkdir(w.path, 0o700)))
	expect(VerifyMarks(w.path, w.log.Identity()), MarksUnreadable)
	_, err = OpenMarks(MarksConfig{Path: w.path, Log: w.log, Now: time.Now})
	expect(err, MarksUnreadable)
}
