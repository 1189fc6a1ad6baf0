package api

import (
	"github.com/danielgtaylor/huma/v2"

	"sundial/domain"
)

// The causes that the document names are those of the domain's table.
type (
	stopCause  string // of a stop: every cause
	lapseCause string // of a lapse
	dueCause   string // of what time will do: the causes that hold by rule, and an order that begins
)

func (stopCause) Schema(huma.Registry) *huma.Schema {
	return causesThat(func(domain.CauseOfHold) bool { return true })
}

func (lapseCause) Schema(huma.Registry) *huma.Schema { return causesThat(domain.CauseOfHold.Lapses) }

func (dueCause) Schema(huma.Registry) *huma.Schema {
	s := causesThat(domain.CauseOfHold.ByRule)
	s.Enum = append(s.Enum, string(domain.CauseOrder))
	return s
}

func causesThat(are func(domain.CauseOfHold) bool) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, c := range domain.Causes() {
		if are(c) {
			s.Enum = append(s.Enum, string(c.Cause))
		}
	}
	return s
}
