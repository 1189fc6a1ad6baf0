package api

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Readiness says whether the node should get traffic, and what it is that speaks against it.
type Readiness struct {
	Ready    bool          `json:"ready"`
	Checks   []CheckResult `json:"checks" doc:"All of them must be fine"`
	Position uint64        `json:"position" doc:"Up to where the projections have the log"`
	Head     uint64        `json:"head" doc:"The log's latest commit"`
	Lag      uint64        `json:"lag" doc:"Commits that the projections are behind the log"`
	Now      string        `json:"now" doc:"The engine's clock"`
	Sandbox  bool          `json:"sandbox"`
	Hold     *ClockHold    `json:"hold" doc:"null unless automatic transitions are held; the node is ready all the same"`
	Backlog  int           `json:"backlog" doc:"Transitions that are due"`
	Oldest   Absentable    `json:"oldest_due" doc:"The due time of the oldest; null if there is none"`
}

// CheckResult is what one check found.
type CheckResult struct {
	Name   string `json:"name" example:"log"`
	Fine   bool   `json:"fine"`
	Detail string `json:"detail" doc:"What is wrong, or worth knowing"`
}

// checkPatience bounds each check: an answer that comes too late is no answer to a load balancer.
const checkPatience = time.Second

// live answers GET /livez: the process answers.
func (a *API) live(*call) reply { return alive() }

func alive() reply { return ok([]byte(`{"status":"ok"}`)) }

// ready answers GET /readyz. It takes no token, so it is looked once at a time: who asks in a loop keeps one processor busy at most.
func (a *API) ready(x *call) reply {
	a.probe.Lock()
	defer a.probe.Unlock()
	if x.r.Context().Err() != nil { // it left before its turn
		return overloaded.reply()
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), 3*checkPatience)
	defer cancel()
	r := Readiness{
		Ready: true, Position: a.config.Store.Position(), Now: a.config.Engine.Now().String(),
		Sandbox: a.config.Scheduler.Sandboxed(), Checks: []CheckResult{},
	}
	check := func(name string, look func(context.Context) (string, error)) {
		ctx, cancel := context.WithTimeout(ctx, checkPatience)
		defer cancel()
		note, err := look(ctx)
		if err != nil {
			r.Ready, note = false, err.Error()
		}
		r.Checks = append(r.Checks, CheckResult{name, err == nil, note})
	}
	check("projections", func(context.Context) (string, error) { return a.config.Store.Damage(), a.config.Store.Err() })
	check("log", func(ctx context.Context) (_ string, err error) {
		r.Head, err = a.config.Head(ctx)
		if r.Head > r.Position {
			r.Lag = r.Head - r.Position
		}
		return "", err
	})
	for _, c := range a.config.Checks {
		check(c.Name, c.Look)
	}
	check("schedule", func(ctx context.Context) (string, error) {
		count, oldest, err := a.config.Store.Backlog(ctx, a.config.Engine.Now())
		r.Backlog = count
		if oldest != 0 {
			r.Oldest = &oldest
		}
		return "", err
	})
	check("clock", func(ctx context.Context) (string, error) {
		hold, held, err := a.config.Scheduler.Held(ctx)
		if err != nil || !held {
			return "", err
		}
		r.Hold = &ClockHold{hold.Since, hold.Was}
		return "automatic transitions are held until an operator confirms the clock or it returns", nil
	})
	rep := ok(marshal(r))
	if !r.Ready {
		rep.status, rep.retryAfter = http.StatusServiceUnavailable, retryAfter
	}
	return rep
}

// Kept makes a check whose result is kept for a while: looking costs something, such as a sync, and anybody may ask.
func Kept(look func(context.Context) (string, error), patience time.Duration) func(context.Context) (string, error) {
	var mu sync.Mutex
	var at time.Time
	var note string
	var err error
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if at.IsZero() || time.Since(at) >= patience { //nolint:forbidigo // measures a duration
			note, err = look(ctx)
			if ctx.Err() != nil { // it says nothing about what was looked at
				return note, err
			}
			at = time.Now() //nolint:forbidigo // measures a duration
		}
		return note, err
	}
}

// openapi answers GET /openapi.json.
func (a *API) openapi(*call) reply { return ok(a.document) }
