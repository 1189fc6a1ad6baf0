package api

import (
	"cmp"
	"context"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"sundial/internal/turns"
)

const (
	// DefaultRate is how many requests a second one token may send on average: more than one machine answers, so it
	// stops a loop gone wild before others suffer and nobody else.
	DefaultRate = 200_000

	// maxCallerRequests bounds the requests of one token under way: what keeps group commit fed many times over, and a
	// part of maxRequests, so that one token cannot have them all.
	maxCallerRequests = 2048

	// maxRequests bounds the requests under way. Each may hold a body of a megabyte at worst, some kilobytes as a rule.
	maxRequests = 8192

	// maxCallerStreams bounds the streams of one token: a console in some windows, or a consumer and its replacement.
	maxCallerStreams = 8

	// maxCallerLong bounds the long reads of one token, those that wait for their turn among them: each may go through
	// all that an account ever did, and who sends more keeps others waiting.
	maxCallerLong = 64

	// longPatience bounds a long read, its wait included: what takes longer finds nobody who still waits for it.
	longPatience = 20 * time.Second

	// longReads is how many long reads are worked on at once, which is what the reader of the log lets in; one account
	// has at most half of the places, so that another's come soon.
	longReads = 4

	// maxStreams bounds all streams: each holds a page, a megabyte at worst, while it writes.
	maxStreams = 512
)

// reads is how many reads are worked on at once, those that look up one thing aside: two for each processor, so that they are
// busy. One account has one less than there are processors, its long reads apart: where all are kept busy, each step of
// another's request waits until the runtime takes one away, 10 ms.
var (
	reads       = 2 * runtime.GOMAXPROCS(0)
	mostOfReads = max(runtime.GOMAXPROCS(0)-1, 1)
)

// limits keeps one client from taking everything, and all together from taking more than there is.
type limits struct {
	rate     float64
	underWay atomic.Int64
	streams  atomic.Int64
	bytes    budget
	callers  sync.Map // token id -> *caller; at most auth.MaxTokens, and those long forgotten
}

// enter counts a request in, unless there are too many.
func (l *limits) enter() bool {
	if l.underWay.Add(1) > maxRequests {
		l.underWay.Add(-1)
		return false
	}
	return true
}

func (l *limits) leave() { l.underWay.Add(-1) }

// caller gives what is counted of a token.
func (l *limits) caller(token string) *caller {
	if g, known := l.callers.Load(token); known {
		return g.(*caller)
	}
	// A second's worth at once: clients send in bursts.
	g, _ := l.callers.LoadOrStore(token, &caller{rate: rate.NewLimiter(rate.Limit(l.rate), max(int(l.rate), 1))})
	return g.(*caller)
}

type caller struct {
	rate     *rate.Limiter
	underWay atomic.Int64
	streams  atomic.Int64
	long     atomic.Int64
	bytes    budget
}

func (g *caller) enter(now time.Time) bool {
	if g.underWay.Add(1) > maxCallerRequests || !g.rate.AllowN(now, 1) {
		g.underWay.Add(-1)
		return false
	}
	return true
}

func (g *caller) leave() { g.underWay.Add(-1) }

// stream counts a stream of a token in, unless there are too many.
func (l *limits) stream(g *caller) (leave func(), problem reply, fine bool) {
	if l.streams.Add(1) > maxStreams {
		l.streams.Add(-1)
		return nil, overloaded.reply(), false
	}
	if g.streams.Add(1) > maxCallerStreams {
		g.streams.Add(-1)
		l.streams.Add(-1)
		return nil, tooManyStreams.reply(), false
	}
	return func() {
		g.streams.Add(-1)
		l.streams.Add(-1)
	}, reply{}, true
}

// long answers a read that may go through all that an account ever did.
func (x *call) long() reply {
	defer x.caller.long.Add(-1)
	if x.caller.long.Add(1) > maxCallerLong {
		return tooFast.reply()
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), longPatience)
	defer cancel()
	x.r = x.r.WithContext(ctx)
	rep := x.inTurn(x.api.long)
	if ctx.Err() != nil && rep.status >= http.StatusInternalServerError {
		return overloaded.reply().because(rep.err)
	}
	return rep
}

// inTurn answers a read when it is its account's turn.
func (x *call) inTurn(t *turns.Turns) reply {
	leave, problem, fine := x.turn(t)
	if !fine {
		return problem
	}
	defer leave()
	return x.rt.serve(x.api, x)
}

// turn waits for the account's turn.
func (x *call) turn(t *turns.Turns) (leave func(), problem reply, fine bool) {
	leave, err := t.Enter(x.r.Context(), cmp.Or(x.who.Account, x.who.TokenID), x.who.TokenID)
	if err != nil {
		return nil, overloaded.reply().because(err), false
	}
	return leave, reply{}, true
}
