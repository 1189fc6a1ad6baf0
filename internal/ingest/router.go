package ingest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"

	"sundial/internal/pause"
)

const (
	// maxAttempts bounds the attempts at one message before its account counts as stuck, with pauses that double from
	// firstPause: a third of a second in all, so that whoever drains learns of it soon.
	maxAttempts = 5
	firstPause  = 20 * time.Millisecond

	// closePatience is how long the router waits for handlers at its end; they have all returned by then.
	closePatience = 30 * time.Second
)

// attempt goes with a message through the router and brings back why it failed.
type attempt struct {
	subject string
	err     error
}

type attemptKey struct{}

func attemptOf(m *message.Message) *attempt {
	a, ok := m.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		return &attempt{}
	}
	return a
}

// router makes the Watermill router of a term: one handler, fed by the term's lanes.
func (t *session) router() (*message.Router, error) {
	// The router's own log would repeat errors that are logged here, and messages.
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: closePatience}, watermill.NopLogger{})
	if err != nil {
		return nil, err
	}
	router.AddMiddleware(t.report, t.again, t.poison)
	router.AddConsumerHandler("billing", billingSubject+">", t, t.handle)
	return router, nil
}

// Subscribe makes the term a Watermill subscriber: it delivers the first message of each lane, and that lane's next one
// once it was acknowledged.
func (t *session) Subscribe(context.Context, string) (<-chan *message.Message, error) {
	return t.out, nil
}

// Close belongs to the subscriber; the term ends with its context.
func (t *session) Close() error { return nil }

// handle is the router's handler: the one translation, then the judgement.
func (t *session) handle(m *message.Message) error {
	subject := attemptOf(m).subject
	fact, unread := Decode(m.Payload)
	outcome, err := t.intake.judge(m.Context(), m.Payload, fact, unread, natsOrigin(subject))
	if err == nil {
		t.intake.metrics.count("nats", outcome.Outcome)
	}
	return err
}

// natsActor is who gives the commands of bills that come over NATS: whoever may publish them.
const natsActor = "billing:nats"

func natsOrigin(subject string) origin {
	return origin{subject: subject, account: accountOf(subject), actor: natsActor}
}

// report brings an error back to the lane; the router tells it only that there was one.
func (t *session) report(next message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) ([]*message.Message, error) {
		produced, err := next(m)
		attemptOf(m).err = err
		return produced, err
	}
}

// again tries a message again a few times; most causes are over by then.
func (t *session) again(next message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) ([]*message.Message, error) {
		patience := firstPause
		for n := 1; ; n++ {
			produced, err := next(m)
			if err == nil || n == maxAttempts || t.ctx.Err() != nil || errors.Is(err, ErrParkedFull) {
				return produced, err
			}
			t.intake.metrics.retries.Inc()
			pause.For(t.ctx, patience)
			patience *= 2
		}
	}
}

// poison parks a message on which the program panics: it would do so again, and hold its account for ever.
func (t *session) poison(next message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) (produced []*message.Message, err error) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			t.intake.log.Error("a defect: a billing event made the program panic, it is parked",
				"sequence", m.UUID, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
			err = t.intake.keepPoison(m.Context(), m.Payload, natsOrigin(attemptOf(m).subject))
		}()
		return next(m)
	}
}

// keepPoison parks an event that made the program panic.
func (i *Intake) keepPoison(ctx context.Context, b []byte, from origin) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), executeTimeout)
	defer cancel()
	_, err := i.keep(ctx, hashKey("poison\n", b), b, &Notification{}, from, codeProcessing,
		"The program failed on it, which is a defect. Report it, and replay the event once it is mended.")
	return err
}
