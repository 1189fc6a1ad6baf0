//go:generate go test -run ^TestDocumentIsCurrent$ -count 1 . -update

// Package api is the HTTP edge: JSON under /v1, described by the OpenAPI document that is made from the same tables
// that route the requests. What commands are, and how their bodies become commands of the domain, stands in one table
// that package rpc is given a door to, so that NATS answers as HTTP does.
//
// huma routes and describes. Bodies are read and judged here: huma's own reading takes a name twice or in another case,
// and its errors repeat the values sent.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"sundial/internal/auth"
	"sundial/internal/engine"
	"sundial/internal/ingest"
	"sundial/internal/query"
	"sundial/internal/secrets"
	"sundial/internal/timetravel"
	"sundial/internal/turns"
	"sundial/projections"
	"sundial/scheduler"
)

// Config is what the API is made of. All parts but Checks, Rate and Logger are required.
type Config struct {
	Engine    *engine.Engine
	Store     *projections.Store
	Intake    *ingest.Intake
	Scheduler *scheduler.Scheduler
	Tokens    *auth.Store
	Secrets   *secrets.Keeper
	Past      *timetravel.Past
	Query     *query.Reader

	// Head gives the position of the log's latest commit; readiness shows how far the projections are behind it.
	Head func(ctx context.Context) (uint64, error)

	// Checks are what else readiness depends on, such as a probe of the log.
	Checks []Check

	// Metrics is what /metrics shows; the API's own are registered with it.
	Metrics *prometheus.Registry

	// Rate is how many requests a second one token may send on average; 0 means DefaultRate.
	Rate float64

	Logger *slog.Logger
}

// Check is something that readiness depends on.
type Check struct {
	Name string
	// Look says what it found, if that is worth telling, and an error if the node should get no traffic. It has a second.
	Look func(ctx context.Context) (note string, err error)
}

// API answers requests. It is an http.Handler and, as Command, the door for package rpc. It is safe for concurrent use.
type API struct {
	config   Config
	mux      *http.ServeMux
	document []byte // /openapi.json
	nowhere  *route // for paths that the mux should not see
	metrics  *metrics
	limits   limits
	reads    *turns.Turns // of reads that look at more than one thing
	long     *turns.Turns // of reads that may go through all that an account ever did

	// Those of the constants, shorter in tests.
	streamPatience, streamHeartbeat time.Duration

	sample sample     // of refusals, for the log
	probe  sync.Mutex // readiness is looked for once at a time

	process  string // begins the ids of requests that come without one
	requests atomic.Uint64
	buffers  sync.Pool
}

// New makes the handler. It starts nothing of its own.
func New(config Config) (*API, error) {
	if config.Engine == nil || config.Store == nil || config.Intake == nil || config.Scheduler == nil ||
		config.Tokens == nil || config.Secrets == nil || config.Past == nil || config.Query == nil || config.Head == nil || config.Metrics == nil {
		return nil, errors.New("api: a part is missing from the configuration")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.Rate == 0 {
		config.Rate = DefaultRate
	}
	a := &API{
		config:         config,
		mux:            http.NewServeMux(),
		metrics:        newMetrics(config.Metrics),
		limits:         limits{rate: config.Rate},
		reads:          turns.New(reads, mostOfReads),
		long:           turns.New(longReads, min(longReads/2, mostOfReads)),
		streamPatience: streamPatience, streamHeartbeat: streamHeartbeat,
		process: strings.ReplaceAll(uuid.NewString(), "-", "")[:12],
	}
	a.sample.left = a.metrics.leftOut
	a.buffers.New = func() any { b := make([]byte, 0, 4096); return &b }
	if err := a.register(); err != nil {
		return nil, err
	}
	return a, nil
}

// register gives the mux every route of the table and makes the document from the same rows.
func (a *API) register() error {
	described, err := describe()
	if err != nil {
		return err
	}
	a.document = described.document
	adapter := humago.NewAdapter(a.mux, "")
	for _, rt := range described.routes {
		rt.measure = a.metrics.of(rt)
		if rt.path == "/metrics" {
			a.mux.Handle("GET /metrics", promhttp.HandlerFor(a.config.Metrics, promhttp.HandlerOpts{
				MaxRequestsInFlight: 4, Timeout: 10 * time.Second,
			}))
			continue
		}
		adapter.Handle(rt.operation, func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			a.serve(rt, w, r)
		})
	}
	lost := &route{name: "none", open: true, serve: (*API).lost}
	lost.measure = a.metrics.of(lost)
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { a.serve(lost, w, r) })
	a.nowhere = &route{name: "none", open: true, serve: func(*API, *call) reply { return noRoute.reply() }}
	a.nowhere.measure = a.metrics.of(a.nowhere)
	return nil
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The mux would redirect these with a page of HTML; nothing of ours is there.
	if p := r.URL.Path; p == "" || p[0] != '/' || strings.Contains(p, "//") || strings.Contains(p, "/.") || r.Method == http.MethodConnect {
		a.serve(a.nowhere, w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// lost answers what no route matched.
func (a *API) lost(x *call) reply {
	var allowed []string
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
		probe := &http.Request{Method: method, URL: x.r.URL, Host: x.r.Host}
		if _, pattern := a.mux.Handler(probe); pattern != "" && pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return noRoute.reply()
	}
	rep := wrongMethod.reply()
	rep.allow = strings.Join(allowed, ", ")
	return rep
}

// serve takes a request through admission and its handler, and writes, counts and logs the answer.
func (a *API) serve(rt *route, w http.ResponseWriter, r *http.Request) {
	x := call{api: a, rt: rt, w: w, r: r, started: time.Now()} //nolint:forbidigo // measures a duration
	x.request = a.requestID(r.Header.Get(headerRequest))
	rep := a.answer(&x)
	n := a.write(&x, &rep)
	a.observe(&x, &rep, n)
	if rep.stream != nil {
		rep.stream()
	}
	a.release(&x)
}

// answer never panics: a mistake of ours becomes a problem, and the connection lives.
func (a *API) answer(x *call) (rep reply) {
	defer func() {
		if p := recover(); p != nil {
			rep = internal.reply().because(fmt.Errorf("panic: %v\n%s", p, stack()))
		}
		rep.key = x.key
	}()
	if !a.limits.enter() {
		return overloaded.reply()
	}
	defer a.limits.leave()
	if rep, admitted := x.admit(); !admitted {
		return rep
	}
	defer x.leave()
	switch {
	case x.caller == nil || x.rt.command() || x.rt.quick && len(x.query) == 0:
		rep = x.rt.serve(a, x)
	case x.rt.long || x.query.Has("as_of") || x.query.Has("known_at"):
		rep = x.long()
	default:
		rep = x.inTurn(a.reads)
	}
	if len(rep.body) > smallAnswer {
		if problem, fine := x.hold(len(rep.body)); !fine {
			return problem
		}
	}
	return rep
}

// write sends the answer and says how many bytes its body has.
func (a *API) write(x *call, rep *reply) int {
	h := x.w.Header()
	h[headerRequest] = []string{x.request}
	rep.headers(h)
	if rep.close || rep.status == http.StatusRequestEntityTooLarge { // what is left of the body is not read
		h["Connection"] = closeConnection
	}
	x.w.WriteHeader(rep.status)
	n, _ := x.w.Write(rep.body) // a client that is gone is no error of ours
	return n
}

var closeConnection = []string{"close"}
