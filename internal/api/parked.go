package api

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/ingest"
)

// Parked is a billing event that was not taken in, with its reason. What could not be read of it is null.
type Parked struct {
	ID       string         `json:"id" doc:"Of the parked event, to replay or discard it"`
	ParkedAt domain.Instant `json:"parked_at"`
	Code     string         `json:"code" doc:"Why it is parked, stable" example:"app_not_found"`
	Reason   string         `json:"reason" doc:"Why it is parked, in words"`
	Account  *string        `json:"account"`
	App      *domain.AppID  `json:"app"`
	Type     *string        `json:"type"`
	Source   *string        `json:"source"`
	EventID  *string        `json:"event_id"`
	Subject  *string        `json:"subject" doc:"The NATS subject that it came on; null if it came over HTTP"`
	Actor    *string        `json:"actor" doc:"Who sent it" example:"billing:nats"`
	Size     int            `json:"size" doc:"Of the event, in bytes"`
	Event    jsontext.Value `json:"event" doc:"The event as it came; null if it is no JSON or larger than 16 KiB"`
	Bytes    []byte         `json:"event_base64,omitzero" doc:"The bytes of an event that is no JSON"`
}

// maxShownEvent bounds the events that a list shows, so that a page of them stays within some megabytes.
const maxShownEvent = 16 << 10

func shownParked(p *ingest.Parked) Parked {
	out := Parked{
		ID: p.ID, ParkedAt: p.ParkedAt, Code: p.Code, Reason: p.Text, Account: present(p.Account), App: present(p.App),
		Type: present(p.Type), Source: present(p.Source), EventID: present(p.EventID), Subject: present(p.Subject),
		Actor: present(p.Actor), Size: p.Size, Event: jsontext.Value("null"),
	}
	switch {
	case len(p.Event) > maxShownEvent:
	case jsontext.Value(p.Event).IsValid():
		out.Event = p.Event
	default:
		out.Bytes = p.Event
	}
	return out
}

// present points at a value, or at nothing if it is zero.
func present[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// listParked answers GET /v1/parked.
func (a *API) listParked(x *call) reply {
	if problem, fine := x.allowed("", noParked); !fine {
		return problem
	}
	page, wrong := pageOf(x.query)
	if wrong != nil {
		return invalid.with(wrong...)
	}
	parked, next, err := a.config.Intake.Parked(x.r.Context(), page.Cursor, page.Limit)
	switch {
	case errors.Is(err, ingest.ErrCursor):
		return invalid.with(wrongCursor())
	case err != nil:
		return unavailable.reply().because(err)
	}
	return x.written(appendList(x.buffer(), parked, next, func(b []byte, p ingest.Parked) []byte {
		return append(b, marshal(shownParked(&p))...)
	}))
}

// replayed is a parked event that was taken in.
type replayed struct {
	ID       string `json:"id" doc:"Of the parked event"`
	Outcome  string `json:"outcome" enum:"accepted"`
	Position uint64 `json:"position" doc:"Of its commit"`
}

// replayParked answers POST /v1/parked/{id}/replay. An event that is still refused stays parked, which is 409 with the
// reason of today.
func (a *API) replayParked(x *call) reply {
	if problem, fine := x.allowed("", noParked); !fine {
		return problem
	}
	reason, problem, fine := x.reason()
	if !fine {
		return problem
	}
	id := x.r.PathValue("id")
	position, err := a.config.Intake.Replay(x.r.Context(), id, actor(x.who))
	if err != nil {
		return parkedError(err)
	}
	a.config.Logger.Info("a parked event was replayed", "parked", id, "by", x.who.TokenID, "reason", reason, "request", x.request)
	a.config.Engine.Projected(x.r.Context(), position)
	rep := ok(marshal(replayed{id, string(ingest.OutcomeAccepted), position}))
	rep.position = position
	return rep
}

// discarded is a parked event that was given up.
type discarded struct {
	ID    string `json:"id" doc:"Of the parked event"`
	State string `json:"state" enum:"discarded"`
}

// discardParked answers DELETE /v1/parked/{id}.
func (a *API) discardParked(x *call) reply {
	if problem, fine := x.allowed("", noParked); !fine {
		return problem
	}
	reason := x.query.Get("reason")
	if wrong := checkReason(reason); wrong != nil {
		return invalid.with(wrong...)
	}
	id := x.r.PathValue("id")
	if err := a.config.Intake.Discard(x.r.Context(), id, actor(x.who)); err != nil {
		return parkedError(err)
	}
	a.config.Logger.Info("a parked event was discarded", "parked", id, "by", x.who.TokenID, "reason", reason, "request", x.request)
	return ok(marshal(discarded{id, string(ingest.StateDiscarded)}))
}

func parkedError(err error) reply {
	var still *ingest.StillParkedError
	var closed *ingest.ClosedError
	switch {
	case errors.As(err, &still):
		return problemReply(Problem{
			Status: http.StatusConflict, Code: still.Code, Detail: "The event is still not taken in. " + still.Text,
			Fix: "Mend what the reason names and replay it then, or discard it.",
		})
	case errors.As(err, &closed):
		return parkedClosed.reply()
	}
	return errorReply(err)
}

// reason reads a body that holds no more than a reason, and may be absent.
func (x *call) reason() (reason string, problem reply, fine bool) {
	text, problem, fine := x.body()
	if !fine {
		return "", problem, false
	}
	var b reasonOnly
	if len(text) == 0 {
		text = emptyBody
	}
	if problem, fine := decode(text, &b); !fine {
		return "", problem, false
	}
	if wrong := checkReason(b.Reason); wrong != nil {
		return "", invalid.with(wrong...), false
	}
	return b.Reason, reply{}, true
}
