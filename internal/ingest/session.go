package ingest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/pause"
)

const (
	// A fetch asks for what keeps the lanes busy while the next one is under way.
	fetchMessages = 2048
	fetchBytes    = 8 << 20

	// purgeEvery is how often what was taken in is purged from the stream; a crash in between makes that much come
	// again, as duplicates.
	purgeEvery = 100 * time.Millisecond

	// retryEvery is how often stuck accounts are looked through.
	retryEvery = 100 * time.Millisecond

	// replayEvery is how often what waits for an app is tried though no app was seen to appear: another node may have
	// died between an app's commit and the replay. One command for each such app is all it costs.
	replayEvery = 10 * time.Minute
)

// session is the time in which this node takes in from NATS.
//
// The stream holds what waits. A work queue would be the obvious kind, but the server then writes, and syncs, a mark
// for each message that is acknowledged: 4,000 to 6,000 a second, at the expense of the log. So the stream keeps its
// messages until they are purged, up to the first one that is not yet taken in: 150,000 a second. Its beginning is all
// that is remembered; what comes again after a crash is told apart by its command's id.
type session struct {
	intake *Intake
	window *window
	out    chan *message.Message // to the router
	ctx    context.Context       //nolint:containedctx // the term is this context's lifetime
	over   chan struct{}         // closed at the end

	mu       sync.Mutex
	consumer jetstream.Consumer
}

// Run takes in what comes over NATS until ctx ends. One node at a time should run it, by a lease; two do no harm. It may
// be run again.
func (i *Intake) Run(ctx context.Context) error {
	var first uint64
	for {
		info, err := i.info(ctx)
		if err == nil {
			first = max(info.State.FirstSeq, 1)
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		i.log.Warn("cannot reach the billing stream, trying again", "error", err)
		pause.For(ctx, reconnectPause)
	}
	t := &session{
		intake: i, window: newWindow(first - 1), ctx: ctx,
		out: make(chan *message.Message), over: make(chan struct{}),
	}
	router, err := t.router()
	if err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	i.term.Store(t)
	i.replays.all()
	defer close(t.over)
	defer i.term.CompareAndSwap(t, nil)
	i.log.Info("taking in billing events", "from", first)

	var routing, working, side sync.WaitGroup
	var routed error
	routing.Go(func() { routed = router.Run(context.WithoutCancel(ctx)) })
	for range i.config.Lanes {
		working.Go(t.work)
	}
	side.Go(func() { t.purge(purgeEvery) })
	side.Go(t.retry)
	side.Go(t.answer)
	stop := context.AfterFunc(ctx, t.window.close)
	defer stop()
	t.fetch()
	working.Wait()
	close(t.out) // ends the router, whose handlers have all returned
	routing.Wait()
	side.Wait()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	t.purgeTo(ending, first-1)
	if routed != nil {
		return fmt.Errorf("ingest: %w", routed)
	}
	return nil
}

func (i *Intake) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return i.stream.Info(ctx)
}

// fetch brings messages from the stream into the window until the term ends.
func (t *session) fetch() {
	for t.ctx.Err() == nil {
		if err := t.fetchOnce(); err != nil && t.ctx.Err() == nil {
			t.intake.log.Warn("fetching billing events was interrupted, going on", "error", err)
			pause.For(t.ctx, reconnectPause)
		}
	}
}

func (t *session) fetchOnce() error {
	t.window.mu.Lock()
	from := t.window.seen + 1
	t.window.mu.Unlock()
	consumer, err := t.intake.config.JetStream.OrderedConsumer(t.ctx, billingStream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:   from,
	})
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.consumer = consumer
	t.mu.Unlock()
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(fetchMessages, fetchBytes))
	if err != nil {
		return err
	}
	defer messages.Stop()
	stop := context.AfterFunc(t.ctx, messages.Stop)
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
		if !t.window.add(m.Subject(), meta.Sequence.Stream, m.Data()) {
			return nil
		}
	}
}

// work takes lanes that are ready, one after the other, and hands their first message to the router.
func (t *session) work() {
	for {
		select {
		case l := <-t.window.ready:
			t.one(l)
		case <-t.ctx.Done():
			return
		}
	}
}

func (t *session) one(l *lane) {
	e := t.window.head(l)
	data := e.data
	if data == nil {
		var err error
		if data, err = t.read(e.sequence); errors.Is(err, jetstream.ErrMsgNotFound) {
			t.window.done(l) // another node has taken it in
			return
		} else if err != nil {
			t.failed(l, err)
			return
		}
	}
	attempt := &attempt{subject: l.subject}
	m := message.NewMessageWithContext(context.WithValue(t.ctx, attemptKey{}, attempt), strconv.FormatUint(e.sequence, 10), data)
	t.out <- m // the router is there until all workers have returned
	select {
	case <-m.Acked():
		if t.window.done(l) {
			t.intake.log.Info("an account is taken in again", "account", accountOf(l.subject))
		}
	case <-m.Nacked():
		t.failed(l, attempt.err)
	}
}

func (t *session) failed(l *lane, err error) {
	if err == nil {
		err = errors.New("the handler gave up without saying why")
	}
	if t.window.failed(l, err, machineTime()) && t.ctx.Err() == nil {
		t.intake.log.Error("an account's billing events cannot be taken in, its transitions are held until they can",
			"account", accountOf(l.subject), "error", err)
	}
}

// read reads a message again that was let go.
func (t *session) read(sequence uint64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.ctx, requestTimeout)
	defer cancel()
	m, err := t.intake.stream.GetMsg(ctx, sequence)
	if err != nil {
		return nil, err
	}
	return m.Data, nil
}

// purge removes from the stream what was taken in, now and then.
func (t *session) purge(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	done := uint64(0)
	for {
		select {
		case <-tick.C:
			done = t.purgeTo(t.ctx, done)
		case <-t.ctx.Done():
			return
		}
	}
}

func (t *session) purgeTo(ctx context.Context, done uint64) uint64 {
	floor := t.window.floor()
	if floor <= done {
		return done
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := t.intake.stream.Purge(ctx, jetstream.WithPurgeSequence(floor+1)); err != nil {
		if ctx.Err() == nil {
			t.intake.log.Warn("could not purge what was taken in, trying again", "error", err)
		}
		return done
	}
	return floor
}

func (t *session) retry() {
	tick := time.NewTicker(retryEvery)
	defer tick.Stop()
	replay := time.NewTicker(replayEvery)
	defer replay.Stop()
	for {
		select {
		case <-replay.C:
			t.intake.replays.all()
		case <-tick.C:
			t.window.retry(machineTime())
		case <-t.ctx.Done():
			return
		}
	}
}

// machineTime measures durations; the engine's clock may stand still under a sandbox.
func machineTime() time.Time {
	return time.Now() //nolint:forbidigo // for durations only
}
