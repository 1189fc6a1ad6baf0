package engine

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sundial/domain"
)

type metrics struct {
	commands  *prometheus.CounterVec
	seconds   prometheus.Histogram
	conflicts prometheus.Counter
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sundial_commands_total", Help: "Commands by name and outcome: appended, silent, repeated, refused, failed.",
		}, []string{"command", "outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sundial_command_seconds", Help: "Time from a command's arrival to its commit.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sundial_conflicts_total", Help: "Commits that came second and were decided again.",
		}),
	}
	if r != nil {
		r.MustRegister(m.commands, m.seconds, m.conflicts)
	}
	return m
}

func (m metrics) observe(command string, outcome Outcome, err error, took time.Duration) {
	label := string(outcome)
	if err != nil {
		label = "failed"
		var refusal *domain.Refusal
		var invalid *domain.Invalid
		if errors.As(err, &refusal) || errors.As(err, &invalid) {
			label = "refused"
		}
	}
	m.commands.WithLabelValues(command, label).Inc()
	m.seconds.Observe(took.Seconds())
}
