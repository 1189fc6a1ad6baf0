package people

import (
	"cmp"

	"pgregory.net/rapid"

	"sundial/internal/testing/oracle"
)

// What is drawn comes from few names and times, so that commands meet.

func pick[T any](rt *rapid.T, what string, from ...T) T {
	return rapid.SampledFrom(from).Draw(rt, what)
}

// role is mostly one that may.
func role(rt *rapid.T, name string) Role {
	if rapid.IntRange(0, 7).Draw(rt, "anybody") == 0 {
		return pick(rt, "role", Owner, Operator, Billing, Reader, Auditor, Stranger)
	}
	return rapid.SampledFrom(append([]Role{Operator}, may[name]...)).Draw(rt, "role")
}

// onAccount draws a command that is about no app yet.
func (s *sequence) onAccount(rt *rapid.T) Command {
	c := Command{Name: pick(rt, "command", "create_app", "import_app", "set_quota")}
	c.Role = role(rt, c.Name)
	switch c.Name {
	case "create_app":
		c.Body.AppName = name(rt)
		if rapid.Bool().Draw(rt, "with an order") {
			c.Body.Order = s.order(rt, nil)
			if c.Body.Order.Edition == "" {
				c.Body.Order.Edition = oracle.Pro
			}
		}
	case "import_app":
		s.imported++
		c.Body.AppName = name(rt)
		c.Body.Import = &Import{
			Number:    s.imported,
			Edition:   pick(rt, "edition", oracle.TRTCTrial, oracle.Trial, oracle.Pro, oracle.Flagship),
			CreatedAt: s.account.Now + Hour*pick[int64](rt, "created", -1, -200, -3000),
		}
		if len(s.account.Apps) > 0 && rapid.IntRange(0, 4).Draw(rt, "taken") == 0 {
			c.Body.Import.Number = rapid.SampledFrom(s.account.Apps).Draw(rt, "app").Number
		}
	case "set_quota":
		c.Body.Apps = pick(rt, "apps", 1, 2, 3, 100)
	}
	return c
}

func name(rt *rapid.T) string { return pick(rt, "name", "shop", "chat", "game") }

// onApp draws a command on an app; where there is none yet, one that makes it.
func (s *sequence) onApp(rt *rapid.T) Command {
	if len(s.account.Apps) == 0 {
		return s.onAccount(rt)
	}
	app := rapid.SampledFrom(s.account.Apps).Draw(rt, "app")
	names := Commands()
	if app.Stopped() { // what can only be done then
		names = append(names, "start_app", "request_deletion", "request_deletion", "delete_app")
	}
	if len(app.Requests()) > 0 {
		names = append(names, "approve_deletion", "reject_deletion", "reject_deletion", "note_trtc_stopped", "note_trtc_started")
	}
	c := Command{Name: rapid.SampledFrom(names).Draw(rt, "command"), App: app}
	c.Role = role(rt, c.Name)
	if c.Name != "delete_app" && c.Name != "disable_tpns" {
		c.Reason = pick(rt, "reason", "", "asked for")
	}
	c.Stale = rapid.IntRange(0, 15).Draw(rt, "stale") == 0
	switch c.Name {
	case "edit_app_info":
		c.Body.AppName = name(rt)
	case "upgrade_edition", "renew_plan":
		c.Body.Order = s.order(rt, app)
		if c.Name == "renew_plan" && c.Body.Order.Edition == "" { // a renewal is of an edition
			c.Body.Order.Edition = oracle.Pro
		}
	case "enable_tpns":
		if rapid.Bool().Draw(rt, "with an order") {
			c.Body.Order = s.order(rt, app)
			c.Body.Order.Edition, c.Body.Order.Addons = "", []string{"tpns"}
		}
	case "mark_arrears", "settle_arrears", "void_invoice":
		c.Body.Fact = &oracle.Fact{
			Kind:    map[string]string{"mark_arrears": oracle.InvoiceOverdue, "settle_arrears": oracle.InvoiceSettled, "void_invoice": oracle.InvoiceVoided}[c.Name],
			Invoice: pick(rt, "invoice", "i1", "i2"), Version: rapid.Int64Range(1, 4).Draw(rt, "version"),
			Effective: s.account.Now + Hour*pick[int64](rt, "hours", 0, -1, -24, -167, -168, -400, 1, 24, 25),
		}
		if c.Name == "mark_arrears" {
			c.Body.Fact.Amount = oracle.Money{Currency: "CNY", Minor: pick[int64](rt, "amount", 100, 200, 0)}
		}
	case "refund":
		c.Body.Fact = &oracle.Fact{
			Kind: oracle.OrderRefunded, Order: s.orderID(rt, app),
			Refund: pick(rt, "refund", "", "r1"), Goodwill: rapid.IntRange(0, 3).Draw(rt, "goodwill") == 0,
			Effective: s.account.Now + Hour*pick[int64](rt, "hours", 0, -1, -24, -167, -168, -400, 1, 24, 25),
		}
		if rapid.Bool().Draw(rt, "with an amount") {
			c.Body.Fact.Amount = oracle.Money{Currency: "CNY", Minor: pick[int64](rt, "amount", 100, 50)}
		}
	case "delete_app":
		c.Body.Confirm = pick(rt, "confirm", app.Name, app.Name, "", "other")
	case "note_trtc_stopped", "note_trtc_started":
		if hours := pick[int64](rt, "hours", 1, 0, -1, -24); hours != 1 {
			c.Body.At = s.account.Now + Hour*hours
		}
	case "add_admins", "remove_admins":
		names := []string{"alice", "bob", "carol", "dave", "erin", administrator}
		c.Body.Names = rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 4, rapid.ID).Draw(rt, "names")
	case "approve_deletion", "reject_deletion":
		c.Body.Request = rapid.SampledFrom(app.Requests()).Draw(rt, "request")
	}
	if c.Name != "approve_deletion" && c.Name != "reject_deletion" && rapid.IntRange(0, 31).Draw(rt, "unknown") == 0 {
		c.App, c.Stale = nil, false
	}
	return c
}

// orderID is mostly new.
func (s *sequence) orderID(rt *rapid.T, app *App) string {
	if app != nil && len(app.Orders()) > 0 && rapid.IntRange(0, 2).Draw(rt, "known") > 0 {
		return rapid.SampledFrom(app.Orders()).Draw(rt, "order")
	}
	return pick(rt, "order", "o1", "o2", "o3", "o4", "o5")
}

func (s *sequence) order(rt *rapid.T, app *App) *Order {
	o := &Order{
		ID: pick(rt, "order", "o1", "o2", "o3", "o4", "o5"), Edition: pick(rt, "edition", oracle.Pro, oracle.Flagship, oracle.Flagship, ""),
		Minor: pick[int64](rt, "amount", 100, 100, 200),
	}
	if hours := pick[int64](rt, "from", 0, 0, 0, -1, -24, -200, 1, 24, 200, 26_280, 26_281); hours != 0 {
		o.Effective = s.account.Now + Hour*hours
	}
	if hours := pick[int64](rt, "term", 24, 0, 100, 200, 720); hours != 0 {
		o.PaidUntil = cmp.Or(o.Effective, s.account.Now) + Hour*hours
	}
	if o.Edition == "" || rapid.IntRange(0, 3).Draw(rt, "add-ons") == 0 {
		o.Addons = []string{pick(rt, "add-on", "tpns", "storage")}
	}
	if known, again := known(app, o.ID); again {
		if o.Effective == 0 { // whether one that is restated without it begins now or as before is left open
			o.Effective = known.Effective
		}
		o.PaidUntil = max(o.PaidUntil, o.Effective+24*Hour)
		if rapid.Bool().Draw(rt, "as known") {
			*o = known
			if rapid.Bool().Draw(rt, "leaving out") { // not the term or the add-ons, whose absence says something too
				o.Effective = 0
			}
		}
	}
	return o
}

func known(app *App, id string) (Order, bool) {
	if app == nil {
		return Order{}, false
	}
	o, again := app.orders[id]
	return o, again
}
