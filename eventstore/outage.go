package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errStuck = errors.New("the NATS server cannot write to its disk: make room, or see why it cannot be written; then the server has to be started anew, which an engine does by itself")

// failure is why appends are refused.
type failure struct {
	err   error
	retry time.Time // when to let one append through; zero: the log must be looked at first
	final bool      // it is corrupt: never again
}

func (a *appender) failure() error {
	if f := a.failed.Load(); f != nil {
		return f.err
	}
	return nil
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
