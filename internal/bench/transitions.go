package bench

import (
	"context"
	"fmt"
	"iter"
	"time"

	"sundial/domain"
	"sundial/internal/engine"
)

// dueApps is how many apps fall due at one instant.
const dueApps = 100_000

// transitions holds a sweep over apps that are due at one instant against commands of as many writers as the sweep has.
// Each app falls due three times, once in each pair: its flagship plan ends, then the other, then the grace.
func transitions(ctx context.Context, r *run) (Result, error) {
	start := domain.InstantOf(wall())
	sandbox := nodeConfig(r.dir)
	sandbox.Sandbox, sandbox.SandboxStart = true, start.Time()
	var result Result
	err := during(ctx, sandbox, func(n *node) (err error) {
		day := func(i int) domain.Instant { return start.Add(time.Duration(i) * 24 * time.Hour) }
		// Some fall due alone, to warm the sweep up.
		few, all := tenants(r.many(dueApps)/appsEach/20+1), tenants(r.many(dueApps)/appsEach)
		for i := range few {
			few[i] = tenantOf(len(all) + i)
		}
		if err := n.fallDue(ctx, few, start, day(1)); err != nil {
			return err
		}
		if err := n.fallDue(ctx, all, start, day(2), day(3)); err != nil {
			return err
		}
		writers := make([]tenant, manyWriters)
		for i := range writers {
			writers[i] = tenantOf(len(all) + len(few) + i)
		}
		if err := n.moveIn(ctx, writers); err != nil {
			return err
		}
		instants := []domain.Instant{day(1), day(2), day(3), day(3).Add(domain.DefaultPolicy().Grace)}
		ours := func(ctx context.Context, _ time.Duration) (float64, error) {
			at := instants[0]
			instants = instants[1:]
			return n.sweeping(ctx, at)
		}
		theirs := n.commanding(writers, true)
		if _, err := ours(ctx, 0); err != nil {
			return err
		}
		if _, err := theirs(ctx, r.Slot/3); err != nil {
			return err
		}
		result, err = r.alternate(ctx, min(r.turns, len(instants)), ours, theirs)
		return err
	})
	return result, err
}

// fallDue moves tenants in whose apps each have a plan that ends at each of the given times, the highest edition first.
func (n *node) fallDue(ctx context.Context, all []tenant, now domain.Instant, ends ...domain.Instant) error {
	long := now.Add(-1000 * time.Hour)
	var orders []domain.OrderTerms
	for i, edition := range []domain.Edition{domain.Flagship, domain.Pro}[2-len(ends):] {
		orders = append(orders, domain.OrderTerms{
			ID: "plan-" + string(edition), Edition: edition, EffectiveAt: long, PaidUntil: ends[i], Amount: price,
		})
	}
	return n.seed(ctx, len(all), now, func(i int) iter.Seq[engine.Request] { return values(all[i].imports(long, orders...)) })
}

// sweeping moves the clock to an instant and waits until everything that was due has fired and can be read.
func (n *node) sweeping(ctx context.Context, at domain.Instant) (float64, error) {
	due, _, err := n.Store.Backlog(ctx, at)
	if err != nil {
		return 0, err
	}
	before, err := n.Log.Head(ctx)
	if err != nil {
		return 0, err
	}
	elapsed := watch()
	if err := n.Scheduler.Advance(ctx, at); err != nil {
		return 0, err
	}
	took := elapsed()
	after, err := n.Log.Head(ctx)
	if err != nil {
		return 0, err
	}
	if fired := after - before; fired != uint64(due) || due == 0 {
		return 0, fmt.Errorf("%d transitions were due, and %d fired", due, fired)
	}
	return float64(due) / took.Seconds(), nil
}
