package domain

// UpgradeKeyAlgorithm moves an app from ECDSA to HMAC without an interruption: signatures of both kinds verify until
// the owner retires the old key.
type UpgradeKeyAlgorithm struct {
	App AppID  `json:"app"`
	Key NewKey `json:"-"` // of HMAC
}

func (UpgradeKeyAlgorithm) Name() string { return "upgrade_key_algorithm" }

func (c UpgradeKeyAlgorithm) Subject() AppID { return c.App }

func (c UpgradeKeyAlgorithm) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	switch {
	case err != nil:
		return err
	case app.KeyAlgorithm() == HMAC:
		return nil
	case len(app.Keys) >= MaxKeys:
		return refuse(TooManyKeys)
	}
	c.Key.Algorithm = HMAC
	d.emit(KeyAlgorithmUpgraded{About{c.App}, d.nextKey(app, c.Key)})
	return nil
}

// KeyAlgorithmUpgraded says that new UserSigs are signed with an HMAC key; the old ones verify on.
type KeyAlgorithmUpgraded struct {
	About
	Key Key `json:"key"`
}

func (KeyAlgorithmUpgraded) Type() string { return "app.key_algorithm_upgraded.v1" }

// Shown is the event for those outside.
func (e KeyAlgorithmUpgraded) Shown() any {
	e.Key = e.Key.shown()
	return e
}

func (e KeyAlgorithmUpgraded) apply(acc *Account) { acc.change(e.App).addKey(e.Key) }

func (KeyAlgorithmUpgraded) describe() string {
	return "the app's key was upgraded to HMAC; the old one verifies on"
}
