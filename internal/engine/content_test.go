package engine_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/testing/enginetest"
)

//go:generate go test -run ^TestContentHashesStay$ -count 1 . -update

var update = flag.Bool("update", false, "write the golden files of content hashes that are missing; those that are there are never touched")

// contents holds a file for each variant below: COMMAND.VARIANT with the hash in its first line, and all that was hashed after
// it. Where not all that a command has is its content any more, COMMAND.VARIANT.content has what is: both are tried when an
// id comes again. Files are added and never changed.
const contents = "testdata/content"

const contentAccount = "acme"

// The parts that commands are made of, each with all that it can have.
var (
	content1 = domain.CertificateContent{
		Platform: "huawei", Fields: map[string]string{"package_name": "com.example.shop", "app_id": "100000001"},
		Prints: map[string][]byte{"app_secret": {1, 2, 3}, "another": {4, 5}}, Sealed: map[string][]byte{"app_secret": {9}}, NotAfter: at + day,
	}
	key1   = domain.NewKey{Algorithm: domain.ECDSA, Public: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", Print: []byte{6, 7, 8}, Sealed: []byte{9}}
	money1 = domain.Money{Currency: "CNY", Minor: 99900}
	order1 = domain.OrderTerms{
		ID: "ord-1", Edition: domain.Pro, EffectiveAt: at, PaidUntil: at + day, Addons: []string{"groups", "<moderation>"}, Version: 2, Amount: money1,
	}
	part1   = domain.PolicyPart{Grace: domain.Span(336 * time.Hour), Notices: []domain.Span{domain.Span(72 * time.Hour), domain.Span(time.Hour)}, OrderAhead: as(domain.Span(48 * time.Hour))}
	report1 = &domain.Report{Source: "urn:billing:upstream", ID: "up-1"}
	// What a bill has beside what is understood of it is kept as it was written, in canonical form: it counts too.
	reportMore = &domain.Report{Source: "urn:billing:upstream", ID: "up-1", Extra: jsontext.Value(`{"data":{"channel":"<web>","n":1.5},"traceparent":"00-1"}`)}
)

const (
	at  domain.Instant = 1_609_459_200_123 // 2021-01-01T00:00:00.123Z
	day domain.Instant = 86_400_000
	app domain.AppID   = 1_400_000_001
)

func as[T any](v T) *T { return &v }

// given are values of every command: with the least that it can say, with all that it can, and what is between where that
// has a form of its own. A command that has gained a member gets a variant of its own that has it; no variant is changed.
var given = []struct {
	variant string
	command domain.Command
}{
	{"least", domain.CreateApp{AppName: "shop"}},
	{"full", domain.CreateApp{AppName: "商城 <chat> & \u2028", AppType: "e-commerce", Introduction: "two\nlines", Order: &order1}},
	{"order-least", domain.CreateApp{AppName: "shop", Order: &domain.OrderTerms{ID: "ord-1", Edition: domain.Pro, Amount: money1}}},
	{"least", domain.ImportApp{App: app, AppName: "shop", CreatedAt: at}},
	{"full", domain.ImportApp{
		App: app, AppName: "shop", AppType: "e-commerce", Introduction: "sells", CreatedAt: at, Edition: domain.TRTCTrial, Orders: []domain.OrderTerms{order1},
		Keys: []domain.NewKey{key1}, Admins: []string{"alice", "bob"},
		Certificates: []domain.ImportedCertificate{{ID: 1001, Content: content1}},
		Invoices:     []domain.ImportedInvoice{{ID: "inv-1", Version: 1, EffectiveAt: at, Amount: money1}},
		TRTC:         true, TPNS: true,
	}},
	{"parts-least", domain.ImportApp{
		App: app, AppName: "shop", CreatedAt: at, Orders: []domain.OrderTerms{{ID: "ord-1", EffectiveAt: at}},
		Keys: []domain.NewKey{{Algorithm: domain.HMAC}}, Certificates: []domain.ImportedCertificate{{ID: 1001, Content: domain.CertificateContent{Platform: "meizu"}}},
		Invoices: []domain.ImportedInvoice{{ID: "inv-1", EffectiveAt: at, Amount: domain.Money{Currency: "CNY"}}},
	}},
	{"full", domain.SetQuota{Apps: 120}},
	{"least", domain.SetPolicy{}},
	{"full", domain.SetPolicy{Policy: domain.AccountPolicy{
		PolicyPart: part1, Editions: domain.EditionsPolicy{Pro: &part1, Flagship: &part1},
	}}},
	{"least", domain.EditAppInfo{App: app}},
	{"full", domain.EditAppInfo{App: app, AppName: as("shop"), AppType: as("social"), Introduction: as("sells")}},
	{"emptied", domain.EditAppInfo{App: app, Introduction: as("")}},
	{"least", domain.UpgradeEdition{App: app, Order: domain.OrderTerms{ID: "ord-1", Amount: money1}}},
	{"full", domain.UpgradeEdition{App: app, Order: order1}},
	{"least", domain.RenewPlan{App: app, Order: domain.OrderTerms{ID: "ord-1", Edition: domain.Pro, Amount: money1}}},
	{"full", domain.RenewPlan{App: app, Order: order1}},
	{"least", domain.StopApp{App: app}},
	{"full", domain.StopApp{App: app, Reason: "asked for"}},
	{"full", domain.StartApp{App: app}},
	{"least", domain.DeleteApp{App: app}},
	{"full", domain.DeleteApp{App: app, Confirm: "shop"}},
	{"least", domain.RequestDeletion{App: app}},
	{"full", domain.RequestDeletion{App: app, Reason: "moved away"}},
	{"full", domain.ApproveDeletion{App: app, Request: "del-1"}},
	{"least", domain.RejectDeletion{App: app, Request: "del-1"}},
	{"full", domain.RejectDeletion{App: app, Request: "del-1", Reason: "a bill is open"}},
	{"full", domain.RenumberApp{App: app}},

	{"least", domain.RecordOrder{App: app, Order: domain.OrderTerms{ID: "ord-1", EffectiveAt: at, Amount: money1}}},
	{"full", domain.RecordOrder{App: app, Order: order1, Report: reportMore}},
	{"reported", domain.RecordOrder{App: app, Order: order1, Report: report1}},
	{"least", domain.Refund{App: app, Order: "ord-1", EffectiveAt: at}},
	{"full", domain.Refund{App: app, Order: "ord-1", EffectiveAt: at, Amount: money1, Report: reportMore}},
	{"reported", domain.Refund{App: app, Order: "ord-1", EffectiveAt: at, Report: report1}},
	{"goodwill", domain.Refund{App: app, Order: "ord-1", Refund: "r-1", EffectiveAt: at, Amount: money1, Goodwill: true, Report: report1}},
	{"least", domain.MarkArrears{App: app, Invoice: "inv-1", EffectiveAt: at, Amount: domain.Money{Currency: "CNY"}}},
	{"full", domain.MarkArrears{App: app, Invoice: "inv-1", Version: 1, EffectiveAt: at, Amount: money1, Report: reportMore}},
	{"reported", domain.MarkArrears{App: app, Invoice: "inv-1", Version: 1, EffectiveAt: at, Amount: money1, Report: report1}},
	{"least", domain.SettleArrears{App: app, Invoice: "inv-1", EffectiveAt: at}},
	{"full", domain.SettleArrears{App: app, Invoice: "inv-1", Version: 1, EffectiveAt: at, Report: reportMore}},
	{"reported", domain.SettleArrears{App: app, Invoice: "inv-1", Version: 1, EffectiveAt: at, Report: report1}},
	{"least", domain.VoidInvoice{App: app, Invoice: "inv-1", EffectiveAt: at}},
	{"full", domain.VoidInvoice{App: app, Invoice: "inv-1", Version: 1, EffectiveAt: at, Report: reportMore}},
	{"reported", domain.VoidInvoice{App: app, Invoice: "inv-1", Version: 1, EffectiveAt: at, Report: report1}},
	{"least", domain.NoteTRTCStopped{App: app}},
	{"full", domain.NoteTRTCStopped{App: app, EffectiveAt: at, Report: reportMore}},
	{"reported", domain.NoteTRTCStopped{App: app, EffectiveAt: at, Report: report1}},
	{"least", domain.NoteTRTCStarted{App: app}},
	{"full", domain.NoteTRTCStarted{App: app, EffectiveAt: at, Report: reportMore}},
	{"reported", domain.NoteTRTCStarted{App: app, EffectiveAt: at, Report: report1}},

	// Keys and certificates are drawn and sealed anew when a command comes again, so what is hashed of them is what was sent:
	// nothing of a key that is made here, the prints of what came by import, a print of a certificate's fields as given.
	{"least", domain.IssueKey{App: app}},
	{"full", domain.IssueKey{App: app, Key: key1}},
	{"least", domain.UpgradeKeyAlgorithm{App: app}},
	{"full", domain.UpgradeKeyAlgorithm{App: app, Key: key1}},
	{"least", domain.RotateKey{App: app}},
	{"full", domain.RotateKey{App: app, Overlap: as(int64(259_200_000)), Key: key1}},
	{"no-overlap", domain.RotateKey{App: app, Overlap: as(int64(0)), Key: key1}},
	{"full", domain.RetireKey{App: app}},
	{"least", domain.RevealKey{App: app}},
	{"full", domain.RevealKey{App: app, Reason: "a client was lost", From: "192.0.2.1"}},
	{"least", domain.AddAdmins{App: app}},
	{"full", domain.AddAdmins{App: app, Names: []string{"bob", "alice"}}},
	{"least", domain.RemoveAdmins{App: app}},
	{"full", domain.RemoveAdmins{App: app, Names: []string{"bob", "alice"}}},
	{"least", domain.AddCertificate{App: app}},
	{"full", domain.AddCertificate{App: app, Certificate: 1001, Content: content1, Given: []byte{1, 2, 3}}},
	{"least", domain.EditCertificate{App: app, Certificate: 1001}},
	{"full", domain.EditCertificate{App: app, Certificate: 1001, Content: content1, Seen: content1, Given: []byte{1, 2, 3}}},
	{"least", domain.DeleteCertificate{App: app, Certificate: 1001}},
	{"full", domain.DeleteCertificate{App: app, Certificate: 1001, Confirm: "1001"}},
	{"full", domain.EnableTRTC{App: app}},
	{"full", domain.Rejudge{App: app}},
	{"least", domain.EnableTPNS{App: app, Order: domain.OrderTerms{ID: "ord-1", Amount: money1}}},
	{"full", domain.EnableTPNS{App: app, Order: order1}},
	{"full", domain.DisableTPNS{App: app}},

	{"full", domain.FireTransition{App: app, Kind: domain.DueArrears, Episode: 7}},
}

// TestContentHashesStay holds the content of commands, as it is hashed, against what it was in every version before. A
// command's id is remembered forever with its hash: were the hash of the same command another one tomorrow, who sends a
// command of today again, to learn whether it was done, would be told that its id was used for something else (422
// idempotency_key_reused), and a bill that comes again would be parked (fact_id_reused).
//
// So where this test fails the code is wrong, not the file: a member that is new must be omitzero, so that commands that
// lack it look as before, and no member may leave or change its form. TestAMemberChangesTheHash shows it.
func TestContentHashesStay(t *testing.T) {
	known := map[string]bool{}
	for _, g := range given {
		name := g.command.Name() + "." + g.variant
		if known[name] {
			t.Errorf("%s: two values of this name", name)
		}
		known[name] = true
		whole := golden(t, g.command)
		stays(t, name, whole)
		if content := golden(t, domain.Content(g.command)); !bytes.Equal(content, whole) {
			known[name+".content"] = true
			stays(t, name+".content", content)
		}
		if hash, err := engine.ContentHash(contentAccount, g.command); err != nil || !bytes.HasPrefix(golden(t, domain.Content(g.command)), []byte(hex.EncodeToString(hash[:])+"\n")) {
			t.Errorf("%s: what is hashed is not its content (%v)", name, err)
		}
	}
	files, err := os.ReadDir(contents)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("%s has no value any more: commands of before are sent again all the same", f.Name())
		}
	}
}

// stays holds what is hashed against its file.
func stays(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join(contents, name)
	want, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && *update:
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	case errors.Is(err, fs.ErrNotExist):
		t.Errorf("%s is missing: a value that is new gets its file by go generate ./internal/engine", file)
	case err != nil:
		t.Fatal(err)
	case !bytes.Equal(got, want):
		t.Errorf("%s: the content of the command is another one than before.\n got  %s\n want %s\n"+
			"The file stays (-update does not touch it either): a member that is new must be omitzero, and none may leave or change.", name, got, want)
	}
}

// golden is what a file holds: the hash, and all that is hashed.
func golden(t *testing.T, cmd domain.Command) []byte {
	t.Helper()
	hash, err := engine.WholeHash(contentAccount, cmd)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(cmd, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	hashed := cmd.Name() + "\n" + contentAccount + "\n" + string(body)
	if hash != sha256.Sum256([]byte(hashed)) {
		t.Errorf("%s: hashed is something else than %s", cmd.Name(), hashed)
	}
	return []byte(hex.EncodeToString(hash[:]) + "\n" + hashed)
}

// TestEveryCommandHasItsContentKept looks for commands, and for members of them, that no value above has.
func TestEveryCommandHasItsContentKept(t *testing.T) {
	filled := map[string]bool{} // the members that some value has
	seen := map[string]bool{}
	for _, g := range given {
		v := reflect.ValueOf(g.command)
		seen[v.Type().Name()] = true
		fill(filled, v.Type().Name(), v)
	}
	names := commandsOfTheDomain(t)
	if len(names) < 30 {
		t.Fatalf("only %d commands found: the test looks in the wrong place", len(names))
	}
	for _, name := range names {
		if !seen[name] {
			t.Errorf("the command %s has no value above", name)
		}
	}
	for member, has := range filled {
		if !has {
			t.Errorf("%s is absent in every value above: add a variant that has it", member)
		}
	}
}

// fill notes each member below a value, and whether there is something in it.
func fill(filled map[string]bool, name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		fill(filled, name, v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			fill(filled, name, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			member := name + "." + v.Type().Field(i).Name
			filled[member] = filled[member] || !v.Field(i).IsZero()
			if !v.Field(i).IsZero() {
				fill(filled, member, v.Field(i))
			}
		}
	}
}

// commandsOfTheDomain lists the types that have what makes a command of them: a decision.
func commandsOfTheDomain(t *testing.T) (names []string) {
	t.Helper()
	files, err := filepath.Glob("../../domain/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, is := d.(*ast.FuncDecl)
			if !is || f.Name.Name != "decide" || f.Recv == nil {
				continue
			}
			if of, is := f.Recv.List[0].Type.(*ast.Ident); is {
				names = append(names, of.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// SetQuota as versions after this one might have it.
type (
	always struct {
		domain.SetQuota
		Note string `json:"note"`
	}
	ifThere struct {
		domain.SetQuota
		Note string `json:"note,omitzero"`
	}
)

// TestAMemberChangesTheHash shows what the golden files guard against. A command is committed; then it is sent again to a
// version that has one member more. With a member that is always there it is refused as another command, which the API
// answers with 422; with one that is omitted where it is absent it is answered as before. That the member is lost, and is
// there again, is the same: a command that left one out is not the one that had it.
func TestAMemberChangesTheHash(t *testing.T) {
	n := enginetest.Start(t).Node(t, t.TempDir(), true)
	quota := domain.SetQuota{Apps: 120}
	first := n.Must(t, "acme", "k-1", domain.Operator, quota)

	if _, err := n.Do(t, "acme", "k-1", domain.Operator, always{SetQuota: quota}); !errors.Is(err, engine.ErrIDReused) {
		t.Errorf("with a member that is always there: %v, want ErrIDReused", err)
	}
	again := n.Must(t, "acme", "k-1", domain.Operator, ifThere{SetQuota: quota})
	if again.Outcome != engine.Repeated || again.Position != first.Position {
		t.Errorf("with a member that is omitted where it is absent: %+v, want the first answer, position %d", again, first.Position)
	}

	more := domain.SetQuota{Apps: 130}
	n.Must(t, "acme", "k-2", domain.Operator, ifThere{more, "agreed"})
	if _, err := n.Do(t, "acme", "k-2", domain.Operator, more); !errors.Is(err, engine.ErrIDReused) {
		t.Errorf("when the member has left: %v, want ErrIDReused", err)
	}
}
