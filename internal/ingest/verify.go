package ingest

import (
	"context"
	"errors"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/damage"
	"sundial/internal/streams"
)

// The codes of what can be wrong with bills, stable.
const (
	billLost         = "bill_lost"         // one that waits cannot be read
	parkedLost       = "parked_lost"       // what is parked cannot be read
	parkedUnreadable = "parked_unreadable" // what is known of it is no record
	parkedChanged    = "parked_changed"    // the event is not the one that was parked
)

const (
	fixBills  = "have the billing system send again what it has sent since the last bills that the account's history shows: what was taken in before counts once"
	fixParked = "have the billing system send the event again, then discard or replay what is parked; or restore the stream from the latest backup"
)

// Verify goes through the bills that wait, and through what is parked. An error says that it could not be looked.
func Verify(ctx context.Context, js jetstream.JetStream) (found []damage.Finding, err error) {
	for _, s := range []struct {
		name, lost, fix string
		look            func(m *streams.Message) (code, problem string)
	}{
		{billingStream, billLost, fixBills, func(*streams.Message) (code, problem string) { return "", "" }},
		{parkedStream, parkedLost, fixParked, verifyParked},
	} {
		stream, err := js.Stream(ctx, s.name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		add := func(code string, sequence uint64, problem string) {
			found = append(found, damage.Finding{Code: code, Where: "nats/" + s.name, Position: sequence, Problem: problem, Fix: s.fix})
		}
		for m, err := range streams.Walk(ctx, stream) {
			var lost *streams.LostError
			switch {
			case errors.As(err, &lost):
				add(s.lost, lost.Sequence, "the message cannot be read")
			case err != nil:
				return nil, err
			default:
				if code, problem := s.look(&m); code != "" {
					add(code, m.Sequence, problem)
				}
			}
		}
	}
	return found, nil
}

// verifyParked judges what is parked by its key, which is made of what the event says.
func verifyParked(m *streams.Message) (code, problem string) {
	key, ok := parseKey(strings.TrimPrefix(m.Subject, parkedSubject))
	if !ok {
		return parkedUnreadable, "its subject has no key"
	}
	p, err := decodeParked(m.Header.Get(parkedHeader))
	if err != nil {
		return parkedUnreadable, "what is known of it cannot be read"
	}
	switch p.State {
	case StateOpen:
	case StateDiscarded, StateReplayed, StateSuperseded:
		return "", ""
	default:
		return parkedUnreadable, "what is known of it cannot be read"
	}
	p.Event = m.Data
	if p.Size != len(p.Event) {
		return parkedChanged, "the event has another length than the one that was parked"
	}
	a := p.arrival()
	now, err := a.key()
	if err == nil && now == key {
		return "", ""
	}
	if former, err := a.formerKey(); err == nil && former == key {
		return "", ""
	}
	return parkedChanged, "the event is not the one that was parked"
}
