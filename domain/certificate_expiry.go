package domain

import (
	"fmt"
)

// nextCertificate is the certificate whose notice or expiry comes first, the one added first of several; nil if there is
// none.
func (a *App) nextCertificate() *Certificate {
	var first *Certificate
	for i := range a.Certificates {
		if c := &a.Certificates[i]; c.Due != 0 && (first == nil || c.Due < first.Due) {
			first = c
		}
	}
	return first
}

// ends says whether what is due is the certificate's end, and not a notice of it.
func (c *Certificate) ends() bool { return c.Due >= c.NotAfter }

// expire lets time do to a certificate what is due: a notice of its end, or its end. Of several notices whose time has
// passed, only the last is given.
func (d *draft) expire(app *App, at Instant) {
	c := app.nextCertificate()
	next := d.at.Policy.certificateDue(c.NotAfter, d.at.Now)
	if c.ends() || next == c.NotAfter && next <= d.at.Now {
		d.emit(CertificateExpired{About{app.ID}, c.ID, c.NotAfter})
		return
	}
	d.emit(CertificateExpiryNoticed{About{app.ID}, c.ID, lastPassed(d.at.Policy.CertificateNotices, c.NotAfter, at, d.at.Now), c.NotAfter, next})
}

// CertificateExpiryNoticed says that a certificate will expire soon: a notice is owed to the app's owner.
type CertificateExpiryNoticed struct {
	About
	Certificate CertificateID `json:"certificate"`
	EffectiveAt Instant       `json:"effective_at"` // when the notice was due
	NotAfter    Instant       `json:"not_after"`
	Due         Instant       `json:"due"` // of the next notice, or of the expiry
}

func (CertificateExpiryNoticed) Type() string { return "app.certificate_expiry_noticed.v1" }

func (e CertificateExpiryNoticed) apply(acc *Account) {
	if c := acc.change(e.App).Certificate(e.Certificate); c != nil {
		c.Due, c.Episode = e.Due, acc.Version
	}
}

func (e CertificateExpiryNoticed) describe() string {
	return fmt.Sprintf("push certificate %d will expire at %s", e.Certificate, e.NotAfter)
}

func (CertificateExpiryNoticed) derived() bool { return true }

// CertificateExpired says that a certificate has expired: pushes over it fail.
type CertificateExpired struct {
	About
	Certificate CertificateID `json:"certificate"`
	EffectiveAt Instant       `json:"effective_at"` // its end
}

func (CertificateExpired) Type() string { return "app.certificate_expired.v1" }

func (e CertificateExpired) apply(acc *Account) {
	if c := acc.change(e.App).Certificate(e.Certificate); c != nil {
		c.Expired, c.Due, c.Episode = true, 0, 0
	}
}

func (e CertificateExpired) describe() string {
	return fmt.Sprintf("push certificate %d expired", e.Certificate)
}

func (CertificateExpired) derived() bool { return true }
