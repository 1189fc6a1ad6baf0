package domain

import "slices"

// TPNSAddon is what an order for mobile push names.
const TPNSAddon = "tpns"

// EnableTPNS turns mobile push on, with the order that pays for it. While it is on, the vendors' own push cannot be
// used: certificates of other platforms stay stored and are inactive.
type EnableTPNS struct {
	App   AppID      `json:"app"`
	Order OrderTerms `json:"order"` // of add-ons alone; without any it is for tpns
}

func (EnableTPNS) Name() string { return "enable_tpns" }

func (c EnableTPNS) Subject() AppID { return c.App }

func (c EnableTPNS) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	if err != nil || app.TPNS {
		return err
	}
	terms := c.Order
	if terms.ID == "" {
		return refuse(TPNSNeedsOrder)
	}
	if !slices.Contains(terms.Addons, TPNSAddon) {
		terms.Addons = append(slices.Clip(terms.Addons), TPNSAddon)
	}
	var p problems
	terms.checkOrdered(d.begins(c.App, terms.ID), d.at.Role, &p)
	if terms.Edition != "" {
		p.add("order.edition", "not_wanted", "must be absent: the order is for mobile push alone")
	}
	if err := p.err(); err != nil {
		return err
	}
	known := app.order(terms.ID)
	switch ordered := known != nil && known.Terms.EffectiveAt != 0; {
	case ordered && !known.Terms.agreesWith(terms):
		return refuse(OrderConflict)
	case !ordered:
		if terms.EffectiveAt == 0 {
			terms.EffectiveAt = d.at.Now
		}
		if err := d.record(app, OrderRecorded{About{app.ID}, terms, d.at.Role, nil}); err != nil {
			return err
		}
	}
	switch {
	case !app.tpnsPaid():
		return refuse(TPNSNeedsOrder)
	case !app.TPNS: // an order that was missing has turned it on already
		d.emit(TPNSEnabled{About{c.App}, terms.ID})
	}
	return nil
}

// tpnsPaid says whether an order pays for mobile push.
func (a *App) tpnsPaid() bool { return bool(a.Orders.byID.sum()) }

// tpnsOrder is the id of such an order, the first in order of ids; empty where there is none.
func (a *App) tpnsOrder() string {
	if o := a.Orders.firstForPush(); o != nil {
		return o.ID
	}
	return ""
}

// reconcileTPNS turns mobile push off when a fact leaves no order that pays for it, and on again when one shows such an
// order after all.
func (d *draft) reconcileTPNS(app *App, wasPaid bool) {
	switch order := app.tpnsOrder(); {
	case app.TPNS && wasPaid && order == "":
		d.emit(TPNSSuspended{About{app.ID}})
	case app.TPNSUnpaid && order != "":
		d.emit(TPNSResumed{About{app.ID}, order})
	}
}

// DisableTPNS turns mobile push off: the vendors' own push works again.
type DisableTPNS struct {
	App AppID `json:"app"`
}

func (DisableTPNS) Name() string { return "disable_tpns" }

func (c DisableTPNS) Subject() AppID { return c.App }

func (c DisableTPNS) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	if err == nil && (app.TPNS || app.TPNSUnpaid) {
		d.emit(TPNSDisabled{About{c.App}})
	}
	return err
}

// TPNSEnabled says that mobile push is on.
type TPNSEnabled struct {
	About
	Order string `json:"order"` // the id of the order that pays for it
}

func (TPNSEnabled) Type() string { return "app.tpns_enabled.v1" }

func (e TPNSEnabled) apply(acc *Account) { acc.change(e.App).tpns(true, false) }

func (TPNSEnabled) describe() string { return "mobile push was turned on" }

// TPNSDisabled says that mobile push is off.
type TPNSDisabled struct{ About }

func (TPNSDisabled) Type() string { return "app.tpns_disabled.v1" }

func (e TPNSDisabled) apply(acc *Account) { acc.change(e.App).tpns(false, false) }

func (TPNSDisabled) describe() string { return "mobile push was turned off" }

// TPNSSuspended says that mobile push is off, as a fact left no order that pays for it. It is on again once one does,
// unless it is turned off meanwhile.
type TPNSSuspended struct{ About }

func (TPNSSuspended) Type() string { return "app.tpns_suspended.v1" }

func (e TPNSSuspended) apply(acc *Account) { acc.change(e.App).tpns(false, true) }

func (TPNSSuspended) derived() bool { return true }

func (TPNSSuspended) describe() string { return "mobile push is off: no order pays for it any more" }

// TPNSResumed says that mobile push is on again, as an order pays for it after all.
type TPNSResumed struct {
	About
	Order string `json:"order"` // the id of the order that pays for it
}

func (TPNSResumed) Type() string { return "app.tpns_resumed.v1" }

func (e TPNSResumed) apply(acc *Account) { acc.change(e.App).tpns(true, false) }

func (TPNSResumed) derived() bool { return true }

func (e TPNSResumed) describe() string {
	return "mobile push is on again: order " + e.Order + " pays for it"
}

func (a *App) tpns(on, unpaid bool) { a.TPNS, a.TPNSUnpaid = on, unpaid }
