package ingest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sundial/domain"
)

// The index ends as the stream does, in whatever order a node hears of its own writes, and lists what is open, oldest
// first.
func TestTheIndexAgreesWithTheStream(t *testing.T) {
	type message struct {
		key parkedKey
		p   Parked
	}
	var stream []message
	states := []State{StateOpen, StateOpen, StateDiscarded, StateReplayed}
	latest := map[parkedKey]Parked{}
	for n := range 2000 {
		key := hashKey("", fmt.Append(nil, rand.IntN(300)))
		p := Parked{State: states[rand.IntN(len(states))], Code: domain.AppNotFound.Code, Account: "acme", App: domain.FirstApp + domain.AppID(key[0]%5), Size: 10, sequence: uint64(n + 1)}
		stream = append(stream, message{key, p})
		latest[key] = p
	}
	var want []parkedPlace
	waiting := 0
	for key, p := range latest {
		if p.State == StateOpen {
			want = append(want, parkedPlace{p.sequence, key})
			waiting++
		}
	}
	slices.SortFunc(want, bySequence)

	// The stream is followed in order; what this node writes itself it hears of earlier or later as well.
	x := newParkedIndex()
	own := make([][]message, len(stream))
	for i, m := range stream {
		if at := i + rand.IntN(40) - 20; at >= 0 && at < len(own) {
			own[at] = append(own[at], m)
		}
	}
	for i, m := range stream {
		for _, o := range own[i] {
			x.apply(o.key, &o.p, false)
		}
		x.apply(m.key, &m.p, true)
	}
	if got := x.after(0, ParkedFilter{}, len(stream)); !slices.Equal(got, want) {
		t.Errorf("lists %d, want %d", len(got), len(want))
	}
	if open, bytes, _ := x.size(); open != len(want) || bytes != int64(10*len(want)) {
		t.Errorf("%d open of %d bytes, want %d", open, bytes, len(want))
	}
	for _, app := range x.awaited() {
		waiting -= len(x.waitingFor(app))
	}
	if waiting != 0 {
		t.Errorf("%d too few wait for their apps", waiting)
	}
	middle := want[len(want)/2]
	if got := x.after(middle.sequence, ParkedFilter{}, 3); len(got) > 0 && got[0] != want[len(want)/2+1] {
		t.Errorf("after %d comes %d", middle.sequence, got[0].sequence)
	}
}

func TestKeys(t *testing.T) {
	key := hashKey("x", nil)
	if got, ok := parseKey(key.String()); !ok || got != key {
		t.Errorf("%s is read as %s", key, got)
	}
	for _, id := range []string{"", "x", key.String() + "0", strings.ToUpper(key.String()), strings.Repeat("g", 32)} {
		if _, ok := parseKey(id); ok {
			t.Errorf("%q is a key", id)
		}
	}
	// Spelling makes no difference where it is JSON, and every byte does where it is not.
	same := keyOfBytes([]byte(`{"a":1,"b":[1.0]}`))
	if keyOfBytes([]byte(`{ "b": [1], "a": 1e0 }`)) != same {
		t.Error("two spellings of one event have two keys")
	}
	for _, other := range []string{`{"a":1,"b":[2]}`, `{"a":1,"b":[1.0]`, `{"a":1,"b":[1.0]]`, `{"a":1,"a":1,"b":[1.0]}`} {
		if keyOfBytes([]byte(other)) == same {
			t.Errorf("%s has the key of another event", other)
		}
	}
}

func FuzzDecodeParked(f *testing.F) {
	one := Parked{State: StateOpen, Code: "x", Text: "商店 𝄞 \u2028", Subject: "billing.\xff", Account: "acme", App: 1, ParkedAt: 1612137600000, Size: 3}
	header, err := one.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(header)
	f.Add(`{"state":"open","state":"open"}`)
	f.Fuzz(func(t *testing.T, header string) {
		p, err := decodeParked(header)
		if err != nil || len(p.Text) > maxText {
			return
		}
		again, err := p.encode()
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", p, err)
		}
		for _, c := range []byte(again) {
			if c < 0x20 || c >= 0x7f && c != 0x7f {
				t.Fatalf("%q does not fit in a header", again)
			}
		}
		q, err := decodeParked(again)
		if err != nil {
			t.Fatalf("%s cannot be read: %v", again, err)
		}
		if diff := cmp.Diff(p, q, cmpopts.IgnoreUnexported(Parked{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

// A batch is parked in the order sent, whichever accounts its events are for.
func TestABatchIsParkedInTheOrderSent(t *testing.T) {
	n := newWorld(t).node()
	var batch []jsontext.Value
	var want []string
	for k := range 60 {
		id := fmt.Sprint("e-", k)
		event := overdue(id, fmt.Sprint("acct-", k%7), shop, "inv")
		if k%5 == 0 {
			event = strings.Replace(event, `"minor":100`, `"minor":-100`, 1)
		}
		batch, want = append(batch, jsontext.Value(event)), append(want, id)
	}
	batch = append(batch, batch[3]) // parked once
	outcomes, err := n.Take(t.Context(), batch, "billing:test")
	if err != nil {
		t.Fatal(err)
	}
	for k, o := range outcomes {
		if o.Outcome != OutcomeParked || k < len(want) && o.ID != want[k] {
			t.Errorf("event %d is answered with %s, %s", k, o.ID, o.Outcome)
		}
	}
	items, _, err := n.Parked(t.Context(), ParkedFilter{}, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range items {
		got = append(got, p.EventID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the list is not in the order sent (-want +got):\n%s", diff)
	}
}
