package domain

import (
	"slices"
	"strings"
)

// RemoveAdmins takes accounts off an app's administrators: all of the list, or none.
type RemoveAdmins struct {
	App   AppID    `json:"app"`
	Names []string `json:"names"`
}

func (RemoveAdmins) Name() string { return "remove_admins" }

func (c RemoveAdmins) Subject() AppID { return c.App }

func (c RemoveAdmins) decide(d *draft) error {
	var p problems
	checkAdmins("names", c.Names, maxNamed, &p)
	if err := p.err(); err != nil {
		return err
	}
	app, err := d.liveApp(c.App)
	if err != nil {
		return err
	}
	if slices.Contains(c.Names, FixedAdmin) {
		return refuse(AdminFixed)
	}
	removed := slices.DeleteFunc(slices.Clone(c.Names), func(name string) bool { return !slices.Contains(app.Admins, name) })
	if len(removed) > 0 {
		d.emit(AdminsRemoved{About{c.App}, removed})
	}
	return nil
}

// AdminsRemoved says that accounts are administrators of the app no more.
type AdminsRemoved struct {
	About
	Names []string `json:"names"`
}

func (AdminsRemoved) Type() string { return "app.admins_removed.v1" }

func (e AdminsRemoved) apply(acc *Account) {
	app := acc.change(e.App)
	app.Admins = slices.DeleteFunc(slices.Clone(app.Admins), func(name string) bool { return slices.Contains(e.Names, name) })
}

func (e AdminsRemoved) describe() string {
	return "administrators were removed: " + strings.Join(e.Names, ", ")
}
