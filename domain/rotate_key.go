package domain

import (
	"fmt"
	"time"
)

// RotateKey gives an app a new secret. The one before verifies on for the overlap, and is then retired by time.
type RotateKey struct {
	App     AppID  `json:"app"`
	Overlap *int64 `json:"overlap_ms,omitzero"` // milliseconds; absent: the policy's; 0: the old key ends at once
	Key     NewKey `json:"-"`                   // of HMAC
}

// MaxOverlap bounds for how long an old key verifies on: a key that is to live on is not rotated.
const MaxOverlap = 90 * 24 * time.Hour

func (RotateKey) Name() string { return "rotate_key" }

func (c RotateKey) Subject() AppID { return c.App }

func (c RotateKey) decide(d *draft) error {
	overlap := d.at.Policy.KeyOverlap
	if c.Overlap != nil {
		if *c.Overlap < 0 || *c.Overlap > MaxOverlap.Milliseconds() {
			return &Invalid{[]FieldError{{"overlap", "out_of_range", fmt.Sprintf("must be from 0 to %s", MaxOverlap)}}}
		}
		overlap = time.Duration(*c.Overlap) * time.Millisecond
	}
	app, err := d.liveApp(c.App)
	switch {
	case err != nil:
		return err
	case app.KeyAlgorithm() != HMAC:
		return refuse(RotateNeedsHMAC)
	case len(app.Keys) >= MaxKeys:
		return refuse(TooManyKeys)
	}
	c.Key.Algorithm = HMAC
	d.emit(KeyRotated{About{c.App}, d.nextKey(app, c.Key), d.at.Now.Add(overlap)})
	return nil
}

// KeyRotated says that a new secret signs; the one before verifies until the overlap ends.
type KeyRotated struct {
	About
	Key          Key     `json:"key"`
	OverlapUntil Instant `json:"overlap_until"` // when the key before is retired; with no overlap, the instant of the rotation
}

func (KeyRotated) Type() string { return "app.key_rotated.v1" }

// Shown is the event for those outside.
func (e KeyRotated) Shown() any {
	e.Key = e.Key.shown()
	return e
}

func (e KeyRotated) apply(acc *Account) {
	app := acc.change(e.App)
	if before := app.CurrentKey(); before != nil && e.OverlapUntil <= e.Key.CreatedAt {
		app.dropKey(before.ID)
	} else if before != nil {
		before.Until, before.Episode = e.OverlapUntil, acc.Version
	}
	app.addKey(e.Key)
}

func (e KeyRotated) describe() string {
	return fmt.Sprintf("the app got a new secret; the one before verifies until %s", e.OverlapUntil)
}
