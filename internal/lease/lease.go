// Package lease lets one of several nodes do a piece of work: the holder of a key in a NATS key-value bucket.
//
// The bucket as a whole has a time to live. A time to live per key is dropped by an update, so a dead holder's key
// would stay for ever; the bucket's is counted from the latest update, which is what renewing is.
//
// A lease saves work, it does not guard it: a node that hangs may find out late that it has lost the lease. What must
// not happen twice is guarded where it is written, by expected sequences.
package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/jserror"
	"sundial/internal/pause"
	"sundial/internal/streams"
)

// DefaultTTL is after how long without renewal a dead node's work passes to another one: long enough for a restart of
// the NATS server or a pause of the process, short against the lateness that a user would notice.
const DefaultTTL = 10 * time.Second

// minTTL is what NATS accepts for the bucket's time to live, with room for three attempts to renew.
const minTTL = 300 * time.Millisecond

// Config says which lease it is, and who wants it.
type Config struct {
	Bucket   string        // name of the key-value bucket; all leases in it have the same time to live
	Key      string        // the lease in the bucket, such as ingest
	Node     string        // who wants it: unique among running processes; kept over restarts it gets its own lease back at once
	TTL      time.Duration // 0: DefaultTTL
	Replicas int           // of the bucket; 0: 1
	Logger   *slog.Logger  // nil discards
}

// Lease is a contender for a lease.
type Lease struct {
	js     jetstream.JetStream
	config Config
	log    *slog.Logger
	held   atomic.Bool
	gained atomic.Uint64
}

// New prepares a contender; nothing is asked of the server before Run.
func New(js jetstream.JetStream, config Config) (*Lease, error) {
	if config.TTL == 0 {
		config.TTL = DefaultTTL
	}
	if config.Bucket == "" || config.Key == "" || config.Node == "" {
		return nil, errors.New("lease: a bucket, a key and a node are needed")
	}
	if config.TTL < minTTL {
		return nil, fmt.Errorf("lease: a time to live of %s is too short to renew: give at least %s", config.TTL, minTTL)
	}
	config.Replicas = max(config.Replicas, 1)
	log := config.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Lease{js: js, config: config, log: log.With("lease", config.Key)}, nil
}

// Held tells whether this contender holds the lease now, as far as it knows.
func (l *Lease) Held() bool { return l.held.Load() }

// Terms counts how often this contender has gained the lease.
func (l *Lease) Terms() uint64 { return l.gained.Load() }

// Run calls work whenever this contender holds the lease, until ctx ends. The context given to work ends when the
// lease is lost or cannot be renewed in time, well before the server would give it to another; Run then waits for
// work to return and tries to get the lease again. When ctx ends, the lease is released and Run returns nil. When work
// returns of itself, the lease is released and Run returns what work returned.
func (l *Lease) Run(ctx context.Context, work func(context.Context) error) error {
	for ctx.Err() == nil {
		t, err := l.acquire(ctx)
		if err != nil {
			l.log.Warn("cannot ask for the lease, trying again", "error", err)
		}
		if t == nil {
			pause.For(ctx, l.config.TTL/4)
			continue
		}
		ended, err := l.term(ctx, t, work)
		if ended {
			return err
		}
		if ctx.Err() == nil {
			l.log.Warn("lost the lease, trying to get it again", "error", err)
		}
	}
	return nil
}

// tenure is one tenure: the revision that the next renewal must meet, and the latest moment up to which the server
// certainly keeps the key.
type tenure struct {
	kv       jetstream.KeyValue
	revision uint64
	sent     time.Time // of the latest renewal that succeeded, before it was sent
}

// acquire gives a term, or nil if another node has the lease.
func (l *Lease) acquire(ctx context.Context) (*tenure, error) {
	ctx, cancel := context.WithTimeout(ctx, l.config.TTL)
	defer cancel()
	kv, err := l.bucket(ctx)
	if err != nil {
		return nil, err
	}
	sent := now()
	revision, err := kv.Create(ctx, l.config.Key, []byte(l.config.Node))
	if errors.Is(err, jetstream.ErrKeyExists) {
		// A process that was killed and started again finds its own lease.
		present, getErr := kv.Get(ctx, l.config.Key)
		if errors.Is(getErr, jetstream.ErrKeyNotFound) || getErr == nil && string(present.Value()) != l.config.Node {
			return nil, nil
		}
		if getErr != nil {
			return nil, getErr
		}
		revision, err = kv.Update(ctx, l.config.Key, []byte(l.config.Node), present.Revision())
		if jserror.Overtaken(err) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return &tenure{kv: kv, revision: revision, sent: sent}, nil
}

func (l *Lease) bucket(ctx context.Context) (jetstream.KeyValue, error) {
	return streams.OpenBucket(ctx, l.js, jetstream.KeyValueConfig{
		Bucket:      l.config.Bucket,
		Description: "leases among nodes; a key that is not renewed disappears",
		TTL:         l.config.TTL,
		History:     1,
		Storage:     jetstream.FileStorage,
		Replicas:    l.config.Replicas,
	})
}

// term does the work while it keeps renewing. It says whether Run is over, with work's own error.
func (l *Lease) term(ctx context.Context, t *tenure, work func(context.Context) error) (bool, error) {
	l.gained.Add(1)
	l.held.Store(true)
	l.log.Info("holding the lease")
	working, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- work(working) }()

	lost := l.renew(ctx, t, done)
	// Held answers no before work has wound down: the lease is no longer certain.
	l.held.Store(false)
	cancel()
	if !lost.work {
		err := <-done
		if ctx.Err() == nil {
			return false, lost.err
		}
		lost.err = err
	}
	l.release(t)
	if ctx.Err() != nil && errors.Is(lost.err, context.Canceled) {
		return true, nil // work says only that it was told to stop
	}
	return true, lost.err
}

// ending is why a term ended: because the work did, or because the lease was lost.
type ending struct {
	work bool
	err  error
}

// renew keeps the lease until something ends the term. The lease counts as lost when three quarters of its time have
// passed since the latest renewal was sent: the rest is for the work to stop in.
func (l *Lease) renew(ctx context.Context, t *tenure, done <-chan error) ending {
	tick := time.NewTicker(l.config.TTL / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ending{err: ctx.Err()}
		case err := <-done:
			return ending{work: true, err: err}
		case <-tick.C:
		}
		deadline := t.sent.Add(l.config.TTL * 3 / 4)
		sent := now()
		if !sent.Before(deadline) {
			return ending{err: errors.New("lease: it could not be renewed in time")}
		}
		attempt, cancel := context.WithDeadline(ctx, deadline)
		revision, err := t.kv.Update(attempt, l.config.Key, []byte(l.config.Node), t.revision)
		cancel()
		switch {
		case err == nil:
			t.revision, t.sent = revision, sent
		case jserror.Overtaken(err):
			return ending{err: errors.New("lease: another node has it")}
		case ctx.Err() == nil:
			l.log.Warn("could not renew the lease", "error", err)
		}
	}
}

// release gives the lease back, so that another node need not wait for it to expire. That is a courtesy: if it fails
// the lease expires.
func (l *Lease) release(t *tenure) {
	ctx, cancel := context.WithTimeout(context.Background(), l.config.TTL/2)
	defer cancel()
	err := t.kv.Delete(ctx, l.config.Key, jetstream.LastRevision(t.revision))
	if jserror.Overtaken(err) {
		// A renewal that was interrupted may have been written all the same.
		var present jetstream.KeyValueEntry
		if present, err = t.kv.Get(ctx, l.config.Key); err == nil && string(present.Value()) == l.config.Node {
			err = t.kv.Delete(ctx, l.config.Key, jetstream.LastRevision(present.Revision()))
		}
	}
	if err != nil && !jserror.Overtaken(err) && !errors.Is(err, jetstream.ErrKeyNotFound) {
		l.log.Warn("could not release the lease, it will expire", "error", err)
	}
}

// now is the machine's clock with its monotonic reading: a lease measures durations and knows no calendar.
func now() time.Time {
	return time.Now() //nolint:forbidigo // a duration between two moments of one process, also under a sandbox
}
