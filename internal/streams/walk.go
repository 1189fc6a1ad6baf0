package streams

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// walkBatch is how many messages are asked for at once: at 1 MB each they are as many as the server sends ahead of a reader.
	walkBatch = 64

	// walkGone is after how long without being asked the server drops a consumer whose reader died.
	walkGone = time.Minute

	// maxLost bounds how many lost messages are named of a stream: whoever reads of a hundred restores it.
	maxLost = 100
)

// Message is a stored message as it is.
type Message struct {
	Subject  string
	Sequence uint64
	Header   nats.Header
	Data     []byte
}

// LostError says that a stream counts a message among those it has, and cannot give it: its bytes are damaged.
type LostError struct {
	Stream   string
	Sequence uint64
}

func (e *LostError) Error() string {
	return fmt.Sprintf("the stream %s cannot give its message %d", e.Stream, e.Sequence)
}

// Walk goes through the messages that a stream has when it begins, by sequence, and has every byte of them checked by the server.
// Those that are lost come in the end, each as a *LostError, 100 at most; any other error ends it.
func Walk(ctx context.Context, stream jetstream.Stream) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		w := walk{stream: stream}
		if err := w.all(ctx, yield); err != nil && !errors.Is(err, errEnough) {
			yield(Message{}, fmt.Errorf("reading the stream %s: %w", stream.CachedInfo().Config.Name, err))
		}
	}
}

// Visit has each message of the stream of a name looked at, as Walk goes through them, and tells of those that are lost. there says
// whether there is such a stream.
func Visit(ctx context.Context, js jetstream.JetStream, name string, look func(*Message), lost func(sequence uint64)) (there bool, err error) {
	stream, err := js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for m, err := range Walk(ctx, stream) {
		var gone *LostError
		switch {
		case errors.As(err, &gone):
			lost(gone.Sequence)
		case err != nil:
			return true, err
		default:
			look(&m)
		}
	}
	return true, nil
}

var errEnough = errors.New("enough")

type walk struct {
	stream jetstream.Stream
	came   uint64
	gaps   [][2]uint64 // the first and the last sequence of what did not come
}

func (w *walk) all(ctx context.Context, yield func(Message, error) bool) error {
	info, err := w.stream.Info(ctx)
	if err != nil || info.State.Msgs == 0 {
		return err
	}
	consumer, err := w.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: walkGone,
	})
	if err != nil {
		return err
	}
	defer func() { _ = w.stream.DeleteConsumer(context.WithoutCancel(ctx), consumer.CachedInfo().Name) }() // the server does it after a while
	last := info.State.LastSeq
	next := info.State.FirstSeq
	for more := true; more; {
		batch, err := consumer.FetchNoWait(walkBatch)
		if err != nil {
			return err
		}
		more = false
		for m := range batch.Messages() {
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			at := meta.Sequence.Stream
			if at > last {
				more = false
				break
			}
			more = true
			if at > next {
				w.gaps = append(w.gaps, [2]uint64{next, at - 1})
			}
			w.came, next = w.came+1, at+1
			if !yield(Message{m.Subject(), at, m.Headers(), m.Data()}, nil) {
				return errEnough
			}
		}
		if err := errors.Join(ctx.Err(), batch.Error()); err != nil && !errors.Is(err, jetstream.ErrNoMessages) && !errors.Is(err, nats.ErrTimeout) {
			return err
		}
	}
	if next <= last {
		w.gaps = append(w.gaps, [2]uint64{next, last})
	}
	if w.came >= info.State.Msgs {
		return nil
	}
	return w.lost(ctx, yield)
}

// lost names what did not come and was not removed.
func (w *walk) lost(ctx context.Context, yield func(Message, error) bool) error {
	absent, err := w.absent(ctx, w.gaps)
	if err != nil || len(absent) == 0 {
		return err
	}
	var gone [][2]uint64
	for _, sequence := range absent {
		if _, err := w.stream.GetMsg(ctx, sequence); err != nil {
			gone = append(gone, [2]uint64{sequence, sequence})
		}
	}
	// Asked once more: what was removed meanwhile is not lost.
	if absent, err = w.absent(ctx, gone); err != nil {
		return err
	}
	for _, sequence := range absent {
		if !yield(Message{}, &LostError{w.stream.CachedInfo().Config.Name, sequence}) {
			return errEnough
		}
	}
	return nil
}

// absent lists, of some sequences, those that the stream says it has.
func (w *walk) absent(ctx context.Context, of [][2]uint64) (all []uint64, err error) {
	info, err := w.stream.Info(ctx, jetstream.WithDeletedDetails(true))
	if err != nil {
		return nil, err
	}
	removed := make(map[uint64]bool, len(info.State.Deleted))
	for _, sequence := range info.State.Deleted {
		removed[sequence] = true
	}
	for _, gap := range of {
		for sequence := max(gap[0], info.State.FirstSeq); sequence <= gap[1] && len(all) < maxLost; sequence++ {
			if !removed[sequence] {
				all = append(all, sequence)
			}
		}
	}
	return all, nil
}
