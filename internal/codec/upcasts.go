package codec

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/eventstore"
)

// upcasts read what older programs wrote. Each leads to the event of today in one step, from what the stored event says
// and nothing else: an upcast knows neither the commit nor the account. It keeps the name of the event, in front of the
// version, by which consumers choose events and sums of money are found.
var upcasts = []eventstore.Upcast[domain.Event]{
	eventstore.NewUpcast("app.refund_recorded.v1", func(old refundRecordedV1) domain.Event {
		e := domain.RefundRecorded{
			About: old.About, Order: old.Order, EffectiveAt: old.EffectiveAt, Amount: old.Amount, Report: old.Report,
		}
		tell(&e)
		return e
	}),
	eventstore.NewUpcast("app.term_scheduled.v1", func(old termScheduledV1) domain.Event {
		e := domain.TermScheduled{About: old.About, Due: old.Due, To: old.To, Cause: old.Cause}
		if old.Due != 0 && old.To == "" {
			e.Expiries = []domain.ScheduledExpiry{{At: old.Due, Cause: old.Cause, NoticeAt: old.NoticeAt}}
		}
		return e
	}),
	eventstore.NewUpcast("app.arrears_started.v1", func(old graceV1) domain.Event {
		return domain.ArrearsStarted{About: old.About, Grace: old.grace()}
	}),
	eventstore.NewUpcast("app.arrears_moved.v1", func(old graceV1) domain.Event {
		return domain.ArrearsMoved{About: old.About, Grace: old.grace()}
	}),
	eventstore.NewUpcast("app.lapsed.v1", func(old lapsedV1) domain.Event {
		return domain.Lapsed{About: old.About, Cause: old.Cause, Grace: old.grace()}
	}),
	eventstore.NewUpcast("app.lapse_moved.v1", func(old lapsedV1) domain.Event {
		return domain.LapseMoved{About: old.About, Cause: old.Cause, Grace: old.grace()}
	}),
}

// tell reads what the program of the time kept of a refund's message without understanding it: which refund of the order it
// is, and whether it ends it. What makes no sense is left where it was kept.
func tell(e *domain.RefundRecorded) {
	if e.Report == nil {
		return
	}
	var extra, data map[string]jsontext.Value
	if json.Unmarshal(e.Report.Extra, &extra) != nil || json.Unmarshal(extra["data"], &data) != nil {
		return
	}
	var id string
	if given, is := data["refund"]; is && (json.Unmarshal(given, &id) != nil || !sensible(id)) {
		return
	}
	var ends *bool
	if given, is := data["ends"]; is && json.Unmarshal(given, &ends) != nil {
		return
	}
	if _, named := data["refund"]; !named && ends == nil {
		return
	}
	delete(data, "refund")
	delete(data, "ends")
	rest, err := left(extra, data)
	if err != nil {
		return // it was read just now
	}
	e.Refund, e.Goodwill = id, ends != nil && !*ends
	e.Report = &domain.Report{Source: e.Report.Source, ID: e.Report.ID, Extra: rest}
}

// left is what of a message is still not understood.
func left(extra, data map[string]jsontext.Value) (jsontext.Value, error) {
	delete(extra, "data")
	if len(data) > 0 {
		text, err := json.Marshal(data, json.Deterministic(true))
		if err != nil {
			return nil, err
		}
		extra["data"] = text
	}
	if len(extra) == 0 {
		return nil, nil
	}
	return json.Marshal(extra, json.Deterministic(true))
}

// sensible says whether an id is one that a refund may have.
func sensible(id string) bool {
	return utf8.RuneCountInString(id) <= domain.MaxIDRunes && !strings.ContainsFunc(id, unicode.IsControl)
}

// refundRecordedV1 knew one refund of an order, which ended it.
type refundRecordedV1 struct {
	domain.About
	Order       string         `json:"order"`
	EffectiveAt domain.Instant `json:"effective_at"`
	Amount      domain.Money   `json:"amount,omitzero"`
	Report      *domain.Report `json:"report,omitzero"`
}

// termScheduledV1 knew of one expiry, where that was the next change.
type termScheduledV1 struct {
	domain.About
	Due      domain.Instant `json:"due,omitzero"`
	To       domain.Edition `json:"to,omitzero"`
	Cause    domain.Cause   `json:"cause,omitzero"`
	NoticeAt domain.Instant `json:"notice_at,omitzero"`
}

// graceV1 did not say for which edition the grace was, which was one for all; nor which notices a stop has, which were the
// engine's as each was given.
type graceV1 struct {
	domain.About
	Since    domain.Instant `json:"since"`
	StopDue  domain.Instant `json:"stop_due"`
	NoticeAt domain.Instant `json:"notice_at,omitzero"`
}

func (g graceV1) grace() domain.Grace {
	return domain.Grace{Since: g.Since, StopDue: g.StopDue, NoticeAt: g.NoticeAt}
}

// lapsedV1 is the same with the cause of a lapse.
type lapsedV1 struct {
	graceV1
	Cause domain.Cause `json:"cause"`
}
