package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"

	"sundial/internal/pause"
)

const (
	// drainSubject is where other nodes ask the one that takes in from NATS to drain. It lies outside what clients may
	// use.
	drainSubject = "sundial.ingest.drain"

	// drainPatience bounds one such request; the asker asks again.
	drainPatience = 5 * time.Second

	// lookEvery is how often a drain looks whether what it waits for exists at all.
	lookEvery = 100 * time.Millisecond
)

var errTermOver = errors.New("ingest: this node stopped taking in")

// Drain waits until everything that had arrived over NATS when it was called has been taken in or parked, and what
// waited for apps that had appeared has been replayed. It gives the accounts of which that is not so, each with why:
// the others may go on without them. It costs a request to the server when nothing waits.
func (i *Intake) Drain(ctx context.Context) (stuck map[string]error, err error) {
	info, err := i.info(ctx)
	if err != nil {
		return nil, fmt.Errorf("draining the billing events: %w", err)
	}
	stuck = map[string]error{}
	if info.State.Msgs > 0 {
		for {
			some, err := i.drainStream(ctx, info.State.LastSeq)
			if err == nil {
				maps.Copy(stuck, some)
				break
			}
			if ctx.Err() != nil {
				return nil, fmt.Errorf("draining the billing events: %w", ctx.Err())
			}
			pause.For(ctx, lookEvery) // another node is about to take over
		}
	}
	some, err := i.replays.drain(ctx)
	if err != nil {
		return nil, fmt.Errorf("replaying parked billing events: %w", err)
	}
	maps.Copy(stuck, some)
	return stuck, nil
}

func (i *Intake) drainStream(ctx context.Context, upTo uint64) (map[string]error, error) {
	if t := i.term.Load(); t != nil {
		return t.drain(ctx, upTo)
	}
	if info, err := i.info(ctx); err == nil && (info.State.Msgs == 0 || info.State.FirstSeq > upTo) {
		return nil, nil // taken in meanwhile
	}
	stuck := map[string]error{}
	for after := ""; ; {
		reply, err := i.askToDrain(ctx, after)
		if err != nil {
			return nil, err
		}
		for account, why := range reply.Stuck {
			stuck[account] = errors.New(why)
			after = max(after, account)
		}
		if !reply.More {
			return stuck, nil
		}
	}
}

// askToDrain asks the node that takes in from NATS, for the stuck accounts that come after one.
func (i *Intake) askToDrain(ctx context.Context, after string) (reply drainReply, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*drainPatience)
	defer cancel()
	m, err := i.config.JetStream.Conn().RequestWithContext(ctx, drainSubject, []byte(after))
	if err != nil {
		return reply, err
	}
	if err := json.Unmarshal(m.Data, &reply); err != nil {
		return reply, err
	}
	if reply.Error != "" {
		return reply, errors.New(reply.Error)
	}
	return reply, nil
}

// drain waits until the window has settled up to a sequence.
func (t *session) drain(ctx context.Context, upTo uint64) (map[string]error, error) {
	one := t.window.wait(upTo)
	defer t.window.leave(one)
	look := time.NewTimer(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-one.done:
			return t.window.stuckUpTo(upTo), nil
		case <-t.over:
			return nil, errTermOver
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-look.C:
			t.look(ctx, upTo)
			look.Reset(lookEvery)
		}
	}
}

// look finds out whether messages up to a sequence are missing because another node has purged them: the consumer has
// then nothing left to deliver, and what it delivered has arrived.
func (t *session) look(ctx context.Context, upTo uint64) {
	t.window.mu.Lock()
	seen := t.window.seen
	t.window.mu.Unlock()
	t.mu.Lock()
	consumer := t.consumer
	t.mu.Unlock()
	if seen >= upTo || consumer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	info, err := consumer.Info(ctx)
	if err == nil && info.NumPending == 0 && info.Delivered.Stream <= seen {
		t.window.nothingUpTo(upTo)
	}
}

type drainReply struct {
	Stuck map[string]string `json:"stuck"`
	More  bool              `json:"more,omitzero"` // ask for those behind the last one
	Error string            `json:"error,omitzero"`
}

// maxDrained bounds the stuck accounts that one answer names, so that it fits in a message.
const maxDrained = 4000

// answer drains for other nodes while the term lasts.
func (t *session) answer() {
	requests := make(chan *nats.Msg, 64) // nodes ask one at a time
	sub, err := t.intake.config.JetStream.Conn().ChanSubscribe(drainSubject, requests)
	if err != nil {
		t.intake.log.Error("other nodes cannot ask this one to drain billing events", "error", err)
		return
	}
	defer func() { _ = sub.Unsubscribe() }()
	for {
		select {
		case m := <-requests:
			t.reply(m)
		case <-t.ctx.Done():
			return
		}
	}
}

func (t *session) reply(m *nats.Msg) {
	ctx, cancel := context.WithTimeout(t.ctx, drainPatience)
	defer cancel()
	var reply drainReply
	stuck, err := t.intake.Drain(ctx)
	if err != nil {
		reply.Error = err.Error()
	}
	accounts := slices.Sorted(maps.Keys(stuck))
	first, found := slices.BinarySearch(accounts, string(m.Data))
	if found {
		first++
	}
	last := min(first+maxDrained, len(accounts))
	reply.Stuck, reply.More = make(map[string]string, last-first), last < len(accounts)
	for _, account := range accounts[first:last] {
		reply.Stuck[account] = clipped(stuck[account].Error())
	}
	if b, err := json.Marshal(reply, json.Deterministic(true)); err == nil {
		_ = m.Respond(b) // the asker asks again
	}
}

// clipped keeps why one account is stuck from filling the answer.
func clipped(why string) string {
	const most = 160
	if len(why) > most {
		return why[:most] + "..."
	}
	return why
}
