package auth

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/damage"
)

// verify gives the codes of what is found, with where and which place.
func (k *kept) verify() []damage.Finding {
	k.t.Helper()
	nc, err := k.server.Connect()
	if err != nil {
		k.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		k.t.Fatal(err)
	}
	found, err := Verify(k.t.Context(), js, k.ledger(), k.clock.Now())
	if err != nil {
		k.t.Fatal(err)
	}
	for i := range found {
		if found[i].Problem == "" || found[i].Fix == "" {
			k.t.Errorf("not all is said: %+v", found[i])
		}
		found[i].Problem, found[i].Fix = "", ""
	}
	return found
}

func TestTheBucketAndTheLedgerAreHeldAgainstEachOther(t *testing.T) {
	k := newKept(t)
	former, err := os.ReadFile(k.ledger())
	if err != nil {
		t.Fatal(err)
	}
	before := k.revoke()
	expect := func(what string, want ...damage.Finding) {
		t.Helper()
		if found := k.verify(); !slices.Equal(found, want) {
			t.Errorf("%s: %+v, want %+v", what, found, want)
		}
	}
	ledger := func(text []byte) {
		t.Helper()
		if err := os.WriteFile(k.ledger(), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	expect("nothing is damaged")
	later, err := os.ReadFile(k.ledger())
	if err != nil {
		t.Fatal(err)
	}

	ledger(former)
	expect("a revocation that only the bucket has, as one of another node")
	lines := bytes.SplitAfter(later, []byte("\n"))
	if len(lines) != 4 {
		t.Fatalf("%d lines: %s", len(lines), later)
	}
	ledger(slices.Concat(lines[1], lines[2]))
	expect("the first line is gone", damage.Finding{Code: ledgerDamaged, Where: LedgerFile, Position: 1})
	ledger(slices.Concat(lines[0], lines[2]))
	expect("a line in the middle is gone", damage.Finding{Code: ledgerDamaged, Where: LedgerFile, Position: 2})
	ledger(later[:len(later)-9])
	expect("the end is cut off", damage.Finding{Code: ledgerDamaged, Where: LedgerFile, Position: 3})
	ledger(slices.Concat(later, bytes.Repeat([]byte("x"), 5*maxRecord)))
	expect("a line that is too long", damage.Finding{Code: ledgerDamaged, Where: LedgerFile, Position: 4})
	ledger(later)

	k.server.Shutdown()
	if err := errors.Join(os.RemoveAll(filepath.Join(k.dir, "nats")), os.CopyFS(filepath.Join(k.dir, "nats"), os.DirFS(before))); err != nil {
		t.Fatal(err)
	}
	k.serve()
	expect("an older copy of the bucket", damage.Finding{Code: tokenDiffers, Where: whereTokens, Position: 1})

	nc, err := k.server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bucket)
	if err == nil {
		err = errors.Join(kv.Delete(t.Context(), k.worksID), kv.Purge(t.Context(), k.deadID))
	}
	if err != nil {
		t.Fatal(err)
	}
	expect("a token that works was deleted, and one that does not", damage.Finding{Code: tokenMissing, Where: whereTokens})
	if err := js.DeleteKeyValue(t.Context(), bucket); err != nil {
		t.Fatal(err)
	}
	expect("the bucket is gone", damage.Finding{Code: tokenMissing, Where: whereTokens})
	k.check("opened again") // as the fix says
	expect("what was missing is written again")
}

func TestAnOperatorsTokenIsKnownByItsCheckCharacters(t *testing.T) {
	file := filepath.Join(t.TempDir(), TokenFile)
	whole := newSecret()
	for text, want := range map[string]bool{
		whole + "\n": true, whole: true, "": false, whole[:20]: false, whole[1:]: false, whole + whole: false,
		whole[:len(secretPrefix)] + "!" + whole[len(secretPrefix)+1:]: false,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		found := VerifyOperator(file)
		if want != (len(found) == 0) {
			t.Errorf("%d characters: %+v", len(text), found)
		}
	}
	if found := VerifyOperator(file + ".none"); len(found) > 0 {
		t.Errorf("no file: %+v", found)
	}
	if found := VerifyOperator(filepath.Dir(file)); len(found) != 1 || found[0].Code != operatorTokenDamaged {
		t.Errorf("a folder: %+v", found)
	}
}
