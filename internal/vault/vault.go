// Package vault keeps the secrets of apps out of the event log: it seals them with keys that it can forget.
//
// Each app has data keys, made when they are first needed and wrapped by a root key that lives outside JetStream. A
// thing in an app that can be deleted alone (an Item, such as a push certificate) has data keys of its own, wrapped by
// the app's. So forgetting an app destroys one record, and with it everything that was ever sealed for the app, in
// the log and in every copy of the log. Wrapped keys are in a JetStream stream, one message per holder; a message is
// replaced by publishing the new one and then overwriting the bytes of the old one on disk (a secure delete).
//
// One more key is the log's own, and is never forgotten: PrintCommand tells commands apart with it.
//
// # What is guaranteed
//
// When Forget returns, the stream's files on the server that was asked hold none of the holder's wrapped keys, this
// vault unseals nothing of it, and no vault makes keys for it again. A vault on another node stops using keys that it
// has in memory when it hears of it, within milliseconds while it is connected; when its connection breaks, or the
// server is silent for two heartbeats (4 s), it drops all keys in memory and reads each from the stream until it follows
// again.
//
// In a cluster, the overwriting is replicated like a publication. Two places can keep the wrapped bytes for longer: the
// Raft log of each replica until the server compacts it (measured with three: still there after 20 s, gone two minutes
// later), and a replica that was down and caught up from a snapshot, which deletes without overwriting. A backup of the stream is a third. What is left there cannot be unwrapped once the root key has been
// rotated and the old one destroyed.
package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

// What the vault answers when it cannot do what is asked.
var (
	ErrLocked      = errors.New("vault: locked")
	ErrForgotten   = errors.New("vault: the keys were destroyed, and what was sealed with them is unreadable for ever")
	ErrUnavailable = errors.New("vault: JetStream does not answer as it should; try again")
	ErrTampered    = errors.New("vault: this was not sealed here: it was changed, or moved from another app, event or field")
)

const (
	// defaultCachedKeys is how many holders' keys are kept in memory: some 3 KB each.
	defaultCachedKeys = 10_000

	// maxConflicts bounds the tries at a record that others change at the same moment. Each holder's record changes
	// three times in its life and once in a rotation.
	maxConflicts = 10
)

// Config is what a vault needs.
type Config struct {
	// JetStream holds the wrapped keys. The server must sync every write before it acknowledges it.
	JetStream jetstream.JetStream

	// Roots are the root keys that are known: usually one; two while they are rotated, on every node. On the first
	// start of all, the first becomes the one in force; from then on the stream says which that is.
	Roots []Root

	// CreateRoot makes a root key if none is known and none was ever in force. It must have stored it durably when
	// it returns. Without it such a vault stays locked.
	CreateRoot func() (Root, error)

	Replicas   int                   // of the stream, when it is made: 1, or 3 in a cluster; 0: 1
	CachedKeys int                   // holders whose keys are kept in memory; 0: 10,000
	Logger     *slog.Logger          // nil discards
	Registerer prometheus.Registerer // nil: no metrics
}

// Vault seals and unseals. Its methods may be called at the same time, from several nodes on one stream.
type Vault struct {
	store   store
	log     *slog.Logger
	cache   *cache
	metrics *metrics

	mu    sync.RWMutex // guards roots
	roots map[string]Root

	rotating sync.Mutex // one rotation at a time; those of other nodes are told by expected sequences

	stop context.CancelFunc
	done chan struct{} // closed when nothing follows any more
}

// Open binds to the stream of keys, makes it if there is none, and finishes what a crash interrupted. A vault without
// the root key in force opens, and is locked: Forget, Holders and Status work. It answers ErrUnavailable if JetStream
// cannot be asked. The vault follows the stream until Close.
func Open(ctx context.Context, config Config) (*Vault, error) {
	stream, err := openStream(ctx, config.JetStream, max(config.Replicas, 1))
	if err != nil {
		return nil, err
	}
	v := &Vault{
		store: store{js: config.JetStream, stream: stream},
		log:   cmp.Or(config.Logger, slog.New(slog.DiscardHandler)),
		cache: newCache(cmp.Or(config.CachedKeys, defaultCachedKeys)),
		roots: map[string]Root{},
		done:  make(chan struct{}),
	}
	for _, r := range config.Roots {
		if err := v.addRoot(r); err != nil {
			return nil, err
		}
	}
	if v.metrics, err = newMetrics(v.cache, config.Registerer); err != nil {
		return nil, err
	}
	if err := v.start(ctx, config); err != nil {
		v.metrics.unregister()
		return nil, err
	}
	return v, nil
}

func (v *Vault) start(ctx context.Context, config Config) error {
	if err := v.firstStart(ctx, config); err != nil {
		return err
	}
	if err := v.store.eraseSuperseded(ctx); err != nil {
		return err
	}
	_, _, err := v.currentRoot(ctx)
	v.metrics.setLocked(err)
	if errors.Is(err, ErrLocked) {
		v.log.Error("secrets can be neither sealed nor read", "error", err)
	} else if err != nil {
		return err
	}
	f, err := v.subscribe(ctx)
	if err != nil {
		return err
	}
	// Following outlives the call, so the caller's deadline must not end it.
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	v.stop = stop
	go v.follow(following, f)
	return nil
}

// Close ends following and waits for it, and takes the metrics back. Nothing may be asked of the vault afterwards.
func (v *Vault) Close() {
	v.stop()
	<-v.done
	v.metrics.unregister()
}

// firstStart puts a root key in force if none ever was.
func (v *Vault) firstStart(ctx context.Context, config Config) error {
	_, sequence, err := v.store.root(ctx)
	if errors.Is(err, ErrLocked) { // there was one: what it was cannot be read, and everything else is served
		return nil
	}
	if err != nil || sequence > 0 {
		return err
	}
	var first Root
	switch {
	case len(config.Roots) > 0:
		first = config.Roots[0]
	case config.CreateRoot != nil:
		if first, err = config.CreateRoot(); err != nil {
			return err
		}
		if err := v.addRoot(first); err != nil {
			return err
		}
	default:
		return nil
	}
	err = v.putRoot(ctx, first, 0)
	if errors.Is(err, errConflict) {
		return nil // another node was first: what it put in force counts
	}
	return err
}

func (v *Vault) addRoot(r Root) error {
	if r.ID == "" || len(r.ID) > maxRootID || r.AEAD == nil {
		return fmt.Errorf("vault: a root key needs an id of 1 to %d characters, and the key", maxRootID)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.roots[r.ID] = r
	return nil
}
