package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"

	"sundial/domain"
	"sundial/eventstore"
)

// FactPrefix begins the command ids of billing facts, which are unique in the whole engine, not only in an account.
const FactPrefix = "fact/"

// Request is a command with what is to be known about it.
type Request struct {
	Account     string
	ID          string // unique within the account, forever; with FactPrefix, everywhere
	Command     domain.Command
	Print       eventstore.Hash // keyed, of all that was sent, where that holds secrets; zero: the command's content tells it from others
	Role        domain.Role
	Actor       string // who gave it: "owner:tok_…"
	Reason      string
	Correlation string
	IfMatch     []uint64 // the versions of which the command's app must have one; nil: any
	Durable     bool     // answer when it is committed, without the app; otherwise when this node's projections have it
}

// Outcome says what a command led to.
type Outcome string

// The outcomes beside a refusal.
const (
	Appended Outcome = "appended" // events were committed
	Silent   Outcome = "silent"   // it was so already
	Repeated Outcome = "repeated" // the same command was committed before; this is the first answer
)

// Answer is what came of a command.
type Answer struct {
	Outcome  Outcome
	Position uint64          // of its commit; where it was silent, of the account's latest
	App      *domain.App     // the app as the command left it; nil for a command on the account; may be nil with Durable
	Account  *domain.Account // without its apps; may be nil with Durable
	Events   []domain.Event
}

// ContentHash tells commands apart that carry one id: the account, the command's name and its content as JSON, as
// domain.Content has it.
func ContentHash(account string, cmd domain.Command) (eventstore.Hash, error) {
	return WholeHash(account, domain.Content(cmd))
}

// WholeHash is ContentHash as earlier programs had it: of all that the command carries. What they kept under it is found
// by it.
func WholeHash(account string, cmd domain.Command) (eventstore.Hash, error) {
	body, err := json.Marshal(cmd, json.Deterministic(true))
	if err != nil {
		return eventstore.Hash{}, fmt.Errorf("engine: the command %s has no JSON form: %w", cmd.Name(), err)
	}
	h := sha256.New()
	h.Write([]byte(cmd.Name() + "\n" + account + "\n"))
	h.Write(body)
	return eventstore.Hash(h.Sum(nil)), nil
}

// content is what a command is told from others by.
func (r *Request) content() (eventstore.Hash, error) {
	if !r.Print.IsZero() {
		return r.Print, nil
	}
	return ContentHash(r.Account, r.Command)
}

// Execute decides a command and commits what it leads to. It answers once the commit is durable and, unless Durable
// asks for no more than that, once this node's projections have it; if they are slow, after five seconds all the same.
func (e *Engine) Execute(ctx context.Context, req Request) (Answer, error) {
	started := time.Now() //nolint:forbidigo // a duration, for the metrics
	content, err := req.content()
	if err != nil {
		return Answer{}, e.formless(req, err)
	}
	answer, err := e.execute(ctx, req, content)
	e.metrics.observe(req.Command.Name(), answer.Outcome, err, time.Since(started)) //nolint:forbidigo // see above
	if err != nil || req.Durable || answer.Outcome == Silent {
		return answer, err
	}
	e.Projected(ctx, answer.Position)
	return answer, nil
}

// Committed gives the answer that a command got when it was committed, false if none was under its id: ErrIDReused if
// that was another command, ErrUnprinted if it may have been. Of the command no more counts than what is its content, or its
// name where there is a print.
func (e *Engine) Committed(ctx context.Context, req Request) (Answer, bool, error) {
	started := time.Now() //nolint:forbidigo // a duration, for the metrics
	content, err := req.content()
	if err != nil {
		return Answer{}, false, e.formless(req, err)
	}
	acc, err := e.cache.acquire(ctx, req.Account)
	if err != nil {
		return Answer{}, false, err
	}
	defer e.cache.release(acc)
	if err := e.load(ctx, acc); err != nil {
		return Answer{}, false, err
	}
	if _, err := e.overtaken(ctx, acc); err != nil {
		return Answer{}, false, err
	}
	at, found, err := e.find(ctx, acc, req.ID)
	if err != nil || !found {
		return Answer{}, false, err
	}
	if at.content != content {
		if err := e.sameAsBefore(ctx, acc, at, req); err != nil {
			return Answer{}, true, err
		}
	}
	answer, err := e.repeat(ctx, acc, at)
	e.metrics.observe(req.Command.Name(), answer.Outcome, err, time.Since(started)) //nolint:forbidigo // see above
	if err == nil {
		e.Projected(ctx, answer.Position)
	}
	return answer, true, err
}

// RecordedAt is when the commit at a position of the log was recorded.
func (e *Engine) RecordedAt(ctx context.Context, position uint64) (domain.Instant, error) {
	m, err := e.config.Log.Get(ctx, position)
	if err != nil {
		return 0, fmt.Errorf("%w (%w)", ErrUnavailable, err)
	}
	commit, err := eventstore.DecodeCommit(m.Payload)
	return domain.Instant(commit.RecordedAt), err
}

// Projected waits until who reads here after a commit will see it. Where that takes longer than five seconds the commit
// is to be answered all the same, with its position.
func (e *Engine) Projected(ctx context.Context, position uint64) {
	ctx, cancel := context.WithTimeout(ctx, projectionPatience)
	defer cancel()
	if err := e.config.Store.Wait(ctx, position); err != nil {
		e.config.Logger.Warn("answering before the projections have the commit", "position", position, "error", err)
	}
}

// formless names what is wrong with a command that has no JSON form, such as a required time that is absent. What makes
// sense is judged before anything is looked up, so it needs no account.
func (e *Engine) formless(req Request, err error) error {
	var invalid *domain.Invalid
	_, wrong := domain.Decide(domain.NewAccount(req.Account), req.Command, domain.Moment{
		Now: e.Now(), Policy: e.config.Policy, Role: req.Role,
	})
	if errors.As(wrong, &invalid) {
		return invalid
	}
	return err
}

func (e *Engine) execute(ctx context.Context, req Request, content eventstore.Hash) (Answer, error) {
	if strings.HasPrefix(req.ID, FactPrefix) {
		unlock, err := e.facts.lock(ctx, req.ID)
		if err != nil {
			return Answer{}, err
		}
		defer unlock()
	}
	acc, err := e.cache.acquire(ctx, req.Account)
	if err != nil {
		return Answer{}, err
	}
	defer e.cache.release(acc)

	t := &try{engine: e, req: req, content: content, acc: acc}
	defer t.giveBack()
	for attempt := range maxAttempts {
		answer, again, err := t.once(ctx)
		if !again {
			return answer, err
		}
		if attempt > 2 { // two nodes that decide in step would collide in step
			pause := time.NewTimer(rand.N(time.Duration(attempt) * time.Millisecond))
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
				return Answer{}, ctx.Err()
			}
		}
	}
	return Answer{}, ErrBusy
}

// try is one command under its account's lock.
type try struct {
	engine  *Engine
	req     Request
	content eventstore.Hash
	acc     *account
	number  uint64 // taken for a new app and not used yet
}

// once looks the id up, decides, and appends. again asks for another round: others have committed in between.
func (t *try) once(ctx context.Context) (answer Answer, again bool, err error) {
	e := t.engine
	if err := e.load(ctx, t.acc); err != nil {
		return Answer{}, false, err
	}
	if at, found, err := e.find(ctx, t.acc, t.req.ID); err != nil {
		return Answer{}, false, err
	} else if found {
		if at.content != t.content {
			if err := e.sameAsBefore(ctx, t.acc, at, t.req); err != nil {
				return Answer{}, false, err
			}
		}
		if strings.HasPrefix(t.req.ID, FactPrefix) {
			// Who reports facts asks whether they are in, not what the app was then; after a restart many come again.
			return Answer{Outcome: Repeated, Position: at.position}, false, nil
		}
		answer, err := e.repeat(ctx, t.acc, at)
		return answer, false, err
	}
	state := t.acc.state
	if t.req.IfMatch != nil {
		if app := state.Apps[t.req.Command.Subject()]; app != nil && !slices.Contains(t.req.IfMatch, app.Version) {
			return t.unless(ctx, Answer{}, ErrStale)
		}
	}
	now := max(e.Now(), state.RecordedAt)
	_, creates := t.req.Command.(domain.CreateApp)
	shared := false
	if renumbers, is := t.req.Command.(domain.RenumberApp); is {
		if shared, err = e.shared(ctx, t.req.Account, renumbers.App); err != nil {
			return Answer{}, false, err
		}
	}
	if (creates || shared) && t.number == 0 {
		if t.number, err = e.apps.handOut(ctx); err != nil {
			return Answer{}, false, err
		}
	}
	events, err := domain.Decide(state, t.req.Command, domain.Moment{
		Now: now, Policy: e.config.Policy, NewApp: domain.AppID(t.number), Shared: shared, Role: t.req.Role, Actor: t.req.Actor,
	})
	if err != nil || len(events) == 0 {
		answer := Answer{Outcome: Silent, Position: state.Position}
		switch {
		case err != nil:
			answer = Answer{}
		case !t.req.Durable:
			answer.App, answer.Account = t.app(state), head(state)
		}
		return t.unless(ctx, answer, err)
	}
	if imports, ok := t.req.Command.(domain.ImportApp); ok {
		if err := e.claim(ctx, imports, t.req.Account); err != nil {
			return Answer{}, false, err
		}
	}
	return t.commit(ctx, now, events)
}

// shared tells whether another account's app has an app's number, and had it first.
func (e *Engine) shared(ctx context.Context, account string, app domain.AppID) (bool, error) {
	if err := e.Settle(ctx); err != nil {
		return false, err
	}
	later, err := e.config.Store.Later(ctx, account, app)
	if err != nil {
		return false, fmt.Errorf("engine: looking whose number it is: %w", err)
	}
	return later, nil
}

// claim makes the numbers that an import brings its own: those of the app and of its certificates.
func (e *Engine) claim(ctx context.Context, imports domain.ImportApp, account string) error {
	if err := e.apps.claim(ctx, uint64(imports.App), account); err != nil {
		return err
	}
	for _, c := range imports.Certificates {
		if err := e.certificates.claim(ctx, uint64(c.ID), certificateOwner(account, imports.App)); err != nil {
			return err
		}
	}
	return nil
}

// unless gives an answer that appends nothing, unless the state that it rests on has been overtaken.
func (t *try) unless(ctx context.Context, answer Answer, refusal error) (Answer, bool, error) {
	moved, err := t.engine.overtaken(ctx, t.acc)
	if err != nil {
		return Answer{}, false, err
	}
	return answer, moved, refusal
}

func (t *try) commit(ctx context.Context, now domain.Instant, events []domain.Event) (Answer, bool, error) {
	e, acc := t.engine, t.acc
	payload, header, err := t.encode(now, events)
	if err != nil {
		return Answer{}, false, tooLarge(err)
	}
	position, err := e.config.Log.Append(ctx, t.req.Account, acc.sequence, payload, header)
	var conflict *eventstore.ConflictError
	switch {
	case err == nil:
	case errors.As(err, &conflict):
		e.metrics.conflicts.Inc()
		return Answer{}, true, e.catchUp(ctx, acc)
	case errors.Is(err, eventstore.ErrUnknown):
		acc.forget()
		t.number = 0 // it may be in the log
		return Answer{}, false, fmt.Errorf("%w (%w)", ErrUnknown, err)
	case errors.Is(err, eventstore.ErrUnavailable):
		return Answer{}, false, fmt.Errorf("%w (%w)", ErrUnavailable, err)
	default:
		return Answer{}, false, tooLarge(err)
	}
	t.number = 0
	acc.apply(domain.Recorded{At: now, Position: position}, events)
	acc.sequence, acc.hash, acc.latest = position, eventstore.HashOf(payload), true
	acc.remember(recent{id: t.req.ID, position: position, content: t.content}, e.config.Store.Position())
	if strings.HasPrefix(t.req.ID, FactPrefix) {
		e.facts.remember(t.req.ID, position, e.config.Store.Position())
	}
	e.appeared(t.req.Account, events)
	answer := Answer{Outcome: Appended, Position: position, Events: events}
	if !t.req.Durable {
		answer.App, answer.Account = appOf(acc.state, events), head(acc.state)
	}
	return answer, false, nil
}

// tooLarge says in the engine's words that a commit is.
func tooLarge(err error) error {
	if errors.Is(err, eventstore.ErrTooLarge) {
		return fmt.Errorf("%w (%w)", ErrTooLarge, err)
	}
	return err
}

func (t *try) encode(now domain.Instant, events []domain.Event) ([]byte, nats.Header, error) {
	commit := eventstore.Commit{
		Account: t.req.Account, ID: t.req.ID, Command: t.req.Command.Name(), Content: t.content, Keyed: !t.req.Print.IsZero(),
		Actor: t.req.Actor, Reason: t.req.Reason, Correlation: t.req.Correlation,
		RecordedAt: int64(now), Previous: t.acc.hash, Events: make([]eventstore.Event, len(events)),
	}
	var err error
	for i, event := range events {
		if commit.Events[i], err = t.engine.codec.Encode(event); err != nil {
			return nil, nil, err
		}
	}
	payload, err := commit.Encode()
	return payload, commit.Header(), err
}

// giveBack returns a number that no app got.
func (t *try) giveBack() {
	if t.number != 0 {
		t.engine.apps.giveBack(t.number)
	}
}

// app is a copy of the app that the command is about, under the number that it has now.
func (t *try) app(state *domain.Account) *domain.App {
	if app := state.Apps[t.req.Command.Subject()]; app != nil {
		if moved := state.Apps[app.Renumbered]; moved != nil {
			app = moved
		}
		return app.Clone()
	}
	return nil
}

// appOf is a copy of the app that the events are about.
func appOf(state *domain.Account, events []domain.Event) *domain.App {
	for _, event := range events {
		if app := state.Apps[event.Subject()]; app != nil {
			return app.Clone()
		}
	}
	return nil
}

// head is a copy of the account without its apps.
func head(state *domain.Account) *domain.Account {
	copied := *state
	copied.Apps = nil
	return &copied
}

// sameAsBefore judges a command whose id was committed by an earlier program, which took more of it for its content: its
// reason, and of a message what differs between deliveries. It is ErrIDReused if it is another command all the same.
func (e *Engine) sameAsBefore(ctx context.Context, acc *account, at recent, req Request) error {
	printed := !req.Print.IsZero()
	if !printed {
		if whole, err := WholeHash(req.Account, req.Command); err != nil || whole == at.content {
			return err
		}
	}
	m, err := e.config.Log.Known(ctx, at.position)
	if err != nil {
		return e.unreadable(err)
	}
	commit, events, err := e.decode(&m)
	if err != nil {
		return err
	}
	switch {
	case commit.Account != req.Account || commit.Command != req.Command.Name() || commit.Keyed:
		return ErrIDReused
	case printed:
		return ErrUnprinted
	}
	if cmd, carries := domain.WithReason(req.Command, commit.Reason); carries {
		if whole, err := WholeHash(req.Account, cmd); err != nil || whole == at.content {
			return err
		}
	}
	if strings.HasPrefix(req.ID, FactPrefix) && slices.ContainsFunc(events, func(e domain.Event) bool { return domain.SameFact(e, req.Command) }) {
		return nil
	}
	return ErrIDReused
}

// repeat gives the answer that the command got when it was committed: the app as it was then.
func (e *Engine) repeat(ctx context.Context, acc *account, at recent) (Answer, error) {
	answer := Answer{Outcome: Repeated, Position: at.position}
	then := domain.NewAccount(acc.id)
	for m, err := range e.config.Log.Account(ctx, acc.id, eventstore.Span{UpTo: at.position, Tip: eventstore.Tip{Sequence: at.position}}) {
		if err != nil {
			return Answer{}, e.unreadable(err)
		}
		events, err := e.events(&m.Commit)
		if err != nil {
			return Answer{}, err
		}
		then.Apply(domain.Recorded{At: domain.Instant(m.Commit.RecordedAt), Position: m.Sequence}, events...)
		answer.Events = events
	}
	answer.App, answer.Account = appOf(then, answer.Events), head(then)
	return answer, nil
}
