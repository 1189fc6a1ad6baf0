package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// appCmd are the verbs on apps.
type appCmd struct {
	Create   appCreateCmd   `cmd:"" help:"Create an app."`
	Show     appShowCmd     `cmd:"" help:"Show an app."`
	List     appListCmd     `cmd:"" help:"List apps."`
	Edit     appEditCmd     `cmd:"" help:"Change an app's name, type or introduction."`
	Upgrade  appUpgradeCmd  `cmd:"" help:"Upgrade to a higher edition, or order add-ons."`
	Renew    appRenewCmd    `cmd:"" help:"Renew the edition that the app has."`
	Stop     appStopCmd     `cmd:"" help:"Stop an app."`
	Start    appStartCmd    `cmd:"" help:"Start an app that was stopped by hand."`
	Delete   appDeleteCmd   `cmd:"" help:"Delete an app: shows what will be lost, deletes with --confirm."`
	Import   appImportCmd   `cmd:"" help:"Move apps in from another system."`
	Arrears  appArrearsCmd  `cmd:"" help:"Record an overdue invoice."`
	Settle   appSettleCmd   `cmd:"" help:"Record that an invoice was paid."`
	Void     appVoidCmd     `cmd:"" help:"Record that an invoice was voided."`
	Refund   appRefundCmd   `cmd:"" help:"Record that an order was refunded."`
	Invoices appInvoicesCmd `cmd:"" help:"List the invoices that an app owes, earliest first."`
	TRTC     appTRTCCmd     `cmd:"" name:"trtc" help:"Note how an app from the TRTC side stands there: stopped or started."`

	History   appHistoryCmd   `cmd:"" help:"Show what was done to an app: who, when, why."`
	Statement appStatementCmd `cmd:"" help:"Show what an app was charged and refunded, and what it owes."`
}

// change sends a command that answers with the app, and shows it.
func (m *conditional) change(ctx context.Context, c *console, method, path string, body any) error {
	a, err := m.send(ctx, c, request{method: method, path: path, body: body})
	if err != nil {
		return err
	}
	return m.showApp(c, a)
}

type appCreateCmd struct {
	command
	Account      string `arg:"" help:"The account that will own it."`
	Name         string `help:"Its name in the console." required:"" placeholder:"TEXT"`
	Type         string `help:"What it is for, such as e-commerce or education." placeholder:"TYPE"`
	Introduction string `help:"What else there is to say." placeholder:"TEXT"`
	orderFlags
}

// Help shows how.
func (*appCreateCmd) Help() string {
	return `Examples:

    sundial app create acme --name 'shop chat' --type e-commerce
    sundial app create acme --name 'shop chat' --order ord-1 --edition pro --paid-until 2027-01-01T00:00:00Z --amount CNY:99900`
}

// Run creates the app.
func (v *appCreateCmd) Run(ctx context.Context, c *console) error {
	o, err := v.order()
	if err != nil {
		return err
	}
	a, err := v.send(ctx, c, request{method: http.MethodPost, path: route("/v1/accounts/%s/apps", v.Account), body: struct {
		Name         string `json:"name"`
		Type         string `json:"type,omitzero"`
		Introduction string `json:"introduction,omitzero"`
		Order        *order `json:"order,omitzero"`
		Reason       string `json:"reason,omitzero"`
	}{v.Name, v.Type, v.Introduction, o, v.Reason}})
	if err != nil {
		return err
	}
	return v.showApp(c, a)
}

type appShowCmd struct {
	remote
	App         string `arg:"" help:"Its SDKAppID."`
	MinPosition uint64 `help:"Wait until the projections have this position of the log." placeholder:"N"`
	clocks
}

// Help shows how.
func (*appShowCmd) Help() string {
	return `Examples:

    sundial app show 1400000001
    sundial app show 1400000001 --as-of 2026-01-15T00:00:00Z                                        # what was true, by all that is known now
    sundial app show 1400000001 --as-of 2026-01-15T00:00:00Z --known-at 2026-01-15T00:00:00Z        # what was answered then
    sundial app show 1400000001 --as-of 2026-12-31T00:00:00Z                                        # what is expected`
}

// Run shows the app.
func (v *appShowCmd) Run(ctx context.Context, c *console) error {
	q := request{method: http.MethodGet, path: route("/v1/apps/%s", v.App), query: v.query(url.Values{})}
	if v.MinPosition > 0 {
		q.header = http.Header{"Sundial-Min-Position": {strconv.FormatUint(v.MinPosition, 10)}}
	}
	a, err := v.call(ctx, c, q)
	if err != nil {
		return err
	}
	return v.showApp(c, a)
}

type appListCmd struct {
	remote
	Account string `help:"Only this account's." placeholder:"ACCOUNT"`
	Status  string `help:"Only active, expired, stopped or deleted ones." placeholder:"STATUS"`
	Edition string `help:"Only those of an edition: trial, trtc_trial, pro, flagship." placeholder:"EDITION"`
	Q       string `help:"Only those with this in their name, or with this SDKAppID." name:"query" short:"q" placeholder:"TEXT"`
	clocks
	paging
}

// Help shows how.
func (*appListCmd) Help() string {
	return `Examples:

    sundial app list --status stopped
    sundial app list --account acme -q chat --json
    sundial app list --account acme --as-of 2026-01-15T00:00:00Z`
}

// Run lists apps.
func (v *appListCmd) Run(ctx context.Context, c *console) error {
	if v.Account == "" && v.clocks != (clocks{}) {
		return misused("--as-of and --known-at: want --account: only one account's apps are listed as of another time")
	}
	q := v.query(url.Values{})
	set(q, "status", v.Status)
	set(q, "edition", v.Edition)
	set(q, "q", v.Q)
	path := "/v1/apps"
	if v.Account != "" {
		path = route("/v1/accounts/%s/apps", v.Account)
	}
	apps, cursor, err := list[appView](ctx, c, &v.remote, v.paging, path, q)
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, a := range apps {
		rows = append(rows, []string{strconv.FormatUint(a.App, 10), a.Account, a.Name, a.Edition, a.Status, a.PaidUntil, a.next()})
	}
	c.table("no apps", []string{"app", "account", "name", "edition", "status", "paid until", "next"}, rows)
	c.more(cursor)
	return nil
}

type appEditCmd struct {
	conditional
	App          string  `arg:"" help:"Its SDKAppID."`
	Name         *string `help:"Its new name." placeholder:"TEXT"`
	Type         *string `help:"What it is for." placeholder:"TYPE"`
	Introduction *string `help:"Its new introduction; '' for none." placeholder:"TEXT"`
}

// Run edits the app.
func (v *appEditCmd) Run(ctx context.Context, c *console) error {
	if v.Name == nil && v.Type == nil && v.Introduction == nil {
		return misused("nothing to change: give --name, --type or --introduction")
	}
	return v.change(ctx, c, http.MethodPatch, route("/v1/apps/%s", v.App), struct {
		Name         *string `json:"name,omitzero"`
		Type         *string `json:"type,omitzero"`
		Introduction *string `json:"introduction,omitzero"`
		Reason       string  `json:"reason,omitzero"`
	}{v.Name, v.Type, v.Introduction, v.Reason})
}

// ordering is the body of a command that comes with an order.
type ordering struct {
	Order  *order `json:"order"`
	Reason string `json:"reason,omitzero"`
}

type appUpgradeCmd struct {
	conditional
	App string `arg:"" help:"Its SDKAppID."`
	orderFlags
}

// Help shows how.
func (*appUpgradeCmd) Help() string {
	return `Example:

    sundial app upgrade 1400000001 --order ord-2 --edition flagship --paid-until 2027-01-01T00:00:00Z --amount CNY:499900`
}

// Run upgrades the app.
func (v *appUpgradeCmd) Run(ctx context.Context, c *console) error {
	o, err := v.required()
	if err != nil {
		return err
	}
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/upgrade", v.App), ordering{o, v.Reason})
}

type appRenewCmd struct {
	conditional
	App string `arg:"" help:"Its SDKAppID."`
	orderFlags
}

// Run renews the app's plan.
func (v *appRenewCmd) Run(ctx context.Context, c *console) error {
	o, err := v.required()
	if err != nil {
		return err
	}
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/renew", v.App), ordering{o, v.Reason})
}

// reasoned is the body of a command that has nothing else.
type reasoned struct {
	Reason string `json:"reason,omitzero"`
}

type appStopCmd struct {
	conditional
	App string `arg:"" help:"Its SDKAppID."`
}

// Run stops the app.
func (v *appStopCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/stop", v.App), reasoned{v.Reason})
}

type appStartCmd struct {
	conditional
	App string `arg:"" help:"Its SDKAppID."`
}

// Run starts the app.
func (v *appStartCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/start", v.App), reasoned{v.Reason})
}

type appDeleteCmd struct {
	conditional
	App     string `arg:"" help:"Its SDKAppID."`
	Confirm string `help:"The app's exact name: then it is deleted, for good." placeholder:"NAME"`
}

// Run deletes the app, or shows what that would lose.
func (v *appDeleteCmd) Run(ctx context.Context, c *console) error {
	q := url.Values{}
	set(q, "confirm", v.Confirm)
	set(q, "reason", v.Reason)
	a, err := v.send(ctx, c, request{method: http.MethodDelete, path: route("/v1/apps/%s", v.App), query: q})
	if err != nil {
		return err
	}
	return v.showApp(c, a)
}

// invoiceFlags are what is said of an invoice.
type invoiceFlags struct {
	Invoice     string `help:"The invoice's id." required:"" placeholder:"ID"`
	Version     int64  `help:"The version of this fact about it: the highest counts." required:"" placeholder:"N"`
	EffectiveAt string `help:"When it became true, RFC 3339." required:"" placeholder:"TIME"`
}

// invoiceFact is the body of a command about an invoice.
type invoiceFact struct {
	Invoice     string `json:"invoice"`
	Version     int64  `json:"version"`
	EffectiveAt string `json:"effective_at"`
	Amount      *money `json:"amount,omitzero"`
	Reason      string `json:"reason,omitzero"`
}

func (f invoiceFlags) fact(owed *amount, reason string) invoiceFact {
	return invoiceFact{f.Invoice, f.Version, f.EffectiveAt, (*money)(owed), reason}
}

type appArrearsCmd struct {
	conditional
	App string `arg:"" help:"Its SDKAppID."`
	invoiceFlags
	Amount *amount `help:"What is owed, in minor units, such as CNY:500." required:"" placeholder:"CURRENCY:MINOR"`
}

// Help shows how.
func (*appArrearsCmd) Help() string {
	return `Example:

    sundial app arrears 1400000001 --invoice inv-1 --version 1 --effective-at 2026-01-05T00:00:00Z --amount CNY:500`
}

// Run records the overdue invoice.
func (v *appArrearsCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/arrears", v.App), v.fact(v.Amount, v.Reason))
}

type appSettleCmd struct {
	conditional
	App string `arg:"" help:"Its SDKAppID."`
	invoiceFlags
}

// Run records the payment.
func (v *appSettleCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/arrears/settle", v.App), v.fact(nil, v.Reason))
}

type appVoidCmd struct {
	conditional
	App string `arg:"" help:"Its SDKAppID."`
	invoiceFlags
}

// Run records the voiding.
func (v *appVoidCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/arrears/void", v.App), v.fact(nil, v.Reason))
}

type appRefundCmd struct {
	conditional
	App         string  `arg:"" help:"Its SDKAppID."`
	Order       string  `help:"The order's id." required:"" placeholder:"ID"`
	Refund      string  `help:"The refund's id, where the order has several." placeholder:"ID"`
	EffectiveAt string  `help:"When it was refunded, RFC 3339." required:"" placeholder:"TIME"`
	Amount      *amount `help:"What was given back; the order ends whole in any case, but for goodwill." placeholder:"CURRENCY:MINOR"`
	Goodwill    bool    `help:"The order goes on: the money was given back for goodwill."`
}

// Help shows how.
func (*appRefundCmd) Help() string {
	return `Examples:

    sundial app refund 1400000001 --order ord-2 --effective-at 2026-01-15T00:00:00Z
    sundial app refund 1400000001 --order ord-2 --refund r-1 --goodwill --effective-at 2026-01-15T00:00:00Z --amount CNY:100`
}

// Run records the refund.
func (v *appRefundCmd) Run(ctx context.Context, c *console) error {
	var ends *bool
	if v.Goodwill {
		ends = new(bool)
	}
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/refund", v.App), struct {
		Order       string `json:"order"`
		Refund      string `json:"refund,omitzero"`
		Ends        *bool  `json:"ends,omitzero"`
		EffectiveAt string `json:"effective_at"`
		Amount      *money `json:"amount,omitzero"`
		Reason      string `json:"reason,omitzero"`
	}{v.Order, v.Refund, ends, v.EffectiveAt, (*money)(v.Amount), v.Reason})
}

type appInvoicesCmd struct {
	remote
	App string `arg:"" help:"Its SDKAppID."`
	paging
}

// Run lists the invoices.
func (v *appInvoicesCmd) Run(ctx context.Context, c *console) error {
	type invoice struct {
		ID      string `json:"id"`
		Amount  money  `json:"amount"`
		Since   string `json:"since"`
		Version int64  `json:"version"`
	}
	open, cursor, err := list[invoice](ctx, c, &v.remote, v.paging, route("/v1/apps/%s/invoices", v.App), url.Values{})
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, i := range open {
		rows = append(rows, []string{i.ID, i.Amount.Currency, strconv.FormatInt(i.Amount.Minor, 10), i.Since, strconv.FormatInt(i.Version, 10)})
	}
	c.table("no open invoices", []string{"invoice", "currency", "minor", "since", "version"}, rows)
	c.more(cursor)
	return nil
}

type appTRTCCmd struct {
	conditional
	App         string `arg:"" help:"Its SDKAppID."`
	Word        string `arg:"" help:"stopped or started." enum:"stopped,started"`
	EffectiveAt string `help:"Since when, RFC 3339; absent: now. Of what is said the latest in effect counts." placeholder:"TIME"`
}

// Run notes what the TRTC side says.
func (v *appTRTCCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/trtc/%s", v.App, v.Word), struct {
		EffectiveAt string `json:"effective_at,omitzero"`
		Reason      string `json:"reason,omitzero"`
	}{v.EffectiveAt, v.Reason})
}
