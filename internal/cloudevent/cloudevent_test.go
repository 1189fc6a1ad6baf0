package cloudevent

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/eventstore"
)

// keyMade is an event that stores more than it shows.
type keyMade struct {
	domain.TRTCStopNoted
	Public string `json:"public"`
	Sealed string `json:"sealed"`
}

func (keyMade) Type() string { return "app.key_made.v2" }

func (k keyMade) Shown() any {
	return struct {
		domain.About
		Public string `json:"public"`
	}{k.About, k.Public}
}

func TestWhatIsSealedIsNotShown(t *testing.T) {
	codec, err := eventstore.NewCodec(append(domain.Prototypes(), keyMade{}))
	if err != nil {
		t.Fatal(err)
	}
	tr := newTranslator("log", nil, codec)
	commit := eventstore.Commit{
		Account: "acme", ID: "c-1", Command: "rotate_key", Actor: "owner:ann", Reason: `it "leaked"`, RecordedAt: 1612137600000,
		Events: []eventstore.Event{
			{Type: "app.key_made.v2", Data: []byte(`{"app":1400000001,"public":"p","sealed":"ciphertext"}`)},
			{Type: "account.quota_set.v1", Data: []byte(`{"apps":7}`)},
		},
	}
	events, err := tr.Events(&commit, 12)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range events {
		b, err := tr.Append(nil, &commit, &events[i], Attribute{"reason", commit.Reason}, Attribute{"command", commit.Command}, Attribute{"nothing", ""})
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(b))
	}
	common := `"time":"2021-02-01T00:00:00.000Z","datacontenttype":"application/json","dataschema":"urn:sundial:event:`
	by := `"account":"acme","position":"12","actor":"owner:ann","reason":"it \"leaked\"","command":"rotate_key",`
	for i, want := range []string{
		`{"specversion":"1.0","id":"12.0","source":"/sundial/log","type":"sundial.app.key_made","subject":"1400000001",` + common +
			`app.key_made.v2",` + by + `"data":{"app":1400000001,"public":"p"}}`,
		`{"specversion":"1.0","id":"12.1","source":"/sundial/log","type":"sundial.account.quota_set","subject":"acme",` + common +
			`account.quota_set.v1",` + by + `"data":{"apps":7}}`,
	} {
		if got[i] != want {
			t.Errorf("event %d:\n got  %s\n want %s", i, got[i], want)
		}
	}
	if events[0].Last || !events[1].Last {
		t.Errorf("the last of the commit: %t, %t", events[0].Last, events[1].Last)
	}
	if _, err := tr.Events(&eventstore.Commit{Events: []eventstore.Event{{Type: "app.unheard_of.v1", Data: []byte(`{}`)}}}, 1); err == nil {
		t.Error("an event of no known type was shown")
	}
}

// TestEveryReadingIsTheSame shows every golden event a hundred times: consumers compare and hash what they are told, and
// a map in a random order would be another event to them.
func TestEveryReadingIsTheSame(t *testing.T) {
	tr, err := New("log", nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(goldenFolder + "*.json")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, file := range files {
		if strings.Contains(file, ".as.") {
			continue // not what a log holds, but what comes of it
		}
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "-")
		golden, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		shown[NameOf(name)] = true
		commit := eventstore.Commit{Account: "acme", ID: "c-1", Events: []eventstore.Event{{Type: name, Data: compact(t, golden)}}}
		var first []byte
		for reading := range 100 {
			events, err := tr.Events(&commit, 1)
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			told, err := tr.Append(nil, &commit, &events[0])
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if first == nil {
				first = told
			}
			if !bytes.Equal(first, told) {
				t.Errorf("%s: reading %d differs from the first:\n %s\n %s", file, reading+1, told, first)
				break
			}
		}
	}
	for _, name := range tr.Names() {
		if !shown[name] {
			t.Errorf("no golden event %s was read", name)
		}
	}
}

// goldenFolder has an event of each type as the log has it, with every member, and more where a form differs.
const goldenFolder = "../codec/testdata/events/"

func compact(t *testing.T, text []byte) []byte {
	t.Helper()
	v := jsontext.Value(text)
	if err := v.Compact(); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestEveryEventThatSealsIsVeiled looks through every event of the domain for members that hold what is sealed, by name
// or by being bytes: such an event has to say what it shows.
func TestEveryEventThatSealsIsVeiled(t *testing.T) {
	for _, e := range domain.Prototypes() {
		if at := seals(reflect.TypeOf(e), map[reflect.Type]bool{}); at != "" {
			if _, is := e.(Veiled); !is {
				t.Errorf("%s holds %s and has no method Shown", e.Type(), at)
				continue
			}
			// A golden file has every member.
			golden, err := os.ReadFile(goldenFolder + e.Type() + ".json")
			if err != nil {
				t.Fatal(err)
			}
			full := reflect.New(reflect.TypeOf(e))
			if err := json.Unmarshal(golden, full.Interface()); err != nil {
				t.Fatal(err)
			}
			shown, err := json.Marshal(full.Elem().Interface().(Veiled).Shown())
			if err != nil || strings.Contains(string(shown), `"sealed`) || strings.Contains(string(shown), `"print`) {
				t.Errorf("%s shows %s, %v", e.Type(), shown, err)
			}
		}
	}
	if at := seals(reflect.TypeFor[keyMade](), map[reflect.Type]bool{}); at != "sealed" {
		t.Errorf("the search finds %q in an event that seals", at)
	}
}

// seals names the first member below a type that holds something sealed.
func seals(t reflect.Type, seen map[reflect.Type]bool) string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Uint8 || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return ""
	}
	seen[t] = true
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		bytes := f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Uint8 && f.Type.PkgPath() == ""
		if strings.Contains(name, "sealed") || strings.Contains(name, "secret") || bytes {
			return name
		}
		if at := seals(f.Type, seen); at != "" {
			return at
		}
	}
	return ""
}

// structured is a CloudEvent as the library writes it, which what is written by hand is held against.
type structured struct {
	SpecVersion   string         `json:"specversion"`
	ID            string         `json:"id"`
	Source        string         `json:"source"`
	Type          string         `json:"type"`
	Subject       string         `json:"subject"`
	Time          domain.Instant `json:"time"`
	ContentType   string         `json:"datacontenttype"`
	Schema        string         `json:"dataschema"`
	Account       string         `json:"account"`
	Position      string         `json:"position"`
	Actor         string         `json:"actor,omitzero"`
	CorrelationID string         `json:"correlationid,omitzero"`
	Data          jsontext.Value `json:"data"`
}

func BenchmarkAppend(b *testing.B) {
	tr, err := New("log", nil)
	if err != nil {
		b.Fatal(err)
	}
	commit := eventstore.Commit{
		Account: "acme", ID: "c-1", Command: "set_quota", Actor: "operator:ann", RecordedAt: 1612137600000,
		Events: []eventstore.Event{{Type: "account.quota_set.v1", Data: []byte(`{"apps":7}`)}},
	}
	events, err := tr.Events(&commit, 12)
	if err != nil {
		b.Fatal(err)
	}
	want, err := tr.Append(nil, &commit, &events[0])
	if err != nil {
		b.Fatal(err)
	}
	var s structured
	if err := json.Unmarshal(want, &s); err != nil {
		b.Fatal(err)
	}
	if got, err := json.Marshal(s); err != nil || string(got) != string(want) {
		b.Fatalf("%s (%v)\nis not %s", got, err, want)
	}
	b.Run("by=hand", func(b *testing.B) {
		b.ReportAllocs()
		var buffer []byte
		for b.Loop() {
			if buffer, err = tr.Append(buffer[:0], &commit, &events[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by=library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(s); err != nil {
				b.Fatal(err)
			}
		}
	})
}
