package scheduler

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	fired, failed        prometheus.Counter
	lateness             prometheus.Histogram
	backlog, held, stuck prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := metrics{
		fired:  counter("sundial_transitions_total", "Transitions that time caused."),
		failed: counter("sundial_ticks_failed_total", "Ticks of the scheduler that failed and are tried again."),
		lateness: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sundial_transition_lateness_seconds", Help: "Seconds from a due time to the commit of its transition.",
			Buckets: []float64{0.1, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 5, 15, 60, 600, 3600, 86400},
		}),
		backlog: gauge("sundial_transitions_due", "Transitions that are due and have not fired."),
		held:    gauge("sundial_clock_held", "1 while transitions are held because the clock jumped."),
		stuck:   gauge("sundial_accounts_held", "Accounts whose transitions are held because their billing facts cannot be taken in."),
	}
	if r != nil {
		r.MustRegister(m.fired, m.failed, m.lateness, m.backlog, m.held, m.stuck)
	}
	return m
}
