package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/jedib0t/go-pretty/v6/text"

	"sundial/domain"
)

// story tells what happens to the apps, as the API gives it: what time changes is what was listed as due, what a message
// changes is seen by reading its app again.
type story struct {
	*job
	bar   *bar
	known map[uint64]shownState // of each app, as last told
}

// shownState is what a line of the story is about.
type shownState struct{ status, edition string }

func (s shownState) String() string { return s.status + " " + s.edition }

// begin takes down what the apps are.
func (j *job) begin(ctx context.Context, b *bar) (*story, error) {
	apps, err := j.client.states(ctx)
	if err != nil {
		return nil, err
	}
	s := &story{job: j, bar: b, known: map[uint64]shownState{}}
	for id, app := range apps {
		s.known[id] = shownState{app.Status, app.Edition}
	}
	return s, nil
}

// dueTransition is a row of GET /v1/transitions.
type dueTransition struct {
	App   uint64         `json:"app"`
	Due   domain.Instant `json:"due"`
	Cause string         `json:"cause"`
}

// due lists what falls due up to an instant.
func (s *story) due(ctx context.Context, upTo domain.Instant) ([]dueTransition, error) {
	a, err := s.client.do(ctx, request{method: http.MethodGet, path: "/v1/transitions", query: url.Values{
		"before": {(upTo + 1).String()}, "limit": {strconv.Itoa(maxPage)},
	}})
	if err != nil {
		return nil, err
	}
	var page struct {
		Items []dueTransition `json:"items"`
	}
	err = a.into(&page)
	return page.Items, err
}

// fired tells of transitions that time brought.
func (s *story) fired(ctx context.Context, all []dueTransition) error {
	for _, d := range all {
		if err := s.look(ctx, d.Due, d.App, fmt.Sprintf("%s, due %s", d.Cause, d.Due)); err != nil {
			return err
		}
	}
	return nil
}

// took tells what deliveries brought to the apps that they are about.
func (s *story) took(ctx context.Context, at domain.Instant, arrived []delivery) error {
	for _, d := range arrived {
		var event struct {
			Type string `json:"type"`
			Data struct {
				App         uint64         `json:"app"`
				EffectiveAt domain.Instant `json:"effective_at"`
			} `json:"data"`
		}
		if err := json.Unmarshal(d.Event, &event); err != nil {
			return fmt.Errorf("a delivery: %w", err)
		}
		what := strings.ReplaceAll(strings.TrimPrefix(event.Type, "sundial.billing."), ".", " ")
		if err := s.look(ctx, at, event.Data.App, fmt.Sprintf("%s, effective %s", what, event.Data.EffectiveAt)); err != nil {
			return err
		}
	}
	return nil
}

// look reads an app again and tells of it, if it is not what it was.
func (s *story) look(ctx context.Context, at domain.Instant, id uint64, why string) error {
	a, err := s.client.do(ctx, request{method: http.MethodGet, path: fmt.Sprintf("/v1/apps/%d", id)})
	if a.status == http.StatusNotFound {
		return nil // of an app that is not known: it is parked
	}
	if err != nil {
		return err
	}
	var app state
	if err := a.into(&app); err != nil {
		return err
	}
	was, now := s.known[id], shownState{app.Status, app.Edition}
	if was == now {
		return nil
	}
	s.known[id] = now
	from, to := was.String(), now.String()
	if was.edition == now.edition {
		from, to = was.status, now.status
	}
	s.bar.say(fmt.Sprintf("%s  %d  %s  %s -> %s  %s", at, id,
		text.Pad(s.feed.names[id], s.width, ' '), text.Pad(from, shownWidth, ' '), text.Pad(to, shownWidth, ' '), why))
	return nil
}

// shownWidth is that of the longest state, "stopped flagship".
const shownWidth = 16
