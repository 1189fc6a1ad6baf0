package api

import (
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/query"
)

// Commit is a command that was done, with the events that it led to.
type Commit struct {
	Position    uint64         `json:"position"`
	RecordedAt  domain.Instant `json:"recorded_at"`
	Command     string         `json:"command" example:"stop_app"`
	CommandID   string         `json:"command_id" doc:"Its Idempotency-Key; for a billing event fact/ with source and id, for what time did auto/"`
	Actor       string         `json:"actor" doc:"Who did it" example:"scheduler"`
	Reason      *string        `json:"reason" doc:"Why, where somebody said so"`
	Correlation *string        `json:"correlation" doc:"The id of the request that led to it"`
	Events      []CommitEvent  `json:"events"`
}

// CommitEvent is an event of a commit.
type CommitEvent struct {
	ID          string         `json:"id" doc:"That of the feed" example:"1234.0"`
	Type        string         `json:"type" example:"sundial.app.stopped"`
	App         *domain.AppID  `json:"app" doc:"null for what is about the account"`
	EffectiveAt Absentable     `json:"effective_at" doc:"Since when it is so in the world; null: since it was recorded"`
	Data        jsontext.Value `json:"data"`
}

// maxActor bounds the actor that is looked for: a capacity and the id of a token, with room.
const maxActor = 128

// readAccountHistory answers GET /v1/accounts/{account}/history.
func (a *API) readAccountHistory(x *call) reply {
	acc, problem, fine := a.known(x)
	if !fine {
		return problem
	}
	return a.historyOf(x, func(h query.History) (query.HistoryPage, error) {
		return a.config.Query.AccountHistory(x.r.Context(), acc.ID, h)
	})
}

// readAppHistory answers GET /v1/apps/{app}/history.
func (a *API) readAppHistory(x *call) reply {
	app, _, problem, fine := x.app()
	if !fine {
		return problem
	}
	return a.historyOf(x, func(h query.History) (query.HistoryPage, error) {
		return a.config.Query.AppHistory(x.r.Context(), app, h)
	})
}

func (a *API) historyOf(x *call, read func(query.History) (query.HistoryPage, error)) reply {
	h, wrong := a.filterHistory(x.query)
	if wrong != nil {
		return invalid.with(wrong...)
	}
	page, err := read(h)
	if err != nil {
		return listError(err)
	}
	next := ""
	if page.Before > 0 {
		next = strconv.FormatUint(page.Before, 10)
	}
	return x.written(appendList(x.buffer(), page.Commits, next, func(b []byte, c query.Commit) []byte {
		return append(b, marshal(shownCommit(&c))...)
	}))
}

// filterHistory reads which part of a history is asked for.
func (a *API) filterHistory(query url.Values) (h query.History, wrong []domain.FieldError) {
	page, wrong := pageOf(query)
	h.Limit = page.Limit
	if page.Cursor != "" {
		before, err := strconv.ParseUint(page.Cursor, 10, 63)
		if err != nil || before == 0 {
			wrong = append(wrong, wrongCursor())
		}
		h.Before = before
	}
	types, unknown := a.typesOf(query)
	window, crooked := windowOf(query)
	h.Types, h.Window, h.Actor = types, window, query.Get("actor")
	if query.Has("actor") && (h.Actor == "" || utf8.RuneCountInString(h.Actor) > maxActor) {
		wrong = append(wrong, field("actor", "out_of_range", "must be 1 to 128 characters: an actor as histories have it, the part before the colon, or system"))
	}
	return h, joined(wrong, unknown, crooked)
}

func shownCommit(c *query.Commit) Commit {
	out := Commit{
		Position: c.Position, RecordedAt: c.RecordedAt, Command: c.Command, CommandID: c.CommandID, Actor: c.Actor,
		Reason: present(c.Reason), Correlation: present(c.Correlation), Events: make([]CommitEvent, len(c.Events)),
	}
	for i := range c.Events {
		e := &c.Events[i]
		out.Events[i] = CommitEvent{ID: e.ID(), Type: e.Type(), App: present(e.App), EffectiveAt: present(e.EffectiveAt), Data: e.Data}
	}
	return out
}
