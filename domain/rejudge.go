package domain

import "slices"

// Rejudge is an operator's: it decides an app anew by today's rules, where what is committed of it was decided by others.
// It is silent where nothing that anybody sees would be another.
type Rejudge struct {
	App AppID `json:"app"`
}

func (Rejudge) Name() string { return "rejudge" }

func (c Rejudge) Subject() AppID { return c.App }

func (c Rejudge) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	if err != nil {
		return err
	}
	was := app.Clone()
	d.emit(AppRejudged{About{c.App}})
	d.reconcile(app, d.asOf(app), trigger{byRejudgement, d.at.Now})
	if len(app.differs(was)) == 0 {
		d.events = nil // an event as it is written today instead of an older shape would change nothing
	}
	return nil
}

// Rejudged is what Rejudge would make of an app now, and in what that is another than what is committed; in nothing where
// it is not. The account, of which no more than its policy counts, and the app are not changed.
func Rejudged(acc *Account, app *App, at Moment) (will *App, differs []Field) {
	alone := *acc
	alone.Apps = map[AppID]*App{app.ID: app}
	d := draft{from: &alone, at: at}
	if err := (Rejudge{app.ID}).decide(&d); err != nil || len(d.events) == 0 {
		return app, nil // a deleted app stays as it is
	}
	will = d.work.Apps[app.ID]
	return will, will.differs(app)
}

// FieldExpiries is what can differ of an app beside its other fields: the expiries that are known ahead, of each of which
// its owner is told.
const FieldExpiries Field = "expiries"

// differs tells which of what the rules decide is another in two states of an app: what it is, what it owes and since
// when, for what it is stopped, and what time will do to it. Of notices only what they warn of counts.
func (a *App) differs(b *App) []Field {
	stopA, _ := a.Stop()
	stopB, _ := b.Stop()
	var fields []Field
	for _, f := range [...]struct {
		name Field
		same bool
	}{
		{FieldStatus, a.Status() == b.Status()},
		{FieldEdition, a.Edition == b.Edition},
		{FieldArrears, a.Arrears.Since == b.Arrears.Since && a.Arrears.StopDue == b.Arrears.StopDue},
		{FieldLapse, a.Lapse.Cause == b.Lapse.Cause && a.Lapse.Since == b.Lapse.Since && a.Lapse.StopDue == b.Lapse.StopDue},
		{FieldStop, stopA.Cause == stopB.Cause && stopA.EffectiveAt == stopB.EffectiveAt},
		{FieldNext, a.Term.Due == b.Term.Due && a.Term.To == b.Term.To && slices.EqualFunc(a.Transitions(), b.Transitions(), Due.same)},
		{FieldExpiries, slices.EqualFunc(a.Expiries, b.Expiries, func(x, y Expiry) bool { return x.At == y.At && x.Cause == y.Cause })},
	} {
		if !f.same {
			fields = append(fields, f.name)
		}
	}
	return fields
}

// same says whether time does the same at the same time, whenever that was set.
func (d Due) same(o Due) bool {
	return d.Kind == o.Kind && d.At == o.At && d.To == o.To && d.Cause == o.Cause
}

// AppRejudged says that somebody had the app decided anew by the rules of that time. What became another by it stands
// behind it in its commit.
type AppRejudged struct{ About }

func (AppRejudged) Type() string { return "app.rejudged.v1" }

func (AppRejudged) apply(*Account) {}

func (AppRejudged) describe() string { return "decided anew by the rules of that time" }
