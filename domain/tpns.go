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
	terms.checkOrdered(d.at.Now, &p)
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
	d.emit(TPNSEnabled{About{c.App}, terms.ID})
	return nil
}

// DisableTPNS turns mobile push off: the vendors' own push works again.
type DisableTPNS struct {
	App AppID `json:"app"`
}

func (DisableTPNS) Name() string { return "disable_tpns" }

func (c DisableTPNS) Subject() AppID { return c.App }

func (c DisableTPNS) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	if err == nil && app.TPNS {
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

func (e TPNSEnabled) apply(acc *Account) { acc.change(e.App).TPNS = true }

func (TPNSEnabled) describe() string { return "mobile push was turned on" }

// TPNSDisabled says that mobile push is off.
type TPNSDisabled struct{ About }

func (TPNSDisabled) Type() string { return "app.tpns_disabled.v1" }

func (e TPNSDisabled) apply(acc *Account) { acc.change(e.App).TPNS = false }

func (TPNSDisabled) describe() string { return "mobile push was turned off" }
