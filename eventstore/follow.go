package eventstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A follower asks for windows of commits, the next one before the last is used up, so that the server never waits
// for it and it never holds more than two windows.
const (
	windowMessages = 8192
	windowBytes    = 8 << 20 // commits of 700 bytes make 6 MB of a window

	// heartbeat is how often the server shows, while there is nothing new, that the consumer still exists; after
	// two that did not come the follower makes another. A restart of the server is over sooner.
	heartbeat = 2 * time.Second

	// windowExpires ends a request that was not filled; it is then made again.
	windowExpires = 30 * time.Second

	// consumerExpires is when the server forgets the consumer of a follower that is gone.
	consumerExpires = 60 * time.Second

	// retryFollow is the pause between attempts to make a consumer while the server is away.
	retryFollow = 100 * time.Millisecond
)

// Follower delivers the log's commits in order, each once. It belongs to one goroutine.
type Follower struct {
	log  *Log
	last uint64 // sequence delivered last

	consumer string // name of the server's consumer, "" if another must be made
	sub      *nats.Subscription
	messages chan *nats.Msg

	asked     int // messages that were asked for and have not come
	askedSize int // bytes, likewise
	heard     time.Time
	again     bool // whether a gap was already met at last+1 with the consumer before
	pending   *nats.Msg
	out       []Message
}

// Follow starts after a sequence, 0 for the beginning.
func (l *Log) Follow(ctx context.Context, after uint64) (*Follower, error) {
	f := &Follower{log: l, last: after}
	if err := f.restart(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// Next gives the next commits, at most max, at least one: it waits for that. The slice is used again by the next
// call, the payloads are not. A *GapError means corruption. While the server is away it waits for it; the
// context ends that.
func (f *Follower) Next(ctx context.Context, limit int) ([]Message, error) {
	out := f.out[:0]
	alarm := time.NewTimer(heartbeat)
	defer alarm.Stop()
	for len(out) < limit {
		m := f.pending
		f.pending = nil
		if m == nil {
			select {
			case m = <-f.messages:
			default:
			}
		}
		if m == nil {
			if len(out) > 0 {
				break
			}
			if err := f.ask(); err != nil {
				if err := f.recover(ctx); err != nil {
					return nil, err
				}
				continue
			}
			select {
			case m = <-f.messages:
			case <-ctx.Done():
				return nil, fmt.Errorf("eventstore: following the log: %w", context.Cause(ctx))
			case <-alarm.C:
				alarm.Reset(heartbeat)
				if time.Since(f.heard) > 2*heartbeat || f.log.nc.IsClosed() {
					if err := f.recover(ctx); err != nil {
						return nil, err
					}
				}
				continue
			}
		}
		next, lost, err := f.receive(m)
		if err != nil {
			f.out = out
			return nil, err
		}
		if lost {
			if len(out) > 0 {
				break // the next call goes on with a consumer that begins behind these
			}
			if err := f.recover(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if next.Sequence > 0 {
			out = append(out, next)
		}
	}
	if f.consumer != "" && f.asked < windowMessages/2 {
		_ = f.ask() // an error is met by the next call
	}
	f.out = out
	return out, nil
}

// receive judges what came: a commit, or a word of the server about the consumer.
func (f *Follower) receive(m *nats.Msg) (commit Message, lost bool, err error) {
	f.heard = time.Now()
	if len(m.Data) == 0 && len(m.Header) > 0 {
		if status := m.Header.Get("Status"); status != "" {
			return Message{}, f.status(m, status), nil
		}
	}
	seq, stored, ok := parseReply(m.Reply)
	if !ok {
		return Message{}, false, fmt.Errorf("eventstore: following the log: a message of unknown origin, reply %q", m.Reply)
	}
	f.asked--
	f.askedSize -= len(m.Data)
	if seq != f.last+1 {
		if f.again {
			return Message{}, false, &GapError{Want: f.last + 1, Got: seq}
		}
		// Messages may have been lost on their way; a new consumer shows whether they are in the log.
		f.again = true
		f.consumer = ""
		return Message{}, true, nil
	}
	f.again = false
	f.last = seq
	return Message{Sequence: seq, Account: m.Subject[len(f.log.config.Subject)+1:], Payload: m.Data, Stored: stored}, false, nil
}

// status handles a status message; true if the consumer is lost.
func (f *Follower) status(m *nats.Msg, status string) (lost bool) {
	switch status {
	case "100": // a heartbeat
		return false
	case "408", "404": // the request's time is over
	case "409":
		d := strings.ToLower(m.Header.Get("Description"))
		if strings.Contains(d, "maxbytes") || strings.Contains(d, "exceeded max") {
			break
		}
		f.consumer = ""
		return true
	default:
		f.consumer = ""
		return true
	}
	if n, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages")); err == nil {
		f.asked -= n
	} else {
		f.asked = 0
	}
	f.asked = max(f.asked, 0)
	return false
}

// ask asks for a window more, unless one and a half are on their way.
func (f *Follower) ask() error {
	if f.consumer == "" {
		return errors.New("no consumer")
	}
	if f.asked >= windowMessages/2 {
		return nil
	}
	request, err := json.Marshal(struct {
		Expires   int64 `json:"expires"` // nanoseconds, as is the heartbeat
		Batch     int   `json:"batch"`
		MaxBytes  int   `json:"max_bytes"`
		Heartbeat int64 `json:"idle_heartbeat"`
	}{int64(windowExpires), windowMessages, windowBytes, int64(heartbeat)})
	if err != nil {
		return err
	}
	if !f.log.nc.IsConnected() {
		return nats.ErrDisconnected
	}
	if err := f.log.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+f.log.config.Stream+"."+f.consumer, f.sub.Subject, request); err != nil {
		return err
	}
	f.asked += windowMessages
	return nil
}

// recover makes a new consumer after the last one was lost, and waits as long as the server is away.
func (f *Follower) recover(ctx context.Context) error {
	for {
		err := f.restart(ctx)
		if err == nil || ctx.Err() != nil || errors.Is(err, ErrMissing) || errors.Is(err, nats.ErrConnectionClosed) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryFollow):
		}
	}
}

// restart makes a consumer that begins behind what was delivered last.
func (f *Follower) restart(ctx context.Context) error {
	f.Close()
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	// Everything asked for must find room, or the connection drops it.
	f.messages = make(chan *nats.Msg, 2*windowMessages+64)
	sub, err := f.log.nc.ChanSubscribe(f.log.nc.NewInbox(), f.messages)
	if err != nil {
		return fmt.Errorf("eventstore: following the log: %w", err)
	}
	consumer, err := f.log.js.CreateConsumer(ctx, f.log.config.Stream, jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       f.last + 1,
		AckPolicy:         jetstream.AckNonePolicy,
		InactiveThreshold: consumerExpires,
		Replicas:          1,
		MemoryStorage:     true,
	})
	if err != nil {
		_ = sub.Unsubscribe()
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return ErrMissing
		}
		return fmt.Errorf("eventstore: following the log: %w", err)
	}
	f.sub, f.consumer, f.asked, f.heard = sub, consumer.CachedInfo().Name, 0, time.Now()
	return f.ask()
}

// Close ends following. The server forgets the consumer by itself.
func (f *Follower) Close() {
	if f.sub != nil {
		_ = f.sub.Unsubscribe()
	}
	f.sub, f.consumer, f.pending = nil, "", nil
}

// parseReply reads sequence and time from a delivered message's reply subject,
// $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.<time>.<pending>, or the longer form with
// domain and account in front of the stream and a random token behind.
func parseReply(reply string) (seq uint64, stored time.Time, ok bool) {
	const before = "$JS.ACK."
	if !strings.HasPrefix(reply, before) {
		return 0, time.Time{}, false
	}
	dots := strings.Count(reply, ".")
	skip := 5
	if dots > 8 {
		skip = 7
	}
	rest := reply
	for range skip {
		_, after, found := strings.Cut(rest, ".")
		if !found {
			return 0, time.Time{}, false
		}
		rest = after
	}
	number, rest, ok1 := strings.Cut(rest, ".")
	_, rest, ok2 := strings.Cut(rest, ".")
	nanos, _, _ := strings.Cut(rest, ".")
	seq, err1 := strconv.ParseUint(number, 10, 64)
	ns, err2 := strconv.ParseInt(nanos, 10, 64)
	return seq, time.Unix(0, ns), ok1 && ok2 && err1 == nil && err2 == nil
}
