package domain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// FixedAdmin is the administrator that every app has from the start and that cannot be removed.
const FixedAdmin = "administrator"

// adminName is the form of an administrator's name (configuration: account administrators).
var adminName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// Administrators lists the app's administrators, the fixed one first; none of a deleted app.
func (a *App) Administrators() []string {
	if a.DeletedAt != 0 {
		return nil
	}
	return append([]string{FixedAdmin}, a.Admins...)
}

// checkAdmins judges a list of names that are added or removed.
func checkAdmins(field string, names []string, most int, p *problems) {
	if len(names) == 0 || len(names) > most {
		p.add(field, "out_of_range", fmt.Sprintf("must be 1 to %d names", most))
	}
	for i, name := range names {
		if !adminName.MatchString(name) {
			p.add(field, "invalid_name", "must each be 1 to 32 of A-Z, a-z, 0-9, _ and -")
		} else if slices.Contains(names[:i], name) {
			p.add(field, "duplicate", "must be given once each")
		}
	}
}

// AddAdmins makes accounts administrators of an app: all of the list, or none.
type AddAdmins struct {
	App   AppID    `json:"app"`
	Names []string `json:"names"`
}

// Name is the command's name in the log.
func (AddAdmins) Name() string { return "add_admins" }

// Subject is the app.
func (c AddAdmins) Subject() AppID { return c.App }

func (c AddAdmins) decide(d *draft) error {
	var p problems
	checkAdmins("names", c.Names, maxNamed, &p)
	if err := p.err(); err != nil {
		return err
	}
	app, err := d.living(c.App)
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

// maxNamed bounds one list of administrators; an app has far fewer.
const maxNamed = 100

// RemoveAdmins takes accounts off an app's administrators: all of the list, or none.
type RemoveAdmins struct {
	App   AppID    `json:"app"`
	Names []string `json:"names"`
}

// Name is the command's name in the log.
func (RemoveAdmins) Name() string { return "remove_admins" }

// Subject is the app.
func (c RemoveAdmins) Subject() AppID { return c.App }

func (c RemoveAdmins) decide(d *draft) error {
	var p problems
	checkAdmins("names", c.Names, maxNamed, &p)
	if err := p.err(); err != nil {
		return err
	}
	app, err := d.living(c.App)
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

// AdminsAdded says that accounts became administrators of the app.
type AdminsAdded struct {
	About
	Names []string `json:"names"`
}

// Type is the stored name.
func (AdminsAdded) Type() string { return "app.admins_added.v1" }

func (e AdminsAdded) apply(acc *Account) {
	app := acc.change(e.App)
	app.Admins = append(slices.Clip(app.Admins), e.Names...)
}

func (e AdminsAdded) says() string {
	return "administrators were added: " + strings.Join(e.Names, ", ")
}

// AdminsRemoved says that accounts are administrators of the app no more.
type AdminsRemoved struct {
	About
	Names []string `json:"names"`
}

// Type is the stored name.
func (AdminsRemoved) Type() string { return "app.admins_removed.v1" }

func (e AdminsRemoved) apply(acc *Account) {
	app := acc.change(e.App)
	app.Admins = slices.DeleteFunc(slices.Clone(app.Admins), func(name string) bool { return slices.Contains(e.Names, name) })
}

func (e AdminsRemoved) says() string {
	return "administrators were removed: " + strings.Join(e.Names, ", ")
}
