package domain

import (
	"fmt"
	"slices"
)

// RevealKey asks for the plaintext of an app's present key. It is on record before anybody sees the key; anyone but the
// owner gives a reason. How often somebody may do it is limited for each app.
type RevealKey struct {
	App    AppID  `json:"app"`
	Reason string `json:"reason,omitzero"`
	From   string `json:"-"` // the network address that asked; a retry may come from another one
}

// Reveal is one time that a key was shown.
type Reveal struct {
	Actor string  `json:"actor"`
	At    Instant `json:"at"`
}

// keptReveals is how many reveals an app remembers: more than all its actors may have in one window of the limit.
const keptReveals = 50

func (RevealKey) Name() string { return "reveal_key" }

func (c RevealKey) Subject() AppID { return c.App }

func (c RevealKey) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	switch key := app.currentKey(); {
	case err != nil:
		return err
	case d.at.Role != Owner && !visible(c.Reason):
		return refuse(RevealNeedsReason)
	case key == nil:
		return refuse(NoKeyYet)
	case d.revealed(app) >= d.at.Policy.Reveals || len(app.Reveals) >= keptReveals && app.Reveals[0].At > d.windowStart():
		return refuse(RevealLimit)
	default:
		d.emit(KeyRevealed{About{c.App}, key.ID, d.at.Actor, c.From, d.at.Now})
	}
	return nil
}

// currentKey is CurrentKey, and nil where there is no app.
func (a *App) currentKey() *Key {
	if a == nil {
		return nil
	}
	return a.CurrentKey()
}

func (d *draft) windowStart() Instant { return d.at.Now.Add(-d.at.Policy.RevealWindow) }

// revealed counts how often this actor was shown the app's key within the window of the limit.
func (d *draft) revealed(app *App) int {
	n := 0
	for _, r := range app.Reveals {
		if r.Actor == d.at.Actor && r.At > d.windowStart() {
			n++
		}
	}
	return n
}

// KeyRevealed says that somebody was shown a key: who and, in its commit, why.
type KeyRevealed struct {
	About
	Key   int     `json:"key"` // its id
	Actor string  `json:"actor"`
	From  string  `json:"from,omitzero"` // the network address that asked
	At    Instant `json:"at"`
}

func (KeyRevealed) Type() string { return "app.key_revealed.v1" }

func (e KeyRevealed) apply(acc *Account) {
	app := acc.change(e.App)
	app.Reveals = append(slices.Clip(app.Reveals), Reveal{e.Actor, e.At})
	if over := len(app.Reveals) - keptReveals; over > 0 {
		app.Reveals = slices.Clone(app.Reveals[over:])
	}
}

func (e KeyRevealed) describe() string { return fmt.Sprintf("key %d was shown to %s", e.Key, e.Actor) }
