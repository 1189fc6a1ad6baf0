package eventstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// The limits of group commit, see the ADR on it. A single publish costs one fsync; an atomic batch one too, and about
// 4 ms to stage, whatever its size.
const (
	// batchMin is from how many appends, waiting and in flight, a batch is faster than single publishes, pipelined.
	batchMin = 24

	// batchMax is the server's limit on a batch (streamDefaultMaxAtomicBatchSize).
	batchMax = 1000

	// batchBytes bounds a batch of large commits: the server stages them and then writes them.
	batchBytes = 16 << 20

	// queueMax bounds the appends that wait; more block their callers until there is room or their context ends.
	queueMax = 4 * batchMax

	// linger is how long the writers of a batch that is done are waited for, so that the next one holds most of
	// them. The first of them to come back would otherwise go alone and the others pay for it. A second batch in
	// flight instead was no faster: it halves the batches, and their staging is what costs.
	linger = time.Millisecond

	// retryEvery is how often one append is let through after the server did not answer, to see whether it does
	// again; and how often the log is looked at anew while that fails.
	retryEvery = 250 * time.Millisecond
)

// request is one append on its way.
type request struct {
	account  string
	expected uint64
	payload  []byte
	header   nats.Header
	state    atomic.Int32
	done     chan outcome // buffered: nobody may be there any more
}

// A request waits until the collector sends it or its caller leaves, whichever comes first.
const (
	waiting int32 = iota
	sent
	left
)

type outcome struct {
	seq uint64
	err error
}

var requests = sync.Pool{New: func() any { return &request{done: make(chan outcome, 1)} }}

// flight is what one acknowledgement will answer: a single publish or a batch.
type flight struct {
	requests []*request
	deadline time.Time
	one      [1]*request
}

// appender collects appends and sends them, singly or as batches. One goroutine, run, owns everything below in.
type appender struct {
	config Config
	nc     *nats.Conn

	in       chan *request
	stopping chan struct{} // closed by Close
	stopped  chan struct{} // closed when run has ended

	acknowledged atomic.Uint64           // the highest sequence acknowledged
	failed       atomic.Pointer[failure] // nil while all is well

	// recheck tells whether the log still is what it was, after the connection was away. It runs beside the
	// collector, in recheckers, and its result comes through rechecked.
	recheck    func(context.Context) error
	rechecked  chan error
	rechecking bool
	recheckers sync.WaitGroup

	acks   chan *nats.Msg
	sub    *nats.Subscription
	status chan nats.Status
	prefix string // of reply subjects
	batch  string // prefix of batch ids

	// An account is in lanes while an append of it is ready or in flight; the others of it wait there.
	lanes  map[string][]*request
	behind int        // how many wait in lanes
	ready  []*request // at most one of each account

	flights map[uint64]*flight // by the token in the reply subject
	batches int                // how many of them are batches
	last    uint64             // token given last
	timer   *time.Timer

	lingering time.Time // until when to wait for the writers of the last batch
	expecting int       // how many those are

	header  nats.Header // reused for every publish
	scratch []byte
}

var errStuck = errors.New("the NATS server cannot write to its disk: free space, then restart it")

// failure is why appends are refused.
type failure struct {
	err   error
	retry time.Time // when to let one append through; zero: the log must be looked at first
	final bool      // it is corrupt: never again
}

func newAppender(nc *nats.Conn, config Config, recheck func(context.Context) error) (*appender, error) {
	a := &appender{
		config:    config,
		nc:        nc,
		recheck:   recheck,
		rechecked: make(chan error, 1),
		in:        make(chan *request, batchMax),
		stopping:  make(chan struct{}),
		stopped:   make(chan struct{}),
		// One acknowledgement for each flight; were it full, the connection would drop some.
		acks:    make(chan *nats.Msg, 4*batchMax),
		prefix:  nc.NewInbox() + ".",
		batch:   rand.Text()[:12] + "-",
		lanes:   make(map[string][]*request),
		flights: make(map[uint64]*flight),
		header:  make(nats.Header, 8),
		timer:   time.NewTimer(time.Hour),
	}
	var err error
	if a.sub, err = nc.ChanSubscribe(a.prefix+"*", a.acks); err != nil {
		return nil, fmt.Errorf("eventstore: subscribing to acknowledgements: %w", err)
	}
	a.status = nc.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	return a, nil
}

func (a *appender) append(ctx context.Context, account string, expected uint64, payload []byte, header nats.Header) (uint64, error) {
	if err := checkAccount(account); err != nil {
		return 0, err
	}
	if len(payload) > MaxPayload {
		return 0, ErrTooLarge
	}
	r := requests.Get().(*request) //nolint:forcetypeassert // the pool holds nothing else
	r.account, r.expected, r.payload, r.header = account, expected, payload, header
	r.state.Store(waiting)
	select {
	case a.in <- r:
	default:
		select {
		case a.in <- r:
		case <-a.stopping:
			return 0, errClosed
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: too many commits wait: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
	select {
	case o := <-r.done:
		return a.finish(r, o)
	case <-ctx.Done():
		if r.state.CompareAndSwap(waiting, left) {
			return 0, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		}
		select {
		case o := <-r.done:
			return a.finish(r, o)
		default:
			return 0, fmt.Errorf("%w: %w", ErrUnknown, context.Cause(ctx))
		}
	case <-a.stopped:
		// What was queued when run ended is answered by nobody.
		select {
		case o := <-r.done:
			return a.finish(r, o)
		default:
			return 0, errClosed
		}
	}
}

// finish gives back a request that nobody else holds any more.
func (a *appender) finish(r *request, o outcome) (uint64, error) {
	r.payload, r.header = nil, nil
	requests.Put(r)
	return o.seq, o.err
}

func (a *appender) failure() error {
	if f := a.failed.Load(); f != nil {
		return f.err
	}
	return nil
}

// run is the collector. It ends when it was told to stop and nothing is in flight.
func (a *appender) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer close(a.stopped)
	defer a.recheckers.Wait()
	defer cancel()
	defer a.nc.RemoveStatusListener(a.status)
	defer func() { _ = a.sub.Unsubscribe() }()
	stopping := a.stopping
	failed := a.restarted()
	if failed == nil && a.config.Failed != nil {
		a.lost(errStuck)
	}
	again, pause := false, time.Duration(0) // whether to look at the log anew, and when
	for {
		in := a.in
		if len(a.ready)+a.behind >= queueMax {
			in = nil
		}
		select {
		case r := <-in:
			a.take(r)
			a.drain()
		case m := <-a.acks:
			a.acked(m)
			for len(a.acks) > 0 {
				a.acked(<-a.acks)
			}
			a.drain()
		case s := <-a.status:
			if s != nats.CONNECTED {
				a.lost(fmt.Errorf("the connection to the NATS server is %s", strings.ToLower(s.String())))
			}
			again, pause = s == nats.CONNECTED, 0
		case <-failed:
			a.lost(errStuck)
			failed = nil
		case err := <-a.rechecked:
			again, pause = !a.judge(err) || again, retryEvery
		case now := <-a.timer.C:
			a.expire(now)
		case <-stopping:
			stopping = nil
			a.refuse(errClosed)
		}
		if stopping == nil {
			a.drain()
			a.refuse(errClosed)
			if len(a.flights) == 0 {
				return
			}
		}
		if failed == nil {
			failed = a.restarted()
		}
		if again && !a.rechecking && stopping != nil {
			again = false
			a.lookAgain(ctx, pause)
		}
		a.dispatch()
		a.arm()
	}
}

// restarted gives the channel that tells of failed writes, nil while the server has not been restarted after one.
func (a *appender) restarted() <-chan struct{} {
	if a.config.Failed == nil {
		return nil
	}
	c := a.config.Failed()
	select {
	case <-c:
		return nil
	default:
		return c
	}
}

// lookAgain starts to check the log, after a pause.
func (a *appender) lookAgain(ctx context.Context, pause time.Duration) {
	a.rechecking = true
	a.recheckers.Go(func() {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		a.rechecked <- a.recheck(ctx)
	})
}

// judge takes the result; false if the log must be looked at again.
func (a *appender) judge(err error) bool {
	a.rechecking = false
	f := a.failed.Load()
	var corrupt *CorruptError
	switch {
	case f == nil || f.final:
		return true
	case errors.As(err, &corrupt) || errors.Is(err, ErrMissing):
		a.failed.Store(&failure{err: fmt.Errorf("%w: %w", ErrUnavailable, err), final: true})
		return true
	case err != nil || !a.nc.IsConnected() || a.config.Failed != nil && a.restarted() == nil:
		return false
	}
	a.failed.Store(nil)
	return true
}

// drain takes what is queued without waiting.
func (a *appender) drain() {
	for len(a.ready)+a.behind < queueMax {
		select {
		case r := <-a.in:
			a.take(r)
		default:
			return
		}
	}
}

func (a *appender) take(r *request) {
	lane, busy := a.lanes[r.account]
	if busy {
		a.lanes[r.account] = append(lane, r)
		a.behind++
		return
	}
	a.lanes[r.account] = nil
	a.ready = append(a.ready, r)
}

// free makes an account's next append ready, after the one before was answered.
func (a *appender) free(account string) {
	lane := a.lanes[account]
	if len(lane) == 0 {
		delete(a.lanes, account)
		return
	}
	a.ready = append(a.ready, lane[0])
	a.behind--
	lane[0] = nil
	a.lanes[account] = lane[1:]
}

// stale answers those behind an append that stands at seq now and expected an earlier one: in a batch they would
// only get the others rejected.
func (a *appender) stale(account string, seq uint64) {
	lane := a.lanes[account]
	if len(lane) == 0 {
		return
	}
	kept := lane[:0]
	for _, r := range lane {
		if r.expected >= seq || !r.state.CompareAndSwap(waiting, sent) {
			kept = append(kept, r)
			continue
		}
		a.behind--
		r.done <- outcome{err: &ConflictError{Account: account, Expected: r.expected}}
	}
	clear(lane[len(kept):])
	a.lanes[account] = kept
}

func (a *appender) answer(r *request, o outcome) {
	account := r.account
	r.done <- o
	a.free(account)
}

// refuse answers everything that waits.
func (a *appender) refuse(err error) {
	for len(a.ready) > 0 {
		r := a.ready[len(a.ready)-1]
		a.ready = a.ready[:len(a.ready)-1]
		if r.state.CompareAndSwap(waiting, sent) {
			a.answer(r, outcome{err: err})
		} else {
			a.free(r.account)
		}
	}
}

// dispatch sends what is ready, if it is time to.
func (a *appender) dispatch() {
	if len(a.ready) == 0 {
		return
	}
	if f := a.failed.Load(); f != nil {
		a.attempt(f)
		return
	}
	if a.batches > 0 {
		return // collect the next one meanwhile
	}
	if a.expecting > 0 {
		if len(a.ready) < a.expecting && time.Now().Before(a.lingering) {
			return
		}
		a.expecting = 0
	}
	if a.config.Space != nil {
		if err := a.config.Space(); err != nil {
			a.refuse(fmt.Errorf("%w: %w", ErrUnavailable, err))
			return
		}
	}
	switch n := len(a.ready); {
	case n >= batchMin:
		a.sendBatch(a.pick(batchMax))
	case n+len(a.flights) < batchMin:
		a.sendSingly(a.pick(n))
	}
}

// attempt lets one append through, when it is time, after the server did not answer; the others are refused, so that
// nobody waits for it.
func (a *appender) attempt(f *failure) {
	if now := time.Now(); len(a.flights) == 0 && !f.retry.IsZero() && now.After(f.retry) {
		if first := a.pick(1); len(first) == 1 {
			a.failed.Store(&failure{err: f.err, retry: now.Add(retryEvery)})
			a.sendSingle(first[0])
		}
	}
	a.refuse(f.err)
}

// pick takes up to n of those ready, oldest first, as theirs alone to send: what is sent cannot be withdrawn.
func (a *appender) pick(n int) []*request {
	picked := make([]*request, 0, min(n, len(a.ready)))
	size, i := 0, 0
	for ; i < len(a.ready) && len(picked) < n && size < batchBytes; i++ {
		r := a.ready[i]
		if !r.state.CompareAndSwap(waiting, sent) {
			a.free(r.account) // may append to ready
			continue
		}
		size += len(r.payload)
		picked = append(picked, r)
	}
	rest := copy(a.ready, a.ready[i:])
	clear(a.ready[rest:])
	a.ready = a.ready[:rest]
	return picked
}

func (a *appender) sendSingle(r *request) {
	token := a.token()
	err := a.publish(r, a.reply(token), "", 0, false)
	if err != nil {
		a.unsent(r, err, true)
		return
	}
	f := &flight{deadline: time.Now().Add(a.config.AckTimeout)}
	f.one[0] = r
	f.requests = f.one[:]
	a.flights[token] = f
}

func (a *appender) sendSingly(requests []*request) {
	for _, r := range requests {
		a.sendSingle(r)
	}
}

// sendBatch sends requests as one atomic batch. Only its last message is answered; a fault before it shows there.
func (a *appender) sendBatch(batch []*request) {
	if len(batch) <= 1 { // the others' callers went away
		a.sendSingly(batch)
		return
	}
	token := a.token()
	id := a.batchID(token)
	for i, r := range batch {
		final, reply := i == len(batch)-1, ""
		if final {
			reply = a.reply(token)
		}
		if err := a.publish(r, reply, id, i+1, final); err != nil {
			// Without its final message the server drops the whole of it.
			for _, r := range batch {
				a.unsent(r, err, final)
			}
			return
		}
	}
	a.flights[token] = &flight{requests: batch, deadline: time.Now().Add(a.config.AckTimeout)}
	a.batches++
}

// unsent answers a request that the connection did not take, or may not have taken whole.
func (a *appender) unsent(r *request, err error, final bool) {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		err = fmt.Errorf("%w: %w", ErrTooLarge, err)
	case final && !refusedByConnection(err):
		err = fmt.Errorf("%w: %w", ErrUnknown, err)
	default:
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	a.answer(r, outcome{err: err})
}

// refusedByConnection tells whether an error of publishing came before anything was written.
func refusedByConnection(err error) bool {
	for _, e := range []error{
		nats.ErrInvalidConnection, nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrReconnectBufExceeded,
		nats.ErrBadSubject, nats.ErrHeadersNotSupported, nats.ErrBadHeaderMsg,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (a *appender) token() uint64 {
	a.last++
	return a.last
}

func (a *appender) reply(token uint64) string {
	a.scratch = strconv.AppendUint(append(a.scratch[:0], a.prefix...), token, 10)
	return string(a.scratch)
}

// batchID is unique among all nodes, and short: it is stored with every message.
func (a *appender) batchID(token uint64) string {
	a.scratch = strconv.AppendUint(append(a.scratch[:0], a.batch...), token, 36)
	return string(a.scratch)
}

const (
	headerExpected = "Nats-Expected-Last-Subject-Sequence"
	headerBatch    = "Nats-Batch-Id"
	headerBatchSeq = "Nats-Batch-Sequence"
	headerCommit   = "Nats-Batch-Commit"
)

// publish hands a message to the connection, which copies it.
func (a *appender) publish(r *request, reply, batch string, number int, final bool) error {
	h := a.header
	clear(h)
	for k, v := range r.header {
		h[k] = v
	}
	h[headerExpected] = []string{strconv.FormatUint(r.expected, 10)}
	if batch != "" {
		h[headerBatch] = []string{batch}
		h[headerBatchSeq] = []string{strconv.Itoa(number)}
		if final {
			h[headerCommit] = []string{"1"}
		}
	}
	return a.nc.PublishMsg(&nats.Msg{Subject: a.config.Subject + "." + r.account, Reply: reply, Header: h, Data: r.payload})
}

// acked handles an acknowledgement.
func (a *appender) acked(m *nats.Msg) {
	token, err := strconv.ParseUint(m.Subject[len(a.prefix):], 10, 64)
	f := a.flights[token]
	if err != nil || f == nil {
		return // came after its flight was given up
	}
	seq, apiErr, err := parseAck(m)
	switch {
	case err != nil:
		a.land(token, f)
		a.fail(f.requests, fmt.Errorf("%w: %w", ErrUnknown, err))
	case apiErr != nil:
		a.land(token, f)
		a.rejected(f, apiErr)
	default:
		a.land(token, f)
		a.answered()
		if seq > a.acknowledged.Load() {
			a.acknowledged.Store(seq)
		}
		n := uint64(len(f.requests))
		if n > 1 {
			a.expecting, a.lingering = len(f.requests)-len(f.requests)/8, time.Now().Add(linger)
		}
		for i, r := range f.requests {
			a.stale(r.account, seq-n+1+uint64(i))
			a.answer(r, outcome{seq: seq - n + 1 + uint64(i)})
		}
	}
}

// land takes a flight down.
func (a *appender) land(token uint64, f *flight) {
	delete(a.flights, token)
	if len(f.requests) > 1 {
		a.batches--
	}
}

func (a *appender) fail(requests []*request, err error) {
	for _, r := range requests {
		a.answer(r, outcome{err: err})
	}
}

// rejected handles the server's refusal: nothing of the flight was written. A batch is halved until the culprit is
// alone or few enough are left to be sent singly.
func (a *appender) rejected(f *flight, e *apiError) {
	if len(f.requests) > 1 {
		if e.batchWide() {
			a.fail(f.requests, fmt.Errorf("%w: %w", ErrUnavailable, e))
			return
		}
		half := len(f.requests) / 2
		for _, part := range [][]*request{f.requests[:half], f.requests[half:]} {
			if len(part) < batchMin {
				a.sendSingly(part)
			} else {
				a.sendBatch(part)
			}
		}
		return
	}
	r := f.requests[0]
	switch {
	case e.conflict():
		a.answered()
		a.answer(r, outcome{err: &ConflictError{Account: r.account, Expected: r.expected}})
	case e.ErrCode == codeMessageTooLarge || e.ErrCode == codeHeaderTooLarge:
		a.answer(r, outcome{err: fmt.Errorf("%w: %w", ErrTooLarge, e)})
	default:
		a.answer(r, outcome{err: fmt.Errorf("%w: %w", ErrUnavailable, e)})
	}
}

// lost gives up everything in flight, since no acknowledgement will come, and refuses appends until the log was
// looked at again.
func (a *appender) lost(cause error) {
	unknown := fmt.Errorf("%w: %w", ErrUnknown, cause)
	for token, f := range a.flights {
		a.land(token, f)
		a.fail(f.requests, unknown)
	}
	if f := a.failed.Load(); f == nil || !f.final {
		a.failed.Store(&failure{err: fmt.Errorf("%w: %w", ErrUnavailable, cause)})
	}
}

// expire gives up the flights that were not answered in time.
func (a *appender) expire(now time.Time) {
	for token, f := range a.flights {
		if now.Before(f.deadline) {
			continue
		}
		cause := fmt.Errorf("the NATS server did not answer within %s", a.config.AckTimeout)
		a.land(token, f)
		a.fail(f.requests, fmt.Errorf("%w: %w", ErrUnknown, cause))
		if a.failed.Load() == nil {
			a.failed.Store(&failure{err: fmt.Errorf("%w: %w", ErrUnavailable, cause), retry: now.Add(retryEvery)})
		}
	}
}

// answered takes back that the server does not answer.
func (a *appender) answered() {
	if f := a.failed.Load(); f != nil && !f.retry.IsZero() {
		a.failed.CompareAndSwap(f, nil)
	}
}

// arm sets the timer for what is next.
func (a *appender) arm() {
	next := time.Duration(1<<63 - 1)
	if a.expecting > 0 && len(a.ready) > 0 && a.batches == 0 {
		next = time.Until(a.lingering)
	} else if len(a.flights) > 0 {
		// Coarse: a deadline is seconds away and moves with every flight.
		next = min(a.config.AckTimeout/4, 250*time.Millisecond)
	}
	a.timer.Reset(max(next, 0))
}
