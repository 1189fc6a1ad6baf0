package domain

import (
	"fmt"
	"regexp"
)

// FixedAdmin is the administrator that every app has from the start and that cannot be removed.
const FixedAdmin = "administrator"

// adminName is the form of an administrator's name.
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
	seen := map[string]bool{}
	for _, name := range counted(names, most) {
		if !adminName.MatchString(name) {
			p.add(field, "invalid_name", "must each be 1 to 32 of A-Z, a-z, 0-9, _ and -")
		} else if seen[name] {
			p.add(field, "duplicate", "must be given once each")
		}
		seen[name] = true
	}
}

// maxNamed bounds one list of administrators; an app has far fewer.
const maxNamed = 100
