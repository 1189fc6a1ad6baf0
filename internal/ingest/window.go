package ingest

import (
	"sync"
	"time"
)

const (
	// maxWindow and maxWindowBytes bound what is held in memory to be taken in: enough that every lane finds work among
	// accounts that come in any order.
	maxWindow      = 8192
	maxWindowBytes = 64 << 20

	// maxHeld bounds the messages of stuck accounts, of which only numbers are held, 10 MB of them. maxStuck bounds the
	// accounts: where so many are stuck, the reason is not theirs.
	maxHeld  = 100_000
	maxStuck = 1000

	// firstPatience and lastPatience are how long a stuck account waits until its next attempt: doubled each time, up
	// to what an operator who has mended the cause will wait for.
	firstPatience = 500 * time.Millisecond
	lastPatience  = 5 * time.Second
)

// window is what has been fetched and is not yet taken in: lanes by subject, in order within a lane. It knows up to
// where the stream has been taken in without a gap.
type window struct {
	mu    sync.Mutex
	lanes map[string]*lane
	held  map[string]*lane // of these: the ones that are stuck, or catching up after it

	first, last *entry // not held, as they were fetched
	count       int    // of these
	bytes       int
	heldCount   int
	seen        uint64 // sequence fetched last

	ready   chan *lane // each at most once
	room    *sync.Cond
	waiters []*waiter
	closed  bool
}

// lane is the queue of one subject, which is one account's.
type lane struct {
	subject  string
	queue    []*entry
	running  bool // in ready, or at work
	held     bool
	err      error // why it is stuck; nil while it is not, or catches up
	failures int
	retryAt  time.Time
}

// entry is one message.
type entry struct {
	sequence   uint64
	data       []byte // nil: to be read again
	size       int
	next, prev *entry
}

// waiter waits until everything up to a sequence is taken in or stuck.
type waiter struct {
	upTo uint64
	done chan struct{}
}

func newWindow(seen uint64) *window {
	w := &window{
		lanes: map[string]*lane{}, held: map[string]*lane{}, seen: seen,
		ready: make(chan *lane, maxWindow+maxStuck+1),
	}
	w.room = sync.NewCond(&w.mu)
	return w
}

// add takes a message in, and waits first until there is room; false if the window was closed meanwhile.
func (w *window) add(subject string, sequence uint64, data []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.closed && (w.count >= maxWindow || w.bytes >= maxWindowBytes || w.heldCount >= maxHeld || len(w.held) >= maxStuck) {
		w.room.Wait()
	}
	if w.closed {
		return false
	}
	l := w.lanes[subject]
	if l == nil {
		l = &lane{subject: subject}
		w.lanes[subject] = l
	}
	e := &entry{sequence: sequence, data: data, size: len(data)}
	l.queue = append(l.queue, e)
	if l.held {
		e.data = nil
		w.heldCount++
	} else {
		w.link(e)
	}
	w.seen = sequence
	w.start(l)
	w.tell() // who waits for a message that another node has purged learns here that it will not come
	return true
}

// start makes a lane ready, unless it is at work, empty or stuck.
func (w *window) start(l *lane) {
	if !l.running && len(l.queue) > 0 && l.err == nil {
		l.running = true
		w.ready <- l
	}
}

func (w *window) link(e *entry) {
	e.prev = w.last
	if w.last != nil {
		w.last.next = e
	} else {
		w.first = e
	}
	w.last = e
	w.count++
	w.bytes += e.size
}

func (w *window) unlink(e *entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		w.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		w.last = e.prev
	}
	e.next, e.prev = nil, nil
	w.count--
	w.bytes -= e.size
}

// head is the message that a lane at work is about.
func (w *window) head(l *lane) *entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	return l.queue[0]
}

// done says that a lane's first message was taken in. It tells whether the lane was stuck before.
func (w *window) done(l *lane) (recovered bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.running = false
	recovered = l.failures > 0
	l.err, l.failures = nil, 0
	if l.held {
		w.heldCount--
	} else {
		w.unlink(e)
	}
	if len(l.queue) == 0 {
		delete(w.lanes, l.subject)
		delete(w.held, l.subject)
	}
	w.start(l)
	w.room.Signal()
	w.tell()
	return recovered
}

// failed says that a lane's first message could not be taken in: the lane is stuck until it is tried again. It tells
// whether that is new.
func (w *window) failed(l *lane, err error, now time.Time) (stuck bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !l.held {
		l.held = true
		w.held[l.subject] = l
		for _, e := range l.queue {
			w.unlink(e)
			e.data = nil
			w.heldCount++
		}
	}
	l.running, l.err = false, err
	l.retryAt = now.Add(min(firstPatience<<min(l.failures, 10), lastPatience))
	l.failures++
	w.room.Signal()
	w.tell()
	return l.failures == 1
}

// retry makes the stuck lanes ready whose time has come.
func (w *window) retry(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.held {
		if l.err != nil && !l.running && !now.Before(l.retryAt) {
			l.running = true
			w.ready <- l
		}
	}
}

// floor is the sequence up to which everything was taken in.
func (w *window) floor() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	floor := w.seen
	if w.first != nil {
		floor = w.first.sequence - 1
	}
	for _, l := range w.held {
		floor = min(floor, l.queue[0].sequence-1)
	}
	return floor
}

// settled tells whether everything up to a sequence was taken in, but for stuck accounts.
func (w *window) settled(upTo uint64) bool {
	if w.seen < upTo || w.first != nil && w.first.sequence <= upTo {
		return false
	}
	for _, l := range w.held {
		if l.err == nil && l.queue[0].sequence <= upTo {
			return false
		}
	}
	return true
}

// wait gives a channel that is closed once everything up to a sequence is settled.
func (w *window) wait(upTo uint64) *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := &waiter{upTo, make(chan struct{})}
	if w.settled(upTo) {
		close(one.done)
	} else {
		w.waiters = append(w.waiters, one)
	}
	return one
}

func (w *window) leave(one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for n, other := range w.waiters {
		if other == one {
			w.waiters = append(w.waiters[:n], w.waiters[n+1:]...)
			return
		}
	}
}

func (w *window) tell() {
	if len(w.waiters) == 0 {
		return
	}
	kept := w.waiters[:0]
	for _, one := range w.waiters {
		if w.settled(one.upTo) {
			close(one.done)
		} else {
			kept = append(kept, one)
		}
	}
	clear(w.waiters[len(kept):])
	w.waiters = kept
}

// stuck gives the stuck accounts that have a message up to a sequence, and why.
func (w *window) stuck(upTo uint64) map[string]error {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]error, len(w.held))
	for _, l := range w.held {
		if l.err != nil && l.queue[0].sequence <= upTo {
			out[accountOf(l.subject)] = l.err
		}
	}
	return out
}

// nothingUpTo says that no message up to a sequence will come beyond those seen.
func (w *window) nothingUpTo(sequence uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = max(w.seen, sequence)
	w.tell()
}

// size gives what is waiting and held, and how many accounts are stuck.
func (w *window) size() (waiting, held, stuck int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count, w.heldCount, len(w.held)
}

// close wakes whoever waits for room.
func (w *window) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.room.Broadcast()
}
