package domain

import "fmt"

// DeleteApp deletes a stopped trial for good. Confirm repeats the app's name.
type DeleteApp struct {
	App     AppID  `json:"app"`
	Confirm string `json:"confirm,omitzero"`
}

func (DeleteApp) Name() string { return "delete_app" }

func (c DeleteApp) Subject() AppID { return c.App }

func (c DeleteApp) decide(d *draft) error {
	app, err := d.app(c.App)
	switch {
	case err != nil:
		return err
	case app.DeletedAt != 0:
		return nil
	case app.Edition != Trial:
		return refuse(DeletionNeedsRequest)
	case !app.stopped():
		return refuse(NotStopped)
	case c.Confirm != app.Name:
		return &Refusal{Code: ConfirmationRequired, Losses: app.Losses()}
	}
	d.emit(AppDeleted{About{c.App}, d.at.Now})
	return nil
}

// Losses lists what a deletion destroys.
func (a *App) Losses() []string {
	return []string{
		"its keys: no UserSig that was signed with them verifies any more",
		fmt.Sprintf("its %d administrators and %d push certificates: their secrets are destroyed, in the log and in every copy of it", len(a.Administrators()), len(a.Certificates)),
		"the app itself: its SDKAppID is never used again",
		"its name, type and introduction in every list of apps",
		"its place among the orders and invoices of the account: later facts about it are not taken in",
	}
}

// AppDeleted says that the app is gone for good. Its place in the quota is free.
type AppDeleted struct {
	About
	DeletedAt Instant `json:"deleted_at"`
}

func (AppDeleted) Type() string { return "app.deleted.v1" }

func (e AppDeleted) apply(acc *Account) {
	app := acc.change(e.App)
	app.DeletedAt = e.DeletedAt
	app.Term, app.Expiries, app.Lapse, app.Arrears, app.Manual, app.Operator = Term{}, nil, Lapse{}, Arrears{}, Hold{}, Hold{}
	app.Keys, app.Reveals, app.Admins, app.Certificates, app.Gone = nil, nil, nil, nil, nil
	acc.InUse--
}

func (AppDeleted) describe() string { return "the app was deleted" }
