package bench

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"syscall"
	"time"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/internal/engine"
	"sundial/internal/pause"
	"sundial/projections"
)

// ScaleID asks for the run of Scale.
const ScaleID = "scale"

const (
	// scaleApps is how many apps the large data directory has, five to an account.
	scaleApps = 1_000_000

	// sparse is how many apps fall due at random in the time that lateness is measured for.
	sparse = 300

	// sparseFor is over what time those fall due.
	sparseFor = 60 * time.Second

	megabyte = 1_000_000
)

// scale is a run of Scale.
type scale struct {
	*run
	program string
	results []Result
}

// Scale starts the program itself, empty and with a million apps, and measures its memory, how soon it is ready, and
// how late transitions are. In its results Against is the limit, which Value should stay below.
func Scale(ctx context.Context, config Config, program string) ([]Result, error) {
	var results []Result
	_, err := measure(ctx, config.withDefaults(), Figure{ID: ScaleID, measure: func(ctx context.Context, r *run) (Result, error) {
		s := &scale{run: r, program: program}
		err := errors.Join(s.idle(ctx), s.large(ctx))
		results = s.results
		return Result{}, err
	}})
	return results, err
}

func (s *scale) found(id string, value, limit float64, unit string) {
	s.results = append(s.results, Result{id, round(value/limit, 1000), round(value, 100), limit, unit})
	s.say("%s: %.2f %s, at most %v", id, value, unit, limit)
}

// idle looks at a program that nobody uses.
func (s *scale) idle(ctx context.Context) error {
	dir := s.path("empty")
	ready := 0.0
	for range 2 { // the first start, which makes the log, and another
		c, err := spawn(ctx, s.program, dir)
		if err != nil {
			return err
		}
		ready = max(ready, c.ready.Seconds())
		if s.results == nil {
			memory, err := c.rest(ctx)
			if err != nil {
				return errors.Join(err, c.end(syscall.SIGKILL))
			}
			s.found("idle_memory", float64(memory)/megabyte, 80, "MB")
		}
		if err := c.end(syscall.SIGTERM); err != nil {
			return err
		}
	}
	s.found("idle_ready", ready, 1, "s")
	return nil
}

// large looks at a program with a million apps.
func (s *scale) large(ctx context.Context) error {
	dir := s.path("large")
	c, err := spawn(ctx, s.program, dir) // the first start makes what it needs
	if err != nil {
		return err
	}
	if err := c.end(syscall.SIGTERM); err != nil {
		return err
	}
	if err := s.fill(ctx, dir); err != nil {
		return err
	}

	if c, err = spawn(ctx, s.program, dir); err != nil {
		return err
	}
	s.found("scale_ready_after_stop", c.ready.Seconds(), 15, "s")
	memory, err := c.rest(ctx)
	if err != nil {
		return errors.Join(err, c.end(syscall.SIGKILL))
	}
	s.say("%.0f MB after the start", float64(memory)/megabyte)
	if err := s.forecast(ctx, c); err != nil {
		return errors.Join(err, c.end(syscall.SIGKILL))
	}
	if err := s.edit(ctx, c); err != nil {
		return errors.Join(err, c.end(syscall.SIGKILL))
	}

	if c, err = spawn(ctx, s.program, dir); err != nil {
		return err
	}
	s.found("scale_ready_after_kill", c.ready.Seconds(), 30, "s")
	if err := s.expire(ctx, c); err != nil {
		return errors.Join(err, c.end(syscall.SIGKILL))
	}
	later, err := c.rest(ctx)
	if err != nil {
		return errors.Join(err, c.end(syscall.SIGKILL))
	}
	s.found("scale_memory", float64(max(memory, later))/megabyte, 1200, "MB")
	if err := c.end(syscall.SIGTERM); err != nil {
		return err
	}
	return s.lateness(ctx, dir)
}

// fill gives a data directory its apps, each with a plan that ends within the year.
func (s *scale) fill(ctx context.Context, dir string) error {
	accounts := s.many(scaleApps) / appsEach
	now := domain.InstantOf(wall())
	s.say("making %d apps in %d accounts", accounts*appsEach, accounts)
	elapsed := watch()
	n, err := openLog(ctx, dir)
	if err != nil {
		return err
	}
	err = n.seed(ctx, accounts, now, func(i int) iter.Seq[engine.Request] {
		t := tenantOf(i)
		end := now.Add(time.Duration(1+i%360) * 24 * time.Hour)
		return values(t.imports(now, domain.OrderTerms{
			ID: "plan", Edition: domain.Pro, EffectiveAt: now.Add(-time.Hour), PaidUntil: end, Amount: price,
		}))
	})
	if err == nil {
		s.say("the log took %.0f s", elapsed().Seconds())
		err = projections.Rebuild(ctx, projections.Config{Dir: dir, Log: n.Log}, nil)
		s.say("the log and its projections took %.0f s", elapsed().Seconds())
	}
	return closed(n, err)
}

// forecast reads pages of what falls due within the next 30 days, and the calendar of it.
func (s *scale) forecast(ctx context.Context, c *child) error {
	const window, pages = 30 * 24 * time.Hour, 300
	now := domain.InstantOf(wall())
	before := now.Add(window)
	for _, ask := range []struct {
		id    string
		limit float64 // in milliseconds
		times int
		path  func() string
	}{
		{"forecast_page_p99", 50, pages, func() string {
			return fmt.Sprintf("/v1/transitions?limit=500&after=%s&before=%s", now.Add(rand.N(window)), before)
		}},
		{"forecast_calendar_p99", 500, pages / 10, func() string { return fmt.Sprintf("/v1/transitions/days?after=%s&before=%s", now, before) }},
	} {
		took := make([]time.Duration, ask.times)
		for i := range took {
			elapsed := watch()
			status, answer, err := c.ask(ctx, http.MethodGet, ask.path(), nil)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("asking for %s: %d: %s", ask.id, status, answer)
			}
			if err != nil {
				return err
			}
			took[i] = elapsed()
		}
		slices.Sort(took)
		s.say("%s: median %s, worst %s", ask.id, took[len(took)/2], took[len(took)-1])
		s.found(ask.id, took[len(took)*99/100].Seconds()*1000, ask.limit, "ms")
	}
	return nil
}

// edit has people edit apps at random, and kills the program in the midst of it.
func (s *scale) edit(ctx context.Context, c *child) error {
	const editors = 16
	apps := s.many(scaleApps)
	killed := make(chan error, 1)
	timer := time.AfterFunc(s.Slot, func() { killed <- c.end(syscall.SIGKILL) })
	defer timer.Stop()
	edited, err := load(ctx, editors, 2*s.Slot, func(ctx context.Context, _ int) error {
		app := firstApp + domain.AppID(rand.IntN(apps))
		status, answer, err := c.ask(ctx, http.MethodPatch, fmt.Sprintf("/v1/apps/%d", app), map[string]string{"name": fmt.Sprintf("renamed %d", rand.Int())})
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("editing app %d: %d: %s", app, status, answer)
		}
		return err
	})
	var broken *url.Error // nobody answers any more; everything else is an answer
	if !errors.As(err, &broken) {
		return fmt.Errorf("the program did not end when it was killed: %w", err)
	}
	s.say("killed under some %.0f edits/s", edited)
	return <-killed
}

// expire creates apps whose plans end at random milliseconds in the next minute, and waits until they have.
func (s *scale) expire(ctx context.Context, c *child) error {
	within := time.Duration(float64(sparseFor) * s.Part)
	begin := wall().Add(5 * time.Second)
	for i := range sparse {
		end := begin.Add(rand.N(within))
		status, answer, err := c.ask(ctx, http.MethodPost, fmt.Sprintf("/v1/accounts/sparse-%d/apps", i%60), map[string]any{
			"name": "soon over",
			"order": map[string]any{
				"id": "short", "edition": "pro", "paid_until": domain.InstantOf(end), "amount": map[string]any{"currency": "CNY", "minor": 100},
			},
		})
		if err != nil {
			return err
		}
		if status != http.StatusCreated {
			return fmt.Errorf("creating an app: %d: %s", status, answer)
		}
	}
	if !pause.For(ctx, time.Until(begin.Add(within+5*time.Second))) { //nolint:forbidigo // waits for the program's clock, which is the machine's
		return context.Cause(ctx)
	}
	return nil
}

// lateness reads from the log when those apps expired.
func (s *scale) lateness(ctx context.Context, dir string) error {
	n, err := openLog(ctx, dir)
	if err != nil {
		return err
	}
	late, err := n.lateness(ctx, uint64(s.many(scaleApps)))
	if err := closed(n, err); err != nil {
		return err
	}
	if len(late) != sparse {
		return fmt.Errorf("%d apps expired while lateness was measured, and %d should have", len(late), sparse)
	}
	slices.Sort(late)
	s.say("lateness: median %s, worst %s", late[len(late)/2], late[len(late)-1])
	s.found("lateness_p99", late[len(late)*99/100].Seconds(), 1.5, "s")
	return nil
}

// lateness gives, for each expiry in the log after a position, the time from its due to its being on disk.
func (n *node) lateness(ctx context.Context, after uint64) ([]time.Duration, error) {
	codec, err := codec.New()
	if err != nil {
		return nil, err
	}
	head, err := n.Log.Head(ctx)
	if err != nil {
		return nil, err
	}
	f, err := n.Log.Follow(ctx, after)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var late []time.Duration
	for at := after; at < head; {
		messages, err := f.Next(ctx, int(head-at))
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			at = m.Sequence
			commit, err := eventstore.DecodeCommit(m.Payload)
			if err != nil {
				return nil, err
			}
			for _, stored := range commit.Events {
				event, err := codec.Decode(stored)
				if err != nil {
					return nil, err
				}
				if lapsed, yes := event.(domain.Lapsed); yes {
					late = append(late, m.Stored.Sub(lapsed.Since.Time()))
				}
			}
		}
	}
	return late, nil
}
