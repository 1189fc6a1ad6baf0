package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"software.sslmate.com/src/go-pkcs12"
)

// repository is where the documents are.
const repository = "../.."

// marks is how many blocks of commands are marked as not run, each with its reason. It is counted so that a new one is a
// decision: what can run here is run.
const marks = 9

// walked is what a reader does with the README, from a sandbox of their own and from where the main job left off.
const walked = "README.md"

// block is a fenced block of a document.
type block struct {
	document string
	line     int // of its first line of text
	language string
	text     string
	notRun   string // the reason, in a comment of its own on the line before the fence
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.document, b.line) }

// mark is the comment before a block of commands that cannot run here.
var mark = regexp.MustCompile(`^<!-- not run: (.+) -->$`)

// documents gives the blocks of every document of the tree, by its path.
func documents(t *testing.T) map[string][]block {
	t.Helper()
	all := map[string][]block{}
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		switch name, rel := entry.Name(), strings.TrimPrefix(filepath.ToSlash(path), repository+"/"); {
		case err != nil:
			return err
		case entry.IsDir() && (name == "testdata" || name == "bin" || name == "tools" || strings.HasPrefix(name, ".") && path != repository):
			return filepath.SkipDir
		case filepath.Ext(name) == ".md":
			text, err := os.ReadFile(path) //nolint:gosec // a document of our own
			if err != nil {
				return err
			}
			all[rel] = blocks(t, rel, string(text))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func blocks(t *testing.T, document, text string) []block {
	t.Helper()
	var found []block
	var open *block
	before := ""
	for n, line := range strings.Split(text, "\n") {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && fence:
			found = append(found, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case fence:
			open = &block{document: document, line: n + 2, language: language}
			if m := mark.FindStringSubmatch(before); m != nil {
				open.notRun = m[1]
			}
		}
		before = line
	}
	if open != nil {
		t.Errorf("%s: the block is not closed", open)
	}
	return found
}

// TestBlocks looks at every fenced block: what is JSON is JSON, what is Go compiles, what are commands of make are its
// targets, and what is not run says why.
func TestBlocks(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	making := regexp.MustCompile(`(?m)^make ([a-z -]+)`)
	marked, of := 0, map[string]int{}
	var inGo []block
	for _, all := range documents(t) {
		for _, b := range all {
			of[b.language]++
			if b.notRun != "" {
				marked++
			}
			switch b.language {
			case "sh":
				for _, m := range making.FindAllStringSubmatch(b.text, -1) {
					for _, target := range strings.Fields(m[1]) {
						if !bytes.Contains(makefile, []byte("\n"+target+":")) {
							t.Errorf("%s: make has no target %s", b, target)
						}
					}
				}
			case "json":
				d := jsontext.NewDecoder(strings.NewReader(b.text))
				for {
					if err := d.SkipValue(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						t.Errorf("%s: %v", b, err)
						break
					}
				}
			case "go":
				inGo = append(inGo, b)
			case "", "text", "mermaid": // pictures, and what is said: see TestDocuments
			default:
				t.Errorf("%s: nothing reads a block of %q", b, b.language)
			}
			if b.notRun != "" && b.language != "sh" {
				t.Errorf("%s is marked, and holds no commands", b)
			}
		}
	}
	for _, language := range []string{"sh", "json", "go", "text"} {
		if of[language] == 0 {
			t.Errorf("no block of %s was found: does this still find the documents?", language)
		}
	}
	if marked != marks {
		t.Errorf("%d blocks are marked as not run, %d were: can the new one not run?", marked, marks)
	}
	compile(t, inGo)
}

// compile compiles blocks of Go as bodies of functions, whose parameters are what the text around them speaks of.
func compile(t *testing.T, blocks []block) {
	t.Helper()
	var source strings.Builder
	source.WriteString("package documented\nimport (\n\"context\"\n\"github.com/nats-io/nats.go\"\n\"github.com/nats-io/nats.go/jetstream\"\n)\nvar _ jetstream.JetStream\n")
	for _, b := range blocks {
		fmt.Fprintf(&source, "func _(ctx context.Context, url, token, tokenID, id string, event []byte) (err error) {\nvar nc *nats.Conn\n_ = nc\n{\n//line %s:%d\n%s_ = nc\nreturn err\n}\n}\n",
			b.document, b.line, b.text)
	}
	file := filepath.Join(t.TempDir(), "documented.go")
	if err := os.WriteFile(file, []byte(source.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"build", "-o", os.DevNull}
	if raceEnabled { // what this test was built of is there already
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, file)...) //nolint:gosec // a file of the test's own
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDocuments types the commands of every document but the README, each document at an engine of its own, on which its app
// 1400000001 is.
func TestDocuments(t *testing.T) {
	const app = `sundial app create acme --name 'shop chat' --order ord-1 --edition pro --amount CNY:99900`
	// before is what a document takes for granted.
	before := map[string][]string{
		"docs/certificates.md": {app},
		"docs/keys.md":         {app, `SIG=$(sundial usersig sign 1400000001 alice --json | sed 's/.*"user_sig":"\([^"]*\)".*/\1/')`},
		"docs/import.md":       {`cp examples/estate-2021/estate.jsonl .`},
		"docs/publishing.md":   {app, `TOKEN=$(cat "$SUNDIAL_DATA/operator.token") POSITION=0`},
		"docs/rejudging.md":    {app},
		"docs/time-travel.md": {
			app, `sundial clock advance 144h`,
			`echo '{"specversion":"1.0","id":"up-1","source":"urn:billing:upstream","type":"sundial.billing.invoice.overdue","data":{"account":"acme","app":1400000001,"invoice":"inv-1","version":1,"effective_at":"2021-01-05T00:00:00Z","amount":{"currency":"CNY","minor":500}}}' >overdue.jsonl`,
			`SUNDIAL_TOKEN=$(sundial token create billing --name billing --json | sed 's/.*"token":"\([^"]*\)".*/\1/') sundial billing send overdue.jsonl`,
			`sundial clock advance 120h`,
		},
	}
	for name, all := range documents(t) {
		if name == walked {
			continue
		}
		var typed []block
		for _, b := range all {
			if b.language == "sh" && b.notRun == "" {
				typed = append(typed, b)
			} else if b.language == "text" {
				typed = append(typed, b)
			}
		}
		if len(typed) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			p := start(t, nil)
			r := readerAt(t)
			r.types("export SUNDIAL_DATA='" + p.Config.Dir + "' SUNDIAL_SERVER=" + p.HTTPURL())
			writePush(t, r.dir)
			for _, line := range before[name] {
				r.types(line)
			}
			for _, b := range typed {
				r.reads(b)
			}
		})
	}
}

// TestReadme walks through the README from an empty sandbox.
func TestReadme(t *testing.T) {
	r := readerAt(t)
	for _, b := range r.readme() {
		if b.language == "sh" {
			r.reads(b)
		}
	}
}

// readme gives the README's blocks that are typed or shown, and writes the file of which it speaks: the events that it shows.
func (r *reader) readme() []block {
	r.t.Helper()
	var typed []block
	for _, b := range documents(r.t)[walked] {
		switch {
		case b.language == "sh" && b.notRun == "", b.language == "text":
			typed = append(typed, b)
		case b.language == "json":
			line := strings.ReplaceAll(b.text, "\n", " ") + "\n"
			if err := os.WriteFile(filepath.Join(r.dir, "deliveries.jsonl"), []byte(line), 0o600); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	return typed
}

// reader is somebody at a shell, in a folder laid out as the repository is after make build, who types what documents say.
type reader struct {
	t       *testing.T
	dir     string
	shell   *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	serving *bufio.Reader // the standard output of what serves in the background
	said    string        // by the last command

	// ports puts the addresses that an engine has in the place of those that documents name, which may be taken.
	ports *strings.Replacer
}

// theEnd is what the shell says when a command has ended, before its exit code.
const theEnd = "-- the command ended with"

// patience bounds what one reader types, all of it.
const patience = 5 * time.Minute

func readerAt(t *testing.T) *reader {
	t.Helper()
	r := &reader{t: t, dir: t.TempDir(), ports: strings.NewReplacer()}
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(r.dir, "bin")
	if err := errors.Join(os.Mkdir(bin, 0o700), os.Symlink(filepath.Join(root, "examples"), filepath.Join(r.dir, "examples")),
		os.WriteFile(filepath.Join(bin, "sundial"), []byte("#!/bin/sh\necho $$ >\"$HOME/latest.pid\"\nexec "+program+" \"$@\"\n"), 0o700)); err != nil { //nolint:gosec // to be run
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(r.dir, "errors.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	serving, served, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.serving = bufio.NewReader(serving)
	r.shell = exec.Command("bash", "--noprofile", "--norc")
	r.shell.Dir = r.dir
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !strings.HasPrefix(name, "SUNDIAL_") && name != "PATH" && name != "GORACE" {
			r.shell.Env = append(r.shell.Env, v)
		}
	}
	r.shell.Env = append(r.shell.Env, "HOME="+r.dir, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"SUNDIAL_LISTEN=127.0.0.1:0", "SUNDIAL_NATS_LISTEN=127.0.0.1:0", "GORACE=atexit_sleep_ms=0")
	r.shell.Stderr = out
	r.shell.ExtraFiles = []*os.File{served}
	r.shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if r.in, err = r.shell.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := r.shell.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.out = bufio.NewReader(stdout)
	if err := r.shell.Start(); err != nil {
		t.Fatal(err)
	}
	served.Close()
	group := -r.shell.Process.Pid
	limit := time.AfterFunc(patience, func() { _ = syscall.Kill(group, syscall.SIGKILL) })
	t.Cleanup(func() {
		limit.Stop()
		r.in.Close()
		_ = syscall.Kill(group, syscall.SIGTERM) // none may be left
		_, _ = io.Copy(io.Discard, r.serving)    // until what serves has ended
		_ = r.shell.Wait()                       // ended by the signal
		serving.Close()
	})
	return r
}

// reads types the commands of a block line by line, as a reader would; of a block of text, it finds each line in what was
// said last.
func (r *reader) reads(b block) {
	r.t.Helper()
	if b.language == "text" {
		if missing := unsaid(b.text, r.said); missing != "" {
			r.t.Errorf("%s: %q was not said in:\n%s", b, missing, r.said)
		}
		return
	}
	typed := ""
	for n, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
		typed += line
		if strings.HasSuffix(line, `\`) {
			typed += "\n"
			continue
		}
		if !strings.HasPrefix(typed, "#") {
			if said, code := r.tries(typed); code != exitDone {
				r.t.Errorf("%s:%d: %s\nends with exit code %d:\n%s", b.document, b.line+n, line, code, said)
			}
		}
		typed = ""
	}
}

// types types a line that must succeed.
func (r *reader) types(line string) {
	r.t.Helper()
	if said, code := r.tries(line); code != exitDone {
		r.t.Fatalf("%s\nends with exit code %d:\n%s", line, code, said)
	}
}

var (
	servesOn  = regexp.MustCompile(`^(?:bin/)?sundial serve\b`)
	followsOn = regexp.MustCompile(`^(?:bin/)?sundial .*--follow\b`)

	// refusal is a problem in an answer that curl takes for a success.
	refusal = regexp.MustCompile(`^\{"type":.*"status":[45]\d\d`)
)

// tries types a line and gives what it said and its exit code. What serves goes to the background once it is ready; what
// follows is interrupted when it has said something.
func (r *reader) tries(line string) (said string, code int) {
	r.t.Helper()
	line = r.ports.Replace(line)
	switch {
	case servesOn.MatchString(line):
		r.sends("{ " + line + "\n} </dev/null >&3 2>serve.log 3>&- &\n")
		ready, err := r.serving.ReadString('\n')
		var http, nats string
		if _, scan := fmt.Sscanf(ready, "ready http://%s nats://%s", &http, &nats); err != nil || scan != nil {
			log, _ := os.ReadFile(filepath.Join(r.dir, "serve.log"))
			r.t.Fatalf("no ready line, but %q: %v\n%s", ready, errors.Join(err, scan), log)
		}
		r.finds(http, nats)
	case followsOn.MatchString(line):
		r.sends("exec 8< <( " + line + "\n)\nIFS= read -r first <&8 && printf '%s\\n' \"$first\" && kill \"$(cat latest.pid)\"\n")
	default:
		r.sends("{ " + line + "\n} </dev/null 2>&1 3>&-\n")
	}
	r.sends("printf '\\n%s %d\\n' '" + theEnd + "' $?\n")
	var all strings.Builder
	for {
		next, err := r.out.ReadString('\n')
		if err != nil {
			r.t.Fatalf("%s\nthe shell ended, or %v were over: %v\n%s", line, patience, err, &all)
		}
		if _, err := fmt.Sscanf(next, theEnd+" %d\n", &code); err == nil {
			break
		}
		all.WriteString(next)
	}
	r.said = all.String()
	if code == exitDone && refusal.MatchString(r.said) {
		code = exitFailed
	}
	return r.said, code
}

// finds has the reader take what serves at these addresses for what serves at the documented ones.
func (r *reader) finds(http, nats string) {
	r.t.Helper()
	r.ports = strings.NewReplacer("127.0.0.1:8080", http, "127.0.0.1:4222", nats)
	r.sends("export SUNDIAL_SERVER=http://" + http + "\n")
}

func (r *reader) sends(text string) {
	r.t.Helper()
	if _, err := io.WriteString(r.in, text); err != nil {
		r.t.Fatal(err)
	}
}

// anyToken is what differs from run to run in what documents show.
var anyToken = regexp.MustCompile(`tok_[0-9a-f]{20}`)

// unsaid gives the first line of a text that does not follow, in its order, in what was said; ids of tokens are all the same.
func unsaid(text, said string) string {
	lines := strings.Split(anyToken.ReplaceAllString(said, "tok_"), "\n")
	for _, want := range strings.Split(strings.TrimSpace(text), "\n") {
		for {
			if len(lines) == 0 {
				return want
			}
			next := strings.TrimRight(lines[0], " ")
			lines = lines[1:]
			if next == anyToken.ReplaceAllString(want, "tok_") {
				break
			}
		}
	}
	return ""
}

// writePush writes push certificates, and the one that follows it, as the vendor's console exports them.
func writePush(t *testing.T, dir string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for n, name := range []string{"push", "renewed"} {
		template := x509.Certificate{
			SerialNumber: big.NewInt(int64(n + 1)), NotBefore: time.Date(2020, 12, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2021+n, 12, 1, 0, 0, 0, 0, time.UTC),
			Subject: pkix.Name{CommonName: "Apple Push Services: com.example.shop", ExtraNames: []pkix.AttributeTypeAndValue{
				{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: "com.example.shop"},
			}},
			ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 2}, Value: []byte{5, 0}}},
		}
		der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		file, err := pkcs12.Modern2023.Encode(key, made, nil, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name+".p12"), file, 0o600),
			os.WriteFile(filepath.Join(dir, name+".password"), []byte(name+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// mainJob runs the main job as make run does, on free ports, and lets a reader go on where it left off.
func mainJob(t *testing.T, goOn func(out string)) (code int, out, errs string) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	defer end()
	read, write := io.Pipe()
	defer read.Close()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"}, &console{in: strings.NewReader(""), out: write, err: &stderr})
		write.Close()
	}()
	var all strings.Builder
	for lines := bufio.NewScanner(read); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
		if strings.HasSuffix(lines.Text(), "/readyz; echo") { // the last line of its invitation
			goOn(all.String())
			end()
		}
	}
	return <-ended, all.String(), stderr.String()
}
