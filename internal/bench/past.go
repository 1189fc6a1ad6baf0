package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"sundial/domain"
	"sundial/internal/codec"
	"sundial/internal/pause"
)

// PastID asks for the run of Past.
const PastID = "as_of"

const (
	// pastCommits is how long the log is whose past is read.
	pastCommits = 1_000_000

	// pastRounds is how often something happens to each app, a day apart. What happens in a round is written for all
	// apps before the next, so that an app's commits are as far from each other as can be.
	pastRounds = 10

	// pastReads is how often each kind of question is asked: enough for a p99, and for the first ones, which find nothing
	// in memory, to count in it.
	pastReads = 2000

	// longHistory is how many commits one account has beside the others.
	longHistory = 10_000
)

// Past reads the past of a log of a million commits over HTTP, one question after another. In its results Against is the
// limit, which Value should stay below.
func Past(ctx context.Context, config Config) ([]Result, error) {
	var results []Result
	_, err := measure(ctx, config.withDefaults(), Figure{ID: PastID, measure: func(ctx context.Context, r *run) (Result, error) {
		p := &past{run: r}
		err := during(ctx, nodeConfig(r.dir), func(n *node) error { return p.measure(ctx, n) })
		results = p.results
		return Result{}, err
	}})
	return results, err
}

// past is a run of Past.
type past struct {
	*run
	accounts int
	begin    domain.Instant // when the first round was recorded
	results  []Result
}

func (p *past) measure(ctx context.Context, n *node) error {
	p.accounts = max(p.many(pastCommits)/pastRounds/appsEach, 1)
	p.begin = domain.InstantOf(wall()).Add(-(pastRounds + 1) * day)
	p.say("writing %d commits", p.accounts*appsEach*pastRounds)
	if err := p.seedRounds(ctx, n); err != nil {
		return err
	}
	s, err := n.serve(ctx)
	if err != nil {
		return err
	}
	copying, stop := context.WithCancel(ctx)
	var archiving sync.WaitGroup
	archiving.Go(func() { _ = n.Archive.Run(copying) }) // it ends with its context
	defer archiving.Wait()
	defer stop()
	if err := p.copied(ctx, n); err != nil {
		return err
	}
	sometime := func() domain.Instant { return p.begin.Add(rand.N(pastRounds * day)) }
	app := func() domain.AppID { return firstApp + domain.AppID(rand.IntN(p.accounts*appsEach)) }
	for _, c := range []struct {
		id    string
		limit float64
		path  func() string
	}{
		{"as_of_app", 10, func() string { return fmt.Sprintf("/v1/apps/%d?as_of=%s", app(), sometime()) }},
		{"as_of_app_then_known", 10, func() string {
			at := sometime()
			return fmt.Sprintf("/v1/apps/%d?as_of=%s&known_at=%s", app(), at, at)
		}},
		{"as_of_list", 50, func() string {
			return fmt.Sprintf("/v1/accounts/%s/apps?as_of=%s", tenantOf(rand.IntN(p.accounts)).account, sometime())
		}},
		{"as_of_account", 50, func() string {
			return fmt.Sprintf("/v1/accounts/%s?as_of=%s", tenantOf(rand.IntN(p.accounts)).account, sometime())
		}},
	} {
		if err := p.ask(ctx, s, c.id, c.limit, c.path, p.many(pastReads)); err != nil {
			return err
		}
	}
	return p.long(ctx, n, s)
}

const day = 24 * time.Hour

// seedRounds gives every app its history.
func (p *past) seedRounds(ctx context.Context, n *node) error {
	codec, err := codec.New()
	if err != nil {
		return err
	}
	all, lives := tenants(p.accounts), make([]seeding, p.accounts)
	for i := range lives {
		lives[i] = seeding{log: n.Log, codec: codec}
	}
	for round := range pastRounds {
		now := p.begin.Add(time.Duration(round) * day)
		group, ctx := errgroup.WithContext(ctx)
		var next atomic.Int64
		for range min(seeders, p.accounts) {
			group.Go(func() error {
				for i := int(next.Add(1)) - 1; i < p.accounts; i = int(next.Add(1)) - 1 {
					if err := lives[i].round(ctx, &all[i], now, round == 0); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return n.settle(ctx)
}

// round lets something happen to each app of a tenant.
func (s *seeding) round(ctx context.Context, t *tenant, now domain.Instant, first bool) error {
	s.now = now
	long := now.Add(-1000 * time.Hour)
	imports := t.imports(long, plan(long))
	for i := range appsEach {
		request := imports[i]
		if !first {
			request = t.next(now)
		}
		if err := s.append(ctx, request); err != nil {
			return fmt.Errorf("seeding %s: %w", t.account, err)
		}
	}
	return nil
}

// copied waits until the archive has the log, as it has in a program that runs.
func (p *past) copied(ctx context.Context, n *node) error {
	head, err := n.Log.Head(ctx)
	if err != nil {
		return err
	}
	elapsed := watch()
	for n.Archive.Position() < head {
		if !pause.For(ctx, 10*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	p.say("the archive had it %.1f s later", elapsed().Seconds())
	return nil
}

// ask asks one question after another and tells how long the slowest in a hundred took, in milliseconds.
func (p *past) ask(ctx context.Context, s *served, id string, limit float64, path func() string, times int) error {
	took := make([]time.Duration, times)
	for i := range took {
		elapsed := watch()
		if err := s.fetch(ctx, path()); err != nil {
			return err
		}
		took[i] = elapsed()
	}
	slices.Sort(took)
	p.say("%s: median %s, p99 %s, worst %s", id, took[times/2], took[times*99/100], took[times-1])
	p.results = append(p.results, Result{
		ID: id + "_p99", Value: round(took[times*99/100].Seconds()*1000, 100), Against: limit, Unit: "ms",
		Ratio: round(took[times*99/100].Seconds()*1000/limit, 1000),
	})
	return nil
}

// fetch reads a path as any client does, however long the answer is.
func (s *served) fetch(ctx context.Context, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+path, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s was answered %d: %s", path, answer.StatusCode, body)
	}
	return err
}

// long reads the past of an account with a very long history; what it costs is reported, not judged.
func (p *past) long(ctx context.Context, n *node, s *served) error {
	codec, err := codec.New()
	if err != nil {
		return err
	}
	t := tenantOf(p.accounts)
	life := seeding{log: n.Log, codec: codec}
	for round := range max(p.many(longHistory)/appsEach, 1) {
		if err := life.round(ctx, &t, p.begin.Add(time.Duration(round)*time.Minute), round == 0); err != nil {
			return err
		}
	}
	if err := errors.Join(n.settle(ctx), p.copied(ctx, n)); err != nil {
		return err
	}
	kept := p.results
	for id, path := range map[string]string{
		"an app with 2,000 commits":             fmt.Sprintf("/v1/apps/%d?as_of=%s", t.first, p.begin.Add(day)),
		"the apps of one with 10,000 commits":   fmt.Sprintf("/v1/accounts/%s/apps?as_of=%s", t.account, p.begin.Add(day)),
		"an account with 10,000 commits itself": fmt.Sprintf("/v1/accounts/%s?as_of=%s", t.account, p.begin.Add(day)),
	} {
		if err := p.ask(ctx, s, id, 1000, func() string { return path }, 20); err != nil {
			return err
		}
	}
	p.results = kept
	return nil
}
