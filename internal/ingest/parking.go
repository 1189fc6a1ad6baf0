package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/jserror"
	"sundial/internal/pause"
	"sundial/internal/streams"
)

const (
	parkedStream  = "PARKED"
	parkedSubject = "parked." // and the key
	parkedHeader  = "Sundial-Parked"

	// requestTimeout bounds a request to the server.
	requestTimeout = 5 * time.Second

	// reconnectPause keeps an unreachable server from being asked in a loop.
	reconnectPause = 250 * time.Millisecond
)

// parking is the parking place: a stream that keeps the latest message of each subject, one subject for each parked
// event. A message's payload is the event as it came, its header says the rest.
type parking struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	index  *parkedIndex
	limits limits
	log    *slog.Logger

	mu     sync.Mutex
	seen   uint64        // sequence up to which the index has followed
	caught bool          // the follower has come to the end once
	moved  chan struct{} // closed and replaced when either changes
}

func openParking(ctx context.Context, js jetstream.JetStream, replicas int, log *slog.Logger) (*parking, error) {
	stream, err := openStream(ctx, js, jetstream.StreamConfig{
		Name:              parkedStream,
		Description:       "Billing events that were not taken in, with their reasons. What waits here is bounded by the program.",
		Subjects:          []string{parkedSubject + "*"},
		Storage:           jetstream.FileStorage,
		Retention:         jetstream.LimitsPolicy,
		Discard:           jetstream.DiscardNew,
		MaxMsgsPerSubject: 1,
		Replicas:          replicas,
		AllowDirect:       true,
	})
	if err != nil {
		return nil, err
	}
	return &parking{
		js: js, stream: stream, index: newParkedIndex(), log: log,
		limits: defaultLimits(), moved: make(chan struct{}),
	}, nil
}

// openStream opens a stream and makes it where it is absent. One that is there may be larger or smaller than ours, as
// its operator likes, but not another kind, and its duplicate window is at most ours.
func openStream(ctx context.Context, js jetstream.JetStream, config jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := streams.Open(ctx, js, config)
	if err != nil {
		return nil, err
	}
	is := stream.CachedInfo().Config
	if is.Retention != config.Retention || is.Discard != config.Discard || is.MaxAge != 0 ||
		is.MaxMsgsPerSubject != config.MaxMsgsPerSubject && config.MaxMsgsPerSubject > 0 ||
		strings.Join(is.Subjects, " ") != strings.Join(config.Subjects, " ") {
		return nil, fmt.Errorf("the stream %s is not what the program makes (subjects %v, retention, discard or age): set it back, or move it out of the way",
			config.Name, config.Subjects)
	}
	if config.Duplicates == 0 || is.Duplicates <= config.Duplicates {
		return stream, nil
	}
	// In two steps: a server forgets what it remembers by a timer that may still be set by the window before.
	for _, window := range [...]time.Duration{2 * config.Duplicates, config.Duplicates} {
		is.Duplicates = window
		if stream, err = js.UpdateStream(ctx, is); err != nil {
			return nil, fmt.Errorf("shortening the duplicate window of the stream %s to %v, within which events of one Nats-Msg-Id are dropped: %w",
				config.Name, config.Duplicates, err)
		}
	}
	return stream, nil
}

// park keeps an event that is not taken in. It says whether the event was parked before, and gives its code then if it
// is still known.
func (p *parking) park(ctx context.Context, key parkedKey, parked Parked) (again bool, err error) {
	if p.index.has(key) {
		return true, nil
	}
	release, err := p.index.reserve(p.limits, parked.from(), len(parked.Event))
	if err != nil {
		return false, err
	}
	defer release()
	parked.State, parked.Size = StateOpen, len(parked.Event)
	err = p.put(ctx, key, &parked, 0)
	if errors.Is(err, errMoved) {
		return true, nil
	}
	return false, err
}

// put writes what is known of a parked event, if its latest message is still the expected one, 0 for none.
func (p *parking) put(ctx context.Context, key parkedKey, parked *Parked, expected uint64) error {
	header, err := parked.encode()
	if err != nil {
		return err
	}
	m := nats.NewMsg(parkedSubject + key.String())
	m.Header.Set(parkedHeader, header)
	m.Data = parked.Event
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ack, err := p.js.PublishMsg(ctx, m, jetstream.WithExpectLastSequencePerSubject(expected), jetstream.WithRetryAttempts(0))
	switch {
	case err == nil:
	case jserror.Overtaken(err):
		return errMoved
	default:
		return fmt.Errorf("parking an event: %w", err)
	}
	parked.sequence = ack.Sequence
	p.index.apply(key, parked, false)
	return nil
}

// get reads a parked event as it now is.
func (p *parking) get(ctx context.Context, key parkedKey) (Parked, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m, err := p.stream.GetLastMsgForSubject(ctx, parkedSubject+key.String())
	return p.read(key, m, err)
}

// at reads the parked event in one message.
func (p *parking) at(ctx context.Context, place parkedPlace) (Parked, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m, err := p.stream.GetMsg(ctx, place.sequence)
	return p.read(place.key, m, err)
}

func (p *parking) read(key parkedKey, m *jetstream.RawStreamMsg, err error) (Parked, error) {
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Parked{}, ErrNotParked
	}
	if err != nil {
		return Parked{}, fmt.Errorf("reading a parked event: %w", err)
	}
	parked, err := decodeParked(m.Header.Get(parkedHeader))
	if err != nil {
		return Parked{}, err
	}
	parked.ID, parked.Event, parked.sequence = key.String(), m.Data, m.Sequence
	if parked.State != StateOpen {
		parked.Event = nil
	}
	return parked, nil
}

// follow keeps the index up to date until ctx ends.
func (p *parking) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := p.followOnce(ctx); err != nil && ctx.Err() == nil {
			p.log.Warn("following the parked events was interrupted, going on", "error", err)
			pause.For(ctx, reconnectPause)
		}
	}
}

func (p *parking) followOnce(ctx context.Context) error {
	p.mu.Lock()
	from := p.seen + 1
	p.mu.Unlock()
	consumer, err := p.js.OrderedConsumer(ctx, parkedStream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:   from,
		HeadersOnly:   true,
	})
	if err != nil {
		return err
	}
	if info, err := consumer.Info(ctx); err == nil && info.NumPending == 0 {
		p.progress(0, true)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return err
	}
	defer messages.Stop()
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	for {
		m, err := messages.Next()
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if key, ok := parseKey(strings.TrimPrefix(m.Subject(), parkedSubject)); ok {
			parked, err := decodeParked(m.Headers().Get(parkedHeader))
			if err != nil {
				p.log.Error("a parked event cannot be read and is passed over", "sequence", meta.Sequence.Stream, "error", err)
			} else {
				parked.sequence = meta.Sequence.Stream
				p.index.apply(key, &parked, true)
			}
		}
		p.progress(meta.Sequence.Stream, meta.NumPending == 0)
	}
}

func (p *parking) progress(seen uint64, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = max(p.seen, seen)
	p.caught = p.caught || end
	close(p.moved)
	p.moved = make(chan struct{})
}

// awaitStart waits until the index has what was in the stream when following began.
func (p *parking) awaitStart(ctx context.Context) error {
	return p.await(ctx, func() bool { return p.caught })
}

// catchUp waits until the index has everything that the stream has now.
func (p *parking) catchUp(ctx context.Context) error {
	info, err := p.stream.Info(ctx)
	if err != nil {
		return fmt.Errorf("asking for the parked events: %w", err)
	}
	if info.State.Msgs == 0 {
		return nil
	}
	return p.await(ctx, func() bool { return p.seen >= info.State.LastSeq })
}

func (p *parking) await(ctx context.Context, done func() bool) error {
	for {
		p.mu.Lock()
		ok, moved := done(), p.moved
		p.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
