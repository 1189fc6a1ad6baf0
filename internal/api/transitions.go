package api

import (
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"sundial/domain"
	"sundial/internal/accountid"
	"sundial/projections"
)

// Transition is something that time will do.
type Transition struct {
	App       domain.AppID   `json:"app" example:"1400000001"`
	Account   string         `json:"account" example:"acme"`
	From      string         `json:"from" doc:"A status, or edition: and an edition" example:"expired"`
	To        string         `json:"to" doc:"A status, or edition: and an edition" example:"stopped"`
	Due       domain.Instant `json:"due"`
	Cause     dueCause       `json:"cause"`
	Prevented Prevention     `json:"prevented_by" doc:"The facts that would keep it from happening"`
}

// Prevention is the facts that would keep a transition from happening, effective in time.
type Prevention struct {
	Facts       []string       `json:"facts" doc:"Types of billing events: one of them for each invoice, or for one order; none where nothing is lost by what time does" example:"sundial.billing.order.paid"`
	Invoices    []string       `json:"invoices,omitzero" doc:"All of these" example:"inv-1"`
	Edition     domain.Edition `json:"edition,omitzero" doc:"What the order must be for, at least; it must end after the due" enum:"pro,flagship"`
	EffectiveBy domain.Instant `json:"effective_by" doc:"The due itself is in time"`
}

// The types of the facts, as package ingest takes them.
const (
	factPaid    = "sundial.billing.order.paid"
	factSettled = "sundial.billing.invoice.settled"
	factVoided  = "sundial.billing.invoice.voided"
)

func appendTransition(b []byte, t projections.Transition) []byte {
	b = append(b, `{"app":`...)
	b = strconv.AppendUint(b, uint64(t.App), 10)
	b = appendString(append(b, `,"account":`...), t.Account)
	b = appendString(append(b, `,"from":`...), t.From)
	b = appendString(append(b, `,"to":`...), t.To)
	b = appendInstant(append(b, `,"due":`...), t.At)
	b = appendString(append(b, `,"cause":`...), string(t.Cause))
	b = append(b, `,"prevented_by":{"facts":[`...)
	switch {
	case t.Prevention.Edition != "":
		b = appendString(b, factPaid)
		b = appendString(append(b, `],"edition":`...), string(t.Prevention.Edition))
	case len(t.Prevention.Invoices) == 0: // nothing is lost by it
		b = append(b, ']')
	default:
		b = appendString(b, factSettled)
		b = appendString(append(b, ','), factVoided)
		b = append(b, `],"invoices":[`...)
		for i, id := range t.Prevention.Invoices {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, id)
		}
		b = append(b, ']')
	}
	b = appendInstant(append(b, `,"effective_by":`...), t.At)
	return append(b, "}}"...)
}

// window are the parameters of a question about what is due.
var window = []parameter{
	{"after", "Only what is due at this time or later", "2021-02-01T00:00:00.000Z", huma.Schema{Type: huma.TypeString, Format: "date-time"}},
	{"before", "Only what is due before this time", "2021-02-08T00:00:00.000Z", huma.Schema{Type: huma.TypeString, Format: "date-time"}},
	accountParameter,
}

// due reads what is asked about what is due.
func (x *call) due() (filter projections.DueFilter, wrong []domain.FieldError, problem reply, fine bool) {
	account := x.query.Get("account")
	if account == "" {
		account = x.who.Account
	}
	if problem, fine = x.allowed(account, noAccount); !fine {
		return filter, nil, problem, false
	}
	filter.Account = account
	if x.query.Has("account") && !accountid.Valid(account) {
		wrong = append(wrong, wrongAccount())
	}
	if x.query.Has("after") {
		wrong = append(wrong, instantOf(x.query, "after", &filter.After)...)
	}
	if x.query.Has("before") {
		wrong = append(wrong, instantOf(x.query, "before", &filter.Before)...)
	}
	return filter, wrong, reply{}, true
}

// listTransitions answers GET /v1/transitions. A token for one account sees that one's.
func (a *API) listTransitions(x *call) reply {
	filter, wrong, problem, fine := x.due()
	if !fine {
		return problem
	}
	filter.Policy = a.config.Engine.Policy()
	page, wrongPage := pageOf(x.query)
	if wrong = joined(wrong, wrongPage); wrong != nil {
		return invalid.with(wrong...)
	}
	due, next, err := a.config.Store.Transitions(x.r.Context(), filter, page)
	if err != nil {
		return listError(err)
	}
	return x.written(appendList(x.buffer(), due, next, appendTransition))
}

// Calendar is how much falls due, day by day.
type Calendar struct {
	After  domain.Instant `json:"after"`
	Before domain.Instant `json:"before"`
	Items  []CalendarDay  `json:"items" doc:"The days on which anything is due"`
}

// CalendarDay is how much falls due on a day.
type CalendarDay struct {
	Day     string `json:"day" doc:"In UTC" example:"2021-01-12"`
	Stopped int    `json:"stopped" doc:"Stops"`
	Expired int    `json:"expired" doc:"Expiries"`
	Active  int    `json:"active" doc:"Returns to active, by an order that begins"`
	Edition int    `json:"edition" doc:"Changes of the edition alone"`
}

const (
	// usualWindow is what a calendar shows where nothing is said, and longestWindow what it shows at most: it looks at
	// each due within.
	usualWindow   = 30 * 24 * time.Hour
	longestWindow = 366 * 24 * time.Hour
)

// forecast answers GET /v1/transitions/days.
func (a *API) forecast(x *call) reply {
	filter, wrong, problem, fine := x.due()
	if !fine {
		return problem
	}
	filter.Policy = a.config.Engine.Policy()
	if filter.After == 0 {
		filter.After = a.config.Engine.Now()
	}
	if filter.Before == 0 {
		filter.Before = filter.After.Add(usualWindow)
	}
	if filter.Before > filter.After.Add(longestWindow) {
		wrong = append(wrong, field("before", "out_of_range", "must be at most 366 days later than after, which is now where it is not given"))
	}
	if wrong != nil {
		return invalid.with(wrong...)
	}
	days, err := a.config.Store.Calendar(x.r.Context(), filter)
	if err != nil {
		return listError(err)
	}
	shown := Calendar{After: filter.After, Before: filter.Before, Items: make([]CalendarDay, len(days))}
	for i, d := range days {
		shown.Items[i] = CalendarDay{d.Start.Time().Format(time.DateOnly), d.Stopped, d.Expired, d.Active, d.Edition}
	}
	return ok(marshal(shown))
}
