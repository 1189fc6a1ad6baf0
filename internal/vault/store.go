package vault

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/jserror"
	"sundial/internal/streams"
)

const (
	streamName = "SUNDIAL_KEYS"

	// walkBatch is how many records are asked for at once: half a megabyte.
	walkBatch = 500

	// walkWait is how long a batch may take to arrive in full; a server that is slower is asked again.
	walkWait = time.Second

	// walkPatience bounds how often in a row nothing comes of records that the server says are there.
	walkPatience = 10

	// consumerGone is after how long without being asked the server drops a consumer whose reader died.
	consumerGone = time.Minute
)

// errConflict says that a record is not what it was when it was read.
var errConflict = errors.New("vault: the record was changed by another at the same moment")

// store reads and writes the stream of keys.
type store struct {
	js     jetstream.JetStream
	stream jetstream.Stream
}

// message is a stored record as it is, with its place.
type message struct {
	subject  string
	sequence uint64
	data     []byte
	after    uint64 // how many were to come after it in a walk
}

// openStream binds to the stream and makes it where it is absent. It may not deny deletions, and it has no limit: a limit
// removes messages without overwriting them. Answers come from the leader alone, no replica that lags.
func openStream(ctx context.Context, js jetstream.JetStream, replicas int) (jetstream.Stream, error) {
	stream, err := streams.Open(ctx, js, jetstream.StreamConfig{
		Name:        streamName,
		Description: "wrapped keys of Sundial's apps; a message is overwritten on disk when it is replaced",
		Subjects:    []string{subjects},
		Storage:     jetstream.FileStorage,
		MaxMsgSize:  seamMessage + 1024, // with room for headers
		Replicas:    replicas,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return stream, nil
}

func unavailable(doing string, err error) error {
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, doing, err)
}

// last gives the record of a subject as it stands; the sequence is 0 if there is none.
func (s store) last(ctx context.Context, subject string) (message, error) {
	m, err := s.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return message{subject: subject}, nil
	}
	if err != nil {
		return message{}, unavailable("reading a key", err)
	}
	return message{subject: subject, sequence: m.Sequence, data: m.Data}, nil
}

// record gives a holder's record; the sequence is 0 if there is none.
func (s store) record(ctx context.Context, h Holder) (record, uint64, error) {
	m, err := s.last(ctx, h.subject())
	if err != nil || m.sequence == 0 {
		return record{}, 0, err
	}
	r, err := decodeRecord(h, m.data)
	return r, m.sequence, err
}

// root tells which root key is in force; the sequence is 0 if none ever was.
func (s store) root(ctx context.Context) (rootRecord, uint64, error) {
	m, err := s.last(ctx, rootSubject)
	if err != nil || m.sequence == 0 {
		return rootRecord{}, 0, err
	}
	r, err := decodeRootRecord(m.data)
	return r, m.sequence, err
}

// put replaces the record at a sequence, 0 for a new one, and overwrites what it replaces. It answers errConflict, and
// changes nothing, if another record stands there.
func (s store) put(ctx context.Context, subject string, r any, sequence uint64) error {
	data, err := encode(r)
	if err != nil {
		return err
	}
	published, err := s.publish(ctx, subject, data, sequence)
	if err != nil || sequence == 0 {
		return err
	}
	return s.eraseBelow(ctx, subject, published)
}

// publish stores a message if the last one of its subject has the given sequence, else it answers errConflict.
func (s store) publish(ctx context.Context, subject string, data []byte, sequence uint64) (uint64, error) {
	ack, err := s.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(sequence),
		jetstream.WithExpectStream(streamName))
	if jserror.Overtaken(err) {
		return 0, errConflict
	}
	if err != nil {
		return 0, unavailable("storing a key", err)
	}
	return ack.Sequence, nil
}

// eraseBelow overwrites all messages of a subject (which may have wildcards) below a sequence: the one just replaced, and
// those that a crash left.
func (s store) eraseBelow(ctx context.Context, subject string, sequence uint64) error {
	for {
		m, err := s.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(subject))
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && m.Sequence >= sequence {
			return nil
		}
		if err != nil {
			return unavailable("looking for replaced keys", err)
		}
		if err := s.remove(ctx, m.Sequence, s.stream.SecureDeleteMsg); err != nil {
			return err
		}
	}
}

// remove takes a message away: with SecureDeleteMsg by overwriting it, for which the server writes the whole file that it
// is in anew, up to 8 MiB; with DeleteMsg by marking it. Another who did it first is as good.
func (s store) remove(ctx context.Context, sequence uint64, how func(context.Context, uint64) error) error {
	err := how(ctx, sequence)
	if err == nil {
		return nil
	}
	if _, gone := s.stream.GetMsg(ctx, sequence); errors.Is(gone, jetstream.ErrMsgNotFound) {
		return nil
	}
	return unavailable("overwriting replaced keys", err)
}

// eraseSuperseded overwrites what a crash left between a publication and the overwriting of what it replaced. Unless
// there is something it asks one question.
func (s store) eraseSuperseded(ctx context.Context) error {
	info, err := s.stream.Info(ctx)
	if err != nil {
		return unavailable("asking for the state of the keys", err)
	}
	if info.State.Msgs <= info.State.NumSubjects {
		return nil
	}
	// Both walks go by sequence, so a message that only the first one has is not the last of its subject.
	next, stop := iter.Pull2(s.walk(ctx, subjects, jetstream.DeliverLastPerSubjectPolicy, true))
	defer stop()
	last, err, more := next()
	for m, walkErr := range s.walk(ctx, subjects, jetstream.DeliverAllPolicy, true) {
		for more && err == nil && walkErr == nil && last.sequence < m.sequence {
			last, err, more = next()
		}
		if err := errors.Join(err, walkErr); err != nil {
			return err
		}
		if more && last.sequence == m.sequence {
			continue
		}
		// What decides is the record that stands there, not what a walk has left out.
		standing, err := s.last(ctx, m.subject)
		if err != nil {
			return err
		}
		if err := s.eraseBelow(ctx, m.subject, standing.sequence); err != nil {
			return err
		}
	}
	return nil
}

// walk goes through the messages that there are when it begins, by sequence, holding one batch in memory. A message
// that was lost on the way ends it with an error.
func (s store) walk(
	ctx context.Context, subject string, policy jetstream.DeliverPolicy, bare bool,
) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		info, err := s.stream.Info(ctx)
		if err != nil {
			yield(message{}, unavailable("asking for the state of the keys", err))
			return
		}
		c, err := s.consumer(ctx, jetstream.ConsumerConfig{FilterSubject: subject, DeliverPolicy: policy, HeadersOnly: bare})
		if err != nil {
			yield(message{}, err)
			return
		}
		defer s.drop(ctx, c)
		var order gapCheck
		for idle := 0; idle < walkPatience; idle++ {
			batch, err := c.Fetch(walkBatch, jetstream.FetchMaxWait(walkWait))
			if err != nil {
				yield(message{}, unavailable("reading the keys", err))
				return
			}
			for m := range batch.Messages() {
				idle = -1
				next, err := order.next(m)
				if err == nil && next.sequence > info.State.LastSeq || !yield(next, err) || err != nil || next.after == 0 {
					return
				}
			}
			if err := ctx.Err(); err != nil {
				yield(message{}, unavailable("reading the keys", err))
				return
			}
			if info, err := c.Info(ctx); err == nil && info.NumPending == 0 {
				return
			}
		}
		yield(message{}, unavailable("reading the keys", errors.New("the server delivers none of those it has")))
	}
}

// consumer makes a consumer that keeps nothing on disk and asks for no acknowledgements; what got lost shows as a gap.
func (s store) consumer(ctx context.Context, config jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	config.AckPolicy = jetstream.AckNonePolicy
	config.MemoryStorage = true
	config.Replicas = 1
	config.InactiveThreshold = consumerGone
	c, err := s.stream.CreateConsumer(ctx, config)
	if err != nil {
		return nil, unavailable("reading the keys", err)
	}
	return c, nil
}

// drop takes a consumer away: a courtesy, the server does it after a while.
func (s store) drop(ctx context.Context, c jetstream.Consumer) {
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), walkWait)
	defer cancel()
	_ = s.stream.DeleteConsumer(asking, c.CachedInfo().Name)
}

// gapCheck sees to it that a consumer's messages come without a gap.
type gapCheck struct{ delivered uint64 }

func (o *gapCheck) next(m jetstream.Msg) (message, error) {
	meta, err := m.Metadata()
	if err != nil {
		return message{}, unavailable("reading the keys", err)
	}
	o.delivered++
	if meta.Sequence.Consumer != o.delivered {
		return message{}, unavailable("reading the keys", errors.New("some got lost on the way"))
	}
	return message{m.Subject(), meta.Sequence.Stream, m.Data(), meta.NumPending}, nil
}
