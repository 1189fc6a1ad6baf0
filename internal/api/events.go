package api

import (
	"net/url"

	"sundial/domain"
	"sundial/internal/accountid"
	"sundial/internal/mediatype"
	"sundial/internal/query"
)

// Event is a CloudEvent of the feed.
type Event struct {
	SpecVersion string         `json:"specversion" enum:"1.0"`
	ID          string         `json:"id" doc:"The place behind it; with source unique for ever" example:"1234.0"`
	Source      string         `json:"source" doc:"The log"`
	Type        string         `json:"type" example:"sundial.app.stopped"`
	Subject     string         `json:"subject" doc:"The SDKAppID, or the account for what is about the account" example:"1400000001"`
	Time        domain.Instant `json:"time" doc:"When it was recorded; when it was effective is in the data"`
	ContentType string         `json:"datacontenttype" enum:"application/json"`
	Schema      string         `json:"dataschema" doc:"Names the version" example:"urn:sundial:event:app.stopped.v1"`
	Account     string         `json:"account" example:"acme"`
	Position    string         `json:"position" doc:"Of the commit: events of one commit share it" example:"1234"`
	Actor       string         `json:"actor" doc:"Who did it" example:"scheduler"`
	Correlation string         `json:"correlationid,omitzero" doc:"The id of the request that led to it"`
	Command     string         `json:"command" doc:"What led to it" example:"fire_transition"`
	Reason      string         `json:"reason,omitzero" doc:"Why, where somebody said so"`
	Data        map[string]any `json:"data"`
}

// eventPage describes a page of the feed.
type eventPage struct {
	Items []Event `json:"items"`
	After string  `json:"after" doc:"Where to go on, also where nothing came: the id of an event, or a position and its epoch" example:"1234.0"`
	Next  string  `json:"next_cursor,omitempty" doc:"The same, if there is more now"`
}

const (
	headerLastEvent = "Last-Event-Id"
	placePattern    = `^[0-9]{1,19}(\.[0-9]{1,6})?(@[0-9]{1,6}(-[a-z2-7]{8})?)?$`

	// maxTypes is more than the names of all events take.
	maxTypes = 4096
)

// readEvents answers GET /v1/events, with a page or with a stream. A token for one account sees that one's.
func (a *API) readEvents(x *call) reply {
	account := x.query.Get("account")
	if account == "" {
		account = x.who.Account
	}
	if problem, fine := x.allowed(account, noAccount); !fine {
		return problem
	}
	streams := mediatype.Prefers(x.r.Header["Accept"], streamType, jsonType)
	feed, wrong := a.feedOf(x, streams)
	if x.query.Has("account") && !accountid.Valid(account) {
		wrong = append(wrong, wrongAccount())
	}
	if wrong != nil {
		return invalid.with(wrong...)
	}
	feed.Account = account
	if streams {
		return a.streamEvents(x, feed)
	}
	page, err := a.config.Query.Feed(x.r.Context(), feed)
	if err != nil {
		return errorReply(err)
	}
	b := append(x.buffer(), `{"items":[`...)
	for i := range page.Events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, page.Events[i].Body...)
	}
	b = appendString(append(b, `],"after":`...), page.Told)
	if page.More {
		b = appendString(append(b, `,"next_cursor":`...), page.Told)
	}
	return x.written(append(b, '}'))
}

// feedOf reads what part of the feed is asked for. The header goes before cursor, and that before after: each is later
// than the next.
func (a *API) feedOf(x *call, streams bool) (f query.Feed, wrong []domain.FieldError) {
	page, wrong := pageOf(x.query)
	f.Limit = page.Limit
	place := func(name, text string) {
		at, err := query.ParsePlace(text)
		if err != nil {
			wrong = append(wrong, field(name, "invalid_place", "must be a position, such as 1234, the id of an event, such as 1234.0, or what a page gave as after"))
		}
		f.After = at
	}
	for _, name := range []string{"after", "cursor"} {
		if x.query.Has(name) {
			place(name, x.query.Get(name))
		}
	}
	if given := x.r.Header[headerLastEvent]; streams && len(given) > 0 {
		place(headerLastEvent, given[len(given)-1])
	}
	var unknown []domain.FieldError
	f.Types, unknown = a.typesOf(x.query)
	return f, append(wrong, unknown...)
}

// typesOf reads the names of events; each is known, so that a slip does not look like silence.
func (a *API) typesOf(query url.Values) (names []string, wrong []domain.FieldError) {
	if !query.Has("types") {
		return nil, nil
	}
	names, err := a.config.Query.ParseTypes(query.Get("types"))
	if err != nil {
		wrong = append(wrong, field("types", "unknown_type",
			"must be names of events, separated by commas, such as app.stopped,app.reinstated; docs/events.md lists them, less their versions"))
	}
	return names, wrong
}
