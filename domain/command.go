package domain

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Command is a request to change an account. Name is what it is called in the log, over NATS and in the documentation.
// A decision has three outcomes: events, silence (no event, no error: it is so already) or a refusal.
type Command interface {
	Name() string   // as the log has it
	Subject() AppID // the app that it is about; 0 for the account or an app yet to be made
	decide(*draft) error
}

// Role says in which capacity a command is given; some rules differ by it (docs/lifecycle.md, "Who may do what").
type Role string

// The roles that give commands.
const (
	Owner    Role = "owner"
	Operator Role = "operator"
	Billing  Role = "billing"
)

// Moment is what a decision may know beside the account.
type Moment struct {
	Now    Instant // the engine's clock, never before the account's latest commit
	Policy Policy
	NewApp AppID  // the number that a new app gets; only CreateApp and RenumberApp need one
	Shared bool   // another account's app has the number of the command's, and had it first; only RenumberApp asks
	Role   Role   // of who gives the command
	Actor  string // who gives it, as the log names them
}

// Decide judges a command on an account. It answers with the events that the command leads to, with none if what it
// asks for is so already, or with a *Refusal or an *Invalid. The account is not changed.
func Decide(acc *Account, cmd Command, at Moment) ([]Event, error) {
	d := draft{from: acc, at: at}
	if err := cmd.decide(&d); err != nil {
		return nil, err
	}
	return d.events, nil
}

// draft is a decision in the making: the events so far, and the one app that they change, as they leave it.
type draft struct {
	from   *Account
	at     Moment
	work   *Account // holds only the app in question; nil until it is needed
	events []Event
}

// app opens the app that the command is about.
func (d *draft) app(id AppID) (*App, error) {
	app := d.from.Apps[id]
	if app == nil {
		return nil, refuse(AppNotFound)
	}
	if app.Renumbered != 0 {
		return nil, refuse(AppHasOtherNumber)
	}
	copied := app.Clone()
	d.open().Apps[id] = copied
	return copied, nil
}

// liveApp is app, and refuses a deleted one.
func (d *draft) liveApp(id AppID) (*App, error) {
	app, err := d.app(id)
	if err == nil && app.DeletedAt != 0 {
		err = refuse(AppDeletedAlready)
	}
	return app, err
}

func (d *draft) open() *Account {
	if d.work == nil {
		w := *d.from
		w.Apps = make(map[AppID]*App, 1)
		w.RecordedAt = d.at.Now
		d.work = &w
	}
	return d.work
}

// emit adds an event and lets it take effect on the draft, so that what follows is judged on what came before.
func (d *draft) emit(e Event) {
	d.open().fold(e)
	d.events = append(d.events, e)
}

// MaxIDRunes bounds the ids that other systems give to orders, invoices and add-ons.
const MaxIDRunes = 128

func checkID(field, id string, p *problems) {
	if n := utf8.RuneCountInString(id); n < 1 || n > MaxIDRunes || !printable(id, false) {
		p.add(field, "invalid_id", fmt.Sprintf("must be 1 to %d characters, none of them a control character", MaxIDRunes))
	}
}

// visible refuses what shows nothing: blanks and characters without width alone.
func visible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsSpace(r) && r != brailleBlank &&
			!unicode.In(r, unicode.Zs, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
	})
}

const brailleBlank = '\u2800'

// printable refuses what cannot be shown in one line; lines allows line breaks and tabs.
func printable(s string, lines bool) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if lines && (r == '\n' || r == '\r' || r == '\t') {
			continue
		}
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return false
		}
	}
	return true
}
