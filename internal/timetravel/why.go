package timetravel

import (
	"context"
	"fmt"
	"strings"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/terminal"
	"sundial/projections"
)

// Answer says why a field of an app is what it is.
type Answer struct {
	Field   domain.Field `json:"field" example:"status"`
	App     domain.AppID `json:"app" example:"1400000001"`
	Account string       `json:"account" example:"acme"`
	Value   string       `json:"value" doc:"In words; none where the app has null" example:"stopped"`
	Text    string       `json:"text" doc:"All of it as a short text"`
	Links   []Link       `json:"links" doc:"The grounds: events in the order in which they became known, then rules that no event tells of"`
}

// Link is a ground, with what its commit says of it. Of a rule that no event tells of only Kind and Text are there.
type Link struct {
	Kind        domain.LinkKind `json:"kind" enum:"fact,command,rule,timer" doc:"What a billing system or an order says, what people did, what the rules made of it at once, what fell due"`
	Text        string          `json:"text" example:"invoice inv-1 overdue since 2021-01-05T12:00:00.000Z"`
	Event       string          `json:"event,omitempty" doc:"The stored name" example:"app.invoice_overdue_recorded.v1"`
	Command     string          `json:"command,omitempty" doc:"What led to it" example:"mark_arrears"`
	EffectiveAt domain.Instant  `json:"effective_at,omitzero" doc:"When it became true in the world, of a fact or a stop"`
	RecordedAt  domain.Instant  `json:"recorded_at,omitzero"`
	Position    uint64          `json:"position,omitzero"`
	Actor       string          `json:"actor,omitempty" example:"billing:tok_51d2b07c93ef604a8e12"`
	Reason      string          `json:"reason,omitempty"`
	Correlation string          `json:"correlation,omitempty"`
	Source      string          `json:"source,omitempty" doc:"Of the message that a fact came with" example:"urn:billing:upstream"`
	ID          string          `json:"id,omitempty" doc:"Likewise" example:"up-1-752"`
}

// Why explains a field of an app; false if there is no such app.
func (p *Past) Why(ctx context.Context, id domain.AppID, field domain.Field) (Answer, bool, error) {
	if err := p.enter(ctx); err != nil {
		return Answer{}, false, err
	}
	defer p.leave()
	app, found, err := p.config.Store.App(ctx, id)
	if err != nil || !found {
		return Answer{}, false, err
	}
	entries, err := p.entries(ctx, id, domain.MaxInstant, &budget{p.most})
	if err != nil {
		return Answer{}, false, err
	}
	log, err := p.read(ctx, app, entries)
	if err != nil {
		return Answer{}, false, err
	}
	explained := domain.Why(log, field)
	answer := Answer{App: id, Account: app.Account, Field: field, Value: explained.Value, Links: []Link{}}
	for _, l := range explained.Links {
		link := Link{Kind: l.Kind, Text: l.Text}
		if l.Event >= 0 {
			commit, _, err := p.commit(ctx, app.Account, projections.Entry{Position: log[l.Event].Position, RecordedAt: log[l.Event].At})
			if err != nil {
				return Answer{}, false, err
			}
			link.tell(log[l.Event], commit)
		}
		answer.Links = append(answer.Links, link)
	}
	answer.Text = answer.text()
	return answer, true, nil
}

// tell adds what the event and its commit say.
func (l *Link) tell(past domain.Past, commit eventstore.Commit) {
	l.Event, l.Command, l.RecordedAt, l.Position = past.Event.Type(), commit.Command, past.At, past.Position
	l.Actor, l.Reason, l.Correlation = commit.Actor, commit.Reason, commit.Correlation
	if at, isFact := domain.Effective(past.Event); isFact {
		l.EffectiveAt = at
	} else if _, at, stops := domain.StopOf(past.Event); stops {
		l.EffectiveAt = at
	}
	if report := domain.ReportOf(past.Event); report != nil {
		l.Source, l.ID = report.Source, report.ID
	}
}

// text is the answer in a few lines.
func (a *Answer) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of app %d: %s\n", strings.ReplaceAll(string(a.Field), "_", " "), a.App, terminal.Text(a.Value, "    "))
	for _, l := range a.Links {
		fmt.Fprintf(&b, "- %s", terminal.Text(l.Text, "    "))
		if l.Position > 0 {
			fmt.Fprintf(&b, "\n    %s %s at position %d", a.recorded(l), l.RecordedAt, l.Position)
			for _, more := range []struct{ before, what string }{{" by ", l.Actor}, {", with ", join(l.Source, l.ID)}, {", because: ", l.Reason}} {
				if more.what != "" {
					b.WriteString(more.before + terminal.Text(more.what, "      "))
				}
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (*Answer) recorded(l Link) string {
	if l.Kind == domain.LinkTimer {
		return "fired"
	}
	return "recorded"
}

func join(source, id string) string { return strings.TrimSpace(source + " " + id) }
