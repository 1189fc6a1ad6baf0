package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sundial/domain"
	"sundial/internal/engine"
)

// Kind is what became of an event.
type Kind string

// What can become of an event.
const (
	OutcomeAccepted  Kind = "accepted"  // committed now
	OutcomeDuplicate Kind = "duplicate" // committed before
	OutcomeParked    Kind = "parked"    // kept, with a reason, for a person to look at
)

// Outcome is the answer to one event.
type Outcome struct {
	ID       string // the event's own, as far as it could be read
	Outcome  Kind
	Code     string // why it is parked
	Text     string // the same in words
	Parked   string // the id under which it is parked
	Position uint64 // of the fact's commit, if it has one
}

// origin is the way an event came.
type origin struct {
	subject string // of NATS; empty for HTTP
	account string // that the subject names
	actor   string // who gives the command
}

// executeTimeout bounds one command: longer than the log waits for an acknowledgement. What has begun is not given up
// because this node is stopping, so that few outcomes are unknown.
const executeTimeout = 15 * time.Second

// judge takes an event in or parks it. An error means that neither could be done now: try again.
func (i *Intake) judge(ctx context.Context, b []byte, fact Notification, unread error, from origin) (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), executeTimeout)
	defer cancel()
	outcome, unfit, err := i.consider(ctx, b, fact, unread, from)
	if unfit != nil {
		return i.park(ctx, unfit)
	}
	return outcome, err
}

// arrival is an event as it came and was read.
type arrival struct {
	event  []byte
	fact   *Notification
	unread *Malformed // nil: it could be read
	from   origin
}

// astray tells whether an event came on the subject of another account.
func (a *arrival) astray() bool {
	return a.unread == nil && a.from.subject != "" && a.from.account != a.fact.Account
}

// unfit is an event that is to be parked.
type unfit struct {
	arrival
	key        parkedKey
	code, text string
	refused    bool // by the engine: it could be read
}

// consider takes an event in, or says why it is to be parked. An error means that neither could be said now: try again.
// In this order: what is parked stays so; what cannot be read is parked; what is in the log is a duplicate, or parked if
// it says something else; the engine decides on the rest. What is parked under the same source and id and says something
// else is superseded by what is taken in.
func (i *Intake) consider(ctx context.Context, b []byte, fact Notification, unread error, from origin) (Outcome, *unfit, error) {
	came := arrival{event: b, fact: &fact, from: from}
	if unread != nil && !errors.As(unread, &came.unread) {
		return Outcome{}, nil, unread
	}
	rivals := i.parking.index.under(slotOf(fact.Source, fact.ID))
	key, known, err := i.parkedAs(ctx, &came, rivals)
	switch {
	case err != nil:
		return Outcome{}, nil, err
	case known:
		outcome, err := i.still(ctx, key, &fact)
		return outcome, nil, err
	}
	var code, text string
	refused := false
	switch {
	case came.unread != nil:
		code, text = came.unread.Code, came.unread.Error()
	case came.astray():
		code, text = codeWrongAccount, "The subject names another account than data.account."
	default:
		answer, err := i.execute(ctx, &fact, from)
		if code, text, refused = refusal(err); refused {
			break
		}
		if err != nil {
			return Outcome{}, nil, err
		}
		i.supersedeUnder(ctx, rivals, answer)
		return answered(&fact, answer), nil, nil
	}
	if key == (parkedKey{}) {
		if key, err = came.key(); err != nil {
			return Outcome{}, nil, err
		}
	}
	return Outcome{}, &unfit{came, key, code, text, refused}, nil
}

// parkedAs finds the parked event of which this is another delivery, among those of its source and id. The key is the
// event's own where none is, if it was needed to find that out.
func (i *Intake) parkedAs(ctx context.Context, came *arrival, rivals []parkedKey) (key parkedKey, known bool, err error) {
	if len(rivals) == 0 {
		return key, false, nil
	}
	if key, err = came.key(); err != nil {
		return key, false, err
	}
	former, err := came.formerKey()
	if err != nil {
		return key, false, err
	}
	for _, same := range [...]parkedKey{key, former} {
		if i.parking.index.has(same) {
			return same, true, nil
		}
	}
	for _, rival := range rivals[:min(len(rivals), maxRivals)] {
		parked, err := i.parking.get(ctx, rival)
		if errors.Is(err, ErrNotParked) || err == nil && parked.State != StateOpen {
			continue
		}
		if err != nil {
			return key, false, err
		}
		// One of an earlier program has a key of all that it carries.
		if own, err := parked.arrival().key(); err == nil && own == key {
			return rival, true, nil
		}
	}
	return key, false, nil
}

// supersedeUnder closes the parked events under the source and id of a fact that is in the log now. Where it was in before,
// whoever took it in may have died before closing them: those parked earlier are closed then. One parked since says
// something else of what had been taken in, and is for a person.
func (i *Intake) supersedeUnder(ctx context.Context, rivals []parkedKey, answer engine.Answer) {
	if answer.Outcome == engine.Repeated {
		var err error
		if rivals, err = i.parkedBefore(ctx, rivals, answer.Position); err != nil {
			i.log.Warn("it is not known whether parked events were superseded; they stay open", "position", answer.Position, "error", err)
			return
		}
	}
	i.supersede(ctx, rivals, answer.Position)
}

// parkedBefore picks the open ones that were parked before the commit at a position was recorded.
func (i *Intake) parkedBefore(ctx context.Context, rivals []parkedKey, position uint64) ([]parkedKey, error) {
	var before []parkedKey
	var recorded domain.Instant // 0 until it is asked for
	for _, key := range rivals {
		parkedAt, open := i.parking.index.parkedAt(key)
		if !open {
			continue
		}
		if recorded == 0 {
			var err error
			if recorded, err = i.config.Engine.RecordedAt(ctx, position); err != nil {
				return nil, err
			}
		}
		if parkedAt < recorded {
			before = append(before, key)
		}
	}
	return before, nil
}

// maxRivals bounds how many parked events of one source and id are read to find one that an earlier program parked: where an
// upstream uses one id for everything each delivery would read all that came before. One more is parked twice.
const maxRivals = 16

// supersede closes parked events in whose place another one of their source and id was taken in. One that cannot be closed
// stays open, for a person to discard: the fact is committed either way.
func (i *Intake) supersede(ctx context.Context, rivals []parkedKey, position uint64) {
	for _, key := range rivals {
		if err := i.close(ctx, key, StateSuperseded, position, automatic); err != nil {
			var closed *ClosedError
			if !errors.As(err, &closed) && !errors.Is(err, ErrNotParked) {
				i.log.Warn("a parked event stays open in whose place another one was taken in", "parked", key.String(), "error", err)
			}
			continue
		}
		i.log.Info("closed a parked event as superseded", "parked", key.String(), "position", position)
	}
}

// close says of an open parked event that nothing is left to do with it, and lets its bytes go; a *ClosedError if it was
// closed before.
func (i *Intake) close(ctx context.Context, key parkedKey, state State, position uint64, by string) error {
	for {
		parked, err := i.parking.get(ctx, key)
		if err != nil {
			return err
		}
		if parked.State != StateOpen {
			return &ClosedError{parked.State}
		}
		parked.State, parked.Event, parked.Position = state, nil, position
		parked.ClosedAt, parked.ClosedBy = i.config.Engine.Now(), by
		if err := i.parking.put(ctx, key, &parked, parked.sequence); !errors.Is(err, errMoved) {
			return err
		}
	}
}

// park keeps an event that is not fit to be taken in, and answers for it.
func (i *Intake) park(ctx context.Context, u *unfit) (Outcome, error) {
	outcome, err := i.keep(ctx, u.key, u.event, u.fact, u.from, u.code, u.text)
	if err != nil || !u.refused || outcome.Code != domain.AppNotFound.Code {
		return outcome, err
	}
	// The app may have appeared between the refusal and the parking; whoever made it appear has then not found the event.
	position, err := i.replay(ctx, u.key, u.fact, u.from, automatic)
	if err != nil {
		return outcome, nil //nolint:nilerr // it is parked, and taken in when the app appears
	}
	return Outcome{ID: u.fact.ID, Outcome: OutcomeAccepted, Position: position}, nil
}

func answered(fact *Notification, answer engine.Answer) Outcome {
	kind := OutcomeAccepted
	if answer.Outcome == engine.Repeated {
		kind = OutcomeDuplicate
	}
	return Outcome{ID: fact.ID, Outcome: kind, Position: answer.Position}
}

// execute hands the fact's command to the engine.
func (i *Intake) execute(ctx context.Context, fact *Notification, from origin) (engine.Answer, error) {
	return i.config.Engine.Execute(ctx, engine.Request{
		Account: fact.Account, ID: fact.CommandID(), Command: fact.Command, Role: domain.Billing,
		Actor: from.actor, Correlation: fact.Correlation, Durable: true,
	})
}

// refusal translates an error of the engine into a reason for parking; false if the fact can be tried again.
func refusal(err error) (code, text string, refused bool) {
	var no *domain.Refusal
	var invalid *domain.Invalid
	switch {
	case errors.As(err, &no):
		return no.Code.Code, no.Message + " " + no.Fix, true
	case errors.As(err, &invalid) && len(invalid.Fields) > 0:
		return invalid.Fields[0].Code, invalid.Error(), true
	case errors.Is(err, engine.ErrIDReused):
		return codeReused, "Another event with this source and id was taken in before. Give it an id of its own.", true
	}
	return "", "", false
}

// keep parks an event.
func (i *Intake) keep(ctx context.Context, key parkedKey, b []byte, fact *Notification, from origin, code, text string) (Outcome, error) {
	again, err := i.parking.park(ctx, key, Parked{
		Code: code, Text: text,
		Source: shown(fact.Source), EventID: shown(fact.ID), Type: shown(fact.Type), Account: fact.Account, App: fact.App,
		Subject: from.subject, Actor: from.actor, ParkedAt: i.config.Engine.Now(), Event: b,
	})
	if err != nil {
		return Outcome{}, err
	}
	if again {
		return i.still(ctx, key, fact)
	}
	i.parked.Do(func() {
		i.log.Info("parked an event", "parked", key.String(), "code", code, "account", fact.Account, "app", fact.App)
	})
	return Outcome{ID: fact.ID, Outcome: OutcomeParked, Code: code, Text: text, Parked: key.String()}, nil
}

// still answers for an event that was parked before.
func (i *Intake) still(ctx context.Context, key parkedKey, fact *Notification) (Outcome, error) {
	outcome := Outcome{ID: fact.ID, Outcome: OutcomeParked, Parked: key.String()}
	parked, err := i.parking.get(ctx, key)
	switch {
	case errors.Is(err, ErrNotParked): // an operator has removed the message; the event is answered all the same
	case err != nil:
		return Outcome{}, err
	case parked.State == StateReplayed:
		return Outcome{ID: fact.ID, Outcome: OutcomeDuplicate, Position: parked.Position}, nil
	default:
		outcome.Code, outcome.Text = parked.Code, parked.Text
	}
	return outcome, nil
}

// automatic is who replays what waited for its app.
const automatic = "sundial"

// replay judges a parked event afresh and says so in the parking place. It gives the position of the fact's commit; a
// *StillParkedError if the event stays parked, with the reason of today; another error if it can be tried again.
func (i *Intake) replay(ctx context.Context, key parkedKey, fact *Notification, from origin, by string) (uint64, error) {
	if by != automatic {
		from.actor = by
	}
	answer, err := i.execute(ctx, fact, from)
	code, text, refused := refusal(err)
	if err != nil && !refused {
		return 0, err
	}
	for {
		parked, getErr := i.parking.get(ctx, key)
		if getErr != nil {
			return 0, getErr
		}
		expected := parked.sequence
		switch {
		case err == nil:
			parked.State, parked.Event = StateReplayed, nil
			parked.Position, parked.ClosedAt, parked.ClosedBy = answer.Position, i.config.Engine.Now(), by
		case parked.State != StateOpen || parked.Code == code && parked.Text == text:
			return 0, &StillParkedError{code, text}
		default:
			parked.Code, parked.Text = code, text
		}
		switch putErr := i.parking.put(ctx, key, &parked, expected); {
		case errors.Is(putErr, errMoved):
			continue
		case putErr != nil:
			return 0, putErr
		case err != nil:
			return 0, &StillParkedError{code, text}
		}
		i.log.Info("took in a parked event", "parked", key.String(), "account", fact.Account, "app", fact.App, "by", by, "position", answer.Position)
		i.supersedeUnder(ctx, i.parking.index.under(slotOf(fact.Source, fact.ID)), answer)
		return answer.Position, nil
	}
}

// shown cuts what is kept of an event that may not have been looked at closely.
func shown(s string) string {
	if len(s) > maxName {
		return ""
	}
	return s
}

// places gives a page of what is parked and open.
func (i *Intake) places(filter ParkedFilter, cursor string, limit int) (places []parkedPlace, next string, err error) {
	after, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	limit = min(max(limit, 1), maxPage)
	places = i.parking.index.after(after, filter, limit+1)
	if len(places) > limit {
		places = places[:limit]
		next = fmt.Sprint(places[limit-1].sequence)
	}
	return places, next, nil
}

// Parked lists what is parked and open, oldest first. An empty cursor begins, an empty next one ends.
func (i *Intake) Parked(ctx context.Context, filter ParkedFilter, cursor string, limit int) (items []Parked, next string, err error) {
	places, next, err := i.places(filter, cursor, limit)
	if err != nil {
		return nil, "", err
	}
	for _, place := range places {
		parked, err := i.parking.at(ctx, place)
		if errors.Is(err, ErrNotParked) { // closed meanwhile
			continue
		}
		if err != nil {
			return nil, "", err
		}
		items = append(items, parked)
	}
	return items, next, nil
}

// Replay judges a parked event afresh, and gives the position of its commit. ErrNotParked, *ClosedError for a discarded
// or superseded one, *StillParkedError if it is still not taken in; another error means that it may be tried again.
func (i *Intake) Replay(ctx context.Context, id, actor string) (uint64, error) {
	key, ok := parseKey(id)
	if !ok {
		return 0, ErrNotParked
	}
	parked, err := i.parking.get(ctx, key)
	if err != nil {
		return 0, err
	}
	switch parked.State {
	case StateReplayed:
		return parked.Position, nil
	case StateDiscarded, StateSuperseded:
		return 0, &ClosedError{parked.State}
	}
	return i.replayParked(ctx, key, &parked, actor)
}

func (i *Intake) replayParked(ctx context.Context, key parkedKey, parked *Parked, by string) (uint64, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), executeTimeout)
	defer cancel()
	fact, err := Decode(parked.Event)
	var m *Malformed
	if errors.As(err, &m) {
		return 0, &StillParkedError{m.Code, m.Error()}
	}
	from := origin{subject: parked.Subject, account: accountOf(parked.Subject), actor: parked.Actor}
	if from.subject != "" && from.account != fact.Account {
		return 0, &StillParkedError{codeWrongAccount, parked.Text}
	}
	return i.replay(ctx, key, &fact, from, by)
}

// Discard gives a parked event up: its bytes are let go, and it is answered as parked if it comes again. Discarding
// what was discarded is silence; ErrNotParked, *ClosedError for one that was taken in or superseded.
func (i *Intake) Discard(ctx context.Context, id, actor string) error {
	key, ok := parseKey(id)
	if !ok {
		return ErrNotParked
	}
	err := i.close(ctx, key, StateDiscarded, 0, actor)
	var closed *ClosedError
	if errors.As(err, &closed) && closed.State == StateDiscarded {
		return nil
	}
	return err
}
