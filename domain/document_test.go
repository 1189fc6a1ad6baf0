package domain

import (
	"flag"
	"fmt"
	"go/ast"
	"go/doc"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

//go:generate go test -run ^Test(Document|CurrencyDocument)IsCurrent$ -count 1 . -update

var update = flag.Bool("update", false, "write docs/events.md and docs/currencies.md anew")

const document = "../docs/events.md"

// TestDocumentIsCurrent holds docs/events.md against the code that it is written from.
func TestDocumentIsCurrent(t *testing.T) {
	want := eventsForPeople(t)
	if *update {
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != want {
		t.Errorf("%s does not say what the code says: run make generate", document)
	}
}

const aboutDocument = `<!-- Written by go generate ./domain from the code and its golden files: change those. -->

# Events and refusals

What the log holds, and every refusal that a rule of the [lifecycle](lifecycle.md) gives.

An event is something that happened to an app or its account. The name it is stored under is its format: it never changes
its meaning, and a new shape is a new version. In the log an event stands in a commit as ` + "`{\"type\":NAME,\"data\":{...}}`" + `, beside
who did it, why and when it was recorded; the data is what is listed here. Times are RFC 3339 in UTC with milliseconds,
money is in minor units of its currency. ` + "`?`" + ` marks a member that may be absent.
`

// aboutRestores tells whoever follows the events what a restore does to them.
const aboutRestores = `
## After a restore

The log only grows, but for one case: somebody restores it from a backup. What was recorded after the backup is gone then, and new commits get
the positions of lost ones. So that nobody takes one for the other, the restore (` + "`sundial restored`" + `) begins a new **epoch**, and from the second
epoch on its name stands in the ` + "`id`" + ` of each event that is recorded in it: ` + "`1234.0`" + ` is of the first epoch, ` + "`1234.0@2-k7qfxz4m`" + ` of a second. What
the restore kept has the ids that it had. Two different events never share ` + "`source` and `id`" + `.

Whoever follows the events ([the feed](query.md#the-feed), its stream, or [downstream](publishing.md)):

1. Keep the ` + "`id`" + ` of the event that you took in last, or the ` + "`after`" + ` of a page, as a text, and go on with that (` + "`after`, `Last-Event-ID`" + `). A mere number
   (` + "`1234`" + `) is taken as well, and cannot tell: when the log has grown past it again, you would miss what stands before it.
2. 409 ` + "`position_unknown`" + ` says that the log never had this place, or lost it; it stays so, however far the log grows. ` + "`head`" + ` is the position at which the
   log ends.
3. Step back through the ids that you have kept until one is taken: what you took in behind it is lost to the log. Undo it, or start from
   nothing (without ` + "`after`" + `) if you cannot, and go on from there. Keep as many ids as backups are old, one for each hour, say.
4. What the billing system sends again after a restore comes with new ids: know orders and invoices by their own.
`

func eventsForPeople(t *testing.T) string {
	t.Helper()
	set := token.NewFileSet()
	pkg, err := doc.NewFromFiles(set, sources(t, set), "sundial/domain", doc.AllDecls)
	if err != nil {
		t.Fatal(err)
	}
	d := &describer{pkg: pkg, parts: map[string]reflect.Type{}}
	d.line(aboutDocument)
	d.line("## Events\n\n| event | |\n|---|---|")
	for _, e := range Prototypes() {
		d.line("| [`%s`](#%s) | %s |", e.Type(), strings.ReplaceAll(e.Type(), ".", ""), d.synopsis(reflect.TypeOf(e)))
	}
	for _, e := range Prototypes() {
		d.line("\n### %s\n\n%s\n", e.Type(), d.text(reflect.TypeOf(e)))
		d.members(reflect.TypeOf(e))
		d.line("\n```json\n%s\n```", golden(t, e.Type()))
	}
	d.line(strings.TrimSuffix(aboutRestores, "\n"))
	d.line("\n## What events are made of")
	for _, name := range slices.Sorted(maps.Keys(d.parts)) {
		d.line("\n### %s\n\n%s\n", name, d.text(d.parts[name]))
		if d.parts[name].Kind() == reflect.Struct {
			d.members(d.parts[name])
		} else {
			d.line("One of %s.", d.values(d.parts[name]))
		}
	}
	d.line("\n## Refusals\n\nNothing was written. The code is stable: it is never renamed, and never used for another rule. Where a field makes no\n" +
		"sense at all, the answer names each such field instead.\n\n| code | kind | rule | what would make it possible |\n|---|---|---|---|")
	for _, c := range Codes() {
		d.line("| `%s` | %s | %s | %s |", c.Code, c.Kind, c.Message, c.Fix)
	}
	return d.b.String()
}

// describer writes what the package's types and their comments say.
type describer struct {
	b     strings.Builder
	pkg   *doc.Package
	parts map[string]reflect.Type // named types that events are made of, to be described after them
}

func (d *describer) line(format string, v ...any) { fmt.Fprintf(&d.b, format+"\n", v...) }

// members writes the table of a struct's members, those of embedded ones among them.
func (d *describer) members(of reflect.Type) {
	d.line("| member | is | |\n|---|---|---|")
	d.rows(of)
}

func (d *describer) rows(of reflect.Type) {
	for i := range of.NumField() {
		f := of.Field(i)
		if f.Anonymous {
			d.rows(f.Type)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if strings.Contains(options, "omit") {
			name += "?"
		}
		d.line("| `%s` | %s | %s |", name, d.is(f.Type), d.comment(of, f.Name))
	}
}

// reach finds the parts that a part is made of.
func (d *describer) reach(of reflect.Type) {
	if of.Kind() != reflect.Struct {
		return
	}
	for i := range of.NumField() {
		if f := of.Field(i); f.Anonymous {
			d.reach(f.Type)
		} else {
			d.is(f.Type)
		}
	}
}

// is says in words what a member holds.
func (d *describer) is(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Instant]():
		return "time"
	case t == reflect.TypeFor[AppID]():
		return "SDKAppID"
	case t == reflect.TypeFor[jsontext.Value]():
		return "any JSON"
	case t.PkgPath() == reflect.TypeFor[App]().PkgPath():
		if d.parts[t.Name()] == nil {
			d.parts[t.Name()] = t
			d.reach(t)
		}
		return fmt.Sprintf("[%s](#%s)", t.Name(), strings.ToLower(t.Name()))
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.is(t.Elem())
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return "base64"
		}
		return "list of " + d.is(t.Elem())
	case reflect.Map:
		return d.is(t.Elem()) + " by name"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	}
	return "number"
}

func (d *describer) found(t reflect.Type) *doc.Type {
	i := slices.IndexFunc(d.pkg.Types, func(known *doc.Type) bool { return known.Name == t.Name() })
	return d.pkg.Types[i]
}

// text is the comment of a type, which begins with its name.
func (d *describer) text(t reflect.Type) string { return oneLine(d.found(t).Doc) }

func (d *describer) synopsis(t reflect.Type) string { return d.pkg.Synopsis(d.found(t).Doc) }

// comment is what stands beside a field or above it.
func (d *describer) comment(of reflect.Type, field string) string {
	for _, spec := range d.found(of).Decl.Specs {
		fields, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range fields.Fields.List {
			for _, name := range f.Names {
				if name.Name == field {
					return oneLine(f.Doc.Text() + f.Comment.Text())
				}
			}
		}
	}
	return ""
}

// values lists the constants of a type.
func (d *describer) values(t reflect.Type) string {
	var values []string
	for _, group := range d.found(t).Consts {
		for _, spec := range group.Decl.Specs {
			for _, v := range spec.(*ast.ValueSpec).Values {
				if text, err := strconv.Unquote(v.(*ast.BasicLit).Value); err == nil {
					values = append(values, "`"+text+"`")
				}
			}
		}
	}
	return strings.Join(values, ", ")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// goldenFolder has an event of each type as the log has it, with every member.
const goldenFolder = "../internal/codec/testdata/events"

func golden(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(goldenFolder, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	v := jsontext.Value(text)
	if err := v.Compact(); err != nil {
		t.Fatal(err)
	}
	return string(v)
}
