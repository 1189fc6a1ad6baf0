package domain

import "fmt"

// RenumberApp gives an app another number, which comes from the engine, where another account's app has its number and had
// it first: a number that was given out twice, since the engine had lost count. The app goes on under the new number with
// all that is known of it but its keys, its certificates and its open deletion request, which are the number's.
type RenumberApp struct {
	App AppID `json:"app"`
}

func (RenumberApp) Name() string { return "renumber_app" }

func (c RenumberApp) Subject() AppID { return c.App }

func (c RenumberApp) decide(d *draft) error {
	app := d.from.Apps[c.App]
	switch {
	case app == nil:
		return refuse(AppNotFound)
	case app.Renumbered != 0:
		return nil
	case app.DeletedAt != 0:
		return refuse(AppDeletedAlready)
	case !d.at.Shared:
		return refuse(NumberNotShared)
	case d.from.Apps[d.at.NewApp] != nil:
		return refuse(AppTaken) // the engine's to prevent, but never at the price of an app
	}
	to := About{d.at.NewApp}
	d.emit(AppImported{to, app.Name, app.AppType, app.Introduction, app.CreatedAt, app.Base})
	app.retell(d, to)
	moved := d.work.Apps[to.App]
	d.reconcile(moved, d.at.Now, trigger{byOrder, app.CreatedAt})
	if app.TRTCStopped {
		d.emit(TRTCStopNoted{to, app.TRTCNotedAt, nil})
	}
	if app.Manual.EffectiveAt != 0 {
		d.hold(moved, CauseManual, d.at.Now)
	}
	if app.Operator.EffectiveAt != 0 {
		d.hold(moved, CauseOperator, d.at.Now)
	}
	if app.Admins != nil {
		d.emit(AdminsAdded{to, app.Admins})
	}
	if app.TRTC && !moved.HasTRTC() {
		d.emit(TRTCEnabled{to})
	}
	if app.TPNS {
		d.emit(TPNSEnabled{to, ""})
	}
	d.emit(AppRenumbered{About{c.App}, to.App, d.at.Now})
	return nil
}

// retell tells the orders and invoices of the app as another's.
func (a *App) retell(d *draft, to About) {
	for o := range a.Orders.All() {
		if o.Terms.EffectiveAt != 0 {
			d.emit(OrderRecorded{to, o.Terms, o.By, nil})
		}
		for _, r := range o.Refunds {
			d.emit(RefundRecorded{to, o.ID, r.ID, r.EffectiveAt, r.Amount, r.Goodwill, nil})
		}
	}
	for i := range a.Invoices.All() {
		for _, s := range i.Owed {
			d.emit(InvoiceOverdueRecorded{to, i.ID, s.Version, s.EffectiveAt, s.Amount, nil})
		}
		switch i.Closed.By {
		case bySettlement:
			d.emit(InvoiceSettledRecorded{to, i.ID, i.Closed.Version, i.Closed.EffectiveAt, nil})
		case byVoiding:
			d.emit(InvoiceVoidedRecorded{to, i.ID, i.Closed.Version, i.Closed.EffectiveAt, nil})
		}
	}
}

// AppRenumbered says that the app goes on under another number, of which the events before it in its commit tell. Under
// this number it is as if it had been deleted, and its place in the quota has gone over to the other.
type AppRenumbered struct {
	About
	Number       AppID   `json:"number"` // that it has now
	RenumberedAt Instant `json:"renumbered_at"`
}

func (AppRenumbered) Type() string { return "app.renumbered.v1" }

func (e AppRenumbered) apply(acc *Account) {
	AppDeleted{e.About, e.RenumberedAt}.apply(acc)
	acc.change(e.App).Renumbered = e.Number
}

func (e AppRenumbered) describe() string {
	return fmt.Sprintf("the app got the number %d", e.Number)
}
