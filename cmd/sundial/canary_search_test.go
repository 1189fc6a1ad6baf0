package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// needles are texts to be looked for in everything at once, by their first two bytes.
type needles struct {
	starts [1 << 16][]needle
	names  map[string]bool
}

type needle struct {
	name string // what it is, not what it says
	text []byte
}

// minNeedle is the shortest text that is looked for: a shorter one is found by accident.
const minNeedle = 12

// add adds a value in every form in which it may have been written down.
func (n *needles) add(name string, value []byte) {
	if n.names == nil {
		n.names = map[string]bool{}
	}
	n.names[name] = true
	for form, text := range formsOf(value) {
		if len(text) < minNeedle {
			panic("too short to be looked for: " + name)
		}
		start := int(text[0])<<8 | int(text[1])
		n.starts[start] = append(n.starts[start], needle{name + ", " + form, text})
	}
}

// formsOf gives a value as it is, and as it stands in the usual encodings.
func formsOf(value []byte) map[string][]byte {
	forms := map[string][]byte{
		"raw": value, "hex": []byte(hex.EncodeToString(value)), "HEX": []byte(strings.ToUpper(hex.EncodeToString(value))),
		"query": []byte(url.QueryEscape(string(value))), "path": []byte(url.PathEscape(string(value))),
	}
	if quoted, err := jsontext.AppendQuote(nil, value); err == nil {
		forms["JSON"] = quoted[1 : len(quoted)-1]
	}
	for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
		for before := range 3 { // bytes of something else that stand before it
			text := encoding.EncodeToString(append(make([]byte, before), value...))
			from, to := (before*8+5)/6, (before+len(value))*8/6
			forms[fmt.Sprint(name, " at ", before)] = []byte(text[from:to])
		}
	}
	return forms
}

// in gives the needles that are in a haystack, each with the form in which it is.
func (n *needles) in(hay []byte) (found []string) {
	for i := range max(len(hay)-1, 0) {
		for _, look := range n.starts[int(hay[i])<<8|int(hay[i+1])] {
			if bytes.HasPrefix(hay[i:], look.text) && !slices.Contains(found, look.name) {
				found = append(found, look.name)
			}
		}
	}
	return found
}

// TestNeedlesAreFound is the control of the search: it finds a value in every form, wherever it stands.
func TestNeedlesAreFound(t *testing.T) {
	const value = "a/b\n\"c\"?d>e<f\xffg +%&"
	for _, before := range []string{"", "x", "xy", "xyz", strings.Repeat("z", 100)} {
		for form, hay := range map[string]string{
			"raw": value, "hex": hex.EncodeToString([]byte(value)), "HEX": fmt.Sprintf("%X", value),
			"query": url.QueryEscape(value), "path": url.PathEscape(value),
		} {
			lookFor(t, value, form, before+hay+before)
		}
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64url": base64.URLEncoding} {
			hay := encoding.EncodeToString([]byte(before + value + before))
			lookFor(t, value, fmt.Sprint(name, " at ", len(before)%3), "{"+hay+"}")
		}
	}
	const text = "a private key\nwith \"lines\" <and> more"
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		t.Fatal(err)
	}
	lookFor(t, text, "JSON", string(quoted))
	var n needles
	n.add("it", []byte(value))
	if found := n.in([]byte("nothing of the kind: a/b c?d>e<f")); len(found) > 0 {
		t.Errorf("found %v in nothing", found)
	}
}

func lookFor(t *testing.T, value, form, hay string) {
	t.Helper()
	var n needles
	n.add("it", []byte(value))
	if found := n.in([]byte(hay)); !slices.Contains(found, "it, "+form) {
		t.Errorf("%s is not found in %q: %v", form, hay, found)
	}
}

// files reads every file below a directory but those left out, by their paths in it. A file that goes away meanwhile is
// none; sockets are none.
func files(t *testing.T, dir string, without ...string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || !entry.Type().IsRegular():
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil || slices.Contains(without, name) {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			all[name] = text
		} else if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
