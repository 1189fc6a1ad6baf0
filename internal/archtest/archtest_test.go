package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the top of the module. The sources are opened and listed through it, below the module's root and with the
// functions of os that go's test cache takes note of, so a cached result is never older than the sources.
const root = "../.."

// module is the path that our own imports begin with.
const module = "sundial"

// anything allows a room to import every other.
const anything = "*"

// rooms says who may import what: each room with those of ours that its files, tests aside, may import. A folder below a
// room belongs to it. A folder of internal that is not here is a leaf and imports nothing of ours but the smallest leaves
// (archtest, auth, lease, natsd, natskeys, pushcert, rpc, usersig, vault are); any other folder with Go files in it needs
// a row.
var rooms = map[string][]string{
	"cmd/sundial":         {anything},
	"domain":              {},
	"eventstore":          {},
	"internal/codec":      {"domain", "eventstore"}, // below projections and engine: all read events through it
	"projections":         {"domain", "eventstore", "internal/codec"},
	"scheduler":           {"domain", "projections", "internal/engine"},
	"internal/engine":     {"domain", "eventstore", "projections", "internal/codec"},
	"internal/ingest":     {"domain", "internal/engine"},
	"internal/cloudevent": {"domain", "eventstore", "internal/codec"},
	"internal/publish":    {"domain", "eventstore", "internal/codec", "internal/cloudevent"},
	"internal/archive":    {"domain", "eventstore", "internal/codec"},
	"internal/query": {
		"domain", "eventstore", "projections", "internal/codec", "internal/cloudevent", "internal/archive",
	},
	"internal/timetravel": {
		"domain", "eventstore", "projections", "internal/codec", "internal/cloudevent", "internal/archive",
	},
	"internal/secrets": {
		"domain", "projections",
		"internal/engine", "internal/vault", "internal/usersig", "internal/pushcert",
	},
	"internal/api": {
		"domain", "projections", "scheduler",
		"internal/engine", "internal/ingest", "internal/secrets", "internal/vault", "internal/usersig", "internal/pushcert", "internal/auth",
		"internal/timetravel", "internal/query",
	},
	"internal/verify": {
		"domain", "eventstore", "projections", "scheduler", "internal/codec",
		"internal/engine", "internal/ingest", "internal/publish", "internal/archive", "internal/secrets", "internal/vault", "internal/auth", "internal/lease",
	}, // asks all owners
	"internal/testing/oracle": {},                          // the rules once more: it shares nothing with what it judges
	"internal/testing/people": {"internal/testing/oracle"}, // likewise, for what people ask for
	"internal/testing/enginetest": {
		"domain", "eventstore", "projections", "internal/codec", "internal/engine", "internal/natsd",
		"internal/secrets", "internal/vault", "internal/archive", "internal/timetravel",
	}, // for tests only
	"internal/datadir": {"eventstore"},
	"internal/server": {
		"domain", "eventstore", "projections", "scheduler",
		"internal/engine", "internal/ingest", "internal/publish", "internal/api", "internal/rpc",
		"internal/archive", "internal/timetravel", "internal/query", "internal/secrets", "internal/vault",
		"internal/auth", "internal/datadir", "internal/lease", "internal/natsd", "internal/verify", "internal/pause",
	}, // puts all parts together
	"internal/bench": {
		"domain", "eventstore", "projections", "internal/codec",
		"internal/server", "internal/engine", "internal/ingest", "internal/timetravel", "internal/api", "internal/auth", "internal/pause",
	}, // starts the server and measures some parts alone
	"examples": {}, // an example feed, embedded
}

// codecs are the rooms that may make a codec of their own. The rest takes internal/codec's, so that one upcast added
// there is known to all. Neither do tests make one, but for those of domain, which internal/codec imports, and madeUp.
var (
	codecs = []string{"eventstore", "internal/codec", "domain"}
	madeUp = []string{"internal/cloudevent/cloudevent_test.go"} // shows an event that the domain does not have
)

// smallest are the leaves that every room but domain may import: each is one thing that must not be written twice.
var smallest = []string{
	"internal/accountid", "internal/atomicbatch", "internal/damage", "internal/jserror", "internal/mediatype", "internal/pagesum", "internal/pause", "internal/search",
	"internal/streams", "internal/terminal", "internal/turns", "internal/wholefile",
}

// pure is what domain may import beside the listed modules: packages that compute, and nothing else. Add a package
// that does no I/O, knows no clock, draws no random numbers and logs nothing.
var pure = []string{
	"bytes", "cmp", "crypto/sha256", "encoding/base64", "encoding/binary", "encoding/hex", "errors", "fmt", "hash", "hash/fnv",
	"iter", "maps", "math", "math/big", "math/bits", "reflect", "regexp", "slices", "sort", "strconv", "strings",
	"time", "unicode", "unicode/utf8", "unique",
	"github.com/go-json-experiment/json", "github.com/go-json-experiment/json/jsontext",
	"golang.org/x/text/unicode/norm",
}

// impure are the members of pure packages that reach outside: the machine's clock and zones, standard output.
var impure = map[string][]string{
	"time": {
		"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Local", "LoadLocation",
	},
	"fmt": {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// commandLine is what only the verbs of cmd may touch: flags, arguments and the environment. The rest is handed its
// configuration, checked once.
var (
	commandLine        = map[string][]string{"os": {"Args", "Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv"}}
	commandLineImports = []string{"flag", "github.com/alecthomas/kong", "github.com/spf13/pflag", "github.com/spf13/cobra"}
)

// nameless are names of packages that say nothing of what is in them.
var nameless = regexp.MustCompile(`^(utils?|commons?|helpers?|models?|managers?|misc|shared|lib)$`)

// foreign is what no file may hold: paths of one machine and hosts of package registries. The parts stand apart so
// that this file obeys.
var foreign = regexp.MustCompile(
	`(^|[^\w/.$}-])/(` + `work|root|home` + `)/\w|` +
		`proxy\.` + `golang\.org|sum\.` + `golang\.org|deb\.` + `debian\.org|registry\.` + `npmjs\.org`)

// suspect tells whether a file is worth the expression above, which is slow over megabytes of data.
func suspect(text []byte) bool {
	for _, part := range []string{"/work/", "/root/", "/home/", "golang.org", "debian.org", "npmjs.org"} {
		if bytes.Contains(text, []byte(part)) {
			return true
		}
	}
	return false
}

// TestRooms holds every source file against the table of rooms.
func TestRooms(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sources(t) {
		seen[s.room()] = true
		for _, b := range s.breaches() {
			t.Error(b)
		}
	}
	if !seen["domain"] {
		t.Errorf("no source of domain was read below %s: the test looks in the wrong place", root)
	}
}

// TestBreaches shows that each rule refuses what it is there to refuse.
func TestBreaches(t *testing.T) {
	for _, c := range []struct {
		file, source string
		want         string // part of the breach; empty for none
	}{
		{"domain/app.go", `package domain; import "time"; const Grace = 7 * 24 * time.Hour`, ""},
		{"domain/app.go", `package domain; import "sundial/eventstore"`, "domain may not import eventstore"},
		{"domain/app.go", `package domain; import "os"`, "domain may not import os"},
		{"domain/app.go", `package domain; import "math/rand/v2"`, "domain may not import math/rand/v2"},
		{"domain/app.go", `package domain; import "log/slog"`, "domain may not import log/slog"},
		{"domain/app.go", `package domain; import clock "time"; var T = clock.Now()`, "domain may not use time.Now"},
		{"domain/app.go", `package domain; import . "time"; var T = Now()`, "imported with a dot"},
		{"domain/app.go", `package domain; import "fmt"; func f() { fmt.Println() }`, "domain may not use fmt.Println"},
		{"domain/app_test.go", `package domain; import ("os"; "sundial/internal/testing/oracle")`, ""},
		{"eventstore/log.go", `package eventstore; import "sundial/domain"`, "eventstore may not import domain"},
		{"eventstore/log.go", `package eventstore; import "sundial/internal/accountid"`, ""},
		{"projections/rows.go", `package projections; import ("sundial/domain"; "sundial/eventstore")`, ""},
		{"projections/rows.go", `package projections; import "sundial/internal/engine"`, "projections may not import internal/engine"},
		{"projections/rows.go", `package projections; import "sundial/internal/codec"; var C, E = codec.New()`, ""},
		{"projections/rows.go", `package projections; import "sundial/eventstore"; var C, E = eventstore.NewCodec(p)`, "projections may not use eventstore.NewCodec"},
		{"projections/rows_test.go", `package projections; import "sundial/eventstore"; var C, E = eventstore.NewCodec(p)`, "may not use eventstore.NewCodec"},
		{"internal/codec/codec.go", `package codec; import "sundial/eventstore"; var C, E = eventstore.NewCodec(p)`, ""},
		{"internal/codec/codec.go", `package codec; import "sundial/projections"`, "internal/codec may not import projections"},
		{"eventstore/codec_test.go", `package eventstore_test; import "sundial/eventstore"; var C, E = eventstore.NewCodec(p)`, ""},
		{"domain/x_test.go", `package domain; import "sundial/eventstore"; var C, E = eventstore.NewCodec(p)`, ""},
		{"internal/api/app.go", `package api; import ("sundial/internal/auth"; "sundial/internal/api/problem")`, ""},
		{"internal/api/app.go", `package api; import "sundial/eventstore"`, "internal/api may not import eventstore"},
		{"internal/api/deep/app.go", `package deep; import "sundial/eventstore"`, "internal/api may not import eventstore"},
		{"internal/newleaf/x.go", `package newleaf; import "sundial/domain"`, "internal/newleaf may not import domain"},
		{"internal/apiary/x.go", `package apiary; import "sundial/domain"`, "internal/apiary may not import domain"},
		{"cmd/sundial/serve.go", `package main; import ("flag"; "os"; "sundial/internal/api"); var A = os.Args`, ""},
		{"internal/server/x.go", `package server; import "sundial/internal/bench"`, "internal/server may not import internal/bench"},
		{"cmd/other/main.go", `package main`, "cmd/other has no row in the table of rooms"},
		{"billing/x.go", `package billing`, "billing has no row in the table of rooms"},
		{"internal/engine/x.go", `package engine; import "flag"`, "internal/engine may not import flag"},
		{"internal/engine/x.go", `package engine; import "os"; var H = os.Getenv("HOME")`, "internal/engine may not use os.Getenv"},
		{"internal/engine/x.go", `package engine; import "os"; var F = os.ReadFile`, ""},
		{"internal/api/x.go", `package api; import "github.com/go-json-experiment/json"; var B, E = json.Marshal(1)`, "json.Marshal writes a map"},
		{"internal/api/x.go", `package api; import j "github.com/go-json-experiment/json"; var E = j.MarshalWrite(nil, 1, j.Deterministic(false))`, "json.MarshalWrite writes a map"},
		{"internal/api/x.go", `package api; import "github.com/go-json-experiment/json"; var B, E = json.Marshal(1, json.Deterministic(true))`, ""},
		{"internal/api/x.go", `package api; import "encoding/json"; var B, E = json.Marshal(1)`, ""},
		{"internal/utils/x.go", `package utils`, "says nothing of what is in it"},
		{"internal/helper/x_test.go", `package helper`, "says nothing of what is in it"},
	} {
		got := parse(t, c.file, c.source).breaches()
		switch {
		case c.want == "" && len(got) > 0:
			t.Errorf("%s: %s\n  got  %q\n  want no breach", c.file, c.source, got)
		case c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)):
			t.Errorf("%s: %s\n  got  %q\n  want one breach with %q", c.file, c.source, got, c.want)
		}
	}
}

// TestNoMachine looks into every file, not only Go: a path of one machine works nowhere else.
func TestNoMachine(t *testing.T) {
	walk(t, func(name string) {
		switch path.Base(name) {
		case "go.sum", "LICENSE":
			return
		}
		text := read(t, name)
		if !suspect(text) {
			return
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			if m := foreign.Find(line); m != nil {
				t.Errorf("%s:%d holds %q: a path of one machine, or the host of a package registry", name, i+1, m)
			}
		}
	})
	for text, want := range map[string]bool{
		"cd /" + "work/main":                 true,
		`"/` + `root/go"`:                    true,
		"proxy." + "golang.org":              true,
		"GET /v1/accounts":                   false,
		"https://example.com/" + "work/plan": false,
		"a/" + "root/b":                      false,
	} {
		if got := foreign.MatchString(text); got != want {
			t.Errorf("foreign(%q) = %t, want %t", text, got, want)
		}
	}
}

// source is one Go file, path from the module's root with slashes.
type source struct {
	path string
	file *ast.File
}

func parse(t *testing.T, name string, text any) source {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return source{name, file}
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	walk(t, func(name string) {
		if path.Ext(name) == ".go" && !slices.Contains(strings.Split(name, "/"), "testdata") {
			all = append(all, parse(t, name, read(t, name)))
		}
	})
	return all
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// walk visits the files of the module, but for what is built or kept by a running program. Folders with a go.mod of
// their own are visited too: only Go files in them would be judged, and they have none.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		switch {
		case d.IsDir() && (name == ".git" || name == "bin" || name == "data" || d.Name() == "node_modules"):
			return fs.SkipDir
		case name == ".git": // a file in a linked work tree, with the path of the repository
			return nil
		case d.Type().IsRegular() && !strings.HasSuffix(name, ".test") && !strings.HasSuffix(name, ".out"):
			visit(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// room is the row of rooms that the file stands under, or its folder if there is none.
func (s source) room() string { return roomOf(path.Dir(s.path)) }

func roomOf(folder string) string {
	for at := folder; at != "."; at = path.Dir(at) {
		if _, ok := rooms[at]; ok {
			return at
		}
	}
	if parts := strings.Split(folder, "/"); parts[0] == "internal" && len(parts) > 1 {
		return path.Join(parts[:2]...)
	}
	return folder
}

// breaches lists what is wrong with a file, each as a line for the reader of the test.
func (s source) breaches() []string {
	var out []string
	say := func(format string, v ...any) { out = append(out, s.path+": "+fmt.Sprintf(format, v...)) }

	if name := strings.TrimSuffix(s.file.Name.Name, "_test"); nameless.MatchString(name) {
		say("the name of package %s says nothing of what is in it", name)
	}
	if !slices.Contains(codecs, s.room()) && !slices.Contains(madeUp, s.path) {
		for _, u := range s.uses().of(map[string][]string{module + "/eventstore": {"NewCodec"}}) {
			say("%s may not use %s: take internal/codec's, which knows the old shapes of events too", s.room(), path.Base(u))
		}
	}
	if strings.HasSuffix(s.path, "_test.go") {
		return out // tests may import more: real servers, oracles, flags that write golden files
	}
	room := s.room()
	allowed, listed := rooms[room]
	if !listed && !strings.HasPrefix(room, "internal/") {
		say("%s has no row in the table of rooms; add one, or move the file", room)
	}
	for _, spec := range s.file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			say("import %s: %v", spec.Path.Value, err)
			continue
		}
		if ours, ok := strings.CutPrefix(imported, module+"/"); ok {
			to := roomOf(ours)
			if room != "domain" && slices.Contains(smallest, to) {
				continue
			}
			if to != room && !slices.Contains(allowed, to) && !slices.Contains(allowed, anything) {
				say("%s may not import %s", room, to)
			}
			continue
		}
		if spec.Name != nil && spec.Name.Name == "." {
			say("%s is imported with a dot, so nobody sees what is used of it", imported)
		}
		if room == "domain" && !slices.Contains(pure, imported) {
			say("domain may not import %s", imported)
		}
		if room != "cmd/sundial" && slices.Contains(commandLineImports, imported) {
			say("%s may not import %s: flags are read in cmd/sundial and handed down", room, imported)
		}
	}
	for _, call := range s.unordered() {
		say("%s writes a map in a random order: give it json.Deterministic(true), also where no map is written yet", call)
	}
	uses := s.uses()
	if room == "domain" {
		for _, u := range uses.of(impure) {
			say("domain may not use %s: it comes in as data", u)
		}
	}
	if room != "cmd/sundial" {
		for _, u := range uses.of(commandLine) {
			say("%s may not use %s: it is read in cmd/sundial and handed down", room, u)
		}
	}
	return out
}

// jsonPackage writes maps in a random order unless an option says otherwise.
const jsonPackage = "github.com/go-json-experiment/json"

// unordered lists the calls that write JSON without json.Deterministic(true). What leaves the program, and what is
// hashed, has one order; which values hold a map the sources of one file do not tell, so every call says it.
func (s source) unordered() []string {
	called := s.called()
	is := func(e ast.Expr, names ...string) bool {
		sel, ok := e.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		x, ok := sel.X.(*ast.Ident)
		return ok && called[x.Name] == jsonPackage && slices.Contains(names, sel.Sel.Name)
	}
	var out []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !is(call.Fun, "Marshal", "MarshalWrite", "MarshalEncode") {
			return true
		}
		if !slices.ContainsFunc(call.Args, func(arg ast.Expr) bool {
			option, ok := arg.(*ast.CallExpr)
			if !ok || !is(option.Fun, "Deterministic") || len(option.Args) != 1 {
				return false
			}
			on, ok := option.Args[0].(*ast.Ident)
			return ok && on.Name == "true"
		}) {
			out = append(out, "json."+call.Fun.(*ast.SelectorExpr).Sel.Name)
		}
		return true
	})
	return out
}

// members are names of packages' members, by import path.
type members map[string][]string

// called gives the import path of each package by the name that the file has for it.
func (s source) called() map[string]string {
	called := map[string]string{}
	for _, spec := range s.file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		called[name] = imported
	}
	return called
}

// uses collects the members of imported packages that the file names, whatever it calls the packages.
func (s source) uses() members {
	called := s.called()
	found := members{}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && called[x.Name] != "" {
				found[called[x.Name]] = append(found[called[x.Name]], sel.Sel.Name)
			}
		}
		return true
	})
	return found
}

// of lists those of the given members that are used.
func (m members) of(given members) []string {
	var out []string
	for imported, names := range given {
		for _, name := range names {
			if slices.Contains(m[imported], name) {
				out = append(out, imported+"."+name)
			}
		}
	}
	slices.Sort(out)
	return out
}
