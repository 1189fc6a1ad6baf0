package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// silence is how long a server in this process may deliver none of the tokens that it says it has, before it is looked for one
// that it cannot read.
const silence = 3 * time.Second

// errSilent says that the server delivers none of the tokens that it says it has.
var errSilent = errors.New("auth: the server delivers none of the tokens that it has")

// judge holds a token, as the bucket has it, against the ledger: nil if nobody is let in by it. What the ledger does not know is
// taken as it is; a revocation counts whoever tells of it.
func (s *Store) judge(e *entry) *entry {
	if s.ledger == nil {
		return e
	}
	known := s.ledger.of(e.ID)
	switch {
	case known == nil, known.says(e), !e.RevokedAt.IsZero():
		if err := s.ledger.note(e); err != nil {
			s.config.Log.Error("a token is not in the ledger: an older copy of the tokens would not be known for it", "token", e.ID, "error", err)
		}
		return e
	case !known.RevokedAt.IsZero():
		s.config.Log.Error("a token that was revoked stands in the stream as if it was not: it stays revoked, and is written there again",
			"token", e.ID, "name", known.Name, "revoked_at", known.RevokedAt)
	default:
		s.config.Log.Error("a token in the stream is not the one that was made: it counts as that was", "token", e.ID, "name", known.Name)
	}
	kept := *known
	kept.revision = e.revision
	s.mend(&kept)
	return &kept
}

// unreadable takes the word of the ledger for a record of the bucket that cannot be read; false if it has none.
func (s *Store) unreadable(id string, revision uint64) bool {
	if s.ledger == nil {
		return false
	}
	known := s.ledger.of(id)
	if known == nil {
		return false
	}
	kept := *known
	kept.revision = revision
	s.put(&kept)
	s.mend(&kept)
	return true
}

// mend remembers that the bucket is to have a token as the ledger has it.
func (s *Store) mend(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mending = append(s.mending, e)
}

// settle compares the whole of both once the bucket was read: what the bucket has lost of the tokens that work is written there
// again, as is what judge found.
func (s *Store) settle(ctx context.Context, damaged int) error {
	l := s.ledger
	if l == nil {
		return nil
	}
	held := func(id string) bool {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return s.byID[id] != nil
	}
	if !l.found && len(s.byID) > 0 {
		s.config.Log.Info("the tokens were taken into the ledger", "file", l.path, "tokens", len(s.byID))
	}
	l.mu.Lock()
	var lost []*entry
	for id, e := range l.known {
		if !held(id) && e.works(s.config.Now()) {
			copied := *e
			lost = append(lost, &copied)
		}
	}
	worn := damaged > 0 || l.lines > 2*len(l.known)+100
	l.mu.Unlock()
	for _, e := range lost {
		s.config.Log.Error("a token is gone from the stream, and was neither revoked nor forgotten: it is written there again", "token", e.ID, "name", e.Name)
		s.mend(e)
	}
	if err := s.writeAgain(ctx); err != nil {
		return err
	}
	if damaged > 0 {
		s.config.Log.Error("lines of the ledger of tokens cannot be believed: what they say is taken from the stream", "file", l.path, "lines", damaged)
	}
	if worn {
		return l.rewrite(held)
	}
	return nil
}

// writeAgain has the bucket hold what it is to have as the ledger has it.
func (s *Store) writeAgain(ctx context.Context) error {
	s.mu.Lock()
	mending := s.mending
	s.mending = nil
	s.mu.Unlock()
	for i, e := range mending {
		if err := s.write(ctx, e); err != nil {
			s.mu.Lock()
			s.mending = append(s.mending, mending[i:]...)
			s.mu.Unlock()
			return err
		}
	}
	return nil
}

// write puts a token into the bucket as it is to stand there.
func (s *Store) write(ctx context.Context, e *entry) error {
	data, err := e.encode()
	if err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	revision, err := s.kv.Put(ctx, e.ID, data)
	if err != nil {
		return fmt.Errorf("auth: writing a token again: %w", err)
	}
	e.revision = revision
	s.put(e)
	return nil
}

// repair makes the bucket anew of what the ledger has, where the server cannot give a record that it says it has: it would wait
// at that for ever, also with what is written over it. What it can give is held against the ledger first. The sequences go on
// behind those that were.
func (s *Store) repair(ctx context.Context, js jetstream.JetStream) error {
	if s.ledger == nil {
		return errSilent
	}
	fail := func(err error) error { return fmt.Errorf("auth: making the stream of tokens anew: %w", err) }
	stream, err := js.Stream(ctx, "KV_"+bucket)
	if err != nil {
		return fail(err)
	}
	prefix := "$KV." + bucket + "."
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		return fail(err)
	}
	for subject := range info.State.Subjects {
		id := strings.TrimPrefix(subject, prefix)
		message, err := stream.GetLastMsgForSubject(ctx, subject)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			s.config.Log.Error("a record in the stream of tokens cannot be read: it counts as the ledger has it, or lets nobody in", "token", id)
		case err != nil:
			return fail(err)
		case len(message.Data) > 0:
			if e, err := decode(id, message.Sequence, message.Data); err == nil {
				s.judge(e)
			}
		}
	}
	if err := js.DeleteKeyValue(ctx, bucket); err != nil {
		return fail(err)
	}
	if s.kv, err = s.config.open(ctx, js); err != nil {
		return fail(err)
	}
	if stream, err = js.Stream(ctx, "KV_"+bucket); err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSequence(info.State.LastSeq+1))
	}
	if err != nil {
		return fail(err)
	}
	s.mu.Lock()
	s.mending = nil
	s.mu.Unlock()
	s.ledger.mu.Lock()
	for id, e := range s.ledger.known {
		if _, held := info.State.Subjects[prefix+id]; held || e.works(s.config.Now()) {
			copied := *e
			s.mend(&copied)
		}
	}
	s.ledger.mu.Unlock()
	return s.writeAgain(ctx)
}
