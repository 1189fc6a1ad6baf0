package bench

import (
	"fmt"
	"strconv"
	"time"

	"sundial/domain"
	"sundial/internal/engine"
)

// tenant is an account with apps, and what happens to it in the course of years: its owner edits and orders, its bills
// become overdue and are settled. What it has does not grow for ever, so that a long run measures what a short one does.
type tenant struct {
	account string
	first   domain.AppID // of its apps, which lie end to end
	turn    int
}

const (
	// appsEach is how many apps a tenant has.
	appsEach = 5

	// firstApp is the number of the first tenant's first app: as if imported, away from those that the engine gives.
	firstApp domain.AppID = 2_000_000_001

	// invoices is how many invoices an app has in the end: a year of months.
	invoices = 12
)

func tenantOf(i int) tenant {
	return tenant{account: "tenant-" + strconv.Itoa(i), first: firstApp + domain.AppID(i*appsEach)}
}

func tenants(n int) []tenant {
	all := make([]tenant, n)
	for i := range all {
		all[i] = tenantOf(i)
	}
	return all
}

var price = domain.Money{Currency: "CNY", Minor: 99_900}

// imports are the commands that move the tenant's apps in, each with these orders.
func (t *tenant) imports(created domain.Instant, orders ...domain.OrderTerms) []engine.Request {
	all := make([]engine.Request, appsEach)
	for i := range all {
		all[i] = engine.Request{
			Account: t.account, ID: t.id("import", i), Role: domain.Operator, Actor: "operator:tok_3f9a1c2be77d", Command: domain.ImportApp{
				App: t.first + domain.AppID(i), AppName: fmt.Sprintf("shop number %d", i), AppType: "e-commerce", CreatedAt: created,
				Orders: orders,
			},
		}
	}
	return all
}

// plan is an order for an edition without an end.
func plan(from domain.Instant) domain.OrderTerms {
	return domain.OrderTerms{ID: "plan", Edition: domain.Pro, EffectiveAt: from, Amount: price}
}

// next is the tenant's next command, on an app that has a plan: each app in turn is renamed, gets a bill that is
// overdue, has it settled, and gets an add-on.
func (t *tenant) next(now domain.Instant) engine.Request {
	app, month := t.first+domain.AppID(t.turn%appsEach), t.turn/appsEach/4
	invoice, version := fmt.Sprintf("2021-%02d", month%invoices+1), int64(month/invoices)
	owner := engine.Request{
		Account: t.account, ID: t.id("turn", t.turn), Correlation: "b0a14c6f22d9-10482331",
		Role: domain.Owner, Actor: "owner:tok_8c02e6d1aa54",
	}
	billing := owner
	billing.Role, billing.Actor = domain.Billing, "billing:tok_51d2b07c93ef"
	step := t.turn / appsEach % 4
	t.turn++
	switch step {
	case 0:
		name := fmt.Sprintf("shop chat %d", month)
		owner.Command = domain.EditAppInfo{App: app, AppName: &name}
		return owner
	case 1:
		billing.Command = domain.MarkArrears{
			App: app, Invoice: invoice, Version: 2 * version, EffectiveAt: now.Add(-time.Hour), Amount: price,
		}
		return billing
	case 2:
		billing.Command = domain.SettleArrears{App: app, Invoice: invoice, Version: 2*version + 1, EffectiveAt: now}
		return billing
	}
	// An owner restates no order that is known.
	operator := owner
	operator.Role, operator.Actor = domain.Operator, "operator:tok_77d1e3aa90b4"
	operator.Command = domain.UpgradeEdition{App: app, Order: domain.OrderTerms{
		ID: "addon", Addons: []string{"push", "history"}, Version: int64(month), Amount: price,
	}}
	return operator
}

// id is of the form and length of those that clients make up.
func (t *tenant) id(kind string, i int) string {
	return fmt.Sprintf("0193a7c2-5d1e-7b3f-%s-%012d", kind, i)
}
