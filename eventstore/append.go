package eventstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"sundial/internal/atomicbatch"
)

// The limits of group commit, see the ADR on it. A single publish costs one fsync; an atomic batch one too, and about
// 4 ms to stage, whatever its size.
const (
	// batchMin is from how many appends, waiting and in flight, a batch is faster than single publishes, pipelined.
	batchMin = 24

	// batchBytes bounds a batch of large commits: the server stages them and then writes them.
	batchBytes = 16 << 20

	// queueMax bounds the appends that wait; more block their callers until there is room or their context ends.
	queueMax = 4 * atomicbatch.MaxMessages

	// After a batch its writers are waited for, so that the next one holds most of them and of those that wait
	// already. Otherwise the first to come back go alone, and then two halves take turns for good, each paying for
	// the other's staging (measured: half the commits of writers that take some time to decide). A second batch in
	// flight was no faster, for the same reason. The wait is at most as long as the batch took, within these
	// limits, and ends when nobody has come for a while.
	lingerLeast = time.Millisecond
	lingerMost  = 20 * time.Millisecond
	lingerGap   = time.Millisecond

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
	ids    *atomicbatch.IDs

	// An account is in lanes while an append of it is ready or in flight; the others of it wait there.
	lanes  map[string][]*request
	behind int        // how many wait in lanes
	ready  []*request // at most one of each account

	flights map[uint64]*flight // by the token in the reply subject
	batches int                // how many of them are batches
	last    uint64             // token given last
	timer   *time.Timer

	expecting int       // how many the next batch should hold; 0: not waiting for any
	lingering time.Time // until when to wait for them, at most
	came      time.Time // when the last one came

	header  nats.Header // reused for every publish
	scratch []byte
}

func newAppender(nc *nats.Conn, config Config, recheck func(context.Context) error) (*appender, error) {
	a := &appender{
		config:    config,
		nc:        nc,
		recheck:   recheck,
		rechecked: make(chan error, 1),
		in:        make(chan *request, atomicbatch.MaxMessages),
		stopping:  make(chan struct{}),
		stopped:   make(chan struct{}),
		// One acknowledgement for each flight; were it full, the connection would drop some.
		acks:    make(chan *nats.Msg, 4*atomicbatch.MaxMessages),
		prefix:  nc.NewInbox() + ".",
		ids:     atomicbatch.NewIDs(),
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
	if len(payload) > MaxPayload || headerSize(header) > maxHeader {
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

// headerSize is what the header takes on the wire.
func headerSize(h nats.Header) int {
	n := 0
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + len(": \r\n")
		}
	}
	return n
}

// finish gives back a request that nobody else holds any more.
func (a *appender) finish(r *request, o outcome) (uint64, error) {
	r.payload, r.header = nil, nil
	requests.Put(r)
	return o.seq, o.err
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
			a.enqueue(r)
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

// drain takes what is queued without waiting.
func (a *appender) drain() {
	for len(a.ready)+a.behind < queueMax {
		select {
		case r := <-a.in:
			a.enqueue(r)
		default:
			return
		}
	}
}

func (a *appender) enqueue(r *request) {
	if a.expecting > 0 {
		a.came = time.Now()
	}
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
		if len(a.ready) < a.expecting && time.Now().Before(a.patience()) {
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
		a.sendBatch(a.pick(atomicbatch.MaxMessages))
	case n+len(a.flights) < batchMin:
		a.sendSingly(a.pick(n))
	}
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

// arm sets the timer for what is next.
func (a *appender) arm() {
	next := time.Duration(1<<63 - 1)
	if a.expecting > 0 && len(a.ready) > 0 && a.batches == 0 {
		next = time.Until(a.patience())
	} else if len(a.flights) > 0 {
		// Coarse: a deadline is seconds away and moves with every flight.
		next = min(a.config.AckTimeout/4, 250*time.Millisecond)
	}
	a.timer.Reset(max(next, 0))
}
