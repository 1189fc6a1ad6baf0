package rpc

import "sync"

const (
	// maxUnderWay bounds the commands under way: enough for the log's group commit to pay, and with bodies of 1 MB at
	// worst what a node has to spare.
	maxUnderWay = 512

	// maxOfAccount bounds those of one account. They are decided one after the other anyway, so that more of them would
	// only stand in the places of others.
	maxOfAccount = 32

	// maxWaiting bounds the requests that wait for a place, and maxWaitingOfAccount those on one account: as many as are
	// decided in half a second. One account's never keep others from waiting.
	maxWaiting          = 16_384
	maxWaitingOfAccount = 512

	// maxWaitingBytes bounds the bodies of those that wait, and maxWaitingBytesOfAccount those on one account: some with
	// the largest body that there may be, and far more than all that can wait with one as it is as a rule.
	maxWaitingBytes          = 128 << 20
	maxWaitingBytesOfAccount = 16 << 20
)

// turns gives places to requests, by turns to the accounts that have some waiting.
type turns struct {
	mu       sync.Mutex // guards what follows
	lines    map[string]*line
	next     []*line // those with a request that may begin, in the order in which it is their turn
	underWay int
	waiting  int
	bytes    int
}

// line is what one account has.
type line struct {
	account  string
	requests []request
	underWay int
	bytes    int
	queued   bool // in next
}

type request struct {
	size int
	do   func()
}

func newTurns() *turns { return &turns{lines: map[string]*line{}} }

// enter has a request done, at once or later, unless too many wait.
func (t *turns) enter(account string, size int, do func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[account]
	if l == nil {
		l = &line{account: account}
	}
	if t.waiting >= maxWaiting || len(l.requests) >= maxWaitingOfAccount ||
		t.bytes+size > maxWaitingBytes || l.bytes+size > maxWaitingBytesOfAccount {
		return false
	}
	t.lines[account] = l
	l.requests = append(l.requests, request{size, do})
	t.waiting++
	t.bytes += size
	l.bytes += size
	t.queue(l)
	t.begin()
	return true
}

// queue gives a line a turn, if it has something to begin.
func (t *turns) queue(l *line) {
	if !l.queued && len(l.requests) > 0 && l.underWay < maxOfAccount {
		l.queued = true
		t.next = append(t.next, l)
	}
}

// begin begins what there are places for.
func (t *turns) begin() {
	for t.underWay < maxUnderWay && len(t.next) > 0 {
		l := t.next[0]
		t.next = t.next[1:]
		l.queued = false
		r := l.requests[0]
		l.requests[0] = request{}
		l.requests = l.requests[1:]
		t.waiting--
		t.bytes -= r.size
		l.bytes -= r.size
		t.underWay++
		l.underWay++
		t.queue(l)
		go func() {
			defer t.done(l)
			r.do()
		}()
	}
}

func (t *turns) done(l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.underWay--
	l.underWay--
	if len(l.requests) == 0 && l.underWay == 0 {
		delete(t.lines, l.account)
	}
	t.queue(l)
	t.begin()
}

// counts says how many wait and how many are under way.
func (t *turns) counts() (waiting, underWay int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waiting, t.underWay
}
