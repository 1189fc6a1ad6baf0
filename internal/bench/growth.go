package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/internal/engine"
)

const (
	// fewFacts and manyFacts are how many orders and invoices the two apps have.
	fewFacts  = 10
	manyFacts = 100_000

	// factsTogether is how many facts a commit has by which an app gets them: as many as an import may bring.
	factsTogether = 500
)

// growth holds the slowest commands on an app that has gathered facts against those on one that has few: of each side the
// 99th percentile, as commands a second at that pace.
func growth(ctx context.Context, r *run) (result Result, err error) {
	err = during(ctx, nodeConfig(r.dir), func(n *node) error {
		few, many := grown{n: n, tenant: tenantOf(0), facts: fewFacts}, grown{n: n, tenant: tenantOf(1), facts: max(r.many(manyFacts), fewFacts)}
		for _, g := range []*grown{&few, &many} {
			if err := g.gather(ctx); err != nil {
				return err
			}
		}
		if err := n.settle(ctx); err != nil {
			return err
		}
		result, err = r.compare(ctx, r.turns, many.commanded, few.commanded)
		return err
	})
	return result, err
}

// grown is an account whose first app has facts, half of them invoices and half orders.
type grown struct {
	n      *node
	tenant tenant
	facts  int
	turn   int
}

// invoice and order name one of those that the app has.
func (g *grown) invoice(i int) string { return fmt.Sprintf("inv-%07d", i) }
func (g *grown) order(i int) string   { return fmt.Sprintf("ord-%07d", i) }

// gather imports the apps and tells the facts: a term of an hour for each order, one behind the other up to now; of the
// invoices one in a hundred is open.
func (g *grown) gather(ctx context.Context) error {
	codec, err := codec.New()
	if err != nil {
		return err
	}
	now := domain.InstantOf(wall())
	begin := now.Add(-time.Duration(g.facts) * time.Hour)
	s := seeding{log: g.n.Log, codec: codec, now: now}
	for _, request := range g.tenant.imports(begin, plan(begin)) {
		if err := s.append(ctx, request); err != nil {
			return err
		}
	}
	var facts []domain.Command
	for i := range g.facts / 2 {
		at := begin.Add(time.Duration(i) * time.Hour)
		facts = append(facts,
			domain.RecordOrder{App: g.tenant.first, Order: domain.OrderTerms{
				ID: g.order(i), Edition: domain.Pro, EffectiveAt: at, PaidUntil: at.Add(time.Hour), Amount: price,
			}},
			domain.MarkArrears{App: g.tenant.first, Invoice: g.invoice(i), Version: 1, EffectiveAt: at, Amount: price})
		if i%100 != 0 {
			facts = append(facts, domain.SettleArrears{App: g.tenant.first, Invoice: g.invoice(i), Version: 2, EffectiveAt: at.Add(time.Hour)})
		}
	}
	for i := 0; len(facts) > 0; i++ {
		together := facts[:min(len(facts), factsTogether)]
		if err := s.appendTogether(ctx, g.tenant.account, g.tenant.id("gather", i), together); err != nil {
			return err
		}
		facts = facts[len(together):]
	}
	return nil
}

// commanded gives the app one command after another for a while, and the pace of the slowest hundredth: it is renamed, an
// order is restated, an invoice becomes overdue and is settled, each of those that it has.
func (g *grown) commanded(ctx context.Context, slot time.Duration) (float64, error) {
	var took []time.Duration
	for whole := watch(); whole() < slot || len(took) < 100; {
		elapsed := watch()
		answer, err := g.n.Engine.Execute(ctx, g.next(g.n.Engine.Now()))
		if err != nil {
			return 0, err
		}
		if answer.Outcome != engine.Appended {
			return 0, fmt.Errorf("turn %d was %s: it should have changed something", g.turn, answer.Outcome)
		}
		took = append(took, elapsed())
	}
	slices.Sort(took)
	return 1 / took[len(took)*99/100].Seconds(), nil
}

func (g *grown) next(now domain.Instant) engine.Request {
	g.turn++
	app, some := g.tenant.first, rand.IntN(g.facts/2)
	request := engine.Request{Account: g.tenant.account, ID: g.tenant.id("turn", g.turn), Role: domain.Billing, Actor: "billing:tok_51d2b07c93ef"}
	version := int64(g.turn) + 2
	switch g.turn % 4 {
	case 0:
		name := fmt.Sprintf("shop chat %d", g.turn)
		request.Role, request.Command = domain.Owner, domain.EditAppInfo{App: app, AppName: &name}
	case 1:
		request.Command = domain.MarkArrears{App: app, Invoice: g.invoice(some), Version: version, EffectiveAt: now.Add(-time.Hour), Amount: price}
	case 2:
		request.Command = domain.SettleArrears{App: app, Invoice: g.invoice(some), Version: version, EffectiveAt: now}
	default:
		at := now.Add(-time.Duration(rand.IntN(1000)+2) * time.Hour)
		request.Command = domain.RecordOrder{App: app, Order: domain.OrderTerms{
			ID: g.order(some), Edition: domain.Pro, EffectiveAt: at, PaidUntil: at.Add(time.Hour), Version: version, Amount: price,
		}}
	}
	return request
}

// appendTogether appends what several commands lead to as one commit.
func (s *seeding) appendTogether(ctx context.Context, account, id string, commands []domain.Command) error {
	var events []domain.Event
	for _, cmd := range commands {
		led, err := domain.Decide(s.state, cmd, domain.Moment{Now: s.now, Policy: domain.DefaultPolicy(), Role: domain.Billing})
		if err != nil {
			return err
		}
		s.state.Apply(domain.Recorded{At: s.now, Position: s.sequence}, led...)
		events = append(events, led...)
	}
	return s.commit(ctx, eventstore.Commit{Account: account, ID: id, Command: commands[0].Name()}, events)
}
