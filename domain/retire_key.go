package domain

import (
	"fmt"
)

// RetireKey ends the overlap: of the app's keys only the present one verifies from now on.
type RetireKey struct {
	App AppID `json:"app"`
}

func (RetireKey) Name() string { return "retire_key" }

func (c RetireKey) Subject() AppID { return c.App }

func (c RetireKey) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	if err != nil {
		return err
	}
	for len(app.Keys) > 1 {
		d.emit(KeyRetired{About{c.App}, app.Keys[0].ID, byRetirement, d.at.Now})
	}
	return nil
}

// retireDue takes the key out of force whose overlap has ended.
func (d *draft) retireDue(app *App, at Instant) {
	d.emit(KeyRetired{About{app.ID}, app.keyDue().ID, byTime, at})
}

// KeyRetired says that a key verifies nothing any more.
type KeyRetired struct {
	About
	Key         int     `json:"key"` // its id
	By          By      `json:"by"`
	EffectiveAt Instant `json:"effective_at"`
}

func (KeyRetired) Type() string { return "app.key_retired.v1" }

func (e KeyRetired) apply(acc *Account) { acc.change(e.App).dropKey(e.Key) }

func (e KeyRetired) describe() string { return fmt.Sprintf("key %d was retired", e.Key) }

func (e KeyRetired) derived() bool { return e.By == byTime }
