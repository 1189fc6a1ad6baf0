package domain

import (
	"fmt"
	"slices"
)

// ImportApp moves an app in from another system: it keeps its number, creation time and edition. A paid edition comes
// with its orders; without one that buys an edition it counts as an open-ended order named "import", effective at the
// app's creation. The quota counts the app and does not refuse it. That the number was never used in another account is
// seen to by the engine.
type ImportApp struct {
	App          AppID        `json:"app"`
	AppName      string       `json:"name"`
	AppType      string       `json:"type,omitzero"`
	Introduction string       `json:"introduction,omitzero"`
	CreatedAt    Instant      `json:"created_at"`
	Edition      Edition      `json:"edition,omitzero"` // absent: trial
	Orders       []OrderTerms `json:"orders,omitzero"`
}

// ImportedOrder is the id of the order that an imported paid edition without orders counts as.
const ImportedOrder = "import"

// MaxImportedOrders bounds what one commit must carry.
const MaxImportedOrders = 500

// Name is the command's name in the log.
func (ImportApp) Name() string { return "import_app" }

// Subject is the app.
func (c ImportApp) Subject() AppID { return c.App }

func (c ImportApp) decide(d *draft) error {
	if c.AppType == "" {
		c.AppType = defaultType
	}
	if c.Edition == "" {
		c.Edition = Trial
	}
	if err := c.check(d); err != nil {
		return err
	}
	if c.Edition.Paid() && !slices.ContainsFunc(c.Orders, func(t OrderTerms) bool { return t.Edition != "" }) {
		implied := OrderTerms{ID: ImportedOrder, Edition: c.Edition, EffectiveAt: c.CreatedAt}
		c.Orders = append(slices.Clip(c.Orders), implied)
	}
	if known := d.from.Apps[c.App]; known != nil {
		if c.describes(known) {
			return nil
		}
		return refuse(AppTaken)
	}
	d.emit(AppImported{About{c.App}, c.AppName, c.AppType, c.Introduction, c.CreatedAt, c.base()})
	app := d.work.Apps[c.App]
	for _, terms := range c.Orders {
		if terms.ID != ImportedOrder && terms.EffectiveAt > d.at.Now.Add(d.at.Policy.MaxAhead) {
			return refuse(EffectiveTooFar)
		}
		d.emit(OrderRecorded{About{c.App}, terms, Operator, nil})
	}
	d.cover(app, app.coverageAt(d.at.Now), trigger{byOrder, c.CreatedAt})
	d.schedule(app, d.at.Now)
	return nil
}

func (c ImportApp) check(d *draft) error {
	var p problems
	if c.App < MinApp || c.App > MaxApp {
		p.add("app", "out_of_range", "must be a number of ten digits")
	}
	d.checkInfo(c.AppName, c.Introduction, &p)
	d.checkType(c.AppType, &p)
	checkTime("created_at", c.CreatedAt, &p)
	if c.Edition.Rank() == 0 {
		p.add("edition", "unknown_edition", "must be trial, trtc_trial, pro or flagship")
	}
	if len(c.Orders) > MaxImportedOrders {
		p.add("orders", "too_many", fmt.Sprintf("must be at most %d", MaxImportedOrders))
	}
	seen := make(map[string]bool, len(c.Orders))
	for _, terms := range c.Orders {
		checkID("orders.id", terms.ID, &p)
		if seen[terms.ID] {
			p.add("orders.id", "duplicate", "must be given once for each order")
		}
		seen[terms.ID] = true
		terms.check("orders.", &p)
		if terms.Edition != "" && !terms.Edition.Paid() {
			p.add("orders.edition", "unknown_edition", "must be pro or flagship, or absent for add-ons alone")
		}
		checkTime("orders.effective_at", terms.EffectiveAt, &p)
	}
	return p.err()
}

// describes says whether the app is what this import would have made of it, so that an import can be sent again; also
// after the billing system had its say on the orders.
func (c ImportApp) describes(app *App) bool {
	if !app.Imported || app.Base != c.base() || app.CreatedAt != c.CreatedAt ||
		app.Name != c.AppName || app.AppType != c.AppType || app.Introduction != c.Introduction {
		return false
	}
	for _, terms := range c.Orders {
		known := app.order(terms.ID)
		if known == nil || !known.Terms.says(terms) && (known.By != Billing || !known.wins(terms, Operator)) {
			return false
		}
	}
	implied := app.order(ImportedOrder)
	return implied == nil || implied.By != Operator || c.orders(ImportedOrder)
}

// base is what the app is where no order says more.
func (c ImportApp) base() Edition {
	if c.Edition.Paid() {
		return Trial
	}
	return c.Edition
}

func (c ImportApp) orders(id string) bool {
	return slices.ContainsFunc(c.Orders, func(t OrderTerms) bool { return t.ID == id })
}

// AppImported says that the account has an app that came from another system.
type AppImported struct {
	About
	Name         string  `json:"name"`
	AppType      string  `json:"type"`
	Introduction string  `json:"introduction,omitzero"`
	CreatedAt    Instant `json:"created_at"`
	Edition      Edition `json:"edition"` // trial or trtc_trial; paid editions follow from orders
}

// Type is the stored name.
func (AppImported) Type() string { return "app.imported.v1" }

func (e AppImported) apply(acc *Account) {
	acc.InUse++
	acc.Apps[e.App] = &App{
		ID: e.App, Account: acc.ID, Name: e.Name, AppType: e.AppType, Introduction: e.Introduction,
		CreatedAt: e.CreatedAt, Imported: true, Base: e.Edition, Edition: e.Edition,
	}
}

func (e AppImported) begins() Instant { return e.CreatedAt }

func (e AppImported) says() string {
	return "the app was imported, created " + e.CreatedAt.String()
}
