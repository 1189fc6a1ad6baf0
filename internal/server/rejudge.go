package server

import (
	"context"

	"sundial/domain"
	"sundial/internal/ingest"
	"sundial/projections"
)

// maxRejudgementsLogged bounds the lines that a start logs about apps; who reads a hundred asks for the list.
const maxRejudgementsLogged = 100

// reportRejudgements logs what an earlier version of the program decided by other rules: the apps that today's rules judge
// otherwise, and the orders that were parked because they begin later.
func (l *instance) reportRejudgements(ctx context.Context) {
	log := l.config.Logger
	apps, err := l.reportApps(ctx)
	if err == nil && apps > 0 {
		log.Warn("apps are judged otherwise by today's rules than they were: each stays as it is until an operator rejudges it",
			"apps", apps, "list", "sundial rejudge --list", "rejudge", "sundial rejudge --all", "read", "docs/rejudging.md")
	}
	orders := 0
	if err == nil {
		orders, err = l.reportParked(ctx)
	}
	if err == nil && orders > 0 {
		log.Warn("billing events wait that were parked because they are effective too far ahead: today's rules may take them",
			"events", orders, "replay", "sundial parked replay --all --code "+domain.EffectiveTooFar.Code, "read", "docs/rejudging.md")
	}
	if err != nil && ctx.Err() == nil {
		log.Error("looking for what today's rules judge otherwise failed: see sundial rejudge --list", "error", err)
	}
}

// reportApps logs the first of the apps, and counts all.
func (l *instance) reportApps(ctx context.Context) (apps int, err error) {
	for page := (projections.Page{Limit: projections.MaxLimit}); ; {
		found, next, err := l.past.Rejudgements(ctx, "", page)
		if err != nil {
			return apps, err
		}
		for _, r := range found {
			if apps++; apps <= maxRejudgementsLogged {
				l.config.Logger.Warn("today's rules judge an app otherwise", "app", uint64(r.Is.ID), "account", r.Is.Account,
					"differs", r.Differs, "status", r.Is.Status(), "would_be", r.WouldBe.Status())
			}
		}
		if page.Cursor = next; next == "" {
			return apps, nil
		}
	}
}

// reportParked counts what was parked as effective too far ahead.
func (l *instance) reportParked(ctx context.Context) (events int, err error) {
	for cursor := ""; ; {
		var parked []ingest.Parked
		filter := ingest.ParkedFilter{Code: domain.EffectiveTooFar.Code}
		if parked, cursor, err = l.intake.Parked(ctx, filter, cursor, projections.MaxLimit); err != nil {
			return events, err
		}
		events += len(parked)
		if cursor == "" {
			return events, nil
		}
	}
}
