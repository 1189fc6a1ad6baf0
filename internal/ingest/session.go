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
	"golang.org/x/time/rate"

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

	// roomEvery is how often it is looked for which accounts there is room in the parking place again.
	roomEvery = time.Second

	// saidAtOnce and sayEvery bound what the log says of accounts for which there is none: metrics and readiness have all.
	saidAtOnce = 10
	sayEvery   = 10 * time.Second

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

	unparked rate.Sometimes // what the log says of accounts for which there is no room

	mu       sync.Mutex
	consumer jetstream.Consumer
	again    func() // has the fetching begin anew behind what the window has
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
		unparked: rate.Sometimes{First: saidAtOnce, Interval: sayEvery},
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
	if i.config.Alone { // on a cluster another copy has what one cannot give
		side.Go(func() { t.passLost(i.config.lookForLost) })
	}
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
	fetching, again := context.WithCancel(t.ctx)
	defer again()
	t.mu.Lock()
	t.consumer, t.again = consumer, again
	t.mu.Unlock()
	messages, err := consumer.Messages(jetstream.PullMaxMessagesWithBytesLimit(fetchMessages, fetchBytes))
	if err != nil {
		return err
	}
	defer messages.Stop()
	stop := context.AfterFunc(fetching, messages.Stop)
	defer stop()
	marked := uint64(0)
	for {
		m, err := messages.Next()
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		if next := t.window.reached() + 1; meta.Sequence.Stream > next && t.intake.config.Alone {
			t.gap(next, meta.Sequence.Stream-1)
		}
		if meta.NumPending > 0 && meta.Sequence.Stream > marked {
			// Until it is taken in, what waits behind this one is nowhere else.
			marked = meta.Sequence.Stream + meta.NumPending
			t.intake.mark(t.ctx, marked)
		}
		if !t.window.add(m.Subject(), meta.Sequence.Stream, m.Data()) {
			return nil
		}
	}
}

// mark notes how far the stream of bills has come; where that cannot be done now it is done with the other streams' marks.
func (i *Intake) mark(ctx context.Context, sequence uint64) {
	if i.config.Reached == nil {
		return
	}
	if err := i.config.Reached(ctx, billingStream, sequence); err != nil && ctx.Err() == nil {
		i.log.Warn("how far the bills have come could not be written down; it is tried again", "error", err)
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
	sequence, data, last := t.window.head(l)
	if last > 0 {
		m, err := t.read(l.subject, sequence)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			err = t.none(l.subject, last)
		}
		switch {
		case err == nil && (m == nil || m.Sequence > last):
			t.window.gone(l, last)
			return
		case err != nil:
			t.failed(l, sequence, err)
			return
		}
		sequence, data = m.Sequence, m.Data
	}
	attempt := &attempt{subject: l.subject}
	m := message.NewMessageWithContext(context.WithValue(t.ctx, attemptKey{}, attempt), strconv.FormatUint(sequence, 10), data)
	t.out <- m // the router is there until all workers have returned
	select {
	case <-m.Acked():
		if t.window.done(l, sequence) {
			t.intake.log.Info("an account is taken in again", "account", accountOf(l.subject))
		}
	case <-m.Nacked():
		t.failed(l, sequence, attempt.err)
	}
}

func (t *session) failed(l *lane, sequence uint64, err error) {
	if err == nil {
		err = errors.New("the handler gave up without saying why")
	}
	if !t.window.failed(l, sequence, err, machineTime()) || t.ctx.Err() != nil {
		return
	}
	say := func() {
		t.intake.log.Error("an account's billing events cannot be taken in, its transitions are held until they can",
			"account", accountOf(l.subject), "error", err)
	}
	if errors.Is(err, ErrParkedFull) { // of so many accounts as somebody likes
		t.unparked.Do(say)
		return
	}
	say()
}

// read reads the first message of a subject from a sequence on.
func (t *session) read(subject string, from uint64) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(t.ctx, requestTimeout)
	defer cancel()
	return t.intake.stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
}

// none asks the stream's leader whether nothing is left of a subject up to a sequence that was there: what did not find it may
// be a copy that lags.
func (t *session) none(subject string, upTo uint64) error {
	ctx, cancel := context.WithTimeout(t.ctx, requestTimeout)
	defer cancel()
	info, err := t.intake.stream.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err == nil && info.State.FirstSeq <= upTo && len(info.State.Subjects) > 0 {
		err = errors.New("a message that came is not to be found yet")
	}
	return err
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
	look := time.NewTicker(roomEvery)
	defer look.Stop()
	place := t.intake.parking
	room := func(account string) bool {
		return place.index.room(place.limits, parkedFrom{account: account, actor: NATSActor}, 0)
	}
	looked := uint64(0) // how often room had been made
	for {
		select {
		case <-look.C:
			if freed := place.index.freed.Load(); freed != looked {
				looked = freed
				t.window.retryUnparked(machineTime(), room)
			} else {
				t.window.retryUnparked(machineTime(), nil)
			}
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
