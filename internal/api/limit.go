package api

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// DefaultRate is how many requests a second one token may send on average: more than one machine answers, so it
	// stops a loop gone wild before others suffer and nobody else.
	DefaultRate = 200_000

	// maxGuestRequests bounds the requests of one token under way: what keeps group commit fed many times over, and a
	// part of maxRequests, so that one token cannot have them all.
	maxGuestRequests = 2048

	// maxRequests bounds the requests under way. Each may hold a body of a megabyte at worst, some kilobytes as a rule.
	maxRequests = 8192

	// maxGuestStreams bounds the streams of one token: a console in some windows, or a consumer and its replacement.
	maxGuestStreams = 8

	// maxGuestLong bounds the long reads of one token, those that wait for their turn among them: each may go through
	// all that an account ever did, and who sends more keeps others waiting.
	maxGuestLong = 64

	// longPatience bounds a long read, its wait included: what takes longer finds nobody who still waits for it.
	longPatience = 20 * time.Second

	// maxStreams bounds all streams: each holds a page, a megabyte at worst, while it writes.
	maxStreams = 512
)

// limits keeps one client from taking everything, and all together from taking more than there is.
type limits struct {
	rate     float64
	underWay atomic.Int64
	streams  atomic.Int64
	guests   sync.Map // token id -> *guest; at most auth.MaxTokens, and those long forgotten
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

// guest gives what is counted of a token.
func (l *limits) guest(token string) *guest {
	if g, known := l.guests.Load(token); known {
		return g.(*guest)
	}
	// A second's worth at once: clients send in bursts.
	g, _ := l.guests.LoadOrStore(token, &guest{rate: rate.NewLimiter(rate.Limit(l.rate), max(int(l.rate), 1))})
	return g.(*guest)
}

type guest struct {
	rate     *rate.Limiter
	underWay atomic.Int64
	streams  atomic.Int64
	long     atomic.Int64
}

func (g *guest) enter(now time.Time) bool {
	if g.underWay.Add(1) > maxGuestRequests || !g.rate.AllowN(now, 1) {
		g.underWay.Add(-1)
		return false
	}
	return true
}

func (g *guest) leave() { g.underWay.Add(-1) }

// stream counts a stream of a token in, unless there are too many.
func (l *limits) stream(g *guest) (leave func(), problem reply, fine bool) {
	if l.streams.Add(1) > maxStreams {
		l.streams.Add(-1)
		return nil, overloaded.reply(), false
	}
	if g.streams.Add(1) > maxGuestStreams {
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
func (x *exchange) long() reply {
	defer x.guest.long.Add(-1)
	if x.guest.long.Add(1) > maxGuestLong {
		return tooFast.reply()
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), longPatience)
	defer cancel()
	x.r = x.r.WithContext(ctx)
	rep := x.rt.serve(x.api, x)
	if ctx.Err() != nil && rep.status >= http.StatusInternalServerError {
		return overloaded.reply().because(rep.err)
	}
	return rep
}
