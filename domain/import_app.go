package domain

import (
	"bytes"
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

	Keys         []NewKey              `json:"keys,omitzero"` // the last one signs; absent: one is made when it is needed
	Admins       []string              `json:"admins,omitzero"`
	Certificates []ImportedCertificate `json:"certificates,omitzero"`
	Invoices     []ImportedInvoice     `json:"invoices,omitzero"` // that are open
	TRTC         bool                  `json:"trtc,omitzero"`
	TPNS         bool                  `json:"tpns,omitzero"`
}

// ImportedCertificate is a push certificate of an imported app: it keeps the id that clients send.
type ImportedCertificate struct {
	ID      CertificateID      `json:"id"`
	Content CertificateContent `json:"content"`
}

// ImportedInvoice is an invoice of an imported app that is owed and late.
type ImportedInvoice struct {
	ID          string  `json:"id"`
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
	Amount      Money   `json:"amount"`
}

// ImportedOrder is the id of the order that an imported paid edition without orders counts as.
const ImportedOrder = "import"

// MaxImportedOrders bounds the orders, and the invoices, that one commit must carry.
const MaxImportedOrders = 500

func (ImportApp) Name() string { return "import_app" }

func (c ImportApp) Subject() AppID { return c.App }

func (c ImportApp) decide(d *draft) error {
	if c.AppType == "" {
		c.AppType = defaultType
	}
	given := c.Edition
	if c.Edition == "" {
		c.Edition = Trial
	}
	if err := c.check(d); err != nil {
		return err
	}
	if err := d.believe(c.CreatedAt, nil); err != nil {
		return err
	}
	if c.Edition.Paid() && !slices.ContainsFunc(c.Orders, func(t OrderTerms) bool { return t.Edition != "" }) {
		implied := OrderTerms{ID: ImportedOrder, Edition: c.Edition, EffectiveAt: c.CreatedAt}
		c.Orders = append(slices.Clip(c.Orders), implied)
	}
	if known := d.from.Apps[c.App]; known != nil {
		if known.DeletedAt == 0 && c.describes(known) {
			return nil
		}
		return refuse(AppTaken)
	}
	d.emit(AppImported{About{c.App}, c.AppName, c.AppType, c.Introduction, c.CreatedAt, c.base()})
	app := d.work.Apps[c.App]
	for _, terms := range c.Orders {
		if err := d.believe(terms.EffectiveAt, &terms); err != nil {
			return err
		}
		d.emit(OrderRecorded{About{c.App}, terms, Operator, nil})
	}
	for _, i := range c.Invoices {
		if err := d.believe(i.EffectiveAt, nil); err != nil {
			return err
		}
		d.emit(InvoiceOverdueRecorded{About{c.App}, i.ID, i.Version, i.EffectiveAt, i.Amount, nil})
	}
	// An app of another system's clock may be some seconds ahead of this one's.
	if made := app.coverageAt(max(d.at.Now, c.CreatedAt)).edition; given != "" && given != made {
		var p problems
		p.add("edition", "not_as_ordered", "must be absent, or what the orders make of the app now: "+string(made))
		return p.err()
	}
	d.reconcile(app, d.at.Now, trigger{byOrder, c.CreatedAt})
	c.furnish(d, app)
	return nil
}

// furnish gives the app what it holds beside its bills.
func (c ImportApp) furnish(d *draft, app *App) {
	for _, k := range c.Keys {
		key := d.nextKey(app, k)
		key.CreatedAt = c.CreatedAt
		d.emit(KeyIssued{About{c.App}, key})
	}
	if admins := slices.DeleteFunc(slices.Clone(c.Admins), func(name string) bool { return name == FixedAdmin }); len(admins) > 0 {
		d.emit(AdminsAdded{About{c.App}, admins})
	}
	for _, k := range c.Certificates {
		d.emit(CertificateAdded{About{c.App}, d.kept(k.ID, k.Content)})
	}
	if c.TRTC && !app.HasTRTC() {
		d.emit(TRTCEnabled{About{c.App}})
	}
	if c.TPNS {
		d.emit(TPNSEnabled{About{c.App}, ""})
	}
}

// checkHoldings names what is wrong with what the app holds beside its bills.
func (c ImportApp) checkHoldings(policy Policy, p *problems) {
	if len(c.Keys) > MaxKeys {
		p.add("keys", "too_many", fmt.Sprintf("must be at most %d", MaxKeys))
	}
	for _, k := range counted(c.Keys, MaxKeys) {
		if k.Algorithm != HMAC && k.Algorithm != ECDSA {
			p.add("keys.algorithm", "unknown_algorithm", "must be "+string(HMAC)+" or "+string(ECDSA))
		}
	}
	if len(c.Admins) > 0 {
		checkAdmins("admins", c.Admins, maxNamed, p)
	}
	if extra := slices.DeleteFunc(slices.Clone(c.Admins), func(name string) bool { return name == FixedAdmin }); len(extra) >= policy.Admins {
		p.add("admins", "too_many", fmt.Sprintf("must be at most %d, the fixed one included", policy.Admins))
	}
	if len(c.Certificates) > policy.Certificates {
		p.add("certificates", "too_many", fmt.Sprintf("must be at most %d", policy.Certificates))
	}
	seen := map[CertificateID]bool{}
	for _, k := range counted(c.Certificates, policy.Certificates) {
		k.Content.check(p)
		if k.ID == 0 || k.ID > MaxCertificate {
			p.add("certificates.id", "out_of_range", fmt.Sprintf("must be from 1 to %d", MaxCertificate))
		}
		if seen[k.ID] {
			p.add("certificates.id", "duplicate", "must be given once for each certificate")
		}
		seen[k.ID] = true
	}
	if len(c.Invoices) > MaxImportedOrders {
		p.add("invoices", "too_many", fmt.Sprintf("must be at most %d", MaxImportedOrders))
	}
	invoices := map[string]bool{}
	for _, i := range counted(c.Invoices, MaxImportedOrders) {
		checkID("invoices.id", i.ID, p)
		checkVersion("invoices.version", i.Version, p)
		checkTime("invoices.effective_at", i.EffectiveAt, p)
		i.Amount.check("invoices.amount", p)
		if invoices[i.ID] {
			p.add("invoices.id", "duplicate", "must be given once for each invoice")
		}
		invoices[i.ID] = true
	}
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
	seen := map[string]bool{}
	for _, terms := range counted(c.Orders, MaxImportedOrders) {
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
	c.checkHoldings(d.at.Policy, &p)
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
		if known == nil || !known.Terms.agreesWith(terms) && (known.By != Billing || !known.wins(terms, Operator)) {
			return false
		}
	}
	implied := app.order(ImportedOrder)
	return (implied == nil || implied.By != Operator || c.orders(ImportedOrder)) && c.furnished(app)
}

// furnished says whether what the app still holds of what it was imported with is what this import contains.
func (c ImportApp) furnished(app *App) bool {
	for _, k := range app.Keys {
		if k.ID <= len(c.Keys) && !bytes.Equal(k.Print, c.Keys[k.ID-1].Print) {
			return false
		}
	}
	for _, k := range c.Certificates {
		known := app.Certificate(k.ID)
		if known != nil && known.UpdatedAt == known.CreatedAt && !k.Content.same(known) {
			return false
		}
	}
	return app.KeysIssued >= len(c.Keys)
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

func (AppImported) Type() string { return "app.imported.v1" }

func (e AppImported) apply(acc *Account) {
	acc.InUse++
	acc.Apps[e.App] = &App{
		ID: e.App, Account: acc.ID, Name: e.Name, AppType: e.AppType, Introduction: e.Introduction,
		CreatedAt: e.CreatedAt, Imported: true, Base: e.Edition, Edition: e.Edition,
	}
}

func (e AppImported) begins() Instant { return e.CreatedAt }

func (e AppImported) describe() string {
	return "the app was imported, created " + e.CreatedAt.String()
}
