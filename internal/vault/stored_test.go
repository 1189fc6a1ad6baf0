package vault

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzDecodeRecord(f *testing.F) {
	for _, seed := range []string{
		`{"root":"r","sealing":"AQ==","fingerprint":"Ag=="}`, `{"sealing":"AQ==","fingerprint":"Ag=="}`, `{"forgotten":true}`,
		`{"root":"r","forgotten":true}`, `{}`, ``, `null`, `{"forgotten":false}`, `{"root":"r","sealing":"AQ=="}`,
	} {
		f.Add(uint64(1), "", []byte(seed))
		f.Add(uint64(2), "certificate-17", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, app uint64, item string, data []byte) {
		h := Holder{App: app, Item: item}
		if h.check() != nil {
			t.Skip()
		}
		if back, err := holderOf(h.subject()); err != nil || back != h {
			t.Errorf("%+v became %+v, %v", h, back, err)
		}
		r, err := decodeRecord(h, data)
		if err != nil {
			// An error tells of whom, and nothing of what is stored.
			if cmp.Diff(record{}, r) != "" || err.Error() != errRecord.Error()+" (holder "+h.String()+")" {
				t.Errorf("%+v, %v", r, err)
			}
			return
		}
		if r.Forgotten == (len(r.Sealing) > 0) {
			t.Errorf("%q is read as %+v", data, r)
		}
		written, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeRecord(h, written)
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Errorf("%v, %s", err, diff)
		}
		// Nothing that holds keys of an app is taken for an item's, nor the other way.
		other := Holder{App: app, Item: "x"}
		if item != "" {
			other.Item = ""
		}
		if _, err := decodeRecord(other, data); err == nil && !r.Forgotten {
			t.Errorf("%q counts for %s and %s", data, h, other)
		}
	})
}

func FuzzDecodeRootRecord(f *testing.F) {
	f.Add([]byte(`{"root":"r","check":"AQ=="}`))
	f.Add([]byte(`{"root":"r"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRootRecord(data)
		if err == nil && (r.Root == "" || len(r.Check) == 0) {
			t.Errorf("%q is read as %+v", data, r)
		}
	})
}

// someRoot is the file of a root key.
const someRoot = `{"primaryKeyId":1,"key":[{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmKey",` +
	`"value":"GiDK/1PJSK7eHNv8pBUcdGDJVFtuwlq3OLqYLZZtfvIhIg==","keyMaterialType":"SYMMETRIC"},` +
	`"status":"ENABLED","keyId":1,"outputPrefixType":"TINK"}]}`

func FuzzDecodeRoot(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(someRoot))
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := decodeRoot(data)
		if err != nil {
			return
		}
		sealed, err := root.AEAD.Encrypt([]byte("x"), nil)
		if err != nil || len(root.ID) != 16 {
			t.Fatalf("%s: %v", root, err)
		}
		again, err := decodeRoot(data)
		if err != nil || again.ID != root.ID {
			t.Fatalf("read again: %s, %v", again, err)
		}
		if got, err := again.AEAD.Decrypt(sealed, nil); err != nil || !bytes.Equal(got, []byte("x")) {
			t.Errorf("%q, %v", got, err)
		}
	})
}

func FuzzHolderOf(f *testing.F) {
	for _, seed := range []string{"keys.root", "keys.app.1", "keys.app.01", "keys.item.1.a", "keys.item.1.", "keys.app.1.a", "x.y.1", "keys.log", "keys.log.1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		h, err := holderOf(subject)
		if err == nil && (h.subject() != subject || h != theLog && h.check() != nil) {
			t.Errorf("%q is read as %+v", subject, h)
		}
	})
}

// TestPrintsOfCommandsStay holds the print of a command against what it was when the log's key was first stored like this:
// commits keep it forever.
func TestPrintsOfCommandsStay(t *testing.T) {
	root, err := decodeRoot([]byte(someRoot))
	if err != nil {
		t.Fatal(err)
	}
	r, err := decodeRecord(theLog, []byte(`{"root":"99a40edfa2dc822c","sealing":"Eo0BAQAAAAFqpg8vQ9vwfmjPP3TXOmgPP1G4k/EVbgrAsSRgvxZeiko7CujXe+gwDOKg9e2BABsV3qnn7wvmJ0nkAOWNpxMcReCBIxi4mnxtgKrFX2u2xMUJuXmQS+0ZzhiFOecPSRDIE25RIx8RV7efIhb7jRnQ4kgvgFFrKTBvfgaSWV4r9D4qgfLQ3Jrz",`+
		`"fingerprint":"EpIBAQAAAAHwkkaZEI/YUqDz6E0X9LJ+1ksHp3sok8BHPjo5PleqUBvc0YrNYKs4i69uls4NhJcJFp0FC0BXch1L6jHuqFjA3Q2F8nvDtImiXb4TjAHm7xYUWf1zJOaoiRgNbWycCu2eS1Fgs0EqpQGgdhMgW9nCLMrKjPWbO7AkXw4Zl95c4oC3Qm6CRLH4QHWBSrs="}`))
	if err != nil {
		t.Fatal(err)
	}
	d, err := unwrap(theLog, r, root.AEAD)
	if err != nil {
		t.Fatal(err)
	}
	k, err := d.keys()
	if err != nil {
		t.Fatal(err)
	}
	sum, err := k.command("acme", "add_certificate", "k-1", NewSecret([]byte(`{"app":1400000001}`)))
	if got := hex.EncodeToString(sum[:]); err != nil || got != "5805158127c971eaecb253678a1286db6d3b3be55b0e1469b6c4ce54d509a63e" {
		t.Errorf("the print is %s, %v: another one than before", got, err)
	}
}

func TestPartsAreKeptApart(t *testing.T) {
	seen := map[string][]string{}
	for _, parts := range [][]string{
		{}, {""}, {"", ""}, {"a", "b"}, {"ab"}, {"ab", ""}, {"", "ab"}, {"a", "", "b"}, {"\x01b"}, {strings.Repeat("a", 200)},
	} {
		key := string(bind("p", parts...))
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q are bound alike", parts, other)
		}
		seen[key] = parts
	}
}

func TestCacheKeepsNothingStale(t *testing.T) {
	c := newCache(2)
	app, item := Holder{App: 1}, Holder{App: 1, Item: "a"}
	held := func(h Holder) bool { k, _ := c.get(h); return k != nil }
	put := func(h Holder) { _, drops := c.get(h); c.put(h, &keys{}, drops) }

	put(app)
	if held(app) {
		t.Error("something is kept while nothing is followed")
	}
	_, before := c.get(app)
	c.follow(true)
	if c.put(app, &keys{}, before); held(app) {
		t.Error("what was read before following began is kept")
	}
	put(app)
	put(item)
	if !held(app) || !held(item) {
		t.Error("what was put is not held")
	}
	_, before = c.get(Holder{App: 2})
	c.drop(app)
	if held(app) || held(item) {
		t.Error("dropping an app leaves it, or its items")
	}
	if c.put(app, &keys{}, before); held(app) {
		t.Error("what was read before it was dropped is kept")
	}
	for i := range uint64(5) {
		put(Holder{App: i + 1})
	}
	if n, following := c.state(); n != 2 || !following {
		t.Errorf("%d held, following: %t; want 2, true", n, following)
	}
	put(item)
	c.drop(item)
	if held(item) || !held(Holder{App: 5}) {
		t.Error("dropping an item leaves it, or drops another")
	}
	c.follow(false)
	if n, _ := c.state(); n != 0 {
		t.Errorf("%d held while nothing is followed", n)
	}
}
