package ingest

import (
	"context"
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
		where := "nats/" + s.name
		if _, err := streams.Visit(ctx, js, s.name, func(m *streams.Message) {
			if code, problem := s.look(m); code != "" {
				found = append(found, damage.Finding{Code: code, Where: where, Position: m.Sequence, Problem: problem, Fix: s.fix})
			}
		}, func(sequence uint64) { found = append(found, damage.Lost(s.lost, where, sequence, s.fix)) }); err != nil {
			return nil, err
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
