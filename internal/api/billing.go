package api

import (
	"bytes"
	"errors"
	"io"
	"mime"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/ingest"
)

const (
	eventType = "application/cloudevents+json"
	batchType = "application/cloudevents-batch+json"
)

// BillingEvent describes a CloudEvent of a billing system, or of the TRTC side. Attributes and members of data that are not described are
// accepted and kept with the fact.
type BillingEvent struct {
	SpecVersion string      `json:"specversion" enum:"1.0"`
	ID          string      `json:"id" minLength:"1" doc:"Unique within its source"`
	Source      string      `json:"source" minLength:"1" example:"urn:billing:upstream"`
	Type        string      `json:"type" enum:"sundial.billing.order.paid,sundial.billing.order.refunded,sundial.billing.invoice.overdue,sundial.billing.invoice.settled,sundial.billing.invoice.voided,sundial.trtc.app.stopped,sundial.trtc.app.started"`
	Data        BillingData `json:"data"`
	_           struct{}    `additionalProperties:"true"`
}

// BillingData describes the data of billing events: which members each type has stands in the documentation.
type BillingData struct {
	Account     string         `json:"account"`
	App         domain.AppID   `json:"app"`
	Order       string         `json:"order,omitzero" doc:"Of order.paid and order.refunded"`
	Edition     domain.Edition `json:"edition,omitzero" enum:"pro,flagship"`
	Invoice     string         `json:"invoice,omitzero" doc:"Of invoice.overdue, invoice.settled and invoice.voided"`
	Version     int64          `json:"version,omitzero"`
	EffectiveAt domain.Instant `json:"effective_at,omitzero" doc:"Required of billing; of trtc.app.stopped and trtc.app.started absent for now"`
	PaidUntil   domain.Instant `json:"paid_until,omitzero"`
	Addons      []string       `json:"addons,omitzero"`
	Amount      *Money         `json:"amount,omitzero"`
	_           struct{}       `additionalProperties:"true"`
}

// eventOutcome is what came of one event.
type eventOutcome struct {
	ID       string `json:"id" doc:"Of the event"`
	Outcome  string `json:"outcome" enum:"accepted,duplicate,parked"`
	Code     string `json:"code,omitzero" doc:"Why it was parked"`
	Position uint64 `json:"position,omitzero" doc:"Of its commit"`
}

type eventOutcomes struct {
	Items []eventOutcome `json:"items" doc:"In the order sent"`
}

// sendBillingEvents answers POST /v1/billing/events.
func (a *API) sendBillingEvents(x *call) reply {
	if problem, fine := x.allowed("", noAccount); !fine {
		return problem
	}
	kind, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || kind != eventType && kind != batchType {
		return wrongType.reply()
	}
	text, problem, fine := x.body()
	if !fine {
		return problem
	}
	events, problem, fine := eventsOf(text, kind == batchType)
	if !fine {
		return problem
	}
	outcomes, err := a.config.Intake.Take(x.r.Context(), events, actor(x.who))
	switch {
	case errors.Is(err, ingest.ErrParkedFull):
		return parkingFull.reply()
	case err != nil:
		return notAllTaken.reply().because(err)
	}
	shown, latest := eventOutcomes{Items: make([]eventOutcome, len(outcomes))}, uint64(0)
	for i, o := range outcomes {
		shown.Items[i] = outcomeOf(o)
		latest = max(latest, o.Position)
	}
	a.config.Engine.Projected(x.r.Context(), latest)
	rep := ok(marshal(shown))
	rep.position = latest
	return rep
}

func outcomeOf(o ingest.Outcome) eventOutcome {
	return eventOutcome{ID: o.ID, Outcome: string(o.Outcome), Code: o.Code, Position: o.Position}
}

// eventsOf splits a batch. What is not JSON, or has a name twice, is refused whole; whether an event makes sense is
// judged for each.
func eventsOf(text []byte, batch bool) (events []jsontext.Value, problem reply, fine bool) {
	value := jsontext.Value(text)
	if !value.IsValid() {
		return nil, malformedEvents.reply(), false
	}
	if !batch {
		if value.Kind() != '{' {
			return nil, malformedEvents.reply(), false
		}
		return []jsontext.Value{value}, reply{}, true
	}
	if value.Kind() != '[' {
		return nil, malformedEvents.reply(), false
	}
	dec := jsontext.NewDecoder(bytes.NewReader(text))
	if _, err := dec.ReadToken(); err != nil {
		return nil, malformedEvents.reply().because(err), false
	}
	for dec.PeekKind() != ']' {
		event, err := dec.ReadValue()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, malformedEvents.reply().because(err), false
		}
		if len(events) == ingest.MaxBatch {
			return nil, tooMany.reply(), false
		}
		events = append(events, event.Clone())
	}
	return events, reply{}, true
}
