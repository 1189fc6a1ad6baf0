package auth

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"sundial/internal/natsd"
)

// kept is a directory with a server, of which the tokens' bucket and the ledger can be spoiled while nothing runs.
type kept struct {
	t      *testing.T
	dir    string
	server *natsd.Server
	clock  *clock
	log    bytes.Buffer

	works, revoked  string // secrets
	worksID, deadID string
}

func newKept(t *testing.T) *kept {
	t.Helper()
	k := &kept{t: t, dir: t.TempDir(), clock: newClock()}
	k.serve()
	s := k.open()
	token := func(name string) (string, string) {
		made, secret, err := s.Create(t.Context(), NewToken{Role: Operator, Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return made.ID, secret
	}
	k.deadID, k.revoked = token("was revoked")
	k.worksID, k.works = token("works")
	s.Close()
	return k
}

func (k *kept) serve() {
	k.t.Helper()
	k.server = startServer(k.t, natsd.Config{Dir: filepath.Join(k.dir, "nats")})
}

func (k *kept) ledger() string { return filepath.Join(k.dir, LedgerFile) }

func (k *kept) open() *Store {
	k.t.Helper()
	return openStore(k.t, k.server, Config{
		Now: k.clock.Now, Ledger: k.ledger(), Alone: true, silence: 200 * time.Millisecond, Log: slog.New(slog.NewTextHandler(&k.log, nil)),
	})
}

// revoke revokes the one token, with the bucket's files as they were before that kept, and gives where.
func (k *kept) revoke() (before string) {
	k.t.Helper()
	before = k.t.TempDir()
	k.server.Shutdown()
	if err := os.CopyFS(before, os.DirFS(filepath.Join(k.dir, "nats"))); err != nil {
		k.t.Fatal(err)
	}
	k.serve()
	s := k.open()
	if err := s.Revoke(k.t.Context(), k.deadID); err != nil {
		k.t.Fatal(err)
	}
	s.Close()
	return before
}

// check opens the tokens and holds them against what is true, and the bucket too.
func (k *kept) check(what string) {
	t := k.t
	t.Helper()
	s := k.open()
	defer s.Close()
	if who, err := s.Authenticate(k.works); err != nil || who.TokenID != k.worksID {
		t.Errorf("%s: the token that works: %v\n%s", what, err, k.log.String())
	}
	if _, err := s.Authenticate(k.revoked); !errors.Is(err, ErrRevoked) && !errors.Is(err, ErrBadToken) {
		t.Errorf("%s: the token that was revoked: %v, want it refused\n%s", what, err, k.log.String())
	}
}

// again is check, and then once more without the ledger: what was wrong has been mended in the bucket.
func (k *kept) again(what string) {
	k.t.Helper()
	k.check(what)
	if err := os.Rename(k.ledger(), k.ledger()+".away"); err != nil {
		k.t.Fatal(err)
	}
	k.check(what + ", then the ledger taken away")
}

// bucketFiles are those with the tokens' records.
func (k *kept) bucketFiles() []string {
	k.t.Helper()
	files, err := filepath.Glob(filepath.Join(k.dir, "nats", "jetstream", "*", "streams", "KV_"+bucket, "msgs", "*"))
	if err != nil || len(files) == 0 {
		k.t.Fatalf("no files of the tokens: %v", err)
	}
	return files
}

func TestAnOlderCopyOfTheTokensBringsNoneBack(t *testing.T) {
	k := newKept(t)
	before := k.revoke()
	k.server.Shutdown()
	if err := errors.Join(os.RemoveAll(filepath.Join(k.dir, "nats")), os.CopyFS(filepath.Join(k.dir, "nats"), os.DirFS(before))); err != nil {
		t.Fatal(err)
	}
	k.serve()
	k.again("an older copy of the bucket")
}

func TestTokensOutliveTheirStream(t *testing.T) {
	k := newKept(t)
	k.revoke()
	k.server.Shutdown()
	for _, file := range k.bucketFiles() {
		if err := os.RemoveAll(filepath.Dir(filepath.Dir(file))); err != nil {
			t.Fatal(err)
		}
	}
	k.serve()
	k.check("without the bucket")
}

// TestOneFlippedBitBringsNoTokenBack: in any file of the bucket or in the ledger, after an orderly stop and after a kill.
func TestOneFlippedBitBringsNoTokenBack(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	draw := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // which bit
	k := newKept(t)
	k.revoke()
	killed, stopped := t.TempDir(), t.TempDir()
	if err := os.CopyFS(killed, os.DirFS(k.dir)); err != nil {
		t.Fatal(err)
	}
	k.server.Shutdown()
	if err := os.CopyFS(stopped, os.DirFS(k.dir)); err != nil {
		t.Fatal(err)
	}
	for n := range flips {
		from := []string{killed, stopped}[n%2]
		if err := errors.Join(os.RemoveAll(k.dir), os.CopyFS(k.dir, os.DirFS(from))); err != nil {
			t.Fatal(err)
		}
		files := append(k.bucketFiles(), k.ledger())
		file := files[draw.IntN(len(files))]
		data, err := os.ReadFile(file)
		if err != nil || len(data) == 0 {
			t.Fatalf("%s: %v, %d bytes", file, err, len(data))
		}
		at, bit := draw.IntN(len(data)), draw.IntN(8)
		data[at] ^= 1 << bit
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		k.log.Reset()
		k.serve()
		name, _ := filepath.Rel(k.dir, file)
		k.check(filepath.Base(from) + " " + name)
		if t.Failed() {
			t.Fatalf("bit %d of byte %d of %s", bit, at, name)
		}
		k.server.Shutdown()
	}
}

// flips is how many bits are flipped in passing: each takes some 50 ms.
const flips = 12

func TestALedgerThatIsTakenAwayIsMadeAnew(t *testing.T) {
	k := newKept(t)
	k.revoke()
	if err := os.Remove(k.ledger()); err != nil {
		t.Fatal(err)
	}
	k.check("without the ledger")
	k.log.Reset()
	k.check("with the one made anew")
	if k.log.Len() > 0 {
		t.Errorf("said: %s", k.log.String())
	}
}

// FuzzLedger: whatever stands in the file, it is read to its end, and what is rewritten is read as it was.
func FuzzLedger(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte("00 {}\n"))
	f.Add([]byte("f0a5cf4b2ee6a0eac4cbb1e4e3c2f3a85ff4e8d4c1e6f2b3a4958677869504a3 {\"id\":\"tok_\",\"record\":{}}\n\n \n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), LedgerFile)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		l, _, err := openLedger(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.rewrite(func(string) bool { return true }); err != nil {
			t.Fatal(err)
		}
		again, damaged, err := openLedger(path)
		if err != nil || len(damaged) != 0 || len(again.known) != len(l.known) {
			t.Fatalf("rewritten: %v, damaged lines %v, %d of %d tokens", err, damaged, len(again.known), len(l.known))
		}
	})
}
