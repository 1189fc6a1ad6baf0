package verify

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/internal/damage"
	"sundial/internal/secrets"
	"sundial/internal/vault"
)

// contents is what the log says of that which is kept beside it. For each app it holds some 20 bytes, for each that has secrets 50 more.
type contents struct {
	head  uint64
	chain eventstore.Chain
	codec *eventstore.Codec[domain.Event]

	sealed             map[vault.Holder]struct{} // what has secrets
	gone               map[uint64]struct{}       // apps that were deleted, and their secrets destroyed
	apps               map[domain.AppID]struct{}
	twice              map[namesake]uint64 // position of the later app of a number, until it has another
	highestApp         domain.AppID        // of those that were created, not imported
	highestCertificate domain.CertificateID
}

// namesake is an app of which another has the number too.
type namesake struct {
	account string
	app     domain.AppID
}

func newContents(head uint64) (*contents, error) {
	events, err := codec.New()
	return &contents{
		head: head, codec: events, sealed: map[vault.Holder]struct{}{}, gone: map[uint64]struct{}{},
		apps: map[domain.AppID]struct{}{}, twice: map[namesake]uint64{},
	}, err
}

// add takes in a commit, checks that it follows the one before it, and reads every event.
func (c *contents) add(m *eventstore.Message) error {
	commit, err := eventstore.DecodeCommit(m.Payload)
	if err != nil {
		return &eventstore.CorruptError{Sequence: m.Sequence, Problem: err.Error(), Advice: fixLog}
	}
	if err := c.chain.Add(m, &commit); err != nil {
		return err
	}
	imported := false
	for _, stored := range commit.Events {
		event, err := c.codec.Decode(stored)
		if err != nil {
			return fmt.Errorf("the commit at sequence %d: %w", m.Sequence, err)
		}
		if _, is := event.(domain.AppImported); is {
			imported = true
		}
		c.number(event, &commit, m.Sequence)
		c.note(event, imported)
	}
	return nil
}

// number notes which numbers apps have.
func (c *contents) number(event domain.Event, commit *eventstore.Commit, position uint64) {
	app := event.Subject()
	switch event.(type) {
	case domain.AppCreated, domain.AppImported:
		if _, has := c.apps[app]; has {
			c.twice[namesake{commit.Account, app}] = position
		}
		c.apps[app] = struct{}{}
	case domain.AppRenumbered:
		delete(c.twice, namesake{commit.Account, app})
	}
}

// note keeps what an event says of numbers and keys. What is imported keeps the numbers that it has.
func (c *contents) note(event domain.Event, imported bool) {
	app := vault.Holder{App: uint64(event.Subject())}
	switch e := event.(type) {
	case domain.AppCreated:
		c.highestApp = max(c.highestApp, e.App)
	case domain.KeyIssued:
		c.keeps(app, e.Key.Sealed)
	case domain.KeyRotated:
		c.keeps(app, e.Key.Sealed)
	case domain.CertificateAdded:
		if !imported {
			c.highestCertificate = max(c.highestCertificate, e.Certificate.ID)
		}
		c.certificate(app, e.Certificate)
	case domain.CertificateEdited:
		c.certificate(app, e.Certificate)
	case domain.CertificateDeleted:
		delete(c.sealed, secrets.Holder(e.App, e.Certificate))
	case domain.AppDeleted:
		c.gone[app.App] = struct{}{}
	}
}

// certificate keeps what a certificate's secrets are sealed with: keys of its own, wrapped by the app's.
func (c *contents) certificate(app vault.Holder, k domain.KeptCertificate) {
	for _, sealed := range k.Sealed {
		c.keeps(app, sealed)
		c.keeps(secrets.Holder(domain.AppID(app.App), k.ID), sealed)
	}
}

func (c *contents) keeps(h vault.Holder, sealed []byte) {
	if len(sealed) > 0 {
		c.sealed[h] = struct{}{}
	}
}

// shared tells of the numbers that two apps have.
func (c *contents) shared() (found []damage.Finding) {
	for of, position := range c.twice {
		found = append(found, damage.Finding{
			Code: numberTwice, Where: where, Position: position,
			Problem: fmt.Sprintf("the app %d of %s has the number of an earlier app of another account", of.app, of.account),
			Fix:     fmt.Sprintf("give it another one: sundial account renumber %s %d", of.account, of.app),
		})
	}
	slices.SortFunc(found, func(a, b damage.Finding) int { return cmp.Compare(a.Position, b.Position) })
	return found
}

// holders are those of keys that have secrets in the log.
func (c *contents) holders() iter.Seq[vault.Holder] {
	return func(yield func(vault.Holder) bool) {
		if c == nil {
			return
		}
		for h := range c.sealed {
			if _, gone := c.gone[h.App]; !gone && !yield(h) {
				return
			}
		}
	}
}
