package eventstore

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"sundial/internal/atomicbatch"
)

// flight is what one acknowledgement will answer: a single publish or a batch.
type flight struct {
	requests []*request
	sent     time.Time
	deadline time.Time
	one      [1]*request
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
	id := a.ids.Next()
	for i, r := range batch {
		final, reply := i == len(batch)-1, ""
		if final {
			reply = a.reply(token)
		}
		err := a.publish(r, reply, id, i+1, final)
		if err == nil {
			continue
		}
		// Without its final message the server drops the whole of it.
		if ownFault(err) {
			a.unsent(r, err, false)
			a.sendBatch(slices.Delete(batch, i, i+1))
			return
		}
		for _, r := range batch {
			a.unsent(r, err, final)
		}
		return
	}
	now := time.Now()
	a.flights[token] = &flight{requests: batch, sent: now, deadline: now.Add(a.config.AckTimeout)}
	a.batches++
}

// unsent answers a request that the connection did not take, or may not have taken whole.
func (a *appender) unsent(r *request, err error, final bool) {
	switch {
	case ownFault(err):
		err = fmt.Errorf("eventstore: the commit cannot be sent: %w", err)
	case final && !refusedByConnection(err):
		err = fmt.Errorf("%w: %w", ErrUnknown, err)
	default:
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	a.answer(r, outcome{err: err})
}

// ownFault tells whether an error of publishing is the message's, and not the connection's.
func ownFault(err error) bool {
	return errors.Is(err, nats.ErrBadHeaderMsg) || errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrBadSubject)
}

// refusedByConnection tells whether an error of publishing came before anything was written.
func refusedByConnection(err error) bool {
	for _, e := range []error{
		nats.ErrInvalidConnection, nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrReconnectBufExceeded,
		nats.ErrHeadersNotSupported,
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

const headerExpected = "Nats-Expected-Last-Subject-Sequence"

// publish hands a message to the connection, which copies it.
func (a *appender) publish(r *request, reply, batch string, number int, final bool) error {
	h := a.header
	clear(h)
	for k, v := range r.header {
		h[k] = v
	}
	h[headerExpected] = []string{strconv.FormatUint(r.expected, 10)}
	if batch != "" {
		atomicbatch.Mark(h, batch, number, final)
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
			a.linger(f)
		}
		for i, r := range f.requests {
			a.stale(r.account, seq-n+1+uint64(i))
			a.answer(r, outcome{seq: seq - n + 1 + uint64(i)})
		}
	}
}

// linger begins to wait for the writers of a batch that is done; the slowest are not waited for.
func (a *appender) linger(f *flight) {
	now := time.Now()
	a.expecting = len(a.ready) + len(f.requests) - len(f.requests)/8
	a.lingering = now.Add(min(max(now.Sub(f.sent), lingerLeast), lingerMost))
	a.came = now
}

// patience is until when to wait for them.
func (a *appender) patience() time.Time {
	if end := a.came.Add(lingerGap); end.Before(a.lingering) {
		return end
	}
	return a.lingering
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
