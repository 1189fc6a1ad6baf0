package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
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

// parkedFilter says which of what is parked is meant.
type parkedFilter struct {
	Account string         `json:"account,omitzero" doc:"Which the event names, or on whose subject it came" example:"acme"`
	Code    string         `json:"code,omitzero" doc:"For which it is parked" example:"missing_field"`
	Actor   string         `json:"actor,omitzero" doc:"Who sent it" example:"billing:nats"`
	Before  domain.Instant `json:"before,omitzero" doc:"Only what was parked before this time"`
}

// parkedParameters are the same in a query.
var parkedParameters = []parameter{
	{"account", "Only what names this account, or came on its subject", "acme", huma.Schema{Type: huma.TypeString}},
	{"code", "Only what is parked for this reason", "missing_field", huma.Schema{Type: huma.TypeString}},
	{"actor", "Only what this one sent", "billing:nats", huma.Schema{Type: huma.TypeString}},
	{"before", "Only what was parked before this time", "2021-02-01T00:00:00.000Z", huma.Schema{Type: huma.TypeString, Format: "date-time"}},
}

// maxFilter bounds a text that is looked for, in bytes: an account's subject may be no account's id.
const maxFilter = 256

func (f parkedFilter) check() (wrong []domain.FieldError) {
	for _, part := range []struct{ name, text string }{{"account", f.Account}, {"code", f.Code}, {"actor", f.Actor}} {
		if len(part.text) > maxFilter {
			wrong = append(wrong, field(part.name, "too_long", "must be at most 256 bytes"))
		}
	}
	return wrong
}

func (f parkedFilter) filter() ingest.ParkedFilter { return ingest.ParkedFilter(f) }

// sweepParked is the body of what is done to all that a filter lets through.
type sweepParked struct {
	parkedFilter
	All    bool   `json:"all,omitzero" doc:"All that is parked, where nothing narrows it"`
	Cursor string `json:"cursor,omitzero" doc:"The next_cursor of the answer before, with the same filter"`
	Limit  *int   `json:"limit,omitzero" nullable:"false" minimum:"1" maximum:"500" default:"500" doc:"How many at most"`
	Reasoned
}

// swept is what became of one of many parked events.
type swept struct {
	ID       string `json:"id" doc:"Of the parked event"`
	Outcome  string `json:"outcome" enum:"accepted,discarded,parked"`
	Position uint64 `json:"position,omitzero" doc:"Of its commit"`
	Code     string `json:"code,omitzero" doc:"Why it is still parked"`
	Reason   string `json:"reason,omitzero" doc:"The same in words"`
}

// replayAllParked answers POST /v1/parked/replay.
func (a *API) replayAllParked(x *call) reply {
	return x.sweep("replayed", ingest.OutcomeAccepted, a.config.Intake.ReplayAll)
}

// discardAllParked answers POST /v1/parked/discard.
func (a *API) discardAllParked(x *call) reply {
	return x.sweep(string(ingest.StateDiscarded), ingest.Kind(ingest.StateDiscarded), a.config.Intake.DiscardAll)
}

// sweeping does something to a page of what is parked.
type sweeping func(ctx context.Context, f ingest.ParkedFilter, cursor string, limit int, actor string) ([]ingest.Swept, string, error)

func (x *call) sweep(done string, outcome ingest.Kind, do sweeping) reply {
	if problem, fine := x.allowed("", noParked); !fine {
		return problem
	}
	text, problem, fine := x.body()
	if !fine {
		return problem
	}
	var b sweepParked
	if problem, fine := decode(text, &b); !fine {
		return problem
	}
	wrong := joined(b.check(), checkReason(b.Reason))
	limit := maxLimit
	if b.Limit != nil {
		limit = *b.Limit
	}
	if limit < 1 || limit > maxLimit {
		wrong = append(wrong, field("limit", "out_of_range", "must be from 1 to 500"))
	}
	if b.filter().None() != b.All {
		wrong = append(wrong, field("all", "required", "must be true where nothing narrows what is meant, and is not given where something does"))
	}
	if wrong != nil {
		return invalid.with(wrong...)
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), commandPatience)
	defer cancel()
	found, next, err := do(ctx, b.filter(), b.Cursor, limit, actor(x.who))
	switch {
	case errors.Is(err, ingest.ErrCursor):
		return invalid.with(wrongCursor())
	case err != nil:
		return errorReply(err)
	}
	shown, latest := make([]swept, len(found)), uint64(0)
	for n, s := range found {
		shown[n] = swept{s.ID, string(outcome), s.Position, s.Code, s.Text}
		if s.Code != "" {
			shown[n].Outcome = string(ingest.OutcomeParked)
		}
		latest = max(latest, s.Position)
	}
	x.api.config.Logger.Info("parked events were "+done, "events", len(found), "account", b.Account, "code", b.Code, "actor", b.Actor,
		"by", x.who.TokenID, "reason", b.Reason, "request", x.request)
	x.api.config.Engine.Projected(x.r.Context(), latest)
	rep := ok(marshal(listOf[swept]{shown, next}))
	rep.position = latest
	return rep
}

// listParked answers GET /v1/parked.
func (a *API) listParked(x *call) reply {
	if problem, fine := x.allowed("", noParked); !fine {
		return problem
	}
	page, wrong := pageOf(x.query)
	of := parkedFilter{Account: x.query.Get("account"), Code: x.query.Get("code"), Actor: x.query.Get("actor")}
	if x.query.Has("before") {
		wrong = append(wrong, instantOf(x.query, "before", &of.Before)...)
	}
	if wrong = append(wrong, of.check()...); wrong != nil {
		return invalid.with(wrong...)
	}
	parked, next, err := a.config.Intake.Parked(x.r.Context(), of.filter(), page.Cursor, page.Limit)
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
