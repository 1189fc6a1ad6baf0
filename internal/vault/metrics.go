package vault

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics tell how the vault does. All labels are made beforehand, so that an alarm can be written on each.
type metrics struct {
	registerer prometheus.Registerer
	collectors []prometheus.Collector
	operations *prometheus.CounterVec
	reads      prometheus.Counter
	locked     prometheus.Gauge
}

// outcomes are what an operation can end as; anything else is "failed".
var outcomes = []struct {
	name string
	err  error
}{
	{"locked", ErrLocked}, {"forgotten", ErrForgotten}, {"unavailable", ErrUnavailable}, {"tampered", ErrTampered},
}

func newMetrics(c *cache, r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		registerer: r,
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sundial_vault_operations_total", Help: "What was asked of the vault, by outcome. Alarm on locked and tampered.",
		}, []string{"operation", "outcome"}),
		reads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sundial_vault_key_reads_total", Help: "Wrapped keys read because they were not in memory.",
		}),
		locked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sundial_vault_locked", Help: "1 while the root key in force is not known here. Alarm above 0.",
		}),
	}
	for _, operation := range []string{"seal", "unseal", "fingerprint", "print", "forget"} {
		m.operations.WithLabelValues(operation, "ok")
		m.operations.WithLabelValues(operation, "failed")
		for _, o := range outcomes {
			m.operations.WithLabelValues(operation, o.name)
		}
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	m.collectors = []prometheus.Collector{
		m.operations, m.reads, m.locked,
		gauge("sundial_vault_keys_cached", "Holders whose keys are in memory.", func() float64 {
			held, _ := c.state()
			return float64(held)
		}),
		gauge("sundial_vault_following", "1 while keys destroyed on other nodes are heard of. Alarm at 0 for minutes.", func() float64 {
			if _, following := c.state(); following {
				return 1
			}
			return 0
		}),
	}
	if r == nil {
		return m, nil
	}
	for i, c := range m.collectors {
		if err := r.Register(c); err != nil {
			m.collectors = m.collectors[:i]
			m.unregister()
			return nil, fmt.Errorf("vault: metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.collectors {
		m.registerer.Unregister(c)
	}
}

// count takes note of how an operation ended, and gives the error back.
func (m *metrics) count(operation string, err error) error {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	for _, o := range outcomes {
		if errors.Is(err, o.err) {
			outcome = o.name
		}
	}
	m.operations.WithLabelValues(operation, outcome).Inc()
	return err
}

func (m *metrics) setLocked(err error) {
	if errors.Is(err, ErrLocked) {
		m.locked.Set(1)
	} else {
		m.locked.Set(0)
	}
}
