package ingest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// lookForLost is how often it is looked whether the fetching stands before a bill that the server cannot give: it would wait
	// there for ever, and all that came behind it too.
	lookForLost = 5 * time.Second

	// maxAsked bounds the accounts of which it is asked whether a lost bill is theirs.
	maxAsked = 1000
)

// passLost looks for bills that were acknowledged and that the server cannot give any more, names them, and goes on behind them.
func (t *session) passLost(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	stood := uint64(0) // where the fetching stood, with more to come
	for {
		select {
		case <-t.ctx.Done():
			return
		case <-tick.C:
		}
		seen := t.window.reached()
		info, err := t.intake.info(t.ctx)
		switch {
		case err != nil || info.State.LastSeq <= seen:
			stood = 0
		case stood != seen+1:
			stood = seen + 1
		default:
			t.passOne(max(seen+1, info.State.FirstSeq), info.State.LastSeq)
		}
	}
}

// passOne goes on behind the bills that are lost from a sequence on, if that one is.
func (t *session) passOne(from, last uint64) {
	upTo := from - 1
	for upTo < last && t.isLost(upTo+1) {
		upTo++
	}
	if upTo < from {
		return
	}
	t.sayLost(from, upTo)
	t.window.pass(upTo)
	t.mu.Lock()
	again := t.again
	t.mu.Unlock()
	if again != nil {
		again()
	}
}

func (t *session) isLost(sequence uint64) bool {
	ctx, cancel := context.WithTimeout(t.ctx, requestTimeout)
	defer cancel()
	_, err := t.intake.stream.GetMsg(ctx, sequence)
	return errors.Is(err, jetstream.ErrMsgNotFound)
}

// gap is called when bills come that are not the next ones. Those that another node has taken in are purged from the stream's
// beginning; what is missing behind that is lost.
func (t *session) gap(from, upTo uint64) {
	info, err := t.intake.info(t.ctx)
	if err != nil {
		t.intake.log.Warn("bills are missing, and the stream does not say whether they were taken in", "from", from, "to", upTo, "error", err)
		return
	}
	if from = max(from, info.State.FirstSeq); from <= upTo {
		t.sayLost(from, upTo)
	}
}

func (t *session) sayLost(from, upTo uint64) {
	t.intake.log.Error("bills that were acknowledged are lost: have the billing systems send again what was not taken in, which is a duplicate where it was",
		"stream", billingStream, "from", from, "to", upTo, "accounts", t.losers())
}

// losers are the accounts whose latest bill the server knows of and cannot give; none where that is not known.
func (t *session) losers() (accounts []string) {
	ctx, cancel := context.WithTimeout(t.ctx, requestTimeout)
	defer cancel()
	info, err := t.intake.stream.Info(ctx, jetstream.WithSubjectFilter(billingSubject+"*"))
	if err != nil || len(info.State.Subjects) > maxAsked {
		return nil
	}
	for subject := range info.State.Subjects {
		if _, err := t.intake.stream.GetLastMsgForSubject(ctx, subject); errors.Is(err, jetstream.ErrMsgNotFound) {
			accounts = append(accounts, accountOf(subject))
		}
	}
	slices.Sort(accounts)
	return accounts
}

// reached is the sequence that was fetched last.
func (w *window) reached() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// pass goes on behind what is not to be had.
func (w *window) pass(upTo uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if upTo > w.seen {
		w.seen = upTo
		w.tell()
	}
}
