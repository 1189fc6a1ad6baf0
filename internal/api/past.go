package api

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"sundial/domain"
	"sundial/internal/timetravel"
)

// clockParameters ask about the past, or the time ahead.
var clockParameters = []parameter{
	{
		"as_of", "What was true at this time; ahead of the clock, what is expected. By default known_at, if that is given",
		"2021-01-15T00:00:00.000Z", huma.Schema{Type: huma.TypeString, Format: "date-time"},
	},
	{
		"known_at", "As far as was recorded by this time; by default now", "2021-01-15T00:00:00.000Z",
		huma.Schema{Type: huma.TypeString, Format: "date-time"},
	},
}

// historyTooLong is the refusal of an answer that would take too long to make.
var historyTooLong = fault{
	http.StatusUnprocessableEntity, "history_too_long", "The answer takes more than 20,000 commits of history.",
	"Ask for fewer apps at once (limit), or for one; an app with a longer history is read from the feed of events.",
}

// clocks reads as_of and known_at; asked is false where the question is about the present.
func (a *API) clocks(query url.Values) (c timetravel.Clocks, asked bool, wrong []domain.FieldError) {
	for _, p := range []struct {
		name string
		into *domain.Instant
	}{{"as_of", &c.AsOf}, {"known_at", &c.KnownAt}} {
		if query.Has(p.name) {
			asked = true
			wrong = append(wrong, instantOf(query, p.name, p.into)...)
		}
	}
	if !asked || wrong != nil {
		return c, asked, wrong
	}
	c, err := a.config.Past.Resolve(c)
	if err != nil {
		wrong = append(wrong, field("known_at", "ahead_of_clock", "must not lie ahead of the engine's clock: what will be known is not known"))
	}
	return c, true, wrong
}

// instantOf reads a time among the query's parameters.
func instantOf(query url.Values, name string, into *domain.Instant) []domain.FieldError {
	at, err := domain.ParseInstant(query.Get(name))
	if err != nil {
		return []domain.FieldError{field(name, "invalid_time", "must be a time as RFC 3339 with a zone, such as 2021-01-01T00:00:00.000Z, its + written %2B")}
	}
	*into = at
	return nil
}

// appThen answers GET /v1/apps/{app} about another time; present is the app as it now is. There is no ETag: what is
// answered cannot be changed.
func (a *API) appThen(x *call, present *domain.App) reply {
	clocks, _, wrong := a.clocks(x.query)
	if wrong != nil {
		return invalid.with(wrong...)
	}
	app, found, err := a.config.Past.App(x.r.Context(), present.ID, clocks)
	switch {
	case err != nil:
		return pastError(err)
	case !found:
		return appNotFound.reply()
	}
	return x.written(appendApp(x.buffer(), app))
}

// accountThen gives an account at another time.
func (a *API) accountThen(x *call, id string, clocks timetravel.Clocks) (acc *domain.Account, problem reply, fine bool) {
	acc, found, err := a.config.Past.Account(x.r.Context(), id, clocks)
	switch {
	case err != nil:
		return nil, pastError(err), false
	case !found && x.who.Account != id:
		return nil, noAccount.reply(), false
	case !found:
		acc = domain.NewAccount(id)
	}
	return acc, reply{}, true
}

// pastError translates what a look at the past can fail with.
func pastError(err error) reply {
	if errors.Is(err, timetravel.ErrTooLong) {
		return historyTooLong.reply()
	}
	return listError(err)
}

// fieldNames lists what can be asked about, as the document wants it.
func fieldNames() (names []any) {
	for _, f := range domain.Fields() {
		names = append(names, string(f))
	}
	return names
}

// explainApp answers GET /v1/apps/{app}/why.
func (a *API) explainApp(x *call) reply {
	id, _, problem, fine := x.app()
	if !fine {
		return problem
	}
	about := domain.FieldStatus
	if x.query.Has("field") {
		about = domain.Field(x.query.Get("field"))
	}
	if !slices.Contains(domain.Fields(), about) {
		return invalid.with(field("field", "unknown_field", "must be a part of an app that can be explained; /openapi.json lists them"))
	}
	answer, found, err := a.config.Past.Why(x.r.Context(), id, about)
	switch {
	case err != nil:
		return pastError(err)
	case !found:
		return appNotFound.reply()
	}
	return ok(marshal(answer))
}
