package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
)

const (
	// maxRetries bounds the attempts at one message, after its first one, before its account counts as stuck: half a
	// second in all, so that whoever drains learns of it soon.
	maxRetries = 4
	// The pauses between them are 20, 80, 160 and 160 ms: the middleware doubles once more for each time it asks
	// ShouldRetry, so every other pause is never made.
	firstPause = 10 * time.Millisecond
	lastPause  = 160 * time.Millisecond

	// closePatience is how long the router waits for handlers at its end; they have all returned by then.
	closePatience = 30 * time.Second
)

// attempt goes with a message through the router and brings back why it failed.
type attempt struct {
	subject string
	made    int // how often it was given to the handler
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
	wrapping, err := t.wrapping()
	if err != nil {
		return nil, err
	}
	router.AddMiddleware(wrapping...)
	router.AddConsumerHandler("billing", billingSubject+">", t, t.handle)
	return router, nil
}

// wrapping is what the handler is wrapped in, from the outside in. The poison queue stands inside the retries, so that
// what cannot be parked now is tried again like everything else, and takes panics alone: any other error is the
// engine's, and parking for it would take good bills out of their account's order.
func (t *session) wrapping() ([]message.HandlerMiddleware, error) {
	retry := middleware.Retry{
		MaxRetries: maxRetries, InitialInterval: firstPause, MaxInterval: lastPause, Multiplier: 2,
		ShouldRetry: func(p middleware.RetryParams) bool { return !errors.Is(p.Err, ErrParkedFull) }, // until a person has made room
	}
	poison, err := middleware.PoisonQueueWithFilter(poisonQueue{t.intake}, parkedStream, panicked)
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	return []message.HandlerMiddleware{report, retry.Middleware, poison, middleware.Recoverer}, nil
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
	this := attemptOf(m)
	if this.made++; this.made > 1 {
		t.intake.metrics.retries.Inc()
	}
	fact, unread := Decode(m.Payload)
	outcome, err := t.intake.judge(m.Context(), m.Payload, fact, unread, natsOrigin(this.subject))
	if err == nil {
		t.intake.metrics.count("nats", outcome.Outcome)
	}
	return err
}

// NATSActor is who gives the commands of bills that come over NATS: whoever may publish them.
const NATSActor = "billing:nats"

func natsOrigin(subject string) origin {
	return origin{subject: subject, account: accountOf(subject), actor: NATSActor}
}

// report brings an error back to the lane; the router tells it only that there was one.
func report(next message.HandlerFunc) message.HandlerFunc {
	return func(m *message.Message) ([]*message.Message, error) {
		produced, err := next(m)
		var unparked *unparkedError
		if errors.As(err, &unparked) {
			err = unparked // what it is joined with holds the panic's stack, which is in the log
		}
		attemptOf(m).err = err
		return produced, err
	}
}

// panicked tells whether the program failed on a message: it would do so again, and hold its account for ever.
func panicked(err error) bool {
	var p middleware.RecoveredPanicError
	return errors.As(err, &p)
}

// poisonQueue is the parking place as Watermill's publisher: it parks what made the program panic.
type poisonQueue struct{ intake *Intake }

var _ message.Publisher = poisonQueue{}

// Publish parks messages; the middleware has noted on each what it did. The topic is the one parking place.
func (q poisonQueue) Publish(_ string, messages ...*message.Message) error {
	for _, m := range messages {
		q.intake.log.Error("a defect: a billing event made the program panic, it is parked",
			"sequence", m.UUID, "panic", m.Metadata.Get(middleware.ReasonForPoisonedKey))
		if err := q.intake.keepPoison(m.Context(), m.Payload, natsOrigin(attemptOf(m).subject)); err != nil {
			return &unparkedError{err}
		}
	}
	return nil
}

// Close is Watermill's; the parking place is the intake's.
func (poisonQueue) Close() error { return nil }

// unparkedError says why what made the program panic could not be parked.
type unparkedError struct{ err error }

func (e *unparkedError) Error() string {
	return "the program panicked on it, and it could not be parked: " + e.err.Error()
}
func (e *unparkedError) Unwrap() error { return e.err }

// keepPoison parks an event that made the program panic.
func (i *Intake) keepPoison(ctx context.Context, b []byte, from origin) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), executeTimeout)
	defer cancel()
	_, err := i.keep(ctx, hashKey("poison\n", b), b, &Notification{}, from, codeProcessing,
		"The program failed on it, which is a defect. Report it, and replay the event once it is mended.")
	return err
}
