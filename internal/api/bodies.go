package api

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/secrets"
	"sundial/internal/vault"
)

// Reasoned is in every command's body: why it is given, kept with its commit.
type Reasoned struct {
	Reason string `json:"reason,omitzero" maxLength:"500" doc:"Why; kept with the commit"`
}

func (r Reasoned) why() string { return r.Reason }

// missing is what a body lacks that only its absence shows; what the domain judges by its value is not among it.
func (Reasoned) missing() []domain.FieldError { return nil }

// Money is an amount in minor units of its currency.
type Money struct {
	Currency string `json:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217" example:"CNY"`
	Minor    int64  `json:"minor" minimum:"0" maximum:"9007199254740991" doc:"In minor units, such as fen" example:"99900"`
}

// Order is something bought for an app.
type Order struct {
	ID          string         `json:"id" minLength:"1" maxLength:"128" example:"ord-1"`
	Edition     domain.Edition `json:"edition,omitzero" enum:"pro,flagship" doc:"Absent for add-ons alone"`
	EffectiveAt domain.Instant `json:"effective_at,omitzero" doc:"Absent: now"`
	PaidUntil   domain.Instant `json:"paid_until,omitzero" doc:"Absent: open-ended, billed monthly"`
	Addons      []string       `json:"addons,omitzero" maxItems:"50"`
	Version     int64          `json:"version,omitzero" minimum:"0" maximum:"9007199254740991" doc:"For billing and operators: the highest counts of what is said of one order"`
	Amount      Money          `json:"amount"`
}

func (o Order) terms() domain.OrderTerms {
	return domain.OrderTerms{
		ID: o.ID, Edition: o.Edition, EffectiveAt: o.EffectiveAt, PaidUntil: o.PaidUntil, Addons: o.Addons,
		Version: o.Version, Amount: domain.Money(o.Amount),
	}
}

// ImportedOrder is an order of an app that is imported, as the other system had it.
type ImportedOrder struct {
	ID          string         `json:"id" minLength:"1" maxLength:"128" example:"ord-1"`
	Edition     domain.Edition `json:"edition,omitzero" enum:"pro,flagship" doc:"Absent for add-ons alone"`
	EffectiveAt domain.Instant `json:"effective_at"`
	PaidUntil   domain.Instant `json:"paid_until,omitzero" doc:"Absent: open-ended, billed monthly"`
	Addons      []string       `json:"addons,omitzero" maxItems:"50"`
	Version     int64          `json:"version,omitzero" minimum:"0" maximum:"9007199254740991"`
	Amount      Money          `json:"amount"`
}

type createApp struct {
	AppName      string `json:"name" minLength:"1" maxLength:"64"`
	AppType      string `json:"type,omitzero" doc:"One of the types of the policy, such as e-commerce; absent: other"`
	Introduction string `json:"introduction,omitzero" maxLength:"300"`
	Order        *Order `json:"order,omitzero"`
	Reasoned
}

func (b createApp) command(domain.AppID) domain.Command {
	c := domain.CreateApp{AppName: b.AppName, AppType: b.AppType, Introduction: b.Introduction}
	if b.Order != nil {
		terms := b.Order.terms()
		c.Order = &terms
	}
	return c
}

type importApp struct {
	App          domain.AppID    `json:"app" minimum:"1000000000" maximum:"9999999999" doc:"Its SDKAppID, which it keeps"`
	AppName      string          `json:"name" minLength:"1" maxLength:"64"`
	AppType      string          `json:"type,omitzero" doc:"One of the types of the policy, such as e-commerce; absent: other"`
	Introduction string          `json:"introduction,omitzero" maxLength:"300"`
	CreatedAt    domain.Instant  `json:"created_at"`
	Edition      domain.Edition  `json:"edition,omitzero" enum:"trial,trtc_trial,pro,flagship" doc:"Absent: trial"`
	Orders       []ImportedOrder `json:"orders,omitzero" maxItems:"500"`

	Keys         []ImportedKey         `json:"keys,omitzero" maxItems:"5" doc:"The last one signs; absent: one is made when it is needed"`
	Admins       []string              `json:"admins,omitzero" maxItems:"5"`
	Certificates []ImportedCertificate `json:"certificates,omitzero" maxItems:"20"`
	Invoices     []ImportedInvoice     `json:"invoices,omitzero" maxItems:"500" doc:"Those that are overdue"`
	TRTC         *Switch               `json:"trtc,omitzero"`
	TPNS         *Switch               `json:"tpns,omitzero"`
	Reasoned
}

// ImportedKey is a signing key of an app that is imported.
type ImportedKey struct {
	Algorithm string `json:"algorithm" enum:"HMAC-SHA256,ECDSA-SHA256"`
	Secret    string `json:"secret,omitzero" doc:"Of HMAC: 64 hex digits"`
	Private   string `json:"private_key,omitzero" doc:"Of ECDSA: PEM"`
	Public    string `json:"public_key,omitzero" doc:"Of ECDSA: PEM; it must be the private key's"`
}

// ImportedCertificate is a push certificate of an app that is imported; it keeps its id.
type ImportedCertificate struct {
	ID       domain.CertificateID      `json:"id" minimum:"1" doc:"What clients send as businessID"`
	Platform string                    `json:"platform"`
	Fields   map[string]jsontext.Value `json:"fields"`
}

// ImportedInvoice is an invoice that is overdue.
type ImportedInvoice struct {
	ID          string         `json:"id" minLength:"1" maxLength:"128"`
	Version     int64          `json:"version,omitzero" minimum:"0" maximum:"9007199254740991"`
	EffectiveAt domain.Instant `json:"effective_at"`
	Amount      Money          `json:"amount"`
}

func (b importApp) command(domain.AppID) domain.Command { return b.imports() }

// missing refuses certificates of more fields than are looked at.
func (b importApp) missing() (wrong []domain.FieldError) {
	for n, k := range b.Certificates {
		wrong = append(wrong, crowded("certificates."+strconv.Itoa(n)+".fields", k.Fields)...)
		if len(wrong) == maxWrongFields {
			break
		}
	}
	return wrong
}

func (b importApp) imports() secrets.ImportApp {
	c := secrets.ImportApp{ImportApp: domain.ImportApp{
		App: b.App, AppName: b.AppName, AppType: b.AppType, Introduction: b.Introduction,
		CreatedAt: b.CreatedAt, Edition: b.Edition, Admins: b.Admins,
		TRTC: b.TRTC != nil && b.TRTC.Enabled, TPNS: b.TPNS != nil && b.TPNS.Enabled,
	}}
	for _, o := range b.Orders {
		c.Orders = append(c.Orders, domain.OrderTerms{
			ID: o.ID, Edition: o.Edition, EffectiveAt: o.EffectiveAt, PaidUntil: o.PaidUntil, Addons: o.Addons,
			Version: o.Version, Amount: domain.Money(o.Amount),
		})
	}
	for _, i := range b.Invoices {
		c.Invoices = append(c.Invoices, domain.ImportedInvoice{
			ID: i.ID, Version: i.Version, EffectiveAt: i.EffectiveAt, Amount: domain.Money(i.Amount),
		})
	}
	for _, k := range b.Keys {
		secret := k.Secret
		if k.Algorithm == string(domain.ECDSA) {
			secret = k.Private
		}
		c.Keys = append(c.Keys, secrets.GivenKey{Algorithm: domain.Algorithm(k.Algorithm), Secret: vault.NewSecret([]byte(secret)), Public: k.Public})
	}
	for _, k := range b.Certificates {
		c.Certificates = append(c.Certificates, secrets.GivenCertificate{ID: k.ID, Platform: k.Platform, Fields: k.Fields})
	}
	return c
}

type setQuota struct {
	Apps int `json:"apps" minimum:"1" maximum:"10000" doc:"Apps that are not deleted"`
	Reasoned
}

func (b setQuota) command(domain.AppID) domain.Command { return domain.SetQuota{Apps: b.Apps} }

type editAppInfo struct {
	AppName      *string `json:"name,omitzero" minLength:"1" maxLength:"64"`
	AppType      *string `json:"type,omitzero"`
	Introduction *string `json:"introduction,omitzero" maxLength:"300"`
	Reasoned
}

func (b editAppInfo) command(app domain.AppID) domain.Command {
	return domain.EditAppInfo{App: app, AppName: b.AppName, AppType: b.AppType, Introduction: b.Introduction}
}

type upgradeEdition struct {
	Order Order `json:"order"`
	Reasoned
}

func (b upgradeEdition) command(app domain.AppID) domain.Command {
	return domain.UpgradeEdition{App: app, Order: b.Order.terms()}
}

type renewPlan struct {
	Order Order `json:"order"`
	Reasoned
}

func (b renewPlan) command(app domain.AppID) domain.Command {
	return domain.RenewPlan{App: app, Order: b.Order.terms()}
}

type stopApp struct{ Reasoned }

func (b stopApp) command(app domain.AppID) domain.Command {
	return domain.StopApp{App: app, Reason: b.Reason}
}

type startApp struct{ Reasoned }

func (startApp) command(app domain.AppID) domain.Command { return domain.StartApp{App: app} }

type deleteApp struct {
	Confirm string `json:"confirm,omitzero" doc:"The app's exact name"`
	Reasoned
}

func (b deleteApp) command(app domain.AppID) domain.Command {
	return domain.DeleteApp{App: app, Confirm: b.Confirm}
}

type markArrears struct {
	Invoice     string         `json:"invoice" minLength:"1" maxLength:"128"`
	Version     *int64         `json:"version" nullable:"false" minimum:"0" maximum:"9007199254740991" doc:"Of the invoice; the highest says how it stands"`
	EffectiveAt domain.Instant `json:"effective_at" doc:"When it became late"`
	Amount      Money          `json:"amount"`
	Reasoned
}

func (b markArrears) missing() []domain.FieldError { return missingVersion(b.Version) }

func (b markArrears) command(app domain.AppID) domain.Command {
	return domain.MarkArrears{
		App: app, Invoice: b.Invoice, Version: *b.Version, EffectiveAt: b.EffectiveAt, Amount: domain.Money(b.Amount),
	}
}

type settleArrears struct {
	Invoice     string         `json:"invoice" minLength:"1" maxLength:"128"`
	Version     *int64         `json:"version" nullable:"false" minimum:"0" maximum:"9007199254740991" doc:"Of the invoice; the highest says how it stands"`
	EffectiveAt domain.Instant `json:"effective_at" doc:"When it was paid"`
	Reasoned
}

func (b settleArrears) missing() []domain.FieldError { return missingVersion(b.Version) }

func (b settleArrears) command(app domain.AppID) domain.Command {
	return domain.SettleArrears{App: app, Invoice: b.Invoice, Version: *b.Version, EffectiveAt: b.EffectiveAt}
}

type voidInvoice struct {
	Invoice     string         `json:"invoice" minLength:"1" maxLength:"128"`
	Version     *int64         `json:"version" nullable:"false" minimum:"0" maximum:"9007199254740991" doc:"Of the invoice; the highest says how it stands"`
	EffectiveAt domain.Instant `json:"effective_at" doc:"When it was withdrawn"`
	Reasoned
}

func (b voidInvoice) missing() []domain.FieldError { return missingVersion(b.Version) }

func (b voidInvoice) command(app domain.AppID) domain.Command {
	return domain.VoidInvoice{App: app, Invoice: b.Invoice, Version: *b.Version, EffectiveAt: b.EffectiveAt}
}

// missingVersion refuses an invoice's fact without its version, which 0 could not be told from.
func missingVersion(version *int64) []domain.FieldError {
	if version != nil {
		return nil
	}
	return []domain.FieldError{field("version", "required", "must be the version of the invoice that the fact is about")}
}

type refund struct {
	Order       string         `json:"order" minLength:"1" maxLength:"128" doc:"The id of the order"`
	Refund      string         `json:"refund,omitzero" maxLength:"128" doc:"Tells several refunds of one order apart; none given is one id like any other"`
	Ends        *bool          `json:"ends,omitzero" nullable:"false" default:"true" doc:"Whether it ends the order; false is money given back for goodwill, and the order goes on"`
	EffectiveAt domain.Instant `json:"effective_at" doc:"When it was refunded"`
	Amount      *Money         `json:"amount,omitzero"`
	Reasoned
}

func (b refund) command(app domain.AppID) domain.Command {
	c := domain.Refund{App: app, Order: b.Order, Refund: b.Refund, EffectiveAt: b.EffectiveAt, Goodwill: b.Ends != nil && !*b.Ends}
	if b.Amount != nil {
		c.Amount = domain.Money(*b.Amount)
	}
	return c
}

// missing also judges an amount that says nothing, which the domain would take for an absent one.
func (b refund) missing() []domain.FieldError {
	if b.Amount != nil && *b.Amount == (Money{}) {
		return []domain.FieldError{field("amount.currency", "unknown_currency", "must be an ISO 4217 code in capitals, such as CNY")}
	}
	return nil
}

type noteTRTCStopped struct {
	EffectiveAt domain.Instant `json:"effective_at,omitzero" doc:"Since when; of what is said, the latest in effect counts. Absent: now"`
	Reasoned
}

func (b noteTRTCStopped) command(app domain.AppID) domain.Command {
	return domain.NoteTRTCStopped{App: app, EffectiveAt: b.EffectiveAt}
}

type noteTRTCStarted struct {
	EffectiveAt domain.Instant `json:"effective_at,omitzero" doc:"Since when; of what is said, the latest in effect counts. Absent: now"`
	Reasoned
}

func (b noteTRTCStarted) command(app domain.AppID) domain.Command {
	return domain.NoteTRTCStarted{App: app, EffectiveAt: b.EffectiveAt}
}
