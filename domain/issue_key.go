package domain

import (
	"fmt"
)

// IssueKey puts down the first key of an app when it is needed first. Whoever needs it makes it; of several who do so at
// once, one is heard, and the others find the key there.
type IssueKey struct {
	App AppID  `json:"app"`
	Key NewKey `json:"-"`
}

func (IssueKey) Name() string { return "issue_key" }

func (c IssueKey) Subject() AppID { return c.App }

func (c IssueKey) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	if err != nil || len(app.Keys) > 0 {
		return err
	}
	key := d.nextKey(app, c.Key)
	key.Algorithm, key.CreatedAt = app.KeyAlgorithm(), app.CreatedAt
	d.emit(KeyIssued{About{c.App}, key})
	return nil
}

// KeyIssued says that the app has a key: the one that it was made with, or one that came with it by import.
type KeyIssued struct {
	About
	Key Key `json:"key"`
}

func (KeyIssued) Type() string { return "app.key_issued.v1" }

// Shown is the event for those outside.
func (e KeyIssued) Shown() any {
	e.Key = e.Key.shown()
	return e
}

func (e KeyIssued) apply(acc *Account) { acc.change(e.App).addKey(e.Key) }

func (e KeyIssued) describe() string { return fmt.Sprintf("the app got its %s key", e.Key.Algorithm) }
