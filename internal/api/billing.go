package api

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/ingest"
	"sundial/internal/mediatype"
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
	Refund      string         `json:"refund,omitzero" doc:"Of order.refunded: tells several refunds of one order apart"`
	Ends        *bool          `json:"ends,omitzero" default:"true" doc:"Of order.refunded: false is money given back for goodwill, and the order goes on"`
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
	ID       *string `json:"id" doc:"Of the event; null if it could not be read"`
	Outcome  string  `json:"outcome" enum:"accepted,duplicate,parked"`
	Code     string  `json:"code,omitzero" doc:"Why it was parked"`
	Position uint64  `json:"position,omitzero" doc:"Of its commit"`
}

type eventOutcomes struct {
	Items []eventOutcome `json:"items" doc:"In the order sent"`
}

// sendBillingEvents answers POST /v1/billing/events.
func (a *API) sendBillingEvents(x *call) reply {
	if problem, fine := x.allowed("", noAccount); !fine {
		return problem
	}
	kind, _ := mediatype.Parse(x.r.Header.Get("Content-Type"))
	if kind.Name != eventType && kind.Name != batchType {
		return wrongType.reply()
	}
	if foreign := kind.Foreign(); foreign != "" {
		return wrongType.with(field("Content-Type", "unsupported_charset", "says that the body is in "+foreign+": send it in UTF-8"))
	}
	text, problem, fine := x.body()
	if !fine {
		return problem
	}
	events, problem, fine := eventsOf(text, kind.Name == batchType)
	if !fine {
		return problem
	}
	outcomes, err := a.config.Intake.Take(x.r.Context(), events, actor(x.who))
	switch {
	case errors.Is(err, ingest.ErrParkedFull):
		return leftOut(err)
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

// roomRetry is how many seconds a client is asked to wait for room in the parking place: a person makes it.
const roomRetry = "60"

// leftOut names the events of a batch for which there is no room in the parking place, the first of them.
func leftOut(err error) reply {
	f, code := parkingFull, parkingFull.code
	if errors.As(err, new(*ingest.ShareError)) {
		f, code = parkingShareFull, parkingShareFull.code
	}
	var out *ingest.LeftOutError
	var named []domain.FieldError
	if errors.As(err, &out) {
		for _, n := range out.Places[:min(len(out.Places), maxWrongFields)] {
			named = append(named, field(strconv.Itoa(n), code, "was neither taken in nor parked: there is no room for it"))
		}
	}
	rep := f.with(named...).because(err)
	rep.retryAfter = roomRetry
	return rep
}

func outcomeOf(o ingest.Outcome) eventOutcome {
	id := present(o.ID)
	if o.Code == "malformed_json" || o.Code == "duplicate_name" {
		id = nil // readers may differ on which id it has
	}
	return eventOutcome{ID: id, Outcome: string(o.Outcome), Code: o.Code, Position: o.Position}
}

// eventsOf splits a batch. One event that is not JSON, or has a name twice, is refused, as is an array that is cut off;
// in an array it is judged for each of its events whether it can be read.
func eventsOf(text []byte, batch bool) (events []jsontext.Value, problem reply, fine bool) {
	value := jsontext.Value(text)
	if !batch {
		if value.Kind() != '{' || !value.IsValid() {
			return nil, malformedEvents.reply(), false
		}
		return []jsontext.Value{value}, reply{}, true
	}
	elements, whole := elementsOf(text, ingest.MaxBatch)
	switch {
	case len(elements) > ingest.MaxBatch:
		return nil, tooMany.reply(), false
	case !whole:
		return nil, malformedEvents.reply(), false
	}
	return elements, reply{}, true
}

// elementsOf splits an array by its brackets and commas alone, so that an element that is not JSON takes none of the
// others with it. It gives at most one element more than the most. An array is not whole if it is cut off, has brackets
// that do not belong together, nothing between two commas, or something behind its end.
func elementsOf(text []byte, most int) (elements []jsontext.Value, whole bool) {
	text = bytes.Trim(text, space)
	if len(text) == 0 || text[0] != '[' {
		return nil, false
	}
	var open []byte // what closes the brackets that are open, but for the array's own
	start := 1
	end := func(at int, last bool) bool {
		element := bytes.Trim(text[start:at], space)
		start = at + 1
		if len(element) == 0 {
			return last && len(elements) == 0
		}
		elements = append(elements, element)
		return true
	}
	for at := 1; at < len(text); at++ {
		switch c := text[at]; {
		case c == '"':
			if at = closing(text, at); at < 0 {
				return elements, false
			}
		case c == '{' || c == '[':
			open = append(open, c+2) // in ASCII its counterpart
		case len(open) > 0 && (c == '}' || c == ']'):
			if open[len(open)-1] != c {
				return elements, false
			}
			open = open[:len(open)-1]
		case len(open) > 0:
		case c == ',':
			if !end(at, false) {
				return elements, false
			}
			if len(elements) > most {
				return elements, false
			}
		case c == ']':
			return elements, end(at, true) && at == len(text)-1
		case c == '}':
			return elements, false
		}
	}
	return elements, false
}

// closing is where the string ends that begins at a place; -1 if it does not.
func closing(text []byte, at int) int {
	for at++; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case '"':
			return at
		}
	}
	return -1
}
