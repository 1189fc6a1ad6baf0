package ingest

import (
	"errors"
	"sync"
	"time"
)

const (
	// maxWindow and maxWindowBytes bound what is held in memory to be taken in: enough that every lane finds work among
	// accounts that come in any order.
	maxWindow      = 8192
	maxWindowBytes = 64 << 20

	// maxStuck bounds the stuck accounts: where so many are stuck, the reason is not theirs. maxUnparked bounds those that
	// are stuck since there is no room to park what they sent, which is theirs: of each some 400 bytes are kept, however much
	// it sends.
	maxStuck    = 1000
	maxUnparked = 100_000

	// firstPatience and lastPatience are how long a stuck account waits until its next attempt: doubled each time, up
	// to what an operator who has mended the cause will wait for.
	firstPatience = 500 * time.Millisecond
	lastPatience  = 5 * time.Second

	// unparkedPatience is how long an account waits for which there is no room in the parking place, unless room is made:
	// its app may have appeared, so that its first bill can be taken in. So many of them are tried at a time.
	unparkedPatience = time.Minute
	unparkedAtOnce   = 32
)

// window is what has been fetched and is not yet taken in: lanes by subject, in order within a lane. It knows up to
// where the stream has been taken in without a gap.
//
// Of a lane that is stuck only its beginning and its end are kept: its messages are read again, one by one, once it goes on. So
// an account costs the same however much waits for it.
type window struct {
	mu       sync.Mutex
	lanes    map[string]*lane
	stuck    map[string]*lane // of these: the ones that are stuck for another reason than want of room
	unparked map[string]*lane // of these: the ones that are stuck for want of room in the parking place
	catching map[string]*lane // of these: the ones that were stuck, and are read again

	first, last *entry // not held, as they were fetched
	count       int    // of these
	bytes       int
	heldCount   int    // messages of lanes that are stuck or catch up, as they were fetched
	seen        uint64 // sequence fetched last

	ready   chan *lane // each at most once
	room    *sync.Cond
	waiters []*waiter
	closed  bool
}

// lane is the queue of one subject, which is one account's.
type lane struct {
	subject  string
	queue    []*entry // unless it is held
	running  bool     // in ready, or at work
	held     bool     // stuck, or catching up after it
	err      error    // why it is stuck; nil while it is not, or catches up
	failures int
	retryAt  time.Time

	// Of a lane that is held: nothing before from is left to be taken in, and nothing behind last was fetched.
	from, last uint64
	waiting    int
}

// entry is one message.
type entry struct {
	sequence   uint64
	data       []byte
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
		lanes: map[string]*lane{}, stuck: map[string]*lane{}, unparked: map[string]*lane{}, catching: map[string]*lane{}, seen: seen,
		ready: make(chan *lane, maxWindow+maxStuck+maxUnparked+1),
	}
	w.room = sync.NewCond(&w.mu)
	return w
}

// add takes a message in, and waits first until there is room; false if the window was closed meanwhile.
func (w *window) add(subject string, sequence uint64, data []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.closed && (w.count >= maxWindow || w.bytes >= maxWindowBytes || w.standing()) {
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
	if l.held {
		l.last = sequence
		l.waiting++
		w.heldCount++
	} else {
		e := &entry{sequence: sequence, data: data, size: len(data)}
		l.queue = append(l.queue, e)
		w.link(e)
	}
	w.seen = sequence
	w.start(l)
	w.tell() // who waits for a message that another node has purged learns here that it will not come
	return true
}

// standing says that so many accounts are stuck that nothing more is fetched.
func (w *window) standing() bool {
	return len(w.stuck)+len(w.catching) >= maxStuck || len(w.unparked) >= maxUnparked
}

// start makes a lane ready, unless it is at work, empty or stuck.
func (w *window) start(l *lane) {
	if !l.running && (len(l.queue) > 0 || l.waiting > 0) && l.err == nil {
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

// head is the message that a lane at work is about. Of a held lane it is to be read: the first one of its subject from this
// sequence on, and up to last.
func (w *window) head(l *lane) (sequence uint64, data []byte, last uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if l.held {
		return l.from, nil, l.last
	}
	return l.queue[0].sequence, l.queue[0].data, 0
}

// done says that a lane's first message, of this sequence, was taken in. It tells whether the lane was stuck before.
func (w *window) done(l *lane, sequence uint64) (recovered bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	recovered = l.failures > 0
	l.err, l.failures, l.running = nil, 0, false
	if l.held {
		w.place(l)
		w.passed(l, sequence)
	} else {
		e := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		w.unlink(e)
		if len(l.queue) == 0 {
			delete(w.lanes, l.subject)
		}
	}
	w.start(l)
	w.room.Signal()
	w.tell()
	return recovered
}

// gone says that nothing up to a sequence is left in the stream of a lane that is held: another node has taken it in.
func (w *window) gone(l *lane, upTo uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l.err, l.failures, l.running = nil, 0, false
	w.place(l)
	w.passed(l, upTo)
	w.start(l)
	w.room.Signal()
	w.tell()
}

// passed says that nothing up to a sequence is left to be taken in of a lane that is held.
func (w *window) passed(l *lane, upTo uint64) {
	l.from = upTo + 1
	count := 1
	switch {
	case l.from > l.last:
		count = l.waiting
		delete(w.lanes, l.subject)
		w.leaveAll(l)
	case l.waiting == 1: // another node takes in as well
		count = 0
	}
	l.waiting -= count
	w.heldCount -= count
}

// place puts a lane that is held among those of its kind.
func (w *window) place(l *lane) {
	w.leaveAll(l)
	switch {
	case l.err == nil:
		w.catching[l.subject] = l
	case errors.Is(l.err, ErrParkedFull):
		w.unparked[l.subject] = l
	default:
		w.stuck[l.subject] = l
	}
}

func (w *window) leaveAll(l *lane) {
	delete(w.stuck, l.subject)
	delete(w.unparked, l.subject)
	delete(w.catching, l.subject)
}

// failed says that a lane's first message, of this sequence, could not be taken in: the lane is stuck until it is tried
// again. It tells whether that is new.
func (w *window) failed(l *lane, sequence uint64, err error, now time.Time) (stuck bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !l.held {
		l.held, l.last, l.waiting = true, l.queue[len(l.queue)-1].sequence, len(l.queue)
		for _, e := range l.queue {
			w.unlink(e)
		}
		w.heldCount += l.waiting
		l.queue = nil
	}
	l.from = sequence
	l.running, l.err = false, err
	w.place(l)
	patience := min(firstPatience<<min(l.failures, 10), lastPatience)
	if errors.Is(err, ErrParkedFull) {
		patience = unparkedPatience
	}
	l.retryAt = now.Add(patience)
	l.failures++
	w.room.Signal()
	w.tell()
	return l.failures == 1
}

// retry makes the stuck lanes ready whose time has come.
func (w *window) retry(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.stuck {
		if !l.running && !now.Before(l.retryAt) {
			l.running = true
			w.ready <- l
		}
	}
}

// retryUnparked makes lanes ready for which there was no room: all for which there is now, and some whose time has come.
func (w *window) retryUnparked(now time.Time, room func(account string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	some := 0
	for _, l := range w.unparked {
		if l.running {
			continue
		}
		late := some < unparkedAtOnce && !now.Before(l.retryAt)
		if late {
			some++
		}
		if late || room != nil && room(accountOf(l.subject)) {
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
	for _, kind := range [...]map[string]*lane{w.stuck, w.unparked, w.catching} {
		for _, l := range kind {
			floor = min(floor, l.from-1)
		}
	}
	return floor
}

// settled tells whether everything up to a sequence was taken in, but for stuck accounts.
func (w *window) settled(upTo uint64) bool {
	if w.seen < upTo || w.first != nil && w.first.sequence <= upTo {
		return false
	}
	for _, l := range w.catching {
		if l.from <= upTo {
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

// stuckUpTo gives the stuck accounts that may have a message up to a sequence, and why.
func (w *window) stuckUpTo(upTo uint64) map[string]error {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]error, len(w.stuck)+len(w.unparked))
	for _, kind := range [...]map[string]*lane{w.stuck, w.unparked} {
		for _, l := range kind {
			if l.from <= upTo {
				out[accountOf(l.subject)] = l.err
			}
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

// windowSize is what a window holds.
type windowSize struct {
	waiting, held   int // messages
	stuck, unparked int // accounts
	standing        bool
}

func (w *window) size() windowSize {
	w.mu.Lock()
	defer w.mu.Unlock()
	return windowSize{w.count, w.heldCount, len(w.stuck), len(w.unparked), w.standing()}
}

// close wakes whoever waits for room.
func (w *window) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.room.Broadcast()
}
