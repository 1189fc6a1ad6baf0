package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics tell how far the projections are and what a batch costs.
type metrics struct {
	all     []prometheus.Collector
	commits prometheus.Counter
	size    prometheus.Histogram
	seconds prometheus.Histogram
}

// headTimeout bounds what a scrape waits for the log's head.
const headTimeout = time.Second

func newMetrics(s *Store) (*metrics, error) {
	m := &metrics{
		commits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sundial_projection_commits_total", Help: "Commits of the log taken into the projections.",
		}),
		size: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sundial_projection_batch_commits", Help: "Commits in a batch, which is one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 7),
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sundial_projection_batch_seconds", Help: "Time that writing and committing a batch takes.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 8),
		}),
	}
	m.all = []prometheus.Collector{
		m.commits, m.size, m.seconds,
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sundial_projection_damages_total", Help: "How often the projections were found damaged and were made anew from the log.",
		}, func() float64 { return float64(s.mending.count()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sundial_projection_position", Help: "Sequence of the last commit that reads can see.",
		}, func() float64 { return float64(s.Position()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sundial_projection_lag_commits", Help: "Commits in the log that reads cannot see yet; -1 while the log does not answer.",
		}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), headTimeout)
			defer cancel()
			position := s.Position()
			head, err := s.config.Log.Head(ctx)
			if err != nil {
				return -1
			}
			return float64(max(head, position) - position)
		}),
	}
	if s.config.Registerer == nil {
		return m, nil
	}
	for i, c := range m.all {
		if err := s.config.Registerer.Register(c); err != nil {
			m.all = m.all[:i]
			m.unregister(s.config.Registerer)
			return nil, fmt.Errorf("projections: registering metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) batch(commits int, took time.Duration) {
	m.commits.Add(float64(commits))
	m.size.Observe(float64(commits))
	m.seconds.Observe(took.Seconds())
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if m == nil || r == nil {
		return
	}
	for _, c := range m.all {
		r.Unregister(c)
	}
}
