package domain

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// CertificateID is a push certificate's number, unique in the engine: clients send it as businessID.
type CertificateID uint64

// FirstCertificate is where the engine's own numbers begin; certificates that come by import keep lower ones.
const (
	FirstCertificate CertificateID = 1_000_001
	MaxCertificate   CertificateID = 9_999_999_999
)

// TPNSPlatform is the platform of the certificates that mobile push uses; the others are for the vendors' own push.
const TPNSPlatform = "tpns"

// Certificate is how the push service reaches a vendor's: its plain fields, and of its secret ones only that they are
// there. What the platforms' fields are, and whether a file holds what it should, is judged where it comes in.
type Certificate struct {
	ID        CertificateID     `json:"id"`
	Platform  string            `json:"platform"`
	Fields    map[string]string `json:"fields,omitempty"`   // those that are no secret
	Prints    map[string][]byte `json:"prints,omitempty"`   // of each secret field: tells whether one that is given is this one
	NotAfter  Instant           `json:"not_after,omitzero"` // from then on it is expired; absent: it does not expire
	Due       Instant           `json:"due,omitzero"`       // of the next notice, or of the expiry
	Episode   uint64            `json:"episode,omitzero"`   // the account's version at which Due was set
	Expired   bool              `json:"expired,omitzero"`   // as committed
	CreatedAt Instant           `json:"created_at"`
	CreatedBy string            `json:"created_by,omitzero"`
	UpdatedAt Instant           `json:"updated_at"`
	UpdatedBy string            `json:"updated_by,omitzero"`
}

// CertificateState is whether pushes go over a certificate.
type CertificateState string

// The states of a certificate.
const (
	PushActive   CertificateState = "active"
	PushInactive CertificateState = "inactive" // mobile push is on and it is another platform's, or the reverse
	PushExpired  CertificateState = "expired"
)

// CertificateState says whether pushes go over one of the app's certificates.
func (a *App) CertificateState(c *Certificate) CertificateState {
	switch {
	case c.Expired:
		return PushExpired
	case a.TPNS != (c.Platform == TPNSPlatform):
		return PushInactive
	}
	return PushActive
}

// Certificate gives one of the app's certificates, nil if it has none with this id.
func (a *App) Certificate(id CertificateID) *Certificate {
	if i := a.findCertificate(id); i >= 0 {
		return &a.Certificates[i]
	}
	return nil
}

func (a *App) findCertificate(id CertificateID) int {
	return slices.IndexFunc(a.Certificates, func(c Certificate) bool { return c.ID == id })
}

// CertificateContent is what a certificate holds, as whoever keeps the secrets read and sealed it. What retries of one
// command cannot repeat is no part of its content.
type CertificateContent struct {
	Platform string            `json:"platform"`
	Fields   map[string]string `json:"fields,omitempty"`
	Prints   map[string][]byte `json:"prints,omitempty"` // of every secret field that it has
	Sealed   map[string][]byte `json:"-"`                // of the secret fields that are new
	NotAfter Instant           `json:"not_after,omitzero"`
}

// Content is what the certificate holds, without what is sealed.
func (c *Certificate) Content() CertificateContent {
	return CertificateContent{Platform: c.Platform, Fields: c.Fields, Prints: c.Prints, NotAfter: c.NotAfter}
}

func (c CertificateContent) same(k *Certificate) bool {
	return c.Platform == k.Platform && c.NotAfter == k.NotAfter && maps.Equal(c.Fields, k.Fields) &&
		maps.EqualFunc(c.Prints, k.Prints, bytes.Equal)
}

// Limits of what a certificate may hold, so that a commit carries it: what is longer was refused where it came in.
const (
	maxCertificateFields = 20
	maxCertificateField  = 4096    // bytes of a plain field
	maxCertificateSealed = 200_000 // bytes of all that is sealed
)

func (c CertificateContent) check(p *problems) {
	if c.Platform == "" {
		p.add("platform", "required", "must be the name of a platform")
	}
	size := 0
	for _, sealed := range c.Sealed {
		size += len(sealed)
	}
	if len(c.Fields)+len(c.Prints) > maxCertificateFields || size > maxCertificateSealed {
		p.add("fields", "too_long", fmt.Sprintf("must be at most %d fields and %d bytes of secrets", maxCertificateFields, maxCertificateSealed))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Fields)) {
		value := c.Fields[name]
		if len(value) > maxCertificateField || !printable(value, true) {
			p.add("fields."+name, "too_long", fmt.Sprintf("must be at most %d bytes, none of them a control character", maxCertificateField))
		}
	}
}

// due is what time does to a certificate next after now: the next notice of its end, or the end.
func (p Policy) certificateDue(notAfter, now Instant) Instant {
	if notAfter == 0 {
		return 0
	}
	if at := nextOf(p.CertificateNotices, notAfter, now); at != 0 {
		return at
	}
	return notAfter
}

// kept is a certificate's content as the log keeps it.
func (d *draft) kept(id CertificateID, c CertificateContent) KeptCertificate {
	return KeptCertificate{
		ID: id, Platform: c.Platform, Fields: c.Fields, Prints: c.Prints, Sealed: c.Sealed, NotAfter: c.NotAfter,
		Due: d.at.Policy.certificateDue(c.NotAfter, d.at.Now), By: d.at.Actor,
	}
}

// KeptCertificate is what a certificate holds from an event on.
type KeptCertificate struct {
	ID       CertificateID     `json:"id"`
	Platform string            `json:"platform"`
	Fields   map[string]string `json:"fields,omitempty"` // those that are no secret
	Prints   map[string][]byte `json:"prints,omitempty"` // of every secret field
	Sealed   map[string][]byte `json:"sealed,omitempty"` // the secret fields that this event changes
	NotAfter Instant           `json:"not_after,omitzero"`
	Due      Instant           `json:"due,omitzero"` // of the next notice of its end, or of the end
	By       string            `json:"by,omitzero"`  // who
}

// shown is the certificate for those outside: without what is sealed, and without what tells secrets apart.
func (k KeptCertificate) shown() KeptCertificate {
	k.Sealed, k.Prints = nil, nil
	return k
}

// put makes the certificate hold it.
func (k KeptCertificate) put(c *Certificate, acc *Account) {
	if c.Expired && c.NotAfter == k.NotAfter {
		k.Due = 0
	} else {
		c.Expired = false
	}
	c.ID, c.Platform, c.Fields, c.Prints = k.ID, k.Platform, k.Fields, k.Prints
	c.NotAfter, c.Due, c.Episode = k.NotAfter, k.Due, episode(acc, k.Due)
	c.UpdatedAt, c.UpdatedBy = acc.RecordedAt, k.By
}
