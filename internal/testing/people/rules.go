package people

import (
	"cmp"
	"reflect"
	"slices"

	"sundial/internal/testing/oracle"
)

// judge judges a command on an app that is not deleted.
func (app *App) judge(now int64, c Command) []Outcome {
	edition := app.view(now).Edition
	switch c.Name {
	case "edit_app_info":
		if c.Body.AppName == app.Name {
			return silent()
		}
		return recorded(func() { app.Name = c.Body.AppName })
	case "upgrade_edition", "renew_plan":
		return app.buy(now, edition, c)
	case "mark_arrears", "settle_arrears", "void_invoice", "refund":
		return app.fact(now, *c.Body.Fact)
	case "stop_app":
		return app.halt(now, edition, c)
	case "start_app":
		return app.start(c)
	case "delete_app":
		return app.remove(edition, c)
	case "request_deletion":
		return app.request(edition)
	case "note_trtc_stopped", "note_trtc_started":
		return app.note(now, edition, c)
	case "add_admins":
		return app.addAdmins(c.Body.Names)
	case "remove_admins":
		return app.removeAdmins(c.Body.Names)
	case "enable_trtc":
		switch {
		case app.trtc:
			return silent()
		case app.Stopped():
			return refused(409, "app_stopped")
		}
		return recorded(func() { app.trtc = true })
	case "enable_tpns":
		return app.enableTPNS(now, c)
	case "disable_tpns":
		return []Outcome{{Status: 200, Change: app.ifSo(app.tpns()), Then: func(bool) { app.tpnsWanted = false }}}
	}
	panic("no rule for " + c.Name)
}

// ifSo is Grows if something changes that can be seen, and else either.
func (app *App) ifSo(changes bool) Change {
	if changes {
		return Grows
	}
	return Either
}

func rank(edition string) int {
	switch edition {
	case oracle.Pro:
		return 1
	case oracle.Flagship:
		return 2
	}
	return 0
}

// buy judges UpgradeEdition and RenewPlan.
func (app *App) buy(now int64, edition string, c Command) []Outcome {
	order := *c.Body.Order
	known, again := app.orders[order.ID]
	if again && known.agrees(order) {
		// Said again without its beginning once its term is over, the engine finds that it ends before now: 422, where
		// the text has silence.
		return append(silent(), order.invalid(now)...)
	}
	var codes []string
	switch {
	case c.Name == "renew_plan" && rank(edition) == 0:
		codes = append(codes, "renew_needs_paid_edition")
	case c.Name == "renew_plan" && order.Edition != edition:
		codes = append(codes, "renew_other_edition")
	case c.Name == "upgrade_edition" && order.Edition == "" && rank(edition) == 0:
		codes = append(codes, "addons_need_paid_edition")
	case c.Name == "upgrade_edition" && order.Edition != "" && rank(order.Edition) <= rank(edition) && order.Addons == nil:
		codes = append(codes, "edition_not_higher")
	}
	if again && c.Role == Owner {
		codes = append(codes, "order_conflict")
	}
	if order.Effective > now+OrderAhead {
		codes = append(codes, "effective_too_far_ahead")
	}
	outcomes := append(refused(409, codes...), order.invalid(now)...)
	lower := c.Name == "upgrade_edition" && order.Edition != "" && rank(order.Edition) <= rank(edition)
	if outcomes != nil {
		if lower {
			outcomes = append(outcomes, refused(409, "edition_not_higher")...)
		}
		if again {
			outcomes = append(outcomes, refused(409, "order_conflict")...)
		}
		if again && known.agrees(order) {
			outcomes = append(outcomes, silent()...)
		}
		return outcomes
	}
	right := recorded(func() { app.order(now, order) })
	if lower {
		right = append(right, refused(409, "edition_not_higher")...) // whether add-ons may come with it is left open
	}
	if again && known.agrees(order) {
		right = append(right, silent()...)
	}
	if again { // whether billing's or an operator's word wins at one version is the rule of facts; where it does not, this
		return append(right, refused(409, "order_conflict")...)
	}
	return right
}

// agrees says whether an order that is said again agrees with what is known, leaving open what is absent.
func (o Order) agrees(again Order) bool {
	return (again.Edition == "" || again.Edition == o.Edition) &&
		(again.Effective == 0 || again.Effective == o.Effective) &&
		(again.PaidUntil == 0 || again.PaidUntil == o.PaidUntil) &&
		(again.Addons == nil || reflect.DeepEqual(again.Addons, o.Addons)) &&
		again.Minor == o.Minor
}

// invalid refuses a term that ends before it begins, as that of a command that was sent again too late does.
func (o Order) invalid(now int64) []Outcome {
	if o.PaidUntil != 0 && o.PaidUntil <= cmp.Or(o.Effective, now) {
		return refused(422, "invalid")
	}
	return nil
}

// order records an order that was not known, or a word about it that goes before the one known.
func (app *App) order(now int64, order Order) {
	_, again := app.orders[order.ID]
	app.facts = slices.DeleteFunc(app.facts, func(f oracle.Fact) bool { return f.Kind == oracle.OrderPaid && f.Order == order.ID })
	if order.Effective == 0 {
		order.Effective = now
	}
	app.orders[order.ID] = order
	app.take(now, oracle.Fact{
		Kind: oracle.OrderPaid, Order: order.ID, Edition: order.Edition, Effective: order.Effective,
		PaidUntil: order.PaidUntil, Amount: oracle.Money{Currency: "CNY", Minor: order.Minor}, OwnersWord: !again,
	})
}

// fact judges a fact given as a command: "always recorded"; said again exactly, it is silence.
func (app *App) fact(now int64, fact oracle.Fact) []Outcome {
	if fact.Effective > now+FactAhead {
		// Whether it would change an answer is judged first: where it would not, it is silence.
		return append(refused(409, "effective_too_far_ahead"), silent()...)
	}
	fact.Account, fact.App = app.base.Account, app.base.ID
	if slices.Contains(app.facts, fact) {
		return silent()
	}
	return []Outcome{{Status: 200, Then: func(bool) { app.take(now, fact) }}}
}

func (app *App) halt(now int64, edition string, c Command) []Outcome {
	if c.Role == Operator {
		switch {
		case app.operator != 0:
			return silent()
		case c.Reason == "" && edition == oracle.TRTCTrial && !app.trtcStill:
			return refused(409, "reason_required", "trtc_side_running")
		case c.Reason == "":
			return refused(409, "reason_required")
		case edition == oracle.TRTCTrial && !app.trtcStill:
			return refused(409, "trtc_side_running")
		}
		return recorded(func() { app.operator = now })
	}
	var codes []string
	if app.manual != 0 {
		return silent()
	}
	if edition != oracle.Trial {
		codes = append(codes, "stop_needs_trial")
	}
	if app.Stopped() {
		codes = append(codes, "already_stopped")
	}
	if codes != nil {
		return refused(409, codes...)
	}
	return recorded(func() { app.manual = now })
}

func (app *App) start(c Command) []Outcome {
	switch {
	case !app.Stopped():
		return silent()
	case app.manual == 0 && (c.Role != Operator || app.operator == 0):
		return refused(409, "hold_not_liftable")
	}
	return recorded(func() {
		app.change(func() {
			app.manual = 0
			if c.Role == Operator {
				app.operator = 0
			}
		})
	})
}

func (app *App) remove(edition string, c Command) []Outcome {
	var codes []string
	if !app.Stopped() {
		codes = append(codes, "app_not_stopped")
	}
	if edition != oracle.Trial {
		codes = append(codes, "deletion_needs_request")
	}
	if codes == nil && c.Body.Confirm == app.Name {
		return recorded(func() { app.Deleted = true })
	}
	if c.Body.Confirm != app.Name {
		codes = append(codes, "confirmation_required")
	}
	return refused(409, codes...)
}

func (app *App) request(edition string) []Outcome {
	if app.open() != nil {
		return []Outcome{{Status: 201, Change: Same}}
	}
	var codes []string
	if !app.Stopped() {
		codes = append(codes, "app_not_stopped")
	}
	if edition == oracle.Trial {
		codes = append(codes, "deletion_needs_no_request")
	}
	if codes != nil {
		return refused(409, codes...)
	}
	asked := Outcome{Status: 201, Change: Grows, Then: func(bool) { app.requests = append(app.requests, &Request{State: "open"}) }}
	if edition == oracle.TRTCTrial && !app.trtcStill { // it could not be approved; whether it can be asked for is left open
		return append(refused(409, "trtc_side_running"), asked)
	}
	return []Outcome{asked}
}

// decide judges ApproveDeletion and RejectDeletion, on a deleted app too.
func (app *App) decide(c Command) []Outcome {
	i := slices.IndexFunc(app.requests, func(r *Request) bool { return r.ID == c.Body.Request })
	if i < 0 {
		return refused(404, "deletion_request_not_found")
	}
	request, decided := app.requests[i], "approved"
	if c.Name == "reject_deletion" {
		decided = "rejected"
	}
	switch {
	case request.State == decided:
		return silent()
	case request.State != "open":
		return refused(409, "deletion_request_closed")
	case decided == "rejected" && c.Reason == "":
		return refused(409, "rejection_needs_reason")
	}
	return recorded(func() {
		request.State = decided
		app.Deleted = decided == "approved"
	})
}

// note judges what the TRTC side says. A later word counts by its time; of two at one time, the one that was said later.
func (app *App) note(now int64, edition string, c Command) []Outcome {
	if edition != oracle.TRTCTrial {
		return refused(409, "not_trtc_trial")
	}
	at := c.Body.At
	if at == 0 {
		at = now
	}
	return recorded(func() {
		if at < app.notedAt {
			return
		}
		app.notedAt, app.trtcStill = at, c.Name == "note_trtc_stopped"
		if !app.trtcStill {
			app.withdraw()
		}
	})
}

func (app *App) addAdmins(names []string) []Outcome {
	all := slices.Clone(app.admins)
	for _, name := range names {
		if name != administrator && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	switch {
	case len(all) == len(app.admins):
		return silent()
	case len(all)+1 > maxAdmins:
		return refused(409, "admin_limit")
	}
	return recorded(func() { app.admins = all })
}

func (app *App) removeAdmins(names []string) []Outcome {
	if slices.Contains(names, administrator) {
		return refused(409, "admin_fixed")
	}
	left := slices.DeleteFunc(slices.Clone(app.admins), func(name string) bool { return slices.Contains(names, name) })
	if len(left) == len(app.admins) {
		return silent()
	}
	return recorded(func() { app.admins = left })
}

// enableTPNS judges EnableTPNS: "it needs an order", new or known, and is
// refused where neither it nor another leaves mobile push paid for.
func (app *App) enableTPNS(now int64, c Command) []Outcome {
	order := c.Body.Order
	switch {
	case app.tpns() && order != nil:
		return append(silent(), order.invalid(now)...)
	case app.tpns():
		return silent()
	case order == nil:
		return refused(409, "tpns_needs_order")
	}
	known, again := app.orders[order.ID]
	switch {
	case again && !known.agrees(*order):
		return append(refused(409, "order_conflict", "effective_too_far_ahead"), order.invalid(now)...)
	case !again && order.invalid(now) != nil:
		return order.invalid(now)
	case !again && order.Effective > now+OrderAhead:
		return refused(409, "effective_too_far_ahead")
	case app.ended(order.ID) && !app.tpnsPaid():
		return append(refused(409, "tpns_needs_order"), order.invalid(now)...)
	}
	return append(order.invalid(now), Outcome{Status: 200, Change: Grows, Then: func(bool) {
		app.tpnsWanted = true
		if !again {
			app.order(now, *order)
		}
	}})
}
