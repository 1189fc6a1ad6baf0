package eventstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

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

	// pending is how many messages can be outstanding: what is left of a window when the next is asked for, and
	// that one. Everything asked for must find room, or the connection drops it.
	pending = windowMessages + windowMessages/2

	// consumerExpires is when the server forgets the consumer of a follower that is gone.
	consumerExpires = 60 * time.Second

	// statuses is room for heartbeats and the ends of requests between them.
	statuses = 64

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
	changes  chan nats.Status // of the connection

	made  time.Time // when the consumer was
	asked int       // messages that were asked for and have not come
	heard time.Time // when anything came last
	again bool      // whether the consumer was made anew because of a gap behind last
	out   []Message
}

// Follow starts after a sequence, 0 for the beginning.
func (l *Log) Follow(ctx context.Context, after uint64) (*Follower, error) {
	f := &Follower{log: l, last: after}
	f.changes = l.nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	if err := f.restart(ctx); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Next gives the next commits, at most max, at least one: it waits for that. The slice is used again by the next
// call, the payloads are not. A *GapError means corruption. While the server is away it waits for it; the
// context ends that.
func (f *Follower) Next(ctx context.Context, limit int) ([]Message, error) {
	out := f.out[:0]
	for len(out) < limit {
		if f.consumer == "" {
			if len(out) > 0 {
				break
			}
			if err := f.recover(ctx); err != nil {
				return nil, err
			}
		}
		var m *nats.Msg
		select {
		case m = <-f.messages:
		default:
			if len(out) > 0 {
				break
			}
			var err error
			if m, err = f.wait(ctx); err != nil {
				return nil, err
			}
		}
		if m == nil {
			if len(out) > 0 {
				break
			}
			continue
		}
		next, err := f.receive(m)
		if err != nil {
			return nil, err
		}
		if next.Sequence > 0 {
			out = append(out, next)
		}
	}
	if f.consumer != "" {
		f.ask()
	}
	f.out = out
	return out, nil
}

// wait gives the next message, nil if another consumer is needed first.
func (f *Follower) wait(ctx context.Context) (*nats.Msg, error) {
	f.ask()
	if f.consumer == "" {
		return nil, nil //nolint:nilnil // the caller looks at the consumer
	}
	alarm := time.NewTimer(heartbeat)
	defer alarm.Stop()
	select {
	case m := <-f.messages:
		return m, nil
	case <-f.changes:
		// A server that came back has forgotten the consumer, or what it was asked for.
		f.consumer = ""
		return nil, nil //nolint:nilnil // likewise
	case <-alarm.C:
		if time.Since(f.heard) > 2*heartbeat {
			f.consumer = ""
		}
		return nil, nil //nolint:nilnil // likewise
	case <-ctx.Done():
		return nil, fmt.Errorf("eventstore: following the log: %w", context.Cause(ctx))
	}
}

// receive judges what came: a commit, or a word of the server about the consumer (then none). It unsets the consumer
// if another is needed.
func (f *Follower) receive(m *nats.Msg) (Message, error) {
	f.heard = time.Now()
	if len(m.Data) == 0 && len(m.Header) > 0 {
		if status := m.Header.Get("Status"); status != "" {
			f.status(m, status)
			return Message{}, nil
		}
	}
	seq, stored, ok := parseReply(m.Reply)
	if !ok {
		return Message{}, fmt.Errorf("eventstore: following the log: a message of unknown origin, reply %q", m.Reply)
	}
	f.asked--
	if seq != f.last+1 {
		if f.again {
			return Message{}, &GapError{Want: f.last + 1, Got: seq}
		}
		// Messages may have been lost on their way; a new consumer shows whether they are in the log.
		f.again, f.consumer = true, ""
		return Message{}, nil
	}
	f.again, f.last = false, seq
	return Message{Sequence: seq, Account: m.Subject[len(f.log.config.Subject)+1:], Payload: m.Data, Stored: stored}, nil
}

// status handles a status message.
func (f *Follower) status(m *nats.Msg, status string) {
	switch {
	case status == "100": // a heartbeat
		return
	case status == "408" || status == "404": // the request's time is over
	case status == "409" && requestDone(m.Header.Get("Description")): // the window is full
	default: // the consumer was deleted, its server stops, or there is none
		f.consumer = ""
		return
	}
	left, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
	if err != nil {
		left = f.asked
	}
	f.asked = max(f.asked-left, 0)
}

// requestDone tells whether a refusal is no more than the end of a request: it was filled, or the next message did not
// fit into it. Everything else that comes with the same number is the end of the consumer.
func requestDone(description string) bool {
	return strings.Contains(description, "Batch Completed") || strings.Contains(description, "MaxBytes")
}

// nextRequest asks for a window. Times are in nanoseconds.
var nextRequest = fmt.Appendf(nil, `{"expires":%d,"batch":%d,"max_bytes":%d,"idle_heartbeat":%d}`,
	windowExpires.Nanoseconds(), windowMessages, windowBytes, heartbeat.Nanoseconds())

// ask asks for another window when less than half of one is on its way. It unsets the consumer if that cannot be.
func (f *Follower) ask() {
	if f.asked >= windowMessages/2 {
		return
	}
	subject := "$JS.API.CONSUMER.MSG.NEXT." + f.log.config.Stream + "." + f.consumer
	if !f.log.nc.IsConnected() || f.log.nc.PublishRequest(subject, f.sub.Subject, nextRequest) != nil {
		f.consumer = ""
		return
	}
	f.asked += windowMessages
}

// recover makes a new consumer after the last one was lost, and waits as long as the server is away.
func (f *Follower) recover(ctx context.Context) error {
	for {
		// A consumer that is lost as soon as it is made must not keep the server busy.
		select {
		case <-ctx.Done():
			return fmt.Errorf("eventstore: following the log: %w", context.Cause(ctx))
		case <-time.After(retryFollow - time.Since(f.made)):
		}
		err := f.restart(ctx)
		if err == nil || errors.Is(err, ErrMissing) || errors.Is(err, nats.ErrConnectionClosed) {
			return err
		}
	}
}

// restart makes a consumer that begins behind what was delivered last.
func (f *Follower) restart(ctx context.Context) error {
	f.forget()
	f.made = time.Now()
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	f.messages = make(chan *nats.Msg, pending+statuses)
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
	f.ask()
	return nil
}

// Close ends following. The server forgets the consumer by itself.
func (f *Follower) Close() {
	f.forget()
	f.log.nc.RemoveStatusListener(f.changes)
}

func (f *Follower) forget() {
	if f.sub != nil {
		_ = f.sub.Unsubscribe()
	}
	f.sub, f.consumer = nil, ""
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
