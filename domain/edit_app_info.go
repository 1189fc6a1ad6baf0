package domain

// EditAppInfo changes an app's basic information. What is absent stays as it is.
type EditAppInfo struct {
	App          AppID   `json:"app"`
	AppName      *string `json:"name,omitzero"`
	AppType      *string `json:"type,omitzero"`
	Introduction *string `json:"introduction,omitzero"`
}

func (EditAppInfo) Name() string { return "edit_app_info" }

func (c EditAppInfo) Subject() AppID { return c.App }

func (c EditAppInfo) decide(d *draft) error {
	app, err := d.app(c.App)
	if err != nil {
		return err
	}
	edited := AppInfoEdited{About{c.App}, or(c.AppName, app.Name), or(c.AppType, app.AppType), or(c.Introduction, app.Introduction)}
	var p problems
	if edited.Name != app.Name { // what was allowed before may stay
		d.checkName(edited.Name, &p)
	}
	if edited.Introduction != app.Introduction {
		d.checkIntroduction(edited.Introduction, &p)
	}
	if edited.AppType != app.AppType {
		d.checkType(edited.AppType, &p)
	}
	if err := p.err(); err != nil {
		return err
	}
	switch {
	case app.DeletedAt != 0:
		return refuse(AppDeletedAlready)
	case edited.Name != app.Name || edited.AppType != app.AppType || edited.Introduction != app.Introduction:
		d.emit(edited)
	}
	return nil
}

func or(given *string, present string) string {
	if given != nil {
		return *given
	}
	return present
}

// AppInfoEdited gives the app's basic information as it now is.
type AppInfoEdited struct {
	About
	Name         string `json:"name"`
	AppType      string `json:"type"`
	Introduction string `json:"introduction,omitzero"`
}

func (AppInfoEdited) Type() string { return "app.info_edited.v1" }

func (e AppInfoEdited) apply(acc *Account) {
	app := acc.change(e.App)
	app.Name, app.AppType, app.Introduction = e.Name, e.AppType, e.Introduction
}

func (AppInfoEdited) describe() string { return "name, type or introduction were edited" }
