package bench

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/ingest"
)

const (
	// waitingBills is how many bills wait when the intake begins.
	waitingBills = 100_000

	// billsEach is how many of them a tenant has: four for each app.
	billsEach = 4 * appsEach

	// publishBatch is how many bills are published together: the server's limit on a batch.
	publishBatch = 1000
)

// taken holds the intake, from the first fetch of bills that wait in NATS to the last commit, against the engine given
// the same facts by 256 writers.
func taken(ctx context.Context, r *run) (result Result, err error) {
	err = during(ctx, nodeConfig(r.dir), func(n *node) error {
		accounts := max(r.many(waitingBills)/billsEach, 1)
		from, direct := billers(0, accounts), billers(accounts, manyWriters)
		if err := n.moveIn(ctx, from.tenants()); err != nil {
			return err
		}
		if err := n.moveIn(ctx, direct.tenants()); err != nil {
			return err
		}
		theirs := n.telling(direct)
		if _, err := n.takingIn(ctx, from); err != nil {
			return err
		}
		if _, err := theirs(ctx, r.Slot/3); err != nil {
			return err
		}
		ours := func(ctx context.Context, _ time.Duration) (float64, error) { return n.takingIn(ctx, from) }
		result, err = r.alternate(ctx, min(r.turns, 3), ours, theirs)
		return err
	})
	return result, err
}

// biller is what a billing system has to say about a tenant: invoices of its apps, overdue and then settled.
type biller struct {
	tenant
	said int
}

type billing []biller

func billers(first, n int) billing {
	all := make(billing, n)
	for i := range all {
		all[i].tenant = tenantOf(first + i)
	}
	return all
}

func (b billing) tenants() []tenant {
	all := make([]tenant, len(b))
	for i := range all {
		all[i] = b[i].tenant
	}
	return all
}

const (
	overdue = "sundial.billing.invoice.overdue"
	settled = "sundial.billing.invoice.settled"
	source  = "urn:example:billing"
)

// report is one thing to say.
type report struct {
	id, kind, account, invoice string
	app                        domain.AppID
	version                    int64
	at                         domain.Instant
}

func (b *biller) next(now domain.Instant) report {
	round := b.said / appsEach
	f := report{
		id: "bill-" + b.account + "-" + strconv.Itoa(b.said), kind: overdue, account: b.account,
		invoice: fmt.Sprintf("2021-%02d", round/2%invoices+1), app: b.first + domain.AppID(b.said%appsEach),
		version: int64(round / 2 / invoices * 2), at: now.Add(-time.Hour),
	}
	if round%2 == 1 {
		f.kind, f.version, f.at = settled, f.version+1, now
	}
	b.said++
	return f
}

// event is the fact as a billing system publishes it.
func (f report) event() []byte {
	amount := ""
	if f.kind == overdue {
		amount = fmt.Sprintf(`,"amount":{"currency":%q,"minor":%d}`, price.Currency, price.Minor)
	}
	return fmt.Appendf(nil,
		`{"specversion":"1.0","id":%q,"source":%q,"type":%q,"data":{"account":%q,"app":%d,"invoice":%q,"version":%d,"effective_at":%q%s}}`,
		f.id, source, f.kind, f.account, f.app, f.invoice, f.version, f.at, amount)
}

// request is the fact as the intake gives it to the engine.
func (f report) request() engine.Request {
	sum := sha256.Sum256([]byte(source + "\n" + f.id))
	r := engine.Request{
		Account: f.account, ID: engine.FactPrefix + base64.RawURLEncoding.EncodeToString(sum[:]), Role: domain.Billing,
		Actor: ingest.NATSActor, Correlation: f.id, Durable: true,
	}
	report := &domain.Report{Source: source, ID: f.id}
	r.Command = domain.MarkArrears{
		App: f.app, Invoice: f.invoice, Version: f.version, EffectiveAt: f.at, Amount: price, Report: report,
	}
	if f.kind == settled {
		r.Command = domain.SettleArrears{App: f.app, Invoice: f.invoice, Version: f.version, EffectiveAt: f.at, Report: report}
	}
	return r
}

// telling gives the engine facts directly, from a writer for each tenant.
func (n *node) telling(all billing) side {
	return func(ctx context.Context, slot time.Duration) (float64, error) {
		perSecond, err := load(ctx, len(all), slot, func(ctx context.Context, writer int) error {
			_, err := n.Engine.Execute(ctx, all[writer].next(n.Engine.Now()).request())
			return err
		})
		if err != nil {
			return 0, err
		}
		return perSecond, n.settle(ctx)
	}
}

// takingIn publishes bills of all tenants in turn, and then takes them in.
func (n *node) takingIn(ctx context.Context, all billing) (perSecond float64, err error) {
	bills := len(all) * billsEach
	if err := n.publish(ctx, all, bills); err != nil {
		return 0, err
	}
	before, err := n.Log.Head(ctx)
	if err != nil {
		return 0, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	elapsed := watch()
	go func() { ended <- n.Intake.Run(running) }()
	_, err = n.Intake.Drain(ctx)
	took := elapsed()
	stop()
	if err := errors.Join(err, <-ended); err != nil {
		return 0, err
	}
	after, err := n.Log.Head(ctx)
	if err != nil {
		return 0, err
	}
	if after-before != uint64(bills) {
		return 0, fmt.Errorf("%d bills waited, and %d were committed", bills, after-before)
	}
	return float64(bills) / took.Seconds(), n.settle(ctx)
}

// publish publishes bills as a billing system does, but many in a batch, since nobody measures this.
func (n *node) publish(ctx context.Context, all billing, bills int) error {
	now := n.Engine.Now()
	for published := 0; published < bills; {
		batch, err := jetstreamext.NewBatchPublisher(n.JetStream)
		if err != nil {
			return fmt.Errorf("publishing bills: %w", err)
		}
		for i := range min(publishBatch, bills-published) {
			f := all[(published+i)%len(all)].next(now)
			m := &nats.Msg{Subject: "billing." + f.account, Data: f.event()}
			if i == min(publishBatch, bills-published)-1 {
				_, err = batch.CommitMsg(ctx, m)
			} else {
				err = batch.AddMsg(m)
			}
			if err != nil {
				return fmt.Errorf("publishing bills: %w", err)
			}
		}
		published += min(publishBatch, bills-published)
	}
	return nil
}
