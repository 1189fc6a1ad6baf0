package domain

import (
	"slices"
	"strings"
)

// AddAdmins makes accounts administrators of an app: all of the list, or none.
type AddAdmins struct {
	App   AppID    `json:"app"`
	Names []string `json:"names"`
}

func (AddAdmins) Name() string { return "add_admins" }

func (c AddAdmins) Subject() AppID { return c.App }

func (c AddAdmins) decide(d *draft) error {
	var p problems
	checkAdmins("names", c.Names, maxNamed, &p)
	if err := p.err(); err != nil {
		return err
	}
	app, err := d.liveApp(c.App)
	if err != nil {
		return err
	}
	has := app.Administrators()
	added := slices.DeleteFunc(slices.Clone(c.Names), func(name string) bool { return slices.Contains(has, name) })
	switch {
	case len(added) == 0:
		return nil
	case len(has)+len(added) > d.at.Policy.Admins:
		return refuse(AdminLimit)
	}
	d.emit(AdminsAdded{About{c.App}, added})
	return nil
}

// AdminsAdded says that accounts became administrators of the app.
type AdminsAdded struct {
	About
	Names []string `json:"names"`
}

func (AdminsAdded) Type() string { return "app.admins_added.v1" }

func (e AdminsAdded) apply(acc *Account) {
	app := acc.change(e.App)
	app.Admins = append(slices.Clip(app.Admins), e.Names...)
}

func (e AdminsAdded) describe() string {
	return "administrators were added: " + strings.Join(e.Names, ", ")
}
