package publish

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/atomicbatch"
	"sundial/internal/cloudevent"
	"sundial/internal/jserror"
	"sundial/internal/streams"
)

const (
	streamName    = "LIFECYCLE"
	subjectPrefix = "lifecycle."

	// maxMessages and maxBytes bound what consumers that are away can still read: the oldest go first. A message each
	// for half a million apps makes 140 MB of subjects in the server's memory. There is no age: it would take the last
	// message too, and with it the checkpoint.
	maxMessages = 500_000
	maxBytes    = 1 << 30

	// duplicateWindow is the shortest that helps consumers, since the server keeps each id in memory for so long;
	// expected sequences are what keeps a message from standing here twice.
	duplicateWindow = 2 * time.Second

	// batchMin is from how many messages one atomic batch, with one sync and some 4 ms to stage, is faster than single
	// ones.
	batchMin = 8

	requestTimeout = 5 * time.Second
)

// The headers of a message.
const (
	headerLog      = "Sundial-Log"      // identity of the log that the event is in
	headerPosition = "Sundial-Position" // of its commit
	headerIndex    = "Sundial-Index"    // which of the commit's events it is
	headerLast     = "Sundial-Last"     // 1 on the commit's last event
	headerEpochs   = "Sundial-Epochs"   // of the log, from the second on, when the event was published
)

// errConflict: somebody else has published; nothing of ours was written.
var errConflict = errors.New("publish: another node has published meanwhile")

// stream is what goes downstream. It remembers by itself up to where that is: its last message says so. It is a
// Watermill publisher of batches, each written wholly or not at all behind the message that was read last.
type stream struct {
	js       jetstream.JetStream
	replicas int
	stream   jetstream.Stream
	log      string // identity
	epochs   eventstore.Epochs

	expected uint64 // sequence of the last message
	ids      *atomicbatch.IDs
}

func newStream(js jetstream.JetStream, replicas int, log string, epochs eventstore.Epochs) *stream {
	return &stream{js: js, replicas: replicas, log: log, epochs: epochs, ids: atomicbatch.NewIDs()}
}

// open opens the stream and makes it where it is absent, also after an operator has deleted it.
func (s *stream) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	opened, err := streams.Open(ctx, s.js, jetstream.StreamConfig{
		Name:        streamName,
		Description: "What happened to apps and accounts, for whoever must know. Its last message is the publisher's checkpoint: do not purge it whole.",
		Subjects:    []string{subjectPrefix + "*.*"},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardOld,
		MaxMsgs:     maxMessages,
		MaxBytes:    maxBytes,
		Duplicates:  duplicateWindow,
		Replicas:    s.replicas,
		// Without direct reads, all are the leader's: a follower's last message may be an old one.
		AllowDirect:        false,
		AllowAtomicPublish: true,
	})
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	is := opened.CachedInfo().Config
	switch {
	case is.MaxAge != 0:
		return fmt.Errorf("publish: the stream %s has a maximum age, which would take the checkpoint away with the last message: remove it", streamName)
	case !is.AllowAtomicPublish:
		return fmt.Errorf("publish: the stream %s does not allow atomic batches: allow them", streamName)
	}
	s.stream = opened
	return nil
}

// CheckpointError says that the stream and the log do not belong together. Publishing stops until somebody has looked.
type CheckpointError struct{ Problem string }

func (e *CheckpointError) Error() string {
	return "publish: " + e.Problem + ": delete the stream " + streamName + " to have the whole log published again, or restore what belongs to it"
}

// checkpoint reads where the stream's last message stands in the log; the zero place if nothing was published yet.
func (s *stream) checkpoint(ctx context.Context) (place, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := s.stream.Info(ctx)
	if err != nil {
		return place{}, fmt.Errorf("publish: reading the checkpoint: %w", err)
	}
	if info.State.LastSeq == 0 {
		s.expected = 0
		return place{}, nil
	}
	m, err := s.stream.GetMsg(ctx, info.State.LastSeq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return place{}, &CheckpointError{"the last published message was deleted, and with it how far publishing had come"}
	}
	if err != nil {
		return place{}, fmt.Errorf("publish: reading the checkpoint: %w", err)
	}
	position, err1 := strconv.ParseUint(m.Header.Get(headerPosition), 10, 64)
	index, err2 := strconv.Atoi(m.Header.Get(headerIndex))
	if err1 != nil || err2 != nil {
		return place{}, &CheckpointError{"the last message of the stream is not one that this program published"}
	}
	if m.Header.Get(headerLog) != s.log {
		return place{}, &CheckpointError{"what was published came from another log"}
	}
	var then eventstore.Epochs
	if text := m.Header.Get(headerEpochs); text != "" {
		if then, err = eventstore.ParseEpochs(text); err != nil {
			return place{}, &CheckpointError{"the last message of the stream is not one that this program published"}
		}
	}
	s.expected = info.State.LastSeq
	// What was published of commits that a restore lost stays published, and what took their places comes behind it.
	if shared := s.epochs.Shared(then); position > shared {
		return place{shared, math.MaxInt, true}, nil
	}
	return place{position, index, m.Header.Get(headerLast) != ""}, nil
}

// Publish writes messages in their order, behind the last one known: errConflict, and nothing written, if another has
// been written since. After any other error some may have been written; the checkpoint tells. The topic is this
// stream's; each message's metadata names its subject.
func (s *stream) Publish(_ string, messages ...*message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	ctx := messages[0].Context()
	if len(messages) >= batchMin {
		for len(messages) > 0 {
			n := min(len(messages), atomicbatch.MaxMessages)
			if err := s.publishBatch(ctx, messages[:n]); err != nil {
				return err
			}
			messages = messages[n:]
		}
		return nil
	}
	for _, m := range messages {
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		err := s.request(ctx, s.message(m, s.expected))
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// Close is Watermill's; the connection is the program's.
func (s *stream) Close() error { return nil }

var _ message.Publisher = (*stream)(nil)

// publishBatch writes messages as one atomic batch. Only its last one is answered; faults before it show there.
func (s *stream) publishBatch(ctx context.Context, messages []*message.Message) error {
	id := s.ids.Next()
	for i, m := range messages {
		out := s.message(m, s.expected)
		if i > 0 {
			out.Header.Del(jetstream.ExpectedLastSeqHeader)
		}
		last := i == len(messages)-1
		atomicbatch.Mark(out.Header, id, i+1, last)
		if !last {
			if err := s.js.Conn().PublishMsg(out); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, requestTimeout)
		defer cancel()
		return s.request(ctx, out)
	}
	return nil
}

// message makes the NATS message, which must stand behind a sequence.
func (s *stream) message(m *message.Message, expected uint64) *nats.Msg {
	out := &nats.Msg{Subject: m.Metadata.Get(metaSubject), Data: m.Payload, Header: make(nats.Header, 11)}
	out.Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(expected, 10)}
	out.Header[jetstream.MsgIDHeader] = []string{m.UUID}
	out.Header["Content-Type"] = []string{cloudevent.ContentType}
	out.Header[headerLog] = []string{s.log}
	if len(s.epochs) > 0 {
		out.Header[headerEpochs] = []string{s.epochs.String()}
	}
	for key, value := range m.Metadata {
		if key != metaSubject {
			out.Header[key] = []string{value}
		}
	}
	return out
}

// The server's codes for a message that stands there already, or is about to.
const (
	codeDuplicateInProcess = 10158
	codeDuplicateInBatch   = 10201
)

// request sends a message that is answered, and remembers the sequence it got.
func (s *stream) request(ctx context.Context, m *nats.Msg) error {
	reply, err := s.js.Conn().RequestMsgWithContext(ctx, m)
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	var ack struct {
		Sequence  uint64              `json:"seq"`
		Duplicate bool                `json:"duplicate"`
		Error     *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &ack); err != nil {
		return fmt.Errorf("publish: an answer of the server that cannot be read: %w", err)
	}
	switch e := ack.Error; {
	case e == nil && ack.Duplicate:
		return errConflict
	case e == nil && ack.Sequence > 0:
		s.expected = ack.Sequence
		return nil
	case e == nil:
		return errors.New("publish: an answer of the server without a sequence")
	case jserror.Overtaken(e), e.ErrorCode == codeDuplicateInProcess, e.ErrorCode == codeDuplicateInBatch:
		return errConflict
	default:
		return fmt.Errorf("publish: nats-server: %s (%d)", e.Description, e.ErrorCode)
	}
}
