package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sundial/internal/auth"
)

// metrics counts requests by route, never by path: paths are the clients' and without end.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	commands *prometheus.CounterVec
	streams  prometheus.Gauge
	leftOut  prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sundial_http_requests_total", Help: "Requests by route and status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sundial_http_request_seconds", Help: "Time to answer a request, by route.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}, []string{"route"}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sundial_rpc_requests_total", Help: "Commands over NATS by name and status.",
		}, []string{"command", "status"}),
	}
	m.streams = prometheus.NewGauge(prometheus.GaugeOpts{Name: "sundial_http_streams", Help: "Streams of events that are open."})
	m.leftOut = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "sundial_log_lines_left_out_total", Help: "Lines on refused requests that the log does not have, as many others say the same.",
	})
	r.MustRegister(m.requests, m.seconds, m.commands, m.streams, m.leftOut)
	return m
}

// measure counts one route's requests. Its counters are looked up once.
type measure struct {
	metrics *metrics
	route   string
	seconds prometheus.Observer
	counts  [600]atomic.Pointer[prometheus.Counter]
}

func (m *metrics) of(rt *route) *measure {
	return &measure{metrics: m, route: rt.name, seconds: m.seconds.WithLabelValues(rt.name)}
}

func (m *measure) observe(status int, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	if status < 0 || status >= len(m.counts) {
		status = 0
	}
	counter := m.counts[status].Load()
	if counter == nil {
		c := m.metrics.requests.WithLabelValues(m.route, strconv.Itoa(status))
		counter = &c
		m.counts[status].Store(counter)
	}
	(*counter).Inc()
}

func (m *metrics) called(name string, status int) {
	if commandsByName[name] == nil {
		name = "unknown"
	}
	m.commands.WithLabelValues(name, strconv.Itoa(status)).Inc()
}

// observe counts and logs an answer.
func (a *API) observe(x *call, rep *reply, bytes int) {
	took := time.Since(x.started) //nolint:forbidigo // measures a duration
	x.rt.measure.observe(rep.status, took)
	a.log(entry{
		method: x.r.Method, path: x.r.URL.Path, request: x.request, token: x.who.TokenID, remote: x.r.RemoteAddr,
		took: took, bytes: bytes, changes: x.rt.command(),
	}, rep)
}

// entry is a line of the access log. It holds no body and no query, and no token, also where one was put into the path.
type entry struct {
	method, path, request, token, remote string
	took                                 time.Duration
	bytes                                int
	changes                              bool
}

// log writes the access log: changes, and what went wrong; reads that succeed only where debugging is on, because they
// are many and tell nothing.
func (a *API) log(e entry, rep *reply) {
	level := slog.LevelDebug
	switch {
	case rep.status >= http.StatusInternalServerError:
		level = slog.LevelError
	case e.changes || rep.status >= http.StatusBadRequest:
		level = slog.LevelInfo
	}
	if !a.config.Logger.Enabled(context.Background(), level) || rep.status >= http.StatusBadRequest && !a.taken(e, rep) {
		return
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs,
		slog.String("method", e.method), slog.String("path", clip(auth.Redacted(e.path))), slog.Int("status", rep.status),
		slog.Duration("took", e.took), slog.Int("bytes", e.bytes), slog.String("request", e.request))
	for _, s := range []struct{ name, value string }{{"remote", e.remote}, {"token", e.token}, {"code", rep.code}} {
		if s.value != "" {
			attrs = append(attrs, slog.String(s.name, s.value))
		}
	}
	if rep.err != nil {
		attrs = append(attrs, slog.String("error", rep.err.Error()))
	}
	a.config.Logger.LogAttrs(context.Background(), level, "request", attrs...)
}

// clip keeps a path from filling the log.
func clip(path string) string {
	const most = 200
	if len(path) > most {
		return path[:most] + "..."
	}
	return path
}

func panicked(p any) error { return fmt.Errorf("panic: %v\n%s", p, stack()) }
