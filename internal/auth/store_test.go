package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/natsd"
)

// clock is a clock that moves when told.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ms.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	return c
}

func (c *clock) Now() time.Time          { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.ms.Add(d.Milliseconds()) }

func startServer(t *testing.T, config natsd.Config) *natsd.Server {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	srv, err := natsd.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Shutdown)
	return srv
}

func openStore(t *testing.T, srv *natsd.Server, config Config) *Store {
	t.Helper()
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), js, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// await waits for a state, and fails if it does not come.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

func create(t *testing.T, s *Store, n NewToken) (Token, string) {
	t.Helper()
	token, secret, err := s.Create(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return token, secret
}

func TestLifeOfAToken(t *testing.T) {
	dir, now := t.TempDir(), newClock()
	srv := startServer(t, natsd.Config{Dir: dir})
	var mu sync.Mutex
	var ended []string
	s := openStore(t, srv, Config{Now: now.Now, Ended: func(id string) {
		mu.Lock()
		defer mu.Unlock()
		ended = append(ended, id)
	}})

	token, secret := create(t, s, NewToken{Role: Owner, Account: "acme", Name: "网店 console"})
	if token.ID != ID(secret) || !token.CreatedAt.Equal(now.Now()) {
		t.Errorf("made %+v with a secret of %s at %s", token, ID(secret), now.Now())
	}
	want := Principal{TokenID: token.ID, Role: Owner, Account: "acme", Name: "网店 console"}
	if got, err := s.Authenticate(secret); err != nil || got != want {
		t.Errorf("Authenticate = %+v, %v, want %+v", got, err, want)
	}
	if _, err := s.Authenticate(""); !errors.Is(err, ErrNoToken) {
		t.Errorf("no token: %v", err)
	}
	for _, wrong := range []string{"x", secret[:40], newSecret()} {
		if _, err := s.Authenticate(wrong); !errors.Is(err, ErrBadToken) {
			t.Errorf("%q: %v", wrong, err)
		}
	}

	if err := s.Revoke(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authenticate(secret); !errors.Is(err, ErrRevoked) {
		t.Errorf("after the revocation: %v", err)
	}
	now.Advance(time.Hour)
	if err := s.Revoke(t.Context(), token.ID); err != nil {
		t.Errorf("revoked again: %v", err)
	}
	if list := s.List(); len(list) != 1 || !list[0].RevokedAt.Equal(now.Now().Add(-time.Hour)) {
		t.Errorf("List = %+v", list)
	}
	mu.Lock()
	if len(ended) == 0 || ended[0] != token.ID {
		t.Errorf("ended: %q, want %s", ended, token.ID)
	}
	mu.Unlock()
	for _, unknown := range []string{ID("x"), "", "tok_", "tok_>", "tok_" + strings.Repeat("*", 20)} {
		if err := s.Revoke(t.Context(), unknown); !errors.Is(err, ErrUnknownToken) {
			t.Errorf("Revoke(%q): %v", unknown, err)
		}
	}

	s.Close()
	again := openStore(t, srv, Config{Now: now.Now})
	if _, err := again.Authenticate(secret); !errors.Is(err, ErrRevoked) {
		t.Errorf("after opening again: %v", err)
	}
	again.Close()
	srv.Shutdown()
	if holds(t, dir, secret) || !holds(t, dir, token.ID) {
		t.Error("want the id of the token in the server's files, and not its secret")
	}
}

// holds searches the bytes of all files below a folder.
func holds(t *testing.T, dir, text string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		found = found || bytes.Contains(data, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestExpiry(t *testing.T) {
	now := newClock()
	ended := make(chan string, 10)
	s := openStore(t, startServer(t, natsd.Config{}), Config{
		Now: now.Now, tendEvery: time.Millisecond, Ended: func(id string) { ended <- id },
	})
	token, secret := create(t, s, NewToken{Role: Auditor, Name: "audit 2026", ExpiresAt: now.Now().Add(time.Hour)})
	now.Advance(time.Hour - time.Millisecond)
	if _, err := s.Authenticate(secret); err != nil {
		t.Errorf("a millisecond before it expires: %v", err)
	}
	now.Advance(time.Millisecond)
	if _, err := s.Authenticate(secret); !errors.Is(err, ErrExpired) {
		t.Errorf("when it expires: %v", err)
	}
	if got := <-ended; got != token.ID {
		t.Errorf("ended %s, want %s", got, token.ID)
	}
}

// TestExpiryIsNoticedAtOnce, and not when the store looks after itself the next time.
func TestExpiryIsNoticedAtOnce(t *testing.T) {
	ended := make(chan time.Time, 10)
	s := openStore(t, startServer(t, natsd.Config{}), Config{
		Now: time.Now, tendEvery: time.Hour, Ended: func(string) { ended <- time.Now() },
	})
	create(t, s, NewToken{Role: Auditor, Name: "later", ExpiresAt: time.Now().Add(time.Hour)})
	token, _ := create(t, s, NewToken{Role: Auditor, Name: "soon", ExpiresAt: time.Now().Add(200 * time.Millisecond)})
	select {
	case at := <-ended:
		if late := at.Sub(token.ExpiresAt); late < 0 || late > 5*time.Second {
			t.Errorf("told %s after the token expired", late)
		}
	case <-time.After(20 * time.Second):
		t.Error("not told in 20 s")
	}
}

func TestInvalid(t *testing.T) {
	now := newClock()
	s := openStore(t, startServer(t, natsd.Config{}), Config{Now: now.Now})
	for _, c := range []struct {
		token NewToken
		wrong string // fields, joined
	}{
		{NewToken{}, "role,name"},
		{NewToken{Role: "root", Name: "x"}, "role"},
		{NewToken{Role: Owner, Name: "x"}, "account"},
		{NewToken{Role: Owner, Account: "acme.*", Name: "x"}, "account"},
		{NewToken{Role: Reader, Account: ">", Name: "x"}, "account"},
		{NewToken{Role: Reader, Account: "_a", Name: "x"}, "account"},
		{NewToken{Role: Reader, Account: strings.Repeat("a", 64), Name: "x"}, "account"},
		{NewToken{Role: Operator, Account: "acme", Name: "x"}, "account"},
		{NewToken{Role: Operator, Name: "a\tb"}, "name"},
		{NewToken{Role: Operator, Name: "a\xff"}, "name"},
		{NewToken{Role: Operator, Name: strings.Repeat("名", 65)}, "name"},
		{NewToken{Role: Operator, Name: "x", ExpiresAt: now.Now()}, "expires_at"},
		{NewToken{Role: "", Account: "acme", Name: "", ExpiresAt: time.Unix(0, 0)}, "role,name,expires_at"},
	} {
		_, secret, err := s.Create(t.Context(), c.token)
		var invalid *InvalidError
		if !errors.As(err, &invalid) || secret != "" {
			t.Errorf("%+v: %v, want an InvalidError", c.token, err)
			continue
		}
		var fields []string
		for _, f := range invalid.Fields {
			fields = append(fields, f.Field)
		}
		if got := strings.Join(fields, ","); got != c.wrong {
			t.Errorf("%+v: wrong are %s, want %s", c.token, got, c.wrong)
		}
	}
	create(t, s, NewToken{Role: Operator, Name: strings.Repeat("名", 64)})
	create(t, s, NewToken{Role: Owner, Account: strings.Repeat("a", 63), Name: strings.Repeat("\U0001F600", 64)})
}

// TestTwoNodes: what one node does the other knows soon, also after the server was restarted under both.
func TestTwoNodes(t *testing.T) {
	now := newClock()
	srv := startServer(t, natsd.Config{})
	// Looking every 50 ms rather than every 15 s: after a restart the library notices its dead consumer late.
	config := Config{Now: now.Now, tendEvery: 50 * time.Millisecond}
	one, two := openStore(t, srv, config), openStore(t, srv, config)

	token, secret := create(t, one, NewToken{Role: Billing, Name: "billing"})
	await(t, "the other node lets the token in", func() bool { _, err := two.Authenticate(secret); return err == nil })
	if err := two.Revoke(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	await(t, "the other node refuses it", func() bool { _, err := one.Authenticate(secret); return errors.Is(err, ErrRevoked) })

	token, secret = create(t, one, NewToken{Role: Billing, Name: "billing"})
	if err := srv.Restart(); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Authenticate(secret); err != nil {
		t.Errorf("while the server restarts: %v", err)
	}
	await(t, "revoking after the restart", func() bool { return two.Revoke(t.Context(), token.ID) == nil })
	await(t, "the other node refuses it after the restart", func() bool {
		_, err := one.Authenticate(secret)
		return errors.Is(err, ErrRevoked)
	})
}

func TestManyAtOnce(t *testing.T) {
	now := newClock()
	s := openStore(t, startServer(t, natsd.Config{}), Config{Now: now.Now})
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			for j := range 5 {
				token, secret, err := s.Create(t.Context(), NewToken{Role: Reader, Account: "acme", Name: fmt.Sprint(i, j)})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := s.Authenticate(secret); err != nil {
					t.Error(err)
				}
				var both sync.WaitGroup
				for range 2 {
					both.Go(func() {
						if err := s.Revoke(t.Context(), token.ID); err != nil {
							t.Error(err)
						}
					})
				}
				both.Wait()
				if _, err := s.Authenticate(secret); !errors.Is(err, ErrRevoked) {
					t.Errorf("after revoking: %v", err)
				}
			}
		})
	}
	work.Wait()
	if n := len(s.List()); n != 40 {
		t.Errorf("%d tokens are listed, want 40", n)
	}
}

// TestFull: the places of dead tokens are given away, those of the others are not. The tokens that fill the store are
// put into memory only, since storing 10,000 durably takes long.
func TestFull(t *testing.T) {
	now := newClock()
	s := openStore(t, startServer(t, natsd.Config{}), Config{Now: now.Now})
	first, firstSecret := create(t, s, NewToken{Role: Auditor, Name: "first", ExpiresAt: now.Now().Add(time.Minute)})
	second, _ := create(t, s, NewToken{Role: Auditor, Name: "second", ExpiresAt: now.Now().Add(time.Second)})
	for i := len(s.List()); i < MaxTokens; i++ {
		e := &entry{hash: digestOf(fmt.Sprint(i)), revision: 1}
		e.Token = Token{ID: e.hash.id(), Role: Reader, Account: "acme", Name: "filler", CreatedAt: now.Now()}
		s.put(e)
	}
	another := NewToken{Role: Operator, Name: "another"}
	now.Advance(forgetAfter)
	if _, _, err := s.Create(t.Context(), another); !errors.Is(err, ErrTooManyTokens) {
		t.Errorf("all places taken: %v", err)
	}
	now.Advance(time.Minute)
	create(t, s, another)
	if _, err := s.kv.Get(t.Context(), second.ID); !errors.Is(err, jetstream.ErrKeyNotFound) {
		t.Errorf("the token dead for longest is still stored: %v", err)
	}
	if _, err := s.Authenticate(firstSecret); !errors.Is(err, ErrExpired) {
		t.Errorf("the other dead one: %v", err)
	}
	create(t, s, another)
	if _, err := s.Authenticate(firstSecret); !errors.Is(err, ErrBadToken) {
		t.Errorf("the token %s was to be forgotten: %v", first.ID, err)
	}
	if _, _, err := s.Create(t.Context(), another); !errors.Is(err, ErrTooManyTokens) {
		t.Errorf("all places taken again: %v", err)
	}
	if n := len(s.List()); n != MaxTokens {
		t.Errorf("%d tokens, want %d", n, MaxTokens)
	}
}

// TestUnreadable: a record that cannot be read lets nobody in and stops nothing else.
func TestUnreadable(t *testing.T) {
	now := newClock()
	srv := startServer(t, natsd.Config{})
	s := openStore(t, srv, Config{Now: now.Now})
	token, secret := create(t, s, NewToken{Role: Operator, Name: "x"})
	_, other := create(t, s, NewToken{Role: Operator, Name: "y"})
	stored, err := s.kv.Get(t.Context(), token.ID)
	if err != nil {
		t.Fatal(err)
	}
	restricted := bytes.Replace(stored.Value(), []byte(`{`), []byte(`{"only_from":"10.0.0.1",`), 1)
	if _, err := s.kv.Put(t.Context(), token.ID, restricted); err != nil {
		t.Fatal(err)
	}
	await(t, "the token is refused", func() bool { _, err := s.Authenticate(secret); return errors.Is(err, ErrBadToken) })
	again := openStore(t, srv, Config{Now: now.Now})
	if _, err := again.Authenticate(secret); !errors.Is(err, ErrBadToken) {
		t.Errorf("after opening again: %v", err)
	}
	if _, err := again.Authenticate(other); err != nil {
		t.Errorf("the other token: %v", err)
	}
}

// TestCloseAfterTheConnection: closing does not hang, whatever was closed before.
func TestCloseAfterTheConnection(t *testing.T) {
	srv := startServer(t, natsd.Config{})
	nc, err := srv.Connect()
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), js, Config{Now: newClock().Now})
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	closed := make(chan struct{})
	go func() { s.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(20 * time.Second):
		t.Fatal("Close hangs")
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	s := &Store{config: Config{Now: time.Now}, byHash: map[digest]*entry{}, byID: map[string]*entry{}}
	secret := newSecret()
	e := &entry{hash: digestOf(secret), revision: 1, Token: Token{ID: ID(secret), Role: Reader, Account: "acme"}}
	s.put(e)
	for b.Loop() {
		if _, err := s.Authenticate(secret); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSecretsAreRedacted(t *testing.T) {
	secret := newSecret()
	for text, want := range map[string]string{
		"/v1/apps/" + secret: "/v1/apps/sundial_...",
		secret:               "sundial_...",
		"a " + secret + " b " + secret[:20] + "/c": "a sundial_... b sundial_.../c",
		"/v1/accounts/sundial_team":                "/v1/accounts/sundial_team",
		"sundial_":                                 "sundial_",
		"/v1/apps":                                 "/v1/apps",
	} {
		if got := Redacted(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
