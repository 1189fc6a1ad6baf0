package ingest

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics tell what became of events and what waits.
type metrics struct {
	events  map[string]map[Kind]prometheus.Counter // by way and outcome
	retries prometheus.Counter
}

func newMetrics(i *Intake, r prometheus.Registerer) *metrics {
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "sundial_billing_events_total", Help: "Billing events judged, by the way they came and by outcome.",
	}, []string{"way", "outcome"})
	m := &metrics{
		events: map[string]map[Kind]prometheus.Counter{},
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sundial_billing_retries_total", Help: "Attempts at billing events that failed and were made again.",
		}),
	}
	for _, way := range []string{"nats", "http"} {
		m.events[way] = map[Kind]prometheus.Counter{}
		for _, kind := range []Kind{OutcomeAccepted, OutcomeDuplicate, OutcomeParked} {
			m.events[way][kind] = events.WithLabelValues(way, string(kind))
		}
	}
	if r == nil {
		return m
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	size := func(which func(windowSize) int) func() float64 {
		return func() float64 {
			if t := i.term.Load(); t != nil {
				return float64(which(t.window.size()))
			}
			return 0
		}
	}
	r.MustRegister(events, m.retries,
		gauge("sundial_billing_window", "Billing events fetched from NATS and not yet taken in.",
			size(func(s windowSize) int { return s.waiting + s.held })),
		gauge("sundial_billing_stuck_accounts", "Accounts whose billing events cannot be taken in. Alarm above 0.",
			size(func(s windowSize) int { return s.stuck + s.unparked })),
		gauge("sundial_billing_unparked_accounts", "Of these those that are stuck since there is no room to park what they sent.",
			size(func(s windowSize) int { return s.unparked })),
		gauge("sundial_parked_open", "Billing events parked and open.",
			func() float64 { open, _, _ := i.parking.index.size(); return float64(open) }),
		gauge("sundial_parked_open_bytes", "Their bytes. Of one account at most 10,000 events are parked, 107 MB, of one token or over NATS 50,000, of all 100,000.",
			func() float64 { _, bytes, _ := i.parking.index.size(); return float64(bytes) }),
	)
	return m
}

func (m *metrics) count(way string, outcome Kind) { m.events[way][outcome].Inc() }
