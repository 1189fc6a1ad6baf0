package eventstore_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"sundial/eventstore"
)

type testEvent interface{ Type() string }

type paid struct {
	Order string `json:"order"`
	Minor int64  `json:"minor"`
}

func (paid) Type() string { return "app.paid.v2" }

type renamed struct {
	Name string `json:"name"`
}

func (*renamed) Type() string { return "app.renamed.v1" }

// paidV1 held the amount in major units.
type paidV1 struct {
	Order string `json:"order"`
	Major int64  `json:"major"`
}

type stranger struct{}

func (stranger) Type() string { return "app.stranger.v1" }

func newCodec(t testing.TB) *eventstore.Codec[testEvent] {
	t.Helper()
	c, err := eventstore.NewCodec([]testEvent{paid{}, &renamed{}}, eventstore.NewUpcast("app.paid.v1", func(old paidV1) testEvent {
		return paid{Order: old.Order, Minor: old.Major * 100}
	}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCodec(t *testing.T) {
	c := newCodec(t)
	for _, e := range []testEvent{paid{Order: "o-1", Minor: 5}, &renamed{Name: "新"}} {
		stored, err := c.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		if stored.Type != e.Type() {
			t.Errorf("stored as %s, want %s", stored.Type, e.Type())
		}
		got, err := c.Decode(stored)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Error(diff)
		}
	}
	got, err := c.Decode(eventstore.Event{Type: "app.paid.v1", Data: []byte(`{"order":"o-2","major":7}`)})
	if err != nil || got != testEvent(paid{Order: "o-2", Minor: 700}) {
		t.Errorf("upcast: %+v, %v", got, err)
	}
	types := c.Types()
	slices.Sort(types)
	if want := []string{"app.paid.v1", "app.paid.v2", "app.renamed.v1"}; !slices.Equal(types, want) {
		t.Errorf("types %v, want %v", types, want)
	}
}

func TestCodecRefuses(t *testing.T) {
	c := newCodec(t)
	for _, row := range []struct{ name, typ, data string }{
		{"an unknown type", "app.closed.v1", `{}`},
		{"an unknown member", "app.paid.v2", `{"order":"o","minor":1,"tax":2}`},
		{"an unknown member of an old type", "app.paid.v1", `{"order":"o","minor":1}`},
		{"a member in another case", "app.paid.v2", `{"Order":"o"}`},
		{"a member twice", "app.paid.v2", `{"order":"o","order":"p"}`},
		{"a value of another kind", "app.paid.v2", `{"order":1}`},
		{"a fraction", "app.paid.v2", `{"minor":1.5}`},
		{"a number beyond 64 bits", "app.paid.v2", `{"minor":9223372036854775808}`},
		{"no JSON", "app.paid.v2", `{"order":`},
		{"two values", "app.paid.v2", `{}{}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := c.Decode(eventstore.Event{Type: row.typ, Data: []byte(row.data)}); err == nil {
				t.Errorf("%s was taken for %+v", row.data, got)
			}
		})
	}
	_, err := c.Decode(eventstore.Event{Type: "app.closed.v1", Data: []byte(`{}`)})
	var unknown *eventstore.UnknownTypeError
	if !errors.As(err, &unknown) || unknown.Type != "app.closed.v1" {
		t.Errorf("%v, want an *UnknownTypeError", err)
	}
	if _, err := c.Encode(stranger{}); err == nil || !strings.Contains(err.Error(), "app.stranger.v1") {
		t.Errorf("a type without prototype was encoded: %v", err)
	}
	for _, prototypes := range [][]testEvent{{paid{}, paid{}}, {nil}} {
		if _, err := eventstore.NewCodec(prototypes); err == nil {
			t.Errorf("prototypes %v were taken", prototypes)
		}
	}
	if _, err := eventstore.NewCodec([]testEvent{paid{}}, eventstore.NewUpcast("app.paid.v2", func(paidV1) testEvent { return paid{} })); err == nil {
		t.Error("an upcast of today's name was taken")
	}
}

func FuzzCodecDecode(f *testing.F) {
	f.Add("app.paid.v2", []byte(`{"order":"o","minor":1}`))
	f.Add("app.paid.v1", []byte(`{"order":"o","major":1}`))
	f.Add("app.renamed.v1", []byte(`{"name":"x"}`))
	f.Add("app.closed.v1", []byte(`{}`))
	c := newCodec(f)
	f.Fuzz(func(t *testing.T, typ string, data []byte) {
		e, err := c.Decode(eventstore.Event{Type: typ, Data: data})
		if err != nil {
			return
		}
		stored, err := c.Encode(e)
		if err != nil {
			t.Fatalf("decoded %s %q, but cannot be encoded: %v", typ, data, err)
		}
		back, err := c.Decode(stored)
		if err != nil {
			t.Fatalf("%s: %v", stored.Data, err)
		}
		if diff := cmp.Diff(e, back); diff != "" {
			t.Error(diff)
		}
	})
}

// duplicateNames tells whether that is all that is wrong with a JSON value.
func duplicateNames(data []byte) bool {
	d := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true))
	_, err := d.ReadValue()
	return err == nil
}

func BenchmarkCodec(b *testing.B) {
	c := newCodec(b)
	e := paid{Order: "ord-2021-000017", Minor: 99900}
	stored, err := c.Encode(e)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := c.Encode(e); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if _, err := c.Decode(stored); err != nil {
				b.Fatal(err)
			}
		}
	})
}
