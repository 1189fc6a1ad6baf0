package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// following is a subscription to the bucket, and the revision up to which it was taken in.
type following struct {
	watcher jetstream.KeyWatcher
	seen    uint64
	awaited uint64 // what the bucket stood at when last looked, 0 before that
}

// close ends the subscription and waits until it has: its callback may be held up by a full channel.
func (f *following) close() {
	_ = f.watcher.Stop() // fails only if it has ended already
	for range f.watcher.Updates() {
	}
}

// watch subscribes for as long as the second context lasts, and returns once all that the bucket holds is taken in;
// what it does not hold any more is dropped.
func (s *Store) watch(ctx, subscribed context.Context) (*following, error) {
	w, err := s.kv.WatchAll(subscribed)
	if err != nil {
		return nil, fmt.Errorf("auth: following the tokens: %w", err)
	}
	f := &following{watcher: w}
	held := map[string]bool{}
	var silent <-chan time.Time // never, on a cluster
	for {
		if s.config.Alone {
			silent = time.After(s.config.silence)
		}
		select {
		case <-silent:
			f.close()
			return nil, errSilent
		case <-ctx.Done():
			f.close()
			return nil, fmt.Errorf("auth: reading the tokens: %w", context.Cause(ctx))
		case update, open := <-w.Updates():
			switch {
			case !open:
				return nil, errors.New("auth: reading the tokens: the subscription ended")
			case update == nil: // all there was
				s.retain(held, f.seen)
				return f, nil
			default:
				held[update.Key()] = update.Operation() == jetstream.KeyValuePut
				s.applyChange(f, update)
			}
		}
	}
}

// applyChange takes in one change. A record that cannot be read lets nobody in, and takes away what stood before it.
func (s *Store) applyChange(f *following, update jetstream.KeyValueEntry) {
	f.seen = max(f.seen, update.Revision())
	if update.Operation() != jetstream.KeyValuePut {
		s.drop(update.Key())
		return
	}
	e, err := decode(update.Key(), update.Revision(), update.Value())
	if err != nil {
		if s.unreadable(update.Key(), update.Revision()) {
			s.config.Log.Error("a stored token cannot be read: it counts as the ledger has it, and is written there again", "error", err)
			return
		}
		s.config.Log.Error("a stored token cannot be read, so nobody is let in by it; was it written by a later version?",
			"error", err)
		s.drop(update.Key())
		return
	}
	s.put(s.judge(e))
}

// retain drops the tokens that the bucket no longer holds; one above the revision was made after it was read.
func (s *Store) retain(held map[string]bool, revision uint64) {
	s.mu.RLock()
	var gone []string
	for id, e := range s.byID {
		if !held[id] && e.revision <= revision {
			gone = append(gone, id)
		}
	}
	s.mu.RUnlock()
	for _, id := range gone {
		s.drop(id)
	}
}

// follow takes in what changes until the context ends, and subscribes anew whenever the subscription has ended or no
// longer keeps up.
func (s *Store) follow(ctx context.Context, f *following) {
	defer close(s.done)
	defer func() {
		if f != nil {
			f.close()
		}
	}()
	tick := time.NewTicker(s.config.tendEvery)
	defer tick.Stop()
	tended := s.config.Now()
	for {
		var updates <-chan jetstream.KeyValueEntry // none: wait for the tick
		if f != nil {
			updates = f.watcher.Updates()
		}
		alarm := time.NewTimer(s.untilExpiry())
		select {
		case <-ctx.Done():
			alarm.Stop()
			return
		case <-alarm.C:
			tended = s.endExpired(tended)
			continue
		case update, open := <-updates:
			if !open {
				f = nil
			} else if update != nil {
				s.applyChange(f, update)
			}
			alarm.Stop()
			continue
		case <-tick.C:
			alarm.Stop()
		}
		tended = s.endExpired(tended)
		if err := s.writeAgain(ctx); err != nil {
			s.config.Log.Error("tokens that the stream has otherwise than the ledger could not be written there again; trying again", "error", err)
		}
		if f != nil && s.keepsUp(ctx, f) {
			continue
		}
		if f != nil {
			f.close()
			f = nil
		}
		fresh, err := s.resume(ctx)
		if err != nil {
			s.config.Log.Warn("the tokens cannot be followed just now; revocations made on other nodes are not seen",
				"error", err)
			continue
		}
		f = fresh
	}
}

func (s *Store) resume(ctx context.Context) (*following, error) {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return s.watch(asking, ctx)
}

// keepsUp tells whether the subscription has delivered by now what the bucket held when last looked. It also notices a
// bucket that was restored to an older state.
func (s *Store) keepsUp(ctx context.Context, f *following) bool {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	status, err := s.kv.Status(asking)
	if err != nil {
		return true // not reachable: then subscribing anew would fail as well
	}
	info, ok := status.(*jetstream.KeyValueBucketStatus)
	if !ok {
		return true
	}
	last := info.StreamInfo().State.LastSeq
	if f.seen < f.awaited || last < f.awaited {
		return false
	}
	f.awaited = last
	return true
}

// untilExpiry is how long it takes until the next token expires, tendEvery at the most.
func (s *Store) untilExpiry() time.Duration {
	s.mu.RLock()
	next := s.expiry
	s.mu.RUnlock()
	if next.IsZero() {
		return s.config.tendEvery
	}
	// The timer goes by another clock than tokens do: where it is ahead by a little it goes off once more.
	const least = time.Millisecond
	return min(s.config.tendEvery, max(next.Sub(s.config.Now()), least))
}

// endExpired reports the tokens that have expired since it was last called, and gives the time up to which it looked.
func (s *Store) endExpired(since time.Time) time.Time {
	now := s.config.Now()
	var expired []string
	s.mu.Lock()
	s.expiry = time.Time{}
	for id, e := range s.byID {
		switch {
		case e.works(now):
			s.expiry = sooner(s.expiry, e.ExpiresAt)
		case e.works(since):
			expired = append(expired, id)
		}
	}
	s.mu.Unlock()
	for _, id := range expired {
		s.ended(id)
	}
	return now
}

// sooner is the earlier of two times; zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
