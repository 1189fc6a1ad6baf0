package scheduler

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sundial/domain"
	"sundial/projections"
)

const (
	// aheadDays is how far the metric looks.
	aheadDays = 30

	// aheadFresh is how long a count is good enough: with a million apps it takes a tenth of a second.
	aheadFresh = time.Minute

	// aheadTimeout bounds what a scrape waits for it.
	aheadTimeout = 2 * time.Second
)

// ahead tells how much falls due on each of the next days, the rest of today being day 0.
type ahead struct {
	config Config
	due    *prometheus.Desc

	mu      sync.Mutex
	counted time.Duration // by Elapsed
	today   domain.Instant
	days    []projections.Day // nil: not counted yet
}

func newAhead(config Config) *ahead {
	return &ahead{config: config, due: prometheus.NewDesc("sundial_transitions_ahead",
		"Transitions that fall due on a day of the next thirty in UTC, by what they lead to; 0 is the rest of today. Counted at most once a minute.",
		[]string{"day", "to"}, nil)}
}

// Describe names the metric.
func (a *ahead) Describe(to chan<- *prometheus.Desc) { to <- a.due }

// Collect counts, unless that was done a moment ago. While the projections do not answer there is nothing to tell.
func (a *ahead) Collect(to chan<- prometheus.Metric) {
	a.mu.Lock()
	defer a.mu.Unlock()
	const day = 24 * time.Hour
	now := domain.InstantOf(a.config.Clock.Now())
	today := now - now%domain.Instant(day.Milliseconds())
	if elapsed := a.config.Elapsed(); a.days == nil || today != a.today || elapsed-a.counted >= aheadFresh {
		ctx, cancel := context.WithTimeout(context.Background(), aheadTimeout)
		defer cancel()
		days, err := a.config.Store.Calendar(ctx, projections.DueFilter{
			After: now, Before: today.Add(aheadDays * day), Policy: a.config.Engine.Policy(),
		})
		if err != nil {
			return
		}
		a.counted, a.today, a.days = elapsed, today, days
	}
	counts := [aheadDays]projections.Day{}
	for _, d := range a.days {
		counts[int64(d.Start-today)/day.Milliseconds()] = d
	}
	for i, d := range counts {
		for goal, count := range map[string]int{"stopped": d.Stopped, "expired": d.Expired, "active": d.Active, "edition": d.Edition} {
			to <- prometheus.MustNewConstMetric(a.due, prometheus.GaugeValue, float64(count), strconv.Itoa(i), goal)
		}
	}
}
