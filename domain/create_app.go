package domain

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// CreateApp makes a new app of the account: a trial, unless it comes with an order. Its number comes from the engine.
type CreateApp struct {
	AppName      string      `json:"name"`
	AppType      string      `json:"type,omitzero"` // absent: other
	Introduction string      `json:"introduction,omitzero"`
	Order        *OrderTerms `json:"order,omitzero"`
}

func (CreateApp) Name() string { return "create_app" }

// Subject is no app yet.
func (CreateApp) Subject() AppID { return 0 }

// defaultType is what an app is for where nobody said.
const defaultType = "other"

func (c CreateApp) decide(d *draft) error {
	var p problems
	if c.AppType == "" {
		c.AppType = defaultType
	}
	d.checkInfo(c.AppName, c.Introduction, &p)
	d.checkType(c.AppType, &p)
	if c.Order != nil {
		c.Order.checkOrdered(d.at.Now, d.at.Role, &p)
	}
	if err := p.err(); err != nil {
		return err
	}
	if d.from.InUse >= d.from.Cap(d.at.Policy) {
		return refuse(QuotaExhausted)
	}
	if d.from.Apps[d.at.NewApp] != nil {
		return refuse(AppTaken) // the engine's to prevent, but never at the price of an app
	}
	app := About{d.at.NewApp}
	d.emit(AppCreated{app, c.AppName, c.AppType, c.Introduction, d.at.Now})
	if c.Order == nil {
		return nil
	}
	return d.order(d.work.Apps[app.App], *c.Order, Rising)
}

// checkInfo holds an app's name and introduction to the policy.
func (d *draft) checkInfo(name, introduction string, p *problems) {
	d.checkName(name, p)
	d.checkIntroduction(introduction, p)
}

func (d *draft) checkName(name string, p *problems) {
	policy := d.at.Policy
	switch n := utf8.RuneCountInString(name); {
	case n < 1 || n > policy.NameRunes || !printable(name, false):
		p.add("name", "invalid_name", fmt.Sprintf("must be 1 to %d characters, none of them a control character", policy.NameRunes))
	case !visible(name):
		p.add("name", "invalid_name", "must have a character that can be seen: this one has only blanks, or characters without width")
	}
}

func (d *draft) checkIntroduction(introduction string, p *problems) {
	policy := d.at.Policy
	if utf8.RuneCountInString(introduction) > policy.IntroRunes || !printable(introduction, true) {
		p.add("introduction", "invalid_introduction", fmt.Sprintf("must be at most %d characters, with no control characters but line breaks and tabs", policy.IntroRunes))
	}
}

// checkType holds what an app is for to the policy.
func (d *draft) checkType(appType string, p *problems) {
	if types := d.at.Policy.Types; !slices.Contains(types, appType) {
		p.add("type", "unknown_type", "must be one of: "+strings.Join(types, ", "))
	}
}

// AppCreated says that the account has a new app, a trial.
type AppCreated struct {
	About
	Name         string  `json:"name"`
	AppType      string  `json:"type"`
	Introduction string  `json:"introduction,omitzero"`
	CreatedAt    Instant `json:"created_at"`
}

func (AppCreated) Type() string { return "app.created.v1" }

func (e AppCreated) apply(acc *Account) {
	acc.InUse++
	acc.Apps[e.App] = &App{
		ID: e.App, Account: acc.ID, Name: e.Name, AppType: e.AppType, Introduction: e.Introduction,
		CreatedAt: e.CreatedAt, Base: Trial, Edition: Trial,
	}
}

func (e AppCreated) begins() Instant { return e.CreatedAt }

func (AppCreated) describe() string { return "the app was created" }
