package auth

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/streams"
)

const (
	bucket = "SUNDIAL_TOKENS"

	// maxConflicts bounds the tries to revoke a token that others change at the same moment. The only change there
	// is is a revocation, so the second try already finds it done.
	maxConflicts = 5

	// tendEvery is how often the store looks whether it still follows. It bounds how long a revocation made elsewhere
	// can go unseen when the subscription died without a word: twice this.
	tendEvery = 15 * time.Second

	// askTimeout bounds what the store asks of JetStream on its own account.
	askTimeout = 5 * time.Second
)

// Config is what a store of tokens needs.
type Config struct {
	Replicas int              // of the bucket, when it is made: 1, or 3 in a cluster
	Now      func() time.Time // expiry goes by this clock: the machine's, also under a sandbox

	// Log receives what nobody asked for and somebody should know; nil discards it.
	Log *slog.Logger

	// Ended, if given, is called with the id of a token that has stopped to work, so that connections that were opened with
	// it can be closed. It may be called twice, must not wait for long, and must not call the store.
	Ended func(tokenID string)

	// Ledger is the file that the bucket is held against, made where there is none; "" for none. Each directory has its own.
	Ledger string

	// Alone says that the NATS server is in this process, and nobody else writes to it.
	Alone bool

	tendEvery, silence time.Duration // for tests
}

// Store keeps the tokens of a deployment: in a JetStream bucket that every node follows, and in memory on each.
// Its methods may be called at the same time.
type Store struct {
	kv     jetstream.KeyValue
	config Config

	ledger *ledger // nil: none

	making sync.Mutex // one token is made at a time, so that MaxTokens holds on this node

	mu     sync.RWMutex // guards what follows
	byID   map[string]*entry
	byHash map[digest]*entry
	expiry time.Time // before which no token expires; zero if none does

	mending []*entry // that the bucket is to have as the ledger has them

	stop context.CancelFunc
	done chan struct{} // closed when nothing follows any more
}

// Open binds to the bucket, which it makes if there is none, and returns once it knows every token in it. The store
// follows the bucket until Close.
func Open(ctx context.Context, js jetstream.JetStream, config Config) (*Store, error) {
	if config.Now == nil {
		return nil, errors.New("auth: a clock is needed to tell expired tokens")
	}
	config.Log = cmp.Or(config.Log, slog.New(slog.DiscardHandler))
	config.tendEvery, config.silence = cmp.Or(config.tendEvery, tendEvery), cmp.Or(config.silence, silence)
	kv, err := config.open(ctx, js)
	if err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	s := &Store{
		kv: kv, config: config, done: make(chan struct{}),
		byID: map[string]*entry{}, byHash: map[digest]*entry{},
	}
	var damaged []int
	if config.Ledger != "" {
		if s.ledger, damaged, err = openLedger(config.Ledger); err != nil {
			return nil, err
		}
	}
	// The subscription outlives the call, so the caller's deadline must not end it.
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	f, err := s.watch(ctx, following)
	if errors.Is(err, errSilent) {
		if err = s.repair(ctx, js); err == nil {
			f, err = s.watch(ctx, following)
		}
	}
	if err == nil {
		if err = s.settle(ctx, len(damaged)); err != nil {
			f.close()
		}
	}
	if err != nil {
		stop()
		return nil, err
	}
	go s.follow(following, f)
	return s, nil
}

// open binds to the bucket, and makes it if there is none.
func (c Config) open(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, error) {
	return streams.OpenBucket(ctx, js, jetstream.KeyValueConfig{
		Bucket:       bucket,
		Description:  "hashes of Sundial's access tokens",
		History:      1,
		MaxValueSize: maxRecord,
		Storage:      jetstream.FileStorage,
		Replicas:     max(c.Replicas, 1),
	})
}

// Close ends following and waits for it.
func (s *Store) Close() {
	s.stop()
	<-s.done
}

// Authenticate tells who has this secret: ErrNoToken, ErrBadToken, ErrExpired or ErrRevoked if nobody has who may come
// in. A token made on another node is known here some milliseconds after it was made.
func (s *Store) Authenticate(secret string) (Principal, error) {
	if secret == "" {
		return Principal{}, ErrNoToken
	}
	if !wellFormed(secret) {
		return Principal{}, ErrBadToken
	}
	hash := digestOf(secret)
	s.mu.RLock()
	e := s.byHash[hash]
	s.mu.RUnlock()
	// Looking up a hash tells an observer of time nothing about the secret; comparing in constant time costs nothing
	// and leaves no need to argue.
	if e == nil || subtle.ConstantTimeCompare(e.hash[:], hash[:]) != 1 {
		return Principal{}, ErrBadToken
	}
	if !e.works(s.config.Now()) {
		if !e.RevokedAt.IsZero() {
			return Principal{}, ErrRevoked
		}
		return Principal{}, ErrExpired
	}
	return Principal{TokenID: e.ID, Role: e.Role, Account: e.Account, Name: e.Name}, nil
}

// List gives all tokens, those that no longer work among them, in the order in which they were made.
func (s *Store) List() []Token {
	s.mu.RLock()
	out := make([]Token, 0, len(s.byID))
	for _, e := range s.byID {
		out = append(out, e.Token)
	}
	s.mu.RUnlock()
	slices.SortFunc(out, func(a, b Token) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Create makes a token and gives it with its secret, which is not kept and cannot be had again. It refuses with an
// *InvalidError or ErrTooManyTokens. After any other error there may be a token whose secret nobody knows.
func (s *Store) Create(ctx context.Context, n NewToken) (Token, string, error) {
	secret := newSecret()
	t, err := s.create(ctx, n, secret)
	if err != nil {
		return Token{}, "", err
	}
	return t, secret, nil
}

func (s *Store) create(ctx context.Context, n NewToken, secret string) (Token, error) {
	now := s.config.Now().UTC().Truncate(time.Millisecond)
	if err := n.validate(now); err != nil {
		return Token{}, err
	}
	s.making.Lock()
	defer s.making.Unlock()
	if err := s.makeRoom(ctx, now); err != nil {
		return Token{}, err
	}
	hash := digestOf(secret)
	e := &entry{hash: hash, Token: Token{
		ID: hash.id(), Role: n.Role, Account: n.Account, Name: n.Name,
		CreatedAt: now, ExpiresAt: n.ExpiresAt.UTC().Truncate(time.Millisecond),
	}}
	data, err := e.encode()
	if err != nil {
		return Token{}, fmt.Errorf("auth: %w", err)
	}
	e.revision, err = s.kv.Create(ctx, e.ID, data)
	if err != nil {
		return Token{}, fmt.Errorf("auth: storing a token: %w", err)
	}
	if err := s.noted(e); err != nil {
		return Token{}, err
	}
	s.put(e)
	return e.Token, nil
}

// makeRoom forgets, if all places are taken, the token that has not worked for longest.
func (s *Store) makeRoom(ctx context.Context, now time.Time) error {
	var oldest *entry
	s.mu.RLock()
	count := len(s.byID)
	if count >= MaxTokens {
		for _, e := range s.byID {
			dead := e.deadAt()
			if !dead.IsZero() && !dead.Add(forgetAfter).After(now) && (oldest == nil || dead.Before(oldest.deadAt())) {
				oldest = e
			}
		}
	}
	s.mu.RUnlock()
	switch {
	case count < MaxTokens:
		return nil
	case oldest == nil:
		return ErrTooManyTokens
	}
	if err := s.kv.Purge(ctx, oldest.ID, jetstream.LastRevision(oldest.revision)); err != nil {
		return fmt.Errorf("auth: forgetting a token: %w", err)
	}
	s.drop(oldest.ID)
	return nil
}

// Revoke ends a token: at once on this node, within milliseconds on those that are connected. Revoking it again
// changes nothing. It refuses with ErrUnknownToken.
func (s *Store) Revoke(ctx context.Context, id string) error {
	if !validID(id) {
		return ErrUnknownToken
	}
	for range maxConflicts {
		stored, err := s.kv.Get(ctx, id)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return ErrUnknownToken
		}
		if err != nil {
			return fmt.Errorf("auth: reading a token: %w", err)
		}
		e, err := decode(id, stored.Revision(), stored.Value())
		if err != nil {
			return err
		}
		if !e.RevokedAt.IsZero() {
			s.put(e)
			return s.noted(e)
		}
		e.RevokedAt = s.config.Now().UTC().Truncate(time.Millisecond)
		data, err := e.encode()
		if err != nil {
			return fmt.Errorf("auth: %w", err)
		}
		e.revision, err = s.kv.Update(ctx, id, data, stored.Revision())
		if errors.Is(err, jetstream.ErrKeyExists) {
			continue // changed meanwhile
		}
		if err != nil {
			return fmt.Errorf("auth: revoking a token: %w", err)
		}
		s.put(e)
		return s.noted(e)
	}
	return fmt.Errorf("auth: revoking %s: it was changed by others %d times meanwhile; try again", id, maxConflicts)
}

// noted puts down in the ledger how a token stands, if there is one.
func (s *Store) noted(e *entry) error {
	if s.ledger == nil {
		return nil
	}
	return s.ledger.note(e)
}

// validID keeps out what is not a key of the bucket.
func validID(id string) bool {
	if len(id) != len(digest{}.id()) || id[:4] != "tok_" {
		return false
	}
	for _, c := range []byte(id[4:]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// put takes in a token as it stands at its revision, unless a later one is known.
func (s *Store) put(e *entry) {
	s.mu.Lock()
	old := s.byID[e.ID]
	if old == nil || old.revision < e.revision {
		s.byID[e.ID] = e
		s.byHash[e.hash] = e
		s.expiry = sooner(s.expiry, e.ExpiresAt)
	}
	s.mu.Unlock()
	if !e.RevokedAt.IsZero() && (old == nil || old.RevokedAt.IsZero()) {
		s.ended(e.ID)
	}
}

func (s *Store) drop(id string) {
	s.mu.Lock()
	if e := s.byID[id]; e != nil {
		delete(s.byID, id)
		delete(s.byHash, e.hash)
	}
	s.mu.Unlock()
	s.ended(id)
}

func (s *Store) ended(id string) {
	if s.config.Ended != nil {
		s.config.Ended(id)
	}
}
