package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The ways in which a directory is damaged.
const (
	wayFlip   = "flip"   // one bit of a file
	wayCut    = "cut"    // a file ends early
	wayDelete = "delete" // a file, or the whole folder of a stream, is gone
	waySwap   = "swap"   // two files have changed places
	wayOld    = "old"    // a file, or the whole folder of a stream, is what it was some time ago
)

// The ways in which the program ended before.
const (
	endClean = "clean"
	endKill  = "killed"
)

// harm is one damage to a directory. Its text says it whole, so that it can be done again: "killed flip PATH 17.3" flips bit 3 of
// byte 17, "clean cut PATH 17" leaves 17 bytes, "clean swap PATH PATH".
type harm struct {
	end, way, path string
	other          string // the other file of a swap
	byte           int64  // of a flip; of a cut, how many stay
	bit            int
}

func (d harm) String() string {
	text := d.end + " " + d.way + " " + d.path
	switch d.way {
	case wayFlip:
		return fmt.Sprintf("%s %d.%d", text, d.byte, d.bit)
	case wayCut:
		return fmt.Sprintf("%s %d", text, d.byte)
	case waySwap:
		return text + " " + d.other
	}
	return text
}

// kind is the end, the way and the kind of file, for a summary.
func (d harm) kind() string { return d.end + " " + d.way + " " + kindOf(d.path) }

func parseDamage(text string) (harm, error) {
	wrong := fmt.Errorf("not a damage: %q", text)
	words := strings.Fields(text)
	if len(words) < 3 || len(words) > 4 {
		return harm{}, wrong
	}
	d := harm{end: words[0], way: words[1], path: words[2]}
	if len(words) == 4 {
		var err error
		switch d.way {
		case wayFlip:
			_, err = fmt.Sscanf(words[3], "%d.%d", &d.byte, &d.bit)
		case wayCut:
			d.byte, err = strconv.ParseInt(words[3], 10, 64)
		case waySwap:
			d.other = words[3]
		default:
			err = wrong
		}
		if err != nil {
			return harm{}, wrong
		}
	}
	if d.String() != text || d.end != endClean && d.end != endKill {
		return harm{}, wrong
	}
	return d, nil
}

var (
	streamFile   = regexp.MustCompile(`^nats/jetstream/[^/]+/streams/([^/]+)(?:/(.*))?$`)
	versionParts = regexp.MustCompile(`[0-9]+`)
)

// kindOf names the kind of a file: what it is part of, and as what.
func kindOf(path string) string {
	m := streamFile.FindStringSubmatch(path)
	if m == nil {
		return versionParts.ReplaceAllString(path, "N")
	}
	if m[2] == "" {
		return m[1]
	}
	return m[1] + " " + versionParts.ReplaceAllString(filepath.Base(m[2]), "N")
}

// damageable lists the files of a directory that can be damaged, and the folders of streams, by their kinds.
func damageable(dir string) (kinds []string, paths map[string][]string, err error) {
	paths = map[string][]string{}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		m := streamFile.FindStringSubmatch(rel)
		folder := e.IsDir() && m != nil && m[2] == ""
		if !folder && !e.Type().IsRegular() {
			return nil
		}
		kind := kindOf(rel)
		if paths[kind] == nil {
			kinds = append(kinds, kind)
		}
		paths[kind] = append(paths[kind], rel)
		return nil
	})
	slices.Sort(kinds)
	return kinds, paths, err
}

// drawDamage draws a damage to a directory: of all kinds of file alike, however many there are of a kind and however large.
func drawDamage(random *rand.Rand, bases map[string]*damageBase) (harm, error) {
	end := []string{endClean, endKill}[random.IntN(2)]
	base := bases[end]
	for range 1000 {
		kind := base.kinds[random.IntN(len(base.kinds))]
		of := base.paths[kind]
		d := harm{end: end, path: of[random.IntN(len(of))]}
		info, err := os.Stat(filepath.Join(base.dir, d.path))
		if err != nil {
			return harm{}, err
		}
		ways := []string{wayFlip, wayFlip, wayFlip, wayCut, wayCut, wayDelete, waySwap, wayOld}
		if info.IsDir() {
			ways = []string{wayDelete, wayOld}
		}
		switch d.way = ways[random.IntN(len(ways))]; d.way {
		case wayFlip:
			if info.Size() == 0 {
				continue
			}
			d.byte, d.bit = random.Int64N(info.Size()), random.IntN(8)
		case wayCut:
			if info.Size() == 0 {
				continue
			}
			d.byte = random.Int64N(info.Size())
			if random.IntN(3) == 0 { // only the last bytes are gone
				d.byte = max(0, info.Size()-1-random.Int64N(64))
			}
		case waySwap:
			other := base.kinds[random.IntN(len(base.kinds))]
			d.other = base.paths[other][random.IntN(len(base.paths[other]))]
			if info, err := os.Stat(filepath.Join(base.dir, d.other)); err != nil || info.IsDir() || d.other == d.path {
				continue
			}
			if same, err := sameFile(filepath.Join(base.dir, d.path), filepath.Join(base.dir, d.other)); err != nil || same {
				continue
			}
		case wayOld:
			if !base.changed(d.path) {
				continue
			}
		}
		return d, nil
	}
	return harm{}, errors.New("nothing was found to damage")
}

// changed tells whether a file or folder is another one than in the older copy, which must have it.
func (b *damageBase) changed(path string) bool {
	old := filepath.Join(b.old, path)
	info, err := os.Stat(old)
	if err != nil {
		return false
	}
	if !info.IsDir() {
		same, err := sameFile(old, filepath.Join(b.dir, path))
		return err == nil && !same
	}
	differs := false
	_ = filepath.WalkDir(old, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			rel, _ := filepath.Rel(b.old, name)
			same, err := sameFile(name, filepath.Join(b.dir, rel))
			differs = differs || err != nil || !same
		}
		return nil
	})
	return differs
}

func sameFile(a, b string) (bool, error) {
	left, err := os.ReadFile(a)
	if err != nil {
		return false, err
	}
	right, err := os.ReadFile(b)
	return err == nil && string(left) == string(right), err
}

// do damages a directory, of which there is an older copy.
func (d harm) do(dir, old string) error {
	name := filepath.Join(dir, d.path)
	switch d.way {
	case wayFlip:
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if d.byte >= int64(len(content)) {
			return fmt.Errorf("%s has %d bytes", d.path, len(content))
		}
		content[d.byte] ^= 1 << d.bit
		return os.WriteFile(name, content, 0o600)
	case wayCut:
		return os.Truncate(name, d.byte)
	case wayDelete:
		return os.RemoveAll(name)
	case waySwap:
		other, aside := filepath.Join(dir, d.other), filepath.Join(dir, ".aside")
		for _, step := range [][2]string{{name, aside}, {other, name}, {aside, other}} {
			if err := os.Rename(step[0], step[1]); err != nil {
				return err
			}
		}
		return nil
	case wayOld:
		return replaceFrom(old, dir, d.path)
	}
	return fmt.Errorf("no way to damage: %s", d.way)
}

// replaceFrom puts a file or folder of another copy of a directory in the place of its own.
func replaceFrom(from, dir, path string) error {
	if err := os.RemoveAll(filepath.Join(dir, path)); err != nil {
		return err
	}
	return copyInto(filepath.Join(from, path), filepath.Join(dir, path))
}

// copyInto copies a file, or a folder with its files. Locks and sockets stay where they are: they are of a process.
func copyInto(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		at := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(at, 0o700)
		case !e.Type().IsRegular():
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			return err
		}
		return os.WriteFile(at, content, 0o600)
	})
}

// TestADamageIsItsText: what is printed of a damage does it again.
func TestADamageIsItsText(t *testing.T) {
	for _, d := range []harm{
		{end: endClean, way: wayFlip, path: "nats/jetstream/$G/streams/PARKED/msgs/1.blk", byte: 17, bit: 3},
		{end: endKill, way: wayCut, path: "log.identity", byte: 0},
		{end: endKill, way: wayDelete, path: "nats/jetstream/$G/streams/PARKED"},
		{end: endClean, way: waySwap, path: "archive/archive-v1.idx", other: "archive/archive-v1.log"},
		{end: endClean, way: wayOld, path: "sandbox.clock"},
	} {
		if got, err := parseDamage(d.String()); err != nil || got != d {
			t.Errorf("%s: got %s, %v", d, got, err)
		}
	}
	for _, text := range []string{"", "clean flip", "clean flip a", "clean flip a 1", "clean old a 1", "once cut a 1", "clean cut a 01"} {
		if got, err := parseDamage(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}
