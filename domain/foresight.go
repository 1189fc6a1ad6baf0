package domain

import "strings"

// MaxForeseen is how many transitions of one app are foreseen: what MaxExpiries expiries bring, if before each of them the
// edition falls, and behind it the app stops and an order reinstates it.
const MaxForeseen = 4 * MaxExpiries

// maxChangesForeseen bounds the changes that are let happen to find these: of an app that people stopped most are not seen.
const maxChangesForeseen = 8 * MaxForeseen

// Foreseen is a transition that comes if no further fact does, and nobody does anything.
type Foreseen struct {
	Due
	From       string     // what it leads from, in the words of To: the status that the app has then, or "edition:" and its edition
	Prevention Prevention // what would keep it from happening, of the app as it is then
}

// Foresee lists what time will do to the status and the edition of an app by what is known, soonest first, and at most
// MaxForeseen of it; nothing for an app that is unknown or deleted. Only the first is due as it stands: each of the others
// is set, with an episode of its own, as the one before it fires, and until then has that of today's state, which is of no
// use to who fires it. The stops behind lapses to come are reckoned with the grace that the policy gives now.
//
// The account is not changed. A transition that is overdue is foreseen at its due.
func (acc *Account) Foresee(id AppID, policy Policy) []Foreseen {
	app := acc.Apps[id]
	if app == nil || app.DeletedAt != 0 {
		return nil
	}
	if _, found := app.NextTransition(); !found && app.Term.Due == 0 {
		return nil // without a copy of the app: most have nothing ahead
	}
	ahead := *acc
	ahead.Apps = map[AppID]*App{id: app.Clone()}
	life := Rerun{account: ahead, id: id, policy: func(Instant) Policy { return policy }}
	var foreseen []Foreseen
	for changes := 0; len(foreseen) < MaxForeseen && changes < maxChangesForeseen; changes++ {
		next, happens := life.passes()
		if !happens {
			break
		}
		if next.To != "" {
			foreseen = append(foreseen, next)
		}
	}
	return foreseen
}

// passes lets the first due happen that concerns the status or the edition, whenever that is, and tells what it is;
// false if there is none.
func (r *Rerun) passes() (next Foreseen, happens bool) {
	app := r.App()
	for _, due := range app.Dues() {
		if !due.Kind.Lifecycle() {
			continue
		}
		next = Foreseen{due, due.from(app), app.Prevention(due)}
		d := r.draft(max(due.At, r.account.RecordedAt))
		if d.fire(app, due); len(d.events) > 0 {
			return next, true
		}
	}
	return Foreseen{}, false
}

// from is what a due leads from on an app as it is, in the words of what it leads to.
func (d Due) from(app *App) string {
	if strings.HasPrefix(d.To, toEdition) {
		return toEdition + string(app.Edition)
	}
	return string(app.Status())
}
