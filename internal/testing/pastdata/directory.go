// Package pastdata keeps data directories that the program wrote in the past, each with what the program of its time
// answered from it, and makes new ones. A directory is added whenever a stored format changes; none is ever edited.
//
// It depends on nothing of the program but that it can be started, so that it works with the binary of any version that
// can do what story.go lists: scripts/make-past-directory BINARY NAME. What is asked of a directory stands in
// questions.go.
//
// The tokens, keys and certificates in it were made for it, and open nothing else.
package pastdata

import (
	"archive/tar"
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The files of a past directory.
const (
	packedFile  = "directory.tar.gz" // the data directory as a kill -9 left it
	aboutFile   = "about.json"
	answersFile = "answers.jsonl.gz" // a question with its answer a line
)

// Token is a token of the directory, in the clear.
type Token struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	Inbox  string `json:"inbox"` // the prefix of a NATS client's inbox
}

// About is what is to be known of a past directory.
type About struct {
	Program string           `json:"program"` // what its version verb says
	Waiting int              `json:"waiting"` // bills in the stream BILLING that were not taken in
	Head    uint64           `json:"head"`    // the log's latest commit, once those are
	Tokens  map[string]Token `json:"tokens"`
}

// Past is a directory of the past.
type Past struct {
	Name string
	About
	Answers []Asked

	folder string
}

// List reads the past directories in a folder.
func List(folder string) ([]Past, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var all []Past
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		p := Past{Name: e.Name(), folder: filepath.Join(folder, e.Name())}
		text, err := os.ReadFile(filepath.Join(p.folder, aboutFile))
		if err == nil {
			err = json.Unmarshal(text, &p.About)
		}
		if err == nil {
			p.Answers, err = readAnswers(filepath.Join(p.folder, answersFile))
		}
		if err != nil {
			return nil, fmt.Errorf("past directory %s: %w", p.Name, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// Unpack lays the data directory out.
func (p *Past) Unpack(dir string) error { return unpack(filepath.Join(p.folder, packedFile), dir) }

// Settled waits until what waited in the directory is taken in.
func (p *Past) Settled(ctx context.Context, process *Process) error {
	return until(ctx, fmt.Sprintf("the log's head is %d, and seen by the projections", p.Head), func(ctx context.Context) (bool, error) {
		head, position, err := process.heads(ctx)
		return head == p.Head && position == p.Head, err
	})
}

func (p *Process) heads(ctx context.Context) (head, position uint64, err error) {
	a, err := p.Ask(ctx, nil, Asked{Method: "GET", Path: "/readyz"})
	if err != nil {
		return 0, 0, err
	}
	var ready struct{ Head, Position uint64 }
	err = json.Unmarshal([]byte(a.Said), &ready, json.MatchCaseInsensitiveNames(true))
	return ready.Head, ready.Position, err
}

func readAnswers(name string) (all []Asked, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	lines := jsontext.NewDecoder(bufio.NewReader(z))
	for {
		var a Asked
		if err := json.UnmarshalDecode(lines, &a); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
}

func writeAnswers(name string, all []Asked) error {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	for i := range all {
		line, err := json.Marshal(&all[i], json.Deterministic(true))
		if err != nil {
			return err
		}
		if _, err := z.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(name, out.Bytes(), 0o644)
}

// left are files that no program needs to find: locks, and a socket.
var left = []string{"lock", "projections.lock", "sundial.sock"}

func pack(dir, name string) error {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(dir, path)
		if err = cmp.Or(err, relErr); err != nil || rel == "." || slices.Contains(left, rel) {
			return err
		}
		header := &tar.Header{Name: filepath.ToSlash(rel), Mode: 0o600, Typeflag: tar.TypeReg}
		if d.IsDir() {
			header.Name, header.Mode, header.Typeflag = header.Name+"/", 0o700, tar.TypeDir
			return t.WriteHeader(header)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		header.Size = int64(len(content))
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		_, err = t.Write(content)
		return err
	})
	if err = cmp.Or(err, t.Close(), z.Close()); err != nil {
		return err
	}
	return os.WriteFile(name, out.Bytes(), 0o644)
}

func unpack(name, dir string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	t := tar.NewReader(z)
	for {
		header, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(header.Name))
		if header.Typeflag == tar.TypeDir {
			err = os.MkdirAll(to, 0o700)
		} else {
			var content []byte
			if content, err = io.ReadAll(t); err == nil {
				err = os.WriteFile(to, content, 0o600)
			}
		}
		if err != nil {
			return err
		}
	}
}

const copies = 4

// Make makes a past directory of a program, in a folder that must not exist yet. scratch is a folder to work in. It says on
// out what is not as it might be thought.
//
// The answers are recorded from several copies of the directory: what differs is not a matter of what is stored, and must
// not be asked.
func Make(ctx context.Context, command Command, folder, scratch string, out io.Writer) (err error) {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return fmt.Errorf("past directories are added, never changed: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(folder)) // it was made just now
		}
	}()
	version, err := command("version").Output()
	if err != nil {
		return err
	}
	p := Past{Name: filepath.Base(folder), folder: folder}
	p.Program = strings.TrimSpace(string(version))
	s := &story{tokens: map[string]Token{}}
	if err := s.live(ctx, command, filepath.Join(scratch, "lived")); err != nil {
		return err
	}
	p.Tokens, p.Waiting = s.tokens, s.waiting
	if err := pack(filepath.Join(scratch, "lived"), filepath.Join(folder, packedFile)); err != nil {
		return err
	}
	for i := range copies {
		answers, err := p.record(ctx, command, filepath.Join(scratch, fmt.Sprint("copy-", i)), s)
		if err != nil {
			return err
		}
		if i == 0 {
			p.Answers = answers
			continue
		}
		for n := range answers {
			if d := Difference(&p.Answers[n], &answers[n]); d != "" {
				return fmt.Errorf("two copies answer differently: %s", d)
			}
		}
	}
	for _, a := range p.Answers {
		if first, has := s.first(&a); has && (first.Said != a.Said || first.Status != a.Status) {
			fmt.Fprintf(out, "sent again, answered otherwise than the first time (%d, then %d): %s\n", first.Status, a.Status, a.Name())
		}
	}
	text, err := json.Marshal(&p.About, jsontext.WithIndent("  "), json.Deterministic(true))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d answers, %d commits, %d bills waiting\n", len(p.Answers), p.Head, p.Waiting)
	return cmp.Or(
		writeAnswers(filepath.Join(folder, answersFile), p.Answers),
		os.WriteFile(filepath.Join(folder, aboutFile), append(text, '\n'), 0o644),
	)
}

// record starts the program on a copy of the directory and asks all there is to ask.
func (p *Past) record(ctx context.Context, command Command, dir string, s *story) (all []Asked, err error) {
	if err := p.Unpack(dir); err != nil {
		return nil, err
	}
	process, err := Start(command, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, process.Stop()) }()
	err = until(ctx, "the last bill that waited is taken in", func(ctx context.Context) (bool, error) {
		a, err := process.Ask(ctx, p.Tokens, Asked{As: "operator", Method: "GET", Path: "/v1/accounts/" + lateAccount + "/history?limit=1"})
		return strings.Contains(a.Said, s.lastBill), err
	})
	if err != nil {
		return nil, err
	}
	err = until(ctx, "the projections have the log", func(ctx context.Context) (bool, error) {
		head, position, err := process.heads(ctx)
		p.Head = head
		return head == position, err
	})
	if err != nil {
		return nil, err
	}
	q := &questions{ctx: ctx, process: process, tokens: p.Tokens}
	q.all(s)
	return q.asked, q.err
}

// Difference tells two answers to one question apart, for people; empty: they are the same.
func Difference(want, got *Asked) string {
	var out strings.Builder
	if want.Status != got.Status {
		fmt.Fprintf(&out, "  status %d, was %d\n", got.Status, want.Status)
	}
	for _, name := range kept {
		if want.Kept[name] != got.Kept[name] {
			fmt.Fprintf(&out, "  %s: %q, was %q\n", name, got.Kept[name], want.Kept[name])
		}
	}
	if said, says := want.Said, got.Said; said != says && sorted(said) != sorted(says) {
		was, is := lines(sorted(said)), lines(sorted(says))
		for len(was) > 0 && len(is) > 0 && was[0] == is[0] {
			was, is = was[1:], is[1:]
		}
		for len(was) > 0 && len(is) > 0 && was[len(was)-1] == is[len(is)-1] {
			was, is = was[:len(was)-1], is[:len(is)-1]
		}
		for _, side := range []struct {
			mark  string
			lines []string
		}{{"-", was}, {"+", is}} {
			for i, line := range side.lines {
				if i == shownLines {
					fmt.Fprintf(&out, "  %s ... %d lines more\n", side.mark, len(side.lines)-i)
					break
				}
				fmt.Fprintf(&out, "  %s %s\n", side.mark, line)
			}
		}
	}
	if out.Len() == 0 {
		return ""
	}
	return want.Name() + "\n" + out.String()
}

// sorted sorts the members of objects called fields, those of certificates: in events they come in whatever order a map of Go
// has that moment, in the answers of one process too.
func sorted(text string) string {
	return EachMember(text, func(name string, v *jsontext.Value) bool { return name != "fields" || v.Canonicalize() == nil })
}

// EachMember writes a compact JSON text again without those members of its objects, at whatever depth, that keep refuses; keep
// may rewrite a value in its place. All other bytes stay as they are. A text that is not JSON stays.
func EachMember(text string, keep func(name string, value *jsontext.Value) bool) string {
	if !jsontext.Value(text).IsValid() {
		return text
	}
	return string(eachMember(jsontext.Value(text), keep))
}

func eachMember(v jsontext.Value, keep func(name string, value *jsontext.Value) bool) jsontext.Value {
	if v.Kind() != '{' && v.Kind() != '[' {
		return v
	}
	in := jsontext.NewDecoder(bytes.NewReader(v))
	_, _ = in.ReadToken() // v is valid, so that nothing here fails
	out := []byte{v[0]}
	for in.PeekKind() != ']' && in.PeekKind() != '}' {
		var name []byte
		if v[0] == '{' {
			value, _ := in.ReadValue()
			name = bytes.Clone(value)
		}
		value, _ := in.ReadValue()
		value = value.Clone()
		if name != nil && !keep(string(name[1:len(name)-1]), &value) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		if name != nil {
			out = append(append(out, name...), ':')
		}
		out = append(out, eachMember(value, keep)...)
	}
	return append(out, v[len(v)-1])
}

// shownLines bounds what is shown of either side.
const shownLines = 12

// lines lays JSON out, so that a difference is a line.
func lines(text string) []string {
	if laid := jsontext.Value(text); laid.Indent(jsontext.PreserveRawStrings(true)) == nil {
		text = string(laid)
	}
	return strings.Split(text, "\n")
}
