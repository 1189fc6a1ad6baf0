package vault

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/pause"
)

const (
	// heartbeat is how often the server says that it is there; a vault that has missed two uses no key in memory.
	heartbeat = 2 * time.Second

	// pullExpiry is how long one request for what happens stands.
	pullExpiry = 20 * time.Second

	// followAgain is after how long following is tried again, and askTimeout bounds the try.
	followAgain = time.Second
	askTimeout  = 5 * time.Second
)

var errDisconnected = errors.New("the connection to the server was lost")

// following is a subscription to what happens in the stream.
type following struct {
	store    store
	lost     chan nats.Status // receives when the connection breaks: a subscription does not tell
	consumer jetstream.Consumer
	messages jetstream.MessagesContext
	order    gapCheck
}

// subscribe begins after what the stream holds.
func (v *Vault) subscribe(ctx context.Context) (*following, error) {
	f := &following{store: v.store, lost: v.store.js.Conn().StatusChanged(nats.RECONNECTING, nats.CLOSED)}
	info, err := v.store.stream.Info(ctx)
	if err != nil {
		f.close()
		return nil, unavailable("following the keys", err)
	}
	f.consumer, err = v.store.consumer(ctx, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: info.State.LastSeq + 1,
	})
	if err != nil {
		f.close()
		return nil, err
	}
	f.messages, err = f.consumer.Messages(
		jetstream.PullMaxMessages(walkBatch), jetstream.PullExpiry(pullExpiry), jetstream.PullHeartbeat(heartbeat))
	if err != nil {
		f.close()
		return nil, unavailable("following the keys", err)
	}
	return f, nil
}

func (f *following) close() {
	f.store.js.Conn().RemoveStatusListener(f.lost)
	if f.messages != nil {
		f.messages.Stop()
	}
	if f.consumer != nil {
		f.store.drop(context.Background(), f.consumer)
	}
}

// follow drops keys from memory that are destroyed elsewhere, until the context ends. While it cannot, none are kept.
func (v *Vault) follow(ctx context.Context, f *following) {
	defer close(v.done)
	for {
		v.cache.follow(true)
		err := v.applyChanges(ctx, f)
		v.cache.follow(false)
		f.close()
		for f = nil; f == nil; {
			if ctx.Err() != nil {
				return
			}
			v.log.Warn("the keys cannot be followed just now, so none are kept in memory", "error", err)
			pause.For(ctx, followAgain)
			f, err = v.resubscribe(ctx)
		}
	}
}

func (v *Vault) resubscribe(ctx context.Context) (*following, error) {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return v.subscribe(asking)
}

// applyChanges takes in what happens until something fails.
func (v *Vault) applyChanges(ctx context.Context, f *following) error {
	connected, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-f.lost:
			cancel(errDisconnected)
		case <-connected.Done():
		}
	})
	defer watching.Wait()
	defer cancel(nil)
	for {
		next, err := f.messages.Next(jetstream.NextContext(connected))
		if err != nil {
			return cmp.Or(context.Cause(connected), err)
		}
		m, err := f.order.next(next)
		if err != nil {
			return err
		}
		if m.subject == rootSubject {
			v.rootChanged(ctx)
		}
		if !ofHolder(m.subject) {
			continue
		}
		h, err := holderOf(m.subject)
		if err != nil {
			v.log.Error("there is something in the stream of keys that does not belong there", "error", err)
			continue
		}
		// Keys that were wrapped anew are still the same.
		if r, err := decodeRecord(h, m.data); err != nil || r.Forgotten {
			v.cache.drop(h)
		}
	}
}

// rootChanged tells whoever watches whether this vault knows the root key that was put in force.
func (v *Vault) rootChanged(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	root, _, err := v.currentRoot(asking)
	switch {
	case err == nil:
		v.log.Info("a root key was put in force", "root", root)
	case errors.Is(err, ErrLocked):
		v.log.Error("a root key was put in force that is not known here", "error", err)
	default:
		return
	}
	v.metrics.setLocked(err)
}
