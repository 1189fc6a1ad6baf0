package codec

import (
	"sundial/domain"
	"sundial/eventstore"
)

// upcasts read what older programs wrote. Each leads to the event of today in one step, from what the stored event says
// and nothing else: an upcast knows neither the commit nor the account. It keeps the name of the event, in front of the
// version, by which consumers choose events and sums of money are found.
var upcasts = []eventstore.Upcast[domain.Event]{
	eventstore.NewUpcast("app.refund_recorded.v1", func(old refundRecordedV1) domain.Event {
		return domain.RefundRecorded{
			About: old.About, Order: old.Order, EffectiveAt: old.EffectiveAt, Amount: old.Amount, Report: old.Report,
		}
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
